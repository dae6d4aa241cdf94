//! What a session remembers of single items and categories: bounded, in the order in which they came.
//!
//! Items and categories are searched from the newest backwards, because shoppers come back to what they
//! just saw. When there is no room for another item, the oldest that is not in the cart makes it, and the
//! caller counts that. Cost: O(limit) at worst, two or three compares usually.
//!
//! Sessions are many and most are short: half of them know one item and one category or less. So both
//! share one table of rows of twelve bytes, which grows by a quarter.
//!
//! Invariant: items stand from the front on, categories from the back, empty rows between them.

use crate::event::Id;

/// An id and how often it was met. The id lies in halves: a row needs no padding then.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    id: [u32; 2],
    /// Of a category, with [`CATEGORY`] added.
    count: u32,
}

const _: () = assert!(size_of::<Row>() == 12);

/// The bit that tells categories from items.
const CATEGORY: u32 = 1 << 31;

impl Row {
    fn of(id: Id, count: u32) -> Row {
        Row {
            id: [id.0 as u32, (id.0 >> 32) as u32],
            count,
        }
    }

    #[inline]
    fn id(&self) -> Id {
        Id(u64::from(self.id[0]) | u64::from(self.id[1]) << 32)
    }

    /// Rows of items have an id that is not none.
    #[inline]
    fn is_item(&self) -> bool {
        self.count < CATEGORY && self.id != [0; 2]
    }

    #[inline]
    fn is_category(&self) -> bool {
        self.count >= CATEGORY
    }
}

/// The items that a session remembers and how often the page of each was viewed; the categories, and how
/// often each was touched.
#[derive(Clone, Debug, Default)]
pub struct Touched(Box<[Row]>);

/// Where an item was found or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It was known, at this place.
    Known(usize),
    /// It is new.
    New {
        /// Its place.
        at: usize,
        /// The oldest item outside the cart, where it was forgotten for this one.
        evicted: Option<Id>,
    },
    /// All that may be remembered are in the cart.
    Full,
}

impl Touched {
    /// Number of items: the place of the first row that is none.
    #[inline]
    fn items_end(&self) -> usize {
        self.0.partition_point(Row::is_item)
    }

    /// The place of the newest category.
    #[inline]
    fn categories_begin(&self) -> usize {
        self.0.partition_point(|row| !row.is_category())
    }

    /// Finds an item or makes a row for it, holding at most `limit` of them. `stays` says what may not
    /// be forgotten.
    pub fn find_or_insert(&mut self, id: Id, limit: usize, stays: impl Fn(Id) -> bool) -> Slot {
        let end = self.items_end();
        if let Some(at) = self.find_before(end, id) {
            return Slot::Known(at);
        }
        if end < limit {
            self.make_room();
            self.0[end] = Row::of(id, 0);
            return Slot::New {
                at: end,
                evicted: None,
            };
        }
        let items = &mut self.0[..end];
        let Some(oldest) = items.iter().position(|row| !stays(row.id())) else {
            return Slot::Full;
        };
        let evicted = Some(items[oldest].id());
        items[oldest..].rotate_left(1);
        items[end - 1] = Row::of(id, 0);
        let at = end - 1;
        Slot::New { at, evicted }
    }

    /// Makes sure that there is an empty row.
    fn make_room(&mut self) {
        let (end, begin) = (self.items_end(), self.categories_begin());
        if end < begin {
            return;
        }
        let len = self.0.len();
        let more = (len / 4).max(1);
        let mut rows = std::mem::take(&mut self.0).into_vec();
        rows.reserve_exact(more);
        rows.resize(len + more, Row::default());
        rows[end..].rotate_right(more);
        self.0 = rows.into_boxed_slice();
    }

    #[inline]
    fn find_before(&self, end: usize, id: Id) -> Option<usize> {
        self.0[..end].iter().rposition(|row| row.id() == id)
    }

    /// The place of an item.
    #[inline]
    pub fn find(&self, id: Id) -> Option<usize> {
        self.find_before(self.items_end(), id)
    }

    /// How often the page of the item at `at` was viewed.
    #[inline]
    pub fn views(&self, at: usize) -> u32 {
        self.0[at].count
    }

    /// The page of the item at `at` is viewed once more. Returns how often it is by now.
    #[inline]
    pub fn view(&mut self, at: usize) -> u32 {
        let row = &mut self.0[at];
        row.count = (row.count + 1).min(CATEGORY - 1);
        row.count
    }

    /// All items and their views, oldest first.
    pub fn items(&self) -> impl Iterator<Item = (Id, u32)> + Clone {
        let items = self.0.iter().take_while(|row| row.is_item());
        items.map(|row| (row.id(), row.count))
    }

    /// Counts one touch of a category. Returns false, and counts nothing, where there are `limit` others.
    pub fn count(&mut self, id: Id, limit: usize) -> bool {
        let begin = self.categories_begin();
        // The newest stands first.
        let known = self.0[begin..].iter().position(|row| row.id() == id);
        let at = match known {
            Some(at) => begin + at,
            None if self.0.len() - begin >= limit => return false,
            None => {
                self.make_room();
                let at = self.categories_begin() - 1;
                self.0[at] = Row::of(id, CATEGORY);
                at
            }
        };
        self.0[at].count = self.0[at].count.saturating_add(1);
        true
    }

