//! Fuzzes `restage_fuzz::taobao`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::taobao(bytes));
