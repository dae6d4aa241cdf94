//! The merge of runs: always the run whose next event is the earliest.
//!
//! Runs are kept in levels, so that few files are open at once: [`FAN_IN`] runs of one level are
//! merged into one run of the next. Cost: one heap operation an event and merge. Memory: two
//! frames a run, about 10 MB at the full fan-in.

use super::run::{Run, RunReader, RunWriter};
use super::{FAN_IN, Key, SortError};
use crate::event::EventRef;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

/// Hands out the events of several runs in order.
pub(super) struct Merge {
    runs: Vec<RunReader>,
    /// The next event of each run that has one.
    heap: BinaryHeap<Reverse<(Key, usize)>>,
    /// The run whose event was lent last, and has to move on before the next one is chosen.
    lent: Option<usize>,
}

impl Merge {
    pub(super) fn new(runs: Vec<Run>) -> Result<Merge, SortError> {
        let mut merge = Merge {
            runs: Vec::with_capacity(runs.len()),
            heap: BinaryHeap::with_capacity(runs.len()),
            lent: None,
        };
        for run in runs {
            if let Some(reader) = RunReader::open(run)? {
                merge.heap.push(Reverse((reader.key(), merge.runs.len())));
                merge.runs.push(reader);
            }
        }
        Ok(merge)
    }

    /// The next event; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<EventRef<'_>>, SortError> {
        if let Some(index) = self.lent.take() {
            let run = &mut self.runs[index];
            if run.advance()? {
                self.heap.push(Reverse((run.key(), index)));
            }
        }
        let Some(Reverse((_, index))) = self.heap.pop() else {
            return Ok(None);
        };
        self.lent = Some(index);
        Ok(Some(self.runs[index].current()))
    }

    /// Merges runs into one.
    fn into_run(runs: Vec<Run>, dir: &Path) -> Result<Run, SortError> {
        let mut writer = RunWriter::create(dir)?;
        let mut merge = Merge::new(runs)?;
        while let Some(event) = merge.next()? {
            writer.push(*event.event, event.texts)?;
        }
        writer.finish()
    }
}

/// Runs by how often their events have been merged.
#[derive(Default)]
pub(super) struct Levels {
    levels: Vec<Vec<Run>>,
}

impl Levels {
    /// Adds a run of events that have not been merged.
    pub(super) fn add(&mut self, run: Run, dir: &Path) -> Result<(), SortError> {
        let mut run = run;
        for level in &mut self.levels {
            level.push(run);
            if level.len() < FAN_IN {
                return Ok(());
            }
            run = Merge::into_run(std::mem::take(level), dir)?;
        }
        self.levels.push(vec![run]);
        Ok(())
    }

    /// The merge of all runs, after as many merges of the shortest ones as the fan-in asks for.
    pub(super) fn merge(self, dir: &Path) -> Result<Merge, SortError> {
        let mut runs: Vec<Run> = self.levels.into_iter().flatten().collect();
        while runs.len() > FAN_IN {
            runs.sort_by_key(|run| run.events);
            let shortest = FAN_IN.min(runs.len() - FAN_IN + 1);
            let merged = Merge::into_run(runs.drain(..shortest).collect(), dir)?;
            runs.push(merged);
        }
        Merge::new(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::event;
    use super::*;
    use crate::event::Texts;

    #[test]
    fn many_runs_are_merged_in_levels_and_nothing_is_lost() {
        let dir = std::env::temp_dir();
        let mut levels = Levels::default();
        let runs = 2 * FAN_IN as u64 + 70;
        for run in 0..runs {
            let mut writer = RunWriter::create(&dir).unwrap();
            for n in 0..5 {
                // Times overlap between runs and meet in ties, which the offset decides.
                let event = event(n * 10, 0, n * 1000 + runs - run);
                writer.push(event, Texts::default()).unwrap();
            }
            levels.add(writer.finish().unwrap(), &dir).unwrap();
        }
        assert_eq!(levels.levels[0].len(), 6);
        assert_eq!(levels.levels[1].len(), 3);
        let mut merge = levels.merge(&dir).unwrap();
        let mut keys = Vec::new();
        while let Some(event) = merge.next().unwrap() {
            keys.push(event.event.order());
        }
        assert_eq!(keys.len() as u64, 5 * runs);
        assert!(keys.windows(2).all(|two| two[0] < two[1]));
    }

    #[test]
    fn at_the_end_the_shortest_runs_are_merged_first() {
        let dir = std::env::temp_dir();
        let mut levels = Levels::default();
        // One run of the second level, and 64 short of being merged: together one too many.
        levels.levels.push(Vec::new());
        for n in 0..=FAN_IN as u64 {
            let mut writer = RunWriter::create(&dir).unwrap();
            writer.push(event(n, 0, n), Texts::default()).unwrap();
            levels.levels[0].push(writer.finish().unwrap());
        }
        let merge = levels.merge(&dir).unwrap();
        assert_eq!(merge.runs.len(), FAN_IN);
    }
}
