//! Policies for the closed-loop shop, as the text of policy files.
//!
//! All share the page of [`super::page`], never wait between two changes, and keep no holdout
//! unless they learn; they differ in how a slot is decided: by default, by a fixed arm, by an arm
//! for each phase, or by what the job learns. The job reads them as it reads anybody's policy.
//!
//! Invariant: the slots stand in the shop's order, the shop's slots first. Cost: two kilobytes of
//! text each.

use super::page::{Layout, SLOTS};
use super::scout::ByPhase;
use crate::visit::phase::Phase;
use std::fmt::Write;

/// Share of visitors whom a policy that learns keeps at the default, for comparison.
pub const HOLDOUT_SHARE: f64 = 0.01;
/// What an exposure earns.
const REWARD: &str = "\n[learning]\nreward = \"weighted\"\n\
                      weights = { conversion = 1.0, add_to_cart = 0.6, intent = 4.0 }\n";
/// Time between two versions of its tables: some hundred visits.
const QUANTUM: &str = "5m";

/// The policy that shows every visit the same layout.
pub fn fixed(name: &str, layout: Layout) -> String {
    let mut text = head(name, 0.0);
    for (slot, shown) in layout.into_iter().enumerate() {
        open_slot(&mut text, slot, &[usize::from(shown)]);
    }
    text
}

/// The policy that shows the shop's defaults and tells every move of the phase.
pub fn scout(name: &str) -> String {
    scouting(fixed(name, Layout::default()))
}

/// A policy with one more slot, which no shopper sees, that changes whenever the phase moves.
pub fn scouting(mut text: String) -> String {
    text.push_str("\n[[slot]]\nname = \"scout\"\n");
    let first = Phase::ALL[0].name();
    writeln!(text, "default = \"{first}\"\ncontext = [\"phase\"]").expect("a String takes all");
    arm(&mut text, first);
    for phase in &Phase::ALL[1..] {
        called_arm(&mut text, phase.name(), &[*phase]);
    }
    text
}

/// The policy that shows each phase the layout that is given for it.
pub fn by_phase(name: &str, layouts: &ByPhase) -> String {
    let mut text = head(name, 0.0);
    for (slot, known) in SLOTS.iter().enumerate() {
        open_slot(&mut text, slot, &[0]);
        for (number, name) in known.arms.iter().enumerate().skip(1) {
            let calls = |phase: &Phase| usize::from(layouts[*phase as usize][slot]) == number;
            let phases: Vec<Phase> = Phase::ALL.into_iter().filter(calls).collect();
            if !phases.is_empty() {
                called_arm(&mut text, name, &phases);
            }
        }
    }
    text
}

/// The policy that shows every arm equally often, drawn anew for every phase, and learns nothing.
pub fn uniform(name: &str) -> String {
    learned(name, "method = \"fixed\"", 0.0, "")
}

/// The policy that learns each slot's arms by phase, with a holdout of [`HOLDOUT_SHARE`].
///
/// Beside an order its reward counts the first addition to the cart, for six tenths of one, and by how much
/// `p_purchase` rises, four times: more than comes of either, since both are there sooner and more often than
/// orders, and tell arms apart that a few thousand orders cannot (a surrogate index; Athey, Chetty, Imbens and
/// Kang 2019). The weights were chosen on other seeds than those of docs/learning.md.
pub fn learning(name: &str, method: &str) -> String {
    let learn = format!("method = \"{method}\"\n  floor = 0.002\n  warm_up = 20");
    learned(name, &learn, HOLDOUT_SHARE, REWARD)
}

fn learned(name: &str, learn: &str, holdout: f64, reward: &str) -> String {
    let mut text = head(name, holdout) + reward;
    writeln!(text, "\n[tables]\nquantum = \"{QUANTUM}\"").expect("a String takes all");
    for (slot, known) in SLOTS.iter().enumerate() {
        let arms: Vec<usize> = (0..known.arms.len()).collect();
        open_slot(&mut text, slot, &arms);
        writeln!(text, "  [slot.learn]\n  {learn}\n  holdout = 0.0").expect("a String takes all");
    }
    text
}

fn head(name: &str, holdout: f64) -> String {
    format!(
        "version = 1\nname = \"{name}\"\n\n\
         [stability]\ncooldown = \"0s\"\nmin_gain = 0.0\nchanges_max = 1000000\n\n\
         [holdout]\nshare = {holdout:.2}\n"
    )
}

/// A slot with some of its arms, the first of them its default: a policy may not list an arm that
/// nothing calls for.
fn open_slot(text: &mut String, slot: usize, arms: &[usize]) {
    let (name, known) = (SLOTS[slot].name, SLOTS[slot].arms);
    let default = known[arms[0]];
    write!(
        text,
        "\n[[slot]]\nname = \"{name}\"\ndefault = \"{default}\"\ncontext = [\"phase\"]\n"
    )
    .expect("a String takes all");
    for number in arms {
        arm(text, known[*number]);
    }
}

fn arm(text: &mut String, name: &str) {
    writeln!(text, "  [[slot.arm]]\n  name = \"{name}\"").expect("a String takes all");
}

/// An arm that is put up when one of these phases begins and taken down when they are over.
fn called_arm(text: &mut String, name: &str, phases: &[Phase]) {
    arm(text, name);
    let phases: Vec<String> = phases.iter().map(|p| format!("\"{}\"", p.name())).collect();
    let phases = phases.join(", ");
    writeln!(
        text,
        "  when = {{ phase = [{phases}] }}\n  [[slot.rule]]\n  arm = \"{name}\"\n  gain = 1.0"
    )
    .expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use super::super::page::PageMap;
    use super::*;
    use crate::visit::policy::Policy;

    #[test]
    fn texts_are_policies_of_the_shop() {
        let oracle: ByPhase = [
            [1, 1, 1, 1],
            [2, 2, 2, 2],
            [3, 3, 0, 0],
            [0; 4],
            [3, 0, 0, 0],
        ];
        for text in [
            fixed("default", [0; 4]),
            fixed("fixed", [3, 2, 1, 2]),
            scout("scout"),
            scouting(by_phase("oracle", &oracle)),
            by_phase("oracle", &oracle),
        ] {
            let policy = Policy::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert!(PageMap::of(&policy).is_ok());
            assert_eq!(policy.holdout.share_ppm, 0);
        }
        let policy = Policy::read(&fixed("fixed", [3, 2, 1, 2])).unwrap();
        assert_eq!(PageMap::of(&policy).unwrap().start(), [3, 2, 1, 2]);
        let policy = Policy::read(&by_phase("oracle", &oracle)).unwrap();
        let rules: usize = policy.slots.iter().map(|slot| slot.rules.len()).sum();
        assert_eq!(rules, 3 + 3 + 2 + 2);
    }

    #[test]
    fn a_learning_policy_names_its_method_in_every_slot() {
        let text = learning("learned", "thompson");
        assert_eq!(text.matches("method = \"thompson\"").count(), SLOTS.len());
        assert!(text.contains("share = 0.01"));
        assert!(uniform("uniform").contains("method = \"fixed\""));
    }
}
