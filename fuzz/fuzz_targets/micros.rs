//! Fuzzes `restage_fuzz::micros`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::micros(bytes));
