//! A state of the system as text, the same for the code and for the specification.

use std::collections::BTreeMap;

use crate::stages::Stages;
use crate::system::{At, System};
use crate::value::Value;
use crate::wire::{Line, Party, Way, Word};

/// A state of the code.
pub(crate) fn of_code(system: &System) -> String {
    let stages = Stages::of(system);
    let gate = system.responder.spec_state();
    let lines = system.lines.iter().zip(&stages.here).zip(&stages.there);
    let lines = lines.map(|((line, here), there)| {
        let known = gate.tunnels.iter().find(|it| Some(it.id) == line.there);
        let peer = known.and_then(|it| it.peer).map_or(String::new(), |(who, process)| {
            let process = process.map_or(0, |process| process.0);
            format!(" {}/{}/{}/{process}", who.tenant.as_str(), who.node.as_str(), who.cluster.as_str())
        });
        let listed = known.is_some_and(|it| it.listed);
        let callers = (0..).zip(&system.at).filter(|(_, at)| matches!(at, At::Carried(id) if line.there == Some(*id)));
        let carried = callers.map(|(caller, _): (usize, _)| caller_name(system, caller)).collect();
        let revtun = is_revtun(system, line);
        let words = |way| line.words(way).iter().map(|word| Word::name(*word)).collect();
        let cut = [(Way::Up, "up"), (Way::Down, "down")].into_iter().filter(|(way, _)| line.is_cut(*way));
        let verdict = line.verdict.map_or("none", |accepted| if accepted { "accept" } else { "reject" });
        tell_line(LineWords {
            process: format!("{:?}/{}", line.by.party, line.by.number),
            here,
            revtun,
            there: format!("{there}{peer}"),
            listed,
            carried,
            up: words(Way::Up),
            down: words(Way::Down),
            cut: cut.map(|(_, name)| name).collect(),
            met: line.met,
            verdict,
            prefaces: line.prefaces.to_string(),
        })
    });
    let initiators = system.initiators().map(|(party, machine)| {
        let spec_state = machine.spec_state();
        let hosts = spec_state.hosts.first().map_or((0, "none"), |(_, target, backoff)| (*target, *backoff));
        tell_initiator(party, &hosts.0.to_string(), hosts.1, spec_state.drain)
    });
    let nodes = gate.nodes.iter().filter_map(|node| {
        let displaced = node.displaced.iter().map(|it| it.0.to_string()).collect();
        let current = node.current?.0.to_string();
        Some(tell_node(&[node.tenant, node.name, node.cluster], &current, displaced, node.contended))
    });
    let queues = gate.queues.iter().map(|waiting| {
        let queue = waiting.queue.iter().map(|stream| caller_name(system, system.waiting[stream.0 as usize]));
        tell_queue(queue.collect(), waiting.serving)
    });
    let rest = [if system.running { "TRUE" } else { "FALSE" }, &system.process.to_string(), &system.faults.to_string()]
        .join(" ");
    tell(lines.collect(), initiators.collect(), nodes.collect(), queues.collect(), gate.drain, &rest)
}

/// The pairs of a function; none if it is the empty one, which TLC prints as the empty tuple.
fn pairs(function: &Value) -> Option<&BTreeMap<Value, Value>> {
    match function {
        Value::Map(pairs) => Some(pairs),
        Value::Word(_) | Value::Set(_) | Value::Tuple(_) => None,
    }
}

fn at<'a>(function: &'a Value, key: &Value) -> Option<&'a Value> {
    pairs(function)?.get(key)
}

