//! Which slot and arm of the policy that made a log is which of the one that is judged: by name.
//!
//! Arms that only the log has are numbered behind the target's own, which will never show them.
//! What has no counterpart is left out, and [`Mapping::notes`] says so. Statistics of arms pass
//! from one policy to the other in the same way, where the slots' contexts are the same. Cost:
//! none to speak of.

use crate::evaluate::ope::rows::Names;
use crate::suggest;
use crate::visit::learn::fact::{Cell, HELD, JOINT};
use crate::visit::learn::group::members;
use crate::visit::learn::subject::Subject;
use crate::visit::policy::{ARMS_MAX, Policy, SLOTS_MAX, Slot};

/// No arm: of a slot that only the target has.
pub const NO_ARM: u16 = u16::MAX;

/// Where a slot of the log's policy stands in the target.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotTo {
    /// The target's slot.
    pub slot: usize,
    /// The numbers of the arms there.
    pub arms: Vec<u16>,
    /// Whether what is known of its arms is known of the target's.
    teaches: bool,
    /// Whether the same share of visitors keeps its default.
    same_holdout: bool,
}

/// Names, and what they lead to.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The target's slots as groups, with its own arms first.
    pub names: Names,
    /// How many arms of each slot are the target's own.
    own: Vec<usize>,
    /// Bit per slot of the target that learns.
    pub learns: u8,
    /// The target's slots that learn whole layouts together.
    pub together: Vec<usize>,
    /// Whether what is known of the log's layouts is known of the target's.
    teaches_layouts: bool,
    /// By slot of the log's policy; empty where the log is records.
    pub slots: Vec<Option<SlotTo>>,
    /// What a reader has to know.
    pub notes: Vec<String>,
}

/// Whether two policies see the same sessions and the same tables; else, what to change.
pub(super) fn comparable(logger: &Policy, target: &Policy) -> Result<(), String> {
    let (a, b) = (&logger.session, &target.session);
    let keys = [
        ("session.source", a.from_log != b.from_log),
        ("session.idle", a.idle_ms != b.idle_ms),
        ("session.max", a.max_ms != b.max_ms),
        ("tables.quantum", logger.quantum_ms != target.quantum_ms),
        ("tables.lag", logger.lag_ms != target.lag_ms),
    ];
    match keys.into_iter().find(|(_, differs)| *differs) {
        None => Ok(()),
        Some((key, _)) => Err(format!(
            "{key} differs between the two policies: sessions and tables must be the same for both; make it equal to compare the rest"
        )),
    }
}

impl Mapping {
    /// The target's own names.
    pub fn to(target: &Policy) -> Mapping {
        let arms = |slot: &Slot| slot.arms.iter().map(|arm| arm.name.clone()).collect();
        Mapping {
            names: Names {
                groups: target.slots.iter().map(|slot| slot.name.clone()).collect(),
                arms: target.slots.iter().map(arms).collect(),
            },
            own: target.slots.iter().map(|slot| slot.arms.len()).collect(),
            learns: (0..target.slots.len())
                .filter(|&slot| target.slots[slot].learn.is_some())
                .fold(0, |bits, slot| bits | 1 << slot),
            together: members(target).map(|(slot, _)| slot).collect(),
            teaches_layouts: false,
            slots: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// From one policy to another.
    pub(super) fn of(logger: &Policy, target: &Policy) -> Result<Mapping, String> {
        let mut mapping = Mapping::to(target);
        mapping.teaches_layouts = same_layouts(logger, target);
        for from in &logger.slots {
            let to = mapping.slot(&from.name).map(|place| {
                let to = &target.slots[place];
                let arms = from.arms.iter();
                SlotTo {
                    slot: place,
                    arms: arms.map(|arm| mapping.arm(place, &arm.name)).collect(),
                    teaches: from.learn.is_some() && to.learn.is_some() && same_context(from, to),
                    same_holdout: from.learn.map(|spec| spec.holdout_ppm)
                        == to.learn.map(|spec| spec.holdout_ppm)
                        && logger.holdout == target.holdout,
                }
            });
            mapping.slots.push(to);
        }
        mapping.check_slots(logger.slots.iter().map(|slot| slot.name.as_str()))?;
        let mut untaught = Vec::new();
        for (place, slot) in target.slots.iter().enumerate() {
            let taught = |to: &SlotTo| to.slot == place && to.teaches;
            if mapping.together.contains(&place) {
                continue;
            }
            if slot.learn.is_some() && !mapping.slots.iter().flatten().any(taught) {
                untaught.push(slot.name.as_str());
            }
        }
        if !untaught.is_empty() {
            let slots = listed(untaught.into_iter());
            mapping.notes.push(format!(
                "the policy that is judged learns {slots}, which the policy in force does not learn in the same context: the shares stay even there"
            ));
        }
        if !mapping.together.is_empty() && !mapping.teaches_layouts {
            mapping.notes.push(
                "the slots that learn whole layouts together are not learned in the same way by the policy in force: their shares stay even".into(),
            );
        }
        if logger.learning != target.learning {
            mapping.notes.push(
                "[learning] differs: rewards, and what the tables know of them, are those of the policy in force".into(),
            );
        }
        Ok(mapping)
    }

    /// Notes what has no counterpart; nothing in common is an error.
    pub(super) fn check_slots<'a>(
        &mut self,
        logged: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), String> {
        let own = || self.names.groups.iter().map(String::as_str);
        let mut notes = Vec::new();
        for name in logged.clone().filter(|name| !own().any(|own| own == *name)) {
            let hint = suggest::hint(name, own());
            notes.push(format!(
                "slot `{name}` of the log is not in the policy that is judged, and left out{hint}"
            ));
        }
        for name in own().filter(|own| !logged.clone().any(|name| name == *own)) {
            notes.push(format!(
                "slot `{name}` is not in the log: nothing can be said of it"
            ));
        }
        if own().all(|own| !logged.clone().any(|name| name == own)) {
            return Err(format!(
                "no slot of the log is in the policy that is judged: the log has {}, the policy {}",
                listed(logged),
                listed(own())
            ));
        }
        for (slot, (arms, own)) in self.names.arms.iter().zip(&self.own).enumerate() {
            let (mine, others) = arms.split_at(*own);
            let slot = &self.names.groups[slot];
            let mut foreign = Vec::new();
            for name in others {
                let hint = suggest::hint(name, mine.iter().map(String::as_str));
                if hint.is_empty() {
                    foreign.push(name.as_str());
                    continue;
                }
                notes.push(format!(
                    "arm `{name}` of slot `{slot}` is not in the policy that is judged, which never shows it{hint}"
                ));
            }
            if !foreign.is_empty() {
                let arms = listed(foreign.into_iter());
                notes.push(format!(
                    "the policy that is judged never shows {arms} in slot `{slot}`: it has no such arm"
                ));
            }
        }
        self.notes.extend(notes);
        Ok(())
    }

    /// The target's slot of this name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.names.groups.iter().position(|own| own == name)
    }

