//! The command line: a table of contents of the subcommands, and what they share.
//!
//! Results go to stdout, progress and warnings to stderr. Every failure ends in one line on
//! stderr and an exit code with a meaning: 0 success (also when the reader of stdout went away),
//! 1 the run failed, 2 wrong usage or configuration, 3 too many bad rows, 4 state, 5 a source or
//! sink cannot be reached, 130 and 143 ended by a signal.

mod address;
mod alive;
mod args;
mod bench;
mod drift;
mod erase;
mod evaluate;
mod evaluate_intent;
mod evaluate_obd;
mod evaluate_policy;
mod evaluate_recommender;
mod explain;
mod import;
mod judged;
mod learned;
mod live;
mod policy;
mod progress;
mod rankers;
mod recorded;
mod reload;
mod replay;
mod report;
mod session_rows;
mod simulate;
mod simulate_closed;
mod size;
mod snapshot;
mod state;
mod supervise;
mod train;
mod train_table;
mod validate;
mod what_if;

use crate::flow::failure::say;
use clap::{Parser, Subcommand};
use std::io::Write;

/// Re-arranges a shop's page while the visit is still going on.
#[derive(Parser)]
#[command(name = "restage", version, about, max_term_width = 100)]
struct Restage {
    #[command(subcommand)]
    command: Command,
    /// Say more on stderr about what is being done; twice for more still
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Replay(replay::Replay),
    Import(import::Import),
    Validate(validate::Validate),
    Train(train::Train),
    Evaluate(evaluate::Evaluate),
    Bench(bench::Bench),
    Explain(explain::Explain),
    Erase(erase::Erase),
    Policy(policy::PolicyCommand),
    Simulate(simulate::Simulate),
    Snapshot(snapshot::Snapshot),
    Collect(live::collect::Collect),
    Run(live::run::Run),
    Serve(live::serve::Serve),
    Up(live::up::Up),
}

/// What a subcommand failed with.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: i32,
    /// What went wrong, and why.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure with an exit code of its own.
    pub fn new(code: i32, error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            code,
            error: error.into(),
        }
    }

    /// Wrong usage or configuration.
    pub fn usage(message: impl std::fmt::Display) -> Failure {
        Failure::new(2, anyhow::anyhow!("{message}"))
    }
}

/// Runs the program and returns its exit code.
pub fn run() -> i32 {
    crate::flow::failure::install_hook();
    let result = match Restage::try_parse() {
        Ok(restage) => {
            log_to_stderr(restage.verbose);
            match restage.command {
                Command::Replay(command) => command.run(),
                Command::Import(command) => command.run(),
                Command::Validate(command) => command.run(),
                Command::Train(command) => command.run(),
                Command::Evaluate(command) => command.run(),
                Command::Bench(command) => command.run(),
                Command::Explain(command) => command.run(),
                Command::Erase(command) => command.run(),
                Command::Policy(command) => command.run(),
                Command::Simulate(command) => command.run(),
                Command::Snapshot(command) => command.run(),
                Command::Collect(command) => command.run(),
                Command::Run(command) => command.run(),
                Command::Serve(command) => command.run(),
                Command::Up(command) => command.run(),
            }
        }
        Err(error) => {
            // Help and version come this way, too; a reader that went away is no error.
            let _ = error.print();
            return error.exit_code();
        }
    };
    match result {
        Ok(()) => 0,
        Err(failure) => {
            say(&format!("restage: error: {:#}", failure.error));
            failure.code
        }
    }
}

/// What the program does goes to stderr as it does it: nothing by default.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
}

/// Whether writing failed because the reader went away, which is no error.
fn reader_is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// Writes to stdout. A reader that went away is no error.
fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let error = anyhow::Error::new(error).context("stdout could not be written");
            Err(Failure::new(5, error))
        }
        _ => Ok(()),
    }
}
