//! Decision records as `restage replay` wrote them, read back for their choices.
//!
//! A choice is a slot that was drawn, a slot that changed by rule, and every slot at a session's
//! start. Slots that are drawn anywhere in the records learn: where such a slot starts without a
//! draw, its visitor keeps the default for comparison; where it changes without one, an arm has come
//! back that was drawn before, and nothing was chosen. Names become the target's numbers here; what
//! only the records know is noted by [`Mapping`].
//!
//! The record of an erased visitor voids every record of that visitor up to its time: they count for
//! nothing, as if they had never been written.
//!
//! A line that is no record ends the reading, with its number: a file of decisions was written by a
//! program, and a hole in it would bias every estimate. Memory: 100 bytes a record.

use super::moment::{Chosen, Logged, session_key, trigger_hash};
use super::names::{Mapping, NO_ARM};
use crate::event::VisitorId;
use crate::visit::decision::FORGOTTEN;
use crate::visit::policy::{Policy, SLOTS_MAX};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufRead;

/// The records of a policy, by session.
#[derive(Debug, Default)]
pub struct Records {
    pub(super) by_session: HashMap<u64, Vec<Logged>>,
    /// How many there are.
    pub count: u64,
    /// What the policy that wrote them is called.
    pub policy: String,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The file could not be read on.
    #[error("line {line} could not be read: {error}")]
    Read {
        /// The line, from 1.
        line: u64,
        /// Why.
        error: std::io::Error,
    },
    /// A line is no record.
    #[error("line {line} is not a decision record: {what}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// Why.
        what: String,
    },
    /// There is not one.
    #[error("it holds no decision records; `restage replay LOG --out FILE` writes them")]
    Empty,
    /// They have nothing to do with the target.
    #[error("{0}")]
    Foreign(String),
}

impl RecordsError {
    /// 5 where the file could not be read, else 2.
    pub fn exit_code(&self) -> i32 {
        match self {
            RecordsError::Read { .. } => 5,
            _ => 2,
        }
    }
}

/// The parts of a record that matter here.
#[derive(Deserialize)]
struct Record {
    at_ms: u64,
    visitor: String,
    session: String,
    seq: u32,
    trigger: String,
    layout: BTreeMap<String, String>,
    changed: Vec<String>,
    #[serde(default)]
    drawn: Vec<String>,
    propensity: BTreeMap<String, f64>,
    holdout: bool,
    #[serde(default)]
    policy: String,
}

/// The record of a visitor who was erased.
#[derive(Deserialize)]
struct Erasure {
    at_ms: u64,
    visitor: String,
    trigger: String,
}

/// A line.
enum Line {
    Record(Box<Record>),
    Erasure(VisitorId, u64),
}

impl Line {
    fn read(text: &[u8]) -> Result<Line, String> {
        let error = match serde_json::from_slice(text) {
            Ok(record) => return Ok(Line::Record(record)),
            Err(error) => error,
        };
        match serde_json::from_slice(text) {
            Ok(Erasure {
                at_ms,
                visitor,
                trigger,
            }) if trigger == FORGOTTEN => {
                Ok(Line::Erasure(VisitorId::of(visitor.as_bytes()), at_ms))
            }
            _ => Err(without_line(&error)),
        }
    }
}

/// A record that was read, before it is known which slots learn and who was erased.
struct Read {
    key: u64,
    visitor: VisitorId,
    starts: bool,
    drawn: u8,
    logged: Logged,
}

