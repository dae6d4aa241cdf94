//! Fuzzes `restage_fuzz::policy`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::policy(bytes));
