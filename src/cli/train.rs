//! `restage train`: fit an intent model, write it, print how good it is.

use super::args::{FormArgs, LogArgs, PassArgs, same_file};
use super::judged::{JudgeArgs, Said};
use super::session_rows::{SplitBy, sessions};
use super::train_table::TableArgs;
use super::{Failure, print};
use crate::evaluate::{Judgement, judge};
use crate::plot::intent::intent_plots;
use crate::train::Kind;
use crate::train::boost::BoostSpec;
use crate::train::inputs::Choice;
use crate::train::intent::{L2, TrainSpec, TrainedModel, head_of, train};
use crate::visit::model::file::{self, Quality};
use crate::visit::model::{Head, Label, ModelFile, Scorer, Split, is_name};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Fit an intent model, write it, print how good it is
///
/// The logs run through the job, so a model is fitted on the very features that it will score: one
/// row after every event, the k-th weighing 1/k. Both scores are fitted, p_purchase and
/// p_abandon. The last fifth of the sessions (or a fifth of the visitors, where a log has no times)
/// is not shown to the model: it is judged on that, beside the base rate, the rule "something is in
/// the cart" and, for trees, a logistic regression on the same rows.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  restage train data/demo.csv --out model.json
  restage train october.csv.gz november.csv.gz --kind trees --out trees.json --plot plots
  restage train appliances.txt --policy by-line.toml --kind trees --folds 5 --out jd.json

A table with one row a session, judged out of fold; nothing is written:
  restage train --table online_shoppers.csv --label Revenue --drop PageValues --folds 5")]
