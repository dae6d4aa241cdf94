//! The hesitation timer: after how much silence it fires, what it is labelled with, what re-arms it,
//! and what it must leave alone. Scenarios are scripts (`tests/script`).

mod script;

use restage::event::{Id, Kind, VisitorId};
use script::{HELPFUL, START_MS, Scenario, Told, model, play, rules, searching, with};

fn helpful() -> Scenario {
    Scenario::new(&rules(HELPFUL, searching()))
}

#[test]
fn hesitation_fires_after_silence_with_a_cart_labelled_with_its_deadline() {
    helpful().holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing
         > 45s v1/@0s/1 timer:hesitation hesitating note=help
         10m v2 page_view
         > 10m v2/@10m/0 start browsing",
    );
}

#[test]
fn hesitation_fires_at_the_end_of_the_log_too() {
    helpful().holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing
         end
         > 45s v1/@0s/1 timer:hesitation hesitating note=help
         > 30m v1 ends: idle",
    );
}

#[test]
fn an_event_at_the_very_deadline_of_hesitation_comes_first_and_re_arms_it() {
    helpful().holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing
         45s v1 item_view A 10
         1m30s clock
         > 1m30s v1/@0s/1 timer:hesitation hesitating note=help
         1m30s1ms clock",
    );
}

#[test]
fn hesitation_fires_once_until_the_cart_moves_on() {
    helpful().holds(
        "0s v1 add_to_cart A 10 x2
         > 0s v1/@0s/0 start browsing
         > 45s v1/@0s/1 timer:hesitation hesitating note=help
         2m v1 item_view B 10
         5m v1 remove_from_cart A
         8m v1 view_cart
         10m v1 add_to_cart B 10
         > 10m v1/@0s/2 add_to_cart browsing note=none
         > 10m45s v1/@0s/3 timer:hesitation hesitating note=help
         11m v1 begin_checkout
         > 11m v1/@0s/4 begin_checkout browsing note=none
         > 11m45s v1/@0s/5 timer:hesitation hesitating note=help
         12m v1 purchase A 10
         > 12m v1/@0s/6 purchase browsing note=none
         > 12m45s v1/@0s/7 timer:hesitation hesitating note=help
         13m v1 purchase
         > 13m v1/@0s/8 purchase browsing note=none
         end
         > 43m v1 ends: idle",
    );
}

#[test]
fn hesitation_never_fires_without_a_cart() {
    helpful().holds(
        "0s v1 item_view A 10
         > 0s v1/@0s/0 start browsing
         1s v1 add_to_cart A 10
         40s v1 remove_from_cart A
         5m v1 add_to_cart A 10
         5m1s v1 purchase
         end
         > 35m1s v1 ends: idle",
    );
}

#[test]
fn an_emptied_cart_ends_the_stall() {
    helpful().holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing
         > 45s v1/@0s/1 timer:hesitation hesitating note=help
         1m v1 remove_from_cart A
         > 1m v1/@0s/2 remove_from_cart browsing note=none
         end
         > 31m v1 ends: idle",
    );
}

#[test]
fn zero_turns_hesitation_off() {
    let policy = with(HELPFUL, "hesitation = { after = \"0\" }");
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing
         end
         > 30m v1 ends: idle",
    );
}

/// Timers of one millisecond fire in the order of their visitors, however they came to be set.
#[test]
fn timers_of_one_deadline_fire_in_the_order_of_their_visitors() {
    let rules = rules(HELPFUL, searching());
    let mut events: Vec<Told> = (0..20)
        .map(|n| {
            let mut told = Told::new(START_MS, &format!("v{n}"), Kind::AddToCart);
            told.event.item = Id(7);
            told
        })
        .collect();
    let stalls = |events: &[Told]| -> Vec<u64> {
        let (out, _) = play(&rules, events);
        let late = out.lines.iter().filter(|((at, ..), _)| *at > START_MS);
        late.map(|((_, visitor, ..), _)| VisitorId::of(visitor).0)
            .collect()
    };
    let order = stalls(&events);
    assert_eq!(order.len(), 20);
    assert!(order.is_sorted());
    events.reverse();
    assert_eq!(stalls(&events), order);
}

/// The session that begins in the place of another must not inherit its stall.
#[test]
fn a_session_begun_in_place_keeps_no_deadline_of_the_one_before() {
    let policy = with(HELPFUL, "session = { source = \"log\" }");
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 add_to_cart A 10 session=S
         > 0s v1/S/0 start browsing
         10s v1 page_view session=T
         > 10s v1 ends: log session
         > 10s v1/T/1 start browsing
         1m v1 add_to_cart A 10 session=T
         > 1m45s v1/T/2 timer:hesitation hesitating note=help
         2m v1 add_to_cart A 10 session=U
         > 2m v1 ends: log session
         > 2m v1/U/3 start browsing
         end
         > 2m45s v1/U/4 timer:hesitation hesitating note=help
         > 32m v1 ends: idle",
    );
}

/// The highest score before a purchase counts the scores at which the page was judged, a stall's
/// among them.
#[test]
fn the_peak_of_a_session_counts_the_score_of_a_stall() {
    let doubting = model(-3.0, -4.0, &[("since_start", 0.1, 0.0)]);
    let tally = Scenario::new(&rules(HELPFUL, doubting)).holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start exploring
         end
         > 45s v1/@0s/1 timer:hesitation hesitating note=help
         > 30m v1 ends: idle",
    );
    let bar = tally.peak_not_bought.0.iter().position(|&count| count > 0);
    // sigmoid(-3 + 4.5) = 0.818
    assert_eq!(bar, Some(40));
}
