//! See `tidegauge_fuzz::house::spool`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegauge_fuzz::house::spool(data));
