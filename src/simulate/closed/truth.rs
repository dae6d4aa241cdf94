//! The truth that policies are judged by: the best layout for each phase, and the best for all.
//!
//! A scouting run under the default layout tells each arm's worth in each phase to first order
//! ([`super::scout`]); the best arms make the first oracle. Worth is first order and effects are
//! not small, so the next scouting run is under that oracle, and makes another, up to [`ROUNDS`]
//! times; the one that sold most in its own run is kept. The best fixed layout is found from the
//! first-order one by trying every other arm of each slot in a run of its own, slot by slot.
//!
//! Both are searched for on chances that are not those of the experiment, so that neither is fitted
//! to the luck it is judged by. Neither search is exhaustive: an oracle found so is a lower bound on
//! the best that could be done with these slots and phases. Cost: two to four runs with the keeper,
//! and eleven to thirteen without one.

use super::experiment::{ExperimentError, Factory, page_of};
use super::keeper::FixedKeeper;
use super::page::{Layout, PageMap, SLOTS};
use super::params::ClosedParams;
use super::policies;
use super::response::Response;
use super::scout::{ByPhase, Confusion, PHASE_COUNT, Scout};
use super::shop::{ClosedShop, Ledger};
use crate::rng::Rng;

/// Most scouting runs after the first.
pub const ROUNDS: usize = 3;
/// Visits of a scouting run: as many as the experiment's, within these.
const SCOUTED: std::ops::RangeInclusive<u64> = 40_000..=200_000;
/// Most visits of a run that tries a fixed layout.
const TRIED_MAX: u64 = 100_000;
/// The stream from which the scouting runs' seed is drawn.
const STREAM_SCOUT: u64 = 0x5343_4f55_5421;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Events by the phase that the job saw and the true intent, under the default layout.
    pub confusion: Confusion,
    /// The best arms found for each phase.
    pub oracle: ByPhase,
    /// The best layout found for all phases.
    pub fixed: Layout,
}

impl Truth {
    /// Finds the truth of a shop, with keepers that see phases as the job does.
    ///
    /// # Errors
    /// [`ExperimentError`] if a parameter is out of its limits.
    pub fn find(params: &ClosedParams, factory: Factory<'_>) -> Result<Truth, ExperimentError> {
        let params = ClosedParams {
            seed: Rng::of(params.seed, STREAM_SCOUT).bits(),
            sessions: params.sessions.clamp(*SCOUTED.start(), *SCOUTED.end()),
            ..params.clone()
        };
        let response = Response::new(params.effect_scale, params.bad_arm);
        let everywhere = |layout: Layout| [layout; PHASE_COUNT];
        let (first, scout) = scouted(&params, factory, &everywhere(Layout::default()))?;
        let fixed = best_fixed(&params, scout.fixed(&response))?;
        let mut best = (everywhere(Layout::default()), first.conversion());
        let mut next = scout.oracle(&response);
        for _ in 0..ROUNDS {
            if next == best.0 {
                break;
            }
            let (ledger, scout) = scouted(&params, factory, &next)?;
            if ledger.conversion() <= best.1 {
                break;
            }
            best = (next, ledger.conversion());
            next = scout.oracle(&response);
        }
        Ok(Truth {
            confusion: first.confusion,
            oracle: best.0,
            fixed,
        })
    }
}

/// A scouting run under a layout for each phase.
fn scouted(
    params: &ClosedParams,
    factory: Factory<'_>,
    layouts: &ByPhase,
) -> Result<(Ledger, Scout), ExperimentError> {
    let text = policies::scouting(policies::by_phase("scout", layouts));
    let shop = ClosedShop::new(params.clone(), page_of(&text)?)?.scouting();
    let mut ledger = shop.run(&mut *factory(&text), &mut |_| {});
    let scout = ledger.scout.take().unwrap_or_default();
    Ok((ledger, *scout))
}

/// The best of the layouts that differ from `layout` in a slot, slot by slot.
fn best_fixed(params: &ClosedParams, mut layout: Layout) -> Result<Layout, ExperimentError> {
    let params = ClosedParams {
        sessions: params.sessions.min(TRIED_MAX),
        ..params.clone()
    };
    let tried = |layout: Layout| -> Result<f64, ExperimentError> {
        let shop = ClosedShop::new(params.clone(), PageMap::own())?;
        let ledger = shop.run(&mut FixedKeeper::new(layout), &mut |_| {});
        Ok(ledger.conversion())
    };
    let mut best = tried(layout)?;
    for (slot, known) in SLOTS.iter().enumerate() {
        let from = layout[slot];
        for arm in (0..known.arms.len() as u8).filter(|arm| *arm != from) {
            let mut other = layout;
            other[slot] = arm;
            let conversion = tried(other)?;
            if conversion > best {
                (layout, best) = (other, conversion);
            }
        }
    }
    Ok(layout)
}
