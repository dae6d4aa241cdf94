//! What one erasure does to the state of a worker, case by case.

use crate::script::{HELPFUL, Lines, START_MS, Scenario, Told, neighbours, rules, searching, with};
use restage::event::{Event, Id, Kind, Micros};
use restage::visit::decision::Decision;
use restage::visit::learn::moments::Groups;
use restage::visit::live::Rules;
use restage::visit::output::{Forgotten, Output, Step};
use restage::visit::tally::{Tally, Timeline};
use restage::visit::visitors::Visitors;
use std::sync::Arc;

/// Decision lines, ended sessions, and who was forgotten: when, live session, sessions, facts.
struct Heard {
    lines: Lines,
    forgotten: Vec<(u64, String, Option<String>, u64, u64)>,
}

impl Output for Heard {
    fn decision(&mut self, decision: &Decision<'_>) {
        self.lines.decision(decision);
    }

    fn duplicate(&mut self, _: &Event) {}

    fn step(&mut self, _: &Step<'_>) {}

    fn ended(&mut self, visit: &restage::visit::live::Visit, at: restage::event::ArrivalMs) {
        self.lines.ended(visit, at);
    }

    fn forgotten(&mut self, gone: &Forgotten<'_>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.forgotten.push((
            gone.at.0 - START_MS,
            text(gone.visitor_text),
            gone.live.map(|visit| text(&visit.session_text())),
            gone.sessions,
            gone.facts,
        ));
    }
}

fn play(rules: &Arc<Rules>, events: &[Told]) -> (Heard, Tally) {
    let mut heard = Heard {
        lines: Lines::new(rules),
        forgotten: Vec::new(),
    };
    let mut visitors = Visitors::new(Arc::clone(rules), None, true);
    for told in events {
        visitors.observe(told.borrowed(), &mut heard);
    }
    let tally = visitors.finish(&mut heard);
    (heard, tally)
}

fn at(ms: u64, visitor: &str, kind: Kind) -> Told {
    Told::new(START_MS + ms, visitor, kind)
}

fn cart(ms: u64, visitor: &str) -> Told {
    let mut told = at(ms, visitor, Kind::AddToCart);
    told.event.item = Id(7);
    told.event.price = Micros::new(20_000_000);
    told
}

fn order(ms: u64, visitor: &str) -> Told {
    let mut told = at(ms, visitor, Kind::Purchase);
    told.event.value = Micros::new(50_000_000);
    told
}

/// A page with one slot that draws evenly.
const DRAWS: &str = r#"
version = 1
holdout = { share = 0.0 }
[[slot]]
name = "banner"
default = "plain"
learn = { method = "fixed", holdout = 0.2 }
arm = [{ name = "plain" }, { name = "bold" }]
"#;

/// Sums over the stretches of a timeline: live sessions by phase.
fn live_at_the_end(tally: &Tally) -> [i64; 5] {
    let mut live = [0; 5];
    let timeline: &Timeline = tally.timeline.as_ref().unwrap();
    for (_, bucket) in timeline.buckets() {
        live.iter_mut()
            .zip(bucket.phases)
            .for_each(|(sum, more)| *sum += more);
    }
    live
}

#[test]
fn a_live_session_is_dropped_without_a_trace() {
    let rules = rules(DRAWS, searching());
    let events = [
        at(0, "ada", Kind::Search),
        cart(1_000, "ada"),
        order(2_000, "ada"),
        at(3_000, "bea", Kind::Search),
        at(4_000, "ada", Kind::Erase),
        at(5_000, "ada", Kind::PageView),
    ];
    let (heard, tally) = play(&rules, &events);
    assert_eq!(
        heard.forgotten,
        [(
            4_000,
            "ada".into(),
            Some(START_MS.to_string()),
            1,
            // The draw and the order; promises and carts are not facts under this policy.
            2
        )]
    );
    let ended: Vec<&str> = heard.lines.ended.iter().map(|one| &one.0[..]).collect();
    assert_eq!(ended, ["bea"]);
    assert_eq!((tally.erased, tally.erased_events), (1, 1));
    assert_eq!(tally.kind(Kind::Erase), 1, "it counts as an event");
    assert_eq!(tally.accepted(), 5);
    assert_eq!(tally.phases.iter().sum::<u64>(), 1, "bea's");
    assert_eq!((tally.sessions_bought, tally.carts_abandoned), (0, 0));
    assert_eq!(tally.peak_bought.total() + tally.bought_at_once, 0);
    assert_eq!(live_at_the_end(&tally), [0; 5]);
    let of = |groups: &Groups| (groups.treated.visitors, groups.treated.sums[2]);
    assert_eq!(of(&tally.lift[0]), (1, 0), "bea, who bought nothing");
}

#[test]
fn without_a_live_session_what_was_remembered_goes() {
    let rules = rules(DRAWS, searching());
    let hour = 3_600_000;
    let events = [
        at(0, "ada", Kind::Search),
        order(1_000, "ada"),
        at(2 * hour, "ada", Kind::Erase),
        at(3 * hour, "ada", Kind::Erase),
        at(4 * hour, "ada", Kind::PageView),
        at(4 * hour, "bea", Kind::PageView),
    ];
    let (heard, tally) = play(&rules, &events);
    assert_eq!(
        heard.forgotten,
        [
            (2 * hour, "ada".into(), None, 1, 2),
            (3 * hour, "ada".into(), None, 0, 0)
        ],
        "asked for again, it is said again"
    );
    assert_eq!((tally.erased, tally.erased_events), (2, 1));
    assert_eq!(
        (tally.sessions, tally.sessions_bought),
        (2, 1),
        "the counts of the run stay"
    );
    assert_eq!(tally.lift[0].treated.visitors, 1);
    assert_eq!(heard.lines.ended.len(), 2);
}

