//! Everything between the kernels: takes their packets, decides what becomes of each, and delivers it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use turmoil_net::{EnterGuard, Packet, Transport};

use super::Place;
use super::flows::{Ends, Flows, ends};
use super::mend::Mend;
use super::trouble::{Troubles, Weather};

/// How much may wait for a narrow link.
const QUEUE: Duration = Duration::from_millis(300);

/// What the network did, in packets and connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Sent by kernels to other kernels.
    pub sent: u64,
    /// Lost at random.
    pub lost: u64,
    /// Delivered twice.
    pub doubled: u64,
    /// Delivered before what was sent earlier.
    pub overtook: u64,
    /// Swallowed by a cut.
    pub cut: u64,
    /// Attempts to connect that were swallowed.
    pub syns_swallowed: u64,
    /// Of connections that a NAT has forgotten.
    pub forgotten: u64,
    /// From or to a host without power.
    pub dark: u64,
    /// Dropped since too much waited for a narrow link.
    pub overflowed: u64,
}

impl Toll {
    /// Adds what another network did.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.overtook += other.overtook;
        self.cut += other.cut;
        self.syns_swallowed += other.syns_swallowed;
        self.forgotten += other.forgotten;
        self.dark += other.dark;
        self.overflowed += other.overflowed;
    }
}

/// The network between the kernels.
pub struct Wire {
    guard: EnterGuard,
    places: BTreeMap<IpAddr, Place>,
    weather: Weather,
    /// Troubles of links, to be made and healed.
    pub troubles: Troubles,
    flows: Flows,
    mend: Mend,
    queue: BTreeMap<(Duration, u64), Packet>,
    queued: u64,
    egress: Vec<Packet>,
    dice: fastrand::Rng,
    hasher: DefaultHasher,
    toll: Toll,
    /// Attempts to connect, by who dials whom, since somebody asked.
    dials: Vec<(Place, Place)>,
}

impl Wire {
    /// The network among `places`, which are known by all of their addresses.
    #[must_use]
    pub fn new(guard: EnterGuard, places: BTreeMap<IpAddr, Place>, weather: Weather, dice: fastrand::Rng) -> Self {
        Self {
            guard,
            places,
            weather,
            troubles: Troubles::default(),
            flows: Flows::default(),
            mend: Mend::default(),
            queue: BTreeMap::new(),
            queued: 0,
            egress: Vec::new(),
            dice,
            hasher: DefaultHasher::new(),
            toll: Toll::default(),
            dials: Vec::new(),
        }
    }

    /// From now on `kernel` answers for `public`.
    pub fn publish(&mut self, public: IpAddr, kernel: IpAddr) {
        self.flows.publish(public, kernel);
    }

    /// Changes the weather.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Delivers what is due at `now`, and takes what the kernels send.
    pub fn step(&mut self, now: Duration) {
        while let Some(next) = self.queue.first_entry().filter(|next| next.key().0 <= now) {
            let packet = next.remove();
            self.deliver(now, packet);
        }
        let mut egress = std::mem::take(&mut self.egress);
        self.guard.egress_all(&mut egress);
        for packet in egress.drain(..) {
            self.send(now, packet);
        }
        self.egress = egress;
    }

    /// `kernel` loses its power.
    pub fn darken(&mut self, kernel: IpAddr) {
        self.flows.darken(kernel);
        let public = self.flows.outside(kernel);
        self.mend.forget(|(from, to)| from.ip() == public || to.ip() == public);
    }

    /// A NAT forgets the connections that `from` has dialled to anybody.
    pub fn rebind(&mut self, from: Place) -> usize {
        let places = &self.places;
        self.flows.forget(|(dialler, _)| places.get(&dialler.ip()) == Some(&from))
    }

    /// A middlebox resets the connections that `from` has dialled to `to`.
    pub fn reset(&mut self, from: Place, to: Place) -> usize {
        let places = &self.places;
        let between = |(a, b): &Ends| places.get(&a.ip()) == Some(&from) && places.get(&b.ip()) == Some(&to);
        let resets = self.flows.reset(between);
        self.inject(resets)
    }

    /// Every connection of `kernel` is reset at the other end, and the kernel is dark from then on.
    pub fn reset_kernel(&mut self, kernel: IpAddr) -> usize {
        let public = self.flows.outside(kernel);
        let resets = self.flows.reset(|(from, to)| from.ip() == public || to.ip() == public);
        let resets = resets.into_iter().filter(|reset| reset.dst != public).collect();
        let count = self.inject(resets);
        self.darken(kernel);
        count
    }

