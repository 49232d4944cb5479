//! Who may ask the admin listener: nobody on behalf of a web page.
//!
//! A browser on this machine, or on one that reaches the listener, sends requests for any page that its user looks at. Such a
//! page shows itself by a foreign `origin` (RFC 6454 §7), by `sec-fetch-site` (W3C Fetch Metadata), or, if its own name was made
//! to resolve to the listener's address, by a `host` that is not ours.

use ::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use ::http::{Request, Version};
use std::net::IpAddr;

/// Why a request is refused before anybody looks at what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ForeignRequest {
    /// No `host`, or several, or one that is none.
    IllegalHost,
    /// A `host` that is neither an address nor a name of ours.
    ForeignHost(String),
    /// An `origin` that is not the listener itself.
    ForeignOrigin,
    /// A `sec-fetch-site` that tells of another site.
    CrossSite,
}

impl ForeignRequest {
    /// The name of each kind in metrics, by [`Self::index`].
    pub(super) const NAMES: [&'static str; 4] = ["illegal-host", "foreign-host", "foreign-origin", "cross-site"];

    pub(super) fn index(&self) -> usize {
        match self {
            Self::IllegalHost => 0,
            Self::ForeignHost(_) => 1,
            Self::ForeignOrigin => 2,
            Self::CrossSite => 3,
        }
    }

    /// What whoever asked is told.
    pub(super) fn text(&self) -> String {
        match self {
            Self::IllegalHost => "exactly one host header with a valid host is required".to_owned(),
            Self::ForeignHost(host) => format!(
                "the host {host:?} is not a name of this listener; ask by IP address or localhost, or add the name to the setting admin_hosts"
            ),
            Self::ForeignOrigin => "requests of web pages are refused: foreign origin header".to_owned(),
            Self::CrossSite => "requests of web pages are refused: sec-fetch-site is not same-origin".to_owned(),
        }
    }
}

/// Whether `request` may have been meant by somebody who may ask, who names the listener by an address, `localhost`, or one
/// of `names`.
pub(super) fn check<B>(request: &Request<B>, names: &[String]) -> Result<(), ForeignRequest> {
    let headers = request.headers();
    let host = match one(headers, &HOST) {
        Ok(host) => host,
        Err(()) => return Err(ForeignRequest::IllegalHost),
    };
    // A request in absolute form goes to the host of that (RFC 9112 §3.2.2).
    let host = request.uri().authority().map(|authority| authority.as_str()).or(host);
    match host {
        Some(host) => check_host(host, names)?,
        None if request.version() == Version::HTTP_10 => {}
        None => return Err(ForeignRequest::IllegalHost),
    }
    match one(headers, &ORIGIN) {
        Ok(None) => {}
        Ok(Some(origin)) if host.is_some_and(|host| is_origin_of(origin, host)) => {}
        Ok(Some(_)) | Err(()) => return Err(ForeignRequest::ForeignOrigin),
    }
    match one(headers, &HeaderName::from_static("sec-fetch-site")) {
        Ok(None | Some("same-origin" | "none")) => Ok(()),
        Ok(Some(_)) | Err(()) => Err(ForeignRequest::CrossSite),
    }
}

/// The value of a header that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn check_host(host: &str, names: &[String]) -> Result<(), ForeignRequest> {
    let name = without_port(host).ok_or(ForeignRequest::IllegalHost)?;
    let is_address = match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| matches!(inner.parse(), Ok(IpAddr::V6(_)))),
        None => matches!(name.parse(), Ok(IpAddr::V4(_))),
    };
    let bare = name.strip_suffix('.').unwrap_or(name);
    let is_ours = |ours: &str| ours.eq_ignore_ascii_case(bare);
    if is_address || is_ours("localhost") || names.iter().any(|ours| is_ours(ours)) {
        return Ok(());
    }
    Err(ForeignRequest::ForeignHost(name.to_owned()))
}

/// The host without its port; none if it is no host.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rfind(']') {
        Some(end) => host.split_at(end + 1),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| port.is_empty() || port[1..].bytes().all(|digit| digit.is_ascii_digit());
    let sound = !name.is_empty() && !name.contains(['/', '@', '?', '#', ' ']);
    (sound && (port.is_empty() || port.starts_with(':')) && is_port(port)).then_some(name)
}

fn is_origin_of(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(headers: &[(&str, &str)]) -> Result<(), ForeignRequest> {
        let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        check(&request.body(()).expect("a legal request"), &["admin.example".to_owned()])
    }

    #[test]
    fn a_host_is_an_address_or_a_name_of_ours() {
        for host in
            ["127.0.0.1", "127.0.0.1:15090", "10.1.2.3:1", "[::1]", "[::1]:15090", "LocalHost:1", "admin.example."]
        {
            assert_eq!(checked(&[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:15090", "localhost.evil.example", "[evil]", "127.1"] {
            assert!(matches!(checked(&[("host", host)]), Err(ForeignRequest::ForeignHost(_))), "{host}");
        }
        for host in ["", ":1", "localhost:x", "a@localhost", "[::1]x", "localhost:1:2"] {
            assert_eq!(checked(&[("host", host)]), Err(ForeignRequest::IllegalHost), "{host}");
        }
        assert_eq!(checked(&[]), Err(ForeignRequest::IllegalHost));
        assert_eq!(checked(&[("host", "localhost"), ("host", "localhost")]), Err(ForeignRequest::IllegalHost));
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let host = ("host", "127.0.0.1:15090");
        assert_eq!(checked(&[host, ("origin", "http://127.0.0.1:15090"), ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(checked(&[host, ("sec-fetch-site", "none")]), Ok(()));
        for origin in ["http://127.0.0.1:15091", "https://127.0.0.1:15090", "http://evil.example", "null", ""] {
            assert_eq!(checked(&[host, ("origin", origin)]), Err(ForeignRequest::ForeignOrigin), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "sideways"] {
            assert_eq!(checked(&[host, ("sec-fetch-site", site)]), Err(ForeignRequest::CrossSite), "{site}");
        }
    }

    #[test]
    fn the_host_of_an_absolute_form_counts() {
        let request = Request::get("http://evil.example/").header("host", "localhost").body(()).expect("legal");
        assert!(matches!(check(&request, &[]), Err(ForeignRequest::ForeignHost(_))));
    }

    #[test]
    fn an_old_client_needs_no_host() {
        let request = Request::get("/").version(Version::HTTP_10).body(()).expect("legal");
        assert_eq!(check(&request, &[]), Ok(()));
    }
}
