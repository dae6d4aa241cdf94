//! What a session is: when it begins and ends, what is remembered of a visitor between two, what is
//! dropped and what is counted. Scenarios are scripts (`tests/script`); `tests/hesitation.rs` has
//! those of the other timer, and `tests/visitors.rs` holds the same to random crowds.

mod script;

use restage::event::{ArrivalMs, BINS, Id, Kind, TIME_MS_END, TIME_MS_MIN, VisitorId, bin_of};
use restage::visit::visitors::Visitors;
use script::{HELPFUL, Lines, START_MS, Scenario, Told, neighbours, play, rules, searching, with};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A page that never changes, and no hesitation.
const QUIET: &str = r#"
version = 1
hesitation = { after = "0" }
holdout = { share = 0.0 }
[[slot]]
name = "note"
default = "none"
arm = [{ name = "none" }]
"#;

fn quiet() -> Scenario {
    Scenario::new(&rules(QUIET, searching()))
}

#[test]
fn a_gap_of_exactly_idle_stays_in_the_session() {
    quiet().holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         30m v1 page_view
         end
         > 1h v1 ends: idle",
    );
}

#[test]
fn a_gap_one_millisecond_longer_than_idle_ends_the_session_at_its_deadline() {
    quiet().holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         > 30m v1 ends: idle
         30m1ms v1 page_view
         > 30m1ms v1/@30m1ms/0 start browsing
         end
         > 1h1ms v1 ends: idle",
    );
}

#[test]
fn the_clock_alone_ends_a_silent_session_but_only_beyond_the_deadline() {
    quiet().holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         30m clock
         > 30m v1 ends: idle
         30m1ms clock
         5h v1 page_view
         > 5h v1/@5h/0 start browsing",
    );
}

#[test]
fn another_visitors_event_fires_the_timers_before_it() {
    quiet().holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         10m v2 page_view
         > 10m v2/@10m/0 start browsing
         > 30m v1 ends: idle
         35m v2 page_view",
    );
}

#[test]
fn a_gap_in_event_time_ends_a_session_that_the_arrival_clock_kept() {
    quiet().holds(
        "25m v1 page_view late=25m
         > 25m v1/@0s/0 start browsing
         31m v1 page_view
         > 31m v1 ends: idle
         > 31m v1/@31m/0 start browsing",
    );
}

#[test]
fn a_session_may_last_exactly_max_and_no_longer() {
    let policy = with(QUIET, "session = { idle = \"30m\", max = \"1h\" }");
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         20m v1 page_view
         40m v1 page_view
         1h v1 page_view
         1h1ms v1 page_view
         > 1h1ms v1 ends: too long
         > 1h1ms v1/@1h1ms/0 start browsing
         end
         > 1h30m1ms v1 ends: idle",
    );
}

#[test]
fn an_event_time_that_runs_back_folds_with_a_gap_of_zero() {
    let scenario = quiet().showing(&["gap_last", "since_start", "gap_mean"]);
    scenario.holds(
        "10s v1 page_view
         > 10s v1/@10s/0 start browsing
         . gap_last=0 since_start=0 gap_mean=missing
         20s v1 page_view
         . gap_last=10 since_start=10 gap_mean=10
         30s v1 page_view late=25s
         . gap_last=0 since_start=10 gap_mean=5
         40s v1 page_view
         . gap_last=20 since_start=30 gap_mean=10",
    );
}

#[test]
fn sessions_of_the_log_end_when_its_id_changes_and_not_for_want_of_one() {
    let policy = with(QUIET, "session = { source = \"log\" }");
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 page_view session=S
         > 0s v1/S/0 start browsing
         1s v1 refund
         2s v1 page_view session=S
         3s v1 page_view session=T
         > 3s v1 ends: log session
         > 3s v1/T/1 start browsing",
    );
}

#[test]
fn the_logs_session_ids_are_ignored_unless_asked_for() {
    quiet().holds(
        "0s v1 page_view session=S
         > 0s v1/@0s/0 start browsing
         1s v1 page_view session=T
         end
         > 30m1s v1 ends: idle",
    );
}

