//! Estimators on logs of which the truth is known.
//!
//! A small shop with known click chances is logged by a known policy, many times over with other
//! seeds: estimates must be right on average where theory says so, intervals must hold the truth as
//! often as they say, and every warning must come where it is due, and not elsewhere. Cost: about
//! a second each.

use super::rows::{Logged, Names, Rows};
use super::sums::PerEstimator;
use super::switch::Switch;
use super::warning::Warning;
use super::{Options, estimate};
use crate::rng::Rng;

const ARMS: usize = 4;
/// The chance of a click by context and arm.
const TRUTH: [[f64; ARMS]; 2] = [[0.1, 0.2, 0.3, 0.6], [0.5, 0.4, 0.1, 0.2]];
const LOGGING: [[f64; ARMS]; 2] = [[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]];
const TARGET: [[f64; ARMS]; 2] = [[0.1, 0.1, 0.3, 0.5], [0.6, 0.2, 0.1, 0.1]];

/// How a log lies.
#[derive(Clone, Copy)]
struct Lie {
    /// Propensities are said to be uniform.
    propensities: bool,
    /// All contexts and arms are said to be one cell, in effect: contexts are swapped at random.
    contexts: bool,
}

const HONEST: Lie = Lie {
    propensities: false,
    contexts: false,
};

/// Rows of two contexts, both as frequent, of units of two rows each.
fn logged(seed: u64, count: usize, lie: Lie) -> Rows {
    let mut rng = Rng::new(seed);
    let mut rows = Rows::default();
    let targets = TARGET.map(|target| rows.push_target(&target).unwrap());
    for n in 0..count {
        let context = rng.below(2) as usize;
        let arm = rng.weighted(&LOGGING[context]);
        let reward = f64::from(u8::from(rng.chance(TRUTH[context][arm])));
        let told = if lie.contexts {
            rng.below(2)
        } else {
            context as u32
        };
        rows.push(Logged {
            unit: n as u64 / 2,
            group: 0,
            context: told,
            arm: arm as u16,
            propensity: if lie.propensities {
                0.25
            } else {
                LOGGING[context][arm]
            },
            reward,
            target: targets[context],
        })
        .unwrap();
    }
    rows
}

/// What a policy earns in truth.
fn value_of(policy: &[[f64; ARMS]; 2]) -> f64 {
    let products = policy.iter().flatten().zip(TRUTH.iter().flatten());
    products.map(|(p, chance)| p * chance).sum::<f64>() / 2.0
}

fn options() -> Options {
    Options {
        replicates: 0,
        ..Options::default()
    }
}

/// Mean and standard error of each estimator over logs of many seeds.
fn over_seeds(seeds: u64, rows: usize, lie: Lie) -> [(f64, f64); 7] {
    let each: Vec<[f64; 7]> = (0..seeds)
        .map(|seed| {
            let found = estimate(&logged(seed, rows, lie), &options());
            found.overall.estimates.values().map(Option::unwrap)
        })
        .collect();
    std::array::from_fn(|n| {
        let values = || each.iter().map(|values| values[n]);
        let mean = values().sum::<f64>() / seeds as f64;
        let variance = values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (seeds - 1) as f64;
        (mean, (variance / seeds as f64).sqrt())
    })
}

const REPLAY: usize = 1;
const DM: usize = 2;
const IPW: usize = 3;
const SNIPW: usize = 4;
const DR: usize = 5;

fn assert_unbiased(found: &[(f64, f64); 7], estimator: usize) {
    let (mean, error) = found[estimator];
    let truth = value_of(&TARGET);
    let name = PerEstimator::<f64>::NAMES[estimator];
    assert!(
        (mean - truth).abs() < 4.0 * error,
        "{name}: {mean} {truth} {error}"
    );
}

