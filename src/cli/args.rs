//! Arguments that several subcommands share, and how they become real objects.

use super::Failure;
use super::address::check_hosts;
use crate::event::{Carry, LANES_MAX};
use crate::flow::job::Cluster;
use crate::flow::source::Pace;
use crate::format::catalogue::read_catalogue;
use crate::format::open::open;
use crate::format::restock::{Stock, parts};
use crate::format::{FormatName, LaneOptions, Mapping, Source};
use crate::visit::duration::parse_duration_ms;
use crate::visit::live::Rules;
use crate::visit::model::{Label, Model, ModelError, ModelFile, file, lightgbm};
use crate::visit::plan::{ModelText, Plan, PlanError, RulesText};
use crate::visit::policy::{DEFAULT_POLICY, Policy};
use crate::visit::products::catalogue::Catalogue;
use clap::Args;
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which logs, and how to read them.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// Logs to read, each a lane; `-` is stdin. `.gz` and `.zst` are read as they are
    #[arg(required = true, value_name = "LOG")]
    pub logs: Vec<PathBuf>,
    #[command(flatten)]
    pub form: FormArgs,
}

/// What kind of log.
#[derive(Args, Clone, Debug)]
pub struct FormArgs {
    /// The logs' format: auto, restage-csv, restage-jsonl, rees46, retailrocket, taobao,
    /// yoochoose, otto or jd
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub format: String,
    /// A TOML file that says how to read any other CSV or JSONL
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub mapping: Option<PathBuf>,
}

/// How the logs of a training or a judging are run through the job.
#[derive(Args, Debug)]
pub struct PassArgs {
    #[command(flatten)]
    pub clocks: ClockArgs,
    /// The layout policy, for what a session is; with `evaluate --log`, the policy to be judged.
    /// `restage policy` prints the default
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Sort each log by time first, as `restage import` does
    #[arg(long)]
    pub sort: bool,
    /// Worker threads; they cannot change a result
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// Take this share of the visitors, drawn by a hash of their ids
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    pub sample: f64,
    /// Feed the draws of splits, folds and intervals
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// How far clocks may be off.
#[derive(Args, Debug)]
pub struct ClockArgs {
    /// How far a log may run backwards, and how late an event may arrive
    #[arg(long, default_value = "1h", value_name = "DURATION")]
    pub lateness: String,
    /// How far an event's clock may be ahead of its arrival
    #[arg(long, default_value = "10m", value_name = "DURATION")]
    pub future: String,
}

impl ClockArgs {
    /// Lateness and future, in ms, for the rules of a lane.
    pub fn apply(&self, options: &mut LaneOptions) -> Result<(), Failure> {
        let duration = |flag: &str, text: &str| {
            parse_duration_ms(text).map_err(|what| Failure::usage(format!("{flag}: {what}")))
        };
        options.lateness_ms = duration("--lateness", &self.lateness)?;
        options.future_ms = duration("--future", &self.future)?;
        Ok(())
    }
}

impl LogArgs {
    /// The logs and how to read them.
    pub fn resolve(&self, carry: Carry) -> Result<(Vec<Source>, LaneOptions), Failure> {
        if self.logs.len() > LANES_MAX {
            let message = format!("{} logs; at most {LANES_MAX} are possible", self.logs.len());
            return Err(Failure::usage(message));
        }
        if self
            .logs
            .iter()
            .filter(|log| log.as_os_str() == "-")
            .count()
            > 1
        {
            return Err(Failure::usage(
                "`-` stands more than once; stdin is one log",
            ));
        }
        let input = |error: crate::format::InputError| Failure::new(error.exit_code(), error);
        let format = match self.form.format.as_str() {
            "auto" => None,
            name => Some(name.parse::<FormatName>().map_err(input)?),
        };
        let mapping = match &self.form.mapping {
            Some(path) => Some(Arc::new(Mapping::load(path).map_err(input)?)),
            None => None,
        };
        let options = LaneOptions {
            format,
            mapping,
            carry,
            ..LaneOptions::default()
        };
        Ok((self.logs.iter().map(Source::parse).collect(), options))
    }

