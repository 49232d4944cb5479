//! Both ends in one test.
//!
//! With port 0 the system chooses, and the handle tells. Nothing has to be waited for: a request waits for its tunnel.
//!
//! ```
//! use http_body_util::{BodyExt, Empty, Full};
//! use hyper::{Request, Response, body::Bytes, service::service_fn};
//! use revtun::initiator::{self, InitiatorConfig, RequestBody, Run};
//! use revtun::{responder::{self, ResponderConfig}, world::Tokio};
//! use tower_service::Service;
//!
//! async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
//!     Ok(Response::new(Full::new(Bytes::from("hello"))))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let world = Tokio::begin();
//! let mut config = ResponderConfig::at("127.0.0.1:0".parse()?, "127.0.0.1:0".parse()?);
//! config.core.wait = std::time::Duration::from_secs(10);
//! let responder = responder::start(world.clone(), config).await?;
//!
//! let config = InitiatorConfig::new("rc://n:c:t@cloud:1".try_into()?, vec![responder.tunnel_addr().into()]);
//! let _initiator = initiator::start(&world, config, Run::begin(&world), service_fn(hello)).await?;
//!
//! let request = Request::get("http://service/").header("x-node-id", "n").header("x-tenant-id", "t");
//! let response = responder.client().call(request.body(Empty::<Bytes>::new())?).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Without a network
//!
//! Both ends take their tasks, time and network from a [`World`](crate::world::World). In one of your own, time stands still until
//! you say so, and a network loses what you want it to lose. revtun's own simulator is such a world.
//!
//! # What happened
//!
//! A world with a [`Journal`](crate::journal::Journal) writes down each step of the machines, and `revtun replay` takes the same steps
//! again.
