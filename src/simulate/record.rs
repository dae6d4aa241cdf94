//! One event of the simulated shop: integers, the truth behind them, and their text on demand.
//!
//! A [`SimEvent`] is copied about while it waits to arrive; its ids become text only in
//! [`SimEvent::raw`], in a [`Scratch`] that is reused, so that a writer allocates nothing per
//! event. Invariant: texts of different visitors, visits, items and events differ, and all are
//! within the limits of [`crate::event`].

use super::catalogue::{CategoryNo, ItemNo};
use super::intent::Intent;
use crate::event::{Device, Kind, Micros};
use crate::format::RawEvent;

/// The number of a visitor, from 0, in the order in which they were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VisitorNo(pub u64);

/// The number of a visit, from 0, in the order in which visits began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VisitNo(pub u64);

/// A page of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// `/`
    Home,
    /// `/info`: delivery, returns, about us.
    Info,
    /// `/c/N`: the products of a category.
    List(CategoryNo),
    /// `/search?q=wN`: found by a word that leads to one category.
    Search(CategoryNo),
    /// `/p/N`
    Item(ItemNo),
    /// `/cart`
    Cart,
    /// `/checkout`
    Checkout,
    /// `/thanks`: after an order.
    Thanks,
    /// No page: what the shop itself notes, such as a refund.
    Nowhere,
}

/// What went wrong on an event's way into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It arrived seconds to an hour late.
    Late,
    /// It arrived more than an hour late.
    VeryLate,
    /// Its clock was ahead: it claims to have happened after it arrived.
    Ahead,
    /// It is the second copy of an event sent before.
    Duplicate,
}

/// What only the simulator knows, for those who judge a model or a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// What the shopper is up to from this event on; of a bot, always browsing.
    pub intent: Intent,
    /// Whether a program made the visit.
    pub bot: bool,
    /// Visits that the visitor made before this one.
    pub earlier_visits: u32,
    /// What went wrong on the way.
    pub fault: Fault,
}

/// What a guest does: an event without who, when and where from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// What was done.
    pub kind: Kind,
    /// On which page.
    pub page: Page,
    /// With which item.
    pub item: Option<ItemNo>,
    /// In which category.
    pub category: Option<CategoryNo>,
    /// Unit price of the item.
    pub price: Micros,
    /// The kind's own number.
    pub value: Micros,
    /// Units; 0 where the kind has none.
    pub quantity: u32,
}

impl Act {
    /// An act with neither item nor number.
    pub fn new(kind: Kind, page: Page) -> Act {
        Act {
            kind,
            page,
            item: None,
            category: None,
            price: Micros::NONE,
            value: Micros::NONE,
            quantity: 0,
        }
    }
}

/// One event as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimEvent {
    /// When it arrived; ms since 1970. Never falls from event to event.
    pub arrival_ms: u64,
    /// When the shopper did it, by the shopper's clock; ms since 1970.
    pub event_ms: u64,
    /// Who.
    pub visitor: VisitorNo,
    /// In which visit; of a refund, the visit of the order.
    pub visit: VisitNo,
    /// Number of the event; the copies of one event share it.
    pub number: u64,
    /// What.
    pub act: Act,
    /// What only the simulator knows.
    pub truth: Truth,
}

/// Room for the text of one event, reused from event to event.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    text: Vec<u8>,
}

impl SimEvent {
    /// The event as a log gives it, its ids written into `scratch`.
    ///
    /// A refund has no session and no page: nobody was in the shop when it was booked.
    pub fn raw<'a>(&self, scratch: &'a mut Scratch) -> RawEvent<'a> {
        let text = &mut scratch.text;
        text.clear();
        let act = &self.act;
        push_hex(text, b"v", veil(self.visitor));
        let visitor_end = text.len();
        if act.kind != Kind::Refund {
            push_number(text, b"s", self.visit.0);
        }
        let session_end = text.len();
        if let Some(item) = act.item {
            push_number(text, b"i", u64::from(item.0));
        }
        let item_end = text.len();
        if let Some(category) = act.category {
            push_number(text, b"c", u64::from(category.0));
        }
        let category_end = text.len();
        push_page(text, act.page);
        let page_end = text.len();
        push_number(text, b"e", self.number);
        RawEvent {
            at: 0,
            arrival_ms: Some(self.arrival_ms),
            event_ms: self.event_ms,
            kind: act.kind,
            visitor: &text[..visitor_end],
            session: &text[visitor_end..session_end],
            item: &text[session_end..item_end],
            category: &text[item_end..category_end],
            page: &text[category_end..page_end],
            event_id: &text[page_end..],
            price: act.price,
            value: act.value,
            quantity: act.quantity,
            device: Device::Unknown,
        }
    }
}