#[test]
fn silence_ends_a_session_of_the_log_too() {
    let policy = with(QUIET, "session = { source = \"log\" }");
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 page_view session=S
         > 0s v1/S/0 start browsing
         > 30m v1 ends: idle
         31m v1 page_view session=S
         > 31m v1/S/1 start browsing",
    );
}

#[test]
fn a_log_that_comes_back_to_a_session_id_gets_new_decision_ids() {
    let policy = with(QUIET, "session = { source = \"log\" }");
    let rules = rules(&policy, searching());
    let sessions = ["S", "T", "S", "", "S", "T", "U", "S"];
    let events: Vec<Told> = (0..64)
        .map(|n| {
            let gap = if n % 13 == 12 { 2_000_000 } else { 1_000 };
            let at = START_MS + n * gap + (n / 13) * 3_000_000;
            Told::new(at, "v1", Kind::PageView).in_session(sessions[n as usize % 8])
        })
        .scan(0, |last, mut told| {
            told.event.arrival.0 = told.event.arrival.0.max(*last);
            *last = told.event.arrival.0;
            Some(told)
        })
        .collect();
    let (out, _) = play(&rules, &events);
    let ids: BTreeSet<_> = out
        .lines
        .iter()
        .map(|((_, v, s, n), _)| (v, s, n))
        .collect();
    assert!(ids.len() > 20);
    assert_eq!(ids.len(), out.lines.len(), "a decision id twice");
}

#[test]
fn no_two_sessions_of_a_visitor_share_a_number() {
    // The second session's first event is late: by its own time it began with the first.
    quiet().holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         > 30m v1 ends: idle
         31m v1 page_view late=31m
         > 31m v1/@1ms/0 start browsing
         > 1h1m v1 ends: idle
         1h2m v1 page_view late=1h2m
         > 1h2m v1/@2ms/0 start browsing",
    );
}

#[test]
fn a_visitor_is_known_by_what_earlier_sessions_came_to() {
    let shown = [
        "prior_sessions",
        "prior_purchases",
        "prior_abandoned_carts",
        "days_since_visit",
    ];
    let tally = quiet().showing(&shown).holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing
         . prior_sessions=0 prior_purchases=0 prior_abandoned_carts=0 days_since_visit=missing
         > 30m v1 ends: idle
         1d v1 add_to_cart A 10
         > 1d v1/@1d/0 start browsing
         . prior_sessions=1 prior_purchases=0 prior_abandoned_carts=1 days_since_visit=1
         1d1s v1 purchase value=10
         . prior_sessions=1 prior_purchases=0 prior_abandoned_carts=1 days_since_visit=1
         > 1d30m1s v1 ends: idle
         3d12h1s v1 page_view
         > 3d12h1s v1/@3d12h1s/0 start browsing
         . prior_sessions=2 prior_purchases=1 prior_abandoned_carts=1 days_since_visit=2.5
         end
         > 3d12h30m1s v1 ends: idle",
    );
    assert_eq!((tally.visitors, tally.sessions), (1, 3));
    assert_eq!((tally.carts_abandoned, tally.sessions_bought), (1, 1));
}

#[test]
fn a_visitor_is_forgotten_just_beyond_history_keep() {
    let policy = with(QUIET, "limits = { history_keep = \"1d\" }");
    let scenario = Scenario::new(&rules(&policy, searching())).showing(&["prior_sessions"]);
    // The session ends at its label, half an hour after its last event.
    let tally = scenario.holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         . prior_sessions=0
         > 30m v1 ends: idle
         1d30m v1 page_view
         > 1d30m v1/@1d30m/0 start browsing
         . prior_sessions=1
         > 1d1h v1 ends: idle
         2d1h1ms v1 page_view
         > 2d1h1ms v1/@2d1h1ms/0 start browsing
         . prior_sessions=0
         end
         > 2d1h30m1ms v1 ends: idle",
    );
    assert_eq!(tally.visitors, 2, "counted again after being forgotten");
    assert_eq!(tally.limits.histories, 0);
}