/// Reads records, and finds out what they name in the target.
///
/// # Errors
/// [`RecordsError`] with the line.
pub fn read(mut input: impl BufRead, target: &Policy) -> Result<(Records, Mapping), RecordsError> {
    let mut mapping = Mapping::to(target);
    let mut records = Records::default();
    let mut slots = BTreeSet::new();
    let mut read: Vec<Read> = Vec::new();
    let mut erased: BTreeMap<VisitorId, u64> = BTreeMap::new();
    let (mut line, mut text) = (0, Vec::new());
    loop {
        line += 1;
        text.clear();
        let length = input
            .read_until(b'\n', &mut text)
            .map_err(|error| RecordsError::Read { line, error })?;
        if length == 0 {
            break;
        }
        let wrong = |what: String| RecordsError::Line { line, what };
        let record = match Line::read(&text).map_err(wrong)? {
            Line::Record(record) => record,
            Line::Erasure(visitor, at_ms) => {
                let latest = erased.entry(visitor).or_default();
                *latest = at_ms.max(*latest);
                continue;
            }
        };
        for slot in record.layout.keys() {
            if !slots.contains(slot) {
                slots.insert(slot.clone());
            }
        }
        let places = record.drawn.iter().filter_map(|slot| mapping.slot(slot));
        let drawn = places.fold(0u8, |bits, place| bits | 1 << place);
        let logged = logged(&record, &mut mapping).map_err(wrong)?;
        read.push(Read {
            key: session_key(record.visitor.as_bytes(), record.session.as_bytes()),
            visitor: VisitorId::of(record.visitor.as_bytes()),
            starts: record.trigger == "start",
            drawn,
            logged,
        });
        records.policy = record.policy;
    }
    if read.is_empty() {
        return Err(RecordsError::Empty);
    }
    let is_void = |read: &Read| {
        let until = erased.get(&read.visitor);
        until.is_some_and(|until_ms| read.logged.at_ms <= *until_ms)
    };
    read.retain(|read| !is_void(read));
    records.count = read.len() as u64;
    let learns = read.iter().fold(0, |bits, read| bits | read.drawn);
    for one in read {
        let Read {
            key,
            starts,
            drawn,
            mut logged,
            ..
        } = one;
        let undrawn = learns & !drawn;
        if starts {
            logged.held |= undrawn;
        } else {
            let is_choice = |chosen: &Chosen| undrawn >> chosen.slot & 1 == 0;
            logged.chosen.retain(is_choice);
        }
        records.by_session.entry(key).or_default().push(logged);
    }
    for of_session in records.by_session.values_mut() {
        of_session.sort_by_key(|logged| (logged.at_ms, logged.seq));
        // Who is held out is so for the whole session.
        let held = of_session.iter().fold(0, |bits, logged| bits | logged.held);
        of_session.iter_mut().for_each(|logged| logged.held |= held);
    }
    let foreign = mapping.check_slots(slots.iter().map(String::as_str));
    foreign.map_err(RecordsError::Foreign)?;
    Ok((records, mapping))
}

/// A record in the target's numbers.
fn logged(record: &Record, mapping: &mut Mapping) -> Result<Logged, String> {
    let mut page = [NO_ARM; SLOTS_MAX];
    let mut chosen = Vec::new();
    for (slot, arm) in &record.layout {
        let Some(place) = mapping.slot(slot) else {
            continue;
        };
        let arm = mapping.arm(place, arm);
        page[place] = arm;
        let moved = |names: &[String]| names.iter().any(|name| name == slot);
        if record.trigger != "start" && !moved(&record.drawn) && !moved(&record.changed) {
            continue;
        }
        let propensity = record.propensity.get(slot).copied().unwrap_or_default();
        if !(propensity > 0.0 && propensity <= 1.0) {
            return Err(format!(
                "the propensity of slot `{slot}` does not lie above 0 and at most at 1"
            ));
        }
        chosen.push(Chosen {
            slot: place as u8,
            arm,
            propensity_ppm: libm::round(propensity * 1e6).max(1.0) as u32,
        });
    }
    Ok(Logged {
        at_ms: record.at_ms,
        seq: record.seq,
        trigger: trigger_hash(&record.trigger),
        chosen,
        held: if record.holdout { u8::MAX } else { 0 },
        page,
    })
}

/// What is wrong with a line of JSON, without the line's number within itself.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what} at column {}", error.column()),
        None => text,
    }
}
