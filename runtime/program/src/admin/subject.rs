//! What an admin listener tells about and acts on.

use std::time::Duration;

use serde_json::Value;

use super::drain_query::DrainQuery;
use crate::metrics::Exposition;

/// For how long what is due may wait in an end that is alive. Longer than a busy machine needs: who is not alive is killed.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// What the admin listener tells about and acts on: one end of tunnels.
pub trait Subject: Send + Sync + 'static {
    /// Whether this end is alive: no task of it has panicked, and none stands still.
    ///
    /// # Errors
    /// If it is not: why, for people.
    fn healthy(&self) -> Result<(), String>;

    /// Whether this end can do its work now.
    ///
    /// # Errors
    /// If it cannot: why, for people.
    fn ready(&self) -> Result<(), String>;

    /// What else is worth knowing to whoever asks whether it can, a line each; nothing of it makes this end unready.
    fn details(&self) -> Vec<String> {
        Vec::new()
    }

    /// Every tunnel, as JSON.
    fn tunnels(&self) -> Value;

    /// Writes every metric.
    fn metrics(&self, page: &mut Exposition);

    /// What a drain of everything is about, with its number, for people.
    fn everything(&self) -> String;

    /// Begins the drain of the part that `query` names, which is not everything; says what that is, with its number, for people.
    ///
    /// # Errors
    /// If this end cannot drain that: why, for people.
    fn drain(&self, query: &DrainQuery) -> Result<String, String>;
}

/// `1 tunnel`, `3 tunnels`.
pub(super) fn count_of(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
