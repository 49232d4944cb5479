//! The picture: a lane for each host, time from left to right.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::{escape, seconds};
use crate::faults::Fault;
use crate::history::{Answer, Fact, InitiatorView};
use crate::net::Place;
use crate::oracle::Failure;
use crate::plan::Plan;

const WIDTH: f64 = 1600.0;
const LEFT: f64 = 110.0;
const TOP: f64 = 30.0;
const LANE: f64 = 64.0;
const BAR: f64 = 9.0;

/// A picture under way.
pub(super) struct Lanes {
    places: Vec<Place>,
    end: Duration,
    /// Behind everything else.
    back: String,
    front: String,
    up: BTreeMap<Place, Duration>,
    frozen: BTreeMap<Place, Duration>,
    tunnels: BTreeMap<(Place, usize), (Duration, InitiatorView)>,
    requests: BTreeMap<u64, Vec<(Duration, Place)>>,
}

impl Lanes {
    pub(super) fn of(plan: &Plan, end: Duration) -> Self {
        let responders = (0..plan.responders).map(Place::Responder);
        let initiators = (0..plan.initiators).map(Place::Initiator);
        let places = [Place::Caller].into_iter().chain(responders).chain(initiators).collect();
        Self {
            places,
            end,
            back: String::new(),
            front: String::new(),
            up: BTreeMap::new(),
            frozen: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            requests: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, at: Duration, fact: &Fact) {
        match fact {
            Fact::Phase(phase) => {
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
            Fact::Struck(fault) => self.strike(at, *fault),
            Fact::Relieved(Fault::Freeze { place, .. }) => self.thaw(*place, at),
            Fact::Started(place) => _ = self.up.insert(*place, at),
            Fact::Stopped(place) => self.stop(*place, at),
            Fact::Initiator { place, to, view } => self.bar(*place, *to, at, Some(*view)),
            Fact::Asked(question) => {
                let way = vec![(at, Place::Caller), (at, Place::Responder(question.via))];
                self.requests.insert(question.request, way);
            }
            Fact::Served { request, by, .. } => {
                self.requests.entry(*request).or_default().push((at, Place::Initiator(*by)));
            }
            Fact::Answered { request, answer } => self.answer(at, *request, answer),
            Fact::Relieved(_)
            | Fact::Dialled { .. }
            | Fact::Responder { .. }
            | Fact::DrainOrdered { .. }
            | Fact::Drained(_)
            | Fact::Visited { .. }
            | Fact::Fooled(_)
            | Fact::Panicked { .. }
            | Fact::Left { .. } => {}
        }
    }

    pub(super) fn finish(mut self, failure: Option<&Failure>) -> String {
        for place in self.places.clone() {
            self.stop(place, self.end);
            self.thaw(place, self.end);
            let y = self.y(place) + 4.0;
            draw(&mut self.front, format_args!("<text x='4' y='{y:.1}' font-weight='bold'>{place}</text>"));
        }
        for (place, to) in self.tunnels.keys().copied().collect::<Vec<_>>() {
            self.bar(place, to, self.end, None);
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

    fn strike(&mut self, at: Duration, fault: Fault) {
        if let Fault::Freeze { place, .. } = fault {
            self.frozen.entry(place).or_insert(at);
        }
        let lanes: Vec<f64> = fault.places().into_iter().map(|place| self.y(place)).collect();
        let (top, bottom) = lanes.iter().fold((f64::MAX, f64::MIN), |(top, bottom), y| (top.min(*y), bottom.max(*y)));
        let (from, to) = (self.x(at), self.x(at + fault.lasts().unwrap_or_default()));
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

    fn stop(&mut self, place: Place, at: Duration) {
        let Some(since) = self.up.remove(&place).filter(|_| self.places.contains(&place)) else { return };
        self.stroke(place, since, at, "#222", 2.5);
    }

    fn thaw(&mut self, place: Place, at: Duration) {
        if let Some(since) = self.frozen.remove(&place) {
            self.stroke(place, since, at, "#1e88e5", 6.0);
        }
    }

    fn stroke(&mut self, place: Place, since: Duration, until: Duration, colour: &str, width: f64) {
        let (from, to, y) = (self.x(since), self.x(until), self.y(place));
        draw(
            &mut self.front,
            format_args!(
                "<line x1='{from:.1}' y1='{y:.1}' x2='{to:.1}' y2='{y:.1}' stroke='{colour}' stroke-width='{width}'/>"
            ),
        );
    }

    /// Ends the bar that is there, and begins the next.
    fn bar(&mut self, place: Place, to: usize, at: Duration, next: Option<InitiatorView>) {
        if let Some((since, InitiatorView { target, up, .. })) =
            self.tunnels.remove(&(place, to)).filter(|(_, view)| view.up > 0)
        {
            let share = (f64::from(up) / f64::from(target.max(1))).min(1.0);
            let (x, width, height) = (self.x(since), self.x(at) - self.x(since), BAR * share);
            let y = self.y(place) - 6.0 - u32::try_from(to).map_or(0.0, f64::from) * (BAR + 2.0) - height;
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
            self.tunnels.insert((place, to), (at, view));
        }
    }

    fn answer(&mut self, at: Duration, request: u64, answer: &Answer) {
        let mut way = self.requests.remove(&request).unwrap_or_default();
        way.push((at, Place::Caller));
        let colour = match answer {
            Answer::Served { .. } | Answer::Stalled => "#2e7d32",
            Answer::Own { .. } => "#ef6c00",
            Answer::Broken | Answer::Lost(_) | Answer::Unreachable | Answer::Silence => "#c62828",
        };
        let mut points = String::new();
        for (at, place) in way {
            write!(points, "{:.1},{:.1} ", self.x(at), self.y(place)).expect("a string takes it");
        }
        let title = escape(&format!("request {request}: {answer:?}"));
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

    fn y(&self, place: Place) -> f64 {
        let lane = self.places.iter().position(|here| *here == place).and_then(|lane| u32::try_from(lane).ok());
        TOP + LANE * (f64::from(lane.unwrap_or_default()) + 0.7)
    }

    fn bottom(&self) -> f64 {
        TOP + LANE * u32::try_from(self.places.len()).map_or(0.0, f64::from)
    }
}

fn draw(into: &mut String, shape: std::fmt::Arguments<'_>) {
    into.write_fmt(shape).expect("a string takes it");
}
