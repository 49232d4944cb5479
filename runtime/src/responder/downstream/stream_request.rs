//! What a request asks for that ends in a stream of bytes both ways.

use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Version};
use revtun_core::upgrade::{CONNECT_UDP, Upgrades};

use crate::http::{HeaderSummary, upgrade_tokens};
use crate::responder::local_reply::LocalReply;

/// A stream that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamRequest {
    /// None for a TCP connection.
    pub(super) protocol: Option<Protocol>,
}

impl StreamRequest {
    /// What the request of `head` asks for, if that is a stream. `summary` is that of its headers.
    pub(super) fn of(head: &Parts, summary: HeaderSummary, upgrades: &Upgrades) -> Result<Option<Self>, LocalReply> {
        let protocol = head.extensions.get::<Protocol>().cloned();
        if head.method != Method::CONNECT && protocol.is_none() {
            // RFC 9110 §7.8: it is ignored in HTTP/1.0.
            let asks = summary.has_hop_by_hop
                && upgrade_tokens(&head.headers).is_some_and(|mut protocols| protocols.next().is_some());
            return if asks && head.version >= Version::HTTP_11 {
                Err(LocalReply::UpgradeUnsupported)
            } else {
                Ok(None)
            };
        }
        if [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|framing| head.headers.contains_key(framing)) {
            return Err(LocalReply::IllegalConnect);
        }
        match &protocol {
            Some(protocol) if !may_upgrade(upgrades, protocol.as_str()) => Err(LocalReply::UpgradeUnsupported),
            None if head.uri.port_u16().is_none_or(|port| port == 0) => Err(LocalReply::IllegalConnect),
            Some(_) | None => Ok(Some(Self { protocol })),
        }
    }

    /// Whether it is for a TCP connection.
    pub(super) fn is_tcp(&self) -> bool {
        self.protocol.is_none()
    }
}

/// Whether callers may have this protocol. UDP is for the initiator to decide, as TCP is: by its destination.
pub(super) fn may_upgrade(upgrades: &Upgrades, protocol: &str) -> bool {
    upgrades.allows(protocol) || protocol.eq_ignore_ascii_case(CONNECT_UDP)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::{CONNECTION, HOST, UPGRADE};

    use super::super::request::prepare;
    use super::*;

    fn asked(request: http::request::Builder, protocol: Option<&str>) -> Result<Option<StreamRequest>, LocalReply> {
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        if let Some(protocol) = protocol {
            head.extensions.insert(Protocol::from(protocol));
        }
        StreamRequest::of(&head, HeaderSummary::of_caller(&head.headers), &Upgrades::default())
    }

    fn connect(uri: &str) -> http::request::Builder {
        Request::connect(uri)
    }

    #[test]
    fn a_stream_is_asked_for_by_connect_or_by_protocol() {
        let websocket = Ok(Some(StreamRequest { protocol: Some(Protocol::from("websocket")) }));
        assert_eq!(asked(Request::get("/"), None), Ok(None));
        assert_eq!(asked(Request::get("/"), Some("websocket")), websocket);
        assert_eq!(asked(connect("http://a/b"), Some("websocket")), websocket);
        assert_eq!(asked(connect("a:1"), None), Ok(Some(StreamRequest { protocol: None })));
        assert!(asked(connect("http://a/b"), Some("connect-udp")).is_ok_and(|asked| asked.is_some()));
    }

    #[test]
    fn what_cannot_be_a_stream_is_refused() {
        let upgrade = |to| Request::get("/").header(CONNECTION, "upgrade").header(UPGRADE, to);
        assert_eq!(asked(upgrade("websocket"), None), Err(LocalReply::UpgradeUnsupported), "it has a body, say");
        assert_eq!(asked(upgrade("h2c"), None), Ok(None));
        assert_eq!(asked(upgrade("websocket").version(Version::HTTP_10), None), Ok(None));
        assert_eq!(asked(connect("http://a/b"), Some("other")), Err(LocalReply::UpgradeUnsupported));
        for uri in ["a", "a:0"] {
            assert_eq!(asked(connect(uri), None), Err(LocalReply::IllegalConnect), "{uri}");
        }
        let with_body = connect("a:1").header(CONTENT_LENGTH, "1");
        assert_eq!(asked(with_body, None), Err(LocalReply::IllegalConnect));
    }

    #[test]
    fn the_target_of_a_tcp_connection_is_no_more_than_an_authority() {
        let (mut head, ()) = connect("db.site:5432").header(HOST, "x").body(()).unwrap().into_parts();
        let summary = HeaderSummary::of_caller(&head.headers);
        let stream = StreamRequest::of(&head, summary, &Upgrades::none()).unwrap();
        prepare(&mut head, summary, stream.as_ref(), None, false).unwrap();
        assert_eq!((head.uri.to_string().as_str(), head.uri.scheme(), head.uri.path()), ("db.site:5432", None, ""));
    }
}
