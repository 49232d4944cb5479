//! Files that are read again when they change, without a restart and without dropping a tunnel.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::certificate::Certificate;
use super::files::{certificates, read};
use crate::config::Fault;
use crate::counter::Counter;
use crate::metrics::Exposition;
use crate::sync::{AtomicU64, Ordering, watch};
use crate::world::World;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// From how long before its end on a certificate is warned about, and how often.
const WARN_BEFORE: u64 = 14 * DAY;
const DAY: u64 = 24 * 60 * 60;

/// Files that a configuration is made of.
pub trait Kept: Clone + Send + Sync + 'static {
    /// What they make.
    type Config: Send + Sync + 'static;

    /// All of them.
    fn paths(&self) -> Vec<&Path>;

    /// The one with our own certificate.
    fn own(&self) -> Option<&Path>;

    /// Reads them.
    ///
    /// # Errors
    /// If one cannot be read, or they do not fit together.
    fn load(&self) -> Result<Self::Config, Fault>;

    /// Everything that is wrong with them: each that cannot be read, or the first thing that cannot be used.
    fn faults(&self) -> Vec<Fault> {
        let unreadable: Vec<_> = self.paths().into_iter().filter_map(|path| read(path).err()).collect();
        if unreadable.is_empty() { self.load().err().into_iter().collect() } else { unreadable }
    }
}

/// The configuration as it is now, whenever that is.
pub type Current<C> = watch::Receiver<Arc<C>>;

/// The certificates of a process, for its metrics.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Vec<(&'static str, Arc<Status>)>);

#[derive(Debug, Default)]
struct Status {
    expires: AtomicU64,
    reloads: Counter,
    failures: Counter,
}

impl Certificates {
    /// Reads `files` and goes on doing so: whenever they change, and whenever `hup` does. What cannot be used leaves the
    /// last configuration as it is. `name` is what logs and metrics call them.
    ///
    /// # Errors
    /// If they cannot be used now.
    pub fn keep<W: World, F: Kept>(
        &mut self,
        world: &W,
        name: &'static str,
        files: F,
        hup: watch::Receiver<u64>,
    ) -> Result<Current<F::Config>, Fault> {
        let contents = contents(&files);
        let (sender, current) = watch::channel(Arc::new(files.load()?));
        let status = Arc::<Status>::default();
        self.0.push((name, Arc::clone(&status)));
        let mut keeper = Keeper { world: world.clone(), name, files, contents, sender, status, warned: 0 };
        keeper.note_expiry();
        world.spawn(keeper.run(hup));
        Ok(current)
    }

    /// Writes when they expire and how often they were read again.
    pub(crate) fn metrics(&self, page: &mut Exposition) {
        let read = |of: fn(&Status) -> u64| self.0.iter().map(move |(name, status)| (*name, of(status)));
        let expires = read(|status| status.expires.load(Ordering::Relaxed)).filter(|(_, expires)| *expires > 0);
        page.gauge(
            "revtun_tls_certificate_expires_seconds",
            "The last second, since 1970, in which our certificate is valid.",
        )
        .by("use", expires);
        page.counter("revtun_tls_reloads_total", "Times that changed certificates and keys were taken.")
            .by("use", read(|status| status.reloads.read()));
        page.counter("revtun_tls_reload_failures_total", "Times that they could not be used, and the old ones stayed.")
            .by("use", read(|status| status.failures.read()));
    }
}

struct Keeper<W, F: Kept> {
    world: W,
    name: &'static str,
    files: F,
    contents: Vec<Option<Vec<u8>>>,
    sender: watch::Sender<Arc<F::Config>>,
    status: Arc<Status>,
    /// When a warning was written, in seconds since 1970.
    warned: u64,
}

impl<W: World, F: Kept> Keeper<W, F> {
    /// Until nobody wants the configuration any more.
    async fn run(mut self, mut hup: watch::Receiver<u64>) {
        loop {
            let asked = tokio::select! {
                biased;
                () = self.sender.closed() => return,
                () = self.world.sleep_until(self.world.now().after(LOOK)) => false,
                Ok(()) = hup.changed() => true,
            };
            self.look(asked);
            self.warn();
        }
    }

    fn look(&mut self, asked: bool) {
        let contents = contents(&self.files);
        if contents == self.contents && !asked {
            return;
        }
        self.contents = contents;
        match self.files.load() {
            Ok(config) => {
                self.sender.send_replace(Arc::new(config));
                self.status.reloads.add(1);
                self.warned = 0;
                self.note_expiry();
                info!(what = self.name, "certificates and keys read again");
            }
            Err(fault) => {
                self.status.failures.add(1);
                error!(what = self.name, %fault, "changed certificates or keys cannot be used; the old ones stay");
            }
        }
    }

    fn note_expiry(&mut self) {
        let chain = self.files.own().and_then(|path| certificates(path).ok()).unwrap_or_default();
        let expires = chain.first().and_then(|own| Certificate::parse(own).ok()).map_or(0, |own| own.expires());
        self.status.expires.store(expires, Ordering::Relaxed);
        self.warn();
    }

    /// Once a day, from fourteen days before the end on.
    fn warn(&mut self) {
        let (now, expires) = (self.world.unix_millis() / 1000, self.status.expires.load(Ordering::Relaxed));
        if expires == 0 || now + WARN_BEFORE < expires || now < self.warned + DAY {
            return;
        }
        self.warned = now;
        if now > expires {
            error!(what = self.name, "the certificate has expired");
        } else {
            warn!(what = self.name, days = (expires - now) / DAY, "the certificate expires soon");
        }
    }
}

/// What the files hold; none for one that cannot be read.
fn contents(files: &impl Kept) -> Vec<Option<Vec<u8>>> {
    files.paths().into_iter().map(|path| read(path).ok()).collect()
}
