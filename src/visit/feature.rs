//! The features of a session, in one table: name, unit, definition, source, range, value.
//!
//! The order of the table is the order of every feature vector. A value is read off the session's
//! integers on demand; a feature that does not exist yet (a mean of nothing) is NaN, "missing".
//! Models treat missing as average, rules treat it as "does not hold". Cost: about 40 ns for all.
//!
//! `now` is the latest event time of the session, or the deadline of a timer.

use super::counters::Of;
use super::session::Session;
use crate::event::{EventMs, Kind};

/// One feature.
#[derive(Debug)]
pub struct Feature {
    /// Name, as in models, policies and stories.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// What it is, in one line.
    pub definition: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Least and greatest value it can take.
    pub range: (f64, f64),
}

macro_rules! features {
    ($($name:ident, $unit:literal, $range:expr, $source:expr, $definition:literal, |$s:pat_param, $now:pat_param| $value:expr;)*) => {
        /// All features, in the order of the vector.
        pub const FEATURES: &[Feature] = &[$(Feature {
            name: stringify!($name),
            unit: $unit,
            definition: $definition,
            source: $source,
            range: $range,
        }),*];

        /// Number of features.
        pub const FEATURE_COUNT: usize = FEATURES.len();

        /// Reads all features off a session.
        pub fn fill(session: &Session, now: EventMs, out: &mut Vector) {
            let mut at = 0;
            $({
                let ($s, $now) = (session, now);
                out[at] = $value;
                at += 1;
            })*
            debug_assert_eq!(at, FEATURE_COUNT);
        }
    };
}

/// One value per feature.
pub type Vector = [f64; FEATURE_COUNT];

const ANY: (f64, f64) = (0.0, f64::INFINITY);
const MOE: &str = "Moe 2003, J. Consumer Psychology 13";
const SAKAR: &str = "Sakar et al. 2019, Neural Computing and Applications 31";
const MONTGOMERY: &str = "Montgomery et al. 2004, Marketing Science 23";
const SISMEIRO: &str = "Sismeiro, Bucklin 2004, J. Marketing Research 41";
const ROMOV: &str = "Romov, Sokolov 2015, RecSys Challenge";
const BUCKLIN: &str = "Bucklin, Sismeiro 2003, J. Marketing Research 40";
const KUKAR: &str = "Kukar-Kinney, Close 2010, J. Academy of Marketing Science 38";
const POEL: &str = "Van den Poel, Buckinx 2005, European J. Operational Research 166";
const GU: &str = "Gu et al. 2020, WSDM (JD micro-behaviours)";
const LAGUN: &str = "Lagun, Lalmas 2016, WSDM";
const HIRSCHMAN: &str = "Hirschman 1964, American Economic Review 54";