pub struct Train {
    /// Logs to read, each a lane; `-` is stdin. `.gz` and `.zst` are read as they are
    #[arg(required_unless_present = "table", value_name = "LOG")]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    pass: PassArgs,
    /// The kind of model: logistic or trees [default: logistic, for a table trees]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// purchase or abandon: the score that is reported, and that must be learnable [default:
    /// purchase]. For a table, the column that holds the outcome
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Write the model here
    #[arg(short, long, value_name = "FILE", required_unless_present = "table")]
    out: Option<PathBuf>,
    /// What the model is called in decision records [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How the sessions to judge on are set apart
    #[arg(long, value_enum, default_value_t = SplitBy::Auto, conflicts_with = "folds")]
    split: SplitBy,
    /// Judge every visitor by a model that did not see it, in so many turns, and fit the model that
    /// is written on all; for small logs. A table has 5 unless this says otherwise
    #[arg(long, value_name = "N")]
    folds: Option<u32>,
    /// Trees: effort, from 0.1 to 3; each 1 more makes steps ten times smaller
    #[arg(long, value_name = "B")]
    budget: Option<f64>,
    /// Trees: most of them, up to 1000
    #[arg(long, value_name = "N")]
    trees: Option<usize>,
    /// Trees: most leaves of each, from 2 to 512
    #[arg(long, value_name = "N")]
    leaves: Option<usize>,
    /// Leave out this feature or column; may be given again
    #[arg(long, value_name = "NAME")]
    drop: Vec<String>,
    /// Use this feature or column and no others but those named so; may be given again
    #[arg(long, value_name = "NAME")]
    keep: Vec<String>,
    /// A table with one row a session instead of logs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["logs", "out", "name", "format", "mapping", "policy", "sort", "sample", "split", "budget", "trees", "leaves"])]
    table: Option<PathBuf>,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// Fewest and most folds.
const FOLDS: std::ops::RangeInclusive<u32> = 2..=50;

impl Train {
    /// Runs the subcommand.
    pub fn run(self) -> Result<(), Failure> {
        let kind = self.kind.as_deref().map(kind).transpose()?;
        if let Some(folds) = self.folds.filter(|folds| !FOLDS.contains(folds)) {
            return Err(Failure::usage(format!(
                "--folds {folds} does not lie between 2 and 50"
            )));
        }
        let options = self.judge.options(self.pass.seed)?;
        check_plots(self.judge.plot.as_deref())?;
        if let Some(table) = self.table {
            let Some(label) = self.label else {
                return Err(Failure::usage("--table needs --label COLUMN"));
            };
            return TableArgs {
                table,
                label,
                drop: self.drop,
                keep: self.keep,
                kind: kind.unwrap_or(Kind::Trees),
                folds: self.folds.unwrap_or(5),
                options,
                plot: self.judge.plot,
                json: self.judge.json,
            }
            .run();
        }
        let label = label(self.label.as_deref().unwrap_or("purchase"))?;
        let Some(out) = self.out else {
            return Err(Failure::usage("--out FILE says where the model goes"));
        };
        let name = match self.name {
            Some(name) if is_name(&name) => name,
            Some(name) => {
                return Err(Failure::usage(format!(
                    "--name `{name}`: a name has 1 to 64 letters, digits, - _ or ."
                )));
            }
            None => name_of(&out),
        };
        let choice = Choice {
            drop: self.drop,
            keep: self.keep,
            has_times: true,
        };
        choice.check().map_err(Failure::usage)?;
        let logs = LogArgs {
            logs: self.logs,
            form: self.form,
        };
        logs.check_sinks([("--out", Some(&out)), ("--plot", None)], self.judge.json)?;
        if out.as_os_str() == "-" {
            return Err(Failure::usage(
                "--out needs a file: the report goes to stdout",
            ));
        }
        writable(&out)?;

        let read = [self.pass.policy.as_deref(), logs.form.mapping.as_deref()];
        if read.into_iter().flatten().any(|path| same_file(path, &out)) {
            let out = out.display();
            return Err(Failure::usage(format!(
                "--out {out} is a file that is read: it would be overwritten"
            )));
        }
        let kind = kind.unwrap_or(Kind::Logistic);
        let for_trees = self.budget.is_some() || self.trees.is_some() || self.leaves.is_some();
        if kind == Kind::Logistic && for_trees {
            return Err(Failure::usage(
                "--budget, --trees and --leaves are for --kind trees",
            ));
        }
        let boost = boost(self.budget, self.trees, self.leaves, self.pass.seed)?;
        let sessions = sessions(&logs, &self.pass)?;
        let spec = TrainSpec {
            kind,
            label,
            name,
            split: match self.folds {
                Some(folds) => Split::Folds {
                    folds,
                    seed: self.pass.seed,
                },
                None => self.split.of(&sessions, self.pass.seed),
            },
            choice: Choice {
                has_times: sessions.has_times,
                ..choice
            },
            l2: L2,
            boost,
        };
        let mut trained = train(&sessions.rows, &spec).map_err(|error| Failure::new(1, error))?;
        let [purchase, abandon] = Label::ALL.map(|label| judgement(&trained, label, kind, options));
        for (label, judgement) in Label::ALL.into_iter().zip([&purchase, &abandon]) {
            head_of(&mut trained.file, label).quality = quality(judgement);
        }
        trained.file.trained.data = sessions.data;
        trained.file.trained.digest = sessions.digest;
        trained.file.trained.command = command();
        let text = file::write(&trained.file);
        // The file beside the model's place must not be left behind.
        drop(sessions.interruptible);
        write_whole(&out, &text)?;

        let (main, other) = match label {
            Label::Purchase => (&purchase, &abandon),
            Label::Abandon => (&abandon, &purchase),
        };
        let mut notes = sessions.notes;
        notes.extend(trained.notes);
        notes.push(heads_words(&trained.file));
        let said = Said {
            report: &main.report,
            other: Some(&other.report),
            model: Some(format!("{}@{}", trained.file.name, checksum_of(&text))),
            written: Some(out.display().to_string()),
            judged: split_words(trained.file.trained.split),
            notes,
        };
        print(said.page(self.judge.json).as_bytes())?;
        plots(self.judge.plot.as_deref(), main)
    }
}

/// Refuses a folder for plots that is a file: better known before the work than after.
pub fn check_plots(dir: Option<&Path>) -> Result<(), Failure> {
    match dir {
        Some(dir) if dir.exists() && !dir.is_dir() => {
            let what = format!("--plot {} is not a folder", dir.display());
            Err(Failure::usage(what))
        }
        _ => Ok(()),
    }
}

/// Draws the plots, if they are wanted.
pub fn plots(dir: Option<&Path>, judgement: &Judgement) -> Result<(), Failure> {
    let Some(dir) = dir else { return Ok(()) };
    let files = intent_plots(dir, judgement).map_err(|error| Failure::new(5, error))?;
    for file in files {
        crate::flow::failure::say(&format!("wrote {}", file.display()));
    }
    Ok(())
}

/// How to boost: the default for serving, but for what is given.
fn boost(
    budget: Option<f64>,
    trees: Option<usize>,
    leaves: Option<usize>,
    seed: u64,
) -> Result<BoostSpec, Failure> {
    let default = BoostSpec::serving();
    let spec = BoostSpec {
        budget: budget.unwrap_or(default.budget),
        trees_max: trees.unwrap_or(default.trees_max),
        leaves_max: leaves.unwrap_or(default.leaves_max),
        seed,
        ..default
    };
    let within = |holds: bool, flag: &str, range: &str| match holds {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "{flag} does not lie between {range}"
        ))),
    };
    within((0.1..=3.0).contains(&spec.budget), "--budget", "0.1 and 3")?;
    within(
        (1..=1000).contains(&spec.trees_max),
        "--trees",
        "1 and 1000",
    )?;
    within(
        (2..=512).contains(&spec.leaves_max),
        "--leaves",
        "2 and 512",
    )?;
    Ok(spec)
}

