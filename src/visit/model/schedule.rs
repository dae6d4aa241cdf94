//! The models of a run, and from when each holds.
//!
//! A new model takes effect at a boundary: the first multiple of the quantum at or after the time
//! it was asked for. An event or a timer at arrival `a` is scored by the newest model whose
//! boundary is not after `a`, so which model made a decision follows from the log and the schedule
//! alone. Cost: one comparison an event until there is a swap.

use super::Model;
use crate::event::ArrivalMs;

/// Most swaps in a run.
pub const SWAPS_MAX: usize = 254;

/// Models in the order of their boundaries.
#[derive(Clone, Debug)]
pub struct Schedule {
    first: Model,
    swaps: Vec<(ArrivalMs, Model)>,
}

/// Why a schedule was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Two models at one boundary.
    #[error("{0} and {1} would both take effect at {2} ms: which holds is not said")]
    Together(String, String, u64),
    /// More than [`SWAPS_MAX`].
    #[error("{0} swaps of the model; at most {SWAPS_MAX} are possible")]
    TooMany(usize),
    /// The boundary lies beyond the end of the clock.
    #[error("the time {0} ms is beyond the end of the clock")]
    Beyond(u64),
}

impl Schedule {
    /// One model throughout.
    pub fn of(model: Model) -> Schedule {
        Schedule {
            first: model,
            swaps: Vec::new(),
        }
    }

    /// A model, and others that follow it. Times are on the arrival clock, in ms.
    ///
    /// # Errors
    /// [`ScheduleError`] when two models share a boundary, or there are too many.
    pub fn with_swaps(
        first: Model,
        swaps: Vec<(u64, Model)>,
        quantum_ms: u64,
    ) -> Result<Schedule, ScheduleError> {
        if swaps.len() > SWAPS_MAX {
            return Err(ScheduleError::TooMany(swaps.len()));
        }
        let mut placed = Vec::with_capacity(swaps.len());
        for (at_ms, model) in swaps {
            let boundary = at_ms
                .checked_next_multiple_of(quantum_ms.max(1))
                .ok_or(ScheduleError::Beyond(at_ms))?;
            placed.push((ArrivalMs(boundary), model));
        }
        placed.sort_by_key(|(boundary, _)| *boundary);
        if let Some(pair) = placed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let label = |at: usize| pair[at].1.label.clone();
            return Err(ScheduleError::Together(label(0), label(1), pair[0].0.0));
        }
        Ok(Schedule {
            first,
            swaps: placed,
        })
    }

    /// From a boundary on, others hold; those before it keep their numbers.
    ///
    /// # Errors
    /// [`ScheduleError::TooMany`].
    pub fn followed_by(
        &self,
        from: ArrivalMs,
        others: &Schedule,
    ) -> Result<Schedule, ScheduleError> {
        let before = self.swaps.iter().filter(|(boundary, _)| *boundary < from);
        let then = others.get(others.at(from)).clone();
        let after = others.swaps.iter().filter(|(boundary, _)| *boundary > from);
        let swaps = before.cloned().chain([(from, then)]).chain(after.cloned());
        let swaps: Vec<_> = swaps.collect();
        match swaps.len() {
            0..=SWAPS_MAX => Ok(Schedule {
                first: self.first.clone(),
                swaps,
            }),
            many => Err(ScheduleError::TooMany(many)),
        }
    }

    /// The number of the model that holds at an arrival.
    #[inline]
    pub fn at(&self, arrival: ArrivalMs) -> u8 {
        if self.swaps.is_empty() {
            return 0;
        }
        self.swaps
            .partition_point(|(boundary, _)| *boundary <= arrival) as u8
    }

    /// A model by its number.
    #[inline]
    pub fn get(&self, number: u8) -> &Model {
        match usize::from(number).checked_sub(1) {
            None => &self.first,
            Some(swap) => &self.swaps[swap].1,
        }
    }

    /// The models with their boundaries; the first holds from the beginning.
    pub fn iter(&self) -> impl Iterator<Item = (ArrivalMs, &Model)> {
        let swaps = self
            .swaps
            .iter()
            .map(|(boundary, model)| (*boundary, model));
        std::iter::once((ArrivalMs(0), &self.first)).chain(swaps)
    }

    /// What the models are called, in order; the boundary stands before each that takes over.
    pub fn label(&self) -> String {
        let mut label = self.first.label.clone();
        for (boundary, model) in &self.swaps {
            label.push_str(&format!(", from {} ms {}", boundary.0, model.label));
        }
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(label: &str) -> Model {
        Model {
            label: label.into(),
            ..Model::blank()
        }
    }

    #[test]
    fn a_model_takes_effect_at_the_boundary_after_its_time() {
        let swaps = vec![(2_001, named("c")), (1_000, named("b"))];
        let schedule = Schedule::with_swaps(named("a"), swaps, 1_000).unwrap();
        let at = |ms| schedule.get(schedule.at(ArrivalMs(ms))).label.as_str();
        assert_eq!(
            [at(0), at(999), at(1_000), at(2_999), at(3_000)],
            ["a", "a", "b", "b", "c"]
        );
        assert_eq!(schedule.label(), "a, from 1000 ms b, from 3000 ms c");
        assert_eq!(schedule.iter().count(), 3);
    }

    #[test]
    fn two_models_at_one_boundary_are_refused() {
        let swaps = vec![(1_001, named("b")), (1_999, named("c"))];
        let error = Schedule::with_swaps(named("a"), swaps, 1_000).unwrap_err();
        assert_eq!(
            error,
            ScheduleError::Together("b".into(), "c".into(), 2_000)
        );
        let swaps = vec![(u64::MAX, named("b"))];
        let error = Schedule::with_swaps(named("a"), swaps, 1_000).unwrap_err();
        assert_eq!(error, ScheduleError::Beyond(u64::MAX));
        let many = (0..255).map(|n| (n * 1_000, named("b"))).collect();
        let error = Schedule::with_swaps(named("a"), many, 1_000).unwrap_err();
        assert_eq!(error, ScheduleError::TooMany(255));
    }

    #[test]
    fn models_before_a_boundary_keep_their_numbers() {
        let before = vec![(1_000, named("b")), (5_000, named("late"))];
        let before = Schedule::with_swaps(named("a"), before, 1_000).unwrap();
        let then = vec![(2_000, named("d")), (4_000, named("e"))];
        let then = Schedule::with_swaps(named("c"), then, 1_000).unwrap();
        let all = before.followed_by(ArrivalMs(3_000), &then).unwrap();
        let label = "a, from 1000 ms b, from 3000 ms d, from 4000 ms e";
        assert_eq!(all.label(), label);
        assert_eq!(all.at(ArrivalMs(1_000)), before.at(ArrivalMs(1_000)));
    }
}
