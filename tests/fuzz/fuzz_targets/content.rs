//! See `tidegauge_fuzz::wire::content`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::wire::content(data));
