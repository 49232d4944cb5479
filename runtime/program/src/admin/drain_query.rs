//! What to drain, as written behind `/drain?`.

use std::time::Duration;

use revtun_core::TunnelId;
use revtun_core::identity::{ClusterId, NodeId, TenantId};

use crate::config::duration;

/// What to drain. Nothing but a grace means everything, and then the process ends when it is done.
///
/// Parameters: `tenant`, `node` and `cluster` (both name one node) or `tunnel`, and `grace` (a duration such as `30s`); each at most once,
/// percent-encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainQuery {
    /// Only what belongs to this tenant.
    pub tenant: Option<String>,
    /// Only this node, of whatever cluster if none is named.
    pub node: Option<String>,
    /// Only this cluster.
    pub cluster: Option<String>,
    /// Only this tunnel.
    pub tunnel: Option<TunnelId>,
    /// How long requests may go on; none means the configured time.
    pub grace: Option<Duration>,
}

impl DrainQuery {
    /// Reads the part of a URL behind the question mark.
    ///
    /// # Errors
    /// If a parameter is unknown, given twice, ill-formed, or contradicts another: why, for people.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value).ok_or_else(|| format!("{key} is not percent-encoded UTF-8"))?;
            parsed.set(key, value)?;
        }
        let Self { tenant, node, cluster, tunnel, grace: _ } = &parsed;
        if tunnel.is_some() && (tenant.is_some() || node.is_some() || cluster.is_some()) {
            return Err("a tunnel is named by its id alone; omit tenant, node and cluster".to_owned());
        }
        Ok(parsed)
    }

    /// Whether everything is meant.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let Self { tenant, node, cluster, tunnel, grace: _ } = self;
        tenant.is_none() && node.is_none() && cluster.is_none() && tunnel.is_none()
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        let illegal = |error: &dyn std::fmt::Display| format!("{key} {error}");
        match key {
            "tenant" => {
                TenantId::new(&value).map_err(|error| illegal(&error))?;
                once(key, &mut self.tenant, value)
            }
            "node" => {
                NodeId::new(&value).map_err(|error| illegal(&error))?;
                once(key, &mut self.node, value)
            }
            "cluster" => {
                ClusterId::new(&value).map_err(|error| illegal(&error))?;
                once(key, &mut self.cluster, value)
            }
            "tunnel" => {
                let id = tunnel_id(&value).ok_or("tunnel is an id such as 3.0, as /tunnels shows it")?;
                once(key, &mut self.tunnel, id)
            }
            "grace" => {
                let grace = duration::parse(&value).map_err(|error| format!("grace {error}"))?;
                once(key, &mut self.grace, grace)
            }
            _ => Err(format!("{key:?} is not a parameter; the parameters are tenant, node, cluster, tunnel and grace")),
        }
    }
}

fn once<T>(key: &str, slot: &mut Option<T>, value: T) -> Result<(), String> {
    match slot.replace(value) {
        Some(_) => Err(format!("{key} is given twice")),
        None => Ok(()),
    }
}

fn tunnel_id(text: &str) -> Option<TunnelId> {
    let (slot, generation) = text.split_once('.')?;
    Some(TunnelId::new(slot.parse().ok()?, generation.parse().ok()?))
}

/// Percent-decoding with a plus for a space, as forms do (WHATWG URL §5.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_say_what_to_drain() {
        assert!(DrainQuery::parse("").unwrap().is_everything());
        assert!(DrainQuery::parse("grace=5s").unwrap().is_everything());
        let node = DrainQuery::parse("tenant=a%26b&node=n+%C3%9F&grace=1m30s").unwrap();
        let expected = DrainQuery {
            tenant: Some("a&b".to_owned()),
            node: Some("n ß".to_owned()),
            grace: Some(Duration::from_secs(90)),
            ..DrainQuery::default()
        };
        assert_eq!(node, expected);
        assert!(!node.is_everything());
        let member = DrainQuery::parse("node=n&cluster=c").unwrap();
        assert_eq!((member.node.as_deref(), member.cluster.as_deref()), (Some("n"), Some("c")));
        assert_eq!(DrainQuery::parse("tunnel=7.3").unwrap().tunnel, Some(TunnelId::new(7, 3)));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (query, what) in [
            ("nodes=a", "\"nodes\" is not a parameter"),
            ("node", "node is empty"),
            ("node=a&node=b", "node is given twice"),
            ("node=a&tunnel=1.0", "omit tenant, node and cluster"),
            ("cluster=a&tunnel=1.0", "omit tenant, node and cluster"),
            ("tenant=a&tunnel=1.0", "omit tenant, node and cluster"),
            ("tunnel=1", "tunnel is an id"),
            ("grace=5", "has no unit"),
            ("node=%zz", "not percent-encoded"),
            ("node=%ff", "not percent-encoded"),
            ("node=%0a", "contains characters"),
        ] {
            let error = DrainQuery::parse(query).unwrap_err();
            assert!(error.contains(what), "{query}: {error}");
        }
    }
}
