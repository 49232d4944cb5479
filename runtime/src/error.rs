//! Errors whose type does not matter, and how they are written.

use std::error::Error;
use std::iter;

/// Any error that tasks may hand on.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The error's text and those of its sources, which hyper keeps apart.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let sources = iter::successors(error.source(), |&source| source.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
