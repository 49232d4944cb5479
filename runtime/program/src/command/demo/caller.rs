//! A caller in the cloud, who knows a node or a cluster and the responder's egress listener.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use revtun::http::REASON;
use revtun::world::{Tokio, World};

use super::stage::StepError;

/// A header and its value: who is meant.
type Target = (&'static str, &'static str);

/// Sends a GET; says what came back.
pub(super) async fn get(world: &Tokio, egress: SocketAddr, target: Target) -> Result<String, StepError> {
    let answer = send(world, egress, request(Method::GET, target, Bytes::new())?).await?;
    let status = answer.status();
    let text = answer.into_body().collect().await?.to_bytes();
    Ok(format!("{status}: {}", String::from_utf8_lossy(&text)))
}

/// Sends `body` to be echoed; returns what came back.
pub(super) async fn echo(world: &Tokio, egress: SocketAddr, target: Target, body: Bytes) -> Result<Bytes, StepError> {
    let answer = send(world, egress, request(Method::POST, target, body)?).await?;
    Ok(answer.into_body().collect().await?.to_bytes())
}

fn request(method: Method, (header, id): Target, body: Bytes) -> Result<Request<Full<Bytes>>, StepError> {
    let request = Request::builder().method(method).uri("/").header("host", "service.internal");
    Ok(request.header(header, id).header("x-tenant-id", "acme").body(Full::from(body))?)
}

/// Sends one request over a connection of its own; anything but a success is trouble.
async fn send(
    world: &Tokio,
    egress: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, StepError> {
    let stream = TokioIo::new(world.connect(egress).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    world.spawn(async move {
        // What goes wrong with it, the request sees.
        let _ended = connection.await;
    });
    let answer = sender.send_request(request).await?;
    if !answer.status().is_success() {
        let reason = answer.headers().get(REASON).and_then(|reason| reason.to_str().ok()).unwrap_or("no reason given");
        return Err(format!("answered {} ({reason})", answer.status()).into());
    }
    Ok(answer)
}
