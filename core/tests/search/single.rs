//! A machine alone with its events. Time goes on in ticks, from one deadline to the next.

use std::panic::{AssertUnwindSafe, catch_unwind};

use revtun_core::journal::{Header, Journaled, Line};
use revtun_core::responder::{Effect, Event, Responder, StreamId};
use revtun_core::{CANONICAL_NOW, Env, Instant, TunnelId, initiator};

/// One thing that can happen to a machine.
#[derive(Clone, Copy)]
pub(crate) struct Move<E> {
    pub(crate) event: E,
    pub(crate) dice: u64,
    /// Whether it uses up some of the harm that the world may do.
    pub(crate) counted: bool,
    /// Whether it may be used to get back to a good state.
    pub(crate) heals: bool,
}

/// A machine that a search can put into canonical form.
pub(crate) trait SingleMachine: Journaled {
    fn canonical(&self, now: Instant) -> Self;

    /// An event of the machine in canonical form as one of `real`, which has the same tunnels in the same slots.
    fn renamed(real: &Self, event: Self::Event<'static>, streams: &Streams) -> Self::Event<'static>;

    /// Notes which requests wait.
    fn note(_streams: &mut Streams, _event: Self::Event<'static>, _effects: &[Self::Effect]) {}
}

/// Requests that wait, first come first, by their real numbers.
#[derive(Default)]
pub(crate) struct Streams {
    waiting: Vec<StreamId>,
    /// The number of the next request.
    next: u64,
}

/// The step, and the machine in canonical form behind it.
pub(crate) fn advance<M: SingleMachine>(machine: &M, step: &Move<M::Event<'static>>) -> (M, Vec<M::Effect>) {
    let mut next = machine.clone();
    let now = moment(machine, step, CANONICAL_NOW);
    let effects = next.step(Env { now, dice: step.dice }, step.event);
    (next.canonical(now), effects.iter().collect())
}

/// When the step is taken: a tick comes with its deadline, all else at once.
fn moment<M: SingleMachine>(machine: &M, step: &Move<M::Event<'static>>, now: Instant) -> Instant {
    let is_tick = M::encode_event(step.event).tag() == "Tick";
    machine.deadline().filter(|_| is_tick).map_or(now, |deadline| deadline.max(now))
}

/// The journal of a real machine that takes these steps: `revtun replay` takes it.
///
/// # Panics
/// If the real machine comes to another state than the one in canonical form, which the search takes for the same.
pub(crate) fn tell<M: SingleMachine>(start: &M, steps: &[Move<M::Event<'static>>]) -> String {
    let (mut real, mut machine) = (start.clone(), start.clone());
    let mut now = CANONICAL_NOW;
    let mut streams = Streams::default();
    let mut journal = format!("{}\n", Header::of(start));
    for step in steps {
        let event = M::renamed(&real, step.event, &streams);
        now = moment(&real, step, now);
        let env = Env { now, dice: step.dice };
        let Ok((line, effects)) = catch_unwind(AssertUnwindSafe(|| Line::step(&mut real, env, event))) else {
            return format!("{journal}# no end of: {}\n", M::encode_event(event));
        };
        journal += &format!("{line}\n");
        M::note(&mut streams, event, &effects.iter().collect::<Vec<_>>());
        machine = advance(&machine, step).0;
    }
    assert!(real.canonical(now) == machine, "a story is true\n{journal}");
    journal
}

/// The real name of the tunnel in the same slot; a name that was never given stays as it is.
fn real_name(mut real: impl Iterator<Item = TunnelId>, id: TunnelId) -> TunnelId {
    real.find(|it| id.generation() == 0 && it.slot() == id.slot()).unwrap_or(id)
}

impl SingleMachine for initiator::Initiator {
    fn canonical(&self, now: Instant) -> Self {
        Self::canonical(self, now)
    }

    fn renamed(real: &Self, event: initiator::Event, _: &Streams) -> initiator::Event {
        use initiator::Event;
        let name = |tunnel| real_name(real.tunnels().map(|it| it.tunnel), tunnel);
        match event {
            Event::Connected { tunnel } => Event::Connected { tunnel: name(tunnel) },
            Event::Answered { tunnel, answer } => Event::Answered { tunnel: name(tunnel), answer },
            Event::Heard { tunnel } => Event::Heard { tunnel: name(tunnel) },
            Event::Used { tunnel, protocol } => Event::Used { tunnel: name(tunnel), protocol },
            Event::Closed { tunnel, cause } => Event::Closed { tunnel: name(tunnel), cause },
            Event::GoawayReceived { tunnel } => Event::GoawayReceived { tunnel: name(tunnel) },
            Event::TargetSet { .. } | Event::DrainRequested { .. } | Event::Tick => event,
        }
    }
}

impl SingleMachine for Responder {
    fn canonical(&self, now: Instant) -> Self {
        Self::canonical(self, now)
    }

    fn renamed(real: &Self, event: Event<'static>, streams: &Streams) -> Event<'static> {
        let name = |tunnel| real_name(real.tunnels().map(|it| it.tunnel), tunnel);
        match event {
            Event::HandshakeReceived { tunnel, handshake } => {
                Event::HandshakeReceived { tunnel: name(tunnel), handshake }
            }
            Event::HandshakeInvalid { tunnel, rejection } => {
                Event::HandshakeInvalid { tunnel: name(tunnel), rejection }
            }
            Event::Echoed { tunnel } => Event::Echoed { tunnel: name(tunnel) },
            Event::Heard { tunnel } => Event::Heard { tunnel: name(tunnel) },
            Event::Closed { tunnel } => Event::Closed { tunnel: name(tunnel) },
            Event::Released { tunnel } => Event::Released { tunnel: name(tunnel) },
            Event::GoawayReceived { tunnel } => Event::GoawayReceived { tunnel: name(tunnel) },
            Event::ConnectionLost { tunnel } => Event::ConnectionLost { tunnel: name(tunnel) },
            Event::SettingsReceived { tunnel, max_concurrent_streams } => {
                Event::SettingsReceived { tunnel: name(tunnel), max_concurrent_streams }
            }
            Event::Opened { target, .. } => Event::Opened { stream: StreamId(streams.next), target },
            Event::Cancelled { stream } => {
                let place = usize::try_from(stream.0).expect("a place in the queue");
                Event::Cancelled { stream: streams.waiting.get(place).copied().unwrap_or(stream) }
            }
            Event::Accepted { .. } | Event::DrainRequested { .. } | Event::Tick => event,
        }
    }

    fn note(streams: &mut Streams, event: Event<'static>, effects: &[Effect]) {
        if let Event::Cancelled { stream } = event {
            streams.waiting.retain(|waiting| *waiting != stream);
        }
        streams.next += u64::from(matches!(event, Event::Opened { .. }));
        for effect in effects {
            if let Effect::Assign { stream, .. } | Effect::Refuse { stream, .. } = *effect {
                streams.waiting.retain(|waiting| *waiting != stream);
            }
            if let Effect::Wait { stream } = *effect {
                streams.waiting.push(stream);
            }
        }
    }
}
