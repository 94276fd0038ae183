//! See `tidegauge_fuzz::wire::splice`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::wire::splice(data));
