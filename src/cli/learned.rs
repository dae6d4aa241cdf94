//! What a run has learned, and what came of it: the part of the report that is about the loop.
//!
//! Lift over the whole page and slot by slot, each against its own holdout; every learned slot as a
//! small table of arms by context leaves; what was set aside (bots, repeated orders, refunds without
//! an order). All of it follows from the tally and the learner's last state, both sums of integers,
//! so the same logs give the same page on any number of workers.

use super::report::Counts;
use crate::evaluate::lift::{Lift, LiftOptions, LiftPoint, Verdict, lift, over_time};
use crate::grouped::grouped;
use crate::visit::bots::{RULE_COUNT, Rule};
use crate::visit::learn::learner::{ArmReport, LeafReport, SlotReport};
use crate::visit::learn::moments::{Groups, Moments};
use crate::visit::learn::spec::{LearnSpec, Method};
use crate::visit::policy::{Policy, Slot, method_name};
use crate::visit::tally::{BotCounts, Tally};
use jiff::Timestamp;
use serde::Serialize;

/// Layouts of a leaf that the page names.
const LAYOUTS_SHOWN: usize = 3;

/// What came of the decisions.
#[derive(Debug, Serialize)]
pub(super) struct Learned {
    /// The whole page against the holdout; nothing without one.
    lift: Option<Lift>,
    /// The slots that learn, in the order of the policy.
    slots: Vec<LearnedSlot>,
    /// The layouts of the slots that learn together, those with the greatest shares by leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    layouts: Option<SlotReport>,
    /// What was set aside, by its name.
    set_aside: Counts,
    /// Sessions taken for a bot's, by rule.
    bots_by_rule: Counts,
    /// Events in them, by rule.
    bot_events_by_rule: Counts,
    /// Both for people.
    #[serde(skip)]
    bots: String,
    /// Why there is no lift, or what there is of it says nothing.
    #[serde(skip)]
    no_lift: Option<String>,
    /// Slots that learn of which nothing is known, with the reason.
    #[serde(skip)]
    silent: Vec<String>,
}

/// A slot that learns.
#[derive(Debug, Serialize)]
struct LearnedSlot {
    #[serde(flatten)]
    report: SlotReport,
    /// The slot against its own holdout; nothing without one.
    lift: Option<Lift>,
    /// What each arm may promise in all, in units of the currency.
    #[serde(skip)]
    budgets: Vec<Option<f64>>,
    /// The arm that the others are held against.
    #[serde(skip)]
    default: usize,
}

/// A line of the page: its name, empty where a line goes on, and what stands there.
pub(super) type Row = (&'static str, String);

impl Learned {
    /// Sums up what was counted and learned.
    pub(super) fn new(tally: &Tally, learned: &[SlotReport], policy: &Policy) -> Learned {
        // A slot is learned by one worker, which alone has something to say of it.
        let (layouts, single): (Vec<_>, Vec<_>) =
            learned.iter().partition(|report| report.arms.is_empty());
        let of = |name: &str| single.iter().find(|report| report.slot == name);
        let lift = compared(tally, 0, policy.holdout.share_ppm);
        let beside = |of_slot: Lift| match &lift {
            Some(page) => of_slot.within(page),
            None => of_slot,
        };
        let slots = policy.slots.iter().enumerate().filter_map(|(place, slot)| {
            let spec = slot.learn.as_ref()?;
            Some(LearnedSlot {
                report: (*of(&slot.name)?).clone(),
                lift: compared(tally, 1 + place, spec.holdout_ppm).map(beside),
                budgets: budgets(slot),
                default: slot.default,
            })
        });
        let slots = slots.collect();
        Learned {
            no_lift: no_lift(lift.as_ref(), policy),
            silent: silent(learned, policy),
            lift,
            slots,
            layouts: layouts.into_iter().next().cloned(),
            bots_by_rule: by_rule(tally.bots.sessions),
            bot_events_by_rule: by_rule(tally.bots.events),
            bots: bots_line(&tally.bots),
            set_aside: Counts::above_zero(
                [
                    ("bots", tally.bots.total()),
                    ("bots_earlier", tally.bots.earlier),
                    ("erased", tally.erased),
                    ("erased_events", tally.erased_events),
                    ("orders_repeated", tally.orders_repeated),
                    ("refunds_unmatched", tally.refunds_unmatched),
                    ("impressions_unmatched", tally.impressions_unmatched),
                ]
                .into_iter(),
            ),
        }
    }

    /// The lines for people.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        if !self.set_aside.is_empty() {
            rows.push(("set aside", self.set_aside.line()));
        }
        if !self.bots.is_empty() {
            rows.push(("bots", self.bots.clone()));
        }
        match (&self.no_lift, &self.lift) {
            (Some(why), _) => rows.push(("lift", why.clone())),
            (None, Some(lift)) => rows.extend(lift.rows()),
            (None, None) => {}
        }
        for slot in &self.slots {
            slot.rows(&mut rows);
        }
        rows.extend(self.silent.iter().map(|slot| ("slot", slot.clone())));
        if let Some(layouts) = &self.layouts {
            layout_rows(layouts, &mut rows);
        }
        rows
    }
}

