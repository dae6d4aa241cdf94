//! What a policy says about learning: every key with a good value, and what is refused.

use super::super::super::learn::attribution::{Credit, Reward};
use super::super::super::learn::layout::{WEIGHTS_MAX, weight_count};
use super::super::super::learn::spec::Method;
use super::*;

/// A policy with one slot of three arms that has this `learn`.
fn learns(learn: &str) -> String {
    slot(&format!(
        "learn = {learn}\narm = [{{ name = \"none\" }}, {{ name = \"a\" }}, {{ name = \"b\" }}]"
    ))
}

/// The spec of that slot.
fn spec(learn: &str) -> LearnSpec {
    let policy = Policy::read(&learns(&format!("{{ {learn} }}"))).unwrap();
    policy.slots[0].learn.unwrap()
}

fn learning(lines: &str) -> Learning {
    let text = format!("version = 1\n[learning]\n{lines}");
    Policy::read(&text).unwrap().learning
}

/// Slots that learn together: their contexts and numbers of arms.
fn together(slots: &[(&str, usize)]) -> String {
    let mut text = "version = 1\n".to_string();
    for (number, (context, arms)) in slots.iter().enumerate() {
        let arms: Vec<String> = (0..*arms)
            .map(|n| format!("{{ name = \"a{n}\" }}"))
            .collect();
        let mark = if number + 1 == slots.len() { "^" } else { "" };
        text += &format!(
            "[[slot]]\nname = \"s{number}\"\ndefault = \"a0\"\ncontext = [{context}]\nlearn = {mark}{{ method = \"multivariate\" }}\narm = [{}]\n",
            arms.join(", ")
        );
    }
    text
}

#[test]
fn the_bundled_policy_that_learns_is_good() {
    let policy = Policy::read(LEARNING_POLICY).unwrap();
    assert!(policy.learns() && policy.slots.iter().all(|slot| slot.learn.is_some()));
    assert_eq!(policy.learning.reward.reward, Reward::Margin);
    let shipped = Policy::shipped();
    for (slot, usual) in policy.slots.iter().zip(&shipped.slots) {
        let default = |slot: &Slot| slot.arms[slot.default].name.clone();
        assert_eq!((&slot.name, default(slot)), (&usual.name, default(usual)));
        let known = |arm: &Arm| usual.arms.iter().any(|other| other.name == arm.name);
        assert!(slot.arms.iter().all(known), "{}", slot.name);
    }
    let shipping = policy.slots[2].arms[1].cost;
    assert_eq!(
        (shipping.fixed, shipping.budget),
        (4_900_000, Some(500_000_000))
    );
}

/// The defaults that the default policy's comment shows are those of the reader.
#[test]
fn the_defaults_of_learn_are_those_in_the_comment() {
    let shown = DEFAULT_POLICY
        .lines()
        .find_map(|line| line.strip_prefix("#   learn = "))
        .expect("a line with the defaults");
    let read = Policy::read(&learns(shown)).unwrap().slots[0]
        .learn
        .unwrap();
    assert_eq!(read, spec(""));
}

#[test]
fn rewards_are_read() {
    let reward = |lines: &str| learning(lines).reward.reward;
    assert_eq!(reward(""), Reward::Conversion);
    assert_eq!(reward("reward = \"revenue\""), Reward::Revenue);
    assert_eq!(reward("reward = \"margin\""), Reward::Margin);
    assert_eq!(reward("reward = \"add_to_cart\""), Reward::AddToCart);
    let weighted =
        "reward = \"weighted\"\nweights = { conversion = 1, add_to_cart = 0.1, intent = 2 }";
    let expected = Reward::Weighted {
        conversion: 1_000_000,
        revenue: 0,
        margin: 0,
        add_to_cart: 100_000,
        intent: 2_000_000,
    };
    assert_eq!(reward(weighted), expected);
    assert_eq!(learning("provisional = 0.25").reward.provisional, 250_000);
}