/// A kind by its name.
fn kind(name: &str) -> Result<Kind, Failure> {
    [Kind::Logistic, Kind::Trees]
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| {
            let hint = crate::suggest::hint(name, ["logistic", "trees"]);
            Failure::usage(format!(
                "--kind `{name}` is unknown; it is logistic or trees{hint}"
            ))
        })
}

/// A label by its name.
pub fn label(name: &str) -> Result<Label, Failure> {
    let named = |label: &Label| label.name() == name;
    Label::ALL.into_iter().find(named).ok_or_else(|| {
        let hint = crate::suggest::hint(name, Label::ALL.map(Label::name));
        Failure::usage(format!(
            "--label `{name}` is unknown; it is purchase or abandon{hint}"
        ))
    })
}

fn judgement(
    trained: &TrainedModel,
    label: Label,
    kind: Kind,
    options: crate::evaluate::Options,
) -> Judgement {
    let judged = &trained.judged[label as usize];
    judge(
        kind.name(),
        label.name(),
        &judged.sessions,
        &judged.baselines,
        options,
    )
}

fn quality(judgement: &Judgement) -> Quality {
    let (report, figures) = (&judgement.report, &judgement.report.overall);
    let rounded = |figure: Option<f64>| figure.map(crate::train::calibrate::rounded);
    Quality {
        sessions: u64::from(report.sessions),
        rows: figures.rows as u64,
        positives: figures.positives as u64,
        auc: rounded(figures.auc),
        average_precision: rounded(figures.average_precision),
        log_loss: rounded(figures.log_loss),
        brier: rounded(figures.brier),
        ece: rounded(figures.ece),
    }
}

/// What the heads of a model are made of, in words.
pub fn heads_words(file: &ModelFile) -> String {
    let words = |head: &Head| match &head.scorer {
        Scorer::Constant { .. } => "a constant".into(),
        Scorer::Logistic { weights, .. } => format!("a regression on {} features", weights.len()),
        Scorer::Trees { trees, weights, .. } => match (trees.len(), weights.is_empty()) {
            (0, _) => "the regression alone: no tree was of use".into(),
            (trees, true) => format!("{trees} trees"),
            (trees, false) => format!("{trees} trees and the regression"),
        },
    };
    let head = |head: &Head| format!("{}, calibration {}", words(head), head.calibration.name());
    format!(
        "p_purchase is {}; p_abandon is {}",
        head(&file.purchase),
        head(&file.abandon)
    )
}

/// On what the model was judged, in words.
pub fn split_words(split: Split) -> String {
    match split {
        Split::Time { judge_from_ms, .. } => {
            let from = i64::try_from(judge_from_ms)
                .ok()
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            let from = from.map_or(format!("{judge_from_ms} ms"), |from| from.to_string());
            format!("sessions that began at {from} or later")
        }
        Split::Visitors { .. } => "a fifth of the visitors, by hash".into(),
        Split::Folds { folds, .. } => {
            format!("every visitor, in {folds} turns, by a model that did not see it")
        }
        Split::Unknown => "all sessions".into(),
    }
}

/// A model's name from that of its file.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let kept = stem.chars().map(|c| match is_name(&c.to_string()) {
        true => c,
        false => '-',
    });
    let name: String = kept.take(64).collect();
    if name.is_empty() {
        "model".into()
    } else {
        name
    }
}

/// The command that is running, for the model file.
fn command() -> String {
    let arguments = std::env::args().skip(1);
    std::iter::once("restage".to_string())
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

fn checksum_of(text: &str) -> String {
    file::parse(text.as_bytes()).map_or(String::new(), |(_, digest)| digest)
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    let what = format!("{} could not be written", path.display());
    Failure::new(5, anyhow::Error::new(error).context(what))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether a file can be written there is better known before the training than after.
fn writable(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::usage(format!(
            "--out {} is a folder",
            path.display()
        )));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        let why = anyhow::anyhow!("{} is not a folder", folder.display());
        let what = format!("{} could not be written", path.display());
        return Err(Failure::new(5, why.context(what)));
    }
    let temporary = tempfile::NamedTempFile::new_in(folder);
    temporary
        .map(drop)
        .map_err(|error| cannot_write(path, error))
}

/// Writes a file beside its place and moves it there: it is whole, or it is not there.
fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o644));
        }
        let mut temporary = builder.tempfile_in(folder_of(path))?;
        temporary.write_all(text.as_bytes())?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| cannot_write(path, error))
}