/// The layouts that are drawn most in each leaf.
fn layout_rows(layouts: &SlotReport, rows: &mut Vec<Row>) {
    rows.push(("layouts", format!("{} ({})", layouts.slot, layouts.method)));
    for leaf in &layouts.leaves {
        let shown = leaf.arms.iter().take(LAYOUTS_SHOWN);
        let shown = shown.map(|layout| format!("{} {}", layout.arm, percent(layout.share)));
        let shown: Vec<String> = shown.collect();
        rows.push(("", format!("{}: {}", leaf.leaf, shown.join(", "))));
    }
}

/// The comparison over time, for a plot; nothing without a holdout.
pub(super) fn lift_over_time(tally: &Tally, policy: &Policy) -> Option<Vec<LiftPoint>> {
    let held_share = share(policy.holdout.share_ppm)?;
    let mut sums = Groups::default();
    let buckets = tally
        .timeline
        .iter()
        .flat_map(|timeline| timeline.buckets());
    let cumulative: Vec<(u64, Moments, Moments)> = buckets
        .map(|(start_ms, bucket)| {
            sums.merge(&bucket.lift);
            (start_ms, sums.treated, sums.held)
        })
        .filter(|(_, treated, held)| treated.visitors + held.visitors > 0)
        .collect();
    Some(over_time(&cumulative, held_share, &LiftOptions::default()))
}

/// A holdout's share, if there is a holdout and someone outside it.
fn share(ppm: u32) -> Option<f64> {
    (1..1_000_000)
        .contains(&ppm)
        .then_some(f64::from(ppm) / 1e6)
}

/// The comparison at a place of the tally: 0 is the whole page, then the slots.
fn compared(tally: &Tally, place: usize, held_ppm: u32) -> Option<Lift> {
    let held_share = share(held_ppm)?;
    let groups = tally.lift.get(place).copied().unwrap_or_default();
    let options = LiftOptions::default();
    Some(lift(&groups.treated, &groups.held, held_share, &options))
}

/// Why there is nothing to be compared, if there is not.
fn no_lift(lift: Option<&Lift>, policy: &Policy) -> Option<String> {
    let from_ms = policy.learning.from_ms;
    match (lift, policy.holdout.share_ppm) {
        (Some(lift), _) if from_ms > 0 && lift.visitors.treated + lift.visitors.held == 0 => {
            Some(format!(
                "nothing yet: until learning.from, {}, everyone keeps the default and nothing is compared or learned",
                time(from_ms)
            ))
        }
        // A job that learns is expected to say what came of it.
        (None, 0) => {
            let learns = policy.slots.iter().any(|slot| slot.learn.is_some());
            learns.then(|| "no [holdout] share: nothing to compare with".into())
        }
        (None, _) => Some(
            "the [holdout] share is 1: everyone keeps the default, and nobody is left to compare with"
                .into(),
        ),
        (Some(_), _) => None,
    }
}

/// The slots that learn and have nothing to say, each with the reason.
fn silent(learned: &[SlotReport], policy: &Policy) -> Vec<String> {
    let layouts = learned.iter().any(|report| report.arms.is_empty());
    let says = |slot: &Slot, spec: &LearnSpec| {
        let joint = layouts && spec.method == Method::Multivariate;
        joint || learned.iter().any(|report| report.slot == slot.name)
    };
    let why = if policy.learning.seen {
        "no exposure counts: with counts = \"seen\" one does when an impression names its decision"
    } else {
        "no exposure counts yet"
    };
    let silent = policy.slots.iter().filter_map(|slot| {
        let spec = slot.learn.as_ref().filter(|spec| !says(slot, spec))?;
        Some(format!(
            "{} ({}): nothing is known; {why}",
            slot.name,
            method_name(&spec.method)
        ))
    });
    silent.collect()
}

