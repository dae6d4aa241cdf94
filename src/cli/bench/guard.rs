//! `restage bench --guard`: the job's work grows with its log, and not faster.
//!
//! Ten times the events must take less than twelve times the processor's time, at one worker and at two:
//! a list that is searched, a structure that is copied as it grows, a queue that is never emptied would
//! show. The tenth is the beginning of the whole.

use super::super::{Failure, print};
use super::{Bench, alone, pace_of};
use crate::bench::held::HeldLane;
use crate::flow::job::{JobSpec, run};
use crate::grouped::grouped;
use crate::visit::live::Rules;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How many times the time ten times the events may take.
const TIMES_MAX: f64 = 12.0;

/// Processor time of the tenth, in seconds, below which nothing is judged.
const TENTH_MIN_S: f64 = 0.02;

/// What was found at a number of workers.
#[derive(Debug, Serialize)]
struct Growth {
    workers: usize,
    tenth_cpu_s: f64,
    whole_cpu_s: f64,
    times: f64,
}

#[derive(Debug, Serialize)]
struct Guard {
    events: u64,
    times_max: f64,
    holds: bool,
    growth: Vec<Growth>,
}

impl Bench {
    /// Measures, reports, and fails if the guard does not hold.
    pub(super) fn hold_guard(&self, rules: &Arc<Rules>) -> Result<(), Failure> {
        let (_, pace) = pace_of(&self.engine)?;
        let input = self.input(rules)?;
        let log = self.hold(&input)?;
        let events = log.len();
        let cpu_s = |events: usize, workers: usize| -> Result<f64, Failure> {
            let mut times: Vec<Duration> = Vec::new();
            for _ in 0..self.runs {
                let spec = JobSpec {
                    held: Some(Box::new(HeldLane::new(&log, events, None))),
                    cluster: alone(workers),
                    pace,
                    ..JobSpec::of(Arc::clone(rules), Vec::new())
                };
                let result = run(spec).map_err(|error| Failure::new(error.exit_code(), error))?;
                times.extend(result.map(|result| result.cpu));
            }
            times.sort_unstable();
            Ok(times[times.len() / 2].as_secs_f64())
        };
        let mut growth = Vec::new();
        for workers in [1, 2] {
            let (tenth_cpu_s, whole_cpu_s) =
                (cpu_s(events / 10, workers)?, cpu_s(events, workers)?);
            if tenth_cpu_s < TENTH_MIN_S {
                return Err(Failure::usage(format!(
                    "a tenth of {events} events takes {tenth_cpu_s:.3} s of the processor, too little to judge by; take a longer log"
                )));
            }
            growth.push(Growth {
                workers,
                tenth_cpu_s,
                whole_cpu_s,
                times: whole_cpu_s / tenth_cpu_s,
            });
        }
        let guard = Guard {
            events: events as u64,
            times_max: TIMES_MAX,
            holds: growth.iter().all(|growth| growth.times < TIMES_MAX),
            growth,
        };
        let page = if self.json {
            serde_json::to_string(&guard).expect("a report is plain data") + "\n"
        } else {
            guard.text()
        };
        print(page.as_bytes())?;
        if guard.holds {
            return Ok(());
        }
        let what = format!("ten times the events took {TIMES_MAX} times the time or more");
        Err(Failure::new(1, anyhow::anyhow!(what)))
    }
}

impl Guard {
    fn text(&self) -> String {
        let lines = self.growth.iter().map(|growth| {
            format!(
                "{} worker(s): {:.3} s for a tenth, {:.3} s for the whole: {:.1} times (less than {} allowed)\n",
                growth.workers, growth.tenth_cpu_s, growth.whole_cpu_s, growth.times, self.times_max
            )
        });
        let head = format!(
            "{} events, processor time of all threads\n",
            grouped(self.events)
        );
        std::iter::once(head).chain(lines).collect()
    }
}
