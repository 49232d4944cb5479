//! A responder and an initiator of revtun, and what callers say and see.

use std::net::SocketAddr;

use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::patience::SOON;
use revtun_tests::raw::Raw;

/// The node behind the tunnels.
pub(crate) const NODE: &str = "node-a";

/// A responder, and an initiator before a service.
pub(crate) struct Pair {
    pub(crate) responder: Responder,
    pub(crate) initiator: Initiator,
}

impl Pair {
    /// Starts both, with the texts of configuration files.
    pub(crate) async fn start(service: SocketAddr, responder: &str, initiator: &str) -> Self {
        let responder = Responder::configured(&format!("[responder]\ntenant_isolation = false\n{responder}")).await;
        let hosts = [responder.tunnel()];
        let initiator =
            Initiator::configured(Dialling::from_revtun(&hosts, service), &format!("[initiator]\n{initiator}")).await;
        responder.has_within(SOON, NODE, 1).await;
        Self { responder, initiator }
    }

    /// As [`ask`], at the responder.
    pub(crate) async fn ask(&self, head: &str, rest: &[u8]) -> (String, Raw) {
        ask(self.responder.egress(), head, rest).await
    }
}

/// Sends `head`, lines without the last empty one, and `rest` in one write; and reads the head of the response.
pub(crate) async fn ask(egress: SocketAddr, head: &str, rest: &[u8]) -> (String, Raw) {
    let mut raw = Raw::connect(egress).await;
    let head = format!("{head}\r\nhost: a\r\nx-node-id: {NODE}\r\n\r\n");
    raw.send(&[head.as_bytes(), rest].concat()).await;
    let head = read_head(&mut raw).await;
    (head, raw)
}

/// Reads the head of a response, and takes it.
pub(crate) async fn read_head(raw: &mut Raw) -> String {
    let end = |bytes: &[u8]| bytes.windows(4).position(|window| window == b"\r\n\r\n");
    raw.read_until(SOON, "the head of a response", |bytes| end(bytes).is_some()).await;
    let mut bytes = raw.take();
    let rest = bytes.split_off(end(&bytes).map_or(bytes.len(), |end| end + 4));
    raw.put_back(rest);
    String::from_utf8(bytes).expect("a head is text")
}

/// Reads until exactly `expected` was received, and takes it.
pub(crate) async fn expect(raw: &mut Raw, expected: &[u8]) {
    raw.read_until(SOON, "bytes of a stream", |bytes| bytes.len() >= expected.len()).await;
    assert_eq!(String::from_utf8_lossy(&raw.take()), String::from_utf8_lossy(expected));
}
