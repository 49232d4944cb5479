//! Requests for another protocol than HTTP (RFC 9110 §7.8), and CONNECT (§9.3.6), as connections of HTTP/1.1 have them.
//!
//! Inside, both look as in HTTP/2 (RFC 8441): a request with the extension [`Protocol`] asks for an upgrade, and a response with a
//! [`Joined`] accepts it. What serves a connection of HTTP/1.1 translates: a [`PendingUpgrade`] on the way in, the headers of
//! 101 on the way out, and behind the connection's last response an [`Http1Upgrade`] joins the two streams.

use crossbeam_queue::ArrayQueue;
use h2::ext::Protocol;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Body;
use hyper::rt::{Read, Write};
use hyper::upgrade::{OnUpgrade, Parts};
use revtun_core::upgrade::{WEBSOCKET, is_name};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::byte_stream::{BoxStream, Joined};
use super::hop_by_hop::tokens;

/// By what a client of WebSocket knows the answer to its request (RFC 6455 §4.1); in HTTP/2 nobody looks at it.
pub(crate) const WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
/// The answer to it.
pub(crate) const WEBSOCKET_ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// RFC 6455 §1.3.
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a request on a connection of HTTP/1.1 asks of it.
pub(crate) struct PendingUpgrade {
    on_upgrade: OnUpgrade,
    /// None for a CONNECT.
    protocol: Option<Protocol>,
    websocket_key: Option<HeaderValue>,
}

impl PendingUpgrade {
    /// What `request` asks for, if it is a CONNECT, or asks for a protocol of those that `choose` takes; which then becomes its
    /// extension.
    pub(crate) fn of<B: Body>(request: &mut Request<B>, choose: impl Fn(&str) -> bool) -> Option<Self> {
        let protocol = match *request.method() {
            Method::CONNECT => None,
            _ => Some(requested(request, choose)?),
        };
        // hyper has it with every request that can be upgraded.
        let on_upgrade = hyper::upgrade::on(&mut *request);
        let websocket_key = request.headers().get(WEBSOCKET_KEY).cloned();
        if let Some(protocol) = &protocol {
            request.extensions_mut().insert(protocol.clone());
        }
        Some(Self { on_upgrade, protocol, websocket_key })
    }
}

/// The first protocol that a request without a body asks for and `choose` takes.
fn requested<B: Body>(request: &Request<B>, choose: impl Fn(&str) -> bool) -> Option<Protocol> {
    if request.method() != Method::GET || request.version() != Version::HTTP_11 || !request.body().is_end_stream() {
        return None;
    }
    let mut protocols = upgrade_tokens(request.headers())?;
    protocols.find(|name| is_name(name) && choose(name)).map(Protocol::from)
}

/// The protocols that a client offers to switch to, save h2c: servers that speak HTTP/2 otherwise ignore that (RFC 9113 §3.1), and
/// clients offer it without need.
pub(crate) fn upgrade_tokens(headers: &HeaderMap) -> Option<impl Iterator<Item = &str>> {
    let is_upgrade = tokens(headers, CONNECTION).any(|option| option.eq_ignore_ascii_case("upgrade"));
    is_upgrade.then(|| tokens(headers, UPGRADE).filter(|protocol| !protocol.eq_ignore_ascii_case("h2c")))
}

/// What becomes of a connection of HTTP/1.1 behind its last response.
pub(crate) struct Http1Upgrade(ArrayQueue<(OnUpgrade, BoxStream)>);

impl Default for Http1Upgrade {
    fn default() -> Self {
        Self(ArrayQueue::new(1))
    }
}

