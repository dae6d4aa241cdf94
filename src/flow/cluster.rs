//! The processes of a job: how many workers, where, and how they come to be connected.
//!
//! A single process needs nothing of this; several greet each other first ([`super::mesh`]), and only then
//! does the engine get its sockets. What the first process is told, how the run is durable among it, it
//! tells the others.

use super::durable::Durability;
use super::job::{JobError, JobSpec};
use super::mesh::{self, Given, Greeting, Met};
use crate::event::hash_text;
use std::any::Any;
use std::net::TcpStream;
use std::sync::Arc;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Config as Communication, Hooks};

/// How many workers, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Worker threads in this process.
    pub workers: usize,
    /// The number of this process.
    pub process: usize,
    /// Where each process listens, in the order of their numbers; empty for a single process.
    pub addresses: Vec<String>,
}

/// What the workers of a process begin with.
pub(super) struct Allocators {
    pub builders: Vec<AllocatorBuilder>,
    /// What keeps the connections alive.
    pub guard: Box<dyn Any + Send>,
    pub wishes: u32,
    /// How the run is durable, as the first process says.
    pub durability: Option<Durability>,
    pub heartbeats: Vec<Option<TcpStream>>,
}

impl Cluster {
    /// So many workers in this process alone.
    pub fn local(workers: usize) -> Cluster {
        Cluster {
            workers,
            process: 0,
            addresses: Vec::new(),
        }
    }

    /// Number of processes.
    pub fn processes(&self) -> usize {
        self.addresses.len().max(1)
    }

    /// Meets the other processes of the job, if there are any.
    pub(super) fn meet(&self, spec: &JobSpec) -> Result<Option<Met>, JobError> {
        if self.processes() == 1 {
            return Ok(None);
        }
        let (instance, is_first) = (mesh::instance(), self.process == 0);
        let greeting = Greeting {
            protocol: mesh::PROTOCOL,
            process: self.process as u32,
            instance,
            first: if is_first { instance } else { 0 },
            wishes: spec.wishes(),
            processes: self.processes() as u32,
            workers: self.workers as u32,
            purpose: 0,
            given: Arc::new(given(spec)),
        };
        Ok(Some(mesh::meet(&self.addresses, greeting, mesh::WAIT)?))
    }

    /// Allocators for the workers of this process, connected with the other processes, if any.
    pub(super) fn allocators(
        &self,
        spec: &JobSpec,
        met: Option<Met>,
    ) -> Result<Allocators, JobError> {
        let Some(met) = met else {
            let config = match self.workers {
                1 => Communication::Thread,
                many => Communication::Process(many),
            };
            let (builders, guard) = config.try_build().map_err(JobError::Start)?;
            return Ok(Allocators {
                builders,
                guard,
                wishes: spec.wishes(),
                durability: spec.durability.clone(),
                heartbeats: Vec::new(),
            });
        };
        let briefing = serde_json::to_vec(&spec.durability).expect("a briefing is plain data");
        let connected = met.begin(briefing)?;
        let durability = serde_json::from_slice(&connected.briefing)
            .map_err(|error| JobError::Start(format!("process 0 said nonsense: {error}")))?;
        let hooks = Hooks::default();
        let local = ProcessBuilder::new_typed_vector(
            self.workers,
            hooks.refill.clone(),
            hooks.spill.clone(),
        );
        let (builders, guard) = initialize_networking_from_sockets(
            local,
            connected.sockets,
            self.process,
            self.workers,
            hooks,
        )
        .map_err(|error| JobError::Start(error.to_string()))?;
        Ok(Allocators {
            builders: builders.into_iter().map(AllocatorBuilder::Tcp).collect(),
            guard: Box::new(guard),
            wishes: connected.wishes,
            durability,
            heartbeats: connected.heartbeats,
        })
    }
}

/// What must have been given alike to every process, by flag: what decides, the logs, and how they are
/// read. Of a durable run the last rules: from when on they hold, the first process says.
fn given(spec: &JobSpec) -> Given {
    let or_none = |text: Option<String>| text.unwrap_or("none".into());
    let yes_or_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let (rules, options) = (&spec.rules, &spec.lane_options);
    let schedules = spec.durability.is_none() && spec.plan.changes() > 0;
    let catalogue = rules.catalogue.as_ref().map(|all| all.label.clone());
    let rival = spec.what_if.as_ref().map(|other| other.label().to_owned());
    let logs: Vec<String> = spec.logs.iter().map(ToString::to_string).collect();
    let mapping = options
        .mapping
        .as_ref()
        .map(|mapping| digest(&format!("{mapping:?}")));
    let given = [
        ("release", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "command",
            if spec.live { "run" } else { "replay" }.to_owned(),
        ),
        ("--policy", rules.policy.label.clone()),
        ("--model", rules.models.label()),
        (
            "--policy-schedule",
            or_none(schedules.then(|| spec.plan.label())),
        ),
        ("--catalogue", or_none(catalogue)),
        ("--against", or_none(rival)),
        ("logs", logs.join(" ")),
        ("--sort", yes_or_no(spec.sort)),
        (
            "--format",
            options
                .format
                .map_or("auto".into(), |format| format.to_string()),
        ),
        ("--mapping", or_none(mapping)),
        ("--lateness", format!("{} ms", options.lateness_ms)),
        ("--future", format!("{} ms", options.future_ms)),
        ("what is read of an event", format!("{:?}", options.carry)),
        (
            "--visitor",
            or_none(spec.follow.map(|visitor| format!("{visitor:?}"))),
        ),
    ];
    given
        .map(|(flag, value)| (flag.to_owned(), shortened(value)))
        .into()
}

/// Longest text of a thing that was given, in characters, that is told whole.
const TOLD_CHARS_MAX: usize = 250;

/// A long text's beginning, with what tells it from all others.
fn shortened(text: String) -> String {
    match text.char_indices().nth(TOLD_CHARS_MAX) {
        None => text,
        Some((at, _)) => format!("{}… ({})", &text[..at], digest(&text)),
    }
}

fn digest(text: &str) -> String {
    format!("{:016x}", hash_text(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists of logs that begin alike are told apart, and none is longer than a greeting may be.
    #[test]
    fn what_is_long_is_told_by_its_beginning_and_a_digest() {
        let long = |end: &str| shortened("ä".repeat(10_000) + end);
        let (one, other) = (long("1"), long("2"));
        assert_ne!(one, other);
        assert!(one.starts_with("ää") && one.chars().count() < 300, "{one}");
        assert_eq!(shortened("short".into()), "short");
    }
}
