//! What a page shows and when it may change: priority, gain, caps, cooldown, most changes, phases
//! end to end, the holdout; and the record that says so, field by field.

mod script;

use restage::event::{ArrivalMs, Device, Kind, VisitorId};
use restage::visit::choose::{CERTAIN_PPM, Why};
use restage::visit::decision::{Decision, Factors, PerSlot, Recorder, Trigger};
use restage::visit::feature::{FEATURE_COUNT, index_of};
use restage::visit::model::{Label, Scores};
use restage::visit::phase::Phase;
use restage::visit::policy::Policy;
use script::{Lines, START_MS, Scenario, Told, model, play, rules, searching};
use serde_json::Value;

/// Two slots: one follows the cart, one the phase. `lines` go before the slots.
fn page(lines: &str) -> Scenario {
    Scenario::new(&rules(&page_text(lines), searching()))
}

fn page_text(lines: &str) -> String {
    format!(
        r#"
version = 1
holdout = {{ share = 0.0 }}
hesitation = {{ after = "0" }}
{lines}
[[slot]]
name = "bar"
default = "none"
  [[slot.arm]]
  name = "none"
  [[slot.arm]]
  name = "basket"
  when = {{ cart_size = {{ min = 1 }} }}
  [[slot.rule]]
  arm = "basket"
  gain = 0.1
[[slot]]
name = "grid"
default = "popular"
context = ["phase", "returning"]
  [[slot.arm]]
  name = "popular"
  [[slot.arm]]
  name = "found"
  [[slot.arm]]
  name = "guide"
  [[slot.rule]]
  name = "seeker"
  arm = "found"
  when = {{ phase = ["exploring", "deciding"] }}
  gain = 0.05
  [[slot.rule]]
  arm = "guide"
  when = {{ phase = ["deciding"], clicks = {{ min = 1 }} }}
  gain = 0.06
  [[slot.rule]]
  arm = "guide"
  when = {{ clicks = {{ min = 2 }} }}
  priority = 1
  gain = 0.01
"#
    )
}

const NO_COOLDOWN: &str = "stability = { cooldown = \"0\" }";

#[test]
fn the_cooldown_holds_a_change_back_until_an_event_after_it() {
    page("").holds(
        "0s v1 search
         > 0s v1/@0s/0 start exploring grid=found
         1s v1 add_to_cart A 10
         9s999ms v1 view_cart
         10s v1 view_cart
         > 10s v1/@0s/1 view_cart exploring bar=basket",
    );
}

#[test]
fn a_page_that_started_with_its_default_may_change_at_once() {
    page("").holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         1ms v1 add_to_cart A 10
         > 1ms v1/@0s/1 add_to_cart browsing bar=basket",
    );
}

#[test]
fn the_cooldown_does_not_keep_an_arm_that_may_not_be_shown() {
    page("").with_reasons().holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing bar=basket [bar=basket by rule bar.basket]
         1s v1 remove_from_cart A
         > 1s v1/@0s/1 remove_from_cart browsing bar=none [bar=none since the arm before may not be shown]
         2s v1 add_to_cart A 10
         10s v1 search
         11s v1 search
         > 11s v1/@0s/2 search deciding bar=basket grid=found [bar=basket by rule bar.basket; grid=found by rule seeker]",
    );
}

#[test]
fn changes_max_stops_changes_but_not_the_removal_of_an_arm() {
    let tally = page("stability = { cooldown = \"0\", changes_max = 1 }").holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         1s v1 add_to_cart A 10
         > 1s v1/@0s/1 add_to_cart browsing bar=basket
         2s v1 search
         3s v1 remove_from_cart A
         > 3s v1/@0s/2 remove_from_cart exploring bar=none
         4s v1 add_to_cart A 10
         > 30m4s v1 ends: idle
         1h v1 page_view
         > 1h v1/@1h/0 start browsing
         1h1s v1 search
         > 1h1s v1/@1h/1 search exploring grid=found
         end
         > 1h30m1s v1 ends: idle",
    );
    assert_eq!((tally.decisions, tally.changes), (5, 3));
}

