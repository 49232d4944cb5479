//! A state of a responder as text, the same for the code and for the specification.

use std::collections::BTreeMap;

use revtun_core::handshake::Instance;

use super::Caller;
use crate::value::Value;

/// A state of the module as text, the same for the same state of the machine.
pub(crate) fn view(state: &BTreeMap<String, Value>) -> String {
    let m = &state["m"];
    let tunnels = m.of("stage").map().iter().filter(|(_, stage)| stage.word() != "none").map(|(id, stage)| {
        let who = &m.of("peer").map()[id];
        let word = |field| who.of(field).word();
        let known = !word("tenant").is_empty();
        let who = known.then(|| peer(word("tenant"), word("node"), word("cluster"), word("instance")));
        let carried = m.of("at").map().iter().filter(|(_, at)| *at == id);
        let carried = carried.map(|(caller, _)| caller_of(caller)).collect();
        assert!(m.of("forged").elements().is_empty(), "nobody gets in who is not authenticated");
        let limit = m.of("limit").map()[id].word();
        tunnel(stage.word(), &who.unwrap_or_default(), limit, m.of("listed").contains(id), carried)
    });
    let nodes = m.of("process").map().iter().filter(|(_, process)| process.of("current").word() != "0");
    let nodes = nodes.map(|(node, process)| {
        let name = node.elements();
        let displaced = process.of("displaced").elements().iter().map(|it| it.word().to_owned()).collect();
        let contended = process.of("contended").word() == "TRUE";
        processes(&[name[1].word(), name[2].word(), name[3].word()], process.of("current").word(), displaced, contended)
    });
    let waiting = m.of("waiting").elements().iter().map(caller_of).collect();
    let serving = m.of("serving").elements().iter().map(|it| {
        let names: Vec<_> = it.elements().iter().map(Value::word).collect();
        target(&names)
    });
    tell(tunnels.collect(), nodes.collect(), waiting, serving.collect(), m.of("drain").word())
}

fn caller_of(caller: &Value) -> String {
    let word = |field| caller.of(field).word();
    format!("{}:{}:{}:{}:{}", word("tenant"), word("kind"), word("node"), word("cluster"), word("nr"))
}

pub(super) fn caller_name((tenant, kind, node, cluster, nr): Caller) -> String {
    format!("{tenant}:{kind}:{node}:{cluster}:{nr}")
}

pub(super) fn process(instance: Option<Instance>) -> String {
    instance.map_or(0, |instance| instance.0).to_string()
}

pub(super) fn peer(tenant: &str, node: &str, cluster: &str, instance: &str) -> String {
    format!(" {tenant}/{node}/{cluster}/{instance}")
}

pub(super) fn tunnel(stage: &str, peer: &str, limit: &str, listed: bool, mut carried: Vec<String>) -> String {
    carried.sort();
    format!("{stage}{peer} of {limit}{} {}", if listed { " listed" } else { "" }, carried.join("+"))
}

/// The processes of a node by tenant, name and cluster.
pub(super) fn processes(node: &[&str], current: &str, mut displaced: Vec<String>, contended: bool) -> String {
    displaced.sort();
    let contended = if contended { " contended" } else { "" };
    let node = node.join("/");
    format!("{node}={current} after {}{contended}", displaced.join("+"))
}

/// What callers wait for: its kind, tenant, node and cluster.
pub(super) fn target(names: &[&str]) -> String {
    names.join("/")
}

pub(super) fn tell(
    mut tunnels: Vec<String>,
    mut processes: Vec<String>,
    waiting: Vec<String>,
    mut serving: Vec<String>,
    drain: &str,
) -> String {
    tunnels.sort();
    processes.sort();
    serving.sort();
    let (waiting, serving) = (waiting.join(" "), serving.join(" "));
    format!("{} | {} | {waiting} | {serving} | drain {drain}", tunnels.join(", "), processes.join(", "))
}