    /// The number of an arm in a slot of the target; a new one for a new name.
    pub fn arm(&mut self, slot: usize, name: &str) -> u16 {
        let arms = &mut self.names.arms[slot];
        let known = arms.iter().position(|own| own == name);
        known.unwrap_or_else(|| {
            arms.push(name.into());
            arms.len() - 1
        }) as u16
    }

    /// How many arms of a slot are the target's own.
    pub fn own_arms(&self, slot: usize) -> usize {
        self.own[slot]
    }

    /// Slots of the target.
    pub fn slot_count(&self) -> usize {
        self.own.len().min(SLOTS_MAX)
    }

    /// What is known of a subject of the log's policy, as a subject of the target.
    pub fn subject(&self, subject: Subject) -> Option<Subject> {
        if subject.slot() == JOINT {
            return self.teaches_layouts.then_some(subject);
        }
        let to = self.slots.get(usize::from(subject.slot()))?.as_ref()?;
        let slot = to.slot as u8;
        let arm = |arm: usize| {
            let arm = *to.arms.get(arm)?;
            (usize::from(arm) < self.own[to.slot]).then_some(arm)
        };
        let set_of = |cell: Cell| {
            let arms = (0..ARMS_MAX).filter(|from| cell.set >> from & 1 == 1);
            arms.filter_map(arm).fold(0, |bits, arm| bits | 1 << arm)
        };
        let cell_of = |cell: Cell| {
            Some(Cell {
                slot,
                set: set_of(cell),
                arm: match cell.arm {
                    HELD => HELD,
                    from => u32::from(arm(from as usize)?),
                },
                ..cell
            })
        };
        match subject {
            _ if !to.teaches => None,
            Subject::Cell(cell) => cell_of(cell).map(Subject::Cell),
            Subject::Open(cell) => cell_of(cell).map(Subject::Open),
            Subject::Spend { arm: of, .. } => Some(Subject::Spend {
                slot,
                arm: arm(usize::from(of))? as u8,
            }),
            Subject::Lots { lot, .. } => Some(Subject::Lots { slot, lot }),
            Subject::Matching => None,
            Subject::Visitors { side, .. } => {
                to.same_holdout.then_some(Subject::Visitors { slot, side })
            }
        }
    }
}

/// Whether two slots have the same leaves; the order of the parts only changes their names.
fn same_context(one: &Slot, other: &Slot) -> bool {
    let within = |one: &Slot, other: &Slot| {
        let mut parts = one.context.iter();
        parts.all(|part| other.context.contains(part))
    };
    within(one, other) && within(other, one)
}

/// Whether the slots that learn together are the same in both, so that a layout's code is.
fn same_layouts(one: &Policy, other: &Policy) -> bool {
    let alike = |(one, other): (&Slot, &Slot)| {
        let arms = |slot: &Slot| {
            slot.arms
                .iter()
                .map(|arm| arm.name.clone())
                .collect::<Vec<_>>()
        };
        one.name == other.name && arms(one) == arms(other) && same_context(one, other)
    };
    let slots = |policy| members(policy).map(|(_, slot)| slot);
    slots(one).count() == slots(other).count() && slots(one).zip(slots(other)).all(alike)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return "none".into();
    }
    names.join(", ")
}