#[test]
fn a_change_at_the_start_does_not_count_against_changes_max() {
    page("stability = { cooldown = \"0\", changes_max = 1 }").holds(
        "0s v1 search
         > 0s v1/@0s/0 start exploring grid=found
         1s v1 add_to_cart A 10
         > 1s v1/@0s/1 add_to_cart exploring bar=basket",
    );
}

/// `guide` is worth 0.01 more than `found`: less than min_gain, so `found` stays; and it stays when
/// its own rule no longer holds, for nothing else is called for.
#[test]
fn an_arm_in_place_stays_until_another_is_worth_enough_more() {
    page(NO_COOLDOWN).holds(
        "0s v1 search
         > 0s v1/@0s/0 start exploring grid=found
         1s v1 search
         2s v1 click
         3s v1 search
         4s v1 search
         5s v1 search",
    );
}

#[test]
fn the_greatest_gain_wins_at_the_start_of_a_choice() {
    page("stability = { cooldown = \"0\", min_gain = 0.01 }").holds(
        "0s v1 search
         > 0s v1/@0s/0 start exploring grid=found
         1s v1 click
         2s v1 search
         > 2s v1/@0s/1 search deciding grid=guide",
    );
}

#[test]
fn priority_beats_gain() {
    page(NO_COOLDOWN).with_reasons().holds(
        "0s v1 search
         > 0s v1/@0s/0 start exploring grid=found [grid=found by rule seeker]
         1s v1 click
         2s v1 click
         > 2s v1/@0s/1 click exploring grid=guide [grid=guide by rule grid.guide]
         3s v1 search",
    );
}

/// Gains are decimals: 0.12 is 0.02 more than 0.10, though not in binary.
#[test]
fn exactly_min_gain_more_is_enough() {
    for (less, more) in [(0.10, 0.12), (0.05, 0.07), (0.28, 0.3), (0.9, 0.92)] {
        let policy = format!(
            r#"
version = 1
holdout = {{ share = 0.0 }}
stability = {{ cooldown = "0", min_gain = 0.02 }}
[[slot]]
name = "s"
default = "none"
arm = [{{ name = "none" }}, {{ name = "less" }}, {{ name = "more" }}]
rule = [
  {{ arm = "less", gain = {less:?} }},
  {{ arm = "more", gain = {more:?}, when = {{ clicks = {{ min = 1 }} }} }},
]
"#
        );
        Scenario::new(&rules(&policy, searching())).holds(
            "0s v1 page_view
             > 0s v1/@0s/0 start browsing s=less
             1s v1 click
             > 1s v1/@0s/1 click browsing s=more",
        );
    }
}

#[test]
fn uses_max_counts_how_often_an_arm_is_put_up() {
    let policy = page_text(NO_COOLDOWN).replacen(
        "when = { cart_size = { min = 1 } }",
        "when = { cart_size = { min = 1 } }\n  uses_max = 2",
        1,
    );
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 add_to_cart A 10
         > 0s v1/@0s/0 start browsing bar=basket
         1s v1 view_cart
         2s v1 add_to_cart A 10
         3s v1 remove_from_cart A x2
         > 3s v1/@0s/1 remove_from_cart browsing bar=none
         4s v1 add_to_cart A 10
         > 4s v1/@0s/2 add_to_cart browsing bar=basket
         5s v1 remove_from_cart A
         > 5s v1/@0s/3 remove_from_cart browsing bar=none
         6s v1 add_to_cart A 10
         > 30m6s v1 ends: idle
         1h v1 add_to_cart A 10
         > 1h v1/@1h/0 start browsing bar=basket",
    );
}

