//! How events, effects, timers and settings become records and are read back: one table a type serves both directions
//! and both formats.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Record, Value};
use crate::handshake::{Answer, Instance, Rejection};
use crate::identity::{ClusterId, Identity, NodeId, TenantId};
use crate::initiator::{self, Cause, HostId, Initiator, Protocol};
use crate::responder::{
    self, ClusterKey, DrainScope, GroupKey, Handshake, NameKey, NodeKey, Refusal, Responder, Source, StreamId, Target,
    TargetKey, TargetName, Verdict,
};
use crate::table::Key;
use crate::{Machine, TunnelId};

/// A machine whose steps can be journaled.
pub trait Journaled: Machine {
    /// The machine's settings.
    fn encode_config(&self) -> Record;

    /// The machine before its first step, with the settings of the record; none if those are not settings of such a
    /// machine.
    fn with_config(record: &Record) -> Option<Self>;

    /// The event as a record.
    fn encode_event(event: Self::Event<'_>) -> Record;

    /// The event in the record, with names borrowed from it; none if it is not an event of this machine.
    fn decode_event(record: &Record) -> Option<Self::Event<'_>>;

    /// The effect as a record.
    fn encode_effect(effect: Self::Effect) -> Record;

    /// The effect in the record; none if it is not an effect of this machine.
    fn decode_effect(record: &Record) -> Option<Self::Effect>;

    /// The timer that fires next, as a record.
    fn encode_timer(&self) -> Option<Record>;

    /// The stage of every tunnel, by slot.
    fn stages(&self) -> Vec<(usize, &'static str)>;
}

/// An enum: a record whose tag is the name of the variant.
trait Tagged<'a>: Sized {
    fn tag(&self) -> &'static str;
    fn encode_fields(&self, to: &mut Record);
    fn decode_tagged(tag: &str, from: &'a Record) -> Option<Self>;
}

/// Something that can be a field of a record.
trait Field<'a>: Sized {
    fn encode(&self, name: &'static str, to: &mut Record);
    fn decode(name: &str, from: &'a Record) -> Option<Self>;
}

macro_rules! journaled {
    ($machine:ident, $config:ty, $event:ty, $effect:ty) => {
        impl Journaled for $machine {
            fn encode_config(&self) -> Record {
                let mut record = Record::new(stringify!($machine));
                self.config().encode("config", &mut record);
                record
            }

            fn with_config(record: &Record) -> Option<Self> {
                let ours = record.tag() == stringify!($machine);
                if ours { <$config>::decode("config", record).map(Self::new) } else { None }
            }

            fn encode_event(event: Self::Event<'_>) -> Record {
                record(&event)
            }

            fn decode_event(record: &Record) -> Option<Self::Event<'_>> {
                <$event>::decode_tagged(record.tag(), record)
            }

            fn encode_effect(effect: Self::Effect) -> Record {
                record(&effect)
            }

            fn decode_effect(record: &Record) -> Option<Self::Effect> {
                <$effect>::decode_tagged(record.tag(), record)
            }

            fn encode_timer(&self) -> Option<Record> {
                self.next_timer().map(|timer| record(&timer))
            }

            fn stages(&self) -> Vec<(usize, &'static str)> {
                self.tunnels().map(|view| (view.tunnel.slot(), view.stage.tag())).collect()
            }
        }
    };
}

/// A type's table: `Variant { field, … }` or `Variant(name of its only field)`.
macro_rules! variants {
    ($type:ty { $($variant:ident $({ $($field:ident),* })? $(( $only:ident ))?;)* }) => {
        impl<'a> Tagged<'a> for $type {
            fn tag(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)*
                }
            }

            #[allow(unused_variables, reason = "types whose variants are all empty")]
            fn encode_fields(&self, to: &mut Record) {
                match self {
                    $(Self::$variant $({ $($field),* })? $(($only))? => {
                        $($($field.encode(stringify!($field), to);)*)?
                        $($only.encode(stringify!($only), to);)?
                    })*
                }
            }

            #[allow(unused_variables, reason = "types whose variants are all empty")]
            fn decode_tagged(tag: &str, from: &'a Record) -> Option<Self> {
                Some(match tag {
                    $(stringify!($variant) => Self::$variant
                        $({ $($field: Field::decode(stringify!($field), from)?),* })?
                        $((<_ as Field>::decode(stringify!($only), from)?))?,)*
                    _ => return None,
                })
            }
        }
    };
}

