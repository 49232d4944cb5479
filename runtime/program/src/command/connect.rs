//! `revtun connect`.

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use revtun::http::REASON;
use revtun::tls::{CertificateStore, Client, ClientFiles, MaybeTlsStream};
use revtun::world::{Tokio, World};
use tokio::io::{AsyncWriteExt, copy, copy_bidirectional, split, stdin, stdout};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::process;
use crate::cli::ConnectArgs;
use crate::error::CliError;
use crate::log;

/// The most bytes that are read of why a connection was refused.
const REFUSAL_BYTES: usize = 1024;

/// Connects once, or listens until it is ended.
pub(super) fn run(args: &ConnectArgs) -> Result<(), CliError> {
    process::on_threads(NonZeroUsize::new(1), async {
        let world = Tokio::begin();
        let (_hangups, hangups) = watch::channel(0);
        let tls = match args.egress.tls {
            false => None,
            true => {
                let mut files = ClientFiles::default();
                files.ca.clone_from(&args.ca);
                files.own.clone_from(&args.own);
                let config = CertificateStore::default().watch(&world, "egress", files, hangups);
                Some(Client::new(config.map_err(CliError::user)?))
            }
        };
        let connector = Connector { world, tls, args: args.clone() };
        match args.listen {
            Some(_) => listen(connector).await,
            None => join_stdio(connector.connect().await.map_err(CliError::own)?).await.map_err(CliError::own),
        }
    })
}

/// Joins standard input and output with `stream`, until that ends.
async fn join_stdio(stream: TokioIo<Upgraded>) -> io::Result<()> {
    let (mut from, mut to) = split(stream);
    let sending = async {
        copy(&mut stdin(), &mut to).await?;
        to.shutdown().await
    };
    let receiving = async {
        let mut stdout = stdout();
        copy(&mut from, &mut stdout).await?;
        stdout.flush().await
    };
    tokio::pin!(receiving);
    tokio::select! {
        biased;
        received = &mut receiving => return received,
        sent = sending => sent?,
    }
    receiving.await
}

/// Opens a connection for each one that is accepted.
async fn listen(connector: Connector) -> Result<(), CliError> {
    let world = connector.world.clone();
    let Some(at) = connector.args.listen else { return Ok(()) };
    let bound = world.listen(at).await.and_then(|listener| Ok((world.local_addr(&listener)?, listener)));
    let (at, listener) =
        bound.map_err(|error| process::unbound(&format!("cannot listen on {at}: {error}"), error.kind()))?;
    process::announce("connect", at);
    let connector = Arc::new(connector);
    loop {
        let accepted = world.accept(&listener).await;
        let (mut caller, _) = accepted.map_err(|error| CliError::own(format!("cannot accept connections: {error}")))?;
        let connector = Arc::clone(&connector);
        world.spawn(async move {
            match connector.connect().await {
                Ok(mut stream) => {
                    // How it ended is known at both ends of it.
                    drop(copy_bidirectional(&mut caller, &mut stream).await);
                }
                Err(failure) => log::say(&format!("revtun: {failure}")),
            }
        });
    }
}

/// Opens connections to one destination.
struct Connector {
    world: Tokio,
    tls: Option<Client>,
    args: ConnectArgs,
}

impl Connector {
    async fn connect(&self) -> Result<TokioIo<Upgraded>, String> {
        let ConnectArgs { target, egress, destination, .. } = &self.args;
        let failed = |error: &dyn Display| format!("cannot connect to {}: {error}", egress.at);
        let stream = self.egress().await.map_err(|error| failed(&error))?;
        let (mut requests, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        self.world.spawn(async move { drop(connection.with_upgrades().await) });
        let mut request =
            Request::connect(destination.to_string()).body(Empty::<Bytes>::new()).map_err(|error| failed(&error))?;
        let host = destination.to_string().parse().map_err(|_| failed(&"no legal host"))?;
        request.headers_mut().insert(http::header::HOST, host);
        let target = target.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.clone()));
        request.headers_mut().extend(target);
        let mut response = requests.send_request(request).await.map_err(|error| failed(&error))?;
        if response.status() != StatusCode::OK {
            let (head, body) = response.into_parts();
            return Err(format!("{destination}: {}", refusal(head.status, &head.headers, body).await));
        }
        let upgraded = hyper::upgrade::on(&mut response).await.map_err(|error| failed(&error))?;
        Ok(TokioIo::new(upgraded))
    }

    /// A connection to the egress listener.
    async fn egress(&self) -> io::Result<MaybeTlsStream<TcpStream>> {
        let at = &self.args.egress.at;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.world.resolve(&at.host, at.port).await? {
            match self.world.connect(address).await {
                Ok(stream) => {
                    return match &self.tls {
                        Some(tls) => tls.connect(stream, &at.host).await,
                        None => Ok(MaybeTlsStream::plain(stream)),
                    };
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Why a connection was refused, in one line.
async fn refusal(status: StatusCode, headers: &HeaderMap, body: Incoming) -> String {
    let reason = headers.get(REASON).and_then(|reason| reason.to_str().ok()).unwrap_or("refused");
    let text = Limited::new(body, REFUSAL_BYTES).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|char| !char.is_control()).collect();
    format!("{} {reason}: {}", status.as_u16(), line.trim_end_matches('.'))
}
