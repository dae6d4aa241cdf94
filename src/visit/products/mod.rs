//! Products on the page: what is for sale, and which of it a visit is shown in which order.
//!
//! [`catalogue`] is what the shop says of its items over time; [`shelf`] what holds of it now, in the
//! orders that rankers read; [`browsed`] what a visit has done with items; [`propose`] says what each
//! ranker proposes, [`list`] makes a list of it.

pub mod browsed;
pub mod catalogue;
pub mod list;
pub mod propose;
pub mod shelf;

#[cfg(test)]
mod testing {
    use crate::event::testing::page_view;
    use crate::event::{Event, Id, Kind};

    /// An event on one unit of an item.
    pub(super) fn event(kind: Kind, item: Id) -> Event {
        Event {
            item,
            quantity: 1,
            kind,
            ..page_view()
        }
    }
}
