//! Why one try to send a request has no response, by what the HTTP/2 library says.

use revtun_core::responder::retry::{Loss, Progress};

use crate::responder::local_reply::LocalReply;

/// Why there is no response.
pub(super) enum Failure {
    /// The request was not sent: no tunnel takes it.
    Request(LocalReply),
    /// The request was not sent: the initiator takes no more of them at the same time.
    Full,
    /// The request's stream failed while the tunnel goes on. The reply is the caller's if there is no other try.
    Stream(Loss, LocalReply),
    /// The tunnel takes no more requests.
    Tunnel(Loss),
}

impl Failure {
    /// Nothing of the request was sent.
    pub(super) const NOT_SENT: Loss = Loss { progress: Progress::Unsent, replayable: true };

    /// The tunnel did not take the request.
    pub(super) const UNSENT: Self = Self::Tunnel(Self::NOT_SENT);

    /// The stream ended with `error` before a response came. `replayable`: all of the request can be sent again.
    pub(super) fn of(error: &h2::Error, replayable: bool) -> Self {
        let reason = error.reason();
        let loss = |progress| Loss { progress, replayable };
        if is_closed(error) {
            // Only streams beyond the last one that the peer processes end with its GOAWAY (RFC 9113 §6.8).
            let not_processed = error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR);
            Self::Tunnel(loss(if not_processed { Progress::Refused } else { Progress::Sent }))
        } else if error.is_remote() && reason == Some(h2::Reason::REFUSED_STREAM) {
            Self::Stream(loss(Progress::Refused), LocalReply::StreamReset)
        } else if error.is_library() {
            Self::Stream(loss(Progress::Failed), LocalReply::UpstreamProtocolError)
        } else {
            Self::Stream(loss(Progress::Failed), LocalReply::StreamReset)
        }
    }
}

/// Whether the tunnel ended, not only this request's stream.
pub(super) fn is_closed(lost: &h2::Error) -> bool {
    lost.is_io() || lost.is_go_away()
}
