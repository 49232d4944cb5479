//! Frames as they pass: where one begins and ends, what one says of streams, and which are left out.

use std::collections::VecDeque;

use super::{End, GOAWAY, Remote};

/// Length, type, flags and stream of a frame.
const HEADER: usize = 9;
const HEADERS: u8 = 1;

/// Where in a stream of frames one is.
pub(super) struct Frames {
    /// Bytes of the preface that are to come.
    preface: usize,
    header: Vec<u8>,
    /// Bytes of the frame's payload that are to come.
    left: usize,
    /// The first of them, where they say something.
    said: Vec<u8>,
    kept: bool,
}

impl Frames {
    pub(super) const fn behind(preface: usize) -> Self {
        Self { preface, header: Vec::new(), left: 0, said: Vec::new(), kept: true }
    }

    pub(super) const fn is_between(&self) -> bool {
        self.preface == 0 && self.header.is_empty() && self.left == 0
    }

    /// How many of `bytes` belong to the frame that has begun; to the first, if none has.
    pub(super) fn left_of(&self, bytes: &[u8]) -> usize {
        let mut ahead = Self { header: self.header.clone(), said: Vec::new(), ..*self };
        for (at, byte) in bytes.iter().enumerate() {
            ahead.follow(*byte);
            if ahead.is_between() {
                return at + 1;
            }
        }
        bytes.len()
    }

    /// Goes on by one byte. Returns the header that it completes.
    pub(super) fn follow(&mut self, byte: u8) -> Option<[u8; HEADER]> {
        if self.preface > 0 {
            self.preface -= 1;
        } else if self.left > 0 {
            self.left -= 1;
        } else {
            self.header.push(byte);
            if let Ok(header) = <[u8; HEADER]>::try_from(&self.header[..]) {
                self.left = usize::try_from(u32::from_be_bytes([0, header[0], header[1], header[2]])).unwrap_or(0);
                self.header.clear();
                return Some(header);
            }
        }
        None
    }

    /// Goes on by one byte of what the other end says, and hands on what is kept.
    pub(super) fn pass(&mut self, byte: u8, ready: &mut VecDeque<u8>, remote: &Remote) {
        let (payload, preface) = (self.left > 0, self.preface > 0);
        if let Some(header) = self.follow(byte) {
            self.begin(header, ready, remote);
            return;
        }
        if preface || payload && self.kept {
            ready.push_back(byte);
        }
        if payload && self.said.len() < 5 {
            self.said.push(byte);
            if let [GOAWAY, last @ ..] = &self.said[..]
                && let Ok(last) = <[u8; 4]>::try_from(last)
            {
                remote.hear_goodbye(u32::from_be_bytes(last));
            }
        }
    }

    fn begin(&mut self, header: [u8; HEADER], ready: &mut VecDeque<u8>, remote: &Remote) {
        let [_, _, _, kind, _, stream @ ..] = header;
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        let mut shared = remote.lock();
        let welcome = shared.last.is_none_or(|last| stream <= last);
        self.kept = stream == 0 || welcome || remote.0.end == End::Responder;
        if kind == HEADERS && self.kept {
            shared.highest = shared.highest.max(stream);
        }
        self.said = vec![kind];
        if self.kept {
            ready.extend(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PREFACE;
    use super::*;
    use crate::cast::envoy::state::{Peer, Stage, State};

    fn heard(remote: &Remote, frames: &mut Frames, bytes: &[u8]) -> Vec<u8> {
        let mut ready = VecDeque::new();
        bytes.iter().for_each(|byte| frames.pass(*byte, &mut ready, remote));
        ready.into()
    }

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short one");
        [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat()
    }

    fn stages(state: &State) -> Vec<Stage> {
        state.rows().iter().map(|row| row.stage).collect()
    }

    #[test]
    fn behind_a_goodbye_no_new_stream_is_heard() {
        let state = State::new();
        let remote = Remote::new(End::Initiator, state.enter(Peer::Unknown));
        let mut frames = Frames::behind(PREFACE.len());
        let first = [&PREFACE[..], &frame(4, 0, b""), &frame(HEADERS, 1, b"abc")].concat();
        assert_eq!(heard(&remote, &mut frames, &first), first);
        remote.go_away();
        assert_eq!(stages(&state), [Stage::Draining]);
        let goodbye = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(Vec::from(remote.lock().queue.clone()), goodbye);
        let later = [frame(HEADERS, 3, b"def"), frame(0, 1, b"ghi"), frame(0, 3, b"jkl")].concat();
        assert_eq!(heard(&remote, &mut frames, &later), frame(0, 1, b"ghi"));
    }

    #[test]
    fn a_goodbye_may_name_no_stream() {
        for (last, wronged) in [([0; 4], false), ([0x7f, 0xff, 0xff, 0xff], true)] {
            let state = State::new();
            let remote = Remote::new(End::Initiator, state.enter(Peer::Unknown));
            let bytes = frame(GOAWAY, 0, &[last, [0; 4]].concat());
            assert_eq!(heard(&remote, &mut Frames::behind(0), &bytes), bytes);
            let shared = remote.lock();
            assert_eq!((shared.told, shared.wronged), (!wronged, wronged));
        }
    }

    #[test]
    fn frames_of_its_own_go_between_those_of_the_library() {
        let mut frames = Frames::behind(PREFACE.len());
        let bytes = [&PREFACE[..], &frame(4, 0, b"123456"), &frame(4, 0, b"")].concat();
        assert_eq!(frames.left_of(&bytes), PREFACE.len());
        bytes[..30].iter().for_each(|byte| _ = frames.follow(*byte));
        assert!(!frames.is_between());
        assert_eq!(frames.left_of(&bytes[30..]), 9);
    }
}
