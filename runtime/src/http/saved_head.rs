//! The head of a request, kept so that it can be sent once more.

use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderName, HeaderValue, Method, Request};

use super::hop_by_hop::HEADER_OVERHEAD;
use super::peer_limits::pseudo_header_bytes;

/// Enough for a usual head.
const CAPACITY: usize = 512;

/// A copy of a head, without its extensions. Few heads are sent again: as text in one piece of memory it costs half as much as a
/// clone of all its parts.
#[derive(Debug)]
pub(crate) struct SavedHead {
    method: Method,
    has_scheme: bool,
    /// Authority, path, and for each header what [`lengths`] says, its name and its value.
    text: Vec<u8>,
    authority: usize,
    path: usize,
    list_bytes: usize,
}

impl SavedHead {
    /// A copy of `head`, whose scheme is `http` if it has one.
    pub(crate) fn of(head: &Parts) -> Self {
        let mut text = Vec::with_capacity(CAPACITY);
        let authority = head.uri.authority().map_or("", Authority::as_str);
        let path = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
        text.extend_from_slice(authority.as_bytes());
        text.extend_from_slice(path.as_bytes());
        let mut list_bytes = pseudo_header_bytes(head);
        for (name, value) in &head.headers {
            let name = name.as_str();
            list_bytes += name.len() + value.len() + HEADER_OVERHEAD;
            text.extend_from_slice(&lengths(name, value));
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(value.as_bytes());
        }
        let (method, has_scheme) = (head.method.clone(), head.uri.scheme().is_some());
        Self { method, has_scheme, text, authority: authority.len(), path: path.len(), list_bytes }
    }

    /// The size of its list of headers, as HTTP/2 counts it.
    pub(crate) fn list_bytes(&self) -> usize {
        self.list_bytes
    }

    /// The head once more, for HTTP/2.
    pub(crate) fn restore(self) -> Parts {
        const WHOLE: &str = "it was made of a head";
        let (mut head, ()) = Request::new(()).into_parts();
        let (authority, rest) = self.text.split_at(self.authority);
        let (path, mut rest) = rest.split_at(self.path);
        let mut uri = http::uri::Parts::default();
        uri.scheme = self.has_scheme.then_some(Scheme::HTTP);
        uri.authority = (!authority.is_empty()).then(|| authority.try_into().expect(WHOLE));
        uri.path_and_query = (!path.is_empty()).then(|| path.try_into().expect(WHOLE));
        head.uri = Uri::from_parts(uri).expect(WHOLE);
        head.version = http::Version::HTTP_2;
        head.method = self.method;
        while let Some((lengths, header)) = rest.split_first_chunk::<LENGTHS>() {
            let (name, value, is_sensitive) = split_lengths(*lengths);
            let (name, header) = header.split_at(name);
            let (value, others) = header.split_at(value);
            let mut value = HeaderValue::from_bytes(value).expect(WHOLE);
            value.set_sensitive(is_sensitive);
            head.headers.append(HeaderName::from_bytes(name).expect(WHOLE), value);
            rest = others;
        }
        head
    }
}

/// The bytes of [`lengths`].
const LENGTHS: usize = 8;

/// A name has fewer bytes than two to the power of this.
const NAME_BITS: u32 = 16;

/// The lengths of a name and of its value, and whether that is sensitive: never indexed by HPACK (RFC 7541 §7.1.3).
fn lengths(name: &str, value: &HeaderValue) -> [u8; LENGTHS] {
    let value = (value.len() as u64) << 1 | u64::from(value.is_sensitive());
    (value << NAME_BITS | name.len() as u64).to_le_bytes()
}

fn split_lengths(lengths: [u8; LENGTHS]) -> (usize, usize, bool) {
    let lengths = u64::from_le_bytes(lengths);
    let (name, value) = (lengths & ((1 << NAME_BITS) - 1), lengths >> NAME_BITS);
    (name as usize, (value >> 1) as usize, value & 1 == 1)
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, COOKIE};

    use super::*;

    fn head(request: http::request::Builder) -> Parts {
        request.version(http::Version::HTTP_2).body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_head_comes_back_as_it_was() {
        let mut secret = HeaderValue::from_static("Bearer x");
        secret.set_sensitive(true);
        let long = "v".repeat(3 * CAPACITY);
        let requests = [
            Request::get("http://a.example:81/b?c=d").header("x", "").header(AUTHORIZATION, secret.clone()),
            Request::builder()
                .method("BREW")
                .uri("http://a/")
                .header(COOKIE, "a=b")
                .header("x", long)
                .header(COOKIE, "c=d"),
            Request::options("*"),
            Request::connect("a.example:22"),
            Request::get("/").header("x", &b"\x80\xff"[..]),
            Request::get("/").header("n".repeat(65_535), "v".repeat(100_000)),
        ];
        for request in requests {
            let head = head(request);
            let restored = SavedHead::of(&head).restore();
            assert_eq!((&restored.method, &restored.uri, restored.version), (&head.method, &head.uri, head.version));
            assert_eq!(restored.headers, head.headers);
            let sensitive = |head: &Parts| head.headers.values().map(HeaderValue::is_sensitive).collect::<Vec<_>>();
            assert_eq!(sensitive(&restored), sensitive(&head));
        }
    }

    #[test]
    fn pseudo_headers_count_as_headers_do() {
        let head = head(Request::get("http://a/b").header("c", "d"));
        let pairs = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/b"), ("c", "d")];
        let bytes = pairs.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>();
        assert_eq!(SavedHead::of(&head).list_bytes(), bytes);
    }
}
