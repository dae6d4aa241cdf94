//! The best of many: by score, the best first, ties to the smaller item id.
//!
//! The order is total, so the best are the same whatever order they come in. Cost: a pass, and a
//! sort of those that stay.

use super::Scored;
use crate::event::Id;
use std::cmp::Reverse;

/// Which of two stands first, for scores that are no NaN.
#[inline]
pub fn best_first(left: &Scored, right: &Scored) -> std::cmp::Ordering {
    let by_score = right.score.total_cmp(&left.score);
    by_score.then(left.item.cmp(&right.item))
}

/// Cuts a list to its best, in order.
pub fn keep_best(list: &mut Vec<Scored>, length: usize) {
    if length == 0 {
        list.clear();
    } else if list.len() > length {
        list.select_nth_unstable_by(length - 1, best_first);
        list.truncate(length);
    }
    list.sort_unstable_by(best_first);
}

/// The same for integers, which a list of floats might not tell apart.
pub fn keep_heaviest(list: &mut Vec<(u64, Id)>, length: usize) {
    let key = |&(weight, item): &(u64, Id)| (Reverse(weight), item);
    if length == 0 {
        list.clear();
    } else if list.len() > length {
        list.select_nth_unstable_by_key(length - 1, key);
        list.truncate(length);
    }
    list.sort_unstable_by_key(key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_in_order_and_ties_go_by_id() {
        let mut list: Vec<Scored> = [(1, 0.5), (9, 2.0), (4, 2.0), (3, 1.0)]
            .map(|(id, score)| Scored {
                item: Id(id),
                score,
            })
            .to_vec();
        keep_best(&mut list, 3);
        let ids: Vec<u64> = list.iter().map(|scored| scored.item.0).collect();
        assert_eq!(ids, [4, 9, 3]);
        keep_best(&mut list, 0);
        assert!(list.is_empty());
        let mut heavy = vec![(3, Id(5)), (7, Id(8)), (7, Id(2)), (1, Id(1))];
        keep_heaviest(&mut heavy, 2);
        assert_eq!(heavy, [(7, Id(2)), (7, Id(8))]);
    }
}
