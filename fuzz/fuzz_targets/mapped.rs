//! Fuzzes `restage_fuzz::mapped`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::mapped(bytes));
