//! Who is taken for a bot: what a session did that people do not do, and the rules that rule it out.
//!
//! Three rules, all of them arithmetic that anybody can redo by hand over a session's events:
//!
//! * **rate**: `events_min` events or more, faster than `events_per_minute` of active time;
//! * **no dwell**: `views_without_dwell` item views in a row, each left for another item within less
//!   than `dwell_min` with nothing done on it. A scroll, click, search, cart event, or a dwell of
//!   `dwell_min` shows a person and ends the row; page and list views in between do not;
//! * **gaps**: `gaps` actions in a row, each less than `gap_min` after the one before. An action is
//!   what a person does by hand; what pages send by themselves (scroll, dwell, impression) is none.
//!   Rows of one basket or order, which share their time and kind, are one action.
//!
//! A rule whose number is 0 is off. The verdict falls at the very event at which a rule first holds
//! and stands from then on. An event that is told late, with a time before the latest, says nothing
//! about the pace: it neither adds to a row nor ends one by its gap.
//!
//! [`Pace`] keeps two rows as saturating counters, so it is a pure function of the session's events
//! and of the two times in [`Since`], which the visit keeps with its others. Cost: 24 bytes a session, and a
//! few comparisons an event, which a replay of a million events does not show.

use super::session::Session;
use crate::event::{Event, EventMs, Id, Kind};
use serde::{Deserialize, Serialize};

/// Who is taken for a bot, as a policy's `[bots]` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bots {
    /// Events a minute of active time; 0 turns the rule off.
    pub per_minute: u64,
    /// Events from which on the rate is looked at.
    pub events_min: u64,
    /// Item views in a row without dwell; 0 turns the rule off.
    pub views_max: u16,
    /// An item left sooner than this, in ms, was not looked at.
    pub dwell_min_ms: u64,
    /// Actions in a row that followed each other too fast; 0 turns the rule off.
    pub gaps_max: u16,
    /// Faster than this, in ms, no person acts.
    pub gap_min_ms: u64,
    /// Whether a bot's earlier sessions were a bot's, too, and later ones are.
    pub earlier: bool,
}

/// A rule that tells bots from people, by its place in [`Rule::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Rule {
    /// More events a minute than people make.
    Rate,
    /// Items left before anybody could have looked at them.
    NoDwell,
    /// Actions that follow each other faster than people act.
    Gaps,
    /// The visitor was found to be a bot in an earlier session.
    Known,
}

/// Number of rules.
pub const RULE_COUNT: usize = 4;

/// A session is a bot's: by which rule, and with which figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By its rate.
    Rate {
        /// Events of the session.
        events: u64,
        /// Its active time in ms.
        active_ms: u64,
        /// Most events a minute that people are believed to make.
        per_minute: u64,
    },
    /// By items left at once.
    NoDwell {
        /// Item views in a row.
        views: u16,
        /// Sooner than this, in ms.
        dwell_min_ms: u64,
    },
    /// By gaps that nobody can keep up.
    Gaps {
        /// Gaps in a row.
        gaps: u16,
        /// Shorter than this, in ms.
        gap_min_ms: u64,
    },
}

/// How fast a session goes on: the rows of item views without dwell and of gaps too short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// The item in view.
    pub(super) item: Id,
    /// What the latest action was.
    pub(super) kind: Option<Kind>,
    pub(super) views: u16,
    pub(super) gaps: u16,
}

/// The times that [`Pace`] goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Since when the item is in view; 0 while there is none.
    pub view: EventMs,
    /// When the latest action was; 0 before the first.
    pub action: EventMs,
}

impl Rule {
    /// All rules, in the order in which they are asked.
    pub const ALL: [Rule; RULE_COUNT] = [Rule::Rate, Rule::NoDwell, Rule::Gaps, Rule::Known];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Rate => "rate",
            Rule::NoDwell => "no_dwell",
            Rule::Gaps => "gaps",
            Rule::Known => "known",
        }
    }
}

impl Default for Bots {
    fn default() -> Self {
        Bots {
            per_minute: 60,
            events_min: 60,
            views_max: 30,
            dwell_min_ms: 1_000,
            gaps_max: 20,
            gap_min_ms: 100,
            earlier: true,
        }
    }
}