/// An erasure of somebody who was never there begins nothing.
#[test]
fn a_stranger_may_be_erased() {
    let (heard, tally) = play(
        &rules(DRAWS, searching()),
        &[at(0, "ada", Kind::Erase), at(9_000, "ada", Kind::Search)],
    );
    assert_eq!(heard.forgotten, [(0, "ada".into(), None, 0, 0)]);
    assert!(heard.lines.lines.is_empty());
    assert_eq!((tally.visitors, tally.sessions, tally.decisions), (0, 0, 0));
}

#[test]
fn a_tombstone_stands_as_long_as_the_policy_says() {
    let scenario = |keep: &str| {
        let limits = format!("limits = {{ erased_keep = \"{keep}\" }}");
        Scenario::new(&rules(&with(HELPFUL, &limits), searching()))
    };
    scenario("10m").holds(
        "0s v1 search
         > 0s v1/@0s/0 start exploring
         1m v1 erase
         10m59s999ms v1 search
         11m v1 search
         > 11m v1/@11m/0 start exploring
         end
         > 41m v1 ends: idle",
    );
    let tally = scenario("0s").holds(
        "0s v1 search
         > 0s v1/@0s/0 start exploring
         1m v1 erase
         1m v1 search
         > 1m v1/@1m/0 start exploring
         end
         > 31m v1 ends: idle",
    );
    assert_eq!((tally.visitors, tally.sessions), (2, 2), "a stranger");
}

/// A timer of the session that is gone wakes nobody, whoever uses its place.
#[test]
fn timers_of_a_session_that_is_gone_do_not_fire() {
    let scenario = Scenario::new(&rules(
        &with(HELPFUL, "hesitation = { after = \"45s\" }"),
        searching(),
    ));
    scenario.holds(
        "0s v1 add_to_cart i1 10
         > 0s v1/@0s/0 start browsing
         10s v1 erase
         20s v2 add_to_cart i1 10
         > 20s v2/@20s/0 start browsing
         end
         > 1m5s v2/@20s/1 timer:hesitation hesitating note=help",
    );
}

/// A duplicate erasure is dropped as any other, and a later one renews the tombstone.
#[test]
fn an_erasure_counts_once_by_its_event_id() {
    let limits = "limits = { erased_keep = \"1h\" }";
    let rules = rules(&with(DRAWS, limits), searching());
    let erase = |ms, id| {
        let mut told = at(ms, "ada", Kind::Erase);
        told.event.event_id = Id(id);
        told
    };
    let minute = 60_000;
    let events = [
        erase(0, 5),
        erase(minute, 5),
        erase(50 * minute, 6),
        at(100 * minute, "ada", Kind::Search),
        at(111 * minute, "ada", Kind::Search),
    ];
    let (heard, tally) = play(&rules, &events);
    assert_eq!(heard.forgotten.len(), 2);
    assert_eq!((tally.duplicates, tally.erased_events), (1, 1));
    assert_eq!(tally.sessions, 1);
}

/// Within a bin, the oldest tombstone makes room, and the report says so.
#[test]
fn tombstones_are_bounded() {
    let limits = "limits = { erased = 512 }";
    let rules = rules(&with(DRAWS, limits), searching());
    let names = neighbours(3);
    let mut events: Vec<Told> = (0..)
        .zip(&names)
        .map(|(n, name)| at(n * 1_000, name, Kind::Erase))
        .collect();
    events.extend(names.iter().map(|name| at(9_000, name, Kind::Search)));
    let (_, tally) = play(&rules, &events);
    assert_eq!(tally.limits.erased, 1);
    assert_eq!((tally.erased_events, tally.sessions), (2, 1));
}

/// What waits to be judged is settled first: no decision, and no fact, is lost or comes after.
#[test]
fn judgements_that_wait_come_before_the_erasure() {
    let rules = rules(DRAWS, searching());
    for turns in [1, 7, 64] {
        let mut heard = Heard {
            lines: Lines::new(&rules),
            forgotten: Vec::new(),
        };
        let mut visitors = Visitors::new(Arc::clone(&rules), None, true).judging_in_turns_of(turns);
        for n in 0..50 {
            let told = at(n * 10, &format!("v{}", n % 5), Kind::Search);
            visitors.observe(told.borrowed(), &mut heard);
        }
        visitors.observe(at(600, "v3", Kind::Erase).borrowed(), &mut heard);
        assert_eq!(heard.lines.lines.len(), 5, "turns of {turns}");
        assert_eq!(heard.forgotten[0].4, 1, "its draw is taken back");
        assert_eq!(visitors.live(), 4);
        let tally = visitors.finish(&mut heard);
        assert_eq!(tally.lift[0].treated.visitors, 4);
        assert_eq!(tally.phases.iter().max(), Some(&4));
    }
}
