//! Files that are read again when they change, without a restart and without dropping a tunnel.

use std::error::Error;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::counter::Counter;
use crate::sync::{AtomicU64, Ordering, watch};
use crate::world::World;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// From how long before its end on a certificate is warned about, and how often.
const WARN_BEFORE: u64 = 14 * DAY;
const DAY: u64 = 24 * 60 * 60;

/// Files that a configuration is made of.
pub trait Reloadable: Clone + Send + Sync + 'static {
    /// What they make.
    type Config: Send + Sync + 'static;

    /// What can be wrong with them.
    type Error: Error + Send + Sync + 'static;

    /// All of them.
    fn paths(&self) -> Vec<&Path>;

    /// The seconds since 1970 in which the certificate among them is valid, with all between it and a root; none if there is
    /// none, or it cannot be read.
    fn certificate_validity(&self) -> Option<RangeInclusive<u64>> {
        None
    }

    /// Reads them.
    ///
    /// # Errors
    /// If one cannot be read, or they do not fit together.
    fn load(&self) -> Result<Self::Config, Self::Error>;

    /// Everything that is wrong with them that can be told at once, `now` being in seconds since 1970: why [`Self::load`] fails,
    /// or that peers will not take what it loads.
    fn errors(&self, now: u64) -> Vec<Self::Error> {
        let _timeless = now;
        self.load().err().into_iter().collect()
    }

    /// What an operator should mend, although everything works.
    fn warnings(&self) -> Vec<Self::Error> {
        Vec::new()
    }
}

/// The configuration as it is now, whenever that is.
pub type Current<C> = watch::Receiver<Arc<C>>;

/// The certificates and keys of a process, which are read again when they change.
#[derive(Clone, Debug, Default)]
pub struct CertificateStore(Vec<(Arc<str>, Arc<Status>)>);

/// What became of some files of a [`CertificateStore`] so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateStatus {
    /// What logs and metrics call them.
    pub name: Arc<str>,
    /// The last second, since 1970, in which their certificate is valid; none if they hold none of our own.
    pub expiry: Option<u64>,
    /// Times that they changed and were taken.
    pub reloads: u64,
    /// Times that they changed, could not be used, and the old ones stayed.
    pub failures: u64,
}

#[derive(Debug, Default)]
struct Status {
    /// Zero is none.
    expiry: AtomicU64,
    reloads: Counter,
    failures: Counter,
}

impl CertificateStore {
    /// Reads `files` and goes on doing so: whenever they change, and whenever `hup` does. What cannot be used leaves the
    /// last configuration as it is. `name` is what logs and metrics call them.
    ///
    /// # Errors
    /// If they cannot be used now.
    pub fn watch<W: World, F: Reloadable>(
        &mut self,
        world: &W,
        name: &str,
        files: F,
        hup: watch::Receiver<u64>,
    ) -> Result<Current<F::Config>, F::Error> {
        let contents = contents(&files);
        let (sender, current) = watch::channel(Arc::new(files.load()?));
        let status = Arc::<Status>::default();
        let name: Arc<str> = name.into();
        self.0.push((Arc::clone(&name), Arc::clone(&status)));
        let mut reloader =
            Reloader { world: world.clone(), name, files, contents, sender, status, begins: 0, warned: 0 };
        reloader.note_validity();
        world.spawn(reloader.run(hup));
        Ok(current)
    }

    /// What became of them so far, in the order in which they were given.
    #[must_use]
    pub fn statuses(&self) -> Vec<CertificateStatus> {
        let status = |(name, status): &(Arc<str>, Arc<Status>)| CertificateStatus {
            name: Arc::clone(name),
            expiry: Some(status.expiry.load(Ordering::Relaxed)).filter(|expiry| *expiry > 0),
            reloads: status.reloads.read(),
            failures: status.failures.read(),
        };
        self.0.iter().map(status).collect()
    }
}

struct Reloader<W, F: Reloadable> {
    world: W,
    name: Arc<str>,
    files: F,
    contents: Vec<Option<Vec<u8>>>,
    sender: watch::Sender<Arc<F::Config>>,
    status: Arc<Status>,
    /// The first second in which the certificate is valid.
    begins: u64,
    /// When a warning was written, in seconds since 1970.
    warned: u64,
}

impl<W: World, F: Reloadable> Reloader<W, F> {
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
                self.note_validity();
                info!(what = &*self.name, "certificates and keys reloaded");
            }
            Err(error) => {
                self.status.failures.add(1);
                error!(what = &*self.name, %error, "changed certificates or keys cannot be used; the old ones stay in use");
            }
        }
    }

    fn note_validity(&mut self) {
        let validity = self.files.certificate_validity().unwrap_or(0..=0);
        self.begins = *validity.start();
        self.status.expiry.store(*validity.end(), Ordering::Relaxed);
        for warning in self.files.warnings() {
            warn!(what = &*self.name, "{warning}");
        }
        self.warn();
    }

    /// Once a day, before the certificate begins, and from fourteen days before its end on.
    fn warn(&mut self) {
        let (now, expiry) = (self.world.unix_millis() / 1000, self.status.expiry.load(Ordering::Relaxed));
        let (early, late) = (now < self.begins, now + WARN_BEFORE >= expiry);
        if expiry == 0 || !(early || late) || now < self.warned + DAY {
            return;
        }
        self.warned = now;
        if early {
            error!(what = &*self.name, "the certificate is not valid yet");
        } else if now > expiry {
            error!(what = &*self.name, "the certificate has expired");
        } else {
            warn!(what = &*self.name, days = (expiry - now) / DAY, "the certificate expires soon");
        }
    }
}

/// What the files hold; none for one that cannot be read.
fn contents(files: &impl Reloadable) -> Vec<Option<Vec<u8>>> {
    files.paths().into_iter().map(|path| std::fs::read(path).ok()).collect()
}
