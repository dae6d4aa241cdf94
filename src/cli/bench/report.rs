//! What was measured, as one JSON object or as a page.

use super::measured::{Closed, Measuring, Open};
use crate::bench::histogram::Histogram;
use crate::grouped::grouped;
use serde::Serialize;
use std::fmt::Write;

/// Quantiles of latency, in ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Quantiles {
    fn of(histogram: &Histogram) -> Quantiles {
        let at = |share| histogram.quantile(share) as f64 / 1e6;
        Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1e6,
        }
    }

    fn line(&self) -> String {
        let Quantiles {
            p50,
            p90,
            p99,
            p999,
            max,
        } = self;
        format!("p50 {p50:.2} · p90 {p90:.2} · p99 {p99:.2} · p99.9 {p999:.2} · max {max:.2} ms")
    }
}

/// An open loop.
#[derive(Debug, Serialize)]
struct Rate {
    offered_per_s: f64,
    achieved_per_s: f64,
    sustained: bool,
    backlog_slope_per_s: f64,
    /// Events that were due, warm-up included; those of the log's last millisecond among them; and
    /// those whose latency is told.
    offered: u64,
    closing: u64,
    counted: u64,
    /// How long events fell due, in seconds, warm-up included.
    seconds: f64,
    latency_ms: Quantiles,
    /// On the processor's clock, and what was offered there; one worker only.
    cpu_latency_ms: Option<Quantiles>,
    cpu_offered_per_s: Option<f64>,
    events_per_cpu_s: f64,
    /// How many times as fast as itself the log was played.
    log_speed: Option<f64>,
}

impl Rate {
    fn of(open: &Open) -> Rate {
        let came = &open.came;
        Rate {
            offered_per_s: came.offered_per_s,
            achieved_per_s: came.achieved_per_s,
            sustained: came.sustained(),
            backlog_slope_per_s: came.backlog_slope_per_s,
            offered: came.offered,
            closing: came.closing,
            counted: came.latency.total(),
            seconds: came.offered as f64 / came.offered_per_s,
            latency_ms: Quantiles::of(&came.latency),
            cpu_latency_ms: open.on_cpu_clock.as_ref().map(|(of, _)| Quantiles::of(of)),
            cpu_offered_per_s: open.on_cpu_clock.as_ref().map(|(_, per_s)| *per_s),
            events_per_cpu_s: came.offered as f64 / open.result.cpu.as_secs_f64(),
            log_speed: open.own_rate.map(|own| came.offered_per_s / own),
        }
    }
}

/// Says of a run that is over in no time that it is.
fn brief(seconds: f64) -> String {
    match seconds < 1.0 {
        true => format!(" (in {seconds:.2} s, too short to rely on)"),
        false => String::new(),
    }
}

/// The report. The figures of the first open loop stand at the top level, too.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    workers: usize,
    processes: usize,
    offered_per_s: f64,
    achieved_per_s: f64,
    sustained: bool,
    events_per_s: f64,
    /// For how long they were counted, in seconds.
    events_per_s_over: f64,
    events_per_cpu_s: f64,
    events_per_worker_cpu_s: f64,
    latency_ms: Quantiles,
    cpu_latency_ms: Option<Quantiles>,
    peak_rss_mb: f64,
    live_sessions: u64,
    release: &'static str,
    events: u64,
    /// Rows of the logs that were no events, and events that were dropped as repetitions.
    rejected: u64,
    duplicates: u64,
    decisions: u64,
    digest: String,
    learns: bool,
    durable: bool,
    policy: String,
    model: String,
    grain_ms: u64,
    batch: usize,
    read_ahead: usize,
    warm_up: f64,
    rates: Vec<Rate>,
}

