//! From folds to decisions: judgements that are due, settled at once or in turns.
//!
//! The fold of a session never looks at its scores, so a judgement can wait. A regression costs
//! less than keeping its inputs: it is asked at once. Trees are read from memory, and many rows
//! share one reading: judgements by trees queue up, each with its features, and are settled
//! together when the queue is full, when someone needs what a queued judgement will change, and at
//! the end of an epoch.
//!
//! # Contract
//! Judgements are settled in the order in which they came, whoever's they are, all by the model
//! that held when they came. Whoever ends a session, or reads the scores, the phase, the layout or
//! the next number of a visit, first settles what it is owed ([`Judging::owes`]). So when the queue
//! was settled cannot be seen in any decision, nor in any counter.
//!
//! Cost: a copy of the features for each judgement that queues. Memory: [`QUEUE_MAX`] vectors.

use super::decision::Trigger;
use super::feature::Vector;
use super::learn::tables::Tables;
use super::learned::Said;
use super::ledger::{Desk, Ledger};
use super::live::{Judgement, Rules, Visit};
use super::model::Scores;
use super::output::Output;
use super::slab::Slab;
use super::tally::Tally;

/// Most judgements that wait: as many as trees are asked about in one turn.
pub const QUEUE_MAX: usize = super::model::forest::BATCH_ROWS;

/// A worker's judgements that are due.
#[derive(Debug)]
pub struct Judging {
    most: usize,
    /// All by one model.
    queue: Vec<Waiting>,
    /// Features to be scored.
    moved: Vec<Vector>,
    /// Features of judgements that keep the scores of the one before.
    still: Vec<Vector>,
    scores: Vec<Scores>,
}

/// A judgement that waits for its turn.
#[derive(Debug)]
struct Waiting {
    key: u32,
    /// Place among the features that have moved, or among those that have not.
    row: usize,
    judgement: Judgement,
}

impl Judging {
    /// A queue that is settled when `most` judgements wait.
    pub fn in_turns_of(most: usize) -> Judging {
        Judging {
            most: most.clamp(1, QUEUE_MAX),
            queue: Vec::new(),
            moved: Vec::new(),
            still: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Whether a judgement of the visit under `key` waits.
    pub fn owes(&self, key: u32) -> bool {
        self.queue.iter().any(|waiting| waiting.key == key)
    }

    /// Takes a judgement that has come due, and settles it now or later.
    pub fn take(
        &mut self,
        key: u32,
        judgement: Judgement,
        features: &Vector,
        reach: &mut Reach<'_, impl Output>,
    ) {
        reach.tally.scorings += u64::from(judgement.moved);
        let by_another = |first: &Waiting| first.judgement.model != judgement.model;
        if self.queue.first().is_some_and(by_another) {
            self.settle(reach);
        }
        let model = reach.rules.models.get(judgement.model);
        if !model.gains_from_batches() {
            let scores = judgement.moved.then(|| model.score(features));
            reach.conclude(key, &judgement, scores, features);
            return;
        }
        let rows = if judgement.moved {
            &mut self.moved
        } else {
            &mut self.still
        };
        rows.push(*features);
        self.queue.push(Waiting {
            key,
            row: rows.len() - 1,
            judgement,
        });
        if self.queue.len() >= self.most {
            self.settle(reach);
        }
    }

    /// Settles every judgement that waits.
    pub fn settle(&mut self, reach: &mut Reach<'_, impl Output>) {
        let Some(first) = self.queue.first() else {
            return;
        };
        let model = reach.rules.models.get(first.judgement.model);
        self.scores.resize(self.moved.len(), Scores::default());
        model.score_rows(&self.moved, &mut self.scores);
        for waiting in self.queue.drain(..) {
            let Waiting {
                key,
                row,
                judgement,
            } = waiting;
            if judgement.moved {
                let scores = Some(self.scores[row]);
                reach.conclude(key, &judgement, scores, &self.moved[row]);
            } else {
                reach.conclude(key, &judgement, None, &self.still[row]);
            }
        }
        self.moved.clear();
        self.still.clear();
    }
}

/// What judgements are made with, and what they change.
pub struct Reach<'a, O> {
    /// By which rules.
    pub rules: &'a Rules,
    /// By which tables.
    pub tables: &'a Tables,
    /// What is said while judging.
    pub said: &'a mut Said,
    /// Where it is booked.
    pub ledger: &'a mut Ledger,
    /// The visits that are judged.
    pub visits: &'a mut Slab<Visit>,
    /// What counts them.
    pub tally: &'a mut Tally,
    /// Where decisions go.
    pub out: &'a mut O,
}

impl<O: Output> Reach<'_, O> {
    /// Judges a visit, counts, and hands the decision on. Without scores, the visit keeps its own.
    #[inline]
    fn conclude(
        &mut self,
        key: u32,
        judgement: &Judgement,
        scores: Option<Scores>,
        features: &Vector,
    ) {
        let visit = self.visits.get_mut(key);
        let starts = judgement.trigger == Trigger::Start;
        let phase_before = (!starts).then_some(visit.phase());
        let scores = scores.unwrap_or(visit.scores);
        let by = (self.rules, self.tables);
        if let Some(decision) = visit.judge(judgement, scores, by, features, self.said) {
            self.tally.decisions += 1;
            self.tally.changes += u64::from(!starts && decision.changed != 0);
            if let Some(timeline) = &mut self.tally.timeline {
                timeline.at(decision.at.0).decisions += 1;
            }
            self.out.decision(&decision);
        }
        let listed = std::mem::take(&mut self.said.products);
        self.tally.products.merge(&listed);
        if let Some(view) = &mut self.said.view {
            view.show(visit, &self.rules.policy);
            self.out.considered(visit, judgement, view);
        }
        if self.said.has_facts() {
            let mut desk = Desk {
                rules: self.rules,
                tally: self.tally,
                out: self.out,
            };
            self.ledger.told(judgement.at, visit, self.said, &mut desk);
        }
        let phase = Some(visit.phase());
        self.tally.move_phase(judgement.at.0, phase_before, phase);
    }
}
