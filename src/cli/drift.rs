//! How far a run's features and scores were from those that its model was trained on.
//!
//! The population stability index of each is compared with the two marks that the field uses:
//! below 0.1 little has changed, above 0.25 much. With few sessions the index is large by chance
//! alone, so a run of fewer than [`SESSIONS_MIN`] says nothing of it.

use crate::visit::live::Rules;
use crate::visit::model::summary::SCORE_NAMES;
use crate::visit::tally::Tally;
use serde::Serialize;
use std::collections::BTreeMap;

/// Above this, something has moved.
const MOVED: f64 = 0.1;
/// Above this, much has.
const MOVED_FAR: f64 = 0.25;
/// Least sessions for a verdict.
const SESSIONS_MIN: u64 = 200;
/// Most features named on the page.
const NAMED_MAX: usize = 4;

/// The drift that one model of the run has seen.
#[derive(Debug, Serialize)]
pub struct Drift {
    model: String,
    sessions: u64,
    verdict: &'static str,
    /// Population stability index by feature and score.
    psi: BTreeMap<&'static str, f64>,
}

impl Drift {
    /// One entry per model with a training summary that scored any session.
    pub fn of_run(rules: &Rules, tally: &Tally) -> Vec<Drift> {
        tally
            .drift
            .iter()
            .filter_map(|(number, observed)| {
                let model = rules.models.get(*number);
                let psi: BTreeMap<_, _> = model.watch.as_ref()?.psi(observed).into_iter().collect();
                let most = psi.values().copied().fold(0.0, f64::max);
                Some(Drift {
                    model: model.label.clone(),
                    sessions: observed.sessions,
                    verdict: match most {
                        _ if observed.sessions < SESSIONS_MIN => "too few sessions",
                        most if most > MOVED_FAR => "far",
                        most if most > MOVED => "some",
                        _ => "none",
                    },
                    psi,
                })
            })
            .collect()
    }

    /// For people, on one line.
    pub fn line(&self) -> String {
        let is_score = |name: &str| SCORE_NAMES.contains(&name);
        let mut moved: Vec<(&str, f64)> = self
            .psi
            .iter()
            .filter(|(name, psi)| **psi > MOVED && !is_score(name))
            .map(|(name, psi)| (*name, *psi))
            .collect();
        moved.sort_by(|left, right| right.1.total_cmp(&left.1));
        if self.sessions < SESSIONS_MIN {
            return format!(
                "{} sessions are too few to tell (model {})",
                self.sessions, self.model
            );
        }
        if self.verdict == "none" {
            return format!("none since the training of {}", self.model);
        }
        let named = moved.iter().take(NAMED_MAX);
        let named: Vec<String> = named
            .map(|(name, psi)| format!("{name} {psi:.2}"))
            .collect();
        let more = match moved.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let scores = SCORE_NAMES.map(|name| {
            let psi = self.psi.get(name).copied().unwrap_or_default();
            format!("{name} {psi:.2}")
        });
        format!(
            "{} since the training of {}: {} of {} features with a PSI above {MOVED}{}{more}; scores: {}",
            self.verdict,
            self.model,
            moved.len(),
            self.psi.len() - SCORE_NAMES.len(),
            if named.is_empty() {
                String::new()
            } else {
                format!(": {}", named.join(", "))
            },
            scores.join(", ")
        )
    }
}
