//! The network between the kernels: takes their packets, and drops, delays, duplicates, reorders or delivers them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use turmoil_net::{EnterGuard, Packet, Transport};

use super::flows::{Endpoints, Flows, endpoints};
use super::host_id::HostId;
use super::link_conditions::{LinkConditions, Links};
use super::tcp_fixups::TcpFixups;

/// The longest queue of a link with limited bandwidth.
const QUEUE: Duration = Duration::from_millis(300);

/// Counters of the network, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Sent by kernels to other kernels.
    pub sent: u64,
    /// Lost at random.
    pub lost: u64,
    /// Share of packets delivered twice.
    pub duplicated: u64,
    /// Delivered before a packet that was sent earlier.
    pub reordered: u64,
    /// Dropped by a partition.
    pub partitioned: u64,
    /// Dropped SYNs.
    pub syns_dropped: u64,
    /// Dropped since a NAT has forgotten the connection.
    pub nat_forgotten: u64,
    /// From or to a host that is powered off.
    pub powered_off: u64,
    /// Dropped since the queue of the link was full.
    pub queue_overflowed: u64,
}

impl NetworkStats {
    /// Adds the counters of another network.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.partitioned += other.partitioned;
        self.syns_dropped += other.syns_dropped;
        self.nat_forgotten += other.nat_forgotten;
        self.powered_off += other.powered_off;
        self.queue_overflowed += other.queue_overflowed;
    }
}

/// The network between the kernels.
pub struct Network {
    guard: EnterGuard,
    hosts: BTreeMap<IpAddr, HostId>,
    link_conditions: LinkConditions,
    /// The state of every link, changed by faults.
    pub links: Links,
    flows: Flows,
    tcp_fixups: TcpFixups,
    queue: BTreeMap<(Duration, u64), Packet>,
    queued: u64,
    egress: Vec<Packet>,
    dice: fastrand::Rng,
    hasher: DefaultHasher,
    stats: NetworkStats,
    /// Connection attempts since [`Self::take_dials`]: who dialled whom.
    dials: Vec<(HostId, HostId)>,
}

impl Network {
    /// The network among `hosts`, which are known by all of their addresses.
    #[must_use]
    pub fn new(
        guard: EnterGuard,
        hosts: BTreeMap<IpAddr, HostId>,
        link_conditions: LinkConditions,
        dice: fastrand::Rng,
    ) -> Self {
        Self {
            guard,
            hosts,
            link_conditions,
            links: Links::default(),
            flows: Flows::default(),
            tcp_fixups: TcpFixups::default(),
            queue: BTreeMap::new(),
            queued: 0,
            egress: Vec::new(),
            dice,
            hasher: DefaultHasher::new(),
            stats: NetworkStats::default(),
            dials: Vec::new(),
        }
    }

    /// From now on new connections to `public` reach `kernel`.
    pub fn publish(&mut self, public: IpAddr, kernel: IpAddr) {
        self.flows.publish(public, kernel);
    }

    /// Changes the conditions of every link.
    pub fn set_link_conditions(&mut self, link_conditions: LinkConditions) {
        self.link_conditions = link_conditions;
    }

    /// Delivers the packets that are due at `now`, and takes those that the kernels send.
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

    /// `kernel` is powered off.
    pub fn power_off(&mut self, kernel: IpAddr) {
        self.flows.power_off(kernel);
        let public = self.flows.public_address(kernel);
        self.tcp_fixups.forget(|(from, to)| from.ip() == public || to.ip() == public);
    }

    /// The NAT of `from` forgets its connections. Returns how many.
    pub fn rebind(&mut self, from: HostId) -> usize {
        let hosts = &self.hosts;
        self.flows.forget(|(dialler, _)| hosts.get(&dialler.ip()) == Some(&from))
    }

    /// A middlebox resets the connections that `from` has dialled to `to`. Returns how many packets that takes.
    pub fn reset(&mut self, from: HostId, to: HostId) -> usize {
        let hosts = &self.hosts;
        let between = |(a, b): &Endpoints| hosts.get(&a.ip()) == Some(&from) && hosts.get(&b.ip()) == Some(&to);
        let resets = self.flows.reset(between);
        self.inject(resets)
    }

    /// Every connection of `kernel` is reset at its other end, and the kernel is powered off.
    pub fn reset_kernel(&mut self, kernel: IpAddr) -> usize {
        let public = self.flows.public_address(kernel);
        let resets = self.flows.reset(|(from, to)| from.ip() == public || to.ip() == public);
        let resets = resets.into_iter().filter(|reset| reset.dst != public).collect();
        let count = self.inject(resets);
        self.power_off(kernel);
        count
    }

