//! Streams that are joined.
