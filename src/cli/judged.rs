//! What `train` and `evaluate` say of a model: one JSON object, or a page for people.

use super::Failure;
use crate::evaluate::Options;
use crate::evaluate::report::Report;
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// What is said.
#[derive(Serialize)]
pub struct Said<'a> {
    /// The figures of the label asked for.
    #[serde(flatten)]
    pub report: &'a Report,
    /// The figures of the other label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<&'a Report>,
    /// What decision records call the model, if it can make any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// Which sessions it was judged on.
    pub judged: String,
    /// What a user should know.
    pub notes: Vec<String>,
}

impl Said<'_> {
    /// One JSON object on one line, or a page for people.
    pub fn page(&self, json: bool) -> String {
        if json {
            let mut text = serde_json::to_string(self).expect("a report is plain data");
            text.push('\n');
            return text;
        }
        let mut page = self.report.text();
        let mut row = |name: &str, value: &str| {
            // Writing to memory cannot fail.
            let _ = writeln!(page, "{name:<12} {value}");
        };
        row("judged", &self.judged);
        if let Some(other) = self.other {
            let auc = other.overall.auc;
            let auc = auc.map_or("no figures: one class only".into(), |auc| {
                format!("AUC {auc:.3}; --label {} shows more", other.label)
            });
            row("beside", &format!("p_{}: {auc}", other.label));
        }
        for note in &self.notes {
            row("note", note);
        }
        match (&self.model, &self.written) {
            (Some(model), Some(path)) => row("written", &format!("{model} to {path}")),
            (Some(model), None) => row("named", model),
            (None, _) => {}
        }
        page
    }
}

/// How a judging is done and told.
#[derive(Args, Debug)]
pub struct JudgeArgs {
    /// Precision for which the lead time is sought
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    pub precision: f64,
    /// Replicates of the bootstrap for the intervals
    #[arg(
        long,
        default_value_t = 500,
        value_name = "N",
        visible_alias = "bootstrap"
    )]
    pub replicates: u32,
    /// Write plots (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    pub plot: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl JudgeArgs {
    /// Checks the options.
    pub fn options(&self, seed: u64) -> Result<Options, Failure> {
        if !(0.0..=1.0).contains(&self.precision) {
            return Err(Failure::usage("--precision does not lie between 0 and 1"));
        }
        if self.replicates > 10_000 {
            return Err(Failure::usage("--replicates is more than 10000"));
        }
        Ok(Options {
            precision: self.precision,
            replicates: self.replicates,
            seed,
        })
    }
}
