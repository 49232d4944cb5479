//! Which words stand for what: one table for each type, for both directions and both forms.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Sentence, Value};
use crate::handshake::{Answer, Instance, Rejection};
use crate::identity::{ClusterId, Identity, NodeId, TenantId};
use crate::initiator::{self, Cause, HostId, Initiator, Protocol};
use crate::responder::{
    self, ClusterKey, DrainScope, Handshake, NodeKey, Refusal, Responder, Source, StreamId, Target, TargetKey,
    TargetName, Verdict,
};
use crate::table::Key;
use crate::{Machine, TunnelId};

/// A machine whose steps can be written down.
pub trait Journaled: Machine {
    /// The machine's settings as words.
    fn tell_config(&self) -> Sentence;

    /// The machine before its first step, with the settings that the words stand for; none if they are no settings
    /// of such a machine.
    fn with_config(sentence: &Sentence) -> Option<Self>;

    /// The event as words.
    fn tell_event(event: Self::Event<'_>) -> Sentence;

    /// The event that the words stand for, borrowing names from them; none if they are no event.
    fn hear_event(sentence: &Sentence) -> Option<Self::Event<'_>>;

    /// The effect as words.
    fn tell_effect(effect: Self::Effect) -> Sentence;

    /// The effect that the words stand for; none if they are no effect.
    fn hear_effect(sentence: &Sentence) -> Option<Self::Effect>;

    /// The timer that fires next, as words.
    fn tell_timer(&self) -> Option<Sentence>;

    /// Where every tunnel stands, by slot.
    fn stages(&self) -> Vec<(usize, &'static str)>;
}

/// Something that has a word of its own, and fields.
trait Record<'a>: Sized {
    fn word(&self) -> &'static str;
    fn detail(&self, to: &mut Sentence);
    fn named(word: &str, from: &'a Sentence) -> Option<Self>;
}

/// Something that stands behind a name.
trait Field<'a>: Sized {
    fn tell(&self, name: &'static str, to: &mut Sentence);
    fn hear(name: &str, from: &'a Sentence) -> Option<Self>;
}

macro_rules! journaled {
    ($machine:ident, $config:ty, $event:ty, $effect:ty) => {
        impl Journaled for $machine {
            fn tell_config(&self) -> Sentence {
                let mut sentence = Sentence::new(stringify!($machine));
                self.config().tell("config", &mut sentence);
                sentence
            }

            fn with_config(sentence: &Sentence) -> Option<Self> {
                let ours = sentence.word() == stringify!($machine);
                if ours { <$config>::hear("config", sentence).map(Self::new) } else { None }
            }

            fn tell_event(event: Self::Event<'_>) -> Sentence {
                sentence(&event)
            }

            fn hear_event(sentence: &Sentence) -> Option<Self::Event<'_>> {
                <$event>::named(sentence.word(), sentence)
            }

            fn tell_effect(effect: Self::Effect) -> Sentence {
                sentence(&effect)
            }

            fn hear_effect(sentence: &Sentence) -> Option<Self::Effect> {
                <$effect>::named(sentence.word(), sentence)
            }

            fn tell_timer(&self) -> Option<Sentence> {
                self.next_timer().map(|timer| sentence(&timer))
            }

            fn stages(&self) -> Vec<(usize, &'static str)> {
                self.tunnels().map(|view| (view.tunnel.slot(), view.stage.word())).collect()
            }
        }
    };
}

/// A type's table: `Variant { field, … }` or `Variant(name of its only field)`.
macro_rules! words {
    ($type:ty { $($variant:ident $({ $($field:ident),* })? $(( $only:ident ))?;)* }) => {
        impl<'a> Record<'a> for $type {
            fn word(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                }
            }

            #[allow(unused_variables, reason = "types whose variants are all empty")]
            fn detail(&self, to: &mut Sentence) {
                match self {
                    $(Self::$variant $({ $($field),* })? $(($only))? => {
                        $($($field.tell(stringify!($field), to);)*)?
                        $($only.tell(stringify!($only), to);)?
                    })*
                }
            }

            #[allow(unused_variables, reason = "types whose variants are all empty")]
            fn named(word: &str, from: &'a Sentence) -> Option<Self> {
                Some(match word {
                    $(stringify!($variant) => Self::$variant
                        $({ $($field: Field::hear(stringify!($field), from)?),* })?
                        $((<_ as Field>::hear(stringify!($only), from)?))?,)*
                    _ => return None,
                })
            }
        }
    };
}

/// A struct without a word: its fields stand among those of what holds it.
macro_rules! parts {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl<'a> Field<'a> for $type {
            fn tell(&self, _: &'static str, to: &mut Sentence) {
                $(self.$field.tell(stringify!($field), to);)*
            }

            fn hear(_: &str, from: &'a Sentence) -> Option<Self> {
                Some(Self { $($field: Field::hear(stringify!($field), from)?),* })
            }
        }
    };
}

