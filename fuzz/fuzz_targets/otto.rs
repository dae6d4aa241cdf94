//! Fuzzes `restage_fuzz::otto`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::otto(bytes));
