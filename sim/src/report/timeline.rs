//! The timeline: a lane for each host, time from left to right.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::faults::Fault;
use crate::history::{Event, InitiatorView, RequestOutcome};
use crate::net::HostId;
use crate::oracle::Failure;
use crate::plan::Plan;

const WIDTH: f64 = 1600.0;
const LEFT: f64 = 110.0;
const TOP: f64 = 30.0;
const LANE: f64 = 64.0;
const BAR: f64 = 9.0;

/// A timeline under construction.
pub(super) struct Timeline {
    hosts: Vec<HostId>,
    end: Duration,
    /// Behind everything else.
    back: String,
    front: String,
    up: BTreeMap<HostId, Duration>,
    frozen: BTreeMap<HostId, Duration>,
    tunnels: BTreeMap<(HostId, usize), (Duration, InitiatorView)>,
    requests: BTreeMap<u64, Vec<(Duration, HostId)>>,
}

impl Timeline {
    pub(super) fn of(plan: &Plan, end: Duration) -> Self {
        let responders = (0..plan.responders).map(HostId::Responder);
        let initiators = (0..plan.initiators).map(HostId::Initiator);
        let hosts = [HostId::Caller].into_iter().chain(responders).chain(initiators).collect();
        Self {
            hosts,
            end,
            back: String::new(),
            front: String::new(),
            up: BTreeMap::new(),
            frozen: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            requests: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, at: Duration, event: &Event) {
        match event {
            Event::Phase(phase) => {
                let x = self.x(at);
                let bottom = self.bottom();
                draw(
                    &mut self.back,
                    format_args!(
                        "<line x1='{x:.1}' y1='{TOP}' x2='{x:.1}' y2='{bottom}' stroke='#999' stroke-dasharray='3 3'/>\
                     <text x='{:.1}' y='20' fill='#666'>{phase:?} {}</text>",
                        x + 3.0,
                        seconds(at)
                    ),
                );
            }
            Event::FaultInjected(fault) => self.draw_fault(at, *fault),
            Event::FaultEnded(Fault::Freeze { host, .. }) => self.thaw(*host, at),
            Event::Started(host) => _ = self.up.insert(*host, at),
            Event::Stopped(host) => self.stop(*host, at),
            Event::Initiator { host, to, view } => self.set_tunnels(*host, *to, at, Some(*view)),
            Event::RequestSent(spec) => {
                let path = vec![(at, HostId::Caller), (at, HostId::Responder(spec.via))];
                self.requests.insert(spec.request, path);
            }
            Event::RequestServed { request, by, .. } => {
                self.requests.entry(*request).or_default().push((at, HostId::Initiator(*by)));
            }
            Event::RequestEnded { request, outcome } => self.outcome(at, *request, outcome),
            Event::FaultEnded(_)
            | Event::Dialled { .. }
            | Event::Responder { .. }
            | Event::DrainRequested { .. }
            | Event::Drained(_)
            | Event::GarbageClientLeft { .. }
            | Event::ForgeryAccepted(_)
            | Event::Panicked { .. }
            | Event::Leftovers { .. } => {}
        }
    }

    pub(super) fn finish(mut self, failure: Option<&Failure>) -> String {
        for host in self.hosts.clone() {
            self.stop(host, self.end);
            self.thaw(host, self.end);
            let y = self.y(host) + 4.0;
            draw(&mut self.front, format_args!("<text x='4' y='{y:.1}' font-weight='bold'>{host}</text>"));
        }
        for (host, to) in self.tunnels.keys().copied().collect::<Vec<_>>() {
            self.set_tunnels(host, to, self.end, None);
        }
        let bottom = self.bottom();
        if let Some(failure) = failure {
            let x = self.x(failure.at);
            draw(
                &mut self.front,
                format_args!(
                    "<line x1='{x:.1}' y1='{TOP}' x2='{x:.1}' y2='{bottom}' stroke='#b00020' stroke-width='2'/>\
                 <text x='{x:.1}' y='{:.1}' fill='#b00020' text-anchor='end'>{}</text>",
                    bottom + 14.0,
                    failure.property
                ),
            );
        }
        let Self { back, front, .. } = self;
        let height = bottom + 20.0;
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' font-family='sans-serif' \
             font-size='12'><rect width='{WIDTH}' height='{height}' fill='#fff'/>{back}{front}</svg>"
        )
    }

