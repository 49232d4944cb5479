//! Lines that repeat are left out, counted, and told of in one line.
//!
//! What is alike has the same place in the source and the same `reason` (of a token: `token`), if that is one of ours: a text
//! that the machine or the runtime took from a list. Nothing that a peer sends is part of it, and the room for kinds is fixed.
//!
//! There is no lock here: an event never waits for another one.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use revtun::world::{Tokio, World};
use revtun_core::Instant;
use revtun_core::rate_limit::{Bucket, Rate};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::LogLine;

/// How often warnings and errors of one kind are written: enough to see what goes wrong and that it still does.
const TROUBLE: Rate = Rate { burst: 10, refill: Duration::from_secs(30) };

/// The same for information: a fleet that comes back at once is told line by line for a while.
const INFORMATION: Rate = Rate { burst: 1000, refill: Duration::from_millis(500) };

/// The fields that tell kinds of one place apart.
const REASONS: [&str; 2] = ["reason", "token"];

/// How long lines of a kind are counted before that is told.
const TOLD_AFTER: Duration = Duration::from_secs(60);

/// Kinds that are told apart: more than there are calls and reasons. Whatever comes then shares with another.
const KINDS: usize = 512;

/// The longest text kept to say what a kind is about.
const WORDS: usize = 120;

/// What became of every kind of line.
pub(super) struct Limits {
    world: Tokio,
    kinds: Box<[Kind]>,
    left_out: AtomicU64,
}

#[derive(Default)]
struct Kind {
    /// Of the place and the reason; zero where there is none yet.
    key: AtomicU64,
    /// See [`Bucket`].
    bucket: AtomicU64,
    /// Lines left out and not told of.
    left_out: AtomicU64,
    /// When the first of them was; zero where there is none.
    since: AtomicU64,
    about: OnceLock<About>,
}

struct About {
    level: Level,
    message: String,
    reason: Option<String>,
}

impl Limits {
    /// Every kind has its burst.
    pub(super) fn new(world: Tokio) -> Self {
        let kinds = std::iter::repeat_with(Kind::default).take(KINDS).collect();
        Self { world, kinds, left_out: AtomicU64::new(0) }
    }

    /// Lines left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// What there is to tell of kinds whose time has come, or of `all` that left a line out.
    pub(super) fn summaries(&self, all: bool) -> impl Iterator<Item = LogLine> {
        let now = self.world.now();
        self.kinds.iter().filter_map(move |kind| kind.summary(now, all))
    }