    /// Refuses sinks that would spoil each other, the report or a log. Returns whether one of them
    /// is stdout; the report then goes to stderr.
    pub fn check_sinks(
        &self,
        given: [(&str, Option<&Path>); 2],
        json: bool,
    ) -> Result<bool, Failure> {
        let is_stdout = |path: &Path| path.as_os_str() == "-";
        if let [(first, Some(one)), (second, Some(other))] = given
            && one == other
            && one != Path::new("/dev/null")
        {
            return Err(Failure::usage(format!(
                "{first} and {second} name one file; each needs its own"
            )));
        }
        let given = given.map(|(flag, path)| path.map(|path| (flag, path)));
        for (flag, path) in given.into_iter().flatten() {
            if is_stdout(path) && json {
                return Err(Failure::usage(format!(
                    "--json prints the report to stdout; with it, {flag} needs a file"
                )));
            }
            if let Some(log) = self.logs.iter().find(|log| same_file(log, path)) {
                return Err(Failure::usage(format!(
                    "{flag} {} is one of the logs: it would be overwritten",
                    log.display()
                )));
            }
        }
        Ok(given.into_iter().flatten().any(|(_, path)| is_stdout(path)))
    }
}

/// Whether both name one regular file that is there.
pub fn same_file(left: &Path, right: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok().filter(|path| path.is_file());
    whole(left).is_some_and(|left| whole(right) == Some(left))
}

/// Checks `--max-reject-ratio`.
pub fn check_reject_ratio(share: f64) -> Result<(), Failure> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(Failure::usage(
        "--max-reject-ratio does not lie between 0 and 1",
    ))
}

/// Policy and models.
#[derive(Args, Clone, Debug, Default)]
pub struct RuleArgs {
    /// The layout policy; `restage policy` prints the default
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The intent model: a model file, or a text dump of LightGBM with the features' names, which
    /// gives p_purchase. `purchase=FILE` and `abandon=FILE` take one score from a file; what no
    /// file gives comes from the built-in model
    #[arg(long, value_name = "[SCORE=]FILE")]
    pub model: Vec<String>,
    /// From a time on, use another model; it takes effect at the next multiple of the policy's
    /// `tables.quantum`. TIME is 2026-01-06T12:00:00Z or milliseconds since 1970
    #[arg(long, value_name = "TIME=FILE")]
    pub swap_model: Vec<String>,
    /// Go by the policies and models of a journal, each from when on it held: the file beside the
    /// decisions of a live or durable job, named like it with `.rules` at the end. It says, too, what was
    /// on sale
    #[arg(long, value_name = "JOURNAL", conflicts_with_all = ["policy", "model", "swap_model"])]
    pub policy_schedule: Option<PathBuf>,
    /// What the shop sells, as CSV or JSON lines, for a policy with a slot that shows products:
    /// at_ms, item, category, price, margin, stock, order, anew. With --state the job takes up what
    /// changes in it: `restage run` and `up` see that by themselves, SIGHUP tells others
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
}

impl RuleArgs {
    /// Reads all files.
    pub fn resolve(&self) -> Result<Arc<Rules>, Failure> {
        self.read().map(Arc::new)
    }

    /// The same, for one owner.
    pub fn read(&self) -> Result<Rules, Failure> {
        self.rules_of(&self.text()?)
    }