#[test]
fn a_gain_is_scaled_by_the_score_it_names() {
    let policy = r#"
version = 1
holdout = { share = 0.0 }
stability = { cooldown = "0" }
hesitation = { after = "0" }
[[slot]]
name = "s"
default = "none"
arm = [{ name = "none" }, { name = "plain" }, { name = "scaled" }]
rule = [
  { arm = "plain", gain = 0.2 },
  { arm = "scaled", gain = 0.5, scaled_by = "p_purchase" },
]
"#;
    // Scores by searches: 0.018, 0.047, 0.119, 0.269, 0.5; times 0.5 beats 0.22 from 0.44 on.
    Scenario::new(&rules(policy, searching())).holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing s=plain
         1s v1 search
         2s v1 search
         3s v1 search
         4s v1 search
         > 4s v1/@0s/1 search buying s=scaled",
    );
}

/// The score follows the last gap, so it can be sent up and down: entered at 0.10, left below 0.07.
#[test]
fn a_phase_is_left_below_its_lower_threshold_only() {
    let policy = r#"
version = 1
holdout = { share = 0.0 }
stability = { cooldown = "0" }
[[slot]]
name = "s"
default = "none"
  [[slot.arm]]
  name = "none"
  [[slot.arm]]
  name = "deciding"
  when = { phase = ["deciding"] }
  [[slot.rule]]
  arm = "deciding"
  gain = 0.5
"#;
    // sigmoid(-4 + gap/10 s): 17 s 0.091, 18 s 0.100, 15 s 0.076, 14 s 0.069.
    let gaps = model(-4.0, -9.0, &[("gap_last", 0.1, 0.0)]);
    Scenario::new(&rules(policy, gaps)).holds(
        "0s v1 page_view
         > 0s v1/@0s/0 start browsing
         17s v1 page_view
         36s v1 page_view
         > 36s v1/@0s/1 page_view deciding s=deciding
         51s v1 page_view
         1m5s v1 page_view
         > 1m5s v1/@0s/2 page_view exploring s=none
         1m22s v1 page_view
         1m41s v1 page_view
         > 1m41s v1/@0s/3 page_view deciding s=deciding",
    );
}

#[test]
fn a_likely_abandoned_cart_is_hesitation_and_an_empty_one_is_not() {
    let policy =
        page_text(NO_COOLDOWN).replace("phase = [\"deciding\"]", "phase = [\"hesitating\"]");
    Scenario::new(&rules(&policy, searching())).holds(
        "0s v1 exit_intent
         > 0s v1/@0s/0 start browsing
         1s v1 click
         2s v1 add_to_cart A 10
         > 2s v1/@0s/1 add_to_cart hesitating bar=basket grid=guide",
    );
}

/// Events that would change the default page of anybody.
fn eager(visitor: &str) -> Vec<Told> {
    let kinds = [Kind::Search, Kind::Click, Kind::Click, Kind::Search];
    let events = kinds.into_iter().zip(0u64..);
    events
        .map(|(kind, at)| Told::new(START_MS + at * 20_000, visitor, kind))
        .collect()
}

#[test]
fn the_holdout_is_as_large_as_the_policy_says_and_its_pages_never_change() {
    const VISITORS: usize = 100_000;
    let share = 0.05;
    let policy = page_text("").replace("share = 0.0", &format!("share = {share}"));
    let rules = rules(&policy, searching());
    let drawn = &rules.policy.holdout;
    let name = |n: usize| format!("visitor-{n}");
    let held: Vec<usize> = (0..VISITORS)
        .filter(|&n| drawn.holds(VisitorId::of(name(n).as_bytes())))
        .collect();
    let sigma = (VISITORS as f64 * share * (1.0 - share)).sqrt();
    let off = held.len() as f64 - VISITORS as f64 * share;
    assert!(off.abs() <= 3.0 * sigma, "{} of {VISITORS}", held.len());

    for &n in &held[..200] {
        let (out, tally) = play(&rules, &eager(&name(n)));
        assert_eq!((tally.decisions, tally.changes), (1, 0));
        let record: Value = serde_json::from_str(&out.lines[0].1).unwrap();
        assert_eq!(record["holdout"], true);
        assert_eq!(record["changed"], Value::Array(vec![]));
        assert_eq!(record["layout"]["grid"], "popular");
        assert_eq!(record["reason"][0], "holdout keeps the default layout");
    }
    let other = (0..).find(|n| !held.contains(n)).unwrap();
    let (_, tally) = play(&rules, &eager(&name(other)));
    assert!(tally.changes > 0);
}

