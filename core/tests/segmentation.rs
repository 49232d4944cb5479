//! Every way in which the bytes of a handshake and of a tunnel's beginning can be cut into up to four reads, in both
//! directions: none makes a difference.

use revtun_core::h2frame::{FrameScanner, GOAWAY_NO_ERROR, PREFACE};
use revtun_core::handshake::{
    Acceptance, Answer, HeaderNames, Instance, PATH, ParsedRequest, ParsedResponse, RequestHead, RequestParser,
    ResponseParser, Rules,
};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::rping::{Data, PING, PingFilter};

/// An empty SETTINGS frame: what either end says first in HTTP/2.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// What has come so far and what was made of it. Copied where a cut may fall, so that no read is made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reader<P> {
    /// Reads the head; none behind it.
    head: Option<P>,
    /// Where the head ends.
    consumed: usize,
    filter: PingFilter,
    pings: u32,
    /// Where the data begins, and what of it was kept back before.
    data: Option<usize>,
    scanner: FrameScanner,
    goaways: u32,
}

/// Looks at all that came so far and says where the head ends, if it does.
trait Head: Copy + Eq + std::fmt::Debug {
    fn end(&mut self, bytes: &[u8]) -> Option<usize>;
}

impl Head for RequestParser {
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.parse(&Rules::default(), bytes) {
            ParsedRequest::Incomplete => None,
            ParsedRequest::Complete { request, consumed } => {
                assert_eq!((request.identity, request.instance), (identity(), Some(Instance(1))));
                Some(consumed)
            }
            ParsedRequest::Rejected(rejection) => panic!("{rejection:?} of {:?}", bytes.escape_ascii()),
        }
    }
}

impl Head for ResponseParser {
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.parse(bytes) {
            ParsedResponse::Incomplete => None,
            ParsedResponse::Complete { answer, consumed } => {
                assert_eq!(answer, Answer::Accepted { revtun: true });
                Some(consumed)
            }
        }
    }
}

impl<P: Head> Reader<P> {
    fn new(head: Option<P>, scanner: FrameScanner) -> Self {
        Self { head, consumed: 0, filter: PingFilter::new(), pings: 0, data: None, scanner, goaways: 0 }
    }

    /// Reads `stream` from `from` to `to`.
    fn read(&mut self, stream: &[u8], from: usize, to: usize) {
        let mut start = from;
        if let Some(head) = &mut self.head {
            let Some(end) = head.end(&stream[..to]) else { return };
            (self.head, self.consumed, start) = (None, end, end);
        }
        let piece = &stream[start..to];
        let fed = self.filter.feed(piece);
        self.pings += fed.pings;
        if let Some(Data { held, from }) = fed.data {
            self.data.get_or_insert(start + from - held.len());
            self.goaways += self.scanner.scan(held).goaways + self.scanner.scan(&piece[from..]).goaways;
        }
    }
}

/// All ways to cut one stream. What comes of the rest depends only on what was read and where the next read begins, so
/// each such place is looked at once and its ways are counted as often as it is reached.
struct Ways<'a, P> {
    stream: &'a [u8],
    right: Reader<P>,
    /// By where the next read begins and how many cuts are left.
    seen: Vec<Vec<(Reader<P>, u64)>>,
    most: usize,
}

impl<P: Head> Ways<'_, P> {
    /// How many ways there are to read on from `from` with up to `left` cuts; each has to end right.
    fn count(&mut self, reader: Reader<P>, from: usize, left: usize) -> u64 {
        let place = from * (self.most + 1) + left;
        if let Some((_, ways)) = self.seen[place].iter().find(|(seen, _)| *seen == reader) {
            return *ways;
        }
        let mut whole = reader;
        whole.read(self.stream, from, self.stream.len());
        assert_eq!(whole, self.right, "the last cut is at {from}");
        let mut ways = 1;
        if left > 0 {
            for cut in from + 1..self.stream.len() {
                let mut reader = reader;
                reader.read(self.stream, from, cut);
                ways += self.count(reader, cut, left - 1);
            }
        }
        self.seen[place].push((reader, ways));
        ways
    }
}

/// The table of all that is cut here.
const TABLE: &str = include_str!("../../tests/cuts.md");

