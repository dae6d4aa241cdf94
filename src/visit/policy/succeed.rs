//! A policy that takes over from another while sessions are live and statistics stand.
//!
//! Sessions, facts and tables know slots and arms by number. So a successor is brought into line: an
//! arm that both have keeps its number, whatever the order of the file; a new one gets the next; one
//! that is gone is **retired**: it keeps its number, its name and what was learned of it, and may not
//! be shown. If it comes back later, it is the arm that it was.
//!
//! What would change the meaning of what is counted, remembered or learned is refused, with the place
//! in the successor's text: such a policy needs a state of its own. All else may change: phases,
//! hesitation, stability, rules, conditions, caps, costs, budgets, lists, methods and their numbers,
//! limits, bots, reasons.
//!
//! Cost: a comparison of two policies, once a change.

use super::super::learn::spec::{LearnSpec, Method};
use super::{ARMS_MAX, Arm, Condition, Policy, PolicyError, Slot, parse};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What stands in the way of a successor: where its text says so, key by key, and why.
struct Obstacle {
    place: Vec<String>,
    what: String,
}

impl Policy {
    /// Reads a policy that is to take over from another, and brings it into line with that.
    ///
    /// # Errors
    /// [`PolicyError`], for what is wrong with it by itself or as a successor.
    pub fn read_after(text: &str, before: &Policy) -> Result<Policy, PolicyError> {
        let policy = Policy::read(text)?;
        policy.succeed(before).map_err(|obstacle| {
            let span = span_of(text, &obstacle.place);
            parse::error_at(text, span, obstacle.what)
        })
    }

    /// Brings a policy into line with the one that it takes over from.
    fn succeed(mut self, before: &Policy) -> Result<Policy, Obstacle> {
        self.keeps_meaning(before)?;
        let mut slots = Vec::with_capacity(before.slots.len());
        for old in &before.slots {
            let at = self.slots.iter().position(|slot| slot.name == old.name);
            let at = at.ok_or_else(|| {
                let what = format!("slot `{}` is gone", old.name);
                refuse(&["slot"], &what, "every record says what each slot shows")
            })?;
            slots.push(self.slots.swap_remove(at).succeed(old, &self)?);
        }
        if let Some(new) = self.slots.first() {
            let what = format!("slot `{}` is new", new.name);
            let why = "every record says what each slot shows";
            return Err(refuse(&["slot", &new.name], &what, why));
        }
        self.slots = slots;
        if self.index != before.index {
            let why = "products are recommended from what it has gathered";
            return Err(refuse(&["index"], "the index or a ranker differs", why));
        }
        Ok(self)
    }

    /// Refuses what changes the meaning of what is kept, slots aside.
    fn keeps_meaning(&self, before: &Policy) -> Result<(), Obstacle> {
        let sessions = "sessions that are live or counted began and ended by it";
        let compared = "who is compared with whom would change under what was counted";
        let learned = "what was learned was counted by it";
        let tables = "times of what was learned are multiples of it";
        let (own, old) = (&self.session, &before.session);
        let (mine, theirs) = (&self.learning, &before.learning);
        let checks: [(&[&str], bool, &str); 18] = [
            (
                &["session", "source"],
                own.from_log == old.from_log,
                sessions,
            ),
            (&["session", "idle"], own.idle_ms == old.idle_ms, sessions),
            (&["session", "max"], own.max_ms == old.max_ms, sessions),
            (
                &["holdout", "share"],
                self.holdout.share_ppm == before.holdout.share_ppm,
                compared,
            ),
            (
                &["holdout", "salt"],
                self.holdout.salt == before.holdout.salt,
                compared,
            ),
            (
                &["tables", "quantum"],
                self.quantum_ms == before.quantum_ms,
                tables,
            ),
            (&["tables", "lag"], self.lag_ms == before.lag_ms, tables),
            (
                &["promotions", "margin"],
                self.promotions.margin_ppm == before.promotions.margin_ppm,
                "what orders brought was counted by it",
            ),
            (
                &["learning", "reward"],
                mine.reward.reward == theirs.reward.reward,
                learned,
            ),
            (
                &["learning", "provisional"],
                mine.reward == theirs.reward,
                learned,
            ),
            (
                &["learning", "attribution"],
                std::mem::discriminant(&mine.credit) == std::mem::discriminant(&theirs.credit),
                learned,
            ),
            (
                &["learning", "half_life"],
                mine.credit == theirs.credit,
                learned,
            ),
            (
                &["learning", "window"],
                mine.window_ms == theirs.window_ms,
                learned,
            ),
            (&["learning", "counts"], mine.seen == theirs.seen, learned),
            (
                &["learning", "retention"],
                mine.retention_ms == theirs.retention_ms,
                learned,
            ),
            (
                &["learning", "epoch"],
                mine.epoch_ms == theirs.epoch_ms,
                learned,
            ),
            (
                &["learning", "from"],
                mine.from_ms == theirs.from_ms,
                learned,
            ),
            (
                &["learning", "value_max"],
                mine.value_max == theirs.value_max,
                learned,
            ),
        ];
        match checks.iter().find(|(_, is_same, _)| !is_same) {
            Some((place, _, why)) => {
                let what = format!("{} differs", place.join("."));
                Err(refuse(place, &what, why))
            }
            None => Ok(()),
        }
    }
}

