//! Fuzzes `restage_fuzz::jd`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::jd(bytes));
