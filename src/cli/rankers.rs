//! The product rankers by name, and their settings on the command line.
//!
//! What no flag says is as in the policy of --policy, and without one as published. A setting that the
//! named ranker does not have is refused, so that nobody believes it did something.

use super::Failure;
use crate::suggest::hint;
use crate::visit::duration::{duration_text, parse_duration_ms};
use crate::visit::rank::blend::Blend;
use crate::visit::rank::recommender::{PROPOSED_MAX, RankerSettings};
use crate::visit::rank::rules::{Count, Rules, Spec as RulesSpec};
use crate::visit::rank::session_knn::SessionKnn;
use crate::visit::rank::trending::{QUANTA_MAX, Spec as TrendingSpec, Trending};
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
        let what = match Ranker::named(name) {
            Some(_) => "goes by the catalogue, and cannot be judged by logs alone".to_owned(),
            None => format!("is not a recommender{}", hint(name, names)),
        };
        let all = names.join(", ");
        Failure::usage(format!("--recommender: `{name}` {what}; there are {all}"))
    })
}

/// Settings of the rankers.
#[derive(Args, Clone, Debug)]
pub struct RankerArgs {
    /// session_knn: sessions read of an item and compared, the most recent (m) [default: 1502]
    #[arg(long, value_name = "M", requires = "recommender")]
    pub knn_sessions: Option<usize>,
    /// session_knn: sessions most alike that count (k) [default: 288, of
    /// fewer sessions all]
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
    /// trending: the quantum of the decay [default: 1h; with --policy, as it has it]
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
    /// The settings in force: what flags say, and for the rest those given.
    pub fn settings(&self, name: Ranker, given: RankerSettings) -> Result<Judged, Failure> {
        self.refuse_strangers(name, &given)?;
        let mut settings = given;
        self.knn(&mut settings)?;
        self.trending(&mut settings)?;
        settings.steps = self.steps.unwrap_or(settings.steps);
        if !(1..=1_000).contains(&settings.steps) {
            return Err(Failure::usage("--steps does not lie between 1 and 1000"));
        }
        if name == Ranker::Blend
            && let Some((part, _)) = settings.blend.iter().find(|part| !JUDGED.contains(&part.0))
        {
            return Err(Failure::usage(format!(
                "the policy's blend has {}, which goes by the catalogue, and cannot be judged by logs alone",
                part.name()
            )));
        }
        Ok(Judged {
            name,
            settings,
            own: !self.no_repeats,
        })
    }

    /// Refuses settings that belong to other rankers.
    fn refuse_strangers(&self, name: Ranker, settings: &RankerSettings) -> Result<(), Failure> {
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
        let part = |owner| settings.blend.iter().any(|part| part.0 == owner);
        let takes = |owner| owner == name || name == Ranker::Blend && part(owner);
        match given.into_iter().find(|one| one.1 && !takes(one.2)) {
            Some((flag, _, owner)) => Err(Failure::usage(format!(
                "{flag} is a setting of {}; {} has none of that name",
                owner.name(),
                name.name()
            ))),
            None => Ok(()),
        }
    }

    fn knn(&self, settings: &mut RankerSettings) -> Result<(), Failure> {
        let spec = &mut settings.session_knn;
        spec.sessions = self.knn_sessions.unwrap_or(spec.sessions);
        // No more neighbours than sessions that are compared.
        let most = spec.neighbours.min(spec.sessions);
        spec.neighbours = self.knn_neighbours.unwrap_or(most);
        spec.last_items = self.last_items.unwrap_or(spec.last_items);
        spec.idf = self.idf.unwrap_or(spec.idf);
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
        Ok(())
    }

    fn trending(&self, settings: &mut RankerSettings) -> Result<(), Failure> {
        let duration = |flag: &str, text: &Option<String>, otherwise: u64| match text {
            None => Ok(otherwise),
            Some(text) => match parse_duration_ms(text) {
                Ok(0) => Err(Failure::usage(format!("{flag}: it must be more than 0"))),
                Ok(ms) => Ok(ms),
                Err(what) => Err(Failure::usage(format!("{flag}: {what}"))),
            },
        };
        let spec = &mut settings.trending;
        spec.quantum_ms = duration("--quantum", &self.quantum, spec.quantum_ms)?;
        spec.half_life_ms = duration("--half-life", &self.half_life, spec.half_life_ms)?;
        if spec.half_life_ms / spec.quantum_ms > QUANTA_MAX {
            return Err(Failure::usage(
                "--half-life is more than 10,000 quanta; give a longer --quantum",
            ));
        }
        Ok(())
    }
}

/// A ranker as it is judged.
pub struct Judged {
    name: Ranker,
    settings: RankerSettings,
    /// Whether the item on the page may be recommended.
    own: bool,
}

impl Judged {
    /// The ranker, without sessions.
    pub fn ranker(&self) -> Box<dyn Index> {
        self.of(self.name)
    }

    fn of(&self, name: Ranker) -> Box<dyn Index> {
        match name {
            Ranker::SessionKnn => Box::new(SessionKnn::new(self.settings.session_knn)),
            Ranker::AssociationRules | Ranker::SequentialRules => {
                Box::new(Rules::new(self.rules(name)))
            }
            Ranker::Blend => {
                let parts = self.settings.blend.iter();
                let parts = parts.map(|(ranker, weight)| (self.of(*ranker), *weight));
                Box::new(Blend::new(parts.collect(), PROPOSED_MAX))
            }
            _ => Box::new(Trending::new(TrendingSpec {
                own: self.own,
                ..self.settings.trending
            })),
        }
    }

    fn rules(&self, name: Ranker) -> RulesSpec {
        let (own_pairs, steps) = (self.own, self.settings.steps);
        match name {
            Ranker::AssociationRules => RulesSpec {
                own_pairs,
                ..RulesSpec::ASSOCIATION
            },
            _ => RulesSpec {
                count: Count::Sequential { steps },
                own_pairs,
                ..RulesSpec::SEQUENTIAL
            },
        }
    }

    /// The settings in words.
    pub fn words(&self) -> String {
        self.words_of(self.name)
    }

    fn words_of(&self, name: Ranker) -> String {
        let settings = &self.settings;
        match name {
            Ranker::SessionKnn => {
                let spec = &settings.session_knn;
                format!(
                    "m = {}, k = {}, last {} events, idf to the power of {}",
                    spec.sessions, spec.neighbours, spec.last_items, spec.idf
                )
            }
            Ranker::Blend => {
                let part = |(ranker, weight): &(Ranker, u64)| {
                    let (weight, words) = (*weight as f64 / 1e6, self.words_of(*ranker));
                    format!("{} {weight} ({words})", ranker.name())
                };
                let parts: Vec<String> = settings.blend.iter().map(part).collect();
                format!("reciprocal ranks of {}", parts.join(", "))
            }
            Ranker::AssociationRules => format!("{} an item", self.rules(name).length),
            Ranker::SequentialRules => {
                let length = self.rules(name).length;
                format!("{} steps, 1/d², {length} an item", settings.steps)
            }
            _ => format!(
                "half-life {}, by quanta of {}",
                duration_text(settings.trending.half_life_ms),
                duration_text(settings.trending.quantum_ms)
            ),
        }
    }

    /// Whether the item on the page may be recommended.
    pub fn repeats(&self) -> bool {
        self.own && self.name != Ranker::SessionKnn
    }

    /// The first version that knows all that happened up to this time.
    pub fn version_ms(&self, end_ms: u64) -> u64 {
        let quantum_ms = self.settings.trending.quantum_ms;
        (end_ms / quantum_ms + 1) * quantum_ms
    }
}
