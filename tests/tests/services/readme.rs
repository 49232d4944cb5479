//! The file in the README: a web application, a gRPC service and a service of HTTPS behind one initiator.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use revtun_tests::certificates::{Authority, Files};
use revtun_tests::client::{get, to_node};
use revtun_tests::ends::{Initiator, Responder};
use revtun_tests::grpc::{GrpcService, call};
use revtun_tests::patience::SOON;
use revtun_tests::port::Port;
use revtun_tests::service::Service;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const NODE: &str = "edge-1";

/// The one file of the README that has routes.
fn file_of_the_readme() -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("the README");
    let mut blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains("[[initiator.listener.route]]")).expect("a file with routes").to_owned()
}

/// A service of HTTPS that offers these protocols, and says which one it speaks, the host, and the path.
async fn https(files: &Files, alpn: &[&[u8]]) -> SocketAddr {
    let certificates = CertificateDer::pem_file_iter(&files.cert).expect("a file").collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates.expect("PEM"), key);
    let mut config = config.expect("a pair");
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let name = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
                let service = service_fn(move |request: Request<Incoming>| {
                    let told = format!("{:?} {name} {}", request.version(), request.uri().path());
                    async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(told)))) }
                });
                let io = TokioIo::new(stream);
                // An error is a client that hung up.
                drop(match is_http2 {
                    true => http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
                    false => http1::Builder::new().serve_connection(io, service).await,
                });
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_the_readme_reaches_three_services() {
    let authority = Authority::new();
    let cloud = authority.issue("cloud", &["127.0.0.1"]);
    let tls = ["--tls-cert", &cloud.cert, "--tls-key", &cloud.key, "--tenant-isolation", "false"];
    let responder = Responder::revtun(&tls).await;
    let web = Service::start("web").await;
    let grpc = GrpcService::start().await;
    let nobody = Port::reserve();
    for (alpn, version) in
        [(&[&b"h2"[..], b"http/1.1"][..], "HTTP/2.0"), (&[b"http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let vault = https(&authority.issue("vault", &["vault.internal"]), alpn).await;
        let file = [
            ("responder.example.com:15443", responder.tunnel().to_string()),
            ("127.0.0.1:8080", web.addr().to_string()),
            ("127.0.0.1:50051", grpc.as_ref().map_or(nobody.addr(), GrpcService::addr).to_string()),
            ("127.0.0.1:8200", vault.to_string()),
            ("cloud-ca.pem", authority.ca()),
            ("vault-ca.pem", authority.ca()),
        ];
        let settings = file.into_iter().fold(file_of_the_readme(), |text, (example, ours)| {
            assert!(text.contains(example), "{example}");
            text.replace(example, &ours)
        });
        let initiator = Initiator::of_file(&settings).await;
        responder.has_within(SOON, NODE, 3).await;
        let answer = responder.ask_node(NODE, "/x").await;
        assert_eq!(answer.json()["service"], "web", "{answer:?}");
        for path in ["/vault/a", "/vault/b"] {
            let answer = responder.ask(to_node(NODE, path)).await;
            let told = format!("{version} vault.internal {}", &path["/vault".len()..]);
            assert_eq!(String::from_utf8_lossy(&answer.body), told);
        }
        if grpc.is_some() {
            call(responder.egress(), NODE, "inventory.example.com", &["unary", "trailers_only"]).await;
        }
        let ready = get(initiator.admin(), "/readyz?verbose").await.expect("a page");
        assert_eq!(ready.status, 200);
        assert!(String::from_utf8_lossy(&ready.body).contains("service vault: up\n"));
        drop(initiator);
        responder.has_within(SOON, NODE, 0).await;
    }
}