/// Hides the order of visitors behind a bijection of 40 bits: an odd factor and a shift of bits.
fn veil(visitor: VisitorNo) -> u64 {
    const MASK: u64 = (1 << 40) - 1;
    let x = visitor.0.wrapping_mul(0x9e_3779_b97f) & MASK;
    (x ^ (x >> 20)).wrapping_mul(0xbf_5847_6d1d) & MASK
}

fn push_number(text: &mut Vec<u8>, prefix: &[u8], number: u64) {
    text.extend_from_slice(prefix);
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Ten hexadecimal digits.
fn push_hex(text: &mut Vec<u8>, prefix: &[u8], number: u64) {
    text.extend_from_slice(prefix);
    let digit = |place: u64| b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
    text.extend((0..10).rev().map(digit));
}

fn push_page(text: &mut Vec<u8>, page: Page) {
    match page {
        Page::Home => text.extend_from_slice(b"/"),
        Page::Info => text.extend_from_slice(b"/info"),
        Page::List(category) => push_number(text, b"/c/", u64::from(category.0)),
        Page::Search(category) => push_number(text, b"/search?q=w", u64::from(category.0)),
        Page::Item(item) => push_number(text, b"/p/", u64::from(item.0)),
        Page::Cart => text.extend_from_slice(b"/cart"),
        Page::Checkout => text.extend_from_slice(b"/checkout"),
        Page::Thanks => text.extend_from_slice(b"/thanks"),
        Page::Nowhere => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(kind: Kind, page: Page) -> SimEvent {
        SimEvent {
            arrival_ms: 2_000,
            event_ms: 1_000,
            visitor: VisitorNo(1),
            visit: VisitNo(17),
            number: 99,
            act: Act {
                item: Some(ItemNo(5)),
                category: Some(CategoryNo(6)),
                ..Act::new(kind, page)
            },
            truth: Truth {
                intent: Intent::Browsing,
                bot: false,
                earlier_visits: 0,
                fault: Fault::None,
            },
        }
    }

    #[test]
    fn texts_are_cut_apart_where_they_end() {
        let mut scratch = Scratch::default();
        let event = sample(Kind::ItemView, Page::Item(ItemNo(5)));
        let raw = event.raw(&mut scratch);
        assert_eq!(raw.visitor.len(), 11);
        assert_eq!(raw.visitor[0], b'v');
        assert_eq!(raw.session, b"s17");
        assert_eq!(raw.item, b"i5");
        assert_eq!(raw.category, b"c6");
        assert_eq!(raw.page, b"/p/5");
        assert_eq!(raw.event_id, b"e99");
        assert_eq!((raw.arrival_ms, raw.event_ms), (Some(2_000), 1_000));
    }

    #[test]
    fn a_refund_belongs_to_no_session() {
        let mut scratch = Scratch::default();
        let raw_event = sample(Kind::Refund, Page::Nowhere);
        let raw = raw_event.raw(&mut scratch);
        assert_eq!((raw.session, raw.page), (&b""[..], &b""[..]));
    }

    #[test]
    fn visitors_stay_apart_behind_the_veil() {
        let mut veiled: Vec<u64> = (0..100_000).map(|n| veil(VisitorNo(n))).collect();
        assert!(veiled.windows(2).any(|w| w[1] < w[0]));
        veiled.sort_unstable();
        veiled.dedup();
        assert_eq!(veiled.len(), 100_000);
    }
}
