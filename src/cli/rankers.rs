//! The product rankers by name, and their settings on the command line.
//!
//! A setting that the named ranker does not have is refused, so that nobody believes it did
//! something.

use super::Failure;
use crate::suggest::hint;
use crate::visit::duration::parse_duration_ms;
use crate::visit::rank::blend::{self, Blend};
use crate::visit::rank::recommender::PROPOSED_MAX;
use crate::visit::rank::rules::{Count, Rules, Spec as RulesSpec};
use crate::visit::rank::session_knn::{SessionKnn, Spec as KnnSpec};
use crate::visit::rank::trending::{Spec as TrendingSpec, Trending};
use crate::visit::rank::{Index, Ranker};
use clap::Args;

/// Those that can be judged by a log alone: the others need a catalogue.
const JUDGED: [Ranker; 5] = [
    Ranker::SessionKnn,
    Ranker::AssociationRules,
    Ranker::SequentialRules,
    Ranker::Trending,
    Ranker::Blend,
];

/// The ranker of a name, if it can be judged.
pub fn judged(name: &str) -> Result<Ranker, Failure> {
    let known = Ranker::named(name).filter(|ranker| JUDGED.contains(ranker));
    known.ok_or_else(|| {
        let names = JUDGED.map(Ranker::name);
        Failure::usage(format!(
            "--recommender: `{name}` is not a recommender{}; there are {}",
            hint(name, names),
            names.join(", ")
        ))
    })
}

/// Settings of the rankers.
#[derive(Args, Clone, Debug)]
pub struct RankerArgs {
    /// session_knn: sessions read of an item and compared, the most recent (m) [default: 1502]
    #[arg(long, value_name = "M", requires = "recommender")]
    pub knn_sessions: Option<usize>,
    /// session_knn: sessions most alike that count (k) [default: 288]
    #[arg(long, value_name = "K", requires = "recommender")]
    pub knn_neighbours: Option<usize>,
    /// session_knn: last events of the visit that count [default: 4]
    #[arg(long, value_name = "N", requires = "recommender")]
    pub last_items: Option<usize>,
    /// session_knn: the exponent of an item's rarity; 1 is the published formula [default: 2]
    #[arg(
        long,
        value_name = "W",
        allow_negative_numbers = true,
        requires = "recommender"
    )]
    pub idf: Option<f64>,
    /// sequential_rules: the greatest distance of a pair, in events [default: 20]
    #[arg(long, value_name = "N", requires = "recommender")]
    pub steps: Option<u32>,
    /// trending: the quantum of the decay [default: 1h]
    #[arg(long, value_name = "DURATION", requires = "recommender")]
    pub quantum: Option<String>,
    /// trending: the time in which a count halves [default: 1d]
    #[arg(long, value_name = "DURATION", requires = "recommender")]
    pub half_life: Option<String>,
    /// Never recommend the item on the page. session_knn never does
    #[arg(long, requires = "recommender")]
    pub no_repeats: bool,
}

impl RankerArgs {
    /// The ranker, without sessions.
    pub fn ranker(&self, name: Ranker) -> Result<Box<dyn Index>, Failure> {
        self.refuse_strangers(name)?;
        self.of(name)
    }

    fn of(&self, name: Ranker) -> Result<Box<dyn Index>, Failure> {
        Ok(match name {
            Ranker::SessionKnn => Box::new(SessionKnn::new(self.knn()?)),
            Ranker::AssociationRules | Ranker::SequentialRules => {
                Box::new(Rules::new(self.rules(name)?))
            }
            Ranker::Blend => {
                let part = |(ranker, weight): (Ranker, u64)| Ok((self.of(ranker)?, weight));
                let parts = blend::DEFAULT.into_iter().map(part);
                Box::new(Blend::new(
                    parts.collect::<Result<_, Failure>>()?,
                    PROPOSED_MAX,
                ))
            }
            _ => Box::new(Trending::new(self.trending()?)),
        })
    }

    /// The settings in force, in words.
    pub fn words(&self, name: Ranker) -> String {
        match (name, self.knn(), self.rules(name), self.trending()) {
            (Ranker::SessionKnn, Ok(spec), ..) => format!(
                "m = {}, k = {}, last {} events, idf to the power of {}",
                spec.sessions, spec.neighbours, spec.last_items, spec.idf
            ),
            (Ranker::Blend, ..) => {
                let part = |(ranker, weight): (Ranker, u64)| {
                    format!("{} {}", ranker.name(), weight as f64 / 1e6)
                };
                let parts = blend::DEFAULT.map(part).join(", ");
                format!("reciprocal ranks of {parts}")
            }
            (Ranker::Trending, _, _, Ok(spec)) => format!(
                "half-life {} h, by quanta of {} h",
                spec.half_life_ms as f64 / 3.6e6,
                spec.quantum_ms as f64 / 3.6e6
            ),
            (_, _, Ok(spec), _) => match spec.count {
                Count::Association => format!("{} an item", spec.length),
                Count::Sequential { steps } => {
                    format!("{steps} steps, 1/d², {} an item", spec.length)
                }
            },
            _ => String::new(),
        }
    }

