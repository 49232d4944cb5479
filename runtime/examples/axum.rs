//! A service behind a tunnel, by axum: `cargo run -p revtun --features axum --example axum`.

use std::error::Error;

use axum::{Router, routing::get};
use revtun::ReverseListener;

/// Dials `responder`, a `host:port`, and serves what comes through the tunnels.
pub(crate) async fn serve(responder: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = ReverseListener::connect("rc://edge-1:edge:acme@cloud:1", [responder]).await?;
    let app = Router::new().route("/", get(async || "Hello from the edge\n"));
    Ok(axum::serve(listener, app).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    serve("127.0.0.1:15443").await
}