#[test]
fn a_resent_event_is_dropped_within_the_window_and_only_there() {
    let tally = quiet().showing(&["events"]).holds(
        "0s v1 page_view id=e1
         > 0s v1/@0s/0 start browsing
         . events=1
         0s v1 page_view id=e1
         > duplicate
         5m v1 page_view
         . events=2
         6m v1 page_view id=e2
         . events=3
         10m v1 page_view id=e1
         > duplicate
         10m1ms v1 page_view id=e1
         . events=4
         10m2ms v2 page_view id=e1
         > 10m2ms v2/@10m2ms/0 start browsing
         . events=1
         end
         > 40m1ms v1 ends: idle",
    );
    assert_eq!((tally.duplicates, tally.accepted()), (2, 5));
}

#[test]
fn a_duplicate_does_not_keep_a_session_alive() {
    let policy = with(QUIET, "limits = { event_ids_keep = \"1h\" }");
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 page_view id=e1
         > 0s v1/@0s/0 start browsing
         20m v1 page_view id=e1
         > duplicate
         > 30m v1 ends: idle
         40m v1 page_view id=e1
         > duplicate
         41m v1 page_view id=e2
         > 41m v1/@41m/0 start browsing",
    );
}

#[test]
fn everything_is_counted_once() {
    let tally = quiet().holds(
        "0s v1 item_view A 10
         > 0s v1/@0s/0 start browsing
         1s v1 add_to_cart A 10 x2
         2s v2 add_to_cart B 4
         > 2s v2/@2s/0 start browsing
         3s v1 purchase A 10 x2
         4s v3 purchase value=7.25
         > 4s v3/@4s/0 start browsing
         5s v3 refund value=7.25
         end
         > 30m3s v1 ends: idle",
    );
    assert_eq!((tally.visitors, tally.sessions), (3, 3));
    assert_eq!((tally.carts_abandoned, tally.sessions_bought), (1, 2));
    assert_eq!(tally.revenue, 27_250_000);
    assert_eq!((tally.decisions, tally.changes), (3, 0));
    assert_eq!(tally.kind(Kind::Purchase), 2);
    assert_eq!(tally.kind(Kind::AddToCart), 2);
    assert_eq!(tally.accepted(), 6);
    assert_eq!(
        (tally.first_ms, tally.last_ms),
        (START_MS, START_MS + 5_000)
    );
    assert_eq!(tally.phases, [3, 0, 0, 0, 0]);
    assert_eq!(tally.bought_at_once, 1, "bought before any score");
    assert_eq!(tally.peak_bought.total() + tally.peak_not_bought.total(), 2);
}

#[test]
fn a_full_bin_ends_the_session_silent_longest_and_counts_it() {
    let policy = with(
        QUIET,
        &format!("limits = {{ live_sessions = {} }}", 2 * BINS),
    );
    let names = neighbours(3);
    let script = "0s B page_view
         > 0s B/@0s/0 start browsing
         1s A page_view
         > 1s A/@1s/0 start browsing
         2s B page_view
         3s C page_view
         > 3s C/@3s/0 start browsing
         4s A page_view
         > 4s B ends: crowded
         > 4s A/@4s/0 start browsing
         5s B page_view
         > 5s B/@5s/0 start browsing
         end
         > 30m5s B ends: idle";
    let script = names
        .iter()
        .zip(["A", "B", "C"])
        .fold(script.to_string(), |script, (name, letter)| {
            script.replace(letter, name)
        });
    let tally = Scenario::new(&rules(&policy, searching())).holds(&script);
    assert_eq!(tally.limits.live_sessions, 3);
    assert_eq!((tally.sessions, tally.visitors), (5, 3));
}

#[test]
fn a_full_bin_says_nothing_about_other_bins() {
    let policy = with(QUIET, &format!("limits = {{ live_sessions = {BINS} }}"));
    let mut bins = BTreeSet::new();
    let strangers = (0..2_000).map(|n| format!("v{n}"));
    let strangers = strangers.filter(|name| bins.insert(bin_of(VisitorId::of(name.as_bytes()))));
    let events: Vec<Told> = strangers
        .map(|name| Told::new(START_MS, &name, Kind::PageView))
        .collect();
    let (_, tally) = play(&rules(&policy, searching()), &events);
    assert_eq!(tally.sessions, BINS as u64);
    assert_eq!(tally.limits.live_sessions, 0);
}

