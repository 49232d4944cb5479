//! Local replies: what a caller is told when the responder itself answers, with status and reason.

use std::fmt;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use revtun_core::responder::Refusal;

use crate::http::{DeadlineExceeded, StreamIdle, grpc_local_reply, local_reply};

/// An extension of a response behind which an HTTP/1.1 connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct CloseConnection;

/// The body of a local reply.
pub(super) type LocalReplyBody = Full<Bytes>;

/// Why the responder answers a request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalReply {
    /// The request names neither a node nor a cluster.
    NoTarget,
    /// The name of the node, cluster or tenant is empty, too long or has illegal bytes, or there are several.
    IllegalTarget,
    /// Tenants are isolated and the request names none.
    NoTenant,
    /// The host is missing, is no name or address, or there are several.
    IllegalHost,
    /// The request target is neither a path nor a URL, or is `*` and the method is not OPTIONS.
    IllegalPath,
    /// `connection` lists a header that is for the service.
    IllegalConnection,
    /// The body has a transfer coding other than chunked.
    CodingUnsupported,
    /// The request asks for another protocol than HTTP, and that is not one to which callers may upgrade.
    UpgradeUnsupported,
    /// The initiator does not take requests for other protocols (RFC 8441).
    UpgradeUnsupportedByNode,
    /// `max-forwards` says that the request goes no further.
    NoMoreForwards,
    /// The request broke off, or its body was no legal HTTP.
    RequestIncomplete,
    /// A CONNECT names no host and port, or a request for a stream has a body.
    IllegalConnect,
    /// There is no tunnel to the node or cluster, and none came up in time.
    NoTunnel,
    /// The request names a node without its cluster, and nodes of several clusters have that name.
    AmbiguousNode,
    /// Every tunnel to the node or cluster carries as many requests as it may.
    Saturated,
    /// As many requests wait for a tunnel as may.
    TooManyWaiting,
    /// The tenant has as many requests in flight or waiting as it may.
    TenantSaturated,
    /// As many requests of the tenant wait for a tunnel as may.
    TenantWaiting,
    /// The responder is being drained.
    Draining,
    /// The tunnel was lost before a response came, and the request is not safe to retry.
    TunnelLost,
    /// The stream of the request failed while its tunnel lives: the initiator gave up on it.
    StreamReset,
    /// The response violates HTTP/2, or its headers are larger than allowed; the tunnel goes on.
    UpstreamProtocolError,
    /// No response head came within the request timeout.
    Timeout,
    /// The request's headers are larger than allowed.
    HeadersTooLarge,
    /// The request has more headers than allowed.
    TooManyHeaders,
    /// The request's headers are larger than the initiator accepts.
    HeadersTooLargeForNode,
    /// The request cannot be sent over HTTP/2.
    MalformedRequest,
    /// A body of the request or response was idle for longer than the stream idle timeout.
    StreamIdleTimeout,
}

impl LocalReply {
    /// Every local reply, in the order above.
    pub const ALL: [Self; 28] = [
        Self::NoTarget,
        Self::IllegalTarget,
        Self::NoTenant,
        Self::IllegalHost,
        Self::IllegalPath,
        Self::IllegalConnection,
        Self::CodingUnsupported,
        Self::UpgradeUnsupported,
        Self::UpgradeUnsupportedByNode,
        Self::NoMoreForwards,
        Self::RequestIncomplete,
        Self::IllegalConnect,
        Self::NoTunnel,
        Self::AmbiguousNode,
        Self::Saturated,
        Self::TooManyWaiting,
        Self::TenantSaturated,
        Self::TenantWaiting,
        Self::Draining,
        Self::TunnelLost,
        Self::StreamReset,
        Self::UpstreamProtocolError,
        Self::Timeout,
        Self::HeadersTooLarge,
        Self::TooManyHeaders,
        Self::HeadersTooLargeForNode,
        Self::MalformedRequest,
        Self::StreamIdleTimeout,
    ];