    /// The same, with the texts; or what a journal says.
    pub fn plan(&self) -> Result<Plan, Failure> {
        let Some(path) = &self.policy_schedule else {
            let text = self.text()?;
            return Ok(Plan::of_text(Arc::new(self.rules_of(&text)?), text));
        };
        let journal = text_of(path)?;
        let wrong = |error: &dyn Display| Failure::usage(format!("{}: {error}", path.display()));
        let (rules, stock) = parts(&journal);
        let plan = Plan::of_journal(rules, None).map_err(|error| wrong(&error))?;
        let catalogue = match (stock, &self.catalogue) {
            (None, _) => self.catalogue(&plan.first().policy)?,
            (Some(part), None) => {
                let catalogue = Stock::read(part).and_then(|stock| stock.catalogue());
                Some(Arc::new(catalogue.map_err(|error| wrong(&error))?))
            }
            (Some(_), Some(_)) => {
                let what = "it says what was on sale: leave --catalogue out";
                return Err(wrong(&what));
            }
        };
        match catalogue {
            None => Ok(plan),
            catalogue => Plan::of_journal(rules, catalogue).map_err(|error| wrong(&error)),
        }
    }

    /// The texts of policy and models.
    pub fn text(&self) -> Result<RulesText, Failure> {
        let mut text = RulesText {
            policy: match &self.policy {
                Some(path) => text_of(path)?,
                None => DEFAULT_POLICY.into(),
            },
            ..RulesText::default()
        };
        for given in &self.model {
            let (score, file) = self.model_of(given)?;
            let same = |model: &ModelText| model.score == score;
            if text.models.iter().any(same) {
                return Err(Failure::usage(match score {
                    Some(score) => format!("--model {score}= stands twice"),
                    None => "--model names two models; purchase=FILE and abandon=FILE say which score comes from which".into(),
                }));
            }
            let read = match score {
                Some(_) => Model::any,
                None => Model::whole,
            };
            let text_of_model = text_of_model(file, read)?;
            text.models.push(ModelText {
                score,
                text: text_of_model,
            });
        }
        for swap in &self.swap_model {
            let parts = swap.split_once('=').filter(|(_, file)| !file.is_empty());
            let (time, file) = parts.ok_or_else(|| {
                let wanted = "it is not TIME=FILE";
                Failure::usage(format!("--swap-model {swap}: {wanted}"))
            })?;
            let at_ms = time_ms("--swap-model", time)?;
            text.swaps.push((at_ms, text_of_model(file, Model::whole)?));
        }
        Ok(text)
    }

    /// The score that a model is given for, and its file.
    fn model_of<'a>(&self, given: &'a str) -> Result<(Option<String>, &'a str), Failure> {
        let head = Label::ALL.into_iter().find_map(|label| {
            let file = given.strip_prefix(label.name())?.strip_prefix('=')?;
            Some((label.name(), file))
        });
        match head {
            Some((name, "")) => Err(Failure::usage(format!("--model {name}= names no file"))),
            Some((name, file)) => Ok((Some(name.into()), file)),
            None => Ok((None, given)),
        }
    }

    /// The rules of some texts.
    pub fn rules_of(&self, text: &RulesText) -> Result<Rules, Failure> {
        let policy = Policy::read(&text.policy).map_err(|error| match &self.policy {
            Some(path) => Failure::usage(format!("{}: {error}", path.display())),
            None => Failure::new(2, error),
        })?;
        let models = text
            .models(policy.quantum_ms)
            .map_err(|error| match error {
                PlanError::Schedule(error) => Failure::usage(format!("--swap-model: {error}")),
                other => Failure::new(2, other),
            })?;
        let catalogue = self.catalogue(&policy)?;
        Ok(Rules {
            policy,
            models,
            catalogue,
        })
    }

    /// Reads the catalogue, which a policy that shows products needs.
    pub fn catalogue(&self, policy: &Policy) -> Result<Option<Arc<Catalogue>>, Failure> {
        let path = match (&self.catalogue, policy.products()) {
            (None, None) => return Ok(None),
            (Some(path), Some(_)) => path,
            (None, Some((_, slot, _))) => {
                return Err(Failure::usage(format!(
                    "slot `{}` of policy {} shows products: --catalogue FILE says which there are",
                    slot.name, policy.label
                )));
            }
            (Some(path), None) => {
                return Err(Failure::usage(format!(
                    "--catalogue {}: no slot of policy {} shows products (`products = {{}}`)",
                    path.display(),
                    policy.label
                )));
            }
        };
        let (name, bytes) = catalogue_text(path)?;
        let catalogue = read_catalogue(&name, &bytes)
            .map_err(|error| Failure::usage(format!("{}, {error}", path.display())))?;
        Ok(Some(Arc::new(catalogue)))
    }
}

