//! Fuzzes `restage_fuzz::auto`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::auto(bytes));