impl Slot {
    /// Brings a slot into line with the one of the policy before.
    fn succeed(mut self, old: &Slot, policy: &Policy) -> Result<Slot, Obstacle> {
        let name = self.name.clone();
        let refuse_at = |keys: &[&str], what: &str, why: &str| {
            let place = [&["slot", name.as_str()], keys].concat();
            refuse(&place, &format!("slot `{name}`: {what}"), why)
        };
        let learned = "what the slot has learned was counted by it";
        let (is_together, was_together) = (self.learns_together(), old.learns_together());
        if self.learn.is_some() != old.learn.is_some() || is_together != was_together {
            let what = "it learns in another way than before";
            return Err(refuse_at(&["learn"], what, learned));
        }
        if let (Some(spec), Some(before)) = (&self.learn, &old.learn) {
            if spec.holdout_ppm != before.holdout_ppm {
                let why = "who is compared with whom would change under what was counted";
                return Err(refuse_at(&["learn", "holdout"], "its holdout differs", why));
            }
            if self.context != old.context {
                return Err(refuse_at(&["context"], "its context differs", learned));
            }
        }
        if self.products.is_some() != old.products.is_some() {
            let why = "sessions that are live have a list or none";
            let what = "it shows products, or no longer does";
            return Err(refuse_at(&["products"], what, why));
        }
        let compares = self.learn.is_some() || policy.holdout.share_ppm > 0;
        if compares && self.arms[self.default].name != old.arms[old.default].name {
            let why = "all else is compared with those who keep it";
            return Err(refuse_at(&["default"], "its default differs", why));
        }
        let is_known = |arm: &Arm| old.arms.iter().any(|other| other.name == arm.name);
        if let Some(new) = self.arms.iter().find(|arm| !is_known(arm))
            && is_together
        {
            let what = format!("arm `{}` is new", new.name);
            let why = "slots that learn together have learned whole layouts";
            return Err(refuse_at(&["arm", &new.name], &what, why));
        }
        let mut numbers = vec![0; self.arms.len()];
        let mut arms: Vec<Arm> = old.arms.iter().map(Arm::retired).collect();
        for (index, arm) in std::mem::take(&mut self.arms).into_iter().enumerate() {
            let known = arms.iter().position(|other| other.name == arm.name);
            numbers[index] = known.unwrap_or(arms.len());
            match known {
                Some(number) => arms[number] = arm,
                None if arms.len() == ARMS_MAX => {
                    let what = format!("arm `{}` is one too many", arm.name);
                    let why = format!("with those that are gone the slot has had {ARMS_MAX}");
                    return Err(refuse_at(&["arm", &arm.name], &what, &why));
                }
                None => arms.push(arm),
            }
        }
        self.arms = arms;
        self.default = numbers[self.default];
        for rule in &mut self.rules {
            rule.arm = numbers[rule.arm];
        }
        if let Some(spec) = &mut self.learn {
            spec.renumber(&numbers);
        }
        Ok(self)
    }

    fn learns_together(&self) -> bool {
        let method = self.learn.map(|spec| spec.method);
        method == Some(Method::Multivariate)
    }
}

impl LearnSpec {
    /// Arms have other numbers than they had in the file.
    fn renumber(&mut self, numbers: &[usize]) {
        if let Method::Fixed { weights } = &mut self.method {
            let mut renumbered = [0; ARMS_MAX];
            for (&number, weight) in numbers.iter().zip(*weights) {
                renumbered[number] = weight;
            }
            *weights = renumbered;
        }
    }
}

impl Arm {
    /// What is left of an arm that a successor does not have.
    fn retired(&self) -> Arm {
        Arm {
            name: self.name.clone(),
            when: Condition {
                phases: 0,
                bounds: Vec::new(),
            },
            cap: None,
            cost: self.cost,
            ranker: self.ranker,
            retired: true,
        }
    }
}

fn refuse(place: &[&str], what: &str, why: &str) -> Obstacle {
    Obstacle {
        place: place.iter().map(|key| (*key).into()).collect(),
        what: format!("{what}, which a running job cannot take over: {why}. Begin a new state"),
    }
}

/// Where a text has a key; where it has not, the last part of the way that it has. An entry of a list
/// of tables is found by its name.
fn span_of(text: &str, place: &[String]) -> Range<usize> {
    let Ok(whole) = DeTable::parse(text) else {
        return 0..0;
    };
    let mut found = 0..0;
    let mut here = DeValue::Table(whole.into_inner());
    for key in place {
        let next = match here {
            DeValue::Table(table) => table
                .into_iter()
                .find(|(name, _)| name.get_ref() == key)
                .map(|(name, value)| (name.span(), value.into_inner())),
            DeValue::Array(all) => all.into_iter().find_map(|one| {
                let is_it = one
                    .get_ref()
                    .get("name")
                    .and_then(|name| name.get_ref().as_str());
                (is_it == Some(key)).then(|| (one.span(), one.into_inner()))
            }),
            _ => None,
        };
        let Some((span, value)) = next else {
            break;
        };
        (found, here) = (span, value);
    }
    found
}
