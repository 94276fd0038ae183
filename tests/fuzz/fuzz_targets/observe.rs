//! See `tidegauge_fuzz::wire::observe`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::wire::observe(data));
