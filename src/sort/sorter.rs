//! Gathering events within a memory limit, and handing them out in order.
//!
//! The limit counts what events, texts and sort keys take, to within one batch. What a lane's reader holds (256 KiB,
//! and up to 16 MiB where a line is a whole session) and the buffers of a merge come on top.

use super::merge::{Levels, Merge};
use super::run::RunWriter;
use super::{Key, MEMORY_BYTES_MIN, SortError, SortOptions, key};
use crate::event::{Batch, EventRef};
use std::path::PathBuf;

/// An event's key, and where it stands: batch and index.
type Entry = (Key, u32, u32);

/// Gathers events in any order.
pub struct Sorter {
    dir: PathBuf,
    memory_bytes: usize,
    open: Batch,
    full: Vec<Batch>,
    /// What the full batches and their keys take.
    full_bytes: usize,
    levels: Levels,
    runs_spilled: u64,
}

impl Sorter {
    /// A sorter without events.
    pub fn new(options: &SortOptions) -> Sorter {
        Sorter {
            dir: options.dir(),
            memory_bytes: options.memory_bytes.max(MEMORY_BYTES_MIN),
            open: Batch::default(),
            full: Vec::new(),
            full_bytes: 0,
            levels: Levels::default(),
            runs_spilled: 0,
        }
    }

    /// Events after which the open batch counts as full.
    pub const BATCH_EVENTS: usize = Batch::EVENTS_MAX;

    /// The batch to append events to. Call [`Sorter::settle`] after each time.
    pub fn open_batch(&mut self) -> &mut Batch {
        &mut self.open
    }

    /// Takes over what the open batch holds once it is full, and spills when the memory is.
    ///
    /// # Errors
    /// [`SortError`] when a run cannot be spilled.
    pub fn settle(&mut self) -> Result<(), SortError> {
        if self.open.len() < Sorter::BATCH_EVENTS {
            return Ok(());
        }
        self.close_batch();
        if self.full_bytes >= self.memory_bytes {
            self.spill()?;
        }
        Ok(())
    }

    /// Runs spilled to temporary files so far.
    pub fn runs_spilled(&self) -> u64 {
        self.runs_spilled
    }

    /// Ends the gathering. If anything was spilled, the rest is spilled, too.
    ///
    /// # Errors
    /// [`SortError`] when runs cannot be written or read.
    pub fn finish(mut self) -> Result<Sorted, SortError> {
        self.close_batch();
        if self.runs_spilled == 0 {
            return Ok(Sorted(Order::Memory {
                entries: self.entries().into_iter(),
                batches: self.full,
            }));
        }
        self.spill()?;
        Ok(Sorted(Order::Runs(self.levels.merge(&self.dir)?)))
    }

    fn close_batch(&mut self) {
        let batch = std::mem::take(&mut self.open);
        self.full_bytes += batch.bytes() + batch.len() * size_of::<Entry>();
        self.full.push(batch);
    }

    /// The keys of all events in memory, sorted.
    fn entries(&self) -> Vec<Entry> {
        let count = self.full.iter().map(Batch::len).sum();
        let mut entries = Vec::with_capacity(count);
        for (number, batch) in self.full.iter().enumerate() {
            let entry = |(index, event)| (key(event), number as u32, index as u32);
            entries.extend(batch.events().iter().enumerate().map(entry));
        }
        entries.sort_unstable();
        entries
    }

    fn spill(&mut self) -> Result<(), SortError> {
        let entries = self.entries();
        if entries.is_empty() {
            return Ok(());
        }
        let mut run = RunWriter::create(&self.dir)?;
        for &(_, batch, index) in &entries {
            let event = self.full[batch as usize].get(index as usize);
            run.push(*event.event, event.texts)?;
        }
        self.full.clear();
        self.full_bytes = 0;
        self.runs_spilled += 1;
        self.levels.add(run.finish()?, &self.dir)
    }
}

/// Events in order.
pub struct Sorted(Order);

enum Order {
    /// All of them fit the memory.
    Memory {
        entries: std::vec::IntoIter<Entry>,
        batches: Vec<Batch>,
    },
    /// They lie in runs.
    Runs(Merge),
}

impl Sorted {
    /// The next event; nothing at the end.
    ///
    /// # Errors
    /// [`SortError`] when a run cannot be read.
    pub fn next_event(&mut self) -> Result<Option<EventRef<'_>>, SortError> {
        match &mut self.0 {
            Order::Memory { entries, batches } => Ok(entries
                .next()
                .map(|(_, batch, index)| batches[batch as usize].get(index as usize))),
            Order::Runs(merge) => merge.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::event;
    use super::*;
    use crate::event::Texts;

    fn options() -> SortOptions {
        SortOptions::sharing(0, 1)
    }

    /// A sorter with `events` events whose times jump about, 3 to a time, on 2 lanes.
    fn gathered(events: u64, options: &SortOptions) -> Sorter {
        let mut sorter = Sorter::new(options);
        for n in 0..events {
            let time = crate::event::mix(n / 3) % events;
            let item = format!("item-{n}");
            let texts = Texts {
                item: item.as_bytes(),
                ..Texts::default()
            };
            sorter
                .open_batch()
                .push(event(time, (n % 2) as u16, n), texts);
            sorter.settle().unwrap();
        }
        sorter
    }

    fn all(mut sorted: Sorted) -> Vec<(Key, Vec<u8>)> {
        let mut events = Vec::new();
        while let Some(event) = sorted.next_event().unwrap() {
            events.push((key(event.event), event.texts.item.to_vec()));
        }
        events
    }

    #[test]
    fn memory_changes_nothing_but_the_number_of_runs() {
        let plenty = SortOptions {
            memory_bytes: 1 << 30,
            ..options()
        };
        let few = gathered(300_000, &plenty);
        assert_eq!(few.runs_spilled(), 0);
        let many = gathered(300_000, &options());
        assert!(many.runs_spilled() >= 2);
        let (few, many) = (all(few.finish().unwrap()), all(many.finish().unwrap()));
        assert_eq!(few.len(), 300_000);
        assert!(few.windows(2).all(|two| two[0].0 < two[1].0));
        assert!(few == many, "the order depends on the memory");
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        assert!(all(Sorter::new(&options()).finish().unwrap()).is_empty());
    }
}
