//! The sink: everything that leaves the job comes here, to worker 0, and is put in order.
//!
//! A record is let go once the frontier has passed its time, sorted by (time, tag, key); so the
//! output is in canonical order although no worker waits for another. Writing happens on threads
//! of its own behind a short queue.

use super::container::{Emission, Emissions, Spares, Tag};
use super::durable::keeper::Keeper;
use super::failure;
use super::milestones::Milestones;
use super::output::LineWriter;
use super::sessions::WorkerTally;
use super::source::LaneReport;
use super::status::JobStatus;
use crate::evaluate::what_if::worth::Evidence;
use crate::event::{Lane, Offset, VisitorId};
use crate::visit::decision::Digest;
use crate::visit::learn::learner::SlotReport;
use crate::visit::rows::SessionRows;
use crate::visit::tally::Tally;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::ExchangeCore;
use timely::dataflow::operators::generic::Operator;

/// What has come to the sink.
#[derive(Default)]
pub struct Collected {
    /// Where decision lines go, if anywhere.
    pub decisions: Option<LineWriter>,
    /// Where they go in a durable run.
    pub keeper: Option<Keeper>,
    /// Who is told how far output is.
    pub status: Option<JobStatus>,
    /// Where it is noted how far the sink has come, if anyone measures.
    pub milestones: Option<Milestones>,
    /// Where lines about rejected rows go, if anywhere.
    pub rejects: Option<LineWriter>,
    /// The followed visitor's story.
    pub story: Vec<u8>,
    /// The rows of sessions, in the order in which they ended.
    pub rows: Vec<SessionRows>,
    /// How many rows there are in all.
    pub rows_count: u64,
    /// The sum of the sessions' digests.
    pub rows_digest: u128,
    /// Visitors who were erased, and how many sessions had ended by then.
    pub erased: BTreeMap<VisitorId, usize>,
    /// What the slots have learned.
    pub learned: Vec<SlotReport>,
    /// What was found out about another policy.
    pub evidence: Evidence,
    /// What each worker counted.
    pub workers: Vec<WorkerTally>,
    /// What each lane came to.
    pub lanes: Vec<LaneReport>,
}

/// Attaches the sink. Only worker 0 receives anything; `collected` is filled there.
pub fn sink<'scope>(
    emissions: Stream<'scope, u64, Emissions>,
    collected: &Rc<RefCell<Collected>>,
    spares: &Spares<Emissions>,
) -> Stream<'scope, u64, Emissions> {
    let pact =
        ExchangeCore::<CapacityContainerBuilder<Emissions>, _>::new_core(|_: &Emission<'_>| 0);
    let collected = Rc::clone(collected);
    let spares = spares.clone();
    emissions.unary_frontier::<CapacityContainerBuilder<Emissions>, _, _, _>(
        pact,
        "Sink",
        move |_capability, _info| {
            let mut pending = Pending::default();
            move |(input, frontier), _output| {
                input.for_each_stamp(|_capability, batches| {
                    for batch in batches {
                        pending.add(std::mem::take(batch));
                    }
                });
                let closed_ms = frontier.frontier().first().copied();
                failure::enter("sink", closed_ms);
                let mut collected = collected.borrow_mut();
                pending.drain_before(closed_ms, |emission| collected.take(emission));
                if let Some(keeper) = &mut collected.keeper {
                    keeper.closed(closed_ms);
                }
                if let (Some(keeper), Some(status)) = (&collected.keeper, &collected.status) {
                    status.stands(keeper.stands());
                }
                if let Some(milestones) = &collected.milestones {
                    let handed_ms = collected
                        .keeper
                        .as_ref()
                        .map_or(0, |keeper| keeper.stands().0);
                    milestones.closed(closed_ms.unwrap_or(u64::MAX), handed_ms);
                }
                pending.retire(closed_ms, &spares);
                pending.relieve(|emission| collected.take(emission), &spares);
            }
        },
    )
}

/// Bytes of rejected rows that may wait for the frontier.
///
/// Rows rejected before a lane's first good row, or in one long stretch, share one time, and the
/// frontier cannot pass it before the stretch is over. Beyond this they are written at once: then,
/// and only then, their order among the lanes is not fixed.
const REJECT_BYTES_MAX: usize = 64 << 20;

#[derive(Default)]
struct Pending {
    batches: Vec<Held>,
}

/// Emissions of which those before `taken_before` have been handed out.
struct Held {
    emissions: Emissions,
    taken_before: u64,
    first_ms: u64,
    last_ms: u64,
}

impl Pending {
    fn add(&mut self, emissions: Emissions) {
        if let Some((first_ms, last_ms)) = emissions.span_ms() {
            self.batches.push(Held {
                emissions,
                taken_before: 0,
                first_ms,
                last_ms,
            });
        }
    }

