//! What every TCP does and the stacks of `turmoil-net` do not: they do not acknowledge a segment again that they have, so
//! that one lost acknowledgement would end a connection, and they drop segments that begin with bytes they have.

use std::collections::BTreeMap;

use turmoil_net::{Packet, TcpFlags, TcpSegment, Transport};

use super::flows::{Endpoints, empty_segment, endpoints, segment};

/// The last numbers that each endpoint of each connection sent.
#[derive(Clone, Debug, Default)]
pub struct TcpFixups {
    last_sent: BTreeMap<Endpoints, LastSent>,
}

#[derive(Clone, Copy, Debug)]
struct LastSent {
    /// The sequence number after its last byte.
    next: u32,
    /// Its last acknowledgement number, once it has sent one.
    expects: Option<u32>,
    window: u16,
}

impl TcpFixups {
    /// An endpoint sends `packet`.
    pub fn on_send(&mut self, packet: &Packet) {
        let (Transport::Tcp(sent), Some(endpoints)) = (&packet.payload, endpoints(packet)) else { return };
        let next = sent.seq.wrapping_add(length(sent));
        let opening = sent.flags.syn && !sent.flags.ack;
        let last_sent = self.last_sent.entry(endpoints).or_insert(LastSent { next, expects: None, window: 0 });
        if opening || sent.flags.rst {
            *last_sent = LastSent { next, expects: None, window: 0 };
            return;
        }
        last_sent.next = later(last_sent.next, next);
        last_sent.window = sent.window;
        if sent.flags.ack {
            last_sent.expects = Some(last_sent.expects.map_or(sent.ack, |expects| later(expects, sent.ack)));
        }
    }

    /// `packet` arrives: returns what the stack should process of it, and the acknowledgement that it would not send.
    #[must_use]
    pub fn on_arrival(&self, packet: Packet) -> (Packet, Option<Packet>) {
        let (Transport::Tcp(arriving), Some((from, to))) = (&packet.payload, endpoints(&packet)) else {
            return (packet, None);
        };
        let last_sent = self.last_sent.get(&(to, from));
        let Some((last_sent, expects)) =
            last_sent.and_then(|last_sent| last_sent.expects.map(|expects| (last_sent, expects)))
        else {
            return (packet, None);
        };
        let (old, length) = (expects.wrapping_sub(arriving.seq), length(arriving));
        if arriving.flags.rst || length == 0 || old == 0 || old > u32::MAX / 2 {
            return (packet, None);
        }
        let mut rest = arriving.clone();
        rest.seq = expects;
        if old < length {
            rest.payload = arriving.payload.slice(old as usize..);
            return (segment(from, to, rest), None);
        }
        rest.payload = bytes::Bytes::new();
        rest.flags = TcpFlags { ack: arriving.flags.ack, ..TcpFlags::default() };
        let flags = TcpFlags { ack: true, ..TcpFlags::default() };
        let ack_reply =
            TcpSegment { seq: last_sent.next, ack: expects, flags, window: last_sent.window, ..empty_segment() };
        (segment(from, to, rest), Some(segment(to, from, ack_reply)))
    }

    /// Forgets every connection that matches `chosen`.
    pub fn forget(&mut self, chosen: impl Fn(&Endpoints) -> bool) {
        self.last_sent.retain(|endpoints, _| !chosen(endpoints));
    }
}

/// The length of a segment in sequence numbers.
fn length(segment: &TcpSegment) -> u32 {
    let payload = u32::try_from(segment.payload.len()).expect("no segment is that long");
    payload + u32::from(segment.flags.syn) + u32::from(segment.flags.fin)
}

/// The later of two sequence numbers, which wrap around.
fn later(one: u32, other: u32) -> u32 {
    if other.wrapping_sub(one) < u32::MAX / 2 { other } else { one }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn data(from: u16, to: u16, seq: u32, ack: u32, payload: &'static [u8]) -> Packet {
        let flags = TcpFlags { ack: true, ..TcpFlags::default() };
        let sent = TcpSegment { seq, ack, flags, window: 100, payload: payload.into(), ..empty_segment() };
        segment(at(from), at(to), sent)
    }

    fn payload(packet: &Packet) -> &[u8] {
        match &packet.payload {
            Transport::Tcp(segment) => &segment.payload,
            Transport::Udp(_) => &[],
        }
    }

    #[test]
    fn what_is_new_passes() {
        let mut fixups = TcpFixups::default();
        fixups.on_send(&data(2, 1, 500, 10, b""));
        let packet = data(1, 2, 10, 500, b"abc");
        assert_eq!(fixups.on_arrival(packet.clone()), (packet, None));
    }

    #[test]
    fn what_was_heard_already_is_acknowledged_again() {
        let mut fixups = TcpFixups::default();
        fixups.on_send(&data(2, 1, 500, 13, b""));
        let (rest, ack_reply) = fixups.on_arrival(data(1, 2, 10, 500, b"abc"));
        assert_eq!(payload(&rest), b"");
        assert_eq!(ack_reply, Some(data(2, 1, 500, 13, b"")));
    }

    #[test]
    fn old_bytes_are_cut_off() {
        let mut fixups = TcpFixups::default();
        fixups.on_send(&data(2, 1, 500, 12, b""));
        let (rest, ack_reply) = fixups.on_arrival(data(1, 2, 10, 500, b"abc"));
        assert_eq!((rest, ack_reply), (data(1, 2, 12, 500, b"c"), None));
    }
}
