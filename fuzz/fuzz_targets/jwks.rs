#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revtun_fuzz::whole::jwks::run(data));
