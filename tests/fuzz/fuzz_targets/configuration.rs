//! See `tidegauge_fuzz::house::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::house::configuration(data));
