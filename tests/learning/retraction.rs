//! Whatever is taken back, statistics are those of the facts that stand: to the last bit, after
//! every version, in every mode.

use super::walk::{MODES, rules_of, walk};
use super::world::{Said, Statistics, World};
use restage::flow::learning::{self, Facts, sum_of};
use restage::flow::sessions::{Of, credited_by};
use restage::visit::learn::fact::Fact;
use restage::visit::learn::stat::Stat;
use restage::visit::learn::subject::Subject;
use restage::visit::policy::Policy;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

type Handle<T> = InputHandle<u64, CapacityContainerBuilder<T>>;
type Counted = Vec<(Subject, u64, Stat)>;

/// The learning path's collections on a worker, and what is heard of them.
struct Collections {
    credited: Handle<Of<Fact>>,
    counts: Handle<Counted>,
    probe: ProbeHandle<u64>,
    changes: Rc<RefCell<Counted>>,
}

impl Collections {
    fn of(worker: &mut Worker, policy: &Policy) -> Collections {
        let mut credited: Handle<Of<Fact>> = InputHandle::new();
        let mut counts: Handle<Counted> = InputHandle::new();
        let (probe, changes) = (ProbeHandle::new(), Rc::new(RefCell::new(Vec::new())));
        let heard = Rc::clone(&changes);
        worker.dataflow::<u64, _, _>(|scope| {
            let facts = Facts {
                credited: scope.input_from(&mut credited),
                counts: scope.input_from(&mut counts),
            };
            let learning::Statistics { counts, earned } = learning::statistics(facts, policy);
            let too = Rc::clone(&heard);
            counts
                .inspect(move |change| heard.borrow_mut().push(*change))
                .inner
                .probe_with(&probe);
            earned
                .inspect(move |((subject, reward), time, times)| {
                    let sum = sum_of(*reward, *times);
                    too.borrow_mut().push((*subject, *time, sum));
                })
                .inner
                .probe_with(&probe);
        });
        Collections {
            credited,
            counts,
            probe,
            changes,
        }
    }
}

/// The statistics that differential collections hold after every version.
pub fn streamed(
    told: &BTreeMap<u64, Vec<Said>>,
    policy: &Policy,
    (versions_at_once, by_and_by): (usize, bool),
) -> Vec<(u64, Statistics)> {
    let (told, policy) = (told.clone(), policy.clone());
    timely::execute_directly(move |worker| {
        let Collections {
            mut credited,
            mut counts,
            probe,
            changes,
        } = Collections::of(worker, &policy);
        let mut sums = Statistics::new();
        let mut versions = Vec::new();
        let told: Vec<_> = told.into_iter().collect();
        for chunk in told.chunks(versions_at_once) {
            for (version, said) in chunk {
                let time = version - 1;
                for said in said {
                    match sorted(said, time, policy.learning.window_ms) {
                        Sorted::Credited(fact) => credited.send(fact),
                        Sorted::Counted(count) => counts.send(count),
                    }
                    if let Some(count) = lots(said, time, &policy) {
                        counts.send(count);
                    }
                }
            }
            let end = chunk[chunk.len() - 1].0;
            // Facts may be told ahead of their versions, which then close one by one.
            let closing = chunk.iter().map(|(version, _)| *version);
            for version in closing.filter(|version| by_and_by || *version == end) {
                credited.advance_to(version);
                worker.step();
                counts.advance_to(version);
                worker.step_while(|| probe.less_than(&version));
            }
            let mut changes: Vec<_> = changes.borrow_mut().drain(..).collect();
            changes.sort_unstable_by_key(|(_, at, _)| *at);
            let mut changes = changes.into_iter().peekable();
            for (version, _) in chunk {
                while let Some((subject, _, stat)) = changes.next_if(|(_, at, _)| at < version) {
                    sums.entry(subject).or_default().add(&stat);
                }
                sums.retain(|_, stat| !stat.is_zero());
                versions.push((*version, sums.clone()));
            }
            assert_eq!(changes.next(), None, "a change without a cause");
        }
        versions
    })
}

/// Where the session operator sends a fact.
enum Sorted {
    Credited((((u64, u64), Fact), u64, isize)),
    Counted((Subject, u64, Stat)),
}

