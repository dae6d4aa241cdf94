//! `[index]` and `[rankers]` of a policy's TOML: which sessions products are recommended from, and how.
//!
//! Only what some arm's ranker needs is kept; trends are kept with any of them, for others fall back on
//! what trends.

use super::super::rank::recommender::{IndexSpec, RankerSettings};
use super::super::rank::rules::{Count, Spec as RulesSpec};
use super::super::rank::session_knn::Spec as KnnSpec;
use super::super::rank::trending::{QUANTA_MAX, Spec as TrendingSpec};
use super::super::rank::{LIST_LENGTH, Ranker, blend};
use super::Policy;
use super::parse::{PolicyError, Reader};
use super::tables::{IndexTable, RankersTable, SessionKnnTable, TrendingTable};
use crate::event::BINS;
use crate::suggest;

/// Most sessions that an index may hold.
const SESSIONS_MAX: u64 = 1 << 28;
/// Most sessions compared, neighbours and items of a visit that `session_knn` may be told to look at.
const KNN_MAX: u64 = 1_000_000;
/// Ways in which a session enters.
const ENTERS: [&str; 2] = ["closed", "growing"];

impl Reader<'_> {
    /// The index that a policy's arms need, if any does.
    pub(super) fn index(
        &self,
        table: &IndexTable,
        policy: &Policy,
    ) -> Result<Option<IndexSpec>, PolicyError> {
        let RankerSettings {
            steps,
            session_knn,
            trending,
            blend,
        } = policy.rankers.clone();
        let arms = policy.slots.iter().flat_map(|slot| &slot.arms);
        let mut named: Vec<Ranker> = arms.filter_map(|arm| arm.ranker).collect();
        if named.contains(&Ranker::Blend) {
            named.extend(blend.iter().map(|(ranker, _)| *ranker));
        }
        let wants = |ranker| named.contains(&ranker);
        // A list is shown beside the item that it is for.
        let others = |count| RulesSpec {
            count,
            length: LIST_LENGTH,
            own_pairs: false,
        };
        let spec = IndexSpec {
            growing: self.growing(table)?,
            window_ms: match (
                self.duration(&table.window, 30 * 86_400_000)?,
                &table.window,
            ) {
                (0, Some(window)) => {
                    let what = "index.window must be above 0".into();
                    return Err(self.error(window.span(), what));
                }
                (ms, _) => ms,
            },
            sessions_per_bin: {
                let sessions = self.whole(&table.sessions, 1 << 20, 1..SESSIONS_MAX + 1)?;
                (sessions as usize).div_ceil(BINS)
            },
            association: wants(Ranker::AssociationRules).then(|| others(Count::Association)),
            sequential: wants(Ranker::SequentialRules).then(|| others(Count::Sequential { steps })),
            trending,
            session_knn: wants(Ranker::SessionKnn).then_some(session_knn),
            blend,
        };
        Ok(named.iter().any(|ranker| ranker.learns()).then_some(spec))
    }

    /// How rankers go to work, whether or not an arm names them.
    pub(super) fn rankers(&self, table: &RankersTable) -> Result<RankerSettings, PolicyError> {
        Ok(RankerSettings {
            steps: self.whole(&table.sequential_rules.steps, 20, 1..1_001)? as u32,
            session_knn: self.session_knn(&table.session_knn)?,
            trending: self.trending(&table.trending)?,
            blend: self.blend(table)?,
        })
    }

    fn growing(&self, table: &IndexTable) -> Result<bool, PolicyError> {
        let Some(enters) = &table.enters else {
            return Ok(false);
        };
        let given = enters.get_ref();
        match ENTERS.iter().position(|name| name == given) {
            Some(place) => Ok(place == 1),
            None => {
                let (all, hint) = (ENTERS.join(" or "), suggest::hint(given, ENTERS));
                let what = format!("`{given}` is no way to enter the index; it is {all}{hint}");
                Err(self.error(enters.span(), what))
            }
        }
    }

    fn trending(&self, table: &TrendingTable) -> Result<TrendingSpec, PolicyError> {
        let default = TrendingSpec::default();
        let half_life_ms = self.duration(&table.half_life, default.half_life_ms)?;
        // Sixty-four steps to a half: none of them is seen.
        let quantum_ms = self.duration(&table.quantum, (half_life_ms / 64).max(1_000))?;
        let given = table.quantum.as_ref().or(table.half_life.as_ref());
        if half_life_ms == 0 || quantum_ms == 0 || half_life_ms / quantum_ms > QUANTA_MAX {
            let what = format!(
                "trending needs a half_life above 0, and a quantum of at least a {QUANTA_MAX}th of it"
            );
            return Err(self.error(given.map_or(0..0, toml::Spanned::span), what));
        }
        Ok(TrendingSpec {
            quantum_ms,
            half_life_ms,
            length: super::super::rank::recommender::PROPOSED_MAX,
            own: true,
        })
    }

    fn session_knn(&self, table: &SessionKnnTable) -> Result<KnnSpec, PolicyError> {
        let default = KnnSpec::default();
        let whole = |given, default: usize| {
            let number = self.whole(given, default as u64, 1..KNN_MAX + 1)?;
            Ok::<usize, PolicyError>(number as usize)
        };
        let idf = table.idf.as_ref();
        if let Some(given) = idf.filter(|idf| !(0.0..=10.0).contains(idf.get_ref())) {
            let what = format!("idf {} does not lie between 0 and 10", given.get_ref());
            return Err(self.error(given.span(), what));
        }
        let sessions = whole(&table.sessions, default.sessions)?;
        // No more neighbours than sessions that are compared.
        let neighbours = whole(&table.neighbours, default.neighbours.min(sessions))?;
        if let Some(given) = table.neighbours.as_ref().filter(|_| neighbours > sessions) {
            let what = format!("{neighbours} neighbours, where {sessions} sessions are compared");
            return Err(self.error(given.span(), what));
        }
        Ok(KnnSpec {
            sessions,
            neighbours,
            last_items: whole(&table.last_items, default.last_items)?,
            idf: idf.map_or(default.idf, |idf| *idf.get_ref()),
        })
    }

    fn blend(&self, table: &RankersTable) -> Result<Vec<(Ranker, u64)>, PolicyError> {
        let Some(parts) = &table.blend else {
            return Ok(blend::DEFAULT.to_vec());
        };
        let mut blend = Vec::new();
        for (name, weight) in parts.get_ref() {
            let blended = |ranker| !matches!(ranker, Ranker::Catalogue | Ranker::Blend);
            let mut known = Ranker::ALL.into_iter().filter(|one| blended(one.0));
            let Some((ranker, _)) = known.clone().find(|one| one.1 == name.get_ref()) else {
                let names: Vec<&str> = known.by_ref().map(|one| one.1).collect();
                let what = format!(
                    "`{}` cannot be blended; a blend is made of {}{}",
                    name.get_ref(),
                    names.join(", "),
                    suggest::hint(name.get_ref(), names.iter().copied())
                );
                return Err(self.error(name.span(), what));
            };
            if !(*weight.get_ref() > 0.0 && *weight.get_ref() <= 1_000.0) {
                let what = format!("weight {} is not above 0, up to 1000", weight.get_ref());
                return Err(self.error(weight.span(), what));
            }
            blend.push((ranker, (weight.get_ref() * 1e6).round() as u64));
        }
        if blend.is_empty() {
            let what = "a blend needs rankers: { session_knn = 1.0, … }".into();
            return Err(self.error(parts.span(), what));
        }
        Ok(blend)
    }
}
