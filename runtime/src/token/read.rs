//! Files that somebody else writes, read as a whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::ReadError;

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let failed = |source: io::Error| ReadError::Io { path: path.to_owned(), source };
    // Of something endless, or that somebody has to write to first, we are not going to wait for the end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLong { path: path.to_owned(), limit });
    }
    Ok(bytes)
}
