//! What keeps certificates up to date, as it ships, and a model of a reload.

#[path = "../../../../runtime/src/tls/reload.rs"]
#[allow(dead_code, unreachable_pub)]
mod reload;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::thread;

use self::reload::{CertificateStore, Reloadable};
use crate::sync::watch;
use crate::tool::{block_on, explore};
use crate::world::Still;

#[test]
fn a_reload_reaches_whoever_waits_for_it() {
    explore(3, || {
        let version = Arc::new(AtomicU64::new(1));
        let (hup, asked) = watch::channel(0);
        let mut certificates = CertificateStore::default();
        let files = Files(Arc::clone(&version));
        let mut current = certificates.watch(&Still::new(), "tunnels", files, asked).expect("they can be read");
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

impl Reloadable for Files {
    type Config = u64;
    type Error = Infallible;

    fn paths(&self) -> Vec<&Path> {
        Vec::new()
    }

    fn load(&self) -> Result<u64, Infallible> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}
