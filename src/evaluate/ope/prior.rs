//! The prior file of the Open Bandit Dataset: for every campaign the Beta parameters of its items.
//!
//! The file is YAML of one shape, and only that shape is read:
//!
//! ```text
//! all:
//!   alpha:
//!     - 47.0
//!     - 8.0
//!   beta: [12198.0, 3566.0]
//! ```
//!
//! A line that begins at the margin names a campaign, an indented one its `alpha` or `beta`, and
//! numbers stand one a line behind a dash or all in one line in brackets. Comments and blank lines
//! are skipped. Anything else is an error with its line: a parameter that was misread would shift
//! every item behind it. Cost: the file once over.

use crate::suggest::hint;
use std::collections::BTreeMap;

/// The items' Beta parameters in a campaign, in the items' order: alpha, beta.
pub type Prior = Vec<(f64, f64)>;

/// Why a prior file was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PriorError {
    /// Not the shape.
    #[error("line {line}: {what}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Other campaigns only.
    #[error("there is no campaign `{name}`: the file has {there}{hint}")]
    Campaign {
        /// The campaign asked for.
        name: String,
        /// Those that are there.
        there: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// Lists that do not fit together.
    #[error(
        "campaign `{campaign}` has {alpha} values of alpha and {beta} of beta; each item has one of both"
    )]
    Lengths {
        /// The campaign.
        campaign: String,
        /// Values of alpha.
        alpha: usize,
        /// Values of beta.
        beta: usize,
    },
}

/// A campaign's lists: alpha, beta.
type Lists = [Option<Vec<f64>>; 2];
const KEYS: [&str; 2] = ["alpha", "beta"];

/// Reads the parameters of a campaign.
///
/// # Errors
/// [`PriorError`] for text of another shape, or when the campaign is not there.
pub fn read(text: &str, campaign: &str) -> Result<Prior, PriorError> {
    let campaigns = parse(text)?;
    let Some(lists) = campaigns.get(campaign) else {
        let names: Vec<&str> = campaigns.keys().map(String::as_str).collect();
        return Err(PriorError::Campaign {
            name: campaign.to_owned(),
            there: match names[..] {
                [] => "none".to_owned(),
                _ => names.join(", "),
            },
            hint: hint(campaign, names),
        });
    };
    let [alpha, beta] = lists.clone().map(Option::unwrap_or_default);
    if alpha.len() != beta.len() || alpha.is_empty() {
        return Err(PriorError::Lengths {
            campaign: campaign.to_owned(),
            alpha: alpha.len(),
            beta: beta.len(),
        });
    }
    Ok(alpha.into_iter().zip(beta).collect())
}

fn parse(text: &str) -> Result<BTreeMap<String, Lists>, PriorError> {
    let mut campaigns: BTreeMap<String, Lists> = BTreeMap::new();
    let mut campaign: Option<String> = None;
    let mut key: Option<usize> = None;
    for (n, whole) in text.lines().enumerate() {
        let fault = |what: String| PriorError::Line { line: n + 1, what };
        let line = whole.split('#').next().unwrap_or("").trim_end();
        let content = line.trim_start();
        if content.is_empty() || content == "---" {
            continue;
        }
        let lists = campaign.as_ref().and_then(|name| campaigns.get_mut(name));
        if let Some(item) = content.strip_prefix('-') {
            let list = lists.zip(key).and_then(|(lists, key)| lists[key].as_mut());
            let list =
                list.ok_or_else(|| fault("a number stands under no alpha or beta".into()))?;
            list.push(number(item).map_err(fault)?);
            continue;
        }
        let (name, rest) = content.split_once(':').ok_or_else(|| {
            fault(format!(
                "`{content}` is neither `name:` nor a number behind a dash"
            ))
        })?;
        let (name, rest) = (name.trim(), rest.trim());
        if content.len() == line.len() {
            if !rest.is_empty() {
                return Err(fault(format!(
                    "`{rest}` stands behind the campaign `{name}`"
                )));
            }
            if campaigns
                .insert(name.to_owned(), Lists::default())
                .is_some()
            {
                return Err(fault(format!("the campaign `{name}` stands twice")));
            }
            (campaign, key) = (Some(name.to_owned()), None);
            continue;
        }
        let lists = lists.ok_or_else(|| fault(format!("`{name}` stands under no campaign")))?;
        let at = KEYS
            .iter()
            .position(|known| *known == name)
            .ok_or_else(|| {
                fault(format!(
                    "`{name}` is neither alpha nor beta{}",
                    hint(name, KEYS)
                ))
            })?;
        if lists[at].is_some() {
            return Err(fault(format!("`{name}` stands twice")));
        }
        lists[at] = Some(in_line(rest).map_err(fault)?);
        key = rest.is_empty().then_some(at);
    }
    Ok(campaigns)
}

/// The numbers in brackets; none where there is nothing, as they follow then.
fn in_line(text: &str) -> Result<Vec<f64>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let inner = inner.ok_or_else(|| format!("`{text}` is not a list in brackets"))?;
    inner.split(',').map(number).collect()
}

fn number(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("`{text}` is not a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "---\n# two campaigns\nall:\n  alpha:\n    - 47.0\n    - 8  # an item\n  beta: [12198.0, 3566]\n\nmen:\n  beta:\n  - 1.5\n  alpha: [2]\n";

    #[test]
    fn both_ways_to_write_a_list_are_read() {
        assert_eq!(read(GOOD, "all"), Ok(vec![(47.0, 12198.0), (8.0, 3566.0)]));
        assert_eq!(read(GOOD, "men"), Ok(vec![(2.0, 1.5)]));
    }

    #[test]
    fn a_campaign_that_is_not_there_is_named_with_those_that_are() {
        let said = read(GOOD, "mem").unwrap_err().to_string();
        assert_eq!(
            said,
            "there is no campaign `mem`: the file has all, men; did you mean `men`?"
        );
        assert!(
            read("", "all")
                .unwrap_err()
                .to_string()
                .contains("the file has none")
        );
    }

    #[test]
    fn every_fault_has_its_line() {
        for (text, line, word) in [
            ("- 1\n", 1, "under no alpha"),
            ("all:\n  - 1\n", 2, "under no alpha"),
            ("all:\n  alpa:\n", 2, "did you mean `alpha`?"),
            ("all:\n  alpha:\n    - x\n", 3, "`x` is not a number"),
            ("all:\n  alpha:\n    - -1\n", 3, "not a number above 0"),
            ("all:\n  alpha: [1, nan]\n", 2, "`nan` is not"),
            ("all:\n  alpha: 1\n", 2, "not a list in brackets"),
            ("all:\n  alpha: [1]\n    - 2\n", 3, "under no alpha"),
            ("all:\n  alpha:\n  alpha:\n", 3, "twice"),
            ("all:\nall:\n", 2, "twice"),
            ("all: 3\n", 1, "behind the campaign"),
            ("  alpha:\n", 1, "under no campaign"),
            ("all\n", 1, "neither `name:`"),
        ] {
            let error = read(text, "all").unwrap_err();
            match &error {
                PriorError::Line { line: found, what } => {
                    assert!(*found == line && what.contains(word), "{text:?}: {error}");
                }
                other => panic!("{text:?}: {other}"),
            }
        }
    }

    #[test]
    fn lists_of_two_lengths_are_refused() {
        for text in [
            "all:\n  alpha: [1, 2]\n  beta: [1]\n",
            "all:\n",
            "all:\n  alpha: [1]\n",
        ] {
            assert!(
                matches!(read(text, "all"), Err(PriorError::Lengths { .. })),
                "{text:?}"
            );
        }
    }
}