fn sorted(said: &Said, time: u64, window_ms: Option<u64>) -> Sorted {
    let trials = i64::from(said.sign);
    let credited = |session| {
        let whose = credited_by(window_ms, (said.visitor, session));
        Sorted::Credited(((whose, said.fact), time, isize::from(said.sign)))
    };
    let (subject, reward) = match said.fact {
        Fact::Exposure(exposure) if said.creditable => return credited(exposure.session),
        Fact::Outcome(outcome) => return credited(outcome.session),
        Fact::Exposure(exposure) => (Subject::Cell(exposure.cell), 0),
        Fact::Spend { slot, arm, amount } => (Subject::Spend { slot, arm }, amount),
        Fact::Visitor { slot, side } => (Subject::Visitors { slot, side }, 0),
    };
    let stat = Stat {
        trials,
        reward: trials * reward,
        square: 0,
    };
    Sorted::Counted((subject, time, stat))
}

/// The part of an exposure's draw, where that is counted.
fn lots(said: &Said, time: u64, policy: &Policy) -> Option<(Subject, u64, Stat)> {
    let Fact::Exposure(exposure) = said.fact else {
        return None;
    };
    let stat = Stat {
        trials: i64::from(said.sign),
        ..Stat::default()
    };
    let subject = Subject::lots(&exposure, &policy.learning).filter(|_| !said.creditable)?;
    Some((subject, time, stat))
}

#[test]
fn after_every_version_statistics_are_those_of_the_facts_that_stand() {
    let mut taken_back = 0;
    for (number, mode) in MODES.iter().enumerate() {
        let rules = rules_of(mode);
        for seed in 0..6 {
            let seed = seed * 100 + number as u64;
            let mut world = World::new(&rules);
            let last_ms = walk(seed, &mut world, 150, |_, _, _| {});
            world.finish(last_ms);
            taken_back += count_taken_back(&world);
            // However many versions a worker has to take in one go.
            for at_once in [(1, true), (3, false), (40, false), (3, true), (40, true)] {
                let streamed = streamed(&world.told, &rules.policy, at_once);
                assert_eq!(streamed.len(), world.versions.len());
                for (found, wanted) in streamed.iter().zip(&world.versions) {
                    assert_eq!(
                        found, wanted,
                        "seed {seed}, mode {mode:?}, {at_once:?} at once"
                    );
                }
            }
        }
    }
    assert!(taken_back > 2_000, "{taken_back} facts were taken back");
}

fn count_taken_back(world: &World) -> usize {
    let said = world.told.values().flatten();
    said.filter(|said| said.sign < 0).count()
}

/// The last statistics of two workers, of which each has half of the visitors and waits for the
/// other now and then.
fn streamed_by_two(told: &BTreeMap<u64, Vec<Said>>, policy: &Policy, wait: u64) -> Statistics {
    let told = std::sync::Arc::new(told.clone());
    let policy = std::sync::Arc::new(policy.clone());
    let guards = timely::execute(timely::Config::process(2), move |worker| {
        let me = worker.index() as u64;
        let Collections {
            mut credited,
            mut counts,
            probe,
            changes,
        } = Collections::of(worker, &policy);
        for (at, (version, said)) in told.iter().enumerate() {
            let time = version - 1;
            for said in said.iter().filter(|said| said.visitor.0 % 2 == me) {
                match sorted(said, time, policy.learning.window_ms) {
                    Sorted::Credited(fact) => credited.send(fact),
                    Sorted::Counted(count) => counts.send(count),
                }
                if let Some(count) = lots(said, time, &policy) {
                    counts.send(count);
                }
            }
            credited.advance_to(*version);
            counts.advance_to(*version);
            if at as u64 % wait == me {
                worker.step_while(|| probe.less_than(version));
            }
        }
        drop((credited, counts));
        worker.step_while(|| !probe.done());
        changes.take()
    })
    .unwrap();
    let mut sums = Statistics::new();
    for (subject, _, stat) in guards.join().into_iter().flat_map(Result::unwrap) {
        sums.entry(subject).or_default().add(&stat);
    }
    sums.retain(|_, stat| !stat.is_zero());
    sums
}

/// What is known of a visitor stays with the worker that has the visitor: an exposure's rewards are
/// capped over all its outcomes.
#[test]
fn two_workers_have_the_statistics_of_the_facts_that_stand() {
    for (number, mode) in MODES.iter().enumerate() {
        let rules = rules_of(mode);
        for seed in 0..3 {
            let seed = seed * 100 + number as u64;
            let mut world = World::new(&rules);
            let last_ms = walk(seed, &mut world, 150, |_, _, _| {});
            world.finish(last_ms);
            let wanted = &world.versions.last().unwrap().1;
            for wait in [2, 17] {
                let found = streamed_by_two(&world.told, &rules.policy, wait);
                assert_eq!(found, *wanted, "seed {seed}, mode {mode:?}");
            }
        }
    }
}
