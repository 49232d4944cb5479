//! Serving what comes through tunnels.
//!
//! An initiator dials every address of its endpoints and keeps as many tunnels to each as its address says:
//! `rc://NODE:CLUSTER:TENANT@UPSTREAM:COUNT`. It needs no care: a tunnel that is lost, silent or drained by its responder is
//! replaced at once, and failures back off.
//!
//! # With a server of your own
//!
//! A [`ReverseListener`](crate::ReverseListener) yields each tunnel when its first request comes, as a byte stream. Revtun's
//! responders speak HTTP/2 by prior knowledge, so a server that speaks it will do:
//!
//! ```no_run
//! use http_body_util::Full;
//! use hyper::{Request, Response, body::{Bytes, Incoming}, server::conn::http2, service::service_fn};
//! use hyper_util::rt::{TokioExecutor, TokioIo};
//! use revtun::ReverseListener;
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
//!     Ok(Response::new(Full::new(Bytes::from("Hello from the edge\n"))))
//! }
//!
//! # async fn serve() -> Result<(), revtun::ConnectError> {
//! let mut listener = ReverseListener::connect("rc://edge-1:edge:acme@cloud:3", ["localhost:15443"]).await?;
//! while let Some((stream, _responder)) = listener.accept().await {
//!     let server = http2::Builder::new(TokioExecutor::new());
//!     tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(hello)));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `axum` the whole loop is `axum::serve(listener, app)`.
//!
//! # Taking it out of service
//!
//! A drain tells the responders to send no more requests, and ends when the last one has its response, or after the time that
//! it is given. A server that has taken the listener is told of the end by a clone of [`initiator()`](crate::ReverseListener::initiator):
//!
//! ```no_run
//! # async fn stop(listener: revtun::ReverseListener) {
//! use std::{sync::Arc, time::Duration};
//!
//! let initiator = Arc::clone(listener.initiator());
//! // ... a server takes the listener ...
//! initiator.drain(Duration::from_secs(30));
//! initiator.wait().await;
//! # }
//! ```
//!
//! # By forwarding
//!
//! [`initiator::start`](crate::initiator::start) serves HTTP itself, with the limits of its configuration, and calls a service for
//! each request. [`Forward`](crate::upstream::Forward) is one that sends them to a local server; any hyper service is another.
//!
//! ```no_run
//! use revtun::{initiator::{self, InitiatorConfig, Run}, upstream::Forward, world::Tokio};
//!
//! # async fn forward() -> Result<(), Box<dyn std::error::Error>> {
//! let world = Tokio::begin();
//! let mut config = InitiatorConfig::new("rc://edge-1:edge:acme@cloud:3".try_into()?, vec!["localhost:15443".parse()?]);
//! config.max_streams = 256;
//! let service = Forward::new(&world, "127.0.0.1:8080".parse()?, &config.core)?;
//! let initiator = initiator::start(&world, config, Run::begin(&world), service).await?;
//! eprintln!("{}", initiator.failed().await);
//! # Ok(())
//! # }
//! ```
