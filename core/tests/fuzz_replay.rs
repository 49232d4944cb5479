//! Every seed of every fuzz target, and small changes of it, on a stable compiler.

#[allow(unreachable_pub)]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Changes tried of each seed.
const CHANGES: u32 = 300;

#[test]
fn every_seed_and_small_changes_of_it_hold() {
    for (name, run) in targets::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
        let mut seeds: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        seeds.sort();
        assert!(seeds.len() >= 5, "{} lost its seeds", folder.display());
        for path in &seeds {
            println!("replay with: cargo +nightly fuzz run {name} {}", path.display());
            let seed = fs::read(path).unwrap();
            run(&seed);
            for number in 0..CHANGES {
                run(&changed(&seed, number));
            }
        }
    }
}

/// The seed cut off, with a byte replaced, put in or taken out: which and where is a function of `number`.
fn changed(seed: &[u8], number: u32) -> Vec<u8> {
    let mut dice = number.wrapping_mul(0x9e37_79b9) | 1;
    let mut throw = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        dice as usize % sides.max(1)
    };
    let mut bytes = seed.to_vec();
    for _ in 0..=throw(3) {
        let (at, new) = (throw(bytes.len()), b"\r\n :0RPING\0\x80\xff"[throw(13)]);
        match throw(4) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] = new,
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => bytes.insert(at, new),
        }
    }
    bytes
}
