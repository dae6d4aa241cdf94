//! When judgements are settled cannot be seen: alone, in turns of any length, at every tick of the
//! clock, the same decisions in the same order, the same counters and the same story. And a model
//! is asked only when a feature that it uses has moved.

mod script;

use proptest::prelude::*;
use restage::event::{ArrivalMs, Event, Id, Kind, VisitorId};
use restage::visit::decision::Decision;
use restage::visit::feature::{FEATURE_COUNT, Vector};
use restage::visit::live::{Rules, Visit};
use restage::visit::model::schedule::Schedule;
use restage::visit::model::{Model, ModelFile, Scores};
use restage::visit::policy::Policy;
use restage::visit::tally::Tally;
use restage::visit::visitors::{Output, Step, Visitors};
use script::crowd::{crowd, tight, told};
use script::stumps::{Stump, mixed, quiet, restless, stumps};
use script::{HELPFUL, Lines, START_MS, Scenario, Told, play, rules, searching};
use std::sync::Arc;

/// Two slots: one for those who stall, one that follows the phase; and few changes.
fn page() -> String {
    let slot = r#"
[[slot]]
name = "promo"
default = "none"
arm = [{ name = "none" }, { name = "look" }, { name = "buy", uses_max = 2 }]
rule = [
  { arm = "look", gain = 0.1, when = { phase = ["exploring"] } },
  { arm = "buy", gain = 0.2, when = { phase = ["deciding", "buying"], item_views = { min = 1 } } },
]
"#;
    let calm = HELPFUL.replace("cooldown = \"0\"", "cooldown = \"5s\"");
    format!("{calm}{slot}")
}

fn ready(file: &ModelFile) -> Model {
    Model::of_file(file, "given").unwrap()
}

/// A model by number, of every kind.
fn model(number: usize) -> Model {
    match number {
        0 => ready(&quiet()),
        1 => ready(&restless()),
        2 => ready(&mixed()),
        _ => searching(),
    }
}

/// Decisions, ends and steps, as they come.
struct All {
    lines: Lines,
    steps: Vec<String>,
}

impl Output for All {
    fn decision(&mut self, decision: &Decision<'_>) {
        self.lines.decision(decision);
    }
    fn duplicate(&mut self, event: &Event) {
        self.steps.push(format!("duplicate {:?}", event.offset));
    }
    fn step(&mut self, step: &Step<'_>) {
        let after = (step.visit.scores, step.visit.phase(), step.visit.layout());
        let before = (step.scores_before, step.phase_before, step.layout_before);
        let (cause, at, was, is) = (step.cause, step.at, step.before, step.after);
        self.steps.push(format!(
            "{cause:?} {at:?} {before:?} {after:?} {was:?} {is:?}"
        ));
    }
    fn ended(&mut self, visit: &Visit, at: ArrivalMs) {
        self.lines.ended(visit, at);
    }
}

