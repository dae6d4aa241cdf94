//! The other processes of a measured job: started by this command on this machine, or by whoever
//! measures on others.
//!
//! Every run is a job of its own, for which the processes connect anew; how many there are follows from
//! the flags, which are the same for all. The first process holds the log; the others bring workers.

use super::super::Failure;
use super::super::args::EngineArgs;
use crate::flow::job::{Cluster, JobSpec, run};
use crate::flow::source::Pace;
use crate::visit::live::Rules;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;

/// Processes that this one has started; they end with it.
pub(super) struct Others {
    children: Vec<Child>,
    _hosts: Option<NamedTempFile>,
}

impl Others {
    /// Starts the processes that are missing, and tells the first where all listen.
    pub(super) fn start(engine: &mut EngineArgs) -> Result<Others, Failure> {
        let mut others = Others {
            children: Vec::new(),
            _hosts: None,
        };
        if engine.processes < 2 || engine.hostfile.is_some() {
            return Ok(others);
        }
        let failed = |error: std::io::Error| {
            let what = "the other processes could not be started";
            Failure::new(5, anyhow::Error::new(error).context(what))
        };
        let hosts = hostfile(engine.processes).map_err(failed)?;
        engine.hostfile = Some(hosts.path().to_owned());
        let program = std::env::current_exe().map_err(failed)?;
        for process in 1..engine.processes {
            let mut command = Command::new(&program);
            command.args(std::env::args_os().skip(1));
            command
                .args(["-p", &process.to_string(), "--hostfile"])
                .arg(hosts.path());
            command.stdin(Stdio::null()).stdout(Stdio::null());
            others.children.push(command.spawn().map_err(failed)?);
        }
        others._hosts = Some(hosts);
        Ok(others)
    }

    /// All runs are over.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        for child in &mut self.children {
            let status = child.wait().map_err(|error| Failure::new(1, error))?;
            if !status.success() {
                let what = format!("one of the other processes ended with {status}");
                return Err(Failure::new(1, anyhow::anyhow!(what)));
            }
        }
        self.children.clear();
        Ok(())
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Free addresses of this machine, one a line.
fn hostfile(processes: usize) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    let listeners: Vec<TcpListener> = (0..processes)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    for listener in &listeners {
        writeln!(file, "{}", listener.local_addr()?)?;
    }
    Ok(file)
}

/// In any process but the first: brings workers to so many runs.
pub(super) fn wait_for_first(
    rules: &Arc<Rules>,
    (cluster, pace, patience): (&Cluster, Pace, Duration),
    runs: usize,
) -> Result<(), Failure> {
    for _ in 0..runs {
        let spec = JobSpec {
            cluster: cluster.clone(),
            pace,
            patience,
            ..JobSpec::of(Arc::clone(rules), Vec::new())
        };
        run(spec).map_err(|error| Failure::new(error.exit_code(), error))?;
    }
    Ok(())
}