features! {
    events, "events", (1.0, f64::INFINITY), MONTGOMERY,
        "events of any kind so far", |s, _| f64::from(s.events);
    page_views, "events", ANY, SAKAR,
        "pages opened that are neither list nor product", |s, _| n(s, Kind::PageView);
    list_views, "events", ANY, MOE,
        "product lists opened", |s, _| n(s, Kind::ListView);
    item_views, "events", ANY, MOE,
        "product pages opened", |s, _| n(s, Kind::ItemView);
    clicks, "events", ANY, ROMOV,
        "clicks and favourites", |s, _| n(s, Kind::Click);
    searches, "events", ANY, MOE,
        "searches made", |s, _| n(s, Kind::Search);
    cart_adds, "events", ANY, SISMEIRO,
        "additions to the cart", |s, _| n(s, Kind::AddToCart);
    cart_removes, "events", ANY, KUKAR,
        "removals from the cart", |s, _| n(s, Kind::RemoveFromCart);
    cart_views, "events", ANY, KUKAR,
        "looks at the cart", |s, _| n(s, Kind::ViewCart);
    checkouts, "events", ANY, SISMEIRO,
        "times the checkout was entered", |s, _| n(s, Kind::BeginCheckout);
    purchases, "events", ANY, POEL,
        "orders placed in this session", |s, _| n(s, Kind::Purchase);
    exit_intents, "events", ANY, KUKAR,
        "times the pointer left towards closing", |s, _| n(s, Kind::ExitIntent);
    distinct_items, "items", ANY, MOE,
        "different items touched", |s, _| f64::from(s.counters.get(Of::DistinctItems));
    distinct_categories, "categories", ANY, MOE,
        "different categories touched", |s, _| s.touched.categories_count() as f64;
    repeat_views, "events", ANY, MOE,
        "product pages opened that had been open before", |s, _| f64::from(s.counters.get(Of::RepeatViews));
    views_of_one_item_max, "events", ANY, ROMOV,
        "most views of a single item", |s, _| f64::from(s.counters.get(Of::ViewsOfOneItemMax));
    dwell_sum, "s", ANY, SAKAR,
        "time spent, as dwell events report it", |s, _| units(s.dwell_sum());
    dwell_mean, "s", ANY, GU,
        "mean of the dwell events", |s, _| ratio(units(s.dwell_sum()), s.counters.get(Of::Dwells));
    dwell_max, "s", ANY, GU,
        "longest dwell event", |s, _| units(s.dwell_max());
    scroll_mean, "depth", (0.0, 1.0), LAGUN,
        "mean scroll depth", |s, _| ratio(units(s.scroll_sum()), s.counters.get(Of::Scrolls));
    scroll_max, "depth", (0.0, 1.0), LAGUN,
        "greatest scroll depth", |s, _| units(s.scroll_max());
    cart_size, "units", ANY, SISMEIRO,
        "units in the cart", |s, _| f64::from(s.cart().units);
    cart_value, "currency", ANY, KUKAR,
        "worth of the cart at the prices when added", |s, _| units(s.cart().value);
    cart_age, "s", ANY, KUKAR,
        "time since the cart was last empty; 0 while it is", |s, now| since_or(s.cart().since, now, 0.0);
    cart_churn, "ratio", ANY, KUKAR,
        "units taken out of the cart per unit put in", |s, _| ratio(f64::from(s.cart().units_removed), s.cart().units_added);
    views_per_cart_add, "ratio", ANY, MOE,
        "product views per addition to the cart", |s, _| ratio(n(s, Kind::ItemView), s.count(Kind::AddToCart));
    gap_last, "s", ANY, ROMOV,
        "time between the last two events", |s, _| seconds(s.gap_last());
    gap_mean, "s", ANY, ROMOV,
        "mean time between events", |s, _| ratio(seconds(s.last.0.saturating_sub(s.start.0)), s.events - 1);
    gap_weighted, "s", ANY, ROMOV,
        "exponentially weighted time between events, 0.3 on the newest", |s, _| if s.events > 1 { s.gap_weighted_ms() / 1000.0 } else { f64::NAN };
    since_start, "s", ANY, SAKAR,
        "time since the session began", |s, now| seconds(now.0.saturating_sub(s.start.0));
    since_cart_add, "s", ANY, KUKAR,
        "time since the last addition to the cart", |s, now| since_or(s.cart().last_add, now, f64::NAN);
    events_since_cart_add, "events", ANY, KUKAR,
        "events since the last addition to the cart", |s, _| if s.counters.get(Of::CartAddEvent) == 0 { f64::NAN } else { f64::from(s.events - s.counters.get(Of::CartAddEvent)) };
    cart_item_events, "events", ANY, KUKAR,
        "events on items that were in the cart already", |s, _| f64::from(s.counters.get(Of::CartItemEvents));
    cart_item_in_focus, "yes", (0.0, 1.0), KUKAR,
        "1 while the latest item touched is in the cart", |s, _| f64::from(u8::from(s.cart_item_in_focus));
    active_time, "s", ANY, BUCKLIN,
        "time between events, no gap counting for more than ten minutes", |s, _| seconds(s.active_ms());
    category_concentration, "index", (0.0, 1.0), HIRSCHMAN,
        "Herfindahl–Hirschman index of the categories touched", |s, _| s.touched.concentration().unwrap_or(f64::NAN);
    price_seen, "currency", ANY, ROMOV,
        "mean price of the product views", |s, _| ratio(units(s.price_seen_sum), s.counters.get(Of::PricedViews));
    price_in_cart, "currency", ANY, KUKAR,
        "mean unit price put into the cart", |s, _| ratio(units(s.cart().price_sum), s.cart().priced_units);
    hour_of_day, "h", (0.0, 24.0), ROMOV,
        "hour of the day, UTC, with fraction", |_, now| (now.0 % DAY_MS) as f64 / 3_600_000.0;
    day_of_week, "day", (0.0, 6.0), SAKAR,
        "day of the week, UTC, Monday 0", |_, now| ((now.0 / DAY_MS + 3) % 7) as f64;
    prior_sessions, "sessions", ANY, POEL,
        "sessions of the visitor before this one", |s, _| f64::from(s.history().sessions);
    prior_purchases, "events", ANY, POEL,
        "orders placed in earlier sessions", |s, _| f64::from(s.history().purchases);
    prior_abandoned_carts, "sessions", ANY, KUKAR,
        "earlier sessions that left a cart behind", |s, _| f64::from(s.history().abandoned_carts);
    days_since_visit, "days", ANY, POEL,
        "days between the last session and this one", |s, _| if s.history().returning() { s.start.0.saturating_sub(s.history().last.0) as f64 / DAY_MS as f64 } else { f64::NAN };
}

