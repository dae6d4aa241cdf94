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
//! The policy is run by the job itself, the others by the pure core, which by the job's own promise
//! decides the same where nothing is learned; the truth about the lift is that of common random
//! numbers: the same visitors under the default. Other policies may run beside the one under test.
//!
//! Invariant: a function of the parameters and of what the keepers show. Cost: five runs, and those in which the truth is found.

use super::keeper::{JobEnd, Shopkeeper};
use super::page::{Layout, PageMap};
use super::params::{ClosedParams, ClosedParamsError};
use super::policies;
use super::scout::{ByPhase, Confusion};
use super::shop::{ClosedShop, Ledger, Visited, expected};
use super::truth::Truth;
use crate::evaluate::lift::{self, LiftOptions};
use crate::format::RawEvent;
use crate::visit::learn::learner::SlotReport;
use crate::visit::policy::{Holdout, Policy, PolicyError};
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
    /// `default`, `fixed`, `uniform`, `oracle` or `policy`, or the name of one compared.
    pub name: String,
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

/// By how much a policy's visitors convert more than its holdout, as the job's own counters have it
/// ([`crate::evaluate::lift`]).
#[derive(Clone, Debug, Serialize)]
pub struct Lift {
    /// Relative difference in conversion: 0.1 is a tenth more. None while nothing can be said.
    pub conversion: Option<f64>,
    /// Its interval, valid at all looks.
    pub interval: Option<[f64; 2]>,
    /// The verdict in a word.
    pub verdict: &'static str,
    /// What the shop knows: expected orders a visit of those who were not held, over what the same
    /// visitors came to under the default layout, less one.
    pub truth: f64,
}

impl Lift {
    /// Whether the interval holds the truth; true where there is none yet.
    pub fn covers(&self) -> bool {
        let holds = |[low, high]: [f64; 2]| low <= self.truth && self.truth <= high;
        self.interval.is_none_or(holds)
    }
}

/// How a policy does that runs beside the one under test.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its late conversion over the default's, less one.
    pub gain: f64,
    /// Share of the oracle's gain that it has; none where the oracle gains nothing.
    pub gain_ratio: Option<f64>,
    /// Expected orders that it missed, over all visits.
    pub regret: f64,
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
    /// The digest of the decisions of the job under test: that of its log's replay.
    pub digest: Option<String>,
    /// What the slots of the policy under test have learned.
    pub learned: Vec<SlotReport>,
    /// The rivals: default, fixed, uniform, oracle, policy, and those compared.
    pub rivals: Vec<Rival>,
    /// How those compared do.
    pub compared: Vec<Compared>,
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
    /// Names and texts of policies that run beside it; no two rivals have one name.
    pub compared: &'a [(String, String)],
    /// Makes the keepers of policies that learn nothing: the pure core will do.
    pub rules: Factory<'a>,
    /// Makes the keeper of the policy under test: the job.
    pub job: Factory<'a>,
    /// Told the name of each rival before it runs, and `truth` before that is sought.
    pub told: &'a dyn Fn(&str),
}

impl Experiment<'_> {
    /// Checks the parameters and the policy.
    ///
    /// # Errors
    /// [`ExperimentError`] says what is wrong.
    pub fn check(&self) -> Result<(), ExperimentError> {
        self.params.check()?;
        for (_, text) in self.compared {
            page_of(text)?;
        }
        page_of(self.policy).map(|_| ())
    }

    /// Runs all rivals. Every event of the run under test is also shown to `watch`.
    ///
    /// # Errors
    /// Those of [`Experiment::check`]; nothing has been run then.
    pub fn run(&self, watch: &mut dyn FnMut(&RawEvent<'_>)) -> Result<Findings, ExperimentError> {
        self.params.check()?;
        let tested = page_of(self.policy)?;
        (self.told)("truth");
        let truth = Truth::find(&self.params, self.rules)?;
        let texts = [
            ("default", policies::fixed("default", Layout::default())),
            ("fixed", policies::fixed("fixed", truth.fixed)),
            ("uniform", policies::uniform("uniform")),
            ("oracle", policies::by_phase("oracle", &truth.oracle)),
        ];
        let mut rivals = Vec::with_capacity(5);
        let mut without = Vec::new();
        for (name, text) in &texts {
            let mut keeper = (self.rules)(text);
            let ledger = self.ledger(name, page_of(text)?, &mut *keeper, &mut |_| {})?;
            rivals.push(rival_of(name, &ledger));
            if *name == "default" {
                without = ledger.visits;
            }
        }
        let mut keeper = (self.job)(self.policy);
        let ledger = self.ledger("policy", tested, &mut *keeper, watch)?;
        rivals.push(rival_of("policy", &ledger));
        for (name, text) in self.compared {
            let mut keeper = (self.job)(text);
            let ledger = self.ledger(name, page_of(text)?, &mut *keeper, &mut |_| {})?;
            rivals.push(rival_of(name, &ledger));
        }
        let mut findings = self.findings(rivals, &truth);
        if let Some(end) = keeper.close() {
            let holdout = Policy::read(self.policy)?.holdout;
            findings.lift = lift_of(&end, holdout, &ledger.visits, &without);
            findings.digest = Some(end.digest.to_string());
            findings.learned = end.learned;
        }
        Ok(findings)
    }

    fn ledger(
        &self,
        name: &str,
        map: PageMap,
        keeper: &mut dyn Shopkeeper,
        watch: &mut dyn FnMut(&RawEvent<'_>),
    ) -> Result<Ledger, ExperimentError> {
        (self.told)(name);
        let shop = ClosedShop::new(self.params.clone(), map)?;
        Ok(shop.run(keeper, watch))
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
            digest: None,
            learned: Vec::new(),
            rivals,
            compared: Vec::new(),
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
        let ratio = |gain: f64| (oracle_gain > 0.0).then(|| gain / oracle_gain);
        let regret = |name: &str| findings.regrets(name).last().copied().unwrap_or(0.0);
        let regrets = ["policy", "uniform", "fixed"].map(regret);
        let compared = self.compared.iter().map(|(name, _)| Compared {
            name: name.clone(),
            gain: gain(name),
            gain_ratio: ratio(gain(name)),
            regret: regret(name),
        });
        findings.compared = compared.collect();
        findings.oracle_gain = oracle_gain;
        findings.policy_gain = policy_gain;
        findings.gain_ratio = ratio(policy_gain);
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

/// The lift that a job reports, and what it is in truth.
fn lift_of(end: &JobEnd, holdout: Holdout, with: &[Visited], without: &[Visited]) -> Option<Lift> {
    let groups = end.tally.lift.first()?;
    let held_share = f64::from(holdout.share_ppm) / 1e6;
    let found = lift::lift(
        &groups.treated,
        &groups.held,
        held_share,
        &LiftOptions::default(),
    );
    let of_treated = |visits: &[Visited]| {
        let treated = visits.iter().filter(|visit| !holdout.holds(visit.visitor));
        let (mut orders, mut count) = (0.0, 0.0);
        for visit in treated {
            orders += f64::from(visit.expected);
            count += 1.0;
        }
        orders / f64::max(count, 1.0)
    };
    let best = found.metrics.conversion.best();
    Some(Lift {
        conversion: best.relative,
        interval: best.relative_interval,
        verdict: found.metrics.conversion.verdict.name(),
        truth: of_treated(with) / of_treated(without) - 1.0,
    })
}

fn rival_of(name: &str, ledger: &Ledger) -> Rival {
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
        name: name.into(),
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
