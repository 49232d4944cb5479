//! Routes: which service a request goes to, and what is changed of it on the way.

use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Uri};
use revtun_core::route::{Head, Rule, rewrite_path};

/// Which requests go to which service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RouteConfig {
    /// The requests that it is for.
    pub rule: Rule,
    /// The name of the service that they go to.
    pub service: String,
    /// What is changed of them.
    pub rewrite: Rewrite,
    /// How long they may take.
    pub timeouts: RouteTimeouts,
}

impl RouteConfig {
    /// Sends what matches `rule` to `service`, as it is.
    #[must_use]
    pub fn new(rule: Rule, service: impl Into<String>) -> Self {
        Self { rule, service: service.into(), rewrite: Rewrite::default(), timeouts: RouteTimeouts::default() }
    }
}

/// How long a request may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteTimeouts {
    /// Until the head of the response; zero is no limit.
    pub first_byte: Duration,
    /// How long its bodies may make no progress, in place of [`body_timeout`](crate::http::HttpLimits::body_timeout); zero is no
    /// limit.
    pub idle: Option<Duration>,
    /// Until the end of the response; zero is no limit.
    pub whole: Duration,
}

/// What is changed of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewrite {
    /// Its host.
    pub host: HostRewrite,
    /// The first segments of the path that are left out, if they are these; without a slash at the end.
    pub strip_prefix: String,
    /// The segments that are put before the path; without a slash at the end.
    pub add_prefix: String,
    /// Headers that replace those of the caller.
    pub set_headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers that are left out.
    pub remove_headers: Vec<HeaderName>,
}

/// What the `host` of a request becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostRewrite {
    /// It stays the caller's.
    #[default]
    Keep,
    /// The host and port of the service.
    Service,
    /// This one.
    Fixed(HeaderValue),
}

impl Rewrite {
    /// Whether headers of this name are left to routes: not those that frame a message or concern one connection, and not `host`,
    /// which has a setting of its own.
    #[must_use]
    pub fn may_change(name: &HeaderName) -> bool {
        let fixed = [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
        !fixed.contains(name) && !["keep-alive", "proxy-connection", "http2-settings"].contains(&name.as_str())
    }

    /// Changes a request of HTTP/1.1 to a service whose host is `service`. A path that would be none stays as it is.
    pub(super) fn apply<B>(&self, request: &mut Request<B>, service: &HeaderValue) {
        let host = match &self.host {
            HostRewrite::Keep => None,
            HostRewrite::Service => Some(service),
            HostRewrite::Fixed(host) => Some(host),
        };
        if let Some(host) = host {
            request.headers_mut().insert(HOST, host.clone());
        }
        if !self.strip_prefix.is_empty() || !self.add_prefix.is_empty() {
            let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            let path = rewrite_path(path, &self.strip_prefix, &self.add_prefix);
            if let Ok(path) = PathAndQuery::try_from(path) {
                *request.uri_mut() = Uri::from(path);
            }
        }
        for name in &self.remove_headers {
            request.headers_mut().remove(name);
        }
        for (name, value) in &self.set_headers {
            request.headers_mut().insert(name, value.clone());
        }
    }
}

/// What rules see of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a, B>(pub &'a Request<B>);

impl<B> Head for RequestHead<'_, B> {
    fn host(&self) -> &[u8] {
        // In HTTP/2 the caller's host is `:authority`, which precedes a header (RFC 9113 §8.3.1).
        match self.0.uri().authority() {
            Some(authority) => authority.as_str().as_bytes(),
            None => self.0.headers().get(HOST).map_or(&[], HeaderValue::as_bytes),
        }
    }

    fn path(&self) -> &[u8] {
        self.0.uri().path().as_bytes()
    }

    fn method(&self) -> &[u8] {
        self.0.method().as_str().as_bytes()
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        any_value(self.0.headers(), name, test)
    }
}

fn any_value(headers: &HeaderMap, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    headers.get_all(name).iter().any(|value| test(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_rewritten_as_its_route_says() {
        let mut rewrite =
            Rewrite { strip_prefix: "/app".to_owned(), add_prefix: "/v1".to_owned(), ..Rewrite::default() };
        rewrite.set_headers = vec![(HeaderName::from_static("x-site"), HeaderValue::from_static("oslo"))];
        rewrite.remove_headers = vec![HeaderName::from_static("cookie")];
        let request = || {
            let request = Request::get("/app/x?y").header("host", "a").header("cookie", "b").header("cookie", "c");
            request.header("x-site", "1").header("x-site", "2").body(()).unwrap()
        };
        let service = HeaderValue::from_static("127.0.0.1:80");
        for (host, expected) in [
            (HostRewrite::Keep, "a"),
            (HostRewrite::Service, "127.0.0.1:80"),
            (HostRewrite::Fixed(HeaderValue::from_static("b")), "b"),
        ] {
            let mut request = request();
            Rewrite { host, ..rewrite.clone() }.apply(&mut request, &service);
            assert_eq!(
                (request.headers()[HOST].to_str().unwrap(), request.uri().to_string().as_str()),
                (expected, "/v1/x?y")
            );
            assert!(!request.headers().contains_key("cookie"));
            assert_eq!(request.headers().get_all("x-site").iter().collect::<Vec<_>>(), ["oslo"]);
        }
        let mut same = request();
        Rewrite::default().apply(&mut same, &service);
        assert_eq!((same.uri().to_string().as_str(), same.headers()), ("/app/x?y", request().headers()));
    }

    #[test]
    fn framing_is_not_left_to_routes() {
        for name in ["host", "content-length", "transfer-encoding", "connection", "te", "keep-alive", "upgrade"] {
            assert!(!Rewrite::may_change(&HeaderName::from_static(name)), "{name}");
        }
        assert!(Rewrite::may_change(&HeaderName::from_static("x-forwarded-for")));
    }
}
