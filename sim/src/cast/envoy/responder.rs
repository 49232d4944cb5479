//! An Envoy that takes tunnels in.

use std::sync::Arc;
use std::time::Duration;

use revtun::world::World;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::pool::{Node, Pool};
use super::state::{Entry, Peer, State};
use super::{Stream, egress, header, read_head};
use crate::cast::{CLOUD, EGRESS, TUNNELS, anywhere};
use crate::host::{Local, within};
use crate::plan::Plan;
use crate::secrets::Authority;

/// From the connection to the answer.
const HANDSHAKE: Duration = Duration::from_secs(10);

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[derive(Clone)]
struct Door {
    world: Local,
    tls: Option<TlsAcceptor>,
    state: State,
    pool: Pool,
    per_node: usize,
}

/// Takes tunnels in and sends requests into them until the process ends.
///
/// # Panics
/// If it cannot listen.
pub async fn run(world: Local, plan: Arc<Plan>, authority: Arc<Authority>, state: State) {
    let pool = Pool::default();
    let door = Door {
        world: world.clone(),
        tls: plan.tls.then(|| TlsAcceptor::from(Arc::clone(&authority.server(CLOUD).borrow()))),
        state: state.clone(),
        pool: pool.clone(),
        per_node: usize::try_from(plan.responder.max_tunnels_per_node).unwrap_or(usize::MAX),
    };
    let callers = world.listen(anywhere(EGRESS)).await.expect("its ports are its own");
    world.spawn(egress::run(world.clone(), callers, state, pool));
    let tunnels = world.listen(anywhere(TUNNELS)).await.expect("its ports are its own");
    while let Ok((stream, _)) = world.accept(&tunnels).await {
        let door = door.clone();
        world.spawn(async move {
            let entry = door.state.enter(Peer::Unknown);
            if let Some(Some((stream, node))) = within(HANDSHAKE, door.greet(stream, &entry)).await {
                door.pool.park(&door.world, node, stream, entry);
            }
        });
    }
}

impl Door {
    async fn greet(&self, stream: Stream, entry: &Entry) -> Option<(Stream, Node)> {
        let Some(tls) = &self.tls else {
            let mut stream = stream;
            let node = self.answer(&mut stream, entry).await?;
            return Some((stream, node));
        };
        let mut stream = tls.accept(stream).await.ok()?;
        let node = self.answer(&mut stream, entry).await?;
        // From here on nothing is encrypted, and no goodbye says so.
        Some((stream.into_inner().0, node))
    }

    /// Reads who is there and answers. What came behind the head in the same read is thrown away.
    async fn answer<S>(&self, stream: &mut S, entry: &Entry) -> Option<Node>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let (bytes, end) = read_head(stream, usize::MAX).await?;
        let judged = self.judge(&String::from_utf8_lossy(&bytes[..end]));
        let answer = judged.as_ref().map_or_else(|(status, body)| rejection(status, body), |_| ACCEPTED.to_vec());
        stream.write_all(&answer).await.ok()?;
        stream.flush().await.ok()?;
        match judged {
            Ok((tenant, node)) => {
                entry.name(Peer::Node(tenant.clone(), node.clone()));
                Some((tenant, node))
            }
            Err(_) => {
                stream.shutdown().await.ok()?;
                None
            }
        }
    }

    /// In the order in which an Envoy looks at it.
    fn judge(&self, head: &str) -> Result<Node, (&'static str, &'static str)> {
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
        // Tunnels that arrive at the same time do not see each other.
        if self.state.rows().iter().filter(|row| row.peer == peer).count() >= self.per_node {
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
