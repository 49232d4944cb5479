//! The connections that the network has seen, as a NAT or a middlebox sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use turmoil_net::{Packet, TcpFlags, TcpSegment, Transport};

/// The endpoints of a connection, the one that dialled first.
pub type Endpoints = (SocketAddr, SocketAddr);

/// What is known of one connection.
#[derive(Clone, Debug)]
struct Flow {
    /// The kernel that had the dialled address then.
    kernel: IpAddr,
    closed: bool,
    /// A NAT has forgotten it: packets are dropped silently.
    nat_forgotten: bool,
}

/// All connections, and which kernel has a public address now.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    flows: BTreeMap<Endpoints, Flow>,
    /// Responders are dialled at an address that outlives their kernels.
    public: BTreeMap<IpAddr, IpAddr>,
    /// The public address of a kernel that has one.
    public_of: BTreeMap<IpAddr, IpAddr>,
    /// Kernels that are powered off.
    powered_off: BTreeSet<IpAddr>,
}

impl Flows {
    /// From now on new connections to `public` reach `kernel`.
    pub fn publish(&mut self, public: IpAddr, kernel: IpAddr) {
        self.public.insert(public, kernel);
        self.public_of.insert(kernel, public);
    }

    /// `kernel` is powered off: its connections end, and no packet says so.
    pub fn power_off(&mut self, kernel: IpAddr) {
        self.powered_off.insert(kernel);
        for flow in self.flows.values_mut().filter(|flow| flow.kernel == kernel) {
            flow.closed = true;
        }
    }

    /// Whether `kernel` is powered off.
    #[must_use]
    pub fn is_powered_off(&self, kernel: IpAddr) -> bool {
        self.powered_off.contains(&kernel)
    }

    /// The address by which others know `kernel`.
    #[must_use]
    pub fn public_address(&self, kernel: IpAddr) -> IpAddr {
        self.public_of.get(&kernel).copied().unwrap_or(kernel)
    }

    /// The kernel that `packet` is for.
    #[must_use]
    pub fn kernel_of(&self, packet: &Packet) -> IpAddr {
        let Some(current) = self.public.get(&packet.dst) else { return packet.dst };
        let flow = endpoints(packet).and_then(|(from, to)| self.flows.get(&(from, to)));
        match flow {
            // A kernel that lost power is replaced by one without its connections.
            Some(flow) if !self.powered_off.contains(&flow.kernel) => flow.kernel,
            Some(_) | None => *current,
        }
    }

    /// Tracks a packet between public addresses. Returns whether it begins a connection.
    pub fn track(&mut self, packet: &Packet) -> bool {
        let (Transport::Tcp(segment), Some((from, to))) = (&packet.payload, endpoints(packet)) else { return false };
        if segment.flags.syn && !segment.flags.ack {
            let kernel = self.public.get(&to.ip()).copied().unwrap_or(to.ip());
            let flow = Flow { kernel, closed: false, nat_forgotten: false };
            match self.flows.get_mut(&(from, to)) {
                Some(known) if known.kernel == kernel && !known.closed => return false,
                Some(known) => *known = flow,
                None => _ = self.flows.insert((from, to), flow),
            }
            return true;
        }
        if segment.flags.rst || segment.flags.fin {
            for key in [(from, to), (to, from)] {
                if let Some(flow) = self.flows.get_mut(&key) {
                    flow.closed = true;
                }
            }
        }
        false
    }

    /// Whether a NAT has forgotten the connection of `packet`.
    #[must_use]
    pub fn is_nat_forgotten(&self, packet: &Packet) -> bool {
        let Some((from, to)) = endpoints(packet) else { return false };
        [(from, to), (to, from)].iter().any(|key| self.flows.get(key).is_some_and(|flow| flow.nat_forgotten))
    }

    /// A NAT forgets every open connection that matches `chosen`. Returns how many.
    pub fn forget(&mut self, chosen: impl Fn(&Endpoints) -> bool) -> usize {
        let open =
            self.flows.iter_mut().filter(|(endpoints, flow)| !flow.closed && !flow.nat_forgotten && chosen(endpoints));
        open.map(|(_, flow)| flow.nat_forgotten = true).count()
    }

    /// RSTs for both endpoints of every open connection that matches `chosen`, as a middlebox sends them.
    pub fn reset(&mut self, chosen: impl Fn(&Endpoints) -> bool) -> Vec<Packet> {
        let open =
            self.flows.iter_mut().filter(|(endpoints, flow)| !flow.closed && !flow.nat_forgotten && chosen(endpoints));
        let mut resets = Vec::new();
        for ((from, to), flow) in open {
            flow.closed = true;
            resets.extend([reset(*from, *to), reset(*to, *from)]);
        }
        resets
    }
}

fn reset(from: SocketAddr, to: SocketAddr) -> Packet {
    let flags = TcpFlags { rst: true, ..TcpFlags::default() };
    segment(from, to, TcpSegment { flags, ..empty_segment() })
}

/// An empty segment.
pub(super) fn empty_segment() -> TcpSegment {
    TcpSegment {
        src_port: 0,
        dst_port: 0,
        seq: 0,
        ack: 0,
        flags: TcpFlags::default(),
        window: 0,
        payload: bytes::Bytes::new(),
    }
}

/// A packet that carries `segment`.
pub(super) fn segment(from: SocketAddr, to: SocketAddr, segment: TcpSegment) -> Packet {
    let segment = TcpSegment { src_port: from.port(), dst_port: to.port(), ..segment };
    Packet { src: from.ip(), dst: to.ip(), ttl: 64, payload: Transport::Tcp(segment) }
}

/// Source and destination of a TCP packet; none for any other.
#[must_use]
pub fn endpoints(packet: &Packet) -> Option<Endpoints> {
    match &packet.payload {
        Transport::Tcp(segment) => {
            Some((SocketAddr::new(packet.src, segment.src_port), SocketAddr::new(packet.dst, segment.dst_port)))
        }
        Transport::Udp(_) => None,
    }
}
