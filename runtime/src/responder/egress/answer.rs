//! What a caller is told when no service behind a tunnel answers it.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use revtun_core::responder::Refusal;

use crate::http::own_answer;

/// The body of such an answer.
pub(super) type OwnBody = Full<Bytes>;

/// Why a caller is answered by the responder itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnAnswer {
    /// It names neither a node nor a cluster.
    NoTarget,
    /// It names a node, cluster or tenant that cannot exist: empty, too long or of illegal bytes.
    IllegalTarget,
    /// Tenants are kept apart and it names none.
    NoTenant,
    /// Its `host` is no authority, or there are several.
    IllegalHost,
    /// It wants to tunnel through us by CONNECT.
    ConnectUnsupported,
    /// There is no tunnel to the node or cluster, and none came up in time.
    Absent,
    /// Every tunnel to the node or cluster carries as many requests as it may.
    Saturated,
    /// As many callers wait for a tunnel already as may.
    TooManyWaiting,
    /// Its tenant has as many requests under way or waiting as it may.
    TenantSaturated,
    /// As many callers of its tenant wait for a tunnel already as may.
    TenantWaiting,
    /// The responder is being drained.
    Draining,
    /// The tunnel was lost before an answer came, and trying again might do harm.
    TunnelLost,
    /// No answer came in time.
    Timeout,
    /// Its headers are longer than may be.
    HeadersTooLarge,
    /// Its body lay still for too long.
    Still,
}

impl OwnAnswer {
    /// Every answer, in the order above.
    pub const ALL: [Self; 15] = [
        Self::NoTarget,
        Self::IllegalTarget,
        Self::NoTenant,
        Self::IllegalHost,
        Self::ConnectUnsupported,
        Self::Absent,
        Self::Saturated,
        Self::TooManyWaiting,
        Self::TenantSaturated,
        Self::TenantWaiting,
        Self::Draining,
        Self::TunnelLost,
        Self::Timeout,
        Self::HeadersTooLarge,
        Self::Still,
    ];

    /// The word in `x-revtun-reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoTarget => "no-target",
            Self::IllegalTarget => "illegal-target",
            Self::NoTenant => "no-tenant",
            Self::IllegalHost => "illegal-host",
            Self::ConnectUnsupported => "connect-unsupported",
            Self::Absent => "no-tunnel",
            Self::Saturated => "saturated",
            Self::TooManyWaiting => "too-many-waiting",
            Self::TenantSaturated => "tenant-saturated",
            Self::TenantWaiting => "tenant-waiting",
            Self::Draining => "draining",
            Self::TunnelLost => "tunnel-lost",
            Self::Timeout => "timeout",
            Self::HeadersTooLarge => "headers-too-large",
            Self::Still => "body-still",
        }
    }

    /// The status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoTarget | Self::IllegalTarget | Self::NoTenant | Self::IllegalHost => StatusCode::BAD_REQUEST,
            Self::ConnectUnsupported => StatusCode::NOT_IMPLEMENTED,
            Self::TenantSaturated | Self::TenantWaiting => StatusCode::TOO_MANY_REQUESTS,
            Self::Absent | Self::Saturated | Self::TooManyWaiting | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::TunnelLost => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Still => StatusCode::REQUEST_TIMEOUT,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NoTarget => "Name a node in x-node-id or a cluster in x-cluster-id.\n",
            Self::IllegalTarget => "x-node-id, x-cluster-id and x-tenant-id take 1 to 255 bytes of text, once.\n",
            Self::NoTenant => "Name the tenant in x-tenant-id.\n",
            Self::IllegalHost => "The host header is not a host.\n",
            Self::ConnectUnsupported => "CONNECT is not supported.\n",
            Self::Absent => "No tunnel to this node or cluster.\n",
            Self::Saturated => "Every tunnel to this node or cluster is full.\n",
            Self::TooManyWaiting => "Too many requests wait for a tunnel.\n",
            Self::TenantSaturated => "This tenant has too many requests under way.\n",
            Self::TenantWaiting => "Too many requests of this tenant wait for a tunnel.\n",
            Self::Draining => "This responder is going away.\n",
            Self::TunnelLost => "The tunnel was lost before an answer came.\n",
            Self::Timeout => "No answer came in time.\n",
            Self::HeadersTooLarge => "The headers are too long.\n",
            Self::Still => "The body did not move for too long.\n",
        }
    }

    pub(super) fn response(self) -> Response<OwnBody> {
        let mut response = own_answer(self.status(), self.reason(), self.text());
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&self.status()) {
            // A lost tunnel is redialled within a second.
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Refusal> for OwnAnswer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MissingTenant => Self::NoTenant,
            Refusal::NoTunnel => Self::Absent,
            Refusal::Saturated => Self::Saturated,
            Refusal::QueueFull => Self::TooManyWaiting,
            Refusal::TenantSaturated => Self::TenantSaturated,
            Refusal::TenantQueueFull => Self::TenantWaiting,
            Refusal::Draining => Self::Draining,
        }
    }
}
