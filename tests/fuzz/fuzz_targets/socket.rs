//! See `tidegauge_fuzz::wire::socket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::wire::socket(data));
