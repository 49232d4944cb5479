//! Listeners beside each other, and who may reach them.

use std::net::SocketAddr;

use super::diagnostic::{ConfigError, Diagnostic, Origin};

/// Whether `at` can be reached from other machines.
pub(super) fn is_beyond_loopback(at: SocketAddr) -> bool {
    !at.ip().to_canonical().is_loopback()
}

/// What is wrong with an admin listener, the one called `setting`, that listens at `at`.
pub(super) fn check_admin(setting: &'static str, at: SocketAddr, allowed: bool) -> Option<Diagnostic> {
    (is_beyond_loopback(at) && !allowed).then(|| {
        let what = format!("{at} can be reached from other machines, and the admin listener has no authentication");
        let remedy =
            "listen on 127.0.0.1, or give --allow-unauthenticated-admin if something else keeps strangers from it";
        Diagnostic::new(Origin::Absent, setting, ConfigError::new(what, remedy))
    })
}

/// Of these listeners, each by its setting, every one that cannot be bound because of one before it.
pub(super) fn collisions(listeners: &[(&'static str, SocketAddr)]) -> Vec<Diagnostic> {
    let mut collisions = Vec::new();
    for (number, (setting, at)) in listeners.iter().enumerate() {
        if let Some((other, _)) = listeners[..number].iter().find(|(_, before)| overlap(*at, *before)) {
            let other = other.rsplit('.').next().unwrap_or(other);
            let error = ConfigError::new(format!("{at} is taken by {other}"), "give each listener a port of its own");
            collisions.push(Diagnostic::new(Origin::Absent, *setting, error));
        }
    }
    collisions
}

/// Port 0 lets the system choose: such never collide. An address of all interfaces takes the port of each.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    let takes_both = |ip: std::net::IpAddr| ip.is_unspecified() && ip.is_ipv6();
    let everywhere = (a.is_unspecified() || b.is_unspecified()) && a.is_ipv4() == b.is_ipv4();
    one.port() != 0 && one.port() == other.port() && (a == b || everywhere || takes_both(a) || takes_both(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_collide_where_one_address_is_within_the_other() {
        for (one, other, collide) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "[::1]:1", true),
        ] {
            let parsed = [one, other].map(|text| text.parse().unwrap());
            assert_eq!(overlap(parsed[0], parsed[1]), collide, "{one} {other}");
            assert_eq!(overlap(parsed[1], parsed[0]), collide, "{other} {one}");
        }
    }
}
