//! See `tidegauge_fuzz::wire::lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::wire::lines(data));