    /// Hands out what lies before `end_ms`, or everything when there is no end, in order.
    fn drain_before(&mut self, end_ms: Option<u64>, take: impl FnMut(Emission<'_>)) {
        let before_end = |at_ms: u64| end_ms.is_none_or(|end| at_ms < end);
        let due = self.batches.iter().filter(|held| before_end(held.first_ms));
        hand_out(
            due.flat_map(|held| {
                held.emissions
                    .iter()
                    .filter(|emission| emission.at_ms >= held.taken_before)
            })
            .filter(|emission| before_end(emission.at_ms)),
            take,
        );
    }

    /// Hands out rejected rows ahead of their time when too many of them wait.
    fn relieve(&mut self, take: impl FnMut(Emission<'_>), spares: &Spares<Emissions>) {
        let only_rejects = |held: &Held| {
            held.emissions
                .iter()
                .all(|emission| emission.tag == Tag::Reject)
        };
        let waiting: usize = self
            .batches
            .iter()
            .map(|held| held.emissions.heap_bytes())
            .sum();
        if waiting <= REJECT_BYTES_MAX {
            return;
        }
        let early: Vec<Held> = self
            .batches
            .extract_if(.., |held| only_rejects(held))
            .collect();
        hand_out(early.iter().flat_map(|held| held.emissions.iter()), take);
        for held in early {
            spares.keep_cleared(held.emissions);
        }
    }

    /// Lets go of the containers of which everything has been handed out.
    fn retire(&mut self, end_ms: Option<u64>, spares: &Spares<Emissions>) {
        let done = |held: &mut Held| {
            held.taken_before = end_ms.unwrap_or(u64::MAX);
            end_ms.is_none_or(|end| held.last_ms < end)
        };
        for held in self.batches.extract_if(.., done) {
            spares.keep_cleared(held.emissions);
        }
    }
}

fn hand_out<'a>(due: impl Iterator<Item = Emission<'a>>, take: impl FnMut(Emission<'a>)) {
    let mut due: Vec<Emission<'a>> = due.collect();
    due.sort_unstable();
    due.into_iter().for_each(take);
}

impl Collected {
    /// The counters of all workers, and the digest of all records.
    pub fn total(&self) -> (Tally, Digest) {
        let mut tally = Tally::default();
        let mut digest = Digest::default();
        for worker in &self.workers {
            tally.merge(&worker.tally);
            let part = u128::from_str_radix(&worker.digest, 16).expect("a digest is hexadecimal");
            digest.merge(Digest(part));
        }
        (tally, digest)
    }

    fn take(&mut self, emission: Emission<'_>) {
        let body = emission.body;
        match emission.tag {
            Tag::Decision => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.line(emission.at_ms, body);
                } else if let Some(writer) = &mut self.decisions {
                    writer.write(body);
                }
            }
            Tag::Reject => {
                if let Some(writer) = &mut self.rejects {
                    writer.write(body);
                }
            }
            Tag::Story => self.story.extend_from_slice(body),
            Tag::Rows => self.take_rows(body),
            Tag::Learned => self.learned.push(
                serde_json::from_slice(body).expect("what a slot has learned is well-formed"),
            ),
            Tag::Evidence => self
                .evidence
                .merge(serde_json::from_slice(body).expect("a worker's evidence is well-formed")),
            Tag::Tally => self
                .workers
                .push(serde_json::from_slice(body).expect("a worker's counters are well-formed")),
            Tag::Lane => self
                .lanes
                .push(serde_json::from_slice(body).expect("a lane's report is well-formed")),
            Tag::Offset => {
                if let (Some(keeper), Ok(lane), Ok(offset)) =
                    (&mut self.keeper, emission.key.try_into(), body.try_into())
                {
                    let offset = Offset(u64::from_le_bytes(offset));
                    keeper.read(Lane(u16::from_be_bytes(lane)), offset);
                }
            }
        }
    }

    /// The rows of sessions whose visitors were not erased later.
    pub fn rows_kept(&mut self) -> Vec<SessionRows> {
        let rows = std::mem::take(&mut self.rows).into_iter().enumerate();
        let is_gone = |place: usize, visitor: VisitorId| {
            let before = self.erased.get(&visitor);
            before.is_some_and(|before| place < *before)
        };
        rows.filter(|(place, session)| !is_gone(*place, session.visitor))
            .map(|(_, session)| session)
            .collect()
    }

    /// Keeps the rows of a session, while there is room; or takes note that a visitor was erased,
    /// where the visitor's id is all there is.
    fn take_rows(&mut self, body: &[u8]) {
        if let Ok(visitor) = body.try_into() {
            let visitor = VisitorId(u64::from_le_bytes(visitor));
            self.erased.insert(visitor, self.rows.len());
            return;
        }
        let session = SessionRows::decode(body).expect("the operator's rows are well-formed");
        self.rows_digest = self.rows_digest.wrapping_add(SessionRows::digest(body));
        self.rows_count += session.rows.len() as u64;
        if self.rows_count <= ROWS_TOTAL_MAX {
            self.rows.push(session);
        }
    }
}

/// Most rows kept in all: 4 million, 1.4 GB.
pub const ROWS_TOTAL_MAX: u64 = 4_000_000;