impl Http1Upgrade {
    /// Makes the response to a request for `pending` one of HTTP/1.1, if it accepts it. Whether it does.
    pub(crate) fn accept<B>(&self, pending: PendingUpgrade, response: &mut Response<B>) -> bool {
        let Some(stream) = Joined::take(response) else { return false };
        let PendingUpgrade { on_upgrade, protocol, websocket_key } = pending;
        let headers = response.headers_mut();
        for framing in [CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(framing);
        }
        if let Some(protocol) = protocol {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            if let Ok(name) = HeaderValue::from_str(protocol.as_str()) {
                headers.insert(UPGRADE, name);
            }
            if let (true, Some(key)) = (is_websocket(&protocol), websocket_key) {
                headers.entry(WEBSOCKET_ACCEPT).or_insert_with(|| websocket_accept(key.as_bytes()));
            }
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        let _only_one = self.0.force_push((on_upgrade, stream));
        true
    }

    /// Once hyper is done with the connection: what is left of that, and what it is joined with; none if it was not upgraded.
    pub(crate) async fn finish<S: Read + Write + Unpin + 'static>(&self) -> Option<(Parts<S>, BoxStream)> {
        let (on_upgrade, stream) = self.0.pop()?;
        // An error means that the connection was lost before the response was written.
        let parts = on_upgrade.await.ok()?.downcast().ok()?;
        Some((parts, stream))
    }
}

/// Whether a protocol is that of WebSockets.
pub(crate) fn is_websocket(protocol: &Protocol) -> bool {
    protocol.as_str().eq_ignore_ascii_case(WEBSOCKET)
}

/// A fresh key, from 128 random bits.
pub(crate) fn websocket_key(random: [u64; 2]) -> HeaderValue {
    let [high, low] = random.map(u64::to_be_bytes);
    base64([high, low].as_flattened())
}

/// The answer to a key (RFC 6455 §4.2.2).
pub(crate) fn websocket_accept(key: &[u8]) -> HeaderValue {
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, WEBSOCKET_GUID].concat()).as_ref())
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> HeaderValue {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= chunk.len() { DIGITS[index as usize] } else { b'=' });
        }
    }
    HeaderValue::from_bytes(&text).expect("digits are a header value")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
        let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        request.body(Empty::new()).unwrap()
    }

    fn chosen(mut request: Request<impl Body>) -> Option<String> {
        let pending = PendingUpgrade::of(&mut request, |name| name != "no")?;
        let extension = request.extensions().get::<Protocol>().cloned();
        assert_eq!(extension, pending.protocol);
        Some(pending.protocol.map_or("CONNECT".to_owned(), |protocol| protocol.as_str().to_owned()))
    }

    #[test]
    fn the_first_protocol_that_is_taken_is_asked_for() {
        let upgrade = ("connection", "keep-alive, Upgrade");
        for (headers, expected) in [
            (&[upgrade, ("upgrade", "websocket")][..], Some("websocket")),
            (&[upgrade, ("upgrade", "h2c, no, WebSocket")], Some("WebSocket")),
            (&[upgrade, ("upgrade", "h2c")], None),
            (&[upgrade, ("upgrade", "no")], None),
            (&[upgrade], None),
            (&[("upgrade", "websocket")], None),
        ] {
            assert_eq!(chosen(request(headers)).as_deref(), expected, "{headers:?}");
        }
        let asking = || request(&[upgrade, ("upgrade", "websocket")]);
        let mut old = asking();
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(chosen(old), None, "HTTP/1.0 has no upgrades");
        assert_eq!(chosen(asking().map(|_| Full::<Bytes>::from("x"))), None, "it has a body");
        let mut post = asking();
        *post.method_mut() = Method::POST;
        assert_eq!(chosen(post), None);
        let mut connect = request(&[]);
        *connect.method_mut() = Method::CONNECT;
        assert_eq!(chosen(connect).as_deref(), Some("CONNECT"));
    }

    #[test]
    fn a_response_that_accepts_nothing_stays_as_it_is() {
        let pending =
            PendingUpgrade::of(&mut request(&[("connection", "upgrade"), ("upgrade", "a")]), |_| true).unwrap();
        let mut response = Response::new(());
        assert!(!Http1Upgrade::default().accept(pending, &mut response));
        assert_eq!((response.status(), response.headers().len()), (StatusCode::OK, 0));
    }

    #[test]
    fn keys_are_those_of_the_standard() {
        // RFC 6455 §1.3.
        assert_eq!(websocket_accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            websocket_key([u64::from_be_bytes(*b"the samp"), u64::from_be_bytes(*b"le nonce")]),
            "dGhlIHNhbXBsZSBub25jZQ=="
        );
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
