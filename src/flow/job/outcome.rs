//! What a run comes to: its counters, its digest, what it learned, or why it failed.

use super::super::failure::{Ending, Stop, StopReason};
use super::super::mesh::MeshError;
use super::super::output::{LineWriter, OutputError};
use super::super::sink::{Collected, ROWS_TOTAL_MAX};
use super::super::source::LaneReport;
use crate::evaluate::what_if::worth::Evidence;
use crate::event::Reason;
use crate::format::InputError;
use crate::visit::decision::Digest;
use crate::visit::learn::learner::SlotReport;
use crate::visit::rows::SessionRows;
use crate::visit::tally::Tally;
use std::time::Duration;

/// What a run came to. Writers are still open: the caller keeps or discards what was written.
pub struct JobResult {
    /// The counters of all workers.
    pub tally: Tally,
    /// The digest of the decision records.
    pub digest: Digest,
    /// The lanes, in their order.
    pub lanes: Vec<LaneReport>,
    /// The followed visitor's story.
    pub story: Vec<u8>,
    /// The rows of the sessions that were wanted, in the order in which they ended.
    pub rows: Vec<SessionRows>,
    /// Digest of those sessions: the same for any number of workers.
    pub rows_digest: u128,
    /// What the slots have learned, by their place in the policy.
    pub learned: Vec<SlotReport>,
    /// What was found out about another policy, if that was wanted.
    pub evidence: Evidence,
    /// Sum of the processes' peak resident memory, in bytes.
    pub peak_rss_bytes: u64,
    /// Sum of the processes' processor time for the run.
    pub cpu: Duration,
    /// Processor time of the workers' threads alone, summed up.
    pub workers_cpu: Duration,
    /// Time that the workers ran.
    pub elapsed: Duration,
    decisions: Option<LineWriter>,
    rejects: Option<LineWriter>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// A log could not be opened.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A log could not be read to its end.
    #[error("{message}")]
    Lane {
        /// What went wrong.
        message: String,
        /// The exit code for it.
        code: i32,
    },
    /// Output could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The processes could not be connected.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The workers could not be started.
    #[error("the workers could not be started: {0}")]
    Start(String),
    /// More rows than are kept.
    #[error(
        "the sessions have {0} rows, more than the {ROWS_TOTAL_MAX} that are kept: take a share of the visitors with --sample"
    )]
    TooManyRows(u64),
    /// A signal ended the run, here or in another process.
    #[error("{0}; unfinished output was removed")]
    Ended(Ending),
}

impl JobError {
    /// The exit code that INTERFACE fixes for this failure.
    pub fn exit_code(&self) -> i32 {
        match self {
            JobError::Input(error) => error.exit_code(),
            JobError::Lane { code, .. } => *code,
            JobError::Mesh(MeshError::Mismatch { .. }) | JobError::TooManyRows(_) => 2,
            JobError::Output(_) | JobError::Mesh(_) => 5,
            JobError::Start(_) => 5,
            JobError::Ended(ending) => ending.exit_code(),
        }
    }
}

pub(super) fn result(
    mut collected: Collected,
    stop: &Stop,
    elapsed: Duration,
) -> Result<JobResult, JobError> {
    if let Some((message, code)) = collected.lanes.iter().find_map(|lane| lane.error.clone()) {
        return Err(JobError::Lane { message, code });
    }
    if stop.reason() == Some(StopReason::SinkFailed) {
        for writer in [collected.decisions.take(), collected.rejects.take()] {
            writer.map_or(Ok(()), |writer| writer.finish(false))?;
        }
    }
    if collected.rows_count > ROWS_TOTAL_MAX {
        return Err(JobError::TooManyRows(collected.rows_count));
    }
    let (tally, digest) = collected.total();
    let rows = collected.rows_kept();
    let peaks = collected.workers.iter().map(|worker| worker.peak_rss_bytes);
    let peak_rss_bytes = peaks.sum();
    let cpu = collected.workers.iter().map(|worker| worker.process_cpu);
    let cpu = cpu.sum();
    let workers_cpu = collected.workers.iter().map(|worker| worker.thread_cpu);
    let workers_cpu = workers_cpu.sum();
    Ok(JobResult {
        tally,
        digest,
        lanes: collected.lanes,
        story: collected.story,
        rows,
        rows_digest: collected.rows_digest,
        learned: collected.learned,
        evidence: collected.evidence,
        peak_rss_bytes,
        cpu,
        workers_cpu,
        elapsed,
        decisions: collected.decisions,
        rejects: collected.rejects,
    })
}

impl JobResult {
    /// Rows seen: taken, rejected at the edge, or dropped as duplicates.
    pub fn rows(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.tally.rows).sum()
    }

    /// Time between the first and the last event taken, in ms of event time.
    pub fn event_time_span_ms(&self) -> u64 {
        self.tally.last_ms.saturating_sub(self.tally.first_ms)
    }

    /// Rejected rows by reason, duplicates included.
    pub fn rejected(&self) -> [u64; Reason::ALL.len()] {
        let mut sum = [0; Reason::ALL.len()];
        for lane in &self.lanes {
            for (sum, count) in sum.iter_mut().zip(lane.tally.rejected) {
                *sum += count;
            }
        }
        sum[Reason::Duplicate as usize] += self.tally.duplicates;
        sum
    }

    /// Finishes the output files: with `keep` the decisions take their final name. Rejected rows
    /// are kept in any case; they say what was wrong.
    ///
    /// # Errors
    /// [`OutputError`] when something could not be written.
    pub fn finish(&mut self, keep: bool) -> Result<(), OutputError> {
        let rejects = self
            .rejects
            .take()
            .map_or(Ok(()), |writer| writer.finish(true));
        let decisions = self
            .decisions
            .take()
            .map_or(Ok(()), |writer| writer.finish(keep));
        rejects.and(decisions)
    }
}

/// Peak resident memory of this process in bytes; 0 where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