    /// Number of different categories.
    #[inline]
    pub fn categories_count(&self) -> usize {
        self.0.len() - self.categories_begin()
    }

    /// All categories and their touches, oldest first.
    pub fn categories(&self) -> impl Iterator<Item = (Id, u32)> + Clone {
        let categories = self.0.iter().rev().take_while(|row| row.is_category());
        categories.map(|row| (row.id(), row.count - CATEGORY))
    }

    /// Herfindahl–Hirschman index of the touches of categories: 1 when all are in one, 1/n when they
    /// are spread evenly over n; `None` before the first. Sums are of integers, made when asked for:
    /// there are few categories, and the latest event has just counted one.
    #[inline]
    pub fn concentration(&self) -> Option<f64> {
        let (mut squares, mut total) = (0, 0);
        for row in &self.0[self.categories_begin()..] {
            let count = row.count - CATEGORY;
            squares += u64::from(count) * u64::from(count);
            total += count;
        }
        let all = f64::from(total);
        (total > 0).then(|| squares as f64 / (all * all))
    }

    /// Reads a number that a look would read. What comes out means nothing.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.0.last().map_or(0, |row| row.count.into())
    }

    /// A table of these items and categories, oldest first.
    pub fn of(
        items: impl Iterator<Item = (Id, u32)>,
        categories: impl DoubleEndedIterator<Item = (Id, u32)>,
    ) -> Touched {
        let item = |(id, views): (Id, u32)| Row::of(id, views.min(CATEGORY - 1));
        let category = |(id, count): (Id, u32)| Row::of(id, count.saturating_add(CATEGORY));
        let items = items.filter(|(id, _)| !id.is_none()).map(item);
        Touched(items.chain(categories.rev().map(category)).collect())
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::mix;

    #[test]
    fn the_oldest_item_outside_the_cart_makes_room() {
        let mut touched = Touched::default();
        assert!(touched.count(Id(1), 1));
        for id in 1..=3 {
            let slot = touched.find_or_insert(Id(id), 3, |_| false);
            assert!(matches!(slot, Slot::New { evicted: None, .. }));
        }
        assert_eq!(touched.view(1), 1);
        assert_eq!(
            touched.find_or_insert(Id(4), 3, |id| id == Id(1)),
            Slot::New {
                at: 2,
                evicted: Some(Id(2))
            }
        );
        let left: Vec<(Id, u32)> = touched.items().collect();
        assert_eq!(left, [(Id(1), 0), (Id(3), 0), (Id(4), 0)]);
        assert_eq!(touched.find_or_insert(Id(5), 3, |_| true), Slot::Full);
        assert_eq!(touched.find_or_insert(Id(3), 3, |_| true), Slot::Known(1));
        assert_eq!(touched.categories_count(), 1);
    }

    #[test]
    fn concentration_is_the_herfindahl_index() {
        let mut touched = Touched::default();
        assert_eq!(touched.concentration(), None);
        for id in [1, 1, 1, 2] {
            assert!(touched.count(Id(id), 2));
        }
        assert_eq!(touched.concentration(), Some(10.0 / 16.0));
        assert!(!touched.count(Id(3), 2));
        assert_eq!(touched.categories_count(), 2);
    }

    /// Against lists of the library. Items and categories share ids, as they do in logs with numbers,
    /// and an id may have an empty half.
    #[test]
    fn the_table_holds_what_two_lists_hold() {
        let id = |n: u64| Id(if n.is_multiple_of(3) { n << 32 } else { n });
        let mut touched = Touched::default();
        let (mut items, mut categories) = (Vec::<(Id, u32)>::new(), Vec::<(Id, u32)>::new());
        for step in 0..3_000u64 {
            let met = id(mix(step) % 60 + 1);
            if mix(!step).is_multiple_of(3) {
                let is_known = categories.iter().any(|(known, _)| *known == met);
                let fits = is_known || categories.len() < 20;
                match categories.iter_mut().find(|(known, _)| *known == met) {
                    Some((_, count)) => *count += 1,
                    None if fits => categories.push((met, 1)),
                    None => {}
                }
                assert_eq!(touched.count(met, 20), fits);
            } else {
                let slot = touched.find_or_insert(met, 40, |id| id.0 % 2 == 1);
                let known = items.iter().position(|(known, _)| *known == met);
                let at = known.or_else(|| {
                    if items.len() == 40 {
                        let oldest = items.iter().position(|(id, _)| id.0 % 2 == 0);
                        items.remove(oldest.filter(|_| slot != Slot::Full)?);
                    }
                    items.push((met, 0));
                    Some(items.len() - 1)
                });
                if let Some(at) = at {
                    items[at].1 += 1;
                    assert_eq!(touched.view(at), items[at].1);
                }
            }
            assert!(touched.items().eq(items.iter().copied()));
            assert!(touched.categories().eq(categories.iter().copied()));
            assert_eq!(touched.categories_count(), categories.len());
            let rows = items.len() + categories.len();
            assert!(touched.bytes() <= size_of::<Row>() * (rows * 5 / 4).max(1));
        }
        assert!(items.len() > 30 && categories.len() == 20);
        let again = Touched::of(touched.items(), categories.into_iter());
        assert!(again.items().eq(touched.items()));
        assert!(again.categories().eq(touched.categories()));
    }
}
