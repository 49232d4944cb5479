//! SIGTERM and SIGINT: the first asks for a drain, the second for the end. SIGHUP: certificates and key sets are read again.
//! SIGUSR1, SIGUSR2: nothing.

use std::io;
use std::time::Duration;

use revtun::world::{Tokio, World};
use revtun_program::admin::Admin;
use revtun_program::config::ProcessSettings;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What a shell adds to the number of the signal that ended a process.
const ENDED_BY_SIGNAL: i32 = 128;

/// SIGXFSZ of most systems: a file, such as that of the log, has reached the limit of the process. The write fails too.
const FILE_TOO_LARGE: i32 = 25;

/// The signals that end a process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangups: watch::Receiver<u64>,
}

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn listen(world: &Tokio) -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        for kind in [SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::from_raw(FILE_TOO_LARGE)] {
            // What was listened for once stays without its usual effect, which is the end.
            drop(signal(kind)?);
        }
        let (count, hangups) = watch::channel(0);
        world.spawn(async move {
            while hangup.recv().await.is_some() {
                tracing::info!("SIGHUP received: reloading certificates, keys and key sets");
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { terminate, interrupt, hangups })
    }

    /// Changes with each SIGHUP.
    pub(crate) fn hangups(&self) -> watch::Receiver<u64> {
        self.hangups.clone()
    }

    /// Waits for the first one, or until `admin` was asked to drain everything; returns the grace: what was asked for, or else set.
    /// The second signal ends the process at once, with 128 plus its number.
    ///
    /// For the shutdown delay after that everything is served as before, save that `/readyz` says that it will not be for long.
    pub(crate) async fn until_drain(self, world: &Tokio, admin: &Admin, settings: &ProcessSettings) -> Duration {
        let asked = self.until_asked(world, admin).await;
        let delay = settings.shutdown_delay;
        if !delay.is_zero() {
            tracing::info!(?delay, "shutting down soon: not ready, but still serving");
            admin.shut_down_soon();
            world.sleep_until(world.now().after(delay)).await;
        }
        asked.unwrap_or(settings.drain_grace)
    }

    async fn until_asked(mut self, world: &Tokio, admin: &Admin) -> Option<Duration> {
        let grace = tokio::select! {
            biased;
            first = self.next() => {
                tracing::info!(signal = name(first), "drain requested by a signal");
                world.spawn(async move { self.end_at_next().await });
                return None;
            }
            grace = admin.asked_to_drain() => grace,
        };
        tracing::info!("drain requested through the admin listener");
        world.spawn(async move {
            let first = self.next().await;
            tracing::info!(signal = name(first), "already draining");
            self.end_at_next().await;
        });
        grace
    }

    async fn end_at_next(&mut self) {
        let signal = self.next().await;
        tracing::warn!(signal = name(signal), "exiting without waiting for the drain");
        crate::log::flush();
        std::process::exit(ENDED_BY_SIGNAL + signal.as_raw_value());
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

fn name(kind: SignalKind) -> &'static str {
    if kind == SignalKind::terminate() { "SIGTERM" } else { "SIGINT" }
}
