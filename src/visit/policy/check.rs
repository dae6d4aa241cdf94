//! What could never happen, refused before it is tried: impossible conditions, rules that cannot
//! win, arms that cannot be shown.
//!
//! Conditions are conjunctions of phase sets and closed ranges, so "can both hold" and "holds
//! whenever the other holds" are decided exactly, per measure. What can happen, but hardly as it was
//! meant, is a note.

use super::super::feature::{FEATURES, index_of};
use super::super::phase::{Phase, PhaseRules};
use super::{ALL_PHASES, Arm, Bound, Condition, Context, MEASURE_COUNT, Rule, Slot, measure_name};
use std::ops::Range;

type Refused = (Range<usize>, String);

/// The range that a measure can take at all.
fn natural(measure: usize) -> (f64, f64) {
    FEATURES
        .get(measure)
        .map_or((0.0, 1.0), |feature| feature.range)
}

/// Refuses a range that is empty or lies outside what the measure can be.
pub(super) fn bound(bound: &Bound) -> Result<(), String> {
    let name = measure_name(bound.measure);
    let (least, greatest) = natural(bound.measure);
    if bound.min > bound.max {
        return Err(format!(
            "impossible: {name} cannot be at least {} and at most {}",
            bound.min, bound.max
        ));
    }
    if bound.min > greatest || bound.max < least {
        return Err(format!(
            "impossible: {name} always lies between {least} and {greatest}"
        ));
    }
    Ok(())
}

/// Refuses rules and arms of a slot that could never count. `rules` in the order of the file,
/// each with the place of its arm's name; `names` the places of the arms' names.
pub(super) fn slot(
    arms: &[Arm],
    default: usize,
    rules: &[(Range<usize>, Rule)],
    names: &[Range<usize>],
    min_gain: f64,
    phases: &PhaseRules,
) -> Result<(), Refused> {
    for (index, (span, rule)) in rules.iter().enumerate() {
        let refuse = |what: String| Err((span.clone(), format!("rule `{}` {what}", rule.name)));
        if let Some(why) = contradiction(&rule.when, &arms[rule.arm].when) {
            return refuse(format!(
                "is impossible: arm `{}` may not be shown when it holds ({why})",
                arms[rule.arm].name
            ));
        }
        if !some_phase_fits(&[&rule.when, &arms[rule.arm].when], phases) {
            return refuse(
                "is impossible: in none of its phases can its measures lie in their ranges, \
                 as the thresholds of [phase] stand"
                    .into(),
            );
        }
        if rule.arm == default {
            return refuse(format!(
                "calls for the default arm `{}`, which is shown anyway when no rule holds",
                arms[default].name
            ));
        }
        if let Some(what) = too_small(rule, min_gain) {
            return refuse(what);
        }
        let wider = rules.iter().enumerate().find(|(other, (_, higher))| {
            *other != index
                && higher.priority > rule.priority
                && arms[higher.arm].cap.is_none()
                && implies(&[&rule.when, &arms[rule.arm].when], &higher.when)
                && implies(&[&rule.when, &arms[rule.arm].when], &arms[higher.arm].when)
        });
        if let Some((_, (_, higher))) = wider {
            return refuse(format!(
                "can never win: rule `{}` has a higher priority and holds whenever it holds",
                higher.name
            ));
        }
    }
    for (index, arm) in arms.iter().enumerate() {
        if index != default && !rules.iter().any(|(_, rule)| rule.arm == index) {
            let what = format!(
                "arm `{}` can never be shown: no rule calls for it",
                arm.name
            );
            return Err((names[index].clone(), what));
        }
    }
    Ok(())
}