impl Bots {
    /// The verdict on a session as it is now: by the first rule that holds, if any does.
    #[inline]
    pub fn verdict(&self, session: &Session, pace: &Pace) -> Option<Verdict> {
        let (events, active_ms) = (u64::from(session.events), session.active_ms());
        if self.per_minute > 0
            && events >= self.events_min
            && events * 60_000 > self.per_minute * active_ms.max(1)
        {
            return Some(Verdict::Rate {
                events,
                active_ms,
                per_minute: self.per_minute,
            });
        }
        if self.views_max > 0 && pace.views >= self.views_max {
            return Some(Verdict::NoDwell {
                views: pace.views,
                dwell_min_ms: self.dwell_min_ms,
            });
        }
        (self.gaps_max > 0 && pace.gaps >= self.gaps_max).then_some(Verdict::Gaps {
            gaps: pace.gaps,
            gap_min_ms: self.gap_min_ms,
        })
    }
}

impl Verdict {
    /// The rule that holds.
    pub fn rule(&self) -> Rule {
        match self {
            Verdict::Rate { .. } => Rule::Rate,
            Verdict::NoDwell { .. } => Rule::NoDwell,
            Verdict::Gaps { .. } => Rule::Gaps,
        }
    }

    /// What was found, in words.
    pub fn words(&self) -> String {
        match self {
            Verdict::Rate {
                events,
                active_ms,
                per_minute,
            } => format!(
                "{events} events in {} of active time, more than {per_minute} a minute",
                time(*active_ms)
            ),
            Verdict::NoDwell {
                views,
                dwell_min_ms,
            } => format!(
                "{views} item views in a row left within {}",
                time(*dwell_min_ms)
            ),
            Verdict::Gaps { gaps, gap_min_ms } => format!(
                "{gaps} actions in a row within {} of the one before",
                time(*gap_min_ms)
            ),
        }
    }
}

impl Pace {
    /// Takes the session's next event in canonical order.
    #[inline]
    pub fn observe(&mut self, since: &mut Since, event: &Event, bots: &Bots) {
        match event.kind {
            Kind::ItemView => self.view(since, event, bots.dwell_min_ms),
            // Pages that are passed through on the way to the next item.
            Kind::PageView | Kind::ListView => {}
            Kind::Dwell if shorter(event, bots.dwell_min_ms) => return,
            Kind::Scroll | Kind::Dwell => return self.stay(since),
            Kind::Impression | Kind::ExitIntent | Kind::Refund | Kind::Consent | Kind::Erase => {
                return;
            }
            _ => self.stay(since),
        }
        self.act(since, event, bots.gap_min_ms);
    }

    /// Something was done with the item in view.
    fn stay(&mut self, since: &mut Since) {
        (since.view, self.views) = (EventMs(0), 0);
    }

    fn view(&mut self, since: &mut Since, event: &Event, dwell_min_ms: u64) {
        let open = since.view.0 > 0;
        // The same page again is the same view; one told late was left nobody knows when.
        if open && (event.item == self.item || event.time < since.view) {
            return;
        }
        let quick = open && event.time.0 - since.view.0 < dwell_min_ms;
        self.views = next(self.views, quick);
        (self.item, since.view) = (event.item, event.time);
    }

    fn act(&mut self, since: &mut Since, event: &Event, gap_min_ms: u64) {
        if event.time < since.action || self.is_row_of_one(since, event) {
            return;
        }
        let quick = self.kind.is_some() && event.time.0 - since.action.0 < gap_min_ms;
        self.gaps = next(self.gaps, quick);
        (since.action, self.kind) = (event.time, Some(event.kind));
    }

    /// Whether an event is another row of the basket or the order before it.
    fn is_row_of_one(&self, since: &Since, event: &Event) -> bool {
        let in_rows = matches!(
            event.kind,
            Kind::AddToCart | Kind::RemoveFromCart | Kind::Purchase
        );
        in_rows && self.kind == Some(event.kind) && since.action == event.time
    }
}

/// The length of a row after one more.
fn next(row: u16, goes_on: bool) -> u16 {
    if goes_on { row.saturating_add(1) } else { 0 }
}