/// Counts by the rules' names.
fn by_rule(counts: [u64; RULE_COUNT]) -> Counts {
    Counts::above_zero(Rule::ALL.iter().map(|rule| rule.name()).zip(counts))
}

/// Sessions taken for a bot's, by the rules that any fell to.
fn bots_line(bots: &BotCounts) -> String {
    let counts = bots.sessions.iter().zip(bots.events);
    let by_rule = Rule::ALL.iter().zip(counts);
    let parts =
        by_rule
            .filter(|(_, (sessions, _))| **sessions > 0)
            .map(|(rule, (sessions, events))| {
                let (sessions, events) = (grouped(*sessions), grouped(events));
                format!("{} {sessions} ({events} events)", rule.name())
            });
    parts.collect::<Vec<_>>().join(", ")
}

fn budgets(slot: &Slot) -> Vec<Option<f64>> {
    let budgets = slot.arms.iter().map(|arm| arm.cost.budget);
    budgets
        .map(|most| most.map(|most| most as f64 / 1e6))
        .collect()
}

impl LearnedSlot {
    /// The slot as a table: an arm a column, what is known of it and its share in every leaf.
    fn rows(&self, rows: &mut Vec<Row>) {
        let SlotReport { arms, leaves, .. } = &self.report;
        let title = format!("{} ({})", self.report.slot, self.report.method);
        let of_arms = |cell: &dyn Fn(&ArmReport) -> String| arms.iter().map(cell).collect();
        let mut lines: Vec<(String, Vec<String>)> = vec![
            (title, of_arms(&|arm| arm.arm.clone())),
            ("exposures".into(), of_arms(&|arm| whole(arm.exposures))),
            ("mean reward".into(), means(arms, |arm| Some(arm.mean))),
            ("side by side".into(), relative(arms, self.default)),
        ];
        let weighed = |leaf: &&LeafReport| leaf.arms.iter().any(|arm| arm.share.is_some());
        for leaf in leaves.iter().filter(weighed) {
            let shares = leaf.arms.iter().map(|arm| percent(arm.share));
            lines.push((format!("share {}", leaf.leaf), shares.collect()));
        }
        let name = ["slot", ""].into_iter().chain(std::iter::repeat(""));
        rows.extend(name.zip(aligned(&lines)));
        rows.extend(self.remarks().into_iter().map(|remark| ("", remark)));
        // A slot's own holdout is small: while it collects there is nothing to say.
        let said = self.lift.as_ref();
        if let Some(lift) = said.filter(|lift| lift.verdict != Verdict::Collecting) {
            let words = format!("lift: {}: {}", lift.verdict.name(), lift.words);
            rows.push(("", words));
        }
    }

    /// What is out of the ordinary.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.report.frozen {
            remarks.push("frozen: its visitors do not fall into the groups as drawn".into());
        }
        for (arm, budget) in self.report.arms.iter().zip(&self.budgets) {
            let name = &arm.arm;
            if let Some(at_ms) = arm.barred_ms {
                let since = time(at_ms);
                remarks.push(format!(
                    "{name} barred since {since}: surely worse than the holdout"
                ));
            }
            remarks.extend(match (arm.promised, budget, arm.over_budget) {
                (Some(sum), Some(most), Some(over)) => Some(format!(
                    "{name} promised {sum:.2} of {most:.2}: {over:.2} over"
                )),
                (Some(sum), Some(most), None) => {
                    Some(format!("{name} promised {sum:.2} of {most:.2}"))
                }
                (Some(sum), None, _) => Some(format!("{name} promised {sum:.2}")),
                (None, ..) => None,
            });
        }
        remarks
    }
}

/// Lines of equal columns: names to the left, figures to the right.
fn aligned(lines: &[(String, Vec<String>)]) -> impl Iterator<Item = String> + '_ {
    let width = |text: &String| text.chars().count();
    let columns = lines
        .iter()
        .map(|(_, cells)| cells.len())
        .max()
        .unwrap_or(0);
    let widest = |column: usize| {
        let cells = lines.iter().filter_map(move |(_, cells)| cells.get(column));
        cells.map(width).max().unwrap_or(0)
    };
    let names = lines.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    lines.iter().map(move |(name, cells)| {
        let mut line = format!("{name:<names$}");
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        line
    })
}

fn whole(number: i64) -> String {
    grouped(u64::try_from(number).unwrap_or(0))
}

