//! Fuzzes `restage_fuzz::codec`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::codec(bytes));
