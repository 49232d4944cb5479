//! What somebody who means harm does to a responder, one attempt at a time. None of it waits for long: whatever the
//! responder makes of an attempt, the next one follows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::fake::Handshake;
use crate::frames::{END_HEADERS, continuations, frame, kind, list, rapid_resets, request};
use crate::raw::{HTTP2_HELLO, PING, Raw};

/// The tenant that attacks; its requests go to nodes of its own.
pub const ATTACKER: &str = "attacker";

/// Where attacks come from: not the address that honest initiators have.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));

/// How long an attempt is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Everything that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attack {
    /// Connections at both listeners that say nothing.
    Mute,
    /// Handshakes that are none, too long, or of somebody with no name.
    Handshakes,
    /// Tunnels that come and go, or say far more than they are asked.
    Tunnels,
    /// Streams opened and reset, by a caller.
    Resets,
    /// Headers that never end, by a caller.
    Headers,
    /// Requests that can be understood in two ways.
    Smuggling,
    /// Bodies that stop, by a caller: it sends no more, or reads no more.
    Still,
    /// Requests for a node that is not there.
    Waiting,
    /// A tunnel that answers with a flood.
    Answers,
}

impl Attack {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Mute,
        Self::Handshakes,
        Self::Tunnels,
        Self::Resets,
        Self::Headers,
        Self::Smuggling,
        Self::Still,
        Self::Waiting,
        Self::Answers,
    ];

    /// One attempt at the responder that listens for tunnels at `tunnel` and for callers at `egress`.
    pub async fn attempt(self, tunnel: SocketAddr, egress: SocketAddr) {
        match self {
            Self::Mute => {
                let mut mute = Vec::new();
                for _ in 0..20 {
                    mute.extend([Raw::connect_from(SOURCE, tunnel).await, Raw::connect_from(SOURCE, egress).await]);
                }
                stay_and_reset(mute.into_iter().flatten()).await;
            }
            Self::Handshakes => {
                let long = format!("x-long: {}", "a".repeat(70_000));
                let nameless = Handshake { node: "", cluster: "c", tenant: ATTACKER };
                say(tunnel, nameless.request().as_bytes()).await;
                say(tunnel, nameless.request_with(&[&long]).as_bytes()).await;
                say(tunnel, &[0xAA; 10_000]).await;
            }
            Self::Tunnels => {
                say(tunnel, [hello("n").as_bytes(), &PING.repeat(20_000)].concat().as_slice()).await;
                say(tunnel, hello("m").as_bytes()).await;
            }
            Self::Resets => {
                let resets = rapid_resets(&request("n", ATTACKER, &[]), 1_000);
                say(egress, &[HTTP2_HELLO, &resets].concat()).await;
            }
            Self::Headers => {
                let endless = continuations(&request("n", ATTACKER, &[]), 1, 1_000, 1_000);
                say(egress, &[HTTP2_HELLO, &endless].concat()).await;
            }
            Self::Smuggling => {
                let twofold = "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
                say(egress, call("POST", "n", twofold).as_bytes()).await;
            }
            Self::Still => {
                say(egress, call("POST", "n", "content-length: 100000\r\n\r\nhalf of").as_bytes()).await;
            }
            Self::Waiting => {
                let mut waiting = Vec::new();
                for _ in 0..20 {
                    let Some(mut raw) = Raw::connect_from(SOURCE, egress).await else { continue };
                    raw.send(call("GET", "nowhere", "\r\n").as_bytes()).await;
                    waiting.push(raw);
                }
                stay_and_reset(waiting).await;
            }
            Self::Answers => answer_with_a_flood(tunnel, egress).await,
        }
    }
}

fn hello(node: &str) -> String {
    Handshake { node, cluster: "c", tenant: ATTACKER }.request()
}

fn call(method: &str, node: &str, rest: &str) -> String {
    format!("{method} / HTTP/1.1\r\nhost: a\r\nx-node-id: {node}\r\nx-tenant-id: {ATTACKER}\r\n{rest}")
}

async fn say(to: SocketAddr, bytes: &[u8]) {
    if let Some(mut raw) = Raw::connect_from(SOURCE, to).await {
        // A peer that has had enough takes no more of it.
        let _stuck = tokio::time::timeout(LOOK, raw.send(bytes)).await;
        raw.read_for(LOOK).await;
    }
}

/// Stays for a while and leaves by resets: any other end keeps a port of this machine for a minute, and there are not so many
/// that honest callers would still find one.
async fn stay_and_reset(crowd: impl IntoIterator<Item = Raw>) {
    tokio::time::sleep(LOOK).await;
    crowd.into_iter().for_each(Raw::reset);
}

async fn answer_with_a_flood(tunnel: SocketAddr, egress: SocketAddr) {
    let Some(mut end) = Raw::connect_from(SOURCE, tunnel).await else { return };
    end.send(hello("flooding").as_bytes()).await;
    end.read_for(LOOK).await;
    let Some(mut caller) = Raw::connect_from(SOURCE, egress).await else { return };
    caller.send(call("GET", "flooding", "\r\n").as_bytes()).await;
    end.read_for(LOOK).await;
    let answer = list(&[(":status", "200")]);
    let nothing = frame(kind::DATA, 0, 1, &[]).repeat(1_000);
    let head = frame(kind::HEADERS, END_HEADERS, 1, &answer);
    let flood = [&HTTP2_HELLO[24..], &head, &nothing, &continuations(&answer, 3, 500, 100)].concat();
    let _stuck = tokio::time::timeout(LOOK, end.send(&flood)).await;
    caller.read_for(LOOK).await;
}