#[test]
fn the_salt_draws_other_visitors_and_the_ends_of_the_share_draw_none_and_all() {
    let holdout = |lines: &str| {
        Policy::read(&format!("version = 1\n[holdout]\n{lines}"))
            .unwrap()
            .holdout
    };
    let count = |lines: &str| {
        let holdout = holdout(lines);
        (0..10_000)
            .filter(|&n| holdout.holds(VisitorId(n * 7919 + 1)))
            .count()
    };
    assert_eq!(count("share = 0.0"), 0);
    assert_eq!(count("share = 1.0"), 10_000);
    let (one, two) = (
        holdout("salt = \"a\"\nshare = 0.5"),
        holdout("salt = \"b\"\nshare = 0.5"),
    );
    let differ = (0..10_000)
        .filter(|&n| one.holds(VisitorId(n * 7919 + 1)) != two.holds(VisitorId(n * 7919 + 1)))
        .count();
    assert!((4_500..5_500).contains(&differ), "{differ}");
}

/// The members of a record, in the order in which they are written.
const KEYS: [&str; 17] = [
    "at_ms",
    "visitor",
    "session",
    "seq",
    "trigger",
    "phase",
    "p_purchase",
    "p_abandon",
    "layout",
    "changed",
    "propensity",
    "context",
    "holdout",
    "reason",
    "policy",
    "model",
    "tables_ms",
];

/// The keys of a JSON object's own members, in the order of the text.
fn keys_in_order(line: &str) -> Vec<String> {
    let (mut keys, mut depth, mut rest) = (Vec::new(), 0, line.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '"' => {
                let mut text = String::new();
                while let Some(c) = rest.next().filter(|&c| c != '"') {
                    text.push(c);
                    if c == '\\' {
                        text.extend(rest.next());
                    }
                }
                if depth == 1 && rest.peek() == Some(&':') {
                    keys.push(text);
                }
            }
            _ => {}
        }
    }
    keys
}

#[test]
fn a_record_has_exactly_the_documented_members_in_one_order() {
    let rules = rules(&page_text(NO_COOLDOWN), searching());
    let mut events = eager("a \"quoted\", visitor\\");
    events.extend(eager("v2"));
    events.sort_by_key(|told| told.event.arrival);
    let (out, tally) = play(&rules, &events);
    assert!(tally.changes > 0);
    for ((at, visitor, session, seq), line) in &out.lines {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(keys_in_order(line), KEYS);
        assert_eq!(record.as_object().unwrap().len(), KEYS.len());
        assert_eq!(record["at_ms"], *at);
        assert_eq!(record["visitor"].as_str().unwrap().as_bytes(), visitor);
        assert_eq!(record["session"].as_str().unwrap().as_bytes(), session);
        assert_eq!(record["seq"], *seq);
        assert_eq!(
            record["propensity"],
            serde_json::json!({"bar": 1.0, "grid": 1.0})
        );
        assert_eq!(record["context"]["bar"], "all");
        let leaf = format!("phase={},returning=no", record["phase"].as_str().unwrap());
        assert_eq!(record["context"]["grid"], leaf);
        assert_eq!(record["policy"], rules.policy.label);
        assert_eq!(record["model"], rules.models.label());
        assert_eq!(record["tables_ms"], 0);
        assert!((0.0..=1.0).contains(&record["p_purchase"].as_f64().unwrap()));
    }
}