/// A state of the module.
pub(crate) fn of_specification(state: &BTreeMap<String, Value>) -> String {
    let gate = &state["responder"];
    let parties = [(Party::First, &state["first"]), (Party::Second, &state["second"])];
    let lines = state["wire"].map().iter().filter_map(|(slot, wire)| {
        let (party, machine, here) =
            parties.into_iter().find_map(|(party, machine)| Some((party, machine, at(machine.of("stage"), slot)?)))?;
        let (here, there) = (here.word(), gate.of("stage").map()[slot].word());
        if (here, there) == ("none", "none") {
            return None;
        }
        let who = &gate.of("peer").map()[slot];
        let word = |field| who.of(field).word();
        let known = !word("tenant").is_empty();
        let peer = ["tenant", "node", "cluster", "instance"].map(word).join("/");
        let carried = pairs(gate.of("at")).into_iter().flatten().filter(|(_, at)| *at == slot);
        let words = |way| wire.of(way).elements().iter().map(Value::word).collect();
        Some(tell_line(LineWords {
            process: format!("{party:?}/{}", wire.of("by").word()),
            here,
            revtun: machine.of("revtun").contains(slot),
            there: if known { format!("{there} {peer}") } else { there.to_owned() },
            listed: gate.of("listed").contains(slot),
            carried: carried.map(|(caller, _)| caller_of(caller)).collect(),
            up: words("up"),
            down: words("down"),
            cut: ["up", "down"]
                .into_iter()
                .filter(|way| wire.of("cut").contains(&Value::Word((*way).to_owned())))
                .collect(),
            met: wire.of("met").word() == "TRUE",
            verdict: wire.of("verdict").word(),
            prefaces: wire.of("prefaces").word().to_owned(),
        }))
    });
    let is_there = |machine: &&(Party, &Value)| pairs(machine.1.of("stage")).is_some();
    let initiators = parties.iter().filter(is_there).map(|(party, machine)| {
        let host = |field| machine.of(field).map().values().next().expect("there is one host").word();
        tell_initiator(*party, host("target"), host("backoff"), machine.of("drain").word())
    });
    let nodes = gate.of("process").map().iter().filter(|(_, process)| process.of("current").word() != "0");
    let nodes = nodes.map(|(node, process)| {
        let name = node.elements();
        let displaced = process.of("displaced").elements().iter().map(|it| it.word().to_owned()).collect();
        let contended = process.of("contended").word() == "TRUE";
        tell_node(&[name[1].word(), name[2].word(), name[3].word()], process.of("current").word(), displaced, contended)
    });
    // All callers name a node alone, so that one target has one name in all of its callers.
    let mut waiting = BTreeMap::<_, Vec<_>>::new();
    for caller in gate.of("waiting").elements() {
        let word = |field| caller.of(field).word();
        waiting.entry((word("tenant"), word("node"))).or_default().push(caller_of(caller));
    }
    let serving: Vec<_> = gate.of("serving").elements().iter().map(Value::elements).collect();
    let queues = waiting.into_iter().map(|((tenant, node), queue)| {
        tell_queue(queue, serving.iter().any(|it| (it[1].word(), it[2].word()) == (tenant, node)))
    });
    let rest = ["running", "process", "faults"].map(|name| state[name].word()).join(" ");
    tell(lines.collect(), initiators.collect(), nodes.collect(), queues.collect(), gate.of("drain").word(), &rest)
}

fn is_revtun(system: &System, line: &Line) -> bool {
    let ours = line.here.filter(|_| line.by == system.process_of(line.by.party));
    ours.is_some_and(|here| {
        system.machine(line.by.party).spec_state().tunnels.iter().any(|it| it.id == here && it.revtun)
    })
}

struct LineWords<'a> {
    process: String,
    here: &'a str,
    revtun: bool,
    there: String,
    listed: bool,
    carried: Vec<String>,
    up: Vec<&'a str>,
    down: Vec<&'a str>,
    cut: Vec<&'a str>,
    met: bool,
    verdict: &'a str,
    prefaces: String,
}

fn tell_line(line: LineWords<'_>) -> String {
    let LineWords { process, here, revtun, there, listed, mut carried, up, down, cut, met, verdict, prefaces } = line;
    carried.sort();
    let (carried, up, down, cut) = (carried.join("+"), up.join(" "), down.join(" "), cut.join("+"));
    let revtun = if revtun { " revtun" } else { "" };
    let listed = if listed { " listed" } else { "" };
    let met = if met { " met" } else { "" };
    format!("{process} {here}{revtun} [{up}|{down}] cut:{cut} {there}{listed} {carried}{met} {verdict} {prefaces}")
}

fn tell_initiator(party: Party, target: &str, backoff: &str, drain: &str) -> String {
    format!("{party:?}={target} {backoff} drain {drain}")
}

fn tell_node(node: &[&str], current: &str, mut displaced: Vec<String>, contended: bool) -> String {
    displaced.sort();
    let node = node.join("/");
    format!("{node}={current} after {}{}", displaced.join("+"), if contended { " contended" } else { "" })
}

fn tell_queue(queue: Vec<String>, serving: bool) -> String {
    format!("{}{}", queue.join(" "), if serving { " serving" } else { "" })
}

fn tell(
    mut lines: Vec<String>,
    initiators: Vec<String>,
    mut nodes: Vec<String>,
    mut queues: Vec<String>,
    drain: &str,
    rest: &str,
) -> String {
    lines.sort();
    nodes.sort();
    queues.sort();
    let parts = [lines.join(", "), initiators.join(", "), nodes.join(", "), queues.join(", ")].join(" | ");
    format!("{parts} | drain {drain} | {rest}")
}

fn caller_name(system: &System, caller: usize) -> String {
    let (tenant, node, nr) = system.scope.callers[caller];
    format!("{tenant}:{node}:{nr}")
}

fn caller_of(caller: &Value) -> String {
    let word = |field| caller.of(field).word();
    format!("{}:{}:{}", word("tenant"), word("node"), word("nr"))
}
