//! Every input that is kept for a target, and small changes of it, on a stable compiler.

use std::fs;
use std::path::Path;

use super::Target;

/// Changes tried of each input.
const CHANGES: u32 = 300;

/// Runs `targets` over `fuzz/seeds/TARGET/*`, which have names, and `fuzz/corpora/TARGET`, which a fuzzer found.
/// Of every seed it tries `CHANGES` small changes too, of the inputs of a corpus as many as `share` allows of them all.
pub(super) fn replay(targets: &[(&str, Target)], fuzz: &Path, share: u32) {
    for (name, run) in targets {
        let folder = fuzz.join("seeds").join(name);
        let mut seeds: Vec<_> =
            fs::read_dir(&folder).expect("its seeds").map(|entry| entry.expect("a seed").path()).collect();
        seeds.sort();
        assert!(seeds.len() >= 5, "{} lost its seeds", folder.display());
        for path in &seeds {
            println!("replay with: fuzz/run --input {} {name}", path.display());
            with_changes(*run, &fs::read(path).expect("a seed"), CHANGES / share);
        }
        let corpus = fs::read(fuzz.join("corpora").join(name)).expect("its corpus");
        let inputs = unpack(&corpus);
        assert!(inputs.len() >= 5, "{name} lost its corpus");
        for (number, input) in inputs.iter().enumerate() {
            println!("replay with: fuzz/run --input {number} {name}");
            with_changes(*run, input, 10 / share);
        }
    }
}

/// A corpus is its inputs, each behind its length in four bytes, the lowest first.
fn unpack(mut corpus: &[u8]) -> Vec<&[u8]> {
    let mut inputs = Vec::new();
    while let Some((length, rest)) = corpus.split_first_chunk() {
        let (input, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        inputs.push(input);
        corpus = rest;
    }
    inputs
}

fn with_changes(run: Target, input: &[u8], changes: u32) {
    run(input);
    (0..changes).for_each(|number| run(&changed(input, number)));
}

/// The input cut off, with a byte replaced, put in or taken out: which and where is a function of `number`.
fn changed(input: &[u8], number: u32) -> Vec<u8> {
    let mut dice = number.wrapping_mul(0x9e37_79b9) | 1;
    let mut throw = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        dice as usize % sides.max(1)
    };
    let mut bytes = input.to_vec();
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
