#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| revtun_fuzz::pure::routes::run(data));