impl Report {
    pub(super) fn of(measuring: &Measuring, closed: &Closed, open: &[Open]) -> Report {
        let rates: Vec<Rate> = open.iter().map(Rate::of).collect();
        let first = rates.first().expect("there is an open loop at least");
        let result = &closed.result;
        let events = measuring.log.len() as f64;
        Report {
            workers: measuring.cluster.workers,
            processes: measuring.cluster.processes(),
            offered_per_s: first.offered_per_s,
            achieved_per_s: first.achieved_per_s,
            sustained: first.sustained,
            events_per_s: closed.events_per_s,
            events_per_s_over: closed.span.as_secs_f64(),
            events_per_cpu_s: events / result.cpu.as_secs_f64(),
            events_per_worker_cpu_s: closed.events_per_worker_cpu_s(),
            latency_ms: first.latency_ms,
            cpu_latency_ms: first.cpu_latency_ms,
            peak_rss_mb: result.peak_rss_bytes as f64 / 1e6,
            live_sessions: result.tally.live_sessions_peak,
            release: env!("CARGO_PKG_VERSION"),
            events: measuring.log.len() as u64,
            rejected: measuring.log.rejected(),
            duplicates: result.tally.duplicates,
            decisions: result.tally.decisions,
            digest: result.digest.to_string(),
            learns: measuring.plan.first().policy.learns(),
            durable: measuring.state.is_some(),
            policy: measuring.plan.first().policy.label.clone(),
            model: measuring.plan.first().models.label(),
            grain_ms: measuring.pace.grain_ms,
            batch: measuring.pace.batch_events_max,
            read_ahead: measuring.pace.read_ahead,
            warm_up: measuring.warm_up,
            rates,
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a report is plain data") + "\n"
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let whole = |number: f64| grouped(number.round().max(0.0) as u64);
        let yes = |is: bool, word: &str| {
            if is {
                format!(", {word}")
            } else {
                String::new()
            }
        };
        let mut page = format!(
            "{} events, {} decisions, digest {}; {} worker(s) in {} process(es){}{}\n",
            grouped(self.events),
            grouped(self.decisions),
            self.digest,
            self.workers,
            self.processes,
            yes(self.learns, "learning"),
            yes(self.durable, "durable"),
        );
        if self.rejected + self.duplicates > 0 {
            let (rejected, duplicates) = (grouped(self.rejected), grouped(self.duplicates));
            let _ = writeln!(
                page,
                "{rejected} rows were rejected and are no events; {duplicates} events were repetitions, and count"
            );
        }
        let _ = writeln!(
            page,
            "closed loop  {} events/s{}; {} events per CPU-second, {} per CPU-second of its workers; \
             {:.0} MB at most, {} sessions live at most",
            whole(self.events_per_s),
            brief(self.events_per_s_over),
            whole(self.events_per_cpu_s),
            whole(self.events_per_worker_cpu_s),
            self.peak_rss_mb,
            grouped(self.live_sessions)
        );
        for rate in &self.rates {
            let _ = writeln!(
                page,
                "open loop    {} events/s offered, {} achieved: {}{}",
                whole(rate.offered_per_s),
                whole(rate.achieved_per_s),
                if rate.sustained {
                    "sustained".into()
                } else {
                    format!(
                        "NOT SUSTAINED, backlog {:+.0} events/s",
                        rate.backlog_slope_per_s
                    )
                },
                brief(rate.seconds)
            );
            let _ = writeln!(
                page,
                "  by the clock             {}",
                rate.latency_ms.line()
            );
            if let (Some(quantiles), Some(per_s)) = (&rate.cpu_latency_ms, rate.cpu_offered_per_s) {
                let _ = writeln!(
                    page,
                    "  on the processor's clock {}, {} events/s offered",
                    quantiles.line(),
                    whole(per_s)
                );
            }
        }
        page.push_str(
            "By the clock: from when an event was due until its decision was known at the sink. On the\n\
             processor's clock: the same from a queue whose epochs take as long as the worker computes\n\
             for them, which is what a quiet machine would show; a share of saturation is a share of\n\
             what a second of its processor time gets through there.\n",
        );
        page
    }
}