#[test]
fn ipw_and_dr_are_right_on_average_and_dr_is_surer() {
    let found = over_seeds(400, 200, HONEST);
    let (own, error) = found[0];
    assert!((own - value_of(&LOGGING)).abs() < 4.0 * error);
    assert_unbiased(&found, IPW);
    assert_unbiased(&found, DR);
    assert!(found[DR].1 < 0.95 * found[IPW].1, "{found:?}");
    // The log prefers other arms: without weights replay is far off.
    assert!((found[REPLAY].0 - value_of(&TARGET)).abs() > 10.0 * found[REPLAY].1);
}

#[test]
fn dr_is_right_with_a_wrong_model() {
    let lie = Lie {
        contexts: true,
        ..HONEST
    };
    let found = over_seeds(300, 400, lie);
    assert_unbiased(&found, DR);
    let (dm, error) = found[DM];
    assert!((dm - value_of(&TARGET)).abs() > 10.0 * error, "{dm}");
}

#[test]
fn dr_is_nearly_right_with_wrong_propensities() {
    let lie = Lie {
        propensities: true,
        ..HONEST
    };
    let found = over_seeds(60, 4_000, lie);
    let off = |n: usize| (found[n].0 - value_of(&TARGET)).abs();
    assert!(off(DR) < 0.008, "{found:?}");
    assert!(off(IPW) > 0.05 && off(SNIPW) > 10.0 * off(DR), "{found:?}");
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let truth = value_of(&TARGET);
    let mut held = [0; 7];
    let options = Options {
        replicates: 200,
        ..options()
    };
    for seed in 0..100 {
        let found = estimate(&logged(1_000 + seed, 400, HONEST), &options);
        for (held, interval) in held.iter_mut().zip(found.overall.interval.values()) {
            let interval = interval.unwrap();
            *held += u32::from(interval.lo <= truth && truth <= interval.hi);
        }
    }
    for n in [IPW, SNIPW, DR] {
        assert!(held[n] >= 90, "{held:?}");
    }
    // The model is refitted in every replicate, or its interval would be next to nothing wide.
    assert!(held[DM] >= 80, "{held:?}");
}

#[test]
fn snipw_stays_within_the_rewards_where_ipw_does_not() {
    let mut rows = Rows::default();
    let target = rows.push_target(&[0.5, 0.5]).unwrap();
    for n in 0..50u16 {
        let heavy = n < 3;
        rows.push(Logged {
            unit: u64::from(n),
            group: 0,
            context: 0,
            arm: n % 2,
            propensity: if heavy { 0.001 } else { 0.999 },
            reward: if heavy { 1.0 } else { 0.0 },
            target,
        })
        .unwrap();
    }
    let found = estimate(&rows, &options()).overall.estimates;
    assert!(found.ipw.unwrap() > 1.0);
    assert!((0.0..=1.0).contains(&found.snipw.unwrap()));
}

#[test]
fn switching_lies_between_the_model_and_doubly_robust() {
    let rows = logged(3, 2_000, HONEST);
    let at = |switch| {
        let options = Options {
            switch,
            ..options()
        };
        estimate(&rows, &options).overall.estimates
    };
    let never = at(Switch::At(f64::MAX));
    assert_eq!(never.switch_dr, never.dr);
    // Weights of 0 correct nothing: all others are switched.
    let always = at(Switch::At(0.0));
    assert_eq!(always.switch_dr, always.dm);
    let between = at(Switch::At(2.0));
    assert!(between.switch_dr != between.dr && between.switch_dr != between.dm);
    assert_eq!(between.dr, never.dr);
}

