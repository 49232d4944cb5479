//! Plays the demo step by step: each is timed, told in one line, and must end before its deadline.

use std::io::{self, Write};
use std::time::Duration;

use revtun::world::{Tokio, World};
use revtun_core::Instant;

use crate::error::CliError;

/// How long a step may take. Each takes milliseconds; this is for machines that are very busy.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(1);
/// Where the second column begins.
const TITLE_WIDTH: usize = 52;

/// Why a step failed.
pub(super) type StepError = Box<dyn std::error::Error + Send + Sync>;

/// What a step came to, and what there is to tell about it.
pub(super) struct Completed<T> {
    outcome: T,
    text: String,
}

impl<T> Completed<T> {
    /// An outcome with nothing to tell.
    pub(super) fn of(outcome: T) -> Self {
        Self { outcome, text: String::new() }
    }

    /// The same with `text` beside it.
    pub(super) fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }
}

/// Where the demo plays.
pub(super) struct Stage {
    world: Tokio,
    begun: Instant,
    steps: u32,
}

impl Stage {
    /// Begins with `picture`.
    pub(super) fn open(world: Tokio, picture: &str) -> Self {
        say(picture);
        Self { begun: world.now(), world, steps: 0 }
    }

    /// The world that it plays in.
    pub(super) fn world(&self) -> Tokio {
        self.world.clone()
    }

    /// Plays one step.
    pub(super) async fn step<T>(
        &mut self,
        title: &str,
        work: impl Future<Output = Result<Completed<T>, StepError>>,
    ) -> Result<T, CliError> {
        let begun = self.world.now();
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.world.sleep_until(begun.after(DEADLINE)) => Err("it takes too long".into()),
        };
        let took = self.world.now().since(begun);
        match outcome {
            Ok(Completed { outcome, text }) => {
                self.steps += 1;
                let line = format!("  ✔ {title:TITLE_WIDTH$} {:>9}   {text}", millis(took));
                say(line.trim_end());
                Ok(outcome)
            }
            Err(trouble) => {
                say(&format!("  ✘ {title}"));
                Err(CliError::own(format!("the step {title:?} of the demo failed: {trouble}")))
            }
        }
    }

    /// Plays a step that is over once `condition` holds; tells how long that took since the `cut`.
    pub(super) async fn until(
        &mut self,
        title: &str,
        cut: Option<Instant>,
        condition: impl Fn() -> bool,
    ) -> Result<(), CliError> {
        let world = self.world();
        self.step(title, async {
            while !condition() {
                world.sleep_until(world.now().after(GLANCE)).await;
            }
            let since = |cut| format!("{} after the cut", millis(world.now().since(cut)));
            Ok(Completed::of(()).with_text(cut.map_or_else(String::new, since)))
        })
        .await
    }

    /// Ends with a word on the whole.
    pub(super) fn close(self) {
        let took = self.world.now().since(self.begun);
        say(&format!("\n  All {} steps went well, in {}.\n", self.steps, millis(took)));
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn say(line: &str) {
    // Whoever closed our standard output does not want to know.
    let _unread = writeln!(io::stdout(), "{line}");
}
