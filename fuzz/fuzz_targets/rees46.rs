//! Fuzzes `restage_fuzz::rees46`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::rees46(bytes));
