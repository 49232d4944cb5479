//! Every input that is kept for the fuzz targets that need the runtime too.

#[path = "../../fuzz/src/replay.rs"]
mod replay;
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/whole/mod.rs"]
mod whole;

use std::path::Path;

/// A target: any bytes in, a panic if something does not hold.
type Target = fn(&[u8]);

#[test]
fn every_fuzz_input_and_its_mutations_pass() {
    replay::replay(&whole::TARGETS, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz"), 10);
}