#[test]
fn attribution_and_times_are_read() {
    assert_eq!(learning("").credit, Credit::All);
    assert_eq!(learning("attribution = \"last\"").credit, Credit::Last);
    let decayed = |half_life_ms| Credit::Decayed { half_life_ms };
    let usual = learning("attribution = \"decayed\"").credit;
    assert_eq!(usual, decayed(86_400_000));
    let given = learning("attribution = \"decayed\"\nhalf_life = \"2h\"").credit;
    assert_eq!(given, decayed(7_200_000));
    assert_eq!(learning("window = \"session\"").window_ms, None);
    assert_eq!(learning("window = \"7d\"").window_ms, Some(7 * 86_400_000));
    assert_eq!(
        learning("retention = \"90d\"").retention_ms,
        90 * 86_400_000
    );
    let from = learning("from = 2026-02-01T00:00:00+01:00");
    assert_eq!(from.from_ms, 1_769_900_400_000);
}

#[test]
fn what_counts_is_read() {
    assert!(!learning("counts = \"decided\"").seen);
    assert!(learning("counts = \"seen\"").seen);
    assert_eq!(learning("value_max = 99.5").value_max, 99_500_000);
    assert_eq!(learning("facts = 257").facts_per_bin, 2);
    let text = "version = 1\n[tables]\nquantum = \"500ms\"\nlag = \"2s\"\n[promotions]\nmargin = 0.4\nmargin_min = 0.1\n[bots]\nevents_per_minute = 0\nevents_min = 9";
    let policy = Policy::read(text).unwrap();
    assert_eq!((policy.quantum_ms, policy.lag_ms), (500, 2_000));
    let promotions = policy.promotions;
    assert_eq!(
        (promotions.margin_ppm, promotions.floor_ppm),
        (400_000, 100_000)
    );
    assert_eq!((policy.bots.per_minute, policy.bots.events_min), (0, 9));
    let text = "version = 1\n[bots]\nviews_without_dwell = 0\ndwell_min = \"2s\"\ngaps = 65535\ngap_min = \"50ms\"\nearlier = false";
    let bots = Policy::read(text).unwrap().bots;
    assert_eq!((bots.views_max, bots.dwell_min_ms), (0, 2_000));
    assert_eq!((bots.gaps_max, bots.gap_min_ms), (u16::MAX, 50));
    assert!(!bots.earlier);
    let lagging = Policy::read("version = 1\n[tables]\nquantum = \"5s\"").unwrap();
    assert_eq!(lagging.lag_ms, 5_000, "a quantum where nothing is said");
}

