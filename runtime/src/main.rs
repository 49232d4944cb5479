//! The `revtun` binary.

fn main() {}