/// Uniform log, deterministic target: replay is the mean over matching rows, as in Li et al.
#[test]
fn replay_of_a_deterministic_target_is_the_mean_of_what_matches() {
    let (mut rng, mut rows) = (Rng::new(8), Rows::default());
    let target = rows.push_target(&[0.0, 1.0, 0.0]).unwrap();
    let (mut hits, mut matching) = (0.0, 0.0);
    for unit in 0..3_000 {
        let arm = rng.below(3) as u16;
        let reward = f64::from(u8::from(rng.chance(0.2 + 0.2 * f64::from(arm))));
        if arm == 1 {
            (hits, matching) = (hits + reward, matching + 1.0);
        }
        let (group, context, propensity) = (0, 0, 1.0 / 3.0);
        rows.push(Logged {
            unit,
            group,
            context,
            arm,
            propensity,
            reward,
            target,
        })
        .unwrap();
    }
    let found = estimate(&rows, &options()).overall;
    assert!((found.estimates.replay.unwrap() - hits / matching).abs() < 1e-12);
    assert!((found.estimates.snipw.unwrap() - hits / matching).abs() < 1e-12);
    assert!((found.ess - matching).abs() < 1e-6);
    assert_eq!(found.warnings, []);
}

/// Rows of two groups: the overall figures are those of the groups, weighted by their rows.
#[test]
fn groups_add_up_and_bear_their_names() {
    let mut rows = Rows::named(Names {
        groups: vec!["banner".into()],
        ..Names::default()
    });
    let targets = [[0.5, 0.5], [1.0, 0.0]].map(|target| rows.push_target(&target).unwrap());
    let mut rng = Rng::new(4);
    for n in 0..900u64 {
        let group = u32::from(n % 3 == 0);
        rows.push(Logged {
            unit: n / 3,
            group,
            context: 0,
            arm: rng.below(2) as u16,
            propensity: 0.5,
            reward: rng.unit(),
            target: targets[group as usize],
        })
        .unwrap();
    }
    let replicates = 50;
    let found = estimate(
        &rows,
        &Options {
            replicates,
            ..options()
        },
    );
    let [banner, other] = &found.groups[..] else {
        panic!("two groups")
    };
    assert_eq!(
        (banner.group.as_str(), other.group.as_str()),
        ("banner", "group 1")
    );
    assert_eq!(
        (banner.estimate.rows, other.estimate.rows, found.units),
        (600, 300, 300)
    );
    let dr = |estimate: &super::Estimate| estimate.estimates.dr.unwrap();
    let mean = (2.0 * dr(&banner.estimate) + dr(&other.estimate)) / 3.0;
    assert!((dr(&found.overall) - mean).abs() < 1e-12);
    let again = estimate(
        &rows,
        &Options {
            replicates,
            ..options()
        },
    );
    assert_eq!(found.json(), again.json());
    let seed = 2;
    assert_ne!(
        found.json(),
        estimate(
            &rows,
            &Options {
                seed,
                replicates,
                ..options()
            }
        )
        .json()
    );
}

/// A log with two arms: how often the second is chosen, as said and in truth; what it earns; and
/// how likely the target is to choose it.
fn two_arms(said: f64, truth: f64, rewards: [f64; 2], target: f64, count: u64) -> Rows {
    let (mut rng, mut rows) = (Rng::new(6), Rows::default());
    let target = rows.push_target(&[1.0 - target, target]).unwrap();
    for unit in 0..count {
        let arm = u16::from(rng.chance(truth));
        let propensity = if arm == 1 { said } else { 1.0 - said };
        let reward = f64::from(u8::from(rng.chance(rewards[usize::from(arm)])));
        let (group, context) = (0, 0);
        rows.push(Logged {
            unit,
            group,
            context,
            arm,
            propensity,
            reward,
            target,
        })
        .unwrap();
    }
    rows
}

fn warned(rows: &Rows) -> Vec<Warning> {
    estimate(rows, &options()).overall.warnings
}

#[test]
fn a_sound_log_brings_no_warning() {
    assert_eq!(warned(&two_arms(0.5, 0.5, [0.1, 0.2], 0.7, 2_000)), []);
    assert_eq!(warned(&Rows::default()), [Warning::NoRows]);
}

