//! Fuzzes `restage_fuzz::restage_jsonl`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| restage_fuzz::restage_jsonl(bytes));
