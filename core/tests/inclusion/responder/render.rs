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
        tunnel(stage.word(), &who.unwrap_or_default(), m.of("listed").contains(id), carried)
    });
    let nodes = m.of("process").map().iter().filter(|(_, process)| process.of("current").word() != "0");
    let nodes = nodes.map(|(node, process)| {
        let name = node.elements();
        let displaced = process.of("displaced").elements().iter().map(|it| it.word().to_owned()).collect();
        let contended = process.of("contended").word() == "TRUE";
        processes(name[1].word(), name[2].word(), process.of("current").word(), displaced, contended)
    });
    let queues = m.of("queue").map().iter().filter_map(|(target, queue)| {
        let serving = m.of("serving").contains(target);
        let queue: Vec<_> = queue.elements().iter().map(caller_of).collect();
        let names = target.elements();
        (serving || !queue.is_empty())
            .then(|| queue_name(names[0].word(), names[1].word(), names[2].word(), queue, serving))
    });
    tell(tunnels.collect(), nodes.collect(), queues.collect(), m.of("drain").word())
}

fn caller_of(caller: &Value) -> String {
    let word = |field| caller.of(field).word();
    format!("{}:{}:{}:{}", word("tenant"), word("kind"), word("name"), word("nr"))
}

pub(super) fn caller_name((tenant, kind, name, nr): Caller) -> String {
    format!("{tenant}:{kind}:{name}:{nr}")
}

pub(super) fn process(instance: Option<Instance>) -> String {
    instance.map_or(0, |instance| instance.0).to_string()
}

pub(super) fn peer(tenant: &str, node: &str, cluster: &str, instance: &str) -> String {
    format!(" {tenant}/{node}/{cluster}/{instance}")
}

pub(super) fn tunnel(stage: &str, peer: &str, listed: bool, mut carried: Vec<String>) -> String {
    carried.sort();
    format!("{stage}{peer}{} {}", if listed { " listed" } else { "" }, carried.join("+"))
}

pub(super) fn processes(
    tenant: &str,
    node: &str,
    current: &str,
    mut displaced: Vec<String>,
    contended: bool,
) -> String {
    displaced.sort();
    let contended = if contended { " contended" } else { "" };
    format!("{tenant}/{node}={current} after {}{contended}", displaced.join("+"))
}

pub(super) fn queue_name(kind: &str, tenant: &str, name: &str, queue: Vec<String>, serving: bool) -> String {
    format!("{kind} {tenant}/{name}: {}{}", queue.join(" "), if serving { " serving" } else { "" })
}

pub(super) fn tell(
    mut tunnels: Vec<String>,
    mut processes: Vec<String>,
    mut queues: Vec<String>,
    drain: &str,
) -> String {
    tunnels.sort();
    processes.sort();
    queues.sort();
    format!("{} | {} | {} | drain {drain}", tunnels.join(", "), processes.join(", "), queues.join(", "))
}