    fn draw_fault(&mut self, at: Duration, fault: Fault) {
        if let Fault::Freeze { host, .. } = fault {
            self.frozen.entry(host).or_insert(at);
        }
        let lanes: Vec<f64> = fault.hosts().into_iter().map(|host| self.y(host)).collect();
        let (top, bottom) = lanes.iter().fold((f64::MAX, f64::MIN), |(top, bottom), y| (top.min(*y), bottom.max(*y)));
        let (from, to) = (self.x(at), self.x(at + fault.duration().unwrap_or_default()));
        let (x, width, y, height) = (from, (to - from).max(3.0), top - 6.0, bottom - top + 12.0);
        let (title, opacity) = (escape(&fault.to_string()), if width > 3.0 { 0.13 } else { 0.8 });
        draw(
            &mut self.back,
            format_args!(
                "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='#d32f2f' opacity='{opacity}'>\
             <title>{} {title}</title></rect>",
                seconds(at)
            ),
        );
    }

    fn stop(&mut self, host: HostId, at: Duration) {
        let Some(since) = self.up.remove(&host).filter(|_| self.hosts.contains(&host)) else { return };
        self.draw_line(host, since, at, "#222", 2.5);
    }

    fn thaw(&mut self, host: HostId, at: Duration) {
        if let Some(since) = self.frozen.remove(&host) {
            self.draw_line(host, since, at, "#1e88e5", 6.0);
        }
    }

    fn draw_line(&mut self, host: HostId, since: Duration, until: Duration, colour: &str, width: f64) {
        let (from, to, y) = (self.x(since), self.x(until), self.y(host));
        draw(
            &mut self.front,
            format_args!(
                "<line x1='{from:.1}' y1='{y:.1}' x2='{to:.1}' y2='{y:.1}' stroke='{colour}' stroke-width='{width}'/>"
            ),
        );
    }

    /// Ends the current bar of tunnels and begins the next.
    fn set_tunnels(&mut self, host: HostId, to: usize, at: Duration, next: Option<InitiatorView>) {
        if let Some((since, InitiatorView { target, up, .. })) =
            self.tunnels.remove(&(host, to)).filter(|(_, view)| view.up > 0)
        {
            let share = (f64::from(up) / f64::from(target.max(1))).min(1.0);
            let (x, width, height) = (self.x(since), self.x(at) - self.x(since), BAR * share);
            let y = self.y(host) - 6.0 - u32::try_from(to).map_or(0.0, f64::from) * (BAR + 2.0) - height;
            let colour = if up >= target { "#43a047" } else { "#fb8c00" };
            draw(
                &mut self.back,
                format_args!(
                    "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='{colour}'>\
                 <title>{up} of {target} tunnels to responder-{to}</title></rect>"
                ),
            );
        }
        if let Some(view) = next {
            self.tunnels.insert((host, to), (at, view));
        }
    }

    fn outcome(&mut self, at: Duration, request: u64, outcome: &RequestOutcome) {
        let mut path = self.requests.remove(&request).unwrap_or_default();
        path.push((at, HostId::Caller));
        let colour = match outcome {
            RequestOutcome::Served { .. } | RequestOutcome::NotRead => "#2e7d32",
            RequestOutcome::LocalReply { .. } => "#ef6c00",
            RequestOutcome::BodyError
            | RequestOutcome::ConnectionLost(_)
            | RequestOutcome::ConnectFailed
            | RequestOutcome::TimedOut => "#c62828",
        };
        let mut points = String::new();
        for (at, host) in path {
            write!(points, "{:.1},{:.1} ", self.x(at), self.y(host)).expect("a string takes it");
        }
        let title = escape(&format!("request {request}: {outcome:?}"));
        draw(
            &mut self.back,
            format_args!(
                "<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='.8' opacity='.6'>\
             <title>{title}</title></polyline>"
            ),
        );
    }

    fn x(&self, at: Duration) -> f64 {
        let share = at.as_secs_f64() / self.end.as_secs_f64().max(0.001);
        LEFT + share.min(1.0) * (WIDTH - LEFT - 10.0)
    }

    fn y(&self, host: HostId) -> f64 {
        let lane = self.hosts.iter().position(|here| *here == host).and_then(|lane| u32::try_from(lane).ok());
        TOP + LANE * (f64::from(lane.unwrap_or_default()) + 0.7)
    }

    fn bottom(&self) -> f64 {
        TOP + LANE * u32::try_from(self.hosts.len()).map_or(0.0, f64::from)
    }
}

fn draw(into: &mut String, shape: std::fmt::Arguments<'_>) {
    into.write_fmt(shape).expect("a string takes it");
}

/// As text of HTML or SVG.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

/// Seconds with one digit.
fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}
