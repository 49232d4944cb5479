//! What `/readyz` of an initiator says of names and hosts that do not work.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "tests live in the real world")]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::initiator::{self, HostPort, InitiatorConfig, RequestBody, Run};
use revtun::tls::CertificateStore;
use revtun::world::Tokio;
use revtun_core::address::Address;
use revtun_program::admin::{self, AdminConfig, InitiatorSubject};
use tokio::net::{TcpListener, TcpStream};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Longer than any test takes, and short enough to see that one hangs.
const DEADLINE: Duration = Duration::from_secs(20);

async fn get(to: SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", to.to_string()).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn an_initiator_that_is_not_ready_says_what_is_wrong_with_each_name_and_host() {
    let world = Tokio::begin();
    let refused = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    // No resolver asks anybody for a label of 64 bytes (RFC 1035 §2.3.4).
    let unresolvable = HostPort { host: format!("{}.invalid", "x".repeat(64)), port: 1 };
    let address = Address::parse("rc://n:c:t@up:1").unwrap();
    let config = InitiatorConfig::new(address.clone(), vec![refused.into(), unresolvable.clone()]);
    let pong = |_: Request<RequestBody>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("pong")))) };
    let handle = initiator::start(&world, config, Run::begin(&world), service_fn(pong)).await.unwrap();
    let listeners = Arc::new(vec![(address, handle)]);
    let subject =
        InitiatorSubject::new(Arc::clone(&listeners), Vec::new(), Duration::ZERO, CertificateStore::default());
    let admin = admin::start(&world, AdminConfig::at(LOOPBACK), subject).await.unwrap().addr();

    let name = format!("cannot resolve {unresolvable}: ");
    let host = format!("{refused}: Connection refused");
    let said = async {
        loop {
            let (status, text) = get(admin, "/readyz").await;
            assert_eq!(status, 503, "{text}");
            if text.contains(&name) && text.contains(&host) && text.contains(", next dial in ") {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let text = tokio::time::timeout(DEADLINE, said).await.unwrap();
    assert!(text.starts_with("not ready: no tunnel was heard recently for rc://n:c:t@up:1 ("), "{text}");
    assert!(text.contains(", next lookup in ") || text.contains(", lookup under way"), "{text}");
    assert_eq!(get(admin, "/healthz").await.0, 200, "it is alive");

    let (_, tunnels) = get(admin, "/tunnels").await;
    let tunnels: serde_json::Value = serde_json::from_str(&tunnels).unwrap();
    let listener = &tunnels["listeners"][0];
    assert_eq!(listener["hosts"][0]["host"], refused.to_string());
    assert_eq!(listener["hosts"][0]["up"], false);
    assert_eq!(listener["names"][0]["name"], unresolvable.to_string());
    assert!(listener["names"][0]["last_error"].is_string(), "{listener}");
}