    /// The value of `x-revtun-reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoTarget => "no-target",
            Self::IllegalTarget => "illegal-target",
            Self::NoTenant => "no-tenant",
            Self::IllegalHost => "illegal-host",
            Self::IllegalPath => "illegal-path",
            Self::IllegalConnection => "illegal-connection",
            Self::CodingUnsupported => "transfer-coding-unsupported",
            Self::UpgradeUnsupported => "upgrade-unsupported",
            Self::UpgradeUnsupportedByNode => "upgrade-unsupported-by-node",
            Self::NoMoreForwards => "max-forwards",
            Self::RequestIncomplete => "request-incomplete",
            Self::IllegalConnect => "illegal-connect",
            Self::NoTunnel => "no-tunnel",
            Self::AmbiguousNode => "ambiguous-node",
            Self::Saturated => "saturated",
            Self::TooManyWaiting => "too-many-waiting",
            Self::TenantSaturated => "tenant-saturated",
            Self::TenantWaiting => "tenant-waiting",
            Self::Draining => "draining",
            Self::TunnelLost => "tunnel-lost",
            Self::StreamReset => "stream-reset",
            Self::UpstreamProtocolError => "upstream-protocol-error",
            Self::Timeout => "timeout",
            Self::HeadersTooLarge => "headers-too-large",
            Self::TooManyHeaders => "too-many-headers",
            Self::HeadersTooLargeForNode => "headers-too-large-for-node",
            Self::MalformedRequest => "malformed-request",
            Self::StreamIdleTimeout => "stream-idle-timeout",
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoTarget
            | Self::IllegalTarget
            | Self::NoTenant
            | Self::IllegalHost
            | Self::IllegalPath
            | Self::IllegalConnection
            | Self::IllegalConnect
            | Self::MalformedRequest
            | Self::RequestIncomplete => StatusCode::BAD_REQUEST,
            Self::CodingUnsupported
            | Self::UpgradeUnsupported
            | Self::UpgradeUnsupportedByNode
            | Self::NoMoreForwards => StatusCode::NOT_IMPLEMENTED,
            Self::AmbiguousNode => StatusCode::CONFLICT,
            Self::TenantSaturated | Self::TenantWaiting => StatusCode::TOO_MANY_REQUESTS,
            Self::NoTunnel | Self::Saturated | Self::TooManyWaiting | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::TunnelLost | Self::StreamReset | Self::UpstreamProtocolError => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::HeadersTooLarge | Self::TooManyHeaders | Self::HeadersTooLargeForNode => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::StreamIdleTimeout => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// The text for people, with a line feed at its end.
    const fn text(self) -> &'static str {
        match self {
            Self::NoTarget => "Name a node in x-node-id or a cluster in x-cluster-id.\n",
            Self::IllegalTarget => "x-node-id, x-cluster-id and x-tenant-id take 1 to 255 bytes of text, once.\n",
            Self::NoTenant => "Name the tenant in x-tenant-id.\n",
            Self::IllegalHost => "The request names no host, or none that is legal.\n",
            Self::IllegalPath => "The request target is neither a path nor a URL.\n",
            Self::IllegalConnection => "The connection header lists a header that is for the service.\n",
            Self::CodingUnsupported => "No transfer coding but chunked is supported.\n",
            Self::UpgradeUnsupported => "Upgrades to this protocol are not supported.\n",
            Self::UpgradeUnsupportedByNode => "The node does not take upgrades.\n",
            Self::NoMoreForwards => "max-forwards is zero.\n",
            Self::RequestIncomplete => "The request is not complete.\n",
            Self::IllegalConnect => "CONNECT takes a host and a port; it and upgrades have no body.\n",
            Self::NoTunnel => "No tunnel to this node or cluster.\n",
            Self::AmbiguousNode => "Nodes of several clusters have this name; name the cluster in x-cluster-id, too.\n",
            Self::Saturated => "Every tunnel to this node or cluster has as many requests as it may.\n",
            Self::TooManyWaiting => "Too many requests wait for a tunnel.\n",
            Self::TenantSaturated => "This tenant has too many requests in flight.\n",
            Self::TenantWaiting => "Too many requests of this tenant wait for a tunnel.\n",
            Self::Draining => "This responder is draining.\n",
            Self::TunnelLost => "The tunnel was lost before a response came.\n",
            Self::StreamReset => "The request failed at the other end of its tunnel.\n",
            Self::UpstreamProtocolError => "The response is malformed, or its headers are too large.\n",
            Self::Timeout => "No response came in time.\n",
            Self::HeadersTooLarge => "The request's headers are too large.\n",
            Self::TooManyHeaders => "The request has too many headers.\n",
            Self::HeadersTooLargeForNode => "The request's headers are larger than the node accepts.\n",
            Self::MalformedRequest => "The request cannot be sent on.\n",
            Self::StreamIdleTimeout => "The stream was idle for too long.\n",
        }
    }

    /// Whether an HTTP/1.1 connection has to end behind it, since what else comes on it is not known to be a request.
    const fn closes_connection(self) -> bool {
        matches!(
            self,
            Self::CodingUnsupported | Self::IllegalConnect | Self::RequestIncomplete | Self::StreamIdleTimeout
        )
    }

    /// The response, to a call of gRPC or to any other request.
    pub(super) fn response(self, is_grpc: bool) -> Response<LocalReplyBody> {
        let mut response = local_reply(self.status(), self.reason(), self.text());
        if is_grpc {
            response = grpc_local_reply(response, None, self.text());
        }
        if self.closes_connection() {
            response.extensions_mut().insert(CloseConnection);
        }
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&self.status()) {
            // A lost tunnel is redialled within a second.
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The text for people, without a full stop.
impl fmt::Display for LocalReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().trim_end_matches(['.', '\n']))
    }
}

impl From<StreamIdle> for LocalReply {
    fn from(_: StreamIdle) -> Self {
        Self::StreamIdleTimeout
    }
}

impl From<DeadlineExceeded> for LocalReply {
    fn from(_: DeadlineExceeded) -> Self {
        Self::Timeout
    }
}

impl From<Refusal> for LocalReply {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MissingTenant => Self::NoTenant,
            Refusal::NoTunnel => Self::NoTunnel,
            Refusal::AmbiguousNode => Self::AmbiguousNode,
            Refusal::Saturated => Self::Saturated,
            Refusal::QueueFull => Self::TooManyWaiting,
            Refusal::TenantSaturated => Self::TenantSaturated,
            Refusal::TenantQueueFull => Self::TenantWaiting,
            Refusal::Draining => Self::Draining,
        }
    }
}
