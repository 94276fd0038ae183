//! See `tidegauge_fuzz::wire::elements`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::wire::elements(data));