    /// The counters so far.
    #[must_use]
    pub fn stats(&self) -> NetworkStats {
        self.stats
    }

    /// A digest of every packet that a kernel sent to another, with its time.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// Connection attempts since the last call: who dialled whom.
    pub fn take_dials(&mut self) -> Vec<(HostId, HostId)> {
        std::mem::take(&mut self.dials)
    }

    fn inject(&mut self, packets: Vec<Packet>) -> usize {
        let count = packets.len();
        for packet in packets {
            self.deliver_to_kernel(packet);
        }
        count
    }

    fn send(&mut self, now: Duration, mut packet: Packet) {
        self.stats.sent += 1;
        if self.flows.is_powered_off(packet.src) {
            self.stats.powered_off += 1;
            return;
        }
        packet.src = self.flows.public_address(packet.src);
        self.tcp_fixups.on_send(&packet);
        self.route(now, packet);
    }

    fn route(&mut self, now: Duration, packet: Packet) {
        digest(&mut self.hasher, now, &packet);
        let begins = self.flows.track(&packet);
        let host = |address| self.hosts.get(address).copied();
        let (Some(from), Some(to)) = (host(&packet.src), host(&packet.dst)) else { return };
        let opens = matches!(&packet.payload, Transport::Tcp(segment) if segment.flags.syn && !segment.flags.ack);
        if begins {
            self.dials.push((from, to));
        }
        if self.flows.is_nat_forgotten(&packet) {
            self.stats.nat_forgotten += 1;
            return;
        }
        let link_conditions = self.link_conditions;
        let link = self.links.direction(from, to);
        if link.cut > 0 {
            self.stats.partitioned += 1;
            return;
        }
        if opens && link.syns_blocked > 0 {
            self.stats.syns_dropped += 1;
            return;
        }
        if from.is_exempt_from_link_conditions() || to.is_exempt_from_link_conditions() {
            self.enqueue(now, packet);
            return;
        }
        if self.dice.u32(..1000) < u32::from(link_conditions.loss) + link.loss {
            self.stats.lost += 1;
            return;
        }
        let mut at = now + link_conditions.latency.draw(&mut self.dice) + link.delay;
        if let Some(bandwidth) = link_conditions.bandwidth {
            let micros = u64::from(packet.size()) * 1000 / u64::from(bandwidth);
            if link.free > now + QUEUE {
                self.stats.queue_overflowed += 1;
                return;
            }
            link.free = link.free.max(now) + Duration::from_micros(micros);
            at = at.max(link.free);
        }
        if self.dice.u16(..1000) >= link_conditions.reorder {
            at = at.max(link.last);
            link.last = at;
        } else {
            self.stats.reordered += u64::from(at < link.last);
        }
        if self.dice.u16(..1000) < link_conditions.duplicate {
            self.stats.duplicated += 1;
            let again = at + link_conditions.latency.draw(&mut self.dice);
            self.enqueue(again, packet.clone());
        }
        self.enqueue(at, packet);
    }

    fn enqueue(&mut self, at: Duration, packet: Packet) {
        self.queued += 1;
        self.queue.insert((at, self.queued), packet);
    }

    fn deliver(&mut self, now: Duration, packet: Packet) {
        let (packet, ack_reply) = self.tcp_fixups.on_arrival(packet);
        if self.deliver_to_kernel(packet)
            && let Some(ack_reply) = ack_reply
        {
            self.route(now, ack_reply);
        }
    }

    /// Gives a packet to its kernel, unless that is powered off.
    fn deliver_to_kernel(&mut self, mut packet: Packet) -> bool {
        packet.dst = self.flows.kernel_of(&packet);
        if self.flows.is_powered_off(packet.dst) {
            self.stats.powered_off += 1;
            return false;
        }
        self.guard.deliver(packet);
        true
    }
}

fn digest(hasher: &mut DefaultHasher, now: Duration, packet: &Packet) {
    now.hash(hasher);
    if let (Transport::Tcp(segment), Some((from, to))) = (&packet.payload, endpoints(packet)) {
        let hash = |end: SocketAddr, hasher: &mut DefaultHasher| end.hash(hasher);
        hash(from, hasher);
        hash(to, hasher);
        let flags = segment.flags;
        (segment.seq, segment.ack, segment.window, flags.syn, flags.ack, flags.fin, flags.rst).hash(hasher);
        hasher.write(&segment.payload);
    }
}