/// A slab key given back by a crowded-out session is taken by the next visitor while the wheel
/// still holds the old timer, some of them for the same millisecond.
#[test]
fn timers_of_crowded_out_sessions_do_not_touch_those_who_took_their_place() {
    let policy = with(HELPFUL, &format!("limits = {{ live_sessions = {BINS} }}"));
    let names = neighbours(2);
    let script = "0s A add_to_cart item 10
         > 0s A/@0s/0 start browsing
         0s B add_to_cart item 10
         > 0s A ends: crowded
         > 0s B/@0s/0 start browsing
         20s B item_view item
         > 1m5s B/@0s/1 timer:hesitation hesitating note=help
         10m B page_view
         35m B page_view
         end";
    let script = script.replace('A', &names[0]).replace('B', &names[1]);
    let tally = Scenario::new(&rules(&policy, searching())).holds(&script);
    assert_eq!((tally.sessions, tally.changes), (2, 1));
}

/// Every session is crowded out by the next at the same rate for longer than `idle`: what waits in
/// the wheel for those who are gone must not grow with them.
#[test]
fn crowded_out_sessions_leave_no_timers_behind_for_good() {
    let lines = format!(
        "session = {{ idle = \"1000d\", max = \"2000d\" }}\nlimits = {{ live_sessions = {BINS}, histories = {BINS} }}"
    );
    let rules = rules(&with(QUIET, &lines), searching());
    let mut out = Lines::new(&rules);
    let mut visitors = Visitors::new(Arc::clone(&rules), None, false);
    let mut told = Told::new(START_MS, "v", Kind::PageView);
    for n in 0..60_000u64 {
        told.event.visitor = VisitorId(n + 1);
        told.event.arrival = ArrivalMs(START_MS + n);
        told.event.time.0 = START_MS + n;
        visitors.observe(told.borrowed(), &mut out);
    }
    assert!(visitors.live() <= BINS as u64);
    let waiting = visitors.timers();
    assert!(
        waiting <= 8 * BINS + 8192,
        "{waiting} timers for {} sessions",
        visitors.live()
    );
    let tally = visitors.finish(&mut out);
    assert_eq!(tally.sessions, 60_000);
    assert_eq!(out.ended.len(), 60_000);
}

/// Deadlines at the far end of the clock: the latest event that is taken, the longest durations.
#[test]
fn the_longest_durations_at_the_latest_time_do_not_overflow() {
    let lines = "session = { idle = \"10000d\", max = \"10000d\" }
                 hesitation = { after = \"9999d\" }
                 limits = { history_keep = \"10000d\", event_ids_keep = \"10000d\" }";
    let rules = rules(&with(HELPFUL, lines), searching());
    let events: Vec<Told> = [TIME_MS_MIN, TIME_MS_END - 1, TIME_MS_END - 1]
        .into_iter()
        .map(|at| {
            let mut told = Told::new(at, "v1", Kind::AddToCart);
            told.event.item = Id(7);
            told.event.event_id = Id(at);
            told
        })
        .collect();
    let (out, tally) = play(&rules, &events);
    assert_eq!((tally.sessions, tally.duplicates), (2, 1));
    assert_eq!(out.ended.len(), 2);
    assert_eq!(out.lines.len(), 4, "two starts and two stalls");
}

/// A worth that no number holds must not leave a debt behind when the cart is emptied.
#[test]
fn a_cart_of_absurd_worth_is_worth_nothing_once_it_is_empty() {
    let scenario = quiet().showing(&["cart_value", "cart_size"]);
    scenario.holds(
        "0s v1 add_to_cart A 999999999999 x1000000
         > 0s v1/@0s/0 start browsing
         . cart_value=9223372036854.775 cart_size=1000000
         1s v1 add_to_cart B 500000000000 x1000000
         . cart_value=9223372036854.775 cart_size=2000000
         2s v1 add_to_cart C 10
         . cart_value=9223372036854.775 cart_size=2000001
         3s v1 remove_from_cart A x1000000
         . cart_value=9223372036854.775 cart_size=1000001
         4s v1 remove_from_cart B x1000000
         . cart_value=10 cart_size=1
         5s v1 remove_from_cart C
         . cart_value=0 cart_size=0",
    );
}