/// The features that move with every event, as good as always. A model that uses one of them is
/// asked for new scores at every event.
pub const RESTLESS: [&str; 7] = [
    "events",
    "gap_last",
    "gap_mean",
    "gap_weighted",
    "since_start",
    "active_time",
    "hour_of_day",
];

const DAY_MS: u64 = 86_400_000;

fn n(session: &Session, kind: Kind) -> f64 {
    f64::from(session.count(kind))
}

fn units(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

fn ratio(sum: f64, count: u32) -> f64 {
    if count == 0 {
        f64::NAN
    } else {
        sum / f64::from(count)
    }
}

fn since_or(since: EventMs, now: EventMs, absent: f64) -> f64 {
    if since == EventMs(0) {
        absent
    } else {
        seconds(now.0.saturating_sub(since.0))
    }
}

/// The place of a feature in the vector.
pub fn index_of(name: &str) -> Option<usize> {
    FEATURES.iter().position(|feature| feature.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::event::testing::page_view;
    use crate::visit::session::SessionLimits;

    #[test]
    fn names_are_unique_and_documented() {
        for (index, feature) in FEATURES.iter().enumerate() {
            assert_eq!(index_of(feature.name), Some(index));
            assert!(!feature.definition.is_empty() && !feature.source.is_empty());
        }
    }

    /// In a session of page views and searches at uneven times, the restless features move with
    /// every event and every other one stands still at some event.
    #[test]
    fn the_restless_features_are_those_that_move_with_every_event() {
        let limits = SessionLimits {
            items_max: 10,
            categories_max: 10,
        };
        let mut session = Session::default();
        session.begin(EventMs(1_767_571_200_000), Default::default());
        let (mut moved, mut before): (_, Vector) = ([0; FEATURE_COUNT], [0.0; FEATURE_COUNT]);
        for (number, at) in [0, 4_000, 9_000, 11_000, 30_000].into_iter().enumerate() {
            let event = Event {
                time: EventMs(1_767_571_200_000 + at),
                kind: [Kind::PageView, Kind::Search][number % 2],
                ..page_view()
            };
            session.observe(&event, &limits);
            let mut after = [0.0; FEATURE_COUNT];
            fill(&session, session.last, &mut after);
            for (moved, (one, other)) in moved.iter_mut().zip(before.iter().zip(after)) {
                *moved += u32::from(number > 0 && one.to_bits() != other.to_bits());
            }
            before = after;
        }
        for (feature, moved) in FEATURES.iter().zip(moved) {
            let restless = RESTLESS.contains(&feature.name);
            assert_eq!(restless, moved == 4, "{} moved {moved} times", feature.name);
        }
    }

    #[test]
    fn time_of_day_and_week_start_where_they_should() {
        // 2026-01-05 was a Monday.
        let monday = EventMs(1_767_571_200_000);
        let mut session = Session::default();
        session.begin(monday, Default::default());
        session.events = 1;
        let mut vector = [0.0; FEATURE_COUNT];
        fill(&session, monday, &mut vector);
        assert_eq!(vector[index_of("day_of_week").unwrap()], 0.0);
        assert_eq!(vector[index_of("hour_of_day").unwrap()], 0.0);
        fill(
            &session,
            EventMs(monday.0 + 6 * DAY_MS + 5_400_000),
            &mut vector,
        );
        assert_eq!(vector[index_of("day_of_week").unwrap()], 6.0);
        assert_eq!(vector[index_of("hour_of_day").unwrap()], 1.5);
        assert!(vector[index_of("gap_mean").unwrap()].is_nan());
    }
}
