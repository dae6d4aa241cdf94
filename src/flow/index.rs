//! The index path: what becomes of sessions in, changes of what products are recommended from out.
//!
//! ```text
//!           ┌─ pairs, by item ──► Rules ────┐
//! shifts ───┼─ items by quantum ─► Trends ──┼─► every worker
//!           └─ sessions ────────────────────┘
//! ```
//!
//! A session enters, grows or leaves as one [`Shift`], from which the pairs and the counts that it
//! changes are told: differential collections, in whose *diff* the weights stand. A session that leaves
//! takes back what it brought; one that grows brings what is new and touches nothing else.
//! Each is kept by one operator ([`kept`]), pairs by the worker that the item's hash names, trends by one;
//! once a version is complete it brings its lists up to date and says which changed. Neighbours are sought
//! among whole sessions, so these go to every worker as they are.
//!
//! Invariant: lists and indexes of a version are those of the sessions that stood before it, whatever
//! the number of workers. Cost: n² pairs a session of n items, 2 n an item by which it grows, each exchanged
//! once; a session for every worker where neighbours are wanted; a list for every worker when it changes.

mod kept;

use super::learning::{Changes, to_all};
use super::sessions::Whose;
use super::status::{Held, JobStatus, Teller};
use crate::event::Id;
use crate::visit::learn::tables::Change as TableChange;
use crate::visit::rank::Ranker;
use crate::visit::rank::pairs::Pairs;
use crate::visit::rank::recommender::{IndexSpec, Update};
use crate::visit::rank::shift::Shift;
use crate::visit::rank::trending::Trends;
use differential_dataflow::{AsCollection, ExchangeData, VecCollection};
use kept::by_version;
use std::collections::VecDeque;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::{Scope, Stream};

/// What becomes of sessions in an index, with whose it is and the last time before the version that
/// will first know it.
pub type Indexed<'scope> = Stream<'scope, u64, Vec<(Whose, u64, Shift)>>;

/// Whose index it is, and by which versions it goes.
#[derive(Clone, Copy, Debug)]
pub struct Of {
    /// Whose.
    pub whose: Whose,
    /// From one version to the next, in ms.
    pub quantum_ms: u64,
    /// Versions up to this one, in ms, everybody knows already: they are not told again.
    pub known_ms: u64,
}

/// Changes that are told before others may go on.
const TOLD_MAX: usize = 4_096;

/// Attaches what a policy's arms need; says what changes for every worker after a version. Who asks how
/// the job stands is told what is held.
pub fn index<'scope>(
    scope: Scope<'scope, u64>,
    indexed: Indexed<'scope>,
    spec: &IndexSpec,
    of: Of,
    status: Option<&JobStatus>,
) -> Changes<'scope> {
    let whose = of.whose;
    let teller = || Teller::of(status, scope.index());
    let mut changes = Vec::new();
    for (ranker, rules) in [
        (Ranker::AssociationRules, spec.association),
        (Ranker::SequentialRules, spec.sequential),
    ] {
        if let Some(rules) = rules {
            let pairs = told(&indexed, whose, "Pairs", move |shift, pairs| {
                rules.pairs(shift, |pair, weight| pairs.push((pair, weight)));
            });
            let home = |(item, _): &(Id, Id)| item.0;
            let kept = Pairs::new(rules.length);
            let kept = (kept, teller());
            changes.push(by_version(pairs, "Rules", home, (ranker, of), kept));
        }
    }
    let trending = spec.trending;
    let (mut standing, mut tells) = (0, teller());
    let counts = told(&indexed, whose, "Counts", move |shift, counts| {
        trending.counts(shift, |count, sessions| counts.push((count, sessions)));
        standing += shift.sessions();
        tells.holds(|| vec![(Held::Sessions, standing.max(0).unsigned_abs())]);
    });
    let kept = (Trends::new(trending), teller());
    changes.push(by_version(
        counts,
        "Trends",
        |_| 0,
        (Ranker::Trending, of),
        kept,
    ));
    if spec.session_knn.is_some() {
        let workers = scope.peers();
        let sessions = told(&indexed, whose, "Neighbours", |shift, sessions| {
            sessions.extend(shift.is().map(|seen| (seen, 1)));
            sessions.extend(shift.was().map(|seen| (seen, -1)));
        });
        changes.push(sessions.inner.flat_map(move |(seen, time, sign)| {
            let update = Update::Session(seen, sign);
            let change = (time + 1, whose, TableChange::Recommended(update));
            to_all(if time >= of.known_ms { workers } else { 0 }, change)
        }));
    }
    scope.concatenate(changes)
}

/// What shifts of somebody's index come to, as a collection. They are told in slices: a job that is started
/// again states all that stand at once, and their pairs are many times what they are themselves.
fn told<'scope, D: ExchangeData>(
    indexed: &Indexed<'scope>,
    whose: Whose,
    name: &str,
    mut tell: impl FnMut(&Shift, &mut Vec<(D, i64)>) + 'static,
) -> VecCollection<'scope, u64, D, i64> {
    let (indexed, scope) = (indexed.clone(), indexed.scope());
    let changes =
        indexed.unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, name, |_, info| {
            let again = scope.activator_for(info.address);
            let (mut waiting, mut changes) = (VecDeque::new(), Vec::new());
            move |input, output| {
                input.for_each(|capability, batch| {
                    let held = capability.retain_least(0);
                    let held = held.expect("what comes has a time");
                    waiting.push_back((held, std::mem::take(batch).into_iter()));
                });
                let mut told = 0;
                while told < TOLD_MAX
                    && let Some((held, batch)) = waiting.front_mut()
                {
                    let mut session = output.session(held);
                    while told < TOLD_MAX
                        && let Some((of, time, shift)) = batch.next()
                    {
                        if of == whose {
                            tell(&shift, &mut changes);
                            told += changes.len();
                            let changes = changes.drain(..);
                            session.give_iterator(changes.map(|(data, diff)| (data, time, diff)));
                        }
                    }
                    drop(session);
                    if batch.as_slice().is_empty() {
                        waiting.pop_front();
                    }
                }
                if !waiting.is_empty() {
                    again.activate();
                }
            }
        });
    changes.as_collection()
}
