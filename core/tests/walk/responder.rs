//! What may happen to a responder.

use std::time::Duration;

use revtun_core::handshake::{Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    Config, DrainScope, Event, Handshake, Responder, Source, Stage, StreamId, Target, TargetName, Verdict,
};

use revtun_core::{Instant, TunnelId};

use super::{Luck, Past, Walked};

/// Small limits, so that all of them are hit.
pub(crate) fn small(tenant_isolation: bool, wait: bool) -> Config {
    Config {
        tenant_isolation,
        handshake_timeout: Duration::from_secs(3),
        drain_grace: Duration::from_secs(5),
        wait: Duration::from_secs(u64::from(wait)),
        max_streams: 2,
        max_streams_per_tenant: 5,
        max_waiting: 4,
        max_waiting_per_tenant: 3,
        max_handshakes: 3,
        max_handshakes_per_source: 2,
        max_accepts_per_second: 4,
        max_tunnels_per_node: 2,
        max_tunnels_per_cluster: 3,
        max_tunnels_per_tenant: 4,
        max_tunnels: 6,
        ..Config::default()
    }
}

/// Any legal settings, the smallest included. Durations are at most what the model's patience allows.
#[allow(dead_code, reason = "journals are of walks with one setting")]
pub(crate) fn any_settings(luck: &mut Luck) -> Config {
    let mut time = |least: u64, most: u64| Duration::from_millis(luck.of(&[least, least, 1, 10, 500, most, most]));
    let (handshake_timeout, settle, wait) = (time(1, 3_000), time(0, 2_000), time(0, 1_000));
    let (ping_interval, echo_timeout, silence, drain_grace) =
        (time(1, 2_000), time(1, 5_000), time(1, 7_000), time(0, 5_000));
    let mut number = |least: u32| luck.of(&[least, least, 1, 2, 3, 5, u32::MAX]);
    Config {
        handshake_timeout,
        settle,
        ping_interval,
        echo_timeout,
        silence,
        wait,
        drain_grace,
        max_streams: number(1),
        max_streams_per_tenant: number(1),
        max_waiting: number(0),
        max_waiting_per_tenant: number(0),
        max_handshakes: number(1),
        max_handshakes_per_source: number(1),
        max_accepts_per_second: number(0),
        max_tunnels_per_node: number(1),
        max_tunnels_per_cluster: number(1),
        max_tunnels_per_tenant: number(1),
        max_tunnels: number(1),
        tenant_isolation: !luck.one_in(3),
        refuse_ambiguous_node: !luck.one_in(3),
    }
}

impl Walked for Responder {
    const KINDS: &'static [u32] = &[5, 8, 1, 6, 3, 2, 8, 5, 1, 1, 1, 1, 1, 2];

    fn draw(&self, kind: usize, luck: &mut Luck, past: &Past) -> Event<'static> {
        let tunnel = past.tunnel(self, luck);
        match kind {
            0 => Event::Accepted { source: Source(luck.below(2)) },
            1 => Event::HandshakeReceived { tunnel: fitting(self, tunnel, luck), handshake: handshake(luck) },
            2 => Event::HandshakeInvalid { tunnel: fitting(self, tunnel, luck), rejection: fault(luck) },
            3 => Event::Echoed { tunnel },
            4 => Event::Heard { tunnel },
            5 => Event::Closed { tunnel },
            6 => Event::Opened { stream: StreamId(past.callers), target: target(luck) },
            7 => Event::Released { tunnel },
            8 => Event::Cancelled { stream: StreamId(past.callers.saturating_sub(luck.below(6))) },
            9 => Event::GoawayReceived { tunnel },
            10 => Event::ConnectionLost { tunnel },
            11 => Event::SettingsReceived { tunnel, max_concurrent_streams: luck.of(&[0, 1, 1, 2, 3, u32::MAX]) },
            12 => Event::DrainRequested { scope: scope(tunnel, luck), grace: Duration::from_secs(luck.below(6)) },
            _ => Event::Tick,
        }
    }

    fn ids(&self) -> Vec<TunnelId> {
        self.tunnels().map(|view| view.tunnel).collect()
    }

    fn canonical(&self, now: Instant) -> Self {
        self.canonical(now)
    }
}

/// `tunnel`, or more often one that is handshaking.
fn fitting(responder: &Responder, tunnel: TunnelId, luck: &mut Luck) -> TunnelId {
    let fit: Vec<_> = responder.tunnels().filter(|view| view.stage == Stage::Handshaking).collect();
    if fit.is_empty() || luck.one_in(8) { tunnel } else { luck.of(&fit).tunnel }
}

/// What a codec finds wrong; all later rejections are the machine's own.
fn fault(luck: &mut Luck) -> Rejection {
    let own = Rejection::ALL.iter().position(|it| *it == Rejection::Unauthenticated).expect("one of all");
    luck.of(&Rejection::ALL[..own])
}

fn handshake(luck: &mut Luck) -> Handshake<'static> {
    let identity = Identity { node: node(luck), cluster: cluster(luck), tenant: tenant(luck) };
    let instance = luck.of(&[None, Some(1), Some(1), Some(2), Some(3)]).map(Instance);
    let verdict =
        if luck.one_in(8) { luck.of(&[Verdict::Unauthenticated, Verdict::Mismatch]) } else { Verdict::Authenticated };
    Handshake { identity, instance, verdict }
}

fn target(luck: &mut Luck) -> Target<'static> {
    let tenant = if luck.one_in(8) { None } else { Some(tenant(luck)) };
    let name = match luck.below(3) {
        0 => TargetName::Node(node(luck)),
        1 => TargetName::Member { node: node(luck), cluster: cluster(luck) },
        _ => TargetName::Cluster(cluster(luck)),
    };
    Target { tenant, name }
}

fn scope(tunnel: TunnelId, luck: &mut Luck) -> DrainScope<'static> {
    match luck.below(10) {
        // For good, so it must be rare.
        0 => DrainScope::All,
        1 => DrainScope::Tenant(tenant(luck)),
        2..5 => DrainScope::Target(target(luck)),
        5 => DrainScope::Expired(tunnel),
        6 => DrainScope::Revoked(tunnel),
        _ => DrainScope::Tunnel(tunnel),
    }
}

fn node(luck: &mut Luck) -> NodeId<'static> {
    NodeId::new(luck.of(&["n", "n", "m \"\\\u{e9}->"])).expect("legal")
}

fn cluster(luck: &mut Luck) -> ClusterId<'static> {
    ClusterId::new(luck.of(&["c", "d\t= +"])).expect("legal")
}

fn tenant(luck: &mut Luck) -> TenantId<'static> {
    TenantId::new(luck.of(&["t", "t", "u"])).expect("legal")
}