    /// The first version that knows all that happened up to this time.
    pub fn version_ms(&self, end_ms: u64) -> Result<u64, Failure> {
        let quantum_ms = self.trending()?.quantum_ms;
        Ok((end_ms / quantum_ms + 1) * quantum_ms)
    }

    /// Refuses settings that belong to other rankers.
    fn refuse_strangers(&self, name: Ranker) -> Result<(), Failure> {
        use Ranker::{SequentialRules, SessionKnn, Trending};
        let given = [
            ("--knn-sessions", self.knn_sessions.is_some(), SessionKnn),
            (
                "--knn-neighbours",
                self.knn_neighbours.is_some(),
                SessionKnn,
            ),
            ("--last-items", self.last_items.is_some(), SessionKnn),
            ("--idf", self.idf.is_some(), SessionKnn),
            ("--steps", self.steps.is_some(), SequentialRules),
            ("--quantum", self.quantum.is_some(), Trending),
            ("--half-life", self.half_life.is_some(), Trending),
        ];
        // A blend has the settings of its parts.
        let parts = blend::DEFAULT.map(|part| part.0);
        let takes = |owner| owner == name || name == Ranker::Blend && parts.contains(&owner);
        match given.into_iter().find(|one| one.1 && !takes(one.2)) {
            Some((flag, _, owner)) => Err(Failure::usage(format!(
                "{flag} is a setting of {}; {} has none of that name",
                owner.name(),
                name.name()
            ))),
            None => Ok(()),
        }
    }

    fn knn(&self) -> Result<KnnSpec, Failure> {
        let default = KnnSpec::default();
        let spec = KnnSpec {
            sessions: self.knn_sessions.unwrap_or(default.sessions),
            neighbours: self.knn_neighbours.unwrap_or(default.neighbours),
            last_items: self.last_items.unwrap_or(default.last_items),
            idf: self.idf.unwrap_or(default.idf),
        };
        for (flag, value, most) in [
            ("--knn-sessions", spec.sessions, 1_000_000),
            ("--knn-neighbours", spec.neighbours, 1_000_000),
            ("--last-items", spec.last_items, 1_000),
        ] {
            if !(1..=most).contains(&value) {
                let message = format!("{flag} does not lie between 1 and {most}");
                return Err(Failure::usage(message));
            }
        }
        if spec.neighbours > spec.sessions {
            return Err(Failure::usage(format!(
                "--knn-neighbours {}: only {} sessions are compared (--knn-sessions)",
                spec.neighbours, spec.sessions
            )));
        }
        if !(0.0..=10.0).contains(&spec.idf) {
            return Err(Failure::usage("--idf does not lie between 0 and 10"));
        }
        Ok(spec)
    }

    fn rules(&self, name: Ranker) -> Result<RulesSpec, Failure> {
        let own_pairs = !self.no_repeats;
        if name == Ranker::AssociationRules {
            return Ok(RulesSpec {
                own_pairs,
                ..RulesSpec::ASSOCIATION
            });
        }
        let steps = self.steps.unwrap_or(20);
        if !(1..=1_000).contains(&steps) {
            return Err(Failure::usage("--steps does not lie between 1 and 1000"));
        }
        Ok(RulesSpec {
            count: Count::Sequential { steps },
            own_pairs,
            ..RulesSpec::SEQUENTIAL
        })
    }

    fn trending(&self) -> Result<TrendingSpec, Failure> {
        let default = TrendingSpec::default();
        let duration = |flag: &str, text: &Option<String>, otherwise: u64| match text {
            None => Ok(otherwise),
            Some(text) => match parse_duration_ms(text) {
                Ok(0) => Err(Failure::usage(format!("{flag}: it must be more than 0"))),
                Ok(ms) => Ok(ms),
                Err(what) => Err(Failure::usage(format!("{flag}: {what}"))),
            },
        };
        let spec = TrendingSpec {
            quantum_ms: duration("--quantum", &self.quantum, default.quantum_ms)?,
            half_life_ms: duration("--half-life", &self.half_life, default.half_life_ms)?,
            own: !self.no_repeats,
            ..default
        };
        if spec.half_life_ms / spec.quantum_ms > 10_000 {
            return Err(Failure::usage(
                "--half-life is more than 10,000 quanta; give a longer --quantum",
            ));
        }
        Ok(spec)
    }
}
