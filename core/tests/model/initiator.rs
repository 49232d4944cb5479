//! An initiator from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use revtun_core::handshake::Answer;
use revtun_core::initiator::{CloseReason, Config, Effect, Event, HostId, Initiator, Protocol};
use revtun_core::{Env, Instant, TunnelId};

/// The longest silence that an idle tunnel is ever granted, and a little.
const PATIENCE: Duration = Duration::from_secs(16 * 60);

pub(crate) struct InitiatorModel {
    config: Config,
    targets: BTreeMap<HostId, u16>,
    tunnels: BTreeMap<TunnelId, Tunnel>,
    used_ids: BTreeSet<TunnelId>,
    pauses: BTreeMap<HostId, Pause>,
    drain: Option<Drain>,
}

#[derive(Clone, Copy)]
struct Tunnel {
    host: HostId,
    stage: Stage,
    dialed: Instant,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    Dialing,
    Handshaking,
    Idle,
    InUse(Protocol),
    Draining,
}

/// What is known of a host's pause without knowing how it is drawn: a lower bound.
#[derive(Clone, Copy)]
struct Pause {
    last_failure: Instant,
    at_least_until: Instant,
}

#[derive(Clone, Copy)]
struct Drain {
    until: Instant,
    over: bool,
}

impl InitiatorModel {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            targets: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            used_ids: BTreeSet::new(),
            pauses: BTreeMap::new(),
            drain: None,
        }
    }

    fn told(&mut self, env: Env, event: Event) {
        match event {
            Event::TargetSet { host, count } => {
                self.targets.insert(host, count);
            }
            Event::Heard { tunnel } => self.sign_of_life(tunnel),
            Event::Used { tunnel, protocol } => {
                self.sign_of_life(tunnel);
                if let Some(tunnel @ Tunnel { stage: Stage::Idle, .. }) = self.tunnels.get_mut(&tunnel) {
                    tunnel.stage = Stage::InUse(protocol);
                }
            }
            Event::GoawayReceived { tunnel } => {
                if let Some(tunnel) = self.tunnels.get_mut(&tunnel)
                    && matches!(tunnel.stage, Stage::Idle | Stage::InUse(_))
                {
                    tunnel.stage = Stage::Draining;
                }
            }
            Event::Closed { tunnel, .. } => {
                if let Some(tunnel) = self.tunnels.remove(&tunnel)
                    && matches!(tunnel.stage, Stage::Dialing | Stage::Handshaking)
                {
                    self.failed(env.now, tunnel, Duration::ZERO, false);
                }
            }
            Event::DrainRequested { grace } => {
                let until = env.now.after(grace);
                let drain = self.drain.get_or_insert(Drain { until, over: false });
                drain.until = drain.until.min(until);
            }
            Event::Connected { .. } | Event::Answered { .. } | Event::Tick => {}
        }
    }

    fn asked(&mut self, env: Env, event: Event, effect: Effect) {
        match effect {
            Effect::Dial { tunnel, host } => self.dialed(env.now, tunnel, host),
            Effect::SendHandshake { tunnel } => {
                assert_eq!(event, Event::Connected { tunnel }, "a handshake follows the connection");
                self.advance(tunnel, Stage::Dialing, Stage::Handshaking);
            }
            Effect::Deliver { tunnel } => {
                let Event::Answered { tunnel: answered, answer: Answer::Accepted { .. } } = event else {
                    panic!("a tunnel is delivered when it is accepted");
                };
                assert_eq!(answered, tunnel);
                self.advance(tunnel, Stage::Handshaking, Stage::Idle);
                self.relieved(self.tunnels[&tunnel].host);
            }
            Effect::Goaway { tunnel } => {
                let tunnel = self.tunnels.get_mut(&tunnel).expect("only living tunnels are told");
                assert!(matches!(tunnel.stage, Stage::Idle | Stage::InUse(_)), "told once, and only when up");
                tunnel.stage = Stage::Draining;
            }
            Effect::Close { tunnel, reason } => self.closed(env.now, event, tunnel, reason),
            Effect::Forget { host } => {
                assert!(self.tunnels.values().all(|tunnel| tunnel.host != host), "a forgotten host has no tunnel");
                self.pauses.remove(&host);
            }
            Effect::Drained => {
                let drain = self.drain.as_mut().expect("a drain was ordered");
                assert!(!drain.over, "Drained is said once");
                assert!(self.tunnels.is_empty(), "Drained is said last");
                drain.over = true;
            }
        }
    }

    fn dialed(&mut self, now: Instant, tunnel: TunnelId, host: HostId) {
        assert!(self.drain.is_none(), "a draining initiator dials nobody");
        assert!(self.used_ids.insert(tunnel), "no id is used twice");
        self.tunnels.insert(tunnel, Tunnel { host, stage: Stage::Dialing, dialed: now });
        let live = self.tunnels.values().filter(|it| it.host == host && it.stage != Stage::Draining).count();
        assert!(live <= usize::from(self.targets[&host]), "TargetBound: {live} tunnels to {host:?}");
        if let Some(pause) = self.pauses.get(&host) {
            assert!(now >= pause.at_least_until, "{host:?} is dialled before its pause is over");
        }
    }

    fn closed(&mut self, now: Instant, event: Event, id: TunnelId, reason: CloseReason) {
        let tunnel = self.tunnels.remove(&id).expect("only living tunnels are closed, and once");
        let fits = match reason {
            CloseReason::ConnectTimeout => tunnel.stage == Stage::Dialing && event == Event::Tick,
            CloseReason::HandshakeTimeout => tunnel.stage == Stage::Handshaking && event == Event::Tick,
            CloseReason::Refused(_) | CloseReason::Downgraded | CloseReason::Malformed => {
                tunnel.stage == Stage::Handshaking
            }
            CloseReason::Silent => matches!(tunnel.stage, Stage::Idle | Stage::InUse(Protocol::Http2)),
            CloseReason::Surplus => tunnel.stage != Stage::Draining,
            CloseReason::Drained => tunnel.stage == Stage::Draining || self.drain.is_some(),
        };
        assert!(fits, "{reason:?} is no reason to close a tunnel that is {:?}", tunnel.stage);
        let Event::Answered { answer: Answer::Refused { status, retry_after }, .. } = event else {
            match reason {
                CloseReason::ConnectTimeout
                | CloseReason::HandshakeTimeout
                | CloseReason::Malformed
                | CloseReason::Silent => self.failed(now, tunnel, Duration::ZERO, false),
                CloseReason::Downgraded => self.failed(now, tunnel, self.config.denied_base / 2, false),
                CloseReason::Surplus | CloseReason::Drained => {}
                CloseReason::Refused(_) => unreachable!("refused without an answer"),
            }
            return;
        };
        let at_least = match (status, retry_after) {
            (_, Some(asked)) => asked.min(self.config.retry_after_cap),
            (401 | 403 | 404, None) => self.config.denied_base / 2,
            (_, None) => Duration::ZERO,
        };
        self.failed(now, tunnel, at_least, retry_after.is_some());
    }

    /// Tunnels that were dialled before the last failure may or may not be counted: they set no bound, unless the
    /// responder asked for one.
    fn failed(&mut self, now: Instant, tunnel: Tunnel, at_least: Duration, asked: bool) {
        let none = Pause { last_failure: Instant::EPOCH, at_least_until: Instant::EPOCH };
        let pause = self.pauses.entry(tunnel.host).or_insert(none);
        if asked || tunnel.dialed >= pause.last_failure {
            pause.at_least_until = pause.at_least_until.max(now.after(at_least));
        }
        pause.last_failure = now;
    }

    fn sign_of_life(&mut self, tunnel: TunnelId) {
        if let Some(Tunnel { host, stage: Stage::Idle | Stage::InUse(_), .. }) = self.tunnels.get(&tunnel) {
            self.relieved(*host);
        }
    }

    /// The host may be dialled again, as far as we can tell.
    fn relieved(&mut self, host: HostId) {
        if let Some(pause) = self.pauses.get_mut(&host) {
            pause.at_least_until = Instant::EPOCH;
        }
    }

    fn advance(&mut self, tunnel: TunnelId, from: Stage, to: Stage) {
        let tunnel = self.tunnels.get_mut(&tunnel).expect("only living tunnels advance");
        assert_eq!(tunnel.stage, from);
        tunnel.stage = to;
    }
}

impl super::Model<Initiator> for InitiatorModel {
    fn see(&mut self, env: Env, event: Event, effects: &[Effect]) {
        self.told(env, event);
        for effect in effects {
            self.asked(env, event, *effect);
        }
    }

    fn settled(&self, since: Instant, now: Instant) {
        let quiet = now.since(since);
        for tunnel in self.tunnels.values().filter(|tunnel| tunnel.dialed <= since) {
            let longest = match tunnel.stage {
                Stage::Dialing | Stage::Handshaking | Stage::Draining | Stage::InUse(Protocol::Http2) => {
                    Duration::from_secs(20)
                }
                Stage::Idle => PATIENCE,
                Stage::InUse(Protocol::Http1) => continue,
            };
            assert!(quiet < longest, "a tunnel is still {:?} after {quiet:?} without an event", tunnel.stage);
        }
        if let Some(drain) = self.drain {
            assert!(drain.over || now < drain.until, "DrainEnds");
        }
    }
}