/// Plays events with judgements in turns; `ticking` settles after every event.
fn played(
    rules: &Arc<Rules>,
    events: &[Told],
    followed: Option<VisitorId>,
    turns: usize,
    ticking: bool,
) -> (All, Tally) {
    let mut out = All {
        lines: Lines::new(rules),
        steps: Vec::new(),
    };
    let visitors = Visitors::new(Arc::clone(rules), followed, true);
    let mut visitors = visitors.judging_in_turns_of(turns);
    for told in events {
        visitors.observe(told.borrowed(), &mut out);
        if ticking {
            visitors.advance(told.event.arrival, &mut out);
        }
    }
    let tally = visitors.finish(&mut out);
    (out, tally)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_length_of_turns_cannot_be_seen(
        events in told(),
        log in any::<bool>(),
        first in 0usize..4,
        swaps in prop::collection::btree_map(1u64..1_500, 0usize..4, 0..4),
        follows in any::<bool>(),
    ) {
        let policy = tight(&page(), if log { "log" } else { "engine" });
        let swaps = swaps.into_iter().map(|(at, number)| (START_MS + at * 1_000, model(number)));
        let rules = Arc::new(Rules {
            policy: Policy::read(&policy).unwrap(),
            models: Schedule::with_swaps(model(first), swaps.collect(), 1_000).unwrap(), catalogue: None, });
        let followed = follows.then(|| VisitorId::of(crowd()[0].as_bytes()));
        let (alone, counted) = played(&rules, &events, followed, 64, true);
        prop_assert_eq!(alone.lines.lines.len() as u64, counted.decisions);
        for turns in [1, 3, 64] {
            let (out, tally) = played(&rules, &events, followed, turns, false);
            prop_assert_eq!(&alone.lines.lines, &out.lines.lines, "in turns of {}", turns);
            prop_assert_eq!(&alone.lines.ended, &out.lines.ended);
            prop_assert_eq!(&alone.steps, &out.steps);
            prop_assert_eq!(&counted, &tally);
        }
    }

    /// Many rows at once give the bits of each alone.
    #[test]
    fn rows_are_scored_as_each_alone(
        rows in prop::collection::vec(prop::collection::vec(0u32..5, FEATURE_COUNT), 0..150),
        number in 0usize..4,
    ) {
        let value = |n: &u32| if *n == 4 { f64::NAN } else { f64::from(*n) };
        let row = |row: &Vec<u32>| -> Vector { std::array::from_fn(|at| value(&row[at])) };
        let rows: Vec<Vector> = rows.iter().map(row).collect();
        let model = model(number);
        let mut scores = vec![Scores::default(); rows.len()];
        model.score_rows(&rows, &mut scores);
        for (row, scores) in rows.iter().zip(scores) {
            let alone = model.score(row);
            prop_assert_eq!(alone.purchase.to_bits(), scores.purchase.to_bits());
            prop_assert_eq!(alone.abandon.to_bits(), scores.abandon.to_bits());
        }
    }
}

const BY_CART: [Stump; 3] = [
    ("cart_size", 1.0, 2.0),
    ("cart_size", 2.0, 1.5),
    ("cart_size", 4.0, 2.0),
];

#[test]
fn a_model_on_the_cart_alone_is_asked_when_the_cart_moves() {
    let by_cart = ready(&stumps(&BY_CART, &[]));
    let tally = Scenario::new(&rules(HELPFUL, by_cart)).holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         1s v1 item_view A 10
         2s v1 search
         3s v1 add_to_cart A 10
         4s v1 item_view B 10
         > 49s v1/@0s/1 timer:hesitation hesitating note=help
         50s v1 add_to_cart B 10
         > 50s v1/@0s/2 add_to_cart buying note=none
         51s v1 remove_from_cart B
         52s v1 remove_from_cart A
         53s v1 page_view
         end
         > 30m53s v1 ends: idle",
    );
    // At the start, and whenever something goes into the cart or out of it.
    assert_eq!(tally.scorings, 5);
}

/// The model that is always asked uses the number of events as well, though nothing comes of it.
#[test]
fn a_model_that_is_asked_less_often_decides_alike() {
    let names = crowd();
    let events: Vec<Told> = (0..4_000u64)
        .map(|n| {
            let kind = match n / 10 % 23 {
                4 | 9 => Kind::AddToCart,
                15 | 20 => Kind::RemoveFromCart,
                _ => Kind::ItemView,
            };
            let mut told = Told::new(START_MS + n * 1_700, &names[n as usize % 10], kind);
            told.event.item = Id(1);
            told
        })
        .collect();
    let mut idle = BY_CART.to_vec();
    idle.push(("events", 3.0, 0.0));
    let by_cart = ready(&stumps(&BY_CART, &[("cart_size", 2.0, 6.0)]));
    let always = ready(&stumps(&idle, &[("cart_size", 2.0, 6.0)]));
    let (few, counted) = play(&rules(&page(), by_cart), &events);
    let (all, always) = play(&rules(&page(), always), &events);
    assert_eq!(few.lines, all.lines);
    assert!(few.lines.len() > 300, "{} decisions", few.lines.len());
    assert!(always.scorings >= 4_000, "{} scorings", always.scorings);
    assert!(
        counted.scorings * 4 < always.scorings,
        "{} of {} scorings",
        counted.scorings,
        always.scorings
    );
    let scorings = always.scorings;
    assert_eq!(
        Tally {
            scorings,
            ..counted
        },
        always
    );
}
