//! The core's steps by themselves, for an instruction counter: it counts what happens within `counted`.
//!
//! ```text
//! steps request TUNNELS TIMES     finding a tunnel for a request and giving it back, among TUNNELS in use
//! steps deadline TUNNELS TIMES    asking when the next timer is due, among TUNNELS idle ones
//! steps handshake TIMES           reading a handshake request
//! steps httparse TIMES            what httparse alone needs for the same bytes
//! ```

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use revtun_core::handshake::{HeaderNames, Instance, PATH, ParsedRequest, RequestHead, RequestParser, Rules};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    Config, Effect, Event, Handshake, Responder, Source, StreamId, Target, TargetName, Verdict,
};
use revtun_core::{Env, Instant, Machine, TunnelId};

const USAGE: &str = "usage: steps request|deadline TUNNELS TIMES, or steps handshake|httparse TIMES";
/// Of two, a second request takes the one that the first has left.
const TUNNELS_A_NODE: u64 = 2;
const NODES_A_CLUSTER: u64 = 100;
const NOW: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["request", tunnels, times] => request(tunnels.parse()?, times.parse()?),
        ["deadline", tunnels, times] => deadline(tunnels.parse()?, times.parse()?),
        ["handshake", times] => handshake(times.parse()?),
        ["httparse", times] => httparse(times.parse()?),
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// The only place whose instructions count. `what` does one thing `times` times.
#[inline(never)]
fn counted(times: u64, mut what: impl FnMut(u64)) {
    for time in 0..times {
        what(time);
    }
}

fn request(tunnels: u64, times: u64) {
    let mut crowd = Crowd::of(tunnels);
    // A tunnel's first request ends its pings; the hot path is all that follow.
    for tunnel in 0..tunnels {
        let node = TargetName::Node(NodeId::new(&crowd.nodes[(tunnel / TUNNELS_A_NODE) as usize]).expect("a name"));
        let _tunnel = open(&mut crowd.machine, tunnel, node);
    }
    let Crowd { machine, nodes, clusters } = &mut crowd;
    counted(times, |time| {
        let draw = scattered(time) as usize;
        let place = match time % 2 {
            0 => TargetName::Node(NodeId::new(&nodes[draw % nodes.len()]).expect("a name")),
            _ => TargetName::Cluster(ClusterId::new(&clusters[draw % clusters.len()]).expect("a name")),
        };
        let tunnel = open(machine, tunnels + time, place);
        let _effects = machine.step(env(time), Event::Released { tunnel });
    });
}

fn deadline(tunnels: u64, times: u64) {
    let crowd = Crowd::of(tunnels);
    counted(times, |_| {
        black_box(black_box(&crowd.machine).deadline());
    });
}

fn handshake(times: u64) {
    let bytes = handshake_request();
    let rules = Rules::default();
    counted(times, |_| {
        let parsed = RequestParser::new().parse(&rules, black_box(&bytes));
        assert!(matches!(black_box(parsed), ParsedRequest::Complete { .. }));
    });
}

fn httparse(times: u64) {
    let bytes = handshake_request();
    counted(times, |_| {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        assert!(black_box(request.parse(black_box(&bytes))).is_ok_and(|status| status.is_complete()));
    });
}

fn handshake_request() -> Vec<u8> {
    let mut bytes = Vec::new();
    RequestHead {
        names: &HeaderNames::default(),
        host: "192.0.2.7:15443",
        identity: identity("edge-4711", "edge"),
        upstream: "cloud",
        initiation_time_ms: 1_795_381_085_391,
        worker: 0,
        connection: 42,
        instance: Instance(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        path: PATH,
        upgrade: false,
        whole_tls: false,
        token: None,
    }
    .encode(&mut bytes);
    bytes
}

/// A responder with tunnels that are idle.
struct Crowd {
    machine: Responder,
    nodes: Vec<String>,
    clusters: Vec<String>,
}

impl Crowd {
    fn of(tunnels: u64) -> Self {
        let nodes: Vec<_> = (0..tunnels.div_ceil(TUNNELS_A_NODE)).map(|node| format!("node-{node}")).collect();
        let count = (nodes.len() as u64).div_ceil(NODES_A_CLUSTER);
        let clusters: Vec<_> = (0..count).map(|cluster| format!("cluster-{cluster}")).collect();
        let most = u32::MAX;
        // They all come at once, and from one place.
        let mut machine = Responder::new(Config {
            max_accepts_per_second: 0,
            max_handshakes_per_source: most,
            max_tunnels: most,
            max_tunnels_per_tenant: most,
            max_tunnels_per_cluster: most,
            max_streams_per_tenant: most,
            ..Config::default()
        });
        for tunnel in 0..tunnels {
            let node = tunnel / TUNNELS_A_NODE;
            let cluster = &clusters[(node / NODES_A_CLUSTER) as usize];
            let id = match machine.step(env(0), Event::Accepted { source: Source(1) }).iter().next() {
                Some(Effect::Admit { tunnel }) => tunnel,
                other => panic!("a connection is admitted, not {other:?}"),
            };
            let identity = identity(&nodes[node as usize], cluster);
            let instance = Some(Instance(u128::from(node)));
            let handshake = Handshake { identity, instance, verdict: Verdict::Authenticated };
            let _accept = machine.step(env(0), Event::HandshakeReceived { tunnel: id, handshake });
        }
        Self { machine, nodes, clusters }
    }
}

fn identity<'a>(node: &'a str, cluster: &'a str) -> Identity<'a> {
    Identity {
        node: NodeId::new(node).expect("a name"),
        cluster: ClusterId::new(cluster).expect("a name"),
        tenant: TenantId::new("acme").expect("a name"),
    }
}

fn open(machine: &mut Responder, stream: u64, name: TargetName<'_>) -> TunnelId {
    let target = Target { tenant: Some(TenantId::new("acme").expect("a name")), name };
    let effects = machine.step(env(stream), Event::Opened { stream: StreamId(stream), target });
    match effects.iter().next() {
        Some(Effect::Assign { tunnel, .. }) => tunnel,
        other => panic!("a request is assigned at once, not {other:?}"),
    }
}

fn env(number: u64) -> Env {
    Env { now: Instant::EPOCH.after(NOW), dice: scattered(number) }
}

/// Numbers without an order.
const fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}
