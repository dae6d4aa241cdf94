//! Products on the page: what is for sale, and which of it a visit is shown in which order.
//!
//! [`catalogue`] is what the shop says of its items over time; [`shelf`] what holds of it now, in the
//! orders that rankers read; [`browsed`] what a visit has done with items; [`list`] makes a list of
//! them.

pub mod browsed;
pub mod catalogue;
pub mod list;
pub mod shelf;

#[cfg(test)]
mod testing {
    use crate::event::{
        ArrivalMs, Device, Event, EventMs, Id, Kind, Lane, Micros, Offset, VisitorId,
    };

    /// An event on one unit of an item.
    pub(super) fn event(kind: Kind, item: Id) -> Event {
        Event {
            arrival: ArrivalMs(0),
            time: EventMs(0),
            offset: Offset(0),
            line: 1,
            visitor: VisitorId(1),
            session: Id::NONE,
            item,
            category: Id::NONE,
            event_id: Id::NONE,
            price: Micros::NONE,
            value: Micros::NONE,
            quantity: 1,
            lane: Lane(0),
            kind,
            device: Device::Unknown,
        }
    }
}