/// Whether a dwell says that it was shorter than this.
fn shorter(event: &Event, dwell_min_ms: u64) -> bool {
    let micros = event.value.get();
    micros.is_some_and(|micros| micros < (dwell_min_ms as i64).saturating_mul(1_000))
}

/// A duration as people read it.
fn time(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    let seconds = format!("{:.1}", ms as f64 / 1e3);
    format!("{} s", seconds.trim_end_matches(".0"))
}

#[cfg(test)]
mod tests {
    use super::super::session::SessionLimits;
    use super::*;
    use crate::event::{ArrivalMs, Device, Lane, Micros, Offset, VisitorId};

    fn event(at_ms: u64, kind: Kind, item: u64) -> Event {
        Event {
            arrival: ArrivalMs(at_ms),
            time: EventMs(at_ms),
            offset: Offset(0),
            line: 1,
            visitor: VisitorId(1),
            session: Id::NONE,
            item: Id(item),
            category: Id::NONE,
            event_id: Id::NONE,
            price: Micros::NONE,
            value: Micros::NONE,
            quantity: 0,
            lane: Lane(0),
            kind,
            device: Device::Unknown,
        }
    }

    /// The event, from 1, at which a verdict falls, and the verdict.
    fn found(bots: &Bots, events: &[Event]) -> Option<(usize, Verdict)> {
        let limits = SessionLimits {
            items_max: 16,
            categories_max: 4,
        };
        let (mut session, mut pace) = (Session::default(), Pace::default());
        let mut since = Since::default();
        for (place, event) in events.iter().enumerate() {
            if place == 0 {
                session.begin(event.time, Default::default());
            }
            pace.observe(&mut since, event, bots);
            session.observe(event, &limits);
            if let Some(verdict) = bots.verdict(&session, &pace) {
                return Some((place + 1, verdict));
            }
        }
        None
    }

    fn only(rule: Rule) -> Bots {
        let all = Bots::default();
        Bots {
            per_minute: if rule == Rule::Rate { 60 } else { 0 },
            views_max: if rule == Rule::NoDwell { 5 } else { 0 },
            gaps_max: if rule == Rule::Gaps { 4 } else { 0 },
            ..all
        }
    }

    const T: u64 = 1_700_000_000_000;

    #[test]
    fn a_bot_is_fast_and_does_not_stop() {
        let bots = Bots {
            events_min: 30,
            ..only(Rule::Rate)
        };
        let at = |gap_ms: u64| (0..40).map(move |n| event(T + n * gap_ms, Kind::Scroll, 1));
        let (place, verdict) = found(&bots, &at(900).collect::<Vec<_>>()).unwrap();
        assert_eq!(
            place, 30,
            "at the first event at which the rate is looked at"
        );
        assert_eq!(
            verdict.words(),
            "30 events in 26.1 s of active time, more than 60 a minute"
        );
        assert_eq!(found(&bots, &at(1_100).collect::<Vec<_>>()), None);
        let off = Bots {
            per_minute: 0,
            ..bots
        };
        assert_eq!(found(&off, &at(0).collect::<Vec<_>>()), None);
    }

    #[test]
    fn items_left_at_once_are_counted_in_a_row() {
        let bots = only(Rule::NoDwell);
        let views = |gap_ms: u64| -> Vec<Event> {
            (0..9)
                .map(|n| event(T + n * gap_ms, Kind::ItemView, 1 + n))
                .collect()
        };
        let (place, verdict) = found(&bots, &views(999)).unwrap();
        // The sixth view leaves the fifth item.
        assert_eq!((place, verdict.rule()), (6, Rule::NoDwell));
        assert_eq!(verdict.words(), "5 item views in a row left within 1 s");
        assert_eq!(
            found(&bots, &views(1_000)),
            None,
            "looked at for long enough"
        );
        assert_eq!(found(&bots, &views(999)[..5]), None);
        let off = Bots {
            views_max: 0,
            ..bots
        };
        assert_eq!(found(&off, &views(0)), None);
    }

