//! The connections that the network has seen, as a NAT or a middlebox sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use turmoil_net::{Packet, TcpFlags, TcpSegment, Transport};

/// Both ends of a connection, the one that dialled first.
pub type Ends = (SocketAddr, SocketAddr);

/// What is known of one connection.
#[derive(Clone, Debug)]
struct Flow {
    /// The kernel behind the address that was dialled.
    kernel: IpAddr,
    over: bool,
    /// A NAT has forgotten it: nothing passes, and nobody is told.
    dead: bool,
}

/// All connections, and which kernel answers for an address now.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    flows: BTreeMap<Ends, Flow>,
    /// Responders are dialled at an address that outlives their kernels.
    public: BTreeMap<IpAddr, IpAddr>,
    /// The public address of a kernel that has one.
    hidden: BTreeMap<IpAddr, IpAddr>,
    /// Kernels without power.
    dark: BTreeSet<IpAddr>,
}

impl Flows {
    /// From now on `kernel` answers for `public`.
    pub fn publish(&mut self, public: IpAddr, kernel: IpAddr) {
        self.public.insert(public, kernel);
        self.hidden.insert(kernel, public);
    }

    /// `kernel` loses its power, and with it every connection, without a word.
    pub fn darken(&mut self, kernel: IpAddr) {
        self.dark.insert(kernel);
        for flow in self.flows.values_mut().filter(|flow| flow.kernel == kernel) {
            flow.over = true;
        }
    }

    /// Whether `kernel` has no power.
    #[must_use]
    pub fn is_dark(&self, kernel: IpAddr) -> bool {
        self.dark.contains(&kernel)
    }

    /// The address that others know `kernel` by.
    #[must_use]
    pub fn outside(&self, kernel: IpAddr) -> IpAddr {
        self.hidden.get(&kernel).copied().unwrap_or(kernel)
    }

    /// The kernel that `packet` is for.
    #[must_use]
    pub fn inside(&self, packet: &Packet) -> IpAddr {
        let Some(current) = self.public.get(&packet.dst) else { return packet.dst };
        let flow = ends(packet).and_then(|(from, to)| self.flows.get(&(from, to)));
        match flow {
            // Whatever has lost its power is replaced by what has no memory of it.
            Some(flow) if !self.dark.contains(&flow.kernel) => flow.kernel,
            Some(_) | None => *current,
        }
    }

    /// Takes note of a packet between public addresses, and says whether it begins a connection.
    pub fn note(&mut self, packet: &Packet) -> bool {
        let (Transport::Tcp(segment), Some((from, to))) = (&packet.payload, ends(packet)) else { return false };
        if segment.flags.syn && !segment.flags.ack {
            let kernel = self.public.get(&to.ip()).copied().unwrap_or(to.ip());
            let flow = Flow { kernel, over: false, dead: false };
            match self.flows.get_mut(&(from, to)) {
                Some(known) if known.kernel == kernel && !known.over => return false,
                Some(known) => *known = flow,
                None => _ = self.flows.insert((from, to), flow),
            }
            return true;
        }
        if segment.flags.rst || segment.flags.fin {
            for key in [(from, to), (to, from)] {
                if let Some(flow) = self.flows.get_mut(&key) {
                    flow.over = true;
                }
            }
        }
        false
    }

    /// Whether a NAT has forgotten the connection of `packet`.
    #[must_use]
    pub fn is_dead(&self, packet: &Packet) -> bool {
        let Some((from, to)) = ends(packet) else { return false };
        [(from, to), (to, from)].iter().any(|key| self.flows.get(key).is_some_and(|flow| flow.dead))
    }

    /// A NAT forgets every connection that `chosen` says; returns how many.
    pub fn forget(&mut self, chosen: impl Fn(&Ends) -> bool) -> usize {
        let open = self.flows.iter_mut().filter(|(ends, flow)| !flow.over && !flow.dead && chosen(ends));
        open.map(|(_, flow)| flow.dead = true).count()
    }

    /// Resets for both ends of every open connection that `chosen` says, as a middlebox sends them.
    pub fn reset(&mut self, chosen: impl Fn(&Ends) -> bool) -> Vec<Packet> {
        let open = self.flows.iter_mut().filter(|(ends, flow)| !flow.over && !flow.dead && chosen(ends));
        let mut resets = Vec::new();
        for ((from, to), flow) in open {
            flow.over = true;
            resets.extend([reset(*from, *to), reset(*to, *from)]);
        }
        resets
    }
}

fn reset(from: SocketAddr, to: SocketAddr) -> Packet {
    let flags = TcpFlags { rst: true, ..TcpFlags::default() };
    segment(from, to, TcpSegment { flags, ..blank() })
}

/// A segment with nothing in it.
pub(super) fn blank() -> TcpSegment {
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

/// A packet with `segment`.
pub(super) fn segment(from: SocketAddr, to: SocketAddr, segment: TcpSegment) -> Packet {
    let segment = TcpSegment { src_port: from.port(), dst_port: to.port(), ..segment };
    Packet { src: from.ip(), dst: to.ip(), ttl: 64, payload: Transport::Tcp(segment) }
}

/// Where a packet comes from and goes to; none unless it is TCP's.
#[must_use]
pub fn ends(packet: &Packet) -> Option<Ends> {
    match &packet.payload {
        Transport::Tcp(segment) => {
            Some((SocketAddr::new(packet.src, segment.src_port), SocketAddr::new(packet.dst, segment.dst_port)))
        }
        Transport::Udp(_) => None,
    }
}
