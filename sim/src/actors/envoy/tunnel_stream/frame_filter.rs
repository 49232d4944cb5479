//! Follows HTTP/2 frames in a byte stream: where one begins and ends, GOAWAYs, and frames that are filtered out.

use std::collections::VecDeque;

use super::{End, TunnelControl};
use crate::actors::http2_frames::{GOAWAY, HEADERS};

/// Bytes of a frame's length, type, flags and stream.
const HEADER: usize = 9;

/// The position in a stream of frames.
pub(super) struct FrameFilter {
    /// Bytes of the preface that are still expected.
    preface: usize,
    header: Vec<u8>,
    /// Bytes of the frame's payload that are still expected.
    left: usize,
    /// The frame's type and the first bytes of its payload.
    prefix: Vec<u8>,
    passes: bool,
}

impl FrameFilter {
    pub(super) const fn after_preface(preface: usize) -> Self {
        Self { preface, header: Vec::new(), left: 0, prefix: Vec::new(), passes: true }
    }

    pub(super) const fn is_between(&self) -> bool {
        self.preface == 0 && self.header.is_empty() && self.left == 0
    }

    /// How many of `bytes` belong to the current frame, or to the next one between frames.
    pub(super) fn left_in_frame(&self, bytes: &[u8]) -> usize {
        let mut lookahead = Self { header: self.header.clone(), prefix: Vec::new(), ..*self };
        for (at, byte) in bytes.iter().enumerate() {
            lookahead.advance(*byte);
            if lookahead.is_between() {
                return at + 1;
            }
        }
        bytes.len()
    }

    /// Consumes one byte. Returns the header that it completes.
    pub(super) fn advance(&mut self, byte: u8) -> Option<[u8; HEADER]> {
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

    /// Consumes one byte from the peer, and passes it on unless its frame is filtered out.
    pub(super) fn pass(&mut self, byte: u8, ready: &mut VecDeque<u8>, control: &TunnelControl) {
        let (payload, preface) = (self.left > 0, self.preface > 0);
        if let Some(header) = self.advance(byte) {
            self.begin(header, ready, control);
            return;
        }
        if preface || payload && self.passes {
            ready.push_back(byte);
        }
        if payload && self.prefix.len() < 5 {
            self.prefix.push(byte);
            if let [GOAWAY, last @ ..] = &self.prefix[..]
                && let Ok(last) = <[u8; 4]>::try_from(last)
            {
                control.on_goaway(u32::from_be_bytes(last));
            }
        }
    }

    fn begin(&mut self, header: [u8; HEADER], ready: &mut VecDeque<u8>, control: &TunnelControl) {
        let [_, _, _, kind, _, stream @ ..] = header;
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        let mut shared = control.lock();
        let welcome = shared.last.is_none_or(|last| stream <= last);
        self.passes = stream == 0 || welcome || control.0.end == End::Responder;
        if kind == HEADERS && self.passes {
            shared.highest = shared.highest.max(stream);
        }
        self.prefix = vec![kind];
        if self.passes {
            ready.extend(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::envoy::state::{EnvoyState, Peer, Stage};
    use crate::actors::http2_frames::PREFACE;

    fn filtered(control: &TunnelControl, frames: &mut FrameFilter, bytes: &[u8]) -> Vec<u8> {
        let mut ready = VecDeque::new();
        bytes.iter().for_each(|byte| frames.pass(*byte, &mut ready, control));
        ready.into()
    }

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short one");
        [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat()
    }

    fn stages(state: &EnvoyState) -> Vec<Stage> {
        state.connections().iter().map(|connection| connection.stage).collect()
    }

    #[test]
    fn after_a_goaway_new_streams_are_filtered_out() {
        let state = EnvoyState::new();
        let control = TunnelControl::new(End::Initiator, state.add(Peer::Unknown));
        let mut frames = FrameFilter::after_preface(PREFACE.len());
        let first = [&PREFACE[..], &frame(4, 0, b""), &frame(HEADERS, 1, b"abc")].concat();
        assert_eq!(filtered(&control, &mut frames, &first), first);
        control.go_away();
        assert_eq!(stages(&state), [Stage::Draining]);
        let goaway = [0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(Vec::from(control.lock().queue.clone()), goaway);
        let later = [frame(HEADERS, 3, b"def"), frame(0, 1, b"ghi"), frame(0, 3, b"jkl")].concat();
        assert_eq!(filtered(&control, &mut frames, &later), frame(0, 1, b"ghi"));
    }

    #[test]
    fn from_a_client_only_a_goaway_with_last_stream_0_is_accepted() {
        for (last, protocol_error) in [([0; 4], false), ([0x7f, 0xff, 0xff, 0xff], true)] {
            let state = EnvoyState::new();
            let control = TunnelControl::new(End::Initiator, state.add(Peer::Unknown));
            let bytes = frame(GOAWAY, 0, &[last, [0; 4]].concat());
            assert_eq!(filtered(&control, &mut FrameFilter::after_preface(0), &bytes), bytes);
            let shared = control.lock();
            assert_eq!((shared.goaway_seen, shared.protocol_error), (!protocol_error, protocol_error));
        }
    }

    #[test]
    fn frames_of_its_own_go_between_those_of_the_library() {
        let mut frames = FrameFilter::after_preface(PREFACE.len());
        let bytes = [&PREFACE[..], &frame(4, 0, b"123456"), &frame(4, 0, b"")].concat();
        assert_eq!(frames.left_in_frame(&bytes), PREFACE.len());
        bytes[..30].iter().for_each(|byte| _ = frames.advance(*byte));
        assert!(!frames.is_between());
        assert_eq!(frames.left_in_frame(&bytes[30..]), 9);
    }
}
