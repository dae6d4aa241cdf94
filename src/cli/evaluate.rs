//! `restage evaluate`: judge an intent model, a product ranker or a policy on recorded data.
//!
//! What is judged decides which of the other flags make sense: exactly one of the flags of
//! [`What`] is given, and each leads to a file of its own.

use super::Failure;
use super::args::{FormArgs, LogArgs, PassArgs};
use super::evaluate_intent::IntentArgs;
use super::evaluate_obd::ObdArgs;
use super::evaluate_policy::PolicyArgs;
use super::evaluate_recommender::{AskArgs, RecommenderArgs};
use super::judged::JudgeArgs;
use super::session_rows::SplitBy;
use clap::Args;
use std::path::PathBuf;

/// Judge an intent model, a product ranker or a policy on recorded data
///
/// --intent judges a model on what it has not seen: of the log it was trained on, the part that was
/// set apart then; of another log, all of it. Every figure is given after 1, 2, 3, 5, 8, 13 and 21
/// events, with 95 % intervals by a bootstrap over sessions, beside the base rate, the rule
/// "something is in the cart" and a logistic regression.
///
/// --obd estimates what Bernoulli Thompson sampling would have earned from a log of the Open Bandit
/// Dataset, by several estimators side by side, with 95 % intervals and with warnings where the log
/// cannot answer the question.
///
/// --policy with --log estimates what a policy would have earned on a log of one's own: --log names
/// the decisions that `restage replay` wrote while another policy was in force, and the LOGs are the
/// events. The estimators, intervals and warnings are the same, per slot and overall.
///
/// --recommender lets a product ranker learn from the sessions of a log TRAIN and asks it, all along
/// the sessions of another log TEST, what comes next: session_knn, association_rules,
/// sequential_rules, trending or blend. Logs may be in any order.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage evaluate --intent model.json december.csv.gz
  restage evaluate --intent trees.json december.csv.gz --label abandon --precision 0.8 --plot plots
  restage evaluate --intent lightgbm.txt december.csv.gz --json
  restage evaluate --obd random/all.csv.gz --prior prior_bts.yaml --campaign all --plot plots
  restage evaluate --policy new.toml --log decisions.jsonl december.csv.gz
  restage evaluate --recommender session_knn november.csv.gz december.csv.gz --out lists.jsonl
  restage evaluate --recommender sequential_rules train.tsv test.tsv --positions last --json")]
pub struct Evaluate {
    #[command(flatten)]
    what: What,
    /// Logs to judge on, each a lane; `-` is stdin. `.gz` and `.zst` are read as
    /// they are
    #[arg(value_name = "LOG")]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    pass: PassArgs,
    /// Which score: purchase or abandon
    #[arg(long, default_value = "purchase", value_name = "LABEL")]
    label: String,
    /// Judge only a part of the logs, and let the baselines learn from the rest
    #[arg(long, value_enum)]
    split: Option<SplitBy>,
    /// The prior of the policy to be judged: the dataset's prior_bts.yaml
    #[arg(long, value_name = "FILE", requires = "obd")]
    prior: Option<PathBuf>,
    /// The campaign in the prior: all, men or women
    #[arg(long, value_name = "NAME", requires = "obd")]
    campaign: Option<String>,
    /// With --log: the intent model that decisions were made with, as for `restage replay`
    #[arg(long, value_name = "[SCORE=]FILE", requires = "log")]
    model: Vec<String>,
    /// With --log: what the shop sells, as for `restage replay`
    #[arg(long, value_name = "FILE", requires = "log")]
    catalogue: Option<PathBuf>,
    #[command(flatten)]
    ask: AskArgs,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// What is judged.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// An intent model: a model file, or a text dump of LightGBM
    #[arg(long, value_name = "MODEL", requires = "logs")]
    intent: Option<PathBuf>,
    /// A policy, on a log of the Open Bandit Dataset (CSV)
    #[arg(long, value_name = "FILE", requires_all = ["prior", "campaign"], conflicts_with_all = [
        "logs", "format", "mapping", "lateness", "future", "policy", "sort", "workers", "sample",
        "label", "split", "precision",
    ])]
    obd: Option<PathBuf>,
    /// The policy of --policy, on decision records (JSON lines) that were logged under another
    #[arg(long, value_name = "DECISIONS", requires_all = ["logs", "policy"], conflicts_with_all = [
        "sample", "label", "split", "precision",
    ])]
    log: Option<PathBuf>,
    /// A product ranker: session_knn, association_rules, sequential_rules, trending or blend. The logs
    /// are TRAIN and TEST
    #[arg(long, value_name = "NAME", requires = "logs", conflicts_with_all = [
        "sample", "label", "split", "precision", "replicates", "plot", "sort", "workers", "seed",
        "lateness", "future",
    ])]
    recommender: Option<String>,
}

impl Evaluate {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let nothing =
            || Failure::usage("nothing to judge: give --intent, --obd, --log or --recommender");
        if let Some(name) = self.what.recommender {
            return RecommenderArgs {
                name,
                logs: LogArgs {
                    logs: self.logs,
                    form: self.form,
                },
                pass: self.pass,
                ask: self.ask,
                judge: self.judge,
            }
            .run();
        }
        if let Some(decisions) = self.what.log {
            return PolicyArgs {
                decisions,
                logs: LogArgs {
                    logs: self.logs,
                    form: self.form,
                },
                pass: self.pass,
                model: self.model,
                catalogue: self.catalogue,
                judge: self.judge,
            }
            .run();
        }
        match (self.what.intent, self.what.obd) {
            (Some(intent), _) => IntentArgs {
                intent,
                logs: LogArgs {
                    logs: self.logs,
                    form: self.form,
                },
                pass: self.pass,
                label: self.label,
                split: self.split,
                judge: self.judge,
            }
            .run(),
            (None, Some(log)) => ObdArgs {
                log,
                prior: self.prior.ok_or_else(nothing)?,
                campaign: self.campaign.ok_or_else(nothing)?,
                seed: self.pass.seed,
                judge: self.judge,
            }
            .run(),
            (None, None) => Err(nothing()),
        }
    }
}