    fn passes(&self, event: &Event<'_>) -> bool {
        let rate = match *event.metadata().level() {
            Level::ERROR | Level::WARN => TROUBLE,
            Level::INFO => INFORMATION,
            // Whoever asks for these wants them all.
            _ => return true,
        };
        let passes = self.kind(event).take(self.world.now(), rate);
        if !passes {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    /// The place of an event's kind, which may be its first.
    fn kind(&self, event: &Event<'_>) -> &Kind {
        let mut reason = Reason(DefaultHasher::new());
        event.metadata().callsite().hash(&mut reason.0);
        event.record(&mut reason);
        let key = reason.0.finish().max(1);
        let first = usize::try_from(key % KINDS as u64).unwrap_or(0);
        let places = self.kinds[first..].iter().chain(&self.kinds[..first]);
        for place in places {
            let taken = place.key.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_ok() || taken == Err(key) {
                place.about.get_or_init(|| About::of(event));
                return place;
            }
        }
        &self.kinds[first]
    }
}

impl Kind {
    fn take(&self, now: Instant, rate: Rate) -> bool {
        let left = |nanos| Bucket::from_nanos(nanos).take(now, rate).map(Bucket::as_nanos);
        let passes = self.bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok();
        if !passes {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            let now = now.as_nanos().max(1);
            let _counting = self.since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
        passes
    }

    fn summary(&self, now: Instant, all: bool) -> Option<LogLine> {
        let since = self.since.load(Ordering::Relaxed);
        let time = now.since(Instant::from_nanos(since));
        if since == 0 || !(all || time >= TOLD_AFTER) {
            return None;
        }
        // In this order: what is left out meanwhile counts for this time or for the next.
        self.since.store(0, Ordering::Relaxed);
        let lines = self.left_out.swap(0, Ordering::Relaxed);
        let about = self.about.get()?;
        if lines == 0 {
            return None;
        }
        let message = format!("left out {lines} like it in the last {} s", time.as_secs().max(1));
        let line = LogLine::new(about.level, message).with("left_out", lines).with("like", about.message.as_str());
        Some(match &about.reason {
            Some(reason) => line.with("reason", reason.as_str()),
            None => line,
        })
    }
}

impl About {
    fn of(event: &Event<'_>) -> Self {
        let mut words = Words::default();
        event.record(&mut words);
        Self { level: *event.metadata().level(), message: words.message, reason: words.reason }
    }
}

/// Takes the reason in, if it is a text of ours.
struct Reason(DefaultHasher);

impl Visit for Reason {
    fn record_str(&mut self, field: &Field, value: &str) {
        if REASONS.contains(&field.name()) {
            value.hash(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Takes the words of an event.
#[derive(Default)]
struct Words {
    message: String,
    reason: Option<String>,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if REASONS.contains(&field.name()) {
            self.reason = Some(match &self.reason {
                Some(reason) => short(format_args!("{reason}, {value}")),
                None => short(format_args!("{value}")),
            });
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = short(format_args!("{value:?}"));
        }
    }
}

fn short(text: fmt::Arguments<'_>) -> String {
    let mut words = String::new();
    let _endless = words.write_fmt(text);
    words.chars().take(WORDS).collect()
}

impl<S: Subscriber> Layer<S> for &'static Limits {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.passes(event)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use revtun_program::config::LogFormat;
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    /// Counts what passes.
    #[derive(Clone, Default)]
    struct Passed(Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Passed {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines of what `log` does pass, and what is told of the others.
    fn passed(log: impl FnOnce()) -> (u64, Vec<String>) {
        let limits: &'static Limits = Box::leak(Box::new(Limits::new(Tokio::begin())));
        let passed = Passed::default();
        with_default(registry().with(limits).with(passed.clone()), log);
        assert_eq!(limits.summaries(false).count(), 0, "it is too soon to tell");
        let told = limits.summaries(true).map(|line| String::from_utf8(line.render(LogFormat::Human)).expect("UTF-8"));
        let told = told.map(|line| line.split_once(' ').expect("a time").1.trim().to_owned()).collect();
        (passed.0.load(Ordering::Relaxed), told)
    }

    #[test]
    fn a_warning_that_repeats_is_left_out_and_told_of_in_one_line() {
        let (passed, told) = passed(|| {
            for peer in 0..300 {
                tracing::warn!(peer, reason = "malformed", "handshake rejected");
            }
        });
        let line =
            "WARN left out 290 like it in the last 1 s left_out=290 like=\"handshake rejected\" reason=\"malformed\"";
        assert_eq!((passed, told), (10, vec![line.to_owned()]));
    }

    #[test]
    fn another_place_or_another_reason_of_ours_is_another_kind() {
        let (passed, told) = passed(|| {
            for turn in 0..20 {
                tracing::warn!("here");
                tracing::error!("there");
                tracing::warn!(reason = if turn % 2 == 0 { "odd" } else { "even" }, "by reason");
            }
        });
        assert_eq!((passed, told.len()), (10 + 10 + 20, 2));
    }

    #[test]
    fn what_peers_send_makes_no_kinds() {
        let (passed, told) = passed(|| {
            for peer in 0..300 {
                tracing::warn!(reason = %format!("said {peer}"), peer = format!("{peer}"), "lost");
            }
        });
        assert_eq!((passed, told.len()), (10, 1));
    }

    #[test]
    fn information_may_come_more_often_and_details_without_end() {
        let (information, told) = passed(|| (0..2000).for_each(|tunnel| tracing::info!(tunnel, "tunnel up")));
        assert!((1000..1100).contains(&information) && told.len() == 1, "{information} {told:?}");
        let (details, told) = passed(|| (0..2000).for_each(|tunnel| tracing::debug!(tunnel, "dialling")));
        assert_eq!((details, told.len()), (2000, 0));
    }

    #[test]
    fn more_kinds_than_there_is_room_for_share_it() {
        const REASON: &str = "reason";
        let (passed, _) = passed(|| {
            for kind in 0..KINDS * 2 {
                let reason = format!("{REASON} {kind}");
                tracing::warn!(reason = reason.as_str(), "of many kinds");
            }
        });
        assert!(passed >= KINDS as u64, "{passed}");
    }
}
