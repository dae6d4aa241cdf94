//! A policy's TOML → [`Policy`]. Every error has a line, a column and, where a name is not known,
//! the nearest name that is.

use super::super::decision::FACTORS_MAX;
use super::super::duration::parse_duration_ms;
use super::super::phase::{Phase, PhaseRules, Threshold};
use super::super::session::SessionLimits;
use super::tables::{File, LimitsTable, PhaseTable, SessionTable, ThresholdTable};
use super::{Holdout, Limits, Policy, SLOTS_MAX, SessionRules, Stability, check};
use crate::event::{BINS, hash_text};
use crate::suggest;
use std::ops::Range;
use toml::Spanned;

/// Why a policy was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct PolicyError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// Reads a policy whose label is still its bare name.
pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(|error| from_toml(text, &error))?;
    let reader = Reader { text };
    if *file.version.get_ref() != 1 {
        let what = format!(
            "policy version {} is not read; this build reads 1",
            file.version.get_ref()
        );
        return Err(reader.error(file.version.span(), what));
    }
    let mut policy = Policy {
        label: file.name,
        session: reader.session(&file.session)?,
        limits: reader.limits(&file.limits)?,
        phases: reader.phases(&file.phase)?,
        hesitation_ms: match reader.duration(&file.hesitation.after, 45_000)? {
            0 => None,
            ms => Some(ms),
        },
        stability: Stability {
            cooldown_ms: reader.duration(&file.stability.cooldown, 10_000)?,
            min_gain: reader.share(&file.stability.min_gain, 0.02)?,
            changes_max: file.stability.changes_max.unwrap_or(8),
        },
        holdout: Holdout {
            share_ppm: reader.share_ppm(&file.holdout.share, 0.05)?,
            salt: hash_text(
                file.holdout
                    .salt
                    .as_deref()
                    .unwrap_or("holdout-1")
                    .as_bytes(),
            ),
        },
        snapshot_every_ms: reader.duration(&file.durability.snapshot_every, 5_000)?,
        learning: reader.learning(&file.learning)?,
        promotions: reader.promotions(&file.promotions)?,
        bots: reader.bots(&file.bots)?,
        rankers: reader.rankers(&file.rankers)?,
        index: None,
        lag_ms: 0,
        slots: Vec::new(),
        features: reader.features(&file.reason.features)?,
        factors: match &file.reason.factors {
            None => 3,
            Some(most) if *most.get_ref() <= FACTORS_MAX => *most.get_ref(),
            Some(most) => {
                let what = format!(
                    "reason.factors {most} is more than {FACTORS_MAX}",
                    most = most.get_ref()
                );
                return Err(reader.error(most.span(), what));
            }
        },
        quantum_ms: match (
            reader.duration(&file.tables.quantum, 1_000)?,
            &file.tables.quantum,
        ) {
            (0, Some(quantum)) => {
                let what = "tables.quantum must be above 0".into();
                return Err(reader.error(quantum.span(), what));
            }
            (ms, _) => ms,
        },
    };
    policy.lag_ms = reader.lag(&file.tables.lag, policy.quantum_ms)?;
    if policy
        .hesitation_ms
        .is_some_and(|ms| ms >= policy.session.idle_ms)
    {
        let given = file
            .hesitation
            .after
            .as_ref()
            .or(file.session.idle.as_ref());
        let span = given.map_or(0..0, Spanned::span);
        let what = "impossible: hesitation.after is no shorter than session.idle, so the session ends first";
        return Err(reader.error(span, what.into()));
    }
    if file.slot.is_empty() {
        policy.slots = Policy::shipped().slots;
        if let Some(min_gain) = &file.stability.min_gain {
            check::gains(&policy.slots, *min_gain.get_ref())
                .map_err(|what| reader.error(min_gain.span(), what))?;
        }
        policy.index = reader.index(&file.index, &policy)?;
        return Ok(policy);
    }
    if file.slot.len() > SLOTS_MAX {
        let what = format!(
            "{} slots; at most {SLOTS_MAX} are possible",
            file.slot.len()
        );
        return Err(reader.error(file.slot[SLOTS_MAX].span(), what));
    }
    let mut capped = 0;
    for table in &file.slot {
        let slot = reader.slot(
            table,
            policy.stability.min_gain,
            &policy.phases,
            &mut capped,
        )?;
        if policy.slots.iter().any(|other| other.name == slot.name) {
            let what = format!("slot `{}` stands twice", slot.name);
            return Err(reader.error(table.get_ref().name.span(), what));
        }
        if let (Some((_, other, _)), Some(products)) =
            (policy.products(), &table.get_ref().products)
        {
            let what = format!(
                "slot `{}` shows products already, and one slot can",
                other.name
            );
            return Err(reader.error(products.span(), what));
        }
        policy.slots.push(slot);
    }
    reader.together(&file.slot, &policy.slots)?;
    reader.someone_to_learn_from(&file.holdout.share, &policy.slots)?;
    policy.index = reader.index(&file.index, &policy)?;
    Ok(policy)
}

