//! In place of what sends requests through a tunnel.

/// Any one of them is as good as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TunnelClient;
