//! The experiment: a policy between the best that can be known and chance, under the same luck.
//!
//! Five rivals run the same shop, each from its opening: the *default* layout; the best *fixed*
//! layout; *uniform*, which draws every arm evenly anew in every phase; the *oracle*, which shows
//! each phase the arms that [`super::truth`] found best with the true responses in hand; and the
//! *policy* under test. The oracle sees what the job sees, the phase, and not the intent.
//!
//! Figures are of *expected* orders, the sum over checkouts of the chance to pay, which has the mean
//! of orders and less noise (Rao and Blackwell). Gains are relative to the default over the last
//! quarter of the visits, when a learner has learned; regret is the oracle's expected orders less
//! the rival's over all visits, so that what learning cost is in it (Lai and Robbins 1985).
//!
//! Invariant: a function of the parameters and of what the keepers show. Cost: five runs, and those in which the truth is found.

use super::keeper::{DrawingKeeper, Shopkeeper};
use super::page::{Layout, PageMap};
use super::params::{ClosedParams, ClosedParamsError};
use super::policies;
use super::scout::{ByPhase, Confusion};
use super::shop::{ClosedShop, Ledger, Visited, expected};
use super::truth::Truth;
use crate::format::RawEvent;
use crate::visit::live::Rules;
use crate::visit::model::Model;
use crate::visit::model::schedule::Schedule;
use crate::visit::policy::{Policy, PolicyError};
use serde::Serialize;

/// Points of a rival's curve of cumulative expected orders.
pub const POINTS: usize = 200;
/// Stretches of visits over which conversion is given.
pub const STRETCHES: usize = 20;

/// Makes a keeper of a policy's text, which has been read before without complaint.
pub type Factory<'a> = &'a dyn Fn(&str) -> Box<dyn Shopkeeper>;

/// Why an experiment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// A parameter is out of its limits.
    #[error(transparent)]
    Params(#[from] ClosedParamsError),
    /// The policy cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy shows what the shop does not have.
    #[error("{0}")]
    Page(String),
}

/// What one rival came to.
#[derive(Clone, Debug, Serialize)]
pub struct Rival {
    /// `default`, `fixed`, `uniform`, `oracle` or `policy`.
    pub name: &'static str,
    /// Expected orders a visit, over all visits.
    pub conversion: f64,
    /// The same over the last quarter of the visits.
    pub conversion_late: f64,
    /// Standard error of `conversion_late`, as if the rival had run alone.
    pub conversion_late_error: f64,
    /// Orders placed.
    pub orders: u64,
    /// What they paid, in the currency's unit.
    pub revenue: f64,
    /// What promotions took off, in the currency's unit.
    pub discount: f64,
    /// Events a visit.
    pub events_per_session: f64,
    /// Changes of the page a visit, the first page not counted.
    pub changes_per_session: f64,
    /// Expected orders a visit in each of [`STRETCHES`] stretches of equally many visits.
    pub conversion_by_stretch: Vec<f64>,
    /// Expected orders after each of [`POINTS`] stretches of equally many visits.
    #[serde(skip)]
    pub cumulative: Vec<f64>,
}

/// By how much a policy's visitors convert more than its holdout, as the job's own report has it.
#[derive(Clone, Debug, Serialize)]
pub struct Lift {
    /// Relative difference in conversion: 0.1 is a tenth more.
    pub conversion: f64,
    /// Its interval, always valid.
    pub interval: [f64; 2],
    /// In a word: `better`, `worse` or `undecided`.
    pub verdict: String,
}

/// What an experiment found.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// Visits of each rival.
    pub sessions: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Oracle's late conversion over the default's, less one.
    pub oracle_gain: f64,
    /// The policy's late conversion over the default's, less one.
    pub policy_gain: f64,
    /// Share of the oracle's gain that the policy has; none where the oracle gains nothing.
    pub gain_ratio: Option<f64>,
    /// Expected orders that the policy missed, over all visits.
    pub regret: f64,
    /// The same of uniform draws.
    pub regret_uniform: f64,
    /// The same of the best fixed layout.
    pub regret_fixed: f64,
    /// What the job itself reports; none where it reports nothing.
    pub lift: Option<Lift>,
    /// The rivals: default, fixed, uniform, oracle, policy.
    pub rivals: Vec<Rival>,
    /// Events by the phase that the job saw and the true intent, in the scouting run.
    pub confusion: Confusion,
    /// The oracle's layout by phase.
    pub oracle_layouts: ByPhase,
    /// The best fixed layout.
    pub fixed_layout: Layout,
}

impl Findings {
    /// A rival by its name.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn rival(&self, name: &str) -> &Rival {
        let found = self.rivals.iter().find(|rival| rival.name == name);
        found.unwrap_or_else(|| panic!("no rival is called {name}"))
    }

    /// Expected orders missed by a rival after each of [`POINTS`] stretches.
    pub fn regrets(&self, name: &str) -> Vec<f64> {
        let (oracle, rival) = (self.rival("oracle"), self.rival(name));
        let pairs = oracle.cumulative.iter().zip(&rival.cumulative);
        pairs.map(|(best, own)| best - own).collect()
    }
}

/// What is put to the test, and where.
pub struct Experiment<'a> {
    /// The shop.
    pub params: ClosedParams,
    /// The text of the policy under test.
    pub policy: &'a str,
    /// Makes the keepers of policies.
    pub factory: Factory<'a>,
}