#[test]
fn propensities_down_to_a_millionth_bring_the_warning() {
    let mut rows = two_arms(0.5, 0.5, [0.1, 0.2], 0.5, 2_000);
    let target = rows.rows()[0].target;
    let row = Logged {
        unit: 9_999,
        arm: 1,
        propensity: 1e-6,
        reward: 1.0,
        ..rows.rows()[0]
    };
    rows.push(Logged { target, ..row }).unwrap();
    let found = estimate(&rows, &options()).overall;
    let has = |wanted: fn(&Warning) -> bool| found.warnings.iter().any(wanted);
    assert!(has(|w| matches!(
        w,
        Warning::Propensity {
            rows: 1,
            bound: 1e-4,
            ..
        }
    )));
    assert!(has(
        |w| matches!(w, Warning::OneRow { share } if *share > 0.9)
    ));
    assert!(has(
        |w| matches!(w, Warning::EffectiveSample { ess, .. } if *ess < 2.0)
    ));
    assert!(has(|w| matches!(w, Warning::Uneven { .. })));
    let said: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
    let said = said.join("\n");
    assert!(
        said.contains("1.0e-6") && said.contains("1 effective rows of 2,001"),
        "{said}"
    );
    let page = estimate(&rows, &Options::default()).text("new", "old");
    assert!(page.contains("not known: the mean weight is"), "{page}");
    assert!(!page.contains("+"), "no lead of such figures: {page}");
}

/// One visitor in fifty fills a cart and buys nearly all; there the log shows `plain` for certain,
/// elsewhere it draws. A target that shows `bold` to full carts is worth nobody knows what, however
/// few choices they are; and bold that sells half as much again elsewhere is worth more.
#[test]
fn few_choices_of_those_who_earn_most_decide() {
    let mut rng = Rng::new(8);
    let mut log = |bold_sells: f64, to_carts: f64, carts: f64| {
        let mut rows = Rows::default();
        let target = rows.push_target(&[0.0, 1.0]).unwrap();
        let plain = rows.push_target(&[1.0 - to_carts, to_carts]).unwrap();
        for unit in 0..20_000 {
            let full = rng.chance(carts);
            let arm = u16::from(!full && rng.chance(0.5));
            let chance = match (full, arm) {
                (true, _) => 0.9,
                (false, 0) => 0.05,
                (false, _) => 0.05 * bold_sells,
            };
            rows.push(Logged {
                unit,
                group: 0,
                context: 0,
                arm,
                propensity: if full { 1.0 } else { 0.5 },
                reward: f64::from(u8::from(rng.chance(chance))),
                target: if full { plain } else { target },
            })
            .unwrap();
        }
        let options = Options {
            replicates: 100,
            ..options()
        };
        estimate(&rows, &options).overall
    };
    let found = log(1.0, 1.0, 0.02);
    assert!(found.weights.unsupported < 0.05 && found.weights.unsupported_reward > 0.2);
    assert_eq!(found.verdict.verdict, "not known", "{:?}", found.verdict);
    // Few enough, and still as much as what is to be found out.
    let close = log(1.08, 1.0, 0.002);
    assert!(close.weights.unsupported_reward < 0.05);
    let why = close.verdict.why.unwrap_or_default();
    let decided = close.verdict.verdict == "no difference so far";
    assert!(decided || why.contains("that decides"), "{why}");
    for (to_carts, carts) in [(0.0, 0.02), (1.0, 0.001)] {
        assert_eq!(log(1.5, to_carts, carts).verdict.verdict, "more");
        assert_eq!(log(0.6, to_carts, carts).verdict.verdict, "less");
    }
}

#[test]
fn arms_that_the_log_never_chose_are_named_with_their_share() {
    let mut rows = two_arms(0.5, 0.0, [0.1, 0.2], 0.25, 1_000);
    rows.names.arms = vec![vec!["plain".into(), "flash sale".into()]];
    let warnings = warned(&rows);
    let Some(Warning::Unsupported { share, arms, .. }) = warnings.first() else {
        panic!("{warnings:?}")
    };
    assert!((share - 0.25).abs() < 1e-12);
    assert_eq!(arms, &[("flash sale at group 0".to_owned(), *share)]);
    // Propensities of 1/2 for what always came are wrong besides.
    assert!(matches!(warnings[1], Warning::MeanWeight { .. }));
    let said = warnings[0].to_string();
    assert!(
        said.contains("25 %") && said.contains("flash sale at group 0 25 %"),
        "{said}"
    );
}