/// A struct: its fields are written among those of the record that holds it.
macro_rules! fields {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl<'a> Field<'a> for $type {
            fn encode(&self, _: &'static str, to: &mut Record) {
                $(self.$field.encode(stringify!($field), to);)*
            }

            fn decode(_: &str, from: &'a Record) -> Option<Self> {
                Some(Self { $($field: Field::decode(stringify!($field), from)?),* })
            }
        }
    };
}

/// A type that is one value: how it is encoded, and how it is decoded.
macro_rules! scalars {
    ($($type:ty: |$it:ident| $encode:expr, $pattern:pat => $decode:expr;)*) => {
        $(impl<'a> Field<'a> for $type {
            fn encode(&self, name: &'static str, to: &mut Record) {
                let $it = self;
                to.push(name, $encode);
            }

            fn decode(name: &str, from: &'a Record) -> Option<Self> {
                if let $pattern = from.get(name)? { $decode } else { None }
            }
        })*
    };
}

journaled!(Initiator, initiator::Config, initiator::Event, initiator::Effect);
journaled!(Responder, responder::Config, responder::Event, responder::Effect);

variants!(initiator::Event {
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

variants!(initiator::Effect {
    Dial { tunnel, host };
    SendHandshake { tunnel };
    Deliver { tunnel };
    Goaway { tunnel };
    Close { tunnel, reason };
    Forget { host };
    Drained;
});

variants!(initiator::Timer {
    Dial(host);
    Shed(host);
    ConnectTimeout(tunnel);
    HandshakeTimeout(tunnel);
    Silence(tunnel);
    Grace(tunnel);
    DrainEnd;
});

variants!(initiator::Stage { Dialing; Handshaking; Idle; InUse; Draining; });
variants!(Answer { Accepted { revtun }; Refused { status, retry_after }; Downgraded; Malformed; });
variants!(Protocol { Http2; Http1; });
variants!(Cause { Refused; Lost; });

variants!(initiator::CloseReason {
    ConnectTimeout;
    HandshakeTimeout;
    Refused(status);
    Downgraded;
    Malformed;
    Silent;
    Surplus;
    Drained;
});

variants!(responder::Event<'a> {
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
    ConnectionLost { tunnel };
    SettingsReceived { tunnel, max_concurrent_streams };
    DrainRequested { scope, grace };
    Tick;
});

variants!(responder::Effect {
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

variants!(responder::Timer {
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

variants!(responder::Stage { Handshaking; Rejected; Settling; Idle; InUse; Draining; });
variants!(Verdict { Authenticated; Unauthenticated; Mismatch; });
variants!(TargetName<'a> { Node(node); Member { node, cluster }; Cluster(cluster); });
variants!(DrainScope<'a> { All; Tenant(tenant); Target(target); Tunnel(tunnel); Expired(tunnel); Revoked(tunnel); });
variants!(TargetKey { Node(node); Group(group); });
variants!(GroupKey { Name(name); Cluster(cluster); });
variants!(Refusal {
    MissingTenant; NoTunnel; AmbiguousNode; Saturated; QueueFull; TenantSaturated; TenantQueueFull; Draining;
});

variants!(responder::CloseReason {
    HandshakeTimeout;
    LingerTimeout;
    PingTimeout;
    Silent;
    Drained;
    ConnectionLost;
    GraceExpired;
    Superseded;
    Evicted;
    HandshakeDropped;
    CredentialsExpired;
    CredentialsRevoked;
});

fields!(Handshake<'a> { identity, instance, verdict });
fields!(Identity<'a> { node, cluster, tenant });
fields!(Target<'a> { tenant, name });

fields!(initiator::Config {
    connect_timeout,
    handshake_timeout,
    silence,
    probe_interval,
    drain_grace,
    max_draining,
    refused_cap,
    down_cap,
    backoff_base,
    backoff_cap,
    denied_base,
    retry_after_cap,
    resolve_interval,
    service_connect_timeout,
    service_idle,
});

fields!(responder::Config {
    tenant_isolation,
    refuse_ambiguous_node,
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

scalars! {
    bool: |it| Value::Symbol(Cow::Borrowed(if *it { "true" } else { "false" })), Value::Symbol(symbol) => symbol.parse().ok();
    u16: |it| Value::Number((*it).into()), Value::Number(number) => (*number).try_into().ok();
    u32: |it| Value::Number((*it).into()), Value::Number(number) => (*number).try_into().ok();
    HostId: |it| Value::Number(it.0.into()), Value::Number(number) => (*number).try_into().ok().map(Self);
    Source: |it| Value::Number(it.0.into()), Value::Number(number) => (*number).try_into().ok().map(Self);
    StreamId: |it| Value::Number(it.0.into()), Value::Number(number) => (*number).try_into().ok().map(Self);
    Duration: |it| Value::Number(it.as_nanos()), Value::Number(number) => duration(*number);
    TunnelId: |it| id(*it), Value::Id(slot, generation) => Some(Key::new(*slot, *generation));
    NodeKey: |it| id(*it), Value::Id(slot, generation) => Some(Key::new(*slot, *generation));
    NameKey: |it| id(*it), Value::Id(slot, generation) => Some(Key::new(*slot, *generation));
    ClusterKey: |it| id(*it), Value::Id(slot, generation) => Some(Key::new(*slot, *generation));
    NodeId<'a>: |it| Value::Text(it.as_str().into()), Value::Text(text) => Self::new(text).ok();
    ClusterId<'a>: |it| Value::Text(it.as_str().into()), Value::Text(text) => Self::new(text).ok();
    TenantId<'a>: |it| Value::Text(it.as_str().into()), Value::Text(text) => Self::new(text).ok();
    Instance: |it| Value::Text(alloc::format!("{it}")), Value::Text(text) => Self::parse(text);
    Rejection: |it| Value::Symbol(Cow::Borrowed(it.name())),
        Value::Symbol(symbol) => Self::ALL.into_iter().find(|it| it.name() == *symbol);
}

/// A field that is an enum: its tag is the value, and its own fields follow.
impl<'a, R: Tagged<'a>> Field<'a> for R {
    fn encode(&self, name: &'static str, to: &mut Record) {
        to.add(name, record(self));
    }

    fn decode(name: &str, from: &'a Record) -> Option<Self> {
        match from.get(name)? {
            Value::Symbol(symbol) => R::decode_tagged(symbol, from),
            Value::Number(_) | Value::Id(..) | Value::Text(_) => None,
        }
    }
}

/// A field that is absent is left out.
impl<'a, F: Field<'a>> Field<'a> for Option<F> {
    fn encode(&self, name: &'static str, to: &mut Record) {
        if let Some(field) = self {
            field.encode(name, to);
        }
    }

    fn decode(name: &str, from: &'a Record) -> Option<Self> {
        match from.get(name) {
            Some(_) => F::decode(name, from).map(Some),
            None => Some(None),
        }
    }
}

fn record<'a>(value: &impl Tagged<'a>) -> Record {
    let mut record = Record::new(value.tag());
    value.encode_fields(&mut record);
    record
}

fn id(key: impl Key) -> Value {
    Value::Id(u32::try_from(key.slot()).expect("slots are counted in 32 bits"), key.generation())
}

fn duration(nanos: u128) -> Option<Duration> {
    let billion = 1_000_000_000;
    let seconds = u64::try_from(nanos / billion).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % billion).expect("a remainder")))
}
