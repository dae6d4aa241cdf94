//! What visitors did that shoppers rarely do: buy without a cart, or act faster than people can.
//!
//! A visitor's visit ends after half an hour without an event, or when its time falls back by as
//! much. Busy is who has more than 300 events in a minute; minutes follow one another, each
//! beginning with an event of the visitor.
//!
//! Limit: the latest 2¹⁹ visitors are certain to be remembered. One that is forgotten and comes
//! again begins a new visit, so purchases without a cart may then be counted too high.

use super::finding::{Finding, Place};
use super::recent::Recent;
use super::report::Busy;
use super::{BUSY_EVENTS_A_MINUTE, SESSION_IDLE_MS, VISITORS_WINDOW};
use crate::event::{Kind, hash_text};
use crate::format::RawEvent;

#[derive(Default)]
struct Visitor {
    last_ms: u64,
    /// When the minute began in which its events are counted.
    minute_ms: u64,
    events_in_minute: u32,
    has_cart: bool,
    /// Its number among the busy ones, from 1; 0 where it is not.
    busy: u32,
}

/// What the visitors' rows show.
pub(super) struct VisitorCheck {
    visitors: Recent<Visitor>,
    pub(super) purchases: u64,
    pub(super) without_cart: Finding,
    pub(super) busy_count: u64,
    /// The first of the busy ones.
    pub(super) busy: Vec<Busy>,
}

impl VisitorCheck {
    pub(super) fn new() -> VisitorCheck {
        VisitorCheck {
            visitors: Recent::new(VISITORS_WINDOW),
            purchases: 0,
            without_cart: Finding::default(),
            busy_count: 0,
            busy: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, event: &RawEvent<'_>, place: Place, places_max: usize) {
        let now_ms = event.event_ms;
        let visitor = self.visitors.of(hash_text(event.visitor));
        if now_ms.abs_diff(visitor.last_ms) > SESSION_IDLE_MS {
            visitor.has_cart = false;
        }
        visitor.last_ms = now_ms;
        match event.kind {
            Kind::AddToCart => visitor.has_cart = true,
            Kind::Purchase => {
                self.purchases += 1;
                if !visitor.has_cart {
                    self.without_cart.add(place, places_max);
                }
            }
            _ => {}
        }
        if now_ms.abs_diff(visitor.minute_ms) >= 60_000 {
            visitor.minute_ms = now_ms;
            visitor.events_in_minute = 0;
        }
        visitor.events_in_minute = visitor.events_in_minute.saturating_add(1);
        if visitor.events_in_minute > BUSY_EVENTS_A_MINUTE {
            if visitor.busy == 0 {
                self.busy_count += 1;
                visitor.busy = u32::try_from(self.busy_count).unwrap_or(u32::MAX);
                if self.busy.len() < places_max {
                    self.busy.push(Busy {
                        visitor: String::from_utf8_lossy(event.visitor).into_owned(),
                        events_in_a_minute: 0,
                        place,
                    });
                }
            }
            if let Some(busy) = self.busy.get_mut(visitor.busy as usize - 1) {
                busy.events_in_a_minute = busy.events_in_a_minute.max(visitor.events_in_minute);
            }
        }
    }

    /// Visitors forgotten on the way.
    pub(super) fn forgotten(&self) -> u64 {
        self.visitors.forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_600_000_000_000 / 60_000 * 60_000;

    fn place(line: u64) -> Place {
        Place {
            line,
            byte: 0,
            ms: None,
        }
    }

    #[test]
    fn a_cart_counts_for_its_visit_only() {
        let mut check = VisitorCheck::new();
        let rows = [
            (0, Kind::AddToCart, "ann"),
            (1000, Kind::Purchase, "ann"),
            (2000, Kind::Purchase, "ben"),
            (1000 + SESSION_IDLE_MS, Kind::Purchase, "ann"),
            (1001 + 2 * SESSION_IDLE_MS, Kind::Purchase, "ann"),
        ];
        for (line, (ms, kind, visitor)) in rows.into_iter().enumerate() {
            let event = RawEvent::new(T + ms, kind, visitor.as_bytes());
            check.row(&event, place(line as u64 + 1), 5);
        }
        let lines: Vec<_> = check.without_cart.places.iter().map(|p| p.line).collect();
        assert_eq!((check.purchases, &lines[..]), (4, &[3, 5][..]));
    }

    #[test]
    fn busy_visitors_are_named_once_with_their_busiest_minute() {
        let mut check = VisitorCheck::new();
        let minutes = [(0, 300), (1, 301), (2, 400), (3, 10)];
        for (minute, events) in minutes {
            for n in 0..events {
                let event = RawEvent::new(T + minute * 60_000 + n, Kind::ItemView, b"robot");
                check.row(&event, place(minute * 1000 + n), 5);
            }
        }
        assert_eq!((check.busy_count, check.busy.len()), (1, 1));
        assert_eq!(check.busy[0].visitor, "robot");
        assert_eq!(check.busy[0].events_in_a_minute, 400);
        assert_eq!(check.busy[0].place.line, 1300);
    }
}
