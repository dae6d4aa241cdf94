//! `restage evaluate --obd`: what Thompson sampling would have earned on the Open Bandit Dataset.

use super::args::read_file;
use super::judged::JudgeArgs;
use super::train::check_plots;
use super::{Failure, print};
use crate::evaluate::ope::rows::Rows;
use crate::evaluate::ope::thompson::ranking_probabilities;
use crate::evaluate::ope::{Options, estimate, obd, prior};
use crate::flow::failure::say;
use crate::format::Source;
use crate::format::open::open;
use crate::plot::off_policy::off_policy_plot;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What is asked for.
pub struct ObdArgs {
    pub log: PathBuf,
    pub prior: PathBuf,
    pub campaign: String,
    pub seed: u64,
    pub judge: JudgeArgs,
}

impl ObdArgs {
    /// Reads prior and log, and prints the estimates.
    pub fn run(self) -> Result<(), Failure> {
        let options = Options {
            replicates: self.judge.options(self.seed)?.replicates,
            seed: self.seed,
            // An item is the same thing at every position.
            share_arms: true,
            ..Options::default()
        };
        check_plots(self.judge.plot.as_deref())?;
        let rows = self.rows(&self.target()?)?;
        let estimates = estimate(&rows, &options);
        let target = format!(
            "Bernoulli Thompson sampling, prior of campaign {}",
            self.campaign
        );
        let text = if self.judge.json {
            estimates.json()
        } else {
            estimates.text(&target, &self.log.display().to_string())
        };
        print(text.as_bytes())?;
        let Some(dir) = &self.judge.plot else {
            return Ok(());
        };
        let drawn = off_policy_plot(dir, &target, &estimates);
        for file in drawn.map_err(|error| Failure::new(5, error))? {
            say(&format!("wrote {}", file.display()));
        }
        Ok(())
    }

    /// The target's probability of every item at every position.
    fn target(&self) -> Result<Vec<Vec<f64>>, Failure> {
        let bytes = read_file(&self.prior)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Failure::usage(format!("{}: it is not UTF-8 text", self.prior.display()))
        })?;
        let priors =
            prior::read(&text, &self.campaign).map_err(|error| failed(2, &self.prior, error))?;
        let target = ranking_probabilities(&priors, obd::POSITIONS);
        target.map_err(|error| failed(2, &self.prior, error))
    }

    fn rows(&self, target: &[Vec<f64>]) -> Result<Rows, Failure> {
        let input = open(&Source::parse(&self.log))
            .map_err(|error| Failure::new(error.exit_code(), error))?;
        let rows = obd::read(BufReader::new(input.text), target);
        rows.map_err(|error| failed(error.exit_code(), &self.log, error))
    }
}

/// A failure in a file.
fn failed(
    code: i32,
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Failure {
    let what = path.display().to_string();
    Failure::new(code, anyhow::Error::new(error).context(what))
}