#[test]
fn methods_are_read() {
    assert_eq!(spec("").method, Method::Thompson);
    let greedy = Method::EpsilonGreedy { epsilon: 0.2 };
    assert_eq!(
        spec("method = \"epsilon_greedy\", epsilon = 0.2").method,
        greedy
    );
    let softmax = Method::Softmax { temperature: 0.5 };
    assert_eq!(
        spec("method = \"softmax\", temperature = 0.5").method,
        softmax
    );
    assert_eq!(
        spec("method = \"multivariate\"").method,
        Method::Multivariate
    );
    let fixed = |learn: &str| match spec(learn).method {
        Method::Fixed { weights } => weights[..4].to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(fixed("method = \"fixed\""), [1, 1, 1, 0]);
    let given = "method = \"fixed\", weights = { a = 2, none = 0.5 }";
    assert_eq!(fixed(given), [500, 2_000, 0, 0]);
}

#[test]
fn the_rest_of_learn_is_read() {
    let given =
        spec("floor = 0.1, warm_up = 0, heterogeneity = 7.5, settle = 0, kill = 0.2, holdout = 0");
    assert_eq!(
        (given.floor_ppm, given.warm_up, given.heterogeneity),
        (100_000, 0, 7.5)
    );
    assert_eq!((given.kill, given.holdout_ppm), (Some(0.2), 0));
    assert_eq!(spec("kill = 0").kill, None);
    assert_eq!(spec("floor = 0.333333").floor_ppm, 333_333);
    let costs = slot(
        "learn = {}\narm = [{ name = \"none\" }, { name = \"a\", cost = 4.9, discount = 0.1, budget = 500 }]",
    );
    let cost = Policy::read(&costs).unwrap().slots[0].arms[1].cost;
    assert_eq!((cost.fixed, cost.discount_ppm), (4_900_000, 100_000));
    assert_eq!(cost.budget, Some(500_000_000));
    let contexts = slot("context = [\"device\", \"phase\"]\narm = [{ name = \"none\" }]");
    let context = &Policy::read(&contexts).unwrap().slots[0].context;
    assert_eq!(context[..], [Context::Device, Context::Phase]);
}

#[test]
fn words_that_are_not_known_get_the_nearest_that_is() {
    let of_learning = |line: &str| format!("version = 1\n[learning]\n{line}");
    all_refused(&[
        (
            &of_learning("reward = ^\"revenu\""),
            "did you mean `revenue`?",
        ),
        (
            &of_learning("attribution = ^\"lst\""),
            "did you mean `last`?",
        ),
        (&of_learning("counts = ^\"sen\""), "did you mean `seen`?"),
        (
            &of_learning("^rewards = \"margin\""),
            "did you mean `reward`?",
        ),
        (
            &of_learning("reward = \"weighted\"\nweights = { ^conversions = 1 }"),
            "did you mean `conversion`?",
        ),
        (
            "version = 1\n[promotions]\n^margins = 0.3",
            "did you mean `margin`?",
        ),
        (
            "version = 1\n[bots]\n^event_min = 3",
            "did you mean `events_min`?",
        ),
        (
            "version = 1\n[bots]\n^view_without_dwell = 3",
            "did you mean `views_without_dwell`?",
        ),
        (
            "version = 1\n[tables]\n^lagg = \"1s\"",
            "did you mean `lag`?",
        ),
        (
            &learns("{ method = ^\"thomson\" }"),
            "did you mean `thompson`?",
        ),
        (&learns("{ ^warmup = 3 }"), "did you mean `warm_up`?"),
        (
            &learns("{ method = \"fixed\", weights = { ^c = 1 } }"),
            "the slot has no arm `c`",
        ),
        (
            &slot("context = [^\"devise\"]\narm = [{ name = \"none\" }]"),
            "did you mean `device`?",
        ),
    ]);
}

#[test]
fn numbers_and_times_are_held_to_what_they_can_be() {
    let of_learning = |line: &str| format!("version = 1\n[learning]\n{line}");
    let arm = |members: &str| {
        slot(&format!(
            "learn = {{}}\narm = [{{ name = \"none\" }}, {{ name = \"a\", {members} }}]"
        ))
    };
    all_refused(&[
        (&of_learning("provisional = ^1.5"), "between 0 and 1"),
        (&of_learning("value_max = ^-1"), "is no amount"),
        (&of_learning("value_max = ^nan"), "is no amount"),
        (&of_learning("window = ^\"0\""), "must be above 0"),
        (&of_learning("window = ^\"week\""), "is not a duration"),
        (&of_learning("retention = ^\"0s\""), "must be above 0"),
        (&of_learning("facts = ^255"), "between 256 and"),
        (&of_learning("from = ^2026-02-01"), "a time with its zone"),
        (
            &of_learning("attribution = \"decayed\"\nhalf_life = ^\"0\""),
            "must be above 0",
        ),
        (
            &of_learning("reward = \"weighted\"\nweights = ^{ conversion = 0 }"),
            "one is above 0",
        ),
        (
            "version = 1\n[promotions]\nmargin = ^1.1",
            "between 0 and 1",
        ),
        (
            "version = 1\n[promotions]\nmargin_min = ^-0.1",
            "between 0 and 1",
        ),
        ("version = 1\n[bots]\nevents_min = ^1", "between 2 and"),
        (
            "version = 1\n[bots]\nevents_per_minute = ^1000001",
            "between 0 and",
        ),
        (
            "version = 1\n[bots]\nviews_without_dwell = ^65536",
            "between 0 and 65535",
        ),
        ("version = 1\n[bots]\ngaps = ^65536", "between 0 and 65535"),
        ("version = 1\n[bots]\ndwell_min = ^\"0\"", "must be above 0"),
        (
            "version = 1\n[bots]\ngap_min = ^\"fast\"",
            "is not a duration",
        ),
        (
            "version = 1\n[tables]\nlag = ^\"0\"",
            "above 0 and a multiple",
        ),
        (
            &learns("{ epsilon = ^2.0, method = \"epsilon_greedy\" }"),
            "between 0 and 1",
        ),
        (
            &learns("{ temperature = ^0.0, method = \"softmax\" }"),
            "does not lie between",
        ),
        (&learns("{ heterogeneity = ^-1.0 }"), "does not lie between"),
        (
            &learns("{ method = \"softmax\", settle = ^0.1 }"),
            "`settle` is not for method = \"softmax\"",
        ),
        (&learns("{ kill = ^1.5 }"), "between 0 and 1"),
        (&learns("{ holdout = ^nan }"), "between 0 and 1"),
        (
            &learns("{ method = \"fixed\", weights = { ^a = -1 } }"),
            "a weight of -1",
        ),
        (
            &learns("{ method = \"fixed\", weights = ^{ a = 0 } }"),
            "one weight has to be above 0",
        ),
        (&arm("cost = ^1e12"), "is no amount"),
        (&arm("discount = ^1.2"), "between 0 and 1"),
    ]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let of_learning = |line: &str| format!("version = 1\n[learning]\n{line}");
    all_refused(&[
        (
            &of_learning("weights = ^{ conversion = 1 }"),
            "weights are for reward = \"weighted\"",
        ),
        (
            &of_learning("reward = ^\"weighted\""),
            "needs learning.weights",
        ),
        (
            &of_learning("half_life = ^\"1d\""),
            "half_life is for attribution = \"decayed\"",
        ),
        (
            &of_learning("window = ^\"400d\""),
            "longer than learning.retention",
        ),
        (
            "version = 1\n[tables]\nquantum = \"2s\"\nlag = ^\"3s\"",
            "a multiple of tables.quantum",
        ),
        (
            &learns("{ floor = ^0.4 }"),
            "impossible: 3 arms cannot each have a share of 0.4",
        ),
        (
            &learns("{ epsilon = ^0.1 }"),
            "`epsilon` is not for method = \"thompson\"",
        ),
        (
            &learns("{ temperature = ^0.1 }"),
            "`temperature` is not for",
        ),
        (&learns("{ weights = ^{ a = 1 } }"), "`weights` are not for"),
        (
            &slot(
                "learn = ^{}\narm = [{ name = \"none\" }, { name = \"a\" }]\nrule = [{ arm = \"a\", gain = 0.5 }]",
            ),
            "slot `s` learns, so it takes no rules",
        ),
        (
            &slot("learn = ^{}\narm = [{ name = \"none\" }]"),
            "needs two arms to choose from",
        ),
        (
            &slot("learn = {}\narm = [{ name = \"none\" }, { name = \"a\", budget = ^5 }]"),
            "a budget is for an arm with a `cost` or a `discount`",
        ),
        (
            &slot(
                "arm = [{ name = \"none\" }, { name = \"a\", cost = 1, budget = ^5 }]\nrule = [{ arm = \"a\", gain = 0.5 }]",
            ),
            "slot `s` has no `learn`",
        ),
        (
            "version = 1\n[[slot]]\nname = \"s\"\ndefault = ^\"none\"\nlearn = {}\narm = [{ name = \"none\", cost = 1, budget = 5 }, { name = \"a\" }]",
            "no `budget`",
        ),
    ]);
}

/// Slots that are drawn together stand in one context, and their pairs of arms fit one model.
#[test]
fn slots_that_learn_together_have_to_fit() {
    let what = refused(&together(&[("\"phase\"", 2), ("", 3)]));
    assert!(what.contains("`s1` needs the context of `s0`"), "{what}");
    let swapped = [("\"phase\", \"device\"", 2), ("\"device\", \"phase\"", 2)];
    assert!(refused(&together(&swapped)).contains("in the same order"));
    let fits = [("\"phase\"", 5); 5];
    assert!(weight_count(&[5; 5]) <= WEIGHTS_MAX);
    assert!(Policy::read(&together(&fits).replace('^', "")).is_ok());
    let many = weight_count(&[16, 16, 16]);
    assert!(many > WEIGHTS_MAX);
    let what = refused(&together(&[("", 16); 3]));
    assert!(what.contains(&format!("need {many} weights")), "{what}");
}
