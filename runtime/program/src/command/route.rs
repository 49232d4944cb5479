//! `revtun route`: which route a request takes, and why.

use std::io::{self, Write};

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use revtun::upstream::RequestHead;
use revtun_core::route::Table;
use revtun_program::config::{ConfigError, End, Listener};

use super::process::Loaded;
use crate::cli::{Given, RouteArgs};
use crate::error::CliError;

/// Prints what becomes of the request at each listener.
pub(super) fn run(args: &RouteArgs, given: &Given) -> Result<(), CliError> {
    let request = request(args).map_err(CliError::user)?;
    let loaded = Loaded::read(given, Some(End::Initiator))?;
    let settings = loaded.settings.initiator.clone().unwrap_or_default();
    let missing = settings.missing();
    loaded.check(&missing)?;
    let mut to = io::stdout().lock();
    let mut without = Vec::new();
    for listener in &settings.listeners {
        let (text, is_found) = explain(listener, &request).map_err(CliError::user)?;
        // Whoever closed our standard output does not want to know.
        let _unread = to.write_all(text.as_bytes());
        if !is_found {
            without.push(listener.address.to_string());
        }
    }
    match without.is_empty() {
        true => Ok(()),
        false => Err(CliError::own(format!("no route for this request at {}", without.join(", ")))),
    }
}

fn request(args: &RouteArgs) -> Result<Request<()>, ConfigError> {
    let url = Uri::try_from(args.url.as_str()).ok().filter(|url| url.scheme().is_some());
    let url = url.ok_or_else(|| {
        ConfigError::new(format!("{:?} is no URL", args.url), "write one such as https://grafana.example/x")
    })?;
    let method = Method::from_bytes(args.method.as_bytes());
    let method =
        method.map_err(|_| ConfigError::new(format!("{:?} is no method", args.method), "write one such as POST"))?;
    let mut request = Request::new(());
    (*request.uri_mut(), *request.method_mut()) = (url, method);
    for header in &args.headers {
        let read = header.split_once(':').and_then(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim_ascii()).ok()?))
        });
        let (name, value) =
            read.ok_or_else(|| ConfigError::new(format!("{header:?} is no header"), "write NAME: VALUE"))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// What becomes of the request at one listener, and whether there is a route for it.
fn explain(listener: &Listener, request: &Request<()>) -> Result<(String, bool), String> {
    let routes = listener.all_routes();
    let table =
        Table::new(routes.iter().map(|route| route.rule.clone()).collect()).map_err(|error| error.to_string())?;
    let head = RequestHead(request);
    let taken = table.find(&head);
    let target = |place: usize| routes[place].to.as_ref().map_or(String::new(), ToString::to_string);
    let mut text = match taken {
        Some(place) => format!("{}: {} ({})\n", listener.address, target(place), routes[place].rule),
        None => format!("{}: no route, which is 404 with the reason no-route\n", listener.address),
    };
    for (place, route) in routes.iter().enumerate() {
        let why = match route.rule.mismatch(&head) {
            None if Some(place) == taken => "taken: of those that match, the one with the most specific host, then the longest path, then the most conditions, then the first".to_owned(),
            None => "matches, but is less specific or comes later".to_owned(),
            Some(mismatch) => format!("does not match: another {}", mismatch.as_str()),
        };
        text += &format!("  {} -> {}: {why}\n", route.rule, target(place));
    }
    Ok((text, taken.is_some()))
}
