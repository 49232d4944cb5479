//! What keeps certificates up to date, as it ships, and a model of a reload.

#[path = "../../../../runtime/src/tls/keep.rs"]
#[allow(dead_code, unreachable_pub)]
mod keep;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::thread;

use self::config::Fault;
use self::keep::{Certificates, Kept};
use crate::sync::watch;
use crate::tool::{block_on, explore};
use crate::world::Still;

#[test]
fn a_reload_reaches_whoever_waits_for_it() {
    explore(3, || {
        let version = Arc::new(AtomicU64::new(1));
        let (hup, asked) = watch::channel(0);
        let mut certificates = Certificates::default();
        let files = Files(Arc::clone(&version));
        let mut current = certificates.keep(&Still::new(), "tunnels", files, asked).expect("they can be read");
        let operator = thread::spawn(move || {
            version.store(2, Ordering::Relaxed);
            hup.send_replace(1);
        });
        let first = *current.borrow();
        block_on(current.changed()).expect("the keeper lives as long as somebody wants it");
        assert_eq!(*current.borrow(), 2, "whoever is woken finds the new one");
        operator.join().expect("the operator");
        // The keeper has to notice that nobody is left; else this run never ends.
        drop(current);
        first
    });
}

/// Files that never differ to the eye.
#[derive(Clone)]
struct Files(Arc<AtomicU64>);

impl Kept for Files {
    type Config = u64;

    fn paths(&self) -> Vec<&Path> {
        Vec::new()
    }

    fn own(&self) -> Option<&Path> {
        None
    }

    fn load(&self) -> Result<u64, Fault> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

/// In place of what reads files.
mod files {
    use std::path::Path;

    use super::config::Fault;

    pub(super) fn read(_: &Path) -> Result<Vec<u8>, Fault> {
        Err(Fault)
    }

    pub(super) fn certificates(_: &Path) -> Result<Vec<Vec<u8>>, Fault> {
        Err(Fault)
    }
}

/// In place of what reads certificates.
mod certificate {
    use super::config::Fault;

    pub(super) struct Certificate;

    impl Certificate {
        pub(super) fn parse(_: &[u8]) -> Result<Self, Fault> {
            Err(Fault)
        }

        pub(super) fn expires(&self) -> u64 {
            0
        }
    }
}

/// In place of what a file may have wrong.
pub(crate) mod config {
    use std::fmt;

    #[derive(Debug)]
    pub(crate) struct Fault;

    impl fmt::Display for Fault {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a fault")
        }
    }
}

/// In place of the page that counters are read from.
pub(crate) mod metrics {
    #[derive(Debug)]
    pub(crate) struct Exposition;

    impl Exposition {
        pub(crate) fn gauge(&mut self, _: &str, _: &str) -> &mut Self {
            self
        }

        pub(crate) fn counter(&mut self, _: &str, _: &str) -> &mut Self {
            self
        }

        pub(crate) fn by(&mut self, _: &str, values: impl Iterator<Item = (&'static str, u64)>) -> &mut Self {
            values.for_each(drop);
            self
        }
    }
}