/// The mean rewards of exposures: money to the hundredth, rates to four decimals.
fn means(arms: &[ArmReport], mean: impl Fn(&ArmReport) -> Option<f64>) -> Vec<String> {
    let places = if arms.iter().any(|arm| arm.mean.abs() >= 1.0) {
        2
    } else {
        4
    };
    let text = |arm: &ArmReport| match (arm.exposures, mean(arm)) {
        (1.., Some(mean)) => format!("{mean:.places$}"),
        _ => "–".into(),
    };
    arms.iter().map(text).collect()
}

/// What the arms earn side by side, as multiples of what the default does: their common level is that
/// of the visitors among whom they could be compared, and of no use by itself.
fn relative(arms: &[ArmReport], default: usize) -> Vec<String> {
    let known = |arm: &ArmReport| arm.side_by_side.filter(|_| arm.exposures > 0);
    let base = arms.get(default).and_then(known).filter(|base| *base > 0.0);
    let text = |arm: &ArmReport| match (known(arm), base) {
        (Some(value), Some(base)) => format!("×{:.2}", value / base),
        _ => "–".into(),
    };
    arms.iter().map(text).collect()
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |share| format!("{:.1} %", share * 100.0))
}

fn time(at_ms: u64) -> String {
    let time = i64::try_from(at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{at_ms} ms"), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(name: &str, exposures: i64, mean: f64) -> ArmReport {
        ArmReport {
            arm: name.into(),
            exposures,
            mean,
            side_by_side: Some(mean),
            interval: None,
            share: None,
            barred_ms: None,
            promised: None,
            over_budget: None,
        }
    }

    fn slot(arms: Vec<ArmReport>) -> SlotReport {
        SlotReport {
            slot: "promo".into(),
            method: "thompson".into(),
            frozen: false,
            leaves: Vec::new(),
            arms,
        }
    }

    #[test]
    fn a_slot_is_a_table_with_remarks() {
        let share = |name: &str, share| ArmReport {
            share: Some(share),
            ..arm(name, 1, 0.0)
        };
        let mut report = slot(vec![
            arm("none", 12_345, 0.031_3),
            ArmReport {
                promised: Some(523.7),
                over_budget: Some(23.7),
                barred_ms: Some(1_767_225_600_000),
                ..arm("shipping", 0, 0.0)
            },
        ]);
        report.leaves.push(LeafReport {
            leaf: "phase=buying".into(),
            held: 3,
            held_mean: 0.0,
            arms: vec![share("none", 0.875), share("shipping", 0.125)],
        });
        let slot = LearnedSlot {
            report,
            lift: None,
            budgets: vec![None, Some(500.0)],
            default: 0,
        };
        let mut rows = Vec::new();
        slot.rows(&mut rows);
        let lines: Vec<String> = rows
            .iter()
            .map(|(name, text)| format!("{name:<5}{text}"))
            .collect();
        assert_eq!(
            lines,
            [
                "slot promo (thompson)      none  shipping",
                "     exposures           12,345         0",
                "     mean reward         0.0313         –",
                "     side by side         ×1.00         –",
                "     share phase=buying  87.5 %    12.5 %",
                "     shipping barred since 2026-01-01T00:00:00Z: surely worse than the holdout",
                "     shipping promised 523.70 of 500.00: 23.70 over",
            ]
        );
    }

    #[test]
    fn layouts_are_named_with_their_shares() {
        let layout = |name| ArmReport {
            share: Some(0.25),
            ..arm(name, 9, 0.1)
        };
        let mut layouts = slot(Vec::new());
        layouts.slot = "banner+promo".into();
        layouts.leaves.push(LeafReport {
            leaf: "all".into(),
            held: 0,
            held_mean: 0.0,
            arms: ["a/x", "a/y", "b/x", "b/y"].map(layout).into(),
        });
        let mut rows = Vec::new();
        layout_rows(&layouts, &mut rows);
        let texts: Vec<&str> = rows.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "banner+promo (thompson)",
                "all: a/x 25.0 %, a/y 25.0 %, b/x 25.0 %"
            ]
        );
    }

    #[test]
    fn without_a_holdout_nothing_is_compared() {
        assert_eq!(share(0), None);
        assert_eq!(share(1_000_000), None);
        assert_eq!(share(50_000), Some(0.05));
        assert!(compared(&Tally::default(), 0, 0).is_none());
        assert!(compared(&Tally::default(), 3, 50_000).is_some());
    }
}