    #[test]
    fn whatever_is_done_with_an_item_ends_the_row() {
        let bots = only(Rule::NoDwell);
        let with = |kind, value| {
            let views = (0..12).flat_map(|n| {
                let mut between = event(T + n * 500 + 100, kind, 1 + n);
                between.value = Micros::new(value);
                let view = event(T + n * 500, Kind::ItemView, 1 + n);
                if n == 3 || n == 7 {
                    vec![view, between]
                } else {
                    vec![view]
                }
            });
            found(&bots, &views.collect::<Vec<_>>())
        };
        for kind in [
            Kind::Scroll,
            Kind::Dwell,
            Kind::Click,
            Kind::Search,
            Kind::AddToCart,
            Kind::RemoveFromCart,
            Kind::ViewCart,
            Kind::BeginCheckout,
            Kind::Purchase,
        ] {
            assert_eq!(with(kind, 1_000_000), None, "{kind:?}");
        }
        for kind in [Kind::PageView, Kind::ListView, Kind::Impression] {
            assert_eq!(with(kind, 0).unwrap().0, 7, "{kind:?}");
        }
        assert_eq!(with(Kind::Dwell, 999_999).unwrap().0, 7, "no dwell at all");
    }

    #[test]
    fn a_page_loaded_again_was_not_left() {
        let bots = only(Rule::NoDwell);
        let same: Vec<Event> = (0..50)
            .map(|n| event(T + n * 10, Kind::ItemView, 7))
            .collect();
        assert_eq!(found(&bots, &same), None);
        // Time runs from the first view: 600 ms and 600 ms again are more than a second.
        let twice: Vec<Event> = (0..50)
            .map(|n| event(T + n * 600, Kind::ItemView, 1 + n / 2))
            .collect();
        assert_eq!(found(&bots, &twice), None);
    }

    #[test]
    fn gaps_too_short_are_counted_in_a_row() {
        let bots = only(Rule::Gaps);
        let clicks = |gap_ms: u64| -> Vec<Event> {
            (0..9)
                .map(|n| event(T + n * gap_ms, Kind::Click, 1))
                .collect()
        };
        let (place, verdict) = found(&bots, &clicks(99)).unwrap();
        assert_eq!((place, verdict.rule()), (5, Rule::Gaps));
        assert_eq!(
            verdict.words(),
            "4 actions in a row within 100 ms of the one before"
        );
        assert_eq!(found(&bots, &clicks(100)), None);
        assert_eq!(found(&bots, &clicks(99)[..4]), None);
        let mut stops = clicks(99);
        for late in &mut stops[4..] {
            late.time.0 += 1;
        }
        assert_eq!(found(&bots, &stops).unwrap().0, 9, "the row begins anew");
        let off = Bots {
            gaps_max: 0,
            ..bots
        };
        assert_eq!(found(&off, &clicks(0)), None);
    }

    #[test]
    fn pages_orders_and_late_news_are_not_fast_hands() {
        let bots = only(Rule::Gaps);
        let all_of = |kind| (0..50).map(move |n| event(T + n * 10, kind, 1));
        for kind in [
            Kind::Scroll,
            Kind::Dwell,
            Kind::Impression,
            Kind::ExitIntent,
        ] {
            assert_eq!(found(&bots, &all_of(kind).collect::<Vec<_>>()), None);
        }
        // A basket of fifty goods is ordered with one click.
        for kind in [Kind::AddToCart, Kind::Purchase, Kind::RemoveFromCart] {
            let rows: Vec<Event> = (0..50).map(|n| event(T, kind, n)).collect();
            assert_eq!(found(&bots, &rows), None);
        }
        // A queue that was sent in the wrong order.
        let reversed: Vec<Event> = (0..50)
            .map(|n| event(T - n * 1_500, Kind::ItemView, n))
            .collect();
        assert_eq!(found(&bots, &reversed), None);
        assert_eq!(found(&only(Rule::NoDwell), &reversed), None);
    }

    /// A shopper who opens tabs in bursts, looks at them, and comes back to the list.
    #[test]
    fn somebody_with_many_tabs_is_a_person() {
        let mut events = Vec::new();
        let mut at = T;
        for burst in 0..40 {
            events.push(event(at, Kind::ListView, 0));
            for tab in 0..12 {
                at += 350;
                events.push(event(at, Kind::ItemView, burst * 12 + tab));
            }
            at += 45_000;
            events.push(event(at, Kind::Scroll, burst * 12));
            at += 20_000;
        }
        assert_eq!(found(&Bots::default(), &events), None);
    }
}
