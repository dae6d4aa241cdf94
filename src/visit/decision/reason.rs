//! What a record says of its cause beyond the slots' own reasons: the features that moved the score,
//! and what the catalogue changed under a page without an event.
//!
//! Both are one sentence of `reason`, from integers and fixed words. Cost: some 100 ns where there is
//! anything to say.

use super::Decision;
use super::factors::hundredths;
use super::text::integer;
use crate::visit::feature::FEATURES;
use crate::visit::model::Label;
use crate::visit::products::catalogue::Catalogue;

/// Most items that are named as sold out.
const NAMED_MAX: usize = 5;

/// What moved the leading score: `p_purchase by cart_size +1.20, gap_last -0.31`, in log-odds.
pub(super) fn factors(decision: &Decision<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(match decision.leading {
        Label::Purchase => b"p_purchase by ",
        Label::Abandon => b"p_abandon by ",
    });
    let mut first = true;
    let parts = &decision.factors.parts[..usize::from(decision.factors.count)];
    for (index, share) in parts {
        if !std::mem::take(&mut first) {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(FEATURES[usize::from(*index)].name.as_bytes());
        let hundredths = hundredths(*share);
        out.extend_from_slice(if hundredths < 0 { b" -" } else { b" +" });
        integer(hundredths.unsigned_abs() / 100, out);
        out.push(b'.');
        let rest = hundredths.unsigned_abs() % 100;
        out.extend_from_slice(&[b'0' + (rest / 10) as u8, b'0' + (rest % 10) as u8]);
    }
}

/// What changed on the shelf: `catalogue: i7, i9 sold out`; where nothing that was shown is sold out,
/// `catalogue: price, category or stock changed`.
pub fn shelf_words(catalogue: &Catalogue, sold_out: &[u32]) -> Vec<u8> {
    if sold_out.is_empty() {
        return b"catalogue: price, category or stock changed".to_vec();
    }
    let (named, more) = sold_out.split_at(sold_out.len().min(NAMED_MAX));
    let named: Vec<&[u8]> = named.iter().map(|one| catalogue.text(*one)).collect();
    let mut words = [b"catalogue: ", named.join(&b", "[..]).as_slice()].concat();
    if !more.is_empty() {
        words.extend_from_slice(format!(" and {} more", more.len()).as_bytes());
    }
    words.extend_from_slice(b" sold out");
    words
}
