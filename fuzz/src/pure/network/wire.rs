//! One connection, and what is on its way through it.

use revtun_core::TunnelId;
use revtun_core::handshake::{
    Acceptance, Answer, HeaderNames, Instance, PATH, ParsedRequest, ParsedResponse, Rejection, Request, RequestHead,
    RequestParser, ResponseParser, Rules, encode_rejection,
};
use revtun_core::identity::Identity;

use super::{Downs, Ups};

/// From an initiator to the responder.
#[derive(Clone, Debug)]
pub(super) enum Up {
    Dial,
    Request(Vec<u8>),
    Echo,
    Goaway,
    End,
}

/// From the responder to an initiator.
#[derive(Clone, Debug)]
pub(super) enum Down {
    Connected,
    Answer(Vec<u8>),
    Ping,
    Preface,
    Goaway,
    End,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) agent: usize,
    /// Which run of the initiator dialled it.
    pub(super) instance: Instance,
    /// What the initiator calls it.
    pub(super) near: TunnelId,
    pub(super) near_open: bool,
    /// What the responder calls it, while it has it.
    pub(super) far: Option<TunnelId>,
    pub(super) used: bool,
    pub(super) up: Ups,
    pub(super) down: Downs,
    /// Nothing arrives any more, and nobody is told.
    pub(super) cut: bool,
}

impl Wire {
    pub(super) fn dialled(agent: usize, instance: Instance, near: TunnelId) -> Self {
        let (up, down) = (Ups::from([Up::Dial]), Downs::new());
        Self { agent, instance, near, near_open: true, far: None, used: false, up, down, cut: false }
    }

    /// Both ends are told that it broke; what was on its way is lost.
    pub(super) fn reset(&mut self) {
        self.cut = false;
        self.up = Ups::from([Up::End]);
        self.down = Downs::from([Down::End]);
    }
}

/// The request as it goes over the wire.
pub(super) fn request(identity: Identity<'_>, instance: Instance) -> Vec<u8> {
    let mut bytes = Vec::new();
    let head = RequestHead {
        names: &HeaderNames::default(),
        host: "127.0.0.1:1",
        identity,
        upstream: "up",
        initiation_time_ms: 1,
        worker: 0,
        connection: 0,
        instance,
        path: PATH,
        upgrade: false,
        whole_tls: false,
        token: None,
    };
    head.encode(&mut bytes);
    bytes
}

/// The request as the responder reads it.
pub(super) fn read(bytes: &[u8]) -> Request<'_> {
    match RequestParser::new().parse(&Rules::default(), bytes) {
        ParsedRequest::Complete { request, consumed } => {
            assert_eq!(consumed, bytes.len());
            request
        }
        ParsedRequest::Incomplete => panic!("a request is whole"),
        ParsedRequest::Rejected(rejection) => panic!("{rejection:?}"),
    }
}

/// The answer that accepts.
pub(super) fn accepted() -> Vec<u8> {
    Acceptance { upgrade: false, revtun: true, whole_tls: false }.encode()
}

/// The answer that does not.
pub(super) fn rejected(rejection: Rejection) -> Vec<u8> {
    encode_rejection(rejection)
}

/// The answer as an initiator reads it.
pub(super) fn answer(bytes: &[u8]) -> Answer {
    match ResponseParser::new(false, false).parse(bytes) {
        ParsedResponse::Complete { answer, .. } => answer,
        ParsedResponse::Incomplete => panic!("an answer is whole"),
    }
}