/// What the TOML reader says, with the nearest known key where a key is unknown.
fn from_toml(text: &str, error: &toml::de::Error) -> PolicyError {
    let message = error.message();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let hint = match (message.starts_with("unknown field"), quoted.next()) {
        (true, Some(unknown)) => suggest::hint(unknown, quoted),
        _ => String::new(),
    };
    let what = format!("{}{hint}", message.replace("unknown field", "unknown key"));
    Reader { text }.error(error.span().unwrap_or(0..0), what)
}

/// An error at a place of a text.
pub(super) fn error_at(text: &str, span: Range<usize>, what: String) -> PolicyError {
    Reader { text }.error(span, what)
}

pub(super) struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    pub(super) fn error(&self, span: Range<usize>, what: String) -> PolicyError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        PolicyError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.trim_end().replace('\n', "; "),
        }
    }

    pub(super) fn duration(
        &self,
        value: &Option<Spanned<String>>,
        default: u64,
    ) -> Result<u64, PolicyError> {
        match value {
            None => Ok(default),
            Some(text) => self.duration_of(text),
        }
    }

    pub(super) fn duration_of(&self, text: &Spanned<String>) -> Result<u64, PolicyError> {
        parse_duration_ms(text.get_ref()).map_err(|what| self.error(text.span(), what))
    }

    pub(super) fn share(
        &self,
        value: &Option<Spanned<f64>>,
        default: f64,
    ) -> Result<f64, PolicyError> {
        match value {
            None => Ok(default),
            Some(share) if (0.0..=1.0).contains(share.get_ref()) => Ok(*share.get_ref()),
            Some(share) => {
                let what = format!("{} does not lie between 0 and 1", share.get_ref());
                Err(self.error(share.span(), what))
            }
        }
    }

    fn session(&self, table: &SessionTable) -> Result<SessionRules, PolicyError> {
        let from_log = match &table.source {
            None => false,
            Some(source) => match source.get_ref().as_str() {
                "engine" => false,
                "log" => true,
                other => {
                    let what = format!(
                        "session source `{other}` is unknown; it is \"engine\" or \"log\"{}",
                        suggest::hint(other, ["engine", "log"])
                    );
                    return Err(self.error(source.span(), what));
                }
            },
        };
        let rules = SessionRules {
            from_log,
            idle_ms: self.duration(&table.idle, 1_800_000)?,
            max_ms: self.duration(&table.max, 86_400_000)?,
        };
        if rules.idle_ms == 0 || rules.max_ms < rules.idle_ms {
            let span = table
                .idle
                .as_ref()
                .or(table.max.as_ref())
                .map_or(0..0, Spanned::span);
            let what = "session.idle must be above 0 and no longer than session.max".into();
            return Err(self.error(span, what));
        }
        Ok(rules)
    }

    fn limits(&self, table: &LimitsTable) -> Result<Limits, PolicyError> {
        let bins = BINS as u64;
        let within = |value: &Option<Spanned<u64>>, default: u64, range: Range<u64>| {
            self.whole(value, default, range).map(|all| all as usize)
        };
        let per_bin = |value, default| {
            within(value, default, bins..(1 << 32) + 1).map(|all| all.div_ceil(BINS))
        };
        Ok(Limits {
            session: SessionLimits {
                items_max: within(&table.items_per_session, 128, 1..4097)?,
                categories_max: within(&table.categories_per_session, 64, 1..4097)?,
            },
            live_sessions_per_bin: per_bin(&table.live_sessions, 4_194_304)?,
            histories_per_bin: per_bin(&table.histories, 4_194_304)?,
            history_keep_ms: self.duration(&table.history_keep, 90 * 86_400_000)?,
            event_ids_per_bin: per_bin(&table.event_ids, 1_048_576)?,
            event_ids_keep_ms: self.duration(&table.event_ids_keep, 600_000)?,
            erased_per_bin: per_bin(&table.erased, 1_048_576)?,
            erased_keep_ms: self.duration(&table.erased_keep, 400 * 86_400_000)?,
        })
    }

    /// A whole number within a range.
    pub(super) fn whole(
        &self,
        value: &Option<Spanned<u64>>,
        default: u64,
        range: Range<u64>,
    ) -> Result<u64, PolicyError> {
        match value {
            None => Ok(default),
            Some(given) if range.contains(given.get_ref()) => Ok(*given.get_ref()),
            Some(given) => {
                let what = format!(
                    "{} does not lie between {} and {}",
                    given.get_ref(),
                    range.start,
                    range.end - 1
                );
                Err(self.error(given.span(), what))
            }
        }
    }

    fn phases(&self, table: &PhaseTable) -> Result<PhaseRules, PolicyError> {
        let threshold = |value: &Option<Spanned<ThresholdTable>>, enter, leave| {
            let given = value
                .as_ref()
                .map_or(ThresholdTable { enter, leave }, |v| *v.get_ref());
            if (0.0..=1.0).contains(&given.leave)
                && given.leave <= given.enter
                && given.enter <= 1.0
            {
                return Ok(Threshold {
                    enter: given.enter,
                    leave: given.leave,
                });
            }
            let span = value.as_ref().map_or(0..0, Spanned::span);
            let what = "a phase needs 0 <= leave <= enter <= 1".into();
            Err(self.error(span, what))
        };
        let rules = PhaseRules {
            rungs: [
                threshold(&table.exploring, 0.03, 0.02)?,
                threshold(&table.deciding, 0.10, 0.07)?,
                threshold(&table.buying, 0.35, 0.25)?,
            ],
            hesitating: threshold(&table.hesitating, 0.85, 0.70)?,
        };
        let spans = [&table.exploring, &table.deciding, &table.buying];
        for rung in 1..3 {
            let (below, here) = (rules.rungs[rung - 1], rules.rungs[rung]);
            if here.enter <= below.enter || here.leave < below.leave {
                let given = spans[rung].as_ref().or(spans[rung - 1].as_ref());
                let what = format!(
                    "phase {} must be entered above {} ({} > {}) and left no lower ({} >= {})",
                    Phase::ALL[rung + 1].name(),
                    Phase::ALL[rung].name(),
                    here.enter,
                    below.enter,
                    here.leave,
                    below.leave
                );
                return Err(self.error(given.map_or(0..0, Spanned::span), what));
            }
        }
        Ok(rules)
    }

    /// Names go into records, file names and metrics: keep them plain.
    pub(super) fn name(&self, name: &Spanned<String>) -> Result<(), PolicyError> {
        let text = name.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            let what = format!("`{text}` is no name: 1 to 64 letters, digits, `_`, `-` or `.`");
            return Err(self.error(name.span(), what));
        }
        Ok(())
    }
}
