//! Fuzzes `restage_fuzz::yoochoose`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::yoochoose(bytes));
