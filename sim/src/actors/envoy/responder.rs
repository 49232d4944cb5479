//! An Envoy as responder.

use std::sync::Arc;
use std::time::Duration;

use revtun::world::World;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::egress;
use super::idle_pool::{IdlePool, Node};
use super::protocol::{Stream, header, read_head};
use super::state::{ConnectionEntry, EnvoyState, Peer};
use crate::actors::addresses::{CLOUD, EGRESS, TUNNELS, unspecified};
use crate::deterministic_tls::CertificateAuthority;
use crate::plan::Plan;
use crate::process_world::{ProcessWorld, timeout};

/// The time from the connection to the response.
const HANDSHAKE: Duration = Duration::from_secs(10);

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[derive(Clone)]
struct Acceptor {
    world: ProcessWorld,
    tls: Option<TlsAcceptor>,
    state: EnvoyState,
    pool: IdlePool,
    per_node: usize,
}

/// Accepts tunnels and sends requests into them until the process ends.
///
/// # Panics
/// If it cannot listen.
pub async fn run(world: ProcessWorld, plan: Arc<Plan>, authority: Arc<CertificateAuthority>, state: EnvoyState) {
    let pool = IdlePool::default();
    let acceptor = Acceptor {
        world: world.clone(),
        tls: plan.tls.then(|| TlsAcceptor::from(Arc::clone(&authority.server(CLOUD).borrow()))),
        state: state.clone(),
        pool: pool.clone(),
        per_node: usize::try_from(plan.responder.max_tunnels_per_node).unwrap_or(usize::MAX),
    };
    let callers = world.listen(unspecified(EGRESS)).await.expect("its ports are its own");
    world.spawn(egress::run(world.clone(), callers, state, pool));
    let tunnels = world.listen(unspecified(TUNNELS)).await.expect("its ports are its own");
    while let Ok((stream, _)) = world.accept(&tunnels).await {
        let acceptor = acceptor.clone();
        world.spawn(async move {
            let entry = acceptor.state.add(Peer::Unknown);
            if let Some(Some((stream, node))) = timeout(HANDSHAKE, acceptor.handshake(stream, &entry)).await {
                acceptor.pool.park(&acceptor.world, node, stream, entry);
            }
        });
    }
}

impl Acceptor {
    async fn handshake(&self, stream: Stream, entry: &ConnectionEntry) -> Option<(Stream, Node)> {
        let Some(tls) = &self.tls else {
            let mut stream = stream;
            let node = self.respond(&mut stream, entry).await?;
            return Some((stream, node));
        };
        let mut stream = tls.accept(stream).await.ok()?;
        let node = self.respond(&mut stream, entry).await?;
        // Envoy drops TLS after the handshake, without a `close_notify`.
        Some((stream.into_inner().0, node))
    }

    /// Reads the handshake and responds. Bytes after the head in the same read are dropped, as Envoy does.
    async fn respond<S>(&self, stream: &mut S, entry: &ConnectionEntry) -> Option<Node>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let (bytes, end) = read_head(stream, usize::MAX).await?;
        let checked = self.check_request(&String::from_utf8_lossy(&bytes[..end]));
        let answer = checked.as_ref().map_or_else(|(status, body)| rejection(status, body), |_| ACCEPTED.to_vec());
        stream.write_all(&answer).await.ok()?;
        stream.flush().await.ok()?;
        match checked {
            Ok((tenant, node)) => {
                entry.set_peer(Peer::Node(tenant.clone(), node.clone()));
                Some((tenant, node))
            }
            Err(_) => {
                stream.shutdown().await.ok()?;
                None
            }
        }
    }

    /// Checks the request in Envoy's order.
    fn check_request(&self, head: &str) -> Result<Node, (&'static str, &'static str)> {
        let bad = "400 Bad Request";
        if header(head, "content-length").is_some_and(|length| length != "0") {
            return Err((bad, "Reverse tunnel handshake must not carry a body"));
        }
        if !head.starts_with("GET /reverse_connections/request HTTP/1.1\r\n") {
            return Err(("404 Not Found", "Not a reverse tunnel request"));
        }
        let id = |what: &str| header(head, &format!("x-envoy-reverse-tunnel-{what}-id"));
        let (Some(node), Some(cluster), Some(tenant)) = (id("node"), id("cluster"), id("tenant")) else {
            return Err((bad, "Missing required reverse tunnel headers"));
        };
        if tenant.is_empty() {
            return Err((bad, "Empty tenant-id header value"));
        }
        if [node, cluster, tenant].iter().any(|id| id.contains(':')) {
            return Err((bad, "Reverse tunnel identifiers must not contain ':' when tenant isolation is enabled"));
        }
        let node = (tenant.to_owned(), node.to_owned());
        let peer = Peer::Node(node.0.clone(), node.1.clone());
        // Tunnels in handshake at the same time do not count each other.
        if self.state.connections().iter().filter(|connection| connection.peer == peer).count() >= self.per_node {
            return Err(("429 Too Many Requests", "rejected"));
        }
        Ok(node)
    }
}

fn rejection(status: &str, body: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n");
    format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_is_one_chunk_of_text() {
        let bytes = rejection("404 Not Found", "Not a reverse tunnel request");
        let expected = "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n\
            1c\r\nNot a reverse tunnel request\r\n0\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}