/// A type that is one value: how it becomes one, and how it is made of one.
macro_rules! values {
    ($($type:ty: |$it:ident| $tell:expr, $pattern:pat => $hear:expr;)*) => {
        $(impl<'a> Field<'a> for $type {
            fn tell(&self, name: &'static str, to: &mut Sentence) {
                let $it = self;
                to.push(name, $tell);
            }

            fn hear(name: &str, from: &'a Sentence) -> Option<Self> {
                if let $pattern = from.get(name)? { $hear } else { None }
            }
        })*
    };
}

journaled!(Initiator, initiator::Config, initiator::Event, initiator::Effect);
journaled!(Responder, responder::Config, responder::Event, responder::Effect);

words!(initiator::Event {
    TargetSet { host, count };
    Connected { tunnel };
    Answered { tunnel, answer };
    Heard { tunnel };
    Used { tunnel, protocol };
    Closed { tunnel, cause };
    GoawayReceived { tunnel };
    DrainRequested { grace };
    Tick;
});

words!(initiator::Effect {
    Dial { tunnel, host };
    SendHandshake { tunnel };
    Deliver { tunnel };
    Goaway { tunnel };
    Close { tunnel, reason };
    Forget { host };
    Drained;
});

words!(initiator::Timer {
    Dial(host);
    Shed(host);
    ConnectTimeout(tunnel);
    HandshakeTimeout(tunnel);
    Silence(tunnel);
    Grace(tunnel);
    DrainEnd;
});

words!(initiator::Stage { Dialing; Handshaking; Idle; InUse; Draining; });
words!(Answer { Accepted { revtun }; Refused { status, retry_after }; Downgraded; Malformed; });
words!(Protocol { Http2; Http1; });
words!(Cause { Refused; Lost; });

words!(initiator::CloseReason {
    ConnectTimeout;
    HandshakeTimeout;
    Refused(status);
    Downgraded;
    Malformed;
    Silent;
    Surplus;
    Drained;
});

words!(responder::Event<'a> {
    Accepted { source };
    HandshakeReceived { tunnel, handshake };
    HandshakeInvalid { tunnel, rejection };
    Echoed { tunnel };
    Heard { tunnel };
    Closed { tunnel };
    Opened { stream, target };
    Released { tunnel };
    Cancelled { stream };
    GoawayReceived { tunnel };
    DrainRequested { scope, grace };
    Tick;
});

words!(responder::Effect {
    Admit { tunnel };
    RefuseConnection { rejection };
    Accept { tunnel };
    Reject { tunnel, rejection };
    Ping { tunnel };
    Assign { stream, tunnel };
    Wait { stream };
    Refuse { stream, refusal };
    Goaway { tunnel };
    Close { tunnel, reason };
    Contended { tunnel };
    Drained;
});

words!(responder::Timer {
    HandshakeTimeout(tunnel);
    Linger(tunnel);
    Settle(tunnel);
    Ping(tunnel);
    EchoTimeout(tunnel);
    Silence(tunnel);
    Retire(tunnel);
    Grace(tunnel);
    Serve(target);
    WaitTimeout(stream);
    Drain;
});

