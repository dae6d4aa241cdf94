//! Fuzzes `restage_fuzz::mapping`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::mapping(bytes));
