//! Any text at all, and the bundled policies with words swapped: read or refused, never a panic.

use super::*;
use crate::event::mix;
use proptest::prelude::*;

/// Whatever is read, an error points into the text and is one line.
fn check_error(text: &str) {
    if let Err(error) = Policy::read(text) {
        assert!(
            error.line >= 1 && error.line <= text.matches('\n').count() + 1,
            "{error}"
        );
        let line = text.split('\n').nth(error.line - 1).unwrap();
        assert!(
            error.column <= line.chars().count() + 1,
            "{error} in {line:?}"
        );
        assert!(
            !error.what.is_empty() && !error.what.contains('\n'),
            "{error:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_error(&String::from_utf8_lossy(&bytes));
    }

    /// A bundled policy with some of its words swapped, doubled, cut, or set to odd values.
    #[test]
    fn no_mutation_of_a_bundled_policy_makes_the_reader_panic(seed in any::<u64>(), changes in 1u64..6) {
        const ODD: [&str; 16] = [
            "0", "-1", "nan", "inf", "1e999", "\"\"", "\"é\"", "[]", "{}", "true", "99999999999999999999",
            "{ min = 1, max = 0 }", "[\"browsing\"]", "[[slot]]", "\n", "1.5",
        ];
        let mut text = [DEFAULT_POLICY, LEARNING_POLICY][seed as usize % 2].to_string();
        for change in 0..changes {
            let draw = |salt: u64| mix(seed ^ mix(change * 8 + salt)) as usize;
            let words: Vec<std::ops::Range<usize>> = text
                .split_inclusive([' ', '\n'])
                .scan(0, |start, word| {
                    let at = *start;
                    *start += word.len();
                    Some(at..at + word.trim_end().len())
                })
                .filter(|word| !word.is_empty())
                .collect();
            let (one, two) = (&words[draw(1) % words.len()], &words[draw(2) % words.len()]);
            let with = match draw(0) % 4 {
                0 => String::new(),
                1 => text[two.clone()].to_string(),
                2 => text[one.clone()].repeat(2),
                _ => ODD[draw(3) % ODD.len()].to_string(),
            };
            text.replace_range(one.clone(), &with);
        }
        check_error(&text);
    }
}
