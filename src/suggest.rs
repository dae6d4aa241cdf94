//! "Did you mean …?": the nearest known name to one that is not known, for error messages.
//!
//! The distance counts insertions, deletions, replacements and swaps of neighbours; case, and
//! dashes against underscores, count for nothing. A name is only suggested when it is no further
//! away than a third of the unknown one's length, rounded up, so a word that resembles nothing
//! gets no suggestion. Cost: the product of the two lengths; names are cut to 64
//! characters first.

/// Characters of a name that take part in the comparison.
const CHARS_MAX: usize = 64;

/// The candidate nearest to `name`, if one is near; the first of several equally near ones.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    let allowed = wanted.len().div_ceil(3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &fold(candidate)), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?` for the end of an error; nothing where no candidate is near.
pub fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean(nearest(name, candidates))
}

/// The same for a suggestion that was found before.
pub fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Lower case, and dashes and underscores taken for the same.
fn fold(name: &str) -> Vec<char> {
    let lower = |c: char| match c {
        '-' => '_',
        c => c.to_ascii_lowercase(),
    };
    name.chars().take(CHARS_MAX).map(lower).collect()
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
        let names = ["event_ms", "visitor", "kind", "min_gain"];
        assert_eq!(nearest("vistor", names), Some("visitor"));
        assert_eq!(nearest("iknd", names), Some("kind"));
        assert_eq!(nearest("Event-MS", names), Some("event_ms"));
        assert_eq!(nearest("mingain", names), Some("min_gain"));
        assert_eq!(nearest("sail", ["lead", "sale"]), Some("sale"));
        assert_eq!(nearest("banana", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(hint("vistor", names), "; did you mean `visitor`?");
        assert_eq!(hint("colour", names), "");
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