/// A catalogue's name and text.
pub fn catalogue_text(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let mut bytes = Vec::new();
    let input = open(&Source::parse(path)).map_err(|error| Failure::new(2, error))?;
    let mut text = input.text;
    text.read_to_end(&mut bytes).map_err(|error| {
        let what = format!("{} could not be read", path.display());
        Failure::new(2, anyhow::Error::new(error).context(what))
    })?;
    let name = path.file_name().map(|name| name.to_string_lossy());
    Ok((name.unwrap_or("catalogue".into()).into_owned(), bytes))
}

/// A time on the arrival clock, as a flag has it.
pub fn time_ms(flag: &str, text: &str) -> Result<u64, Failure> {
    let ms = match text.parse::<u64>() {
        Ok(ms) => Some(ms),
        Err(_) => text
            .parse::<jiff::Timestamp>()
            .ok()
            .and_then(|time| u64::try_from(time.as_millisecond()).ok()),
    };
    ms.ok_or_else(|| {
        Failure::usage(format!(
            "{flag}: `{text}` is neither a time like 2026-01-06T12:00:00Z nor milliseconds since 1970"
        ))
    })
}

/// Reads a model, whoever trained it. A dump of LightGBM has no model file, and gives one score.
pub fn read_model(path: &str) -> Result<(Model, Option<ModelFile>), Failure> {
    let bytes = read_file(Path::new(path))?;
    let read = || {
        if lightgbm::is_dump(&bytes) {
            return Ok((Model::of_dump(&bytes)?, None));
        }
        let (file, digest) = file::parse(&bytes)?;
        Ok((Model::of_file(&file, &digest)?, Some(file)))
    };
    read().map_err(|error| refused(path, error))
}

/// The text of a model file that can be used.
fn text_of_model(
    path: &str,
    read: fn(&[u8]) -> Result<Model, ModelError>,
) -> Result<String, Failure> {
    let bytes = read_file(Path::new(path))?;
    read(&bytes).map_err(|error| refused(path, error))?;
    String::from_utf8(bytes).map_err(|_| refused(path, ModelError::Encoding))
}

/// A model file that was refused.
pub fn refused(path: &str, error: ModelError) -> Failure {
    let what = format!("model {path} was refused");
    Failure::new(2, anyhow::Error::new(error).context(what))
}

/// The policy of a file, or the default.
pub fn policy_or_shipped(path: Option<&Path>) -> Result<Policy, Failure> {
    path.map_or_else(|| Ok(Policy::shipped()), read_policy)
}

/// Reads a policy file.
pub fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let text = text_of(path)?;
    Policy::read(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// Reads a file of text.
pub fn text_of(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_file(path)?)
        .map_err(|_| Failure::usage(format!("{}: it is not UTF-8 text", path.display())))
}

/// Reads a file of configuration.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let what = format!("{} could not be read", path.display());
        Failure::new(2, anyhow::Error::new(error).context(what))
    })
}

