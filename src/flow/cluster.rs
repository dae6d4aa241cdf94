//! The processes of a job: how many workers, where, and how they come to be connected.
//!
//! A single process needs nothing of this; several greet each other first ([`super::mesh`]), and only then
//! does the engine get its sockets. What the first process is told, how the run is durable among it, it
//! tells the others.

use super::durable::Durability;
use super::job::{JobError, JobSpec};
use super::mesh::{self, Greeting};
use std::any::Any;
use std::net::TcpStream;
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

    /// Allocators for the workers of this process, connected with the other processes, if any.
    pub(super) fn allocators(&self, spec: &JobSpec) -> Result<Allocators, JobError> {
        if self.processes() == 1 {
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
        }
        let greeting = Greeting {
            rules: spec.rules_digest(),
            logs: spec.logs_digest(),
            generation: spec
                .state
                .as_ref()
                .map_or(0, |state| state.writer.generation().0),
            instance: mesh::instance(),
            wishes: spec.wishes(),
            processes: self.processes() as u32,
            workers: self.workers as u32,
            process: self.process as u32,
            purpose: 0,
            protocol: mesh::PROTOCOL,
        };
        let briefing = serde_json::to_vec(&spec.durability).expect("a briefing is plain data");
        let connected = mesh::connect(&self.addresses, greeting, briefing, mesh::WAIT)?;
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
