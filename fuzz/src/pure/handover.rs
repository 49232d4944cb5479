//! From handshake to data on one connection: whatever follows the head, however it is cut, reaches whoever serves
//! the tunnel byte for byte, less the pings in front of it.

use revtun_core::h2frame::{FrameScanner, detect_protocol};
use revtun_core::handshake::{
    Acceptance, Answer, HeaderNames, Instance, PATH, ParsedRequest, ParsedResponse, RequestHead, RequestParser,
    ResponseParser, Rules,
};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::initiator::Protocol;
use revtun_core::rping::{Data, PingFilter};

use super::ping_filter::expected;
use super::segments::cut;
use super::without_allocation;

/// The first byte's low bits cut head and rest together; its high bits choose the side and upgrade mode.
pub fn run(data: &[u8]) {
    let Some((seed, tail)) = data.split_first() else { return };
    let (initiator, upgrade) = (seed & 0x80 != 0, seed & 0x40 != 0);
    let accepted = Acceptance { upgrade, revtun: true, whole_tls: false };
    let head = if initiator { accepted.encode() } else { request(upgrade) };
    let (_, stream, lengths) = {
        let whole = [&[*seed][..], &head, tail].concat();
        let (seed, stream, lengths) = cut(&whole);
        (seed, stream.to_vec(), lengths)
    };
    let mut reader = if initiator { Reader::initiator(upgrade) } else { Reader::responder(upgrade) };
    let mut start = 0;
    for end in lengths {
        reader.read(&stream[start..end]);
        start = end;
    }
    let (pings, served, held) = expected(tail);
    let tunnel = reader.tunnel.expect("the head is whole");
    assert_eq!((tunnel.pings, &tunnel.served[..], tunnel.filter.held()), (pings, served, held));
    assert_eq!(detect_protocol(&tunnel.served), detect_protocol(served));
    if detect_protocol(served) == Some(Protocol::Http2) {
        let mut scanner = FrameScanner::client();
        assert_eq!(tunnel.goaways, scanner.scan(served).goaways);
        assert_eq!(tunnel.scanner, scanner);
        is_boundary(served);
    }
}

fn request(upgrade: bool) -> Vec<u8> {
    let name = "names of a fixed request are legal";
    let head = RequestHead {
        names: &HeaderNames::default(),
        host: "127.0.0.1:1",
        identity: Identity {
            node: NodeId::new("n").expect(name),
            cluster: ClusterId::new("c").expect(name),
            tenant: TenantId::new("t").expect(name),
        },
        upstream: "u",
        initiation_time_ms: 1,
        worker: 0,
        connection: 0,
        instance: Instance(1),
        path: PATH,
        upgrade,
        whole_tls: false,
        token: None,
    };
    let mut bytes = Vec::new();
    head.encode(&mut bytes);
    bytes
}

/// Where the first boundary is found, a scanner that reads so far stands at it, and at none before.
fn is_boundary(stream: &[u8]) {
    let Some(at) = FrameScanner::client().first_boundary(stream) else { return };
    let mut scanner = FrameScanner::client();
    scanner.scan(&stream[..at - 1]);
    assert!(!scanner.at_boundary());
    assert_eq!(scanner.first_boundary(&stream[at - 1..]), Some(1));
    scanner.scan(&stream[at - 1..at]);
    assert!(scanner.at_boundary());
}

/// One end of a connection, as small as can be.
struct Reader {
    parser: Parser,
    buffer: Vec<u8>,
    tunnel: Option<Tunnel>,
}

enum Parser {
    Request(RequestParser, Rules),
    Response(ResponseParser),
}

struct Tunnel {
    filter: PingFilter,
    pings: u32,
    scanner: FrameScanner,
    goaways: u32,
    served: Vec<u8>,
}

impl Reader {
    fn initiator(upgrade: bool) -> Self {
        Self { parser: Parser::Response(ResponseParser::new(upgrade, false)), buffer: Vec::new(), tunnel: None }
    }

    fn responder(upgrade: bool) -> Self {
        let rules = Rules { upgrade, ..Rules::default() };
        Self { parser: Parser::Request(RequestParser::new(), rules), buffer: Vec::new(), tunnel: None }
    }

    fn read(&mut self, piece: &[u8]) {
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.read(piece);
        }
        self.buffer.extend_from_slice(piece);
        let consumed = match &mut self.parser {
            Parser::Request(parser, rules) => match parser.parse(rules, &self.buffer) {
                ParsedRequest::Incomplete => return,
                ParsedRequest::Complete { consumed, .. } => consumed,
                ParsedRequest::Rejected(rejection) => panic!("{rejection:?}"),
            },
            Parser::Response(parser) => match parser.parse(&self.buffer) {
                ParsedResponse::Incomplete => return,
                ParsedResponse::Complete { answer, consumed } => {
                    assert_eq!(answer, Answer::Accepted { revtun: true });
                    consumed
                }
            },
        };
        let tunnel = self.tunnel.insert(Tunnel {
            filter: PingFilter::new(),
            pings: 0,
            scanner: FrameScanner::client(),
            goaways: 0,
            served: Vec::new(),
        });
        tunnel.read(&self.buffer[consumed..]);
    }
}

impl Tunnel {
    fn read(&mut self, piece: &[u8]) {
        let fed = self.filter.feed(piece);
        self.pings += fed.pings;
        if let Some(Data { held, from }) = fed.data {
            let data = [held, &piece[from..]].concat();
            self.goaways += without_allocation(|| self.scanner.scan(&data)).goaways;
            self.served.extend_from_slice(&data);
        }
    }
}