/// Workers, processes and how the input is cut.
#[derive(Args, Debug)]
pub struct EngineArgs {
    /// Worker threads in this process
    #[arg(short, long, default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// Processes of the job
    #[arg(short = 'n', long, default_value_t = 1, value_name = "N")]
    pub processes: usize,
    /// The number of this process, from 0
    #[arg(short = 'p', long, default_value_t = 0, value_name = "I")]
    pub process: usize,
    /// Where the processes listen, one `host:port` a line; 127.0.0.1 from port 2101 up if absent
    #[arg(long, value_name = "FILE")]
    pub hostfile: Option<PathBuf>,
    /// Let processes listen at addresses that are not private; the connections carry no encryption and
    /// no authentication
    #[arg(long)]
    pub allow_public: bool,
    /// End when nothing has been heard of another process, or a worker or the job's frontier has
    /// stood still, for so many seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub watchdog: u64,
    /// Epochs begin at multiples of this many milliseconds; it cannot change a result
    #[arg(long, default_value_t = 1, value_name = "MS")]
    pub grain: u64,
    /// Most events in a batch; it cannot change a result
    #[arg(long, default_value_t = 4096, value_name = "N")]
    pub batch: usize,
    /// Batches that a worker may be ahead of the slowest; it cannot change a result
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub read_ahead: usize,
}

/// Most workers in a process, and most processes.
const WORKERS_MAX: usize = 256;

fn within(flag: &str, value: usize, most: usize) -> Result<(), Failure> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{flag} {value} does not lie between 1 and {most}"
    )))
}

/// Whether a process may have so many workers.
pub fn check_workers(workers: usize) -> Result<(), Failure> {
    within("--workers", workers, WORKERS_MAX)
}

impl EngineArgs {
    /// Checks the numbers and reads the host file.
    pub fn resolve(&self, logs: &[Source]) -> Result<(Cluster, Pace), Failure> {
        check_workers(self.workers)?;
        within("--processes", self.processes, WORKERS_MAX)?;
        within("--batch", self.batch, 65_536)?;
        within("--read-ahead", self.read_ahead, 1024)?;
        within(
            "--watchdog",
            usize::try_from(self.watchdog).unwrap_or(0),
            3_600,
        )?;
        within(
            "--grain",
            usize::try_from(self.grain).unwrap_or(0),
            86_400_000,
        )?;
        if self.process >= self.processes {
            return Err(Failure::usage(format!(
                "--process {} does not exist: the job has {} process(es), counted from 0",
                self.process, self.processes
            )));
        }
        if self.processes > 1 && logs.iter().any(|log| matches!(log, Source::Stdin)) {
            let message = "`-` cannot be read by several processes: each has a stdin of its own";
            return Err(Failure::usage(message));
        }
        let addresses = self.addresses()?;
        check_hosts(&addresses, self.allow_public)?;
        let cluster = Cluster {
            workers: self.workers,
            process: self.process,
            addresses,
        };
        let pace = Pace {
            grain_ms: self.grain,
            batch_events_max: self.batch,
            read_ahead: self.read_ahead,
        };
        Ok((cluster, pace))
    }

    fn addresses(&self) -> Result<Vec<String>, Failure> {
        let Some(path) = &self.hostfile else {
            let local = |index| format!("127.0.0.1:{}", 2101 + index);
            return Ok(match self.processes {
                1 => Vec::new(),
                many => (0..many).map(local).collect(),
            });
        };
        let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
        let hosts: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(String::from)
            .collect();
        if hosts.len() != self.processes {
            return Err(Failure::usage(format!(
                "{} names {} hosts, but the job has {} process(es)",
                path.display(),
                hosts.len(),
                self.processes
            )));
        }
        let port = |host: &String| {
            host.rsplit_once(':')
                .and_then(|(_, port)| port.parse::<u16>().ok())
        };
        if let Some(wrong) = hosts.iter().find(|host| port(host).is_none()) {
            let message = format!("{}: `{wrong}` is not host:port", path.display());
            return Err(Failure::usage(message));
        }
        let is_again = |at: &usize| hosts[..*at].contains(&hosts[*at]);
        if let Some(at) = (0..hosts.len()).find(is_again) {
            let (path, host) = (path.display(), &hosts[at]);
            let message = format!("{path} names {host} twice: each process needs its own");
            return Err(Failure::usage(message));
        }
        Ok(if self.processes > 1 {
            hosts
        } else {
            Vec::new()
        })
    }
}
