//! Accepting tunnels, and sending requests through them.
//!
//! A responder has two listeners: initiators dial one, callers connect to the other. A request names its target by `x-node-id`,
//! `x-cluster-id` or both, and `x-tenant-id` unless tenants are not isolated.
//!
//! # Requests of the same process
//!
//! [`client()`](crate::responder::ResponderHandle::client) is a `tower::Service` that needs no connection to the egress listener:
//!
//! ```no_run
//! use http_body_util::{BodyExt, Empty};
//! use hyper::{Request, body::Bytes};
//! use revtun::{responder::{self, ClientError, LocalReply, ResponderConfig}, world::Tokio};
//! use tower_service::Service;
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let config = ResponderConfig::at("127.0.0.1:15443".parse()?, "127.0.0.1:15080".parse()?);
//! let responder = responder::start(Tokio::begin(), config).await?;
//! let request = Request::get("http://service.example/").header("x-node-id", "edge-1").header("x-tenant-id", "acme");
//! match responder.client().call(request.body(Empty::<Bytes>::new())?).await {
//!     Ok(response) => println!("{:?}", response.into_body().collect().await?.to_bytes()),
//!     Err(ClientError::LocalReply(LocalReply::NoTunnel)) => println!("edge-1 is not connected"),
//!     Err(error) => println!("{error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A request waits for a tunnel for as long as `core.wait`, for a lost tunnel is usually back within a second. It is tried again on
//! another tunnel where that is safe.
//!
//! # Who is there
//!
//! ```no_run
//! # fn list(responder: &revtun::responder::ResponderHandle<revtun::world::Tokio>) {
//! for tunnel in responder.tunnels() {
//!     println!("{} from {:?}: {}", tunnel.tunnel, tunnel.peer, tunnel.stage);
//! }
//! println!("{} requests under way", responder.counts().streams);
//! # }
//! ```
//!
//! # Taking it out of service
//!
//! ```no_run
//! # async fn stop(responder: revtun::responder::ResponderHandle<revtun::world::Tokio>) {
//! responder.drain(std::time::Duration::from_secs(30)).await;
//! # }
//! ```
//!
//! [`drain_scope`](crate::responder::ResponderHandle::drain_scope) drains a tenant, a cluster, a node or one tunnel.