/// What is read of `stream` in every way with up to `most` cuts; the table says how many those are.
fn check<P: Head>(name: &str, head: Option<P>, scanner: FrameScanner, stream: &[u8], most: usize) -> Reader<P> {
    let reader = Reader::new(head, scanner);
    let mut right = reader;
    right.read(stream, 0, stream.len());
    let seen = vec![Vec::new(); stream.len() * (most + 1)];
    let ways = Ways { stream, right, seen, most }.count(reader, 0, most);
    let places = stream.len() as u64 - 1;
    assert_eq!(ways, (0..=most as u64).map(|cuts| choices(places, cuts)).sum(), "every way is counted once");
    let row = format!("| {name} | {} | {ways} |\n", stream.len());
    print!("{row}");
    assert!(TABLE.contains(&row), "tests/cuts.md does not say so:\n{row}");
    right
}

/// How many ways there are to choose `some` of `all`.
fn choices(all: u64, some: u64) -> u64 {
    (0..some).fold(1, |product, nth| product * (all - nth) / (nth + 1))
}

#[test]
fn the_number_of_segmentations_is_right() {
    let (_, table) = TABLE.split_once("| ways |\n").expect("the table of parsers is the first");
    let table = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let ways = table.map(|row| row.trim_end_matches(" |").rsplit(' ').next().expect("a last cell"));
    let sum: u64 = ways.map(|ways| ways.parse::<u64>().expect("a number")).sum();
    println!("{sum} ways to cut what the parsers read");
    assert!(TABLE.contains(&format!("{sum} ways")), "tests/cuts.md does not say that there are {sum} ways");
}

#[test]
fn a_request_parses_the_same_in_every_segmentation() {
    let mut request = Vec::new();
    let head = RequestHead {
        names: &HeaderNames::default(),
        host: "127.0.0.1:1",
        identity: identity(),
        upstream: "up",
        initiation_time_ms: 1,
        worker: 0,
        connection: 0,
        instance: Instance(1),
        path: PATH,
        upgrade: false,
        whole_tls: false,
        token: None,
    };
    head.encode(&mut request);
    let read = check("a request", Some(RequestParser::new()), FrameScanner::server(), &request, 3);
    assert_eq!((read.head, read.consumed), (None, request.len()));
}

#[test]
fn bytes_behind_a_request_are_echoes_and_then_data_in_every_segmentation() {
    let stream = [&PING[..], &PING, &SETTINGS, &GOAWAY_NO_ERROR].concat();
    let read = check("two echoes and two frames", None::<RequestParser>, FrameScanner::server(), &stream, 3);
    assert_eq!((read.pings, read.data, read.goaways), (2, Some(10), 1));
    assert!(read.scanner.at_boundary());
}

#[test]
fn a_response_pings_and_a_preface_parse_the_same_in_every_segmentation() {
    let answer = Acceptance { upgrade: false, revtun: true, whole_tls: false }.encode();
    let stream = [&answer[..], &PING, &PING, PREFACE, &SETTINGS, &GOAWAY_NO_ERROR].concat();
    let name = "an answer, two pings, the preface and two frames";
    let read = check(name, Some(ResponseParser::new(false, false)), FrameScanner::client(), &stream, 3);
    assert_eq!((read.consumed, read.pings), (answer.len(), 2));
    assert_eq!((read.data, read.goaways), (Some(answer.len() + 10), 1));
    assert!(read.scanner.at_boundary());
}

#[test]
fn data_with_the_prefix_of_a_ping_is_data() {
    let stream = [&PING[..], b"RPIN", b"G: no, RPING", b"RPING"].concat();
    let almost = [&PING[..], b"RPINX", b"RPING"].concat();
    let read = check("a ping and almost another", None::<RequestParser>, FrameScanner::client(), &almost, 3);
    assert_eq!((read.pings, read.data), (1, Some(5)));
    let read = check("pings and words like them", None::<RequestParser>, FrameScanner::client(), &stream, 3);
    assert_eq!((read.pings, read.data), (2, Some(10)));
}

fn identity() -> Identity<'static> {
    let name = "a legal name";
    Identity {
        node: NodeId::new("n").expect(name),
        cluster: ClusterId::new("c").expect(name),
        tenant: TenantId::new("t").expect(name),
    }
}
