//! A simulation as a timeline: hosts as lines, and over time their tunnels, faults and requests. One self-contained
//! page.

mod timeline;

use std::fmt::Write as _;

use self::timeline::{Timeline, escape};
use crate::plan::Plan;
use crate::world::Outcome;

const STYLE: &str = "body{font:14px sans-serif;margin:1.5em;max-width:1700px}pre{background:#f4f4f4;padding:.8em}\
    table{border-collapse:collapse;font:12px monospace}td{padding:1px 10px;vertical-align:top}\
    .bad{color:#b00020;font-weight:bold}svg{background:#fff;border:1px solid #ccc}input{width:30em}";

const FILTER: &str = "const f=document.getElementById('f'),r=[...document.querySelectorAll('tr')];\
    f.oninput=()=>r.forEach(t=>t.hidden=!t.textContent.includes(f.value))";

/// The page.
#[must_use]
pub fn page(plan: &Plan, outcome: &Outcome) -> String {
    let verdict = match &outcome.failure {
        None => "<p>Everything holds.</p>".to_owned(),
        Some(failure) => format!("<p class=bad>{}</p>", escape(&failure.to_string())),
    };
    let mut rows = String::new();
    for (at, event) in &outcome.events {
        let text = escape(&event.to_string());
        write!(rows, "<tr><td>{:.3}</td><td>{text}</td></tr>", at.as_secs_f64()).expect("a string takes it");
    }
    format!(
        "<!doctype html><meta charset=utf-8><title>seed {seed}</title><style>{STYLE}</style><h1>Seed {seed}</h1>{verdict}\
         {svg}{legend}<h2>What was planned</h2><pre>{plan}</pre><h2>What happened</h2>\
         <p><input id=f placeholder='only lines with this text'></p><table>{rows}</table><script>{FILTER}</script>",
        seed = plan.seed,
        svg = svg(plan, outcome),
        legend = LEGEND,
        plan = escape(&plan.to_string()),
    )
}

const LEGEND: &str = "<p>A host is a line as long as it runs, blue where it stands still. Above an initiator's line, a bar for \
    each responder says how many of its tunnels are up: green all, orange some. Red: faults, over the hosts and the time \
    that they concern; point at one to read what it is. Thin lines are requests, from the caller over its responder to the \
    service and back: green answered by it, orange answered by revtun, red lost.</p>";

/// The picture alone, in SVG.
#[must_use]
pub fn svg(plan: &Plan, outcome: &Outcome) -> String {
    let mut timeline = Timeline::of(plan, outcome.elapsed);
    for (at, event) in &outcome.events {
        timeline.add(*at, event);
    }
    timeline.finish(outcome.failure.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Overrides;
    use crate::scenario::Scenario;

    #[test]
    fn a_page_shows_every_host_fault_and_request() {
        let swarm = Scenario::find("swarm").expect("it is there");
        let plan = swarm.plan(5, &Overrides::default());
        let outcome = swarm.play(5, &Overrides::default(), None);
        let page = page(&plan, &outcome);
        for host in ["responder-0", "initiator-0", "caller"] {
            assert!(page.contains(&format!(">{host}</text>")), "{host} has a line");
        }
        for (_, fault) in &plan.faults {
            assert!(page.contains(&fault.to_string()), "{fault}");
        }
        assert!(page.contains("<polyline"), "requests are drawn");
        assert!(!page.contains("http://") || page.contains("www.w3.org"), "nothing is fetched");
    }
}