#[test]
fn wrong_propensities_show_in_the_mean_weight() {
    let warnings = warned(&two_arms(0.1, 0.5, [0.1, 0.2], 0.5, 2_000));
    let found = warnings.iter().find_map(|warning| match warning {
        Warning::MeanWeight { mean, expected, .. } => Some((*mean, *expected)),
        _ => None,
    });
    let (mean, expected) = found.expect("a warning");
    assert!(mean > 2.0 && expected == 1.0, "{mean}");
    let honest = warned(&two_arms(0.1, 0.1, [0.1, 0.2], 0.5, 2_000));
    assert!(
        !honest
            .iter()
            .any(|w| matches!(w, Warning::MeanWeight { .. })),
        "{honest:?}"
    );
}

#[test]
fn few_rewards_are_counted() {
    let warnings = warned(&two_arms(0.5, 0.5, [0.01, 0.01], 0.5, 2_000));
    assert!(
        matches!(warnings[..], [Warning::Rewarded { rows }] if (5..50).contains(&rows)),
        "{warnings:?}"
    );
}

#[test]
fn what_is_undefined_is_null_and_the_names_are_there() {
    let found = estimate(&Rows::default(), &Options::default());
    let value: serde_json::Value = serde_json::from_str(&found.json()).unwrap();
    for name in ["replay", "dm", "ipw", "snipw", "dr", "switch_dr"] {
        assert!(
            value[name].is_null() && value["interval"][name].is_null(),
            "{name}"
        );
    }
    assert_eq!((&value["rows"], &value["clicks"]), (&0.into(), &0.into()));
    assert_eq!(value["warnings"][0], "there are no rows");
    assert!(found.text("a", "b").contains("there are no rows"));
    // No row matches the target: no replay, no snipw, and no interval for them.
    let rows = two_arms(0.5, 0.0, [0.5, 0.5], 1.0, 50);
    let replicates = 20;
    let found = estimate(
        &rows,
        &Options {
            replicates,
            ..options()
        },
    )
    .overall;
    assert_eq!(
        (found.estimates.replay, found.estimates.snipw),
        (None, None)
    );
    assert_eq!((found.interval.replay, found.interval.snipw), (None, None));
    assert!(found.interval.on_policy.is_some());
}

/// A whole page, so that its shape is looked at when it changes.
#[test]
fn the_page_has_every_estimator_and_every_group() {
    let rows = logged(1, 1_000, HONEST);
    let page = estimate(
        &rows,
        &Options {
            replicates: 50,
            ..options()
        },
    )
    .text("new", "old.csv");
    for name in PerEstimator::<f64>::NAMES {
        assert!(page.contains(&format!("\n{name}")), "{page}");
    }
    assert!(
        page.contains("1,000 rows") && page.contains(" to 0."),
        "{page}"
    );
}

/// Where a row's propensity is 1, no other arm was possible, whatever other rows of its place show.
#[test]
fn certain_rows_support_their_own_arm_alone() {
    let mut rows = Rows::default();
    let target = rows.push_target(&[0.25, 0.75]).unwrap();
    for unit in 0..400 {
        let row = Logged {
            unit,
            group: 0,
            context: 0,
            arm: (unit % 2) as u16,
            propensity: 1.0,
            reward: 1.0,
            target,
        };
        rows.push(row).unwrap();
    }
    let options = Options {
        replicates: 0,
        ..Options::default()
    };
    let overall = estimate(&rows, &options).overall;
    // Half the rows lack 0.75, the others 0.25.
    assert!((overall.weights.unsupported - 0.5).abs() < 1e-12);
    assert!((overall.weights.mean - 0.5).abs() < 1e-12);
    let mean_weight = |warning: &Warning| matches!(warning, Warning::MeanWeight { .. });
    assert!(!overall.warnings.iter().any(mean_weight));
}
