//! What every TCP does and the stacks of `turmoil-net` do not: they are silent about a segment that they have already, so
//! that one lost acknowledgement would end a connection, and take no segment that begins with old bytes.

use std::collections::BTreeMap;

use turmoil_net::{Packet, TcpFlags, TcpSegment, Transport};

use super::flows::{Ends, blank, ends, segment};

/// What each end of each connection said last.
#[derive(Clone, Debug, Default)]
pub struct Mend {
    said: BTreeMap<Ends, Said>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    /// Behind its last byte.
    next: u32,
    /// What it expects next, once it has heard anything.
    expects: Option<u32>,
    window: u16,
}

impl Mend {
    /// An end sent this.
    pub fn sent(&mut self, packet: &Packet) {
        let (Transport::Tcp(sent), Some(ends)) = (&packet.payload, ends(packet)) else { return };
        let next = sent.seq.wrapping_add(length(sent));
        let opening = sent.flags.syn && !sent.flags.ack;
        let said = self.said.entry(ends).or_insert(Said { next, expects: None, window: 0 });
        if opening || sent.flags.rst {
            *said = Said { next, expects: None, window: 0 };
            return;
        }
        said.next = later(said.next, next);
        said.window = sent.window;
        if sent.flags.ack {
            said.expects = Some(said.expects.map_or(sent.ack, |expects| later(expects, sent.ack)));
        }
    }

    /// This arrives: what is left of it for the stack, and what the stack should have answered.
    #[must_use]
    pub fn arrives(&self, packet: Packet) -> (Packet, Option<Packet>) {
        let (Transport::Tcp(arriving), Some((from, to))) = (&packet.payload, ends(&packet)) else {
            return (packet, None);
        };
        let said = self.said.get(&(to, from));
        let Some((said, expects)) = said.and_then(|said| said.expects.map(|expects| (said, expects))) else {
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
        let answer = TcpSegment { seq: said.next, ack: expects, flags, window: said.window, ..blank() };
        (segment(from, to, rest), Some(segment(to, from, answer)))
    }

    /// Forgets every connection that `chosen` says.
    pub fn forget(&mut self, chosen: impl Fn(&Ends) -> bool) {
        self.said.retain(|ends, _| !chosen(ends));
    }
}

/// How far a segment moves the sequence.
fn length(segment: &TcpSegment) -> u32 {
    let payload = u32::try_from(segment.payload.len()).expect("no segment is that long");
    payload + u32::from(segment.flags.syn) + u32::from(segment.flags.fin)
}

/// The later of two numbers of a sequence that wraps around.
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
        let sent = TcpSegment { seq, ack, flags, window: 100, payload: payload.into(), ..blank() };
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
        let mut mend = Mend::default();
        mend.sent(&data(2, 1, 500, 10, b""));
        let packet = data(1, 2, 10, 500, b"abc");
        assert_eq!(mend.arrives(packet.clone()), (packet, None));
    }

    #[test]
    fn what_was_heard_already_is_acknowledged_again() {
        let mut mend = Mend::default();
        mend.sent(&data(2, 1, 500, 13, b""));
        let (rest, answer) = mend.arrives(data(1, 2, 10, 500, b"abc"));
        assert_eq!(payload(&rest), b"");
        assert_eq!(answer, Some(data(2, 1, 500, 13, b"")));
    }

    #[test]
    fn old_bytes_are_cut_off() {
        let mut mend = Mend::default();
        mend.sent(&data(2, 1, 500, 12, b""));
        let (rest, answer) = mend.arrives(data(1, 2, 10, 500, b"abc"));
        assert_eq!((rest, answer), (data(1, 2, 12, 500, b"c"), None));
    }
}
