//! Why there is no response of a service, and what its caller is told.

use std::io;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use revtun_core::grpc;
use tracing::debug;

use crate::error::with_sources;
use crate::http::{grpc_local_reply, local_reply};

/// Why there is no response.
#[derive(Debug)]
pub(super) enum UpstreamError {
    /// No connection to the service could be opened.
    Connect(io::Error),
    /// Every endpoint is down, and being tried.
    Down,
    /// The connection, or the body of the request, failed before a response came.
    Proxy(hyper::Error),
    /// The connection takes no more requests, and this one was not sent.
    Closing,
    /// The stream of HTTP/2, or its connection, failed before a response came.
    Http2(h2::Error),
    /// It switched to another protocol than the one that was asked for, or did not answer the key of a WebSocket.
    InvalidSwitch,
    /// It answered an upgrade with success and did not switch. In HTTP/2 that would be an upgrade (RFC 8441 §5).
    NotSwitched,
    /// The body of the request failed.
    Incomplete,
    /// The request cannot be said in HTTP/2.
    Illegal,
    /// No head of a response came within the time of the route.
    Late,
    /// The deadline of the caller has passed.
    DeadlineExceeded,
}

impl UpstreamError {
    /// Whether it is the service's doing.
    pub(super) fn is_of_service(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Closing => true,
            Self::Proxy(error) => !error.is_user(),
            // A stream that was reset is an answer of a kind.
            Self::Http2(error) => error.is_io() || error.is_go_away(),
            Self::Down
            | Self::InvalidSwitch
            | Self::NotSwitched
            | Self::Incomplete
            | Self::Illegal
            | Self::Late
            | Self::DeadlineExceeded => false,
        }
    }

    /// What its caller is told.
    pub(super) fn reply(&self, service: &str) -> Reply {
        let lost = "the local service closed the connection before it responded\n";
        let (status, reason, text) = match self {
            Self::Connect(error) => {
                debug!(service, %error, "the local service cannot be reached");
                (StatusCode::BAD_GATEWAY, "service-unreachable", "the local service cannot be reached\n")
            }
            Self::InvalidSwitch => {
                let text = "the local service's answer to the upgrade is not valid\n";
                (StatusCode::BAD_GATEWAY, "service-upgrade-invalid", text)
            }
            Self::NotSwitched => {
                (StatusCode::BAD_GATEWAY, "service-not-upgraded", "the local service ignored the upgrade\n")
            }
            Self::Down => (StatusCode::SERVICE_UNAVAILABLE, "service-down", "the local service is down\n"),
            Self::Proxy(error) => {
                debug!(service, error = with_sources(error), "no response from the local service");
                // A user error means that the request's body failed, not the service.
                match error.is_user() {
                    true => (StatusCode::BAD_GATEWAY, "request-lost", "the request was not complete\n"),
                    false => (StatusCode::BAD_GATEWAY, "service-lost", lost),
                }
            }
            Self::Closing => (StatusCode::BAD_GATEWAY, "service-lost", lost),
            Self::Http2(error) => {
                debug!(service, error = with_sources(error), "no response from the local service");
                (StatusCode::BAD_GATEWAY, "service-lost", lost)
            }
            Self::Incomplete => (StatusCode::BAD_GATEWAY, "request-lost", "the request was not complete\n"),
            Self::Illegal => (StatusCode::BAD_REQUEST, "request-illegal", "the request cannot be sent over HTTP/2\n"),
            Self::Late => {
                (StatusCode::GATEWAY_TIMEOUT, "service-timeout", "the local service did not respond in time\n")
            }
            Self::DeadlineExceeded => {
                let text = "the deadline of the call has passed\n";
                let status = StatusCode::GATEWAY_TIMEOUT;
                return Reply { grpc: Some(grpc::DEADLINE_EXCEEDED), ..Reply::new(status, "deadline-exceeded", text) };
            }
        };
        Reply::new(status, reason, text)
    }
}

/// What a caller is told who gets no response of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
    pub(super) text: &'static str,
    /// The status of gRPC, if it is not the one that stands for `status`.
    pub(super) grpc: Option<u8>,
}

impl Reply {
    pub(super) const fn new(status: StatusCode, reason: &'static str, text: &'static str) -> Self {
        Self { status, reason, text, grpc: None }
    }

    /// The response, to a call of gRPC or to any other request.
    pub(super) fn response(self, is_grpc: bool) -> Response<Full<Bytes>> {
        let reply = local_reply(self.status, self.reason, self.text);
        if is_grpc { grpc_local_reply(reply, self.grpc, self.text) } else { reply }
    }
}
