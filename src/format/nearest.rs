//! The nearest known name to a mistyped one, for error messages.
//!
//! The distance counts insertions, deletions, replacements and swaps of neighbours. A name is only
//! suggested when it is closer than a third of the mistyped one's length (at least one edit), so a
//! word that resembles nothing gets no suggestion. Cost: the product of the two lengths; names are
//! cut to 64 characters first.

/// Characters of a name that take part in the comparison.
const CHARS_MAX: usize = 64;

/// The candidate nearest to `name`, if one is near; the first of several equally near ones.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    let allowed = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &fold(candidate)), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The text of a suggestion, to be put behind an error; nothing where there is none.
pub(super) fn hint(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}

/// Lower case, and dashes and underscores taken for the same.
fn fold(name: &str) -> Vec<char> {
    name.chars()
        .take(CHARS_MAX)
        .map(|c| {
            if c == '-' {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// Edits that turn `a` into `b`, a swap of neighbours being one (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = ["event_ms", "visitor", "kind"];
        assert_eq!(nearest("vistor", names), Some("visitor"));
        assert_eq!(nearest("iknd", names), Some("kind"));
        assert_eq!(nearest("Event-MS", names), Some("event_ms"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn distances_count_edits() {
        let between = |a: &str, b: &str| distance(&fold(a), &fold(b));
        assert_eq!(between("", "abc"), 3);
        assert_eq!(between("abc", "abc"), 0);
        assert_eq!(between("abc", "acb"), 1);
        assert_eq!(between("kitten", "sitting"), 3);
    }
}