/// What is possible, and still not what one might expect: for those who check a policy.
pub(super) fn notes(slots: &[Slot]) -> Vec<String> {
    let mut notes = Vec::new();
    for slot in slots.iter().filter(|slot| slot.learn.is_some()) {
        let drawn_once = !slot.context.contains(&Context::Phase);
        for arm in &slot.arms {
            let name = format!("slot {}: arm {}", slot.name, arm.name);
            let waits = arm.cost.fixed > 0 || arm.cost.needs_cart();
            if waits && drawn_once {
                notes.push(format!(
                    "{name} needs something in the cart, and the slot is drawn when a session starts: without \"phase\" in its context only visits that start with a filled cart can see it"
                ));
            } else if arm.cost.needs_cart() {
                notes.push(format!(
                    "{name} is not put up while the cart is empty: there is nothing to hold against its budget"
                ));
            }
        }
    }
    notes
}

/// Refuses a least gain that rules of the default policy's slots could never reach.
pub(super) fn gains(slots: &[Slot], min_gain: f64) -> Result<(), String> {
    let mut rules = slots.iter().flat_map(|slot| &slot.rules);
    let refused = rules.find_map(|rule| Some((rule, too_small(rule, min_gain)?)));
    refused.map_or(Ok(()), |(rule, what)| {
        Err(format!("rule `{}` of the default slots {what}", rule.name))
    })
}

/// Why a rule's gain can never be enough, if it cannot.
fn too_small(rule: &Rule, min_gain: f64) -> Option<String> {
    (rule.priority == 0 && rule.gain < min_gain).then(|| {
        format!(
            "can never win: its gain {} is below stability.min_gain {min_gain}",
            rule.gain
        )
    })
}

/// Whether in any phase that all conditions allow their ranges leave room for what the phase itself
/// says: scores between its thresholds, or something in the cart.
fn some_phase_fits(conditions: &[&Condition], rules: &PhaseRules) -> bool {
    let allowed = conditions
        .iter()
        .fold(ALL_PHASES, |set, condition| set & condition.phases);
    let rung = |at: usize| rules.rungs[at];
    let purchase = |least: f64, below: f64| {
        let (min, max) = range(conditions, MEASURE_COUNT - 2);
        max >= least && min < below
    };
    let fits = |phase: Phase| match phase {
        Phase::Browsing => purchase(0.0, rung(0).enter),
        Phase::Exploring => purchase(rung(0).leave, rung(1).enter),
        Phase::Deciding => purchase(rung(1).leave, rung(2).enter),
        Phase::Buying => purchase(rung(2).leave, f64::INFINITY),
        Phase::Hesitating => {
            index_of("cart_size").is_none_or(|cart| range(conditions, cart).1 >= 1.0)
        }
    };
    Phase::ALL
        .into_iter()
        .any(|phase| allowed & (1 << phase as u8) != 0 && fits(phase))
}

/// Why two conditions cannot hold together, if they cannot.
fn contradiction(left: &Condition, right: &Condition) -> Option<String> {
    if left.phases & right.phases == 0 {
        return Some("their phases have nothing in common".into());
    }
    left.bounds.iter().find_map(|bound| {
        let (min, max) = range(&[right], bound.measure);
        (bound.min > max || bound.max < min).then(|| {
            format!(
                "their ranges of {} have nothing in common",
                measure_name(bound.measure)
            )
        })
    })
}

/// Whether `wide` holds whenever all of `narrow` hold.
fn implies(narrow: &[&Condition], wide: &Condition) -> bool {
    let phases = narrow
        .iter()
        .fold(u8::MAX, |set, condition| set & condition.phases);
    phases & !wide.phases == 0
        && wide.bounds.iter().all(|bound| {
            // A missing feature lies in no range, so only a stated range implies another.
            let stated = narrow
                .iter()
                .any(|condition| condition.bounds.iter().any(|b| b.measure == bound.measure));
            let (min, max) = range(narrow, bound.measure);
            stated && min >= bound.min && max <= bound.max
        })
}

/// The range of a measure that all of the conditions leave open.
fn range(conditions: &[&Condition], measure: usize) -> (f64, f64) {
    conditions
        .iter()
        .flat_map(|condition| &condition.bounds)
        .filter(|bound| bound.measure == measure)
        .fold(natural(measure), |(min, max), bound| {
            (min.max(bound.min), max.min(bound.max))
        })
}
