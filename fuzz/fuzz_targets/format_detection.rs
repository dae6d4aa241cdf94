//! Fuzzes `restage_fuzz::format_detection`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::format_detection(bytes));