    /// What the network did so far.
    #[must_use]
    pub fn toll(&self) -> Toll {
        self.toll
    }

    /// A digest of every packet that a kernel sent to another, and of its moment.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// Who tried to connect to whom since this was last asked.
    pub fn take_dials(&mut self) -> Vec<(Place, Place)> {
        std::mem::take(&mut self.dials)
    }

    fn inject(&mut self, packets: Vec<Packet>) -> usize {
        let count = packets.len();
        for packet in packets {
            self.hand_over(packet);
        }
        count
    }

    fn send(&mut self, now: Duration, mut packet: Packet) {
        self.toll.sent += 1;
        if self.flows.is_dark(packet.src) {
            self.toll.dark += 1;
            return;
        }
        packet.src = self.flows.outside(packet.src);
        self.mend.sent(&packet);
        self.route(now, packet);
    }

    fn route(&mut self, now: Duration, packet: Packet) {
        digest(&mut self.hasher, now, &packet);
        let begins = self.flows.note(&packet);
        let place = |address| self.places.get(address).copied();
        let (Some(from), Some(to)) = (place(&packet.src), place(&packet.dst)) else { return };
        let opens = matches!(&packet.payload, Transport::Tcp(segment) if segment.flags.syn && !segment.flags.ack);
        if begins {
            self.dials.push((from, to));
        }
        if self.flows.is_dead(&packet) {
            self.toll.forgotten += 1;
            return;
        }
        let weather = self.weather;
        let way = self.troubles.way(from, to);
        if way.cut > 0 {
            self.toll.cut += 1;
            return;
        }
        if opens && way.no_syn > 0 {
            self.toll.syns_swallowed += 1;
            return;
        }
        if from.is_sheltered() || to.is_sheltered() {
            self.enqueue(now, packet);
            return;
        }
        if self.dice.u32(..1000) < u32::from(weather.loss) + way.loss {
            self.toll.lost += 1;
            return;
        }
        let mut at = now + weather.latency.draw(&mut self.dice) + way.delay;
        if let Some(bandwidth) = weather.bandwidth {
            let micros = u64::from(packet.size()) * 1000 / u64::from(bandwidth);
            if way.free > now + QUEUE {
                self.toll.overflowed += 1;
                return;
            }
            way.free = way.free.max(now) + Duration::from_micros(micros);
            at = at.max(way.free);
        }
        if self.dice.u16(..1000) >= weather.overtake {
            at = at.max(way.last);
            way.last = at;
        } else {
            self.toll.overtook += u64::from(at < way.last);
        }
        if self.dice.u16(..1000) < weather.duplicate {
            self.toll.doubled += 1;
            let again = at + weather.latency.draw(&mut self.dice);
            self.enqueue(again, packet.clone());
        }
        self.enqueue(at, packet);
    }

    fn enqueue(&mut self, at: Duration, packet: Packet) {
        self.queued += 1;
        self.queue.insert((at, self.queued), packet);
    }

    fn deliver(&mut self, now: Duration, packet: Packet) {
        let (packet, answer) = self.mend.arrives(packet);
        if self.hand_over(packet)
            && let Some(answer) = answer
        {
            self.route(now, answer);
        }
    }

    /// Gives a packet to the kernel it is for, if that has power.
    fn hand_over(&mut self, mut packet: Packet) -> bool {
        packet.dst = self.flows.inside(&packet);
        if self.flows.is_dark(packet.dst) {
            self.toll.dark += 1;
            return false;
        }
        self.guard.deliver(packet);
        true
    }
}

fn digest(hasher: &mut DefaultHasher, now: Duration, packet: &Packet) {
    now.hash(hasher);
    if let (Transport::Tcp(segment), Some((from, to))) = (&packet.payload, ends(packet)) {
        let hash = |end: SocketAddr, hasher: &mut DefaultHasher| end.hash(hasher);
        hash(from, hasher);
        hash(to, hasher);
        let flags = segment.flags;
        (segment.seq, segment.ack, segment.window, flags.syn, flags.ack, flags.fin, flags.rst).hash(hasher);
        hasher.write(&segment.payload);
    }
}