#[test]
fn a_returning_visitor_is_another_context() {
    let rules = rules(&page_text(""), searching());
    let events: Vec<Told> = [START_MS, START_MS + 7_200_000]
        .map(|at| Told::new(at, "v1", Kind::PageView))
        .to_vec();
    let (out, _) = play(&rules, &events);
    let leaves: Vec<Value> = out
        .lines
        .iter()
        .map(|(_, line)| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["context"]["grid"].clone()
        })
        .collect();
    assert_eq!(
        leaves,
        [
            "phase=browsing,returning=no",
            "phase=browsing,returning=yes"
        ]
    );
}

#[test]
fn a_row_of_csv_says_what_the_line_of_json_says() {
    let shown = "[reason]\nfeatures = [\"cart_value\", \"gap_mean\"]\n";
    let policy = Policy::read(&page_text(shown)).unwrap();
    let mut features = [0.0; FEATURE_COUNT];
    features[index_of("cart_value").unwrap()] = 19.9;
    features[index_of("gap_mean").unwrap()] = f64::NAN;
    let recorder = Recorder::new(&policy, ["model, with \"comma\""]);
    let layout: PerSlot<u8> = [1, 2, 0, 0, 0, 0, 0, 0];
    let mut why = [Why::Default; 8];
    (why[0], why[1]) = (Why::Rule(0), Why::NotEligible);
    let decision = Decision {
        at: ArrivalMs(START_MS),
        visitor: "o'né, \"two\"\nlines".as_bytes(),
        session: b"S;1",
        seq: 3,
        trigger: Trigger::Event(Kind::AddToCart),
        phase: Phase::Exploring,
        scores: Scores {
            purchase: 0.25,
            abandon: 1.0 / 3.0,
        },
        model: 0,
        leading: Label::Abandon,
        factors: Factors::of(&[0.004, -0.5, 1.204], 3),
        features: &features,
        layout,
        changed: 0b11,
        propensity_ppm: [CERTAIN_PPM; 8],
        why,
        drawn: 0,
        tables_ms: 0,
        device: Device::Unknown,
        returning: true,
        holdout: false,
        items: None,
        shelf: None,
    };
    let (mut json, mut rows) = (Vec::new(), Vec::new());
    recorder.json(&decision, &mut json);
    recorder.csv_header(&mut rows);
    recorder.csv(&decision, &mut rows);
    let record: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(record["features"]["cart_value"], 19.9);
    assert!(record["features"]["gap_mean"].is_null(), "it is missing");
    let mut reader = csv::Reader::from_reader(rows.as_slice());
    let header = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    assert!(reader.records().next().is_none());
    assert_eq!(header.len(), row.len());
    for (name, field) in header.iter().zip(&row) {
        let value = match name.split_once('.') {
            Some((member, slot)) => &record[member][slot],
            None => &record[name],
        };
        let list = |with: &str| {
            let parts = value.as_array().unwrap().iter();
            parts
                .map(|part| part.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(with)
        };
        let expected = match (name, value) {
            ("changed", _) => list(";"),
            ("reason", _) => list("; "),
            (_, Value::String(text)) => text.clone(),
            (_, Value::Null) => String::new(),
            (_, value) => value.to_string(),
        };
        assert_eq!(field, expected, "{name}");
    }
    // Every member of the record has its columns.
    for key in KEYS {
        let columns = header
            .iter()
            .filter(|name| name.split('.').next() == Some(key))
            .count();
        let slots = if ["layout", "propensity", "context"].contains(&key) {
            2
        } else {
            1
        };
        assert_eq!(columns, slots, "{key}");
    }
}

#[test]
fn scores_are_written_as_they_decided() {
    let rules = rules(&page_text(""), searching());
    let (out, _) = play(&rules, &[Told::new(START_MS, "v1", Kind::Search)]);
    let Lines { lines, .. } = out;
    // sigmoid(-3) and sigmoid(-4), to a millionth.
    assert!(
        lines[0]
            .1
            .contains("\"p_purchase\":0.047426,\"p_abandon\":0.017986,"),
        "{}",
        lines[0].1
    );
}