impl Experiment<'_> {
    /// Checks the parameters and the policy.
    ///
    /// # Errors
    /// [`ExperimentError`] says what is wrong.
    pub fn check(&self) -> Result<(), ExperimentError> {
        self.params.check()?;
        page_of(self.policy).map(|_| ())
    }

    /// Runs all rivals. Every event of the run under test is also shown to `watch`.
    ///
    /// # Errors
    /// Those of [`Experiment::check`]; nothing has been run then.
    pub fn run(&self, watch: &mut dyn FnMut(&RawEvent<'_>)) -> Result<Findings, ExperimentError> {
        self.params.check()?;
        let tested = page_of(self.policy)?;
        let truth = Truth::find(&self.params, self.factory)?;
        let texts = [
            ("default", policies::fixed("default", Layout::default())),
            ("fixed", policies::fixed("fixed", truth.fixed)),
            ("oracle", policies::by_phase("oracle", &truth.oracle)),
        ];
        let mut rivals = Vec::with_capacity(5);
        for (name, text) in &texts {
            let mut keeper = (self.factory)(text);
            rivals.push(self.rival(name, page_of(text)?, &mut *keeper, &mut |_| {})?);
        }
        let uniform = self.rival("uniform", PageMap::own(), &mut self.uniform()?, &mut |_| {})?;
        rivals.insert(2, uniform);
        let mut keeper = (self.factory)(self.policy);
        rivals.push(self.rival("policy", tested, &mut *keeper, watch)?);
        Ok(self.findings(rivals, &truth))
    }

    /// Even draws need no learning: the core tells the phase, a hash the arms.
    fn uniform(&self) -> Result<DrawingKeeper, ExperimentError> {
        let rules = Rules {
            policy: Policy::read(&policies::scout("uniform"))?,
            models: Schedule::of(Model::shipped()),
        };
        Ok(DrawingKeeper::new(rules, self.params.seed))
    }

    fn rival(
        &self,
        name: &'static str,
        map: PageMap,
        keeper: &mut dyn Shopkeeper,
        watch: &mut dyn FnMut(&RawEvent<'_>),
    ) -> Result<Rival, ExperimentError> {
        let shop = ClosedShop::new(self.params.clone(), map)?;
        Ok(rival_of(name, &shop.run(keeper, watch)))
    }

    fn findings(&self, rivals: Vec<Rival>, truth: &Truth) -> Findings {
        let mut findings = Findings {
            sessions: self.params.sessions,
            seed: self.params.seed,
            oracle_gain: 0.0,
            policy_gain: 0.0,
            gain_ratio: None,
            regret: 0.0,
            regret_uniform: 0.0,
            regret_fixed: 0.0,
            lift: None,
            rivals,
            confusion: truth.confusion,
            oracle_layouts: truth.oracle,
            fixed_layout: truth.fixed,
        };
        let late = |name: &str| findings.rival(name).conversion_late;
        let base = late("default");
        let gain = |name: &str| {
            if base > 0.0 {
                late(name) / base - 1.0
            } else {
                0.0
            }
        };
        let (oracle_gain, policy_gain) = (gain("oracle"), gain("policy"));
        let regret = |name: &str| findings.regrets(name).last().copied().unwrap_or(0.0);
        let regrets = ["policy", "uniform", "fixed"].map(regret);
        findings.oracle_gain = oracle_gain;
        findings.policy_gain = policy_gain;
        findings.gain_ratio = (oracle_gain > 0.0).then(|| policy_gain / oracle_gain);
        [
            findings.regret,
            findings.regret_uniform,
            findings.regret_fixed,
        ] = regrets;
        findings
    }
}

/// Reads a policy and maps its page.
pub(super) fn page_of(text: &str) -> Result<PageMap, ExperimentError> {
    PageMap::of(&Policy::read(text)?).map_err(ExperimentError::Page)
}

fn rival_of(name: &'static str, ledger: &Ledger) -> Rival {
    let visits = &ledger.visits;
    let count = visits.len();
    let late = &visits[count - count.div_ceil(4)..];
    let edges = |parts: usize| (1..=parts).map(move |part| count * part / parts);
    let mut cumulative = Vec::with_capacity(POINTS);
    let (mut from, mut sum) = (0, 0.0);
    for to in edges(POINTS) {
        sum += expected(&visits[from..to]);
        cumulative.push(sum);
        from = to;
    }
    from = 0;
    let mut stretches = Vec::with_capacity(STRETCHES);
    for to in edges(STRETCHES) {
        stretches.push(mean(&visits[from..to]));
        from = to;
    }
    let per_session = |total: u64| total as f64 / count.max(1) as f64;
    Rival {
        name,
        conversion: ledger.conversion(),
        conversion_late: mean(late),
        conversion_late_error: error(late),
        orders: ledger.orders,
        revenue: ledger.paid as f64 / 1e6,
        discount: ledger.discount as f64 / 1e6,
        events_per_session: per_session(ledger.events),
        changes_per_session: per_session(ledger.changes),
        conversion_by_stretch: stretches,
        cumulative,
    }
}

fn mean(visits: &[Visited]) -> f64 {
    expected(visits) / visits.len().max(1) as f64
}

/// Standard error of the mean of expected orders.
fn error(visits: &[Visited]) -> f64 {
    let centre = mean(visits);
    let square = |visit: &Visited| {
        let off = f64::from(visit.expected) - centre;
        off * off
    };
    let count = visits.len().max(1) as f64;
    let variance = visits.iter().map(square).sum::<f64>() / count;
    (variance / count).sqrt()
}