words!(responder::Stage { Handshaking; Rejected; Settling; Idle; InUse; Draining; });
words!(Verdict { Authenticated; Unauthenticated; Mismatch; });
words!(TargetName<'a> { Node(node); Cluster(cluster); });
words!(DrainScope<'a> { All; Tenant(tenant); Target(target); Tunnel(tunnel); });
words!(TargetKey { Node(node); Cluster(cluster); });
words!(Refusal { MissingTenant; NoTunnel; Saturated; QueueFull; TenantSaturated; TenantQueueFull; Draining; });

words!(responder::CloseReason {
    HandshakeTimeout;
    LingerTimeout;
    PingTimeout;
    Silent;
    Drained;
    GraceExpired;
    Superseded;
    Evicted;
});

parts!(Handshake<'a> { identity, instance, verdict });
parts!(Identity<'a> { node, cluster, tenant });
parts!(Target<'a> { tenant, name });

parts!(initiator::Config {
    connect_timeout,
    handshake_timeout,
    silence,
    probe_interval,
    drain_grace,
    max_draining,
    refused_cap,
    backoff_base,
    backoff_cap,
    denied_base,
    retry_after_cap,
    resolve_interval,
    service_connect_timeout,
    service_idle,
});

parts!(responder::Config {
    tenant_isolation,
    handshake_timeout,
    settle,
    ping_interval,
    echo_timeout,
    silence,
    wait,
    drain_grace,
    max_streams,
    max_streams_per_tenant,
    max_waiting,
    max_waiting_per_tenant,
    max_handshakes,
    max_handshakes_per_source,
    max_accepts_per_second,
    max_tunnels_per_node,
    max_tunnels_per_cluster,
    max_tunnels_per_tenant,
    max_tunnels,
});

values! {
    bool: |it| Value::Word(Cow::Borrowed(if *it { "true" } else { "false" })), Value::Word(word) => word.parse().ok();
    u16: |it| Value::Number((*it).into()), Value::Number(number) => (*number).try_into().ok();
    u32: |it| Value::Number((*it).into()), Value::Number(number) => (*number).try_into().ok();
    HostId: |it| Value::Number(it.0.into()), Value::Number(number) => (*number).try_into().ok().map(Self);
    Source: |it| Value::Number(it.0.into()), Value::Number(number) => (*number).try_into().ok().map(Self);
    StreamId: |it| Value::Number(it.0.into()), Value::Number(number) => (*number).try_into().ok().map(Self);
    Duration: |it| Value::Number(it.as_nanos()), Value::Number(number) => duration(*number);
    TunnelId: |it| id(*it), Value::Id(slot, generation) => Some(Key::new(*slot, *generation));
    NodeKey: |it| id(*it), Value::Id(slot, generation) => Some(Key::new(*slot, *generation));
    ClusterKey: |it| id(*it), Value::Id(slot, generation) => Some(Key::new(*slot, *generation));
    NodeId<'a>: |it| Value::Text(it.as_str().into()), Value::Text(text) => Self::new(text).ok();
    ClusterId<'a>: |it| Value::Text(it.as_str().into()), Value::Text(text) => Self::new(text).ok();
    TenantId<'a>: |it| Value::Text(it.as_str().into()), Value::Text(text) => Self::new(text).ok();
    Instance: |it| Value::Text(alloc::format!("{it}")), Value::Text(text) => Self::parse(text);
    Rejection: |it| Value::Word(Cow::Borrowed(it.name())),
        Value::Word(word) => Self::ALL.into_iter().find(|it| it.name() == *word);
}

/// What has a word stands behind a name by that word; its fields follow.
impl<'a, R: Record<'a>> Field<'a> for R {
    fn tell(&self, name: &'static str, to: &mut Sentence) {
        to.add(name, sentence(self));
    }

    fn hear(name: &str, from: &'a Sentence) -> Option<Self> {
        match from.get(name)? {
            Value::Word(word) => R::named(word, from),
            Value::Number(_) | Value::Id(..) | Value::Text(_) => None,
        }
    }
}

/// What is absent is not mentioned.
impl<'a, F: Field<'a>> Field<'a> for Option<F> {
    fn tell(&self, name: &'static str, to: &mut Sentence) {
        if let Some(field) = self {
            field.tell(name, to);
        }
    }

    fn hear(name: &str, from: &'a Sentence) -> Option<Self> {
        match from.get(name) {
            Some(_) => F::hear(name, from).map(Some),
            None => Some(None),
        }
    }
}

fn sentence<'a>(record: &impl Record<'a>) -> Sentence {
    let mut sentence = Sentence::new(record.word());
    record.detail(&mut sentence);
    sentence
}

fn id(key: impl Key) -> Value {
    Value::Id(u32::try_from(key.slot()).expect("slots are counted in 32 bits"), key.generation())
}

fn duration(nanos: u128) -> Option<Duration> {
    let billion = 1_000_000_000;
    let seconds = u64::try_from(nanos / billion).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % billion).expect("a remainder")))
}
