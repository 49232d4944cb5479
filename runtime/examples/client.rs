//! A request to a node, in the process of the responder: `cargo run -p revtun --example client`.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use revtun::responder::{EgressClient, ResponderConfig, start};
use revtun::world::Tokio;
use tower_service::Service;

/// Waits for a tunnel to `node`, and sends a request through it.
pub(crate) async fn get(mut client: EgressClient<Tokio>, node: &str) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let request = http::Request::get("http://service.example/").header("x-node-id", node).header("x-tenant-id", "acme");
    let response = client.call(request.body(Empty::<Bytes>::new())?).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let config = ResponderConfig::at("127.0.0.1:15443".parse()?, "127.0.0.1:15080".parse()?);
    let responder = start(Tokio::begin(), config).await?;
    println!("{:?}", get(responder.client(), "edge-1").await?);
    Ok(())
}
