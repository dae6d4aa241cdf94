//! Rules and catalogues that are asked for while the job runs.
//!
//! Whoever watches the files asks; the first worker answers, between two epochs: rules take over, and what
//! is on sale changes, at the first boundary ahead of all clocks. Before any output past the boundary can be
//! committed the journal is written down ([`crate::log`]), since rows wait behind it in the same queue; and
//! every worker is told ahead of the boundary, as it is of a snapshot. Cost: a look at a flag a send.

use super::Order;
use crate::event::ArrivalMs;
use crate::flow::job::{JobError, JobSpec};
use crate::format::restock::{News, RestockError, Stock, grown, parts};
use crate::visit::live::Rules;
use crate::visit::plan::{Plan, PlanError, RulesText};
use crate::visit::products::catalogue::Catalogue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Where changes are asked for. Clones are the same.
#[derive(Clone, Debug)]
pub struct Changes(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    waits: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    plan: Plan,
    wanted: Option<RulesText>,
    /// What was said of what is on sale, where products are shown.
    stock: Option<Arc<Stock>>,
    news: Option<News>,
}

/// A change that takes effect.
#[derive(Debug)]
pub struct Change {
    /// What every worker is told.
    pub order: Order,
    /// What people are told.
    pub told: String,
    /// The policy that takes over, if one does: from when on, in ms, and its label.
    pub policy: Option<(u64, String)>,
    /// The whole journal.
    pub journal: String,
}

impl Changes {
    /// Of a run by a plan, and by what was said of what is on sale.
    pub fn of(plan: Plan, stock: Option<Stock>) -> Changes {
        let inner = Mutex::new(Inner {
            plan,
            wanted: None,
            stock: stock.map(Arc::new),
            news: None,
        });
        let waits = AtomicBool::new(false);
        Changes(Arc::new(Asked { waits, inner }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0
            .inner
            .lock()
            .expect("nobody panics while they hold this")
    }

    /// The plan so far.
    pub fn plan(&self) -> Plan {
        self.inner().plan.clone()
    }

    /// Asks for other rules; `false` if they are the ones that hold or wait already.
    ///
    /// # Errors
    /// [`PlanError`] for what is wrong with them, or if they cannot take over.
    pub fn ask(&self, text: RulesText) -> Result<bool, PlanError> {
        let mut inner = self.inner();
        let last = inner.plan.last();
        if inner.wanted.as_ref().or(last.text()) == Some(&text) {
            return Ok(false);
        }
        last.followed_by(&text, ArrivalMs(u64::MAX))?;
        inner.wanted = (last.text() != Some(&text)).then_some(text);
        self.tell(&inner);
        Ok(true)
    }

    /// Asks for what a catalogue's file says now; `false` if it is the one that was taken last.
    ///
    /// # Errors
    /// [`RestockError`] for what is wrong with it.
    pub fn restock(&self, name: &str, text: &[u8]) -> Result<bool, RestockError> {
        loop {
            let Some(stock) = self.inner().stock.clone() else {
                return Ok(false);
            };
            // It takes a while, and the first worker waits for nobody.
            let news = stock.news(name, text)?;
            let mut inner = self.inner();
            if !inner
                .stock
                .as_ref()
                .is_some_and(|now| Arc::ptr_eq(now, &stock))
            {
                continue;
            }
            inner.news = news;
            self.tell(&inner);
            return Ok(inner.news.is_some());
        }
    }

    fn tell(&self, inner: &Inner) {
        let waits = inner.wanted.is_some() || inner.news.is_some();
        self.0.waits.store(waits, Ordering::Release);
    }

    /// What was asked for, while all clocks stand at `stands_ms` at most.
    pub fn take(&self, stands_ms: u64) -> Vec<Result<Change, PlanError>> {
        if !self.0.waits.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let mut inner = self.inner();
        let rules = inner.take_rules(stands_ms);
        let stock = inner.take_news(stands_ms);
        rules.into_iter().chain(stock.map(Ok)).collect()
    }
}

impl Inner {
    fn take_rules(&mut self, stands_ms: u64) -> Option<Result<Change, PlanError>> {
        let text = self.wanted.take()?;
        let at_ms = stands_ms.max(self.plan.last().from.0).saturating_add(1);
        let taken = self.plan.take_over(at_ms, text.clone());
        Some(taken.map(|from| {
            let rules = &self.plan.last().rules;
            let (policy, models) = (&rules.policy.label, &rules.models);
            let model = &models.get(models.at(from)).label;
            Change {
                told: format!(
                    "policy {policy} and model {model} take over at {} ms",
                    from.0
                ),
                policy: Some((from.0, policy.clone())),
                journal: self.journal(),
                order: Order::Rules(from.0, text),
            }
        }))
    }

    fn take_news(&mut self, stands_ms: u64) -> Option<Change> {
        let news = self.news.take()?;
        let stock = Arc::make_mut(self.stock.as_mut()?);
        let (known, quantum_ms) = (stock.statements(), self.plan.last().rules.policy.quantum_ms);
        let rows = stock.take(news, stands_ms.saturating_add(1), quantum_ms)?;
        let told = stock.told(&rows);
        Some(Change {
            told,
            policy: None,
            journal: self.journal(),
            order: Order::Restock { known, rows },
        })
    }

    fn journal(&self) -> String {
        let stock = self.stock.as_ref();
        self.plan.journal() + &stock.map_or(String::new(), |stock| stock.write())
    }
}

/// The catalogue that all workers of a process share. Clones are the same.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Option<Arc<Catalogue>>>>);

impl Shared {
    /// The one of some rules.
    pub fn of(rules: &Rules) -> Shared {
        Shared(Arc::new(Mutex::new(rules.catalogue.clone())))
    }

    /// The catalogue after rows were added to one of `known` statements; none in a job without one. A
    /// worker that comes late may get one to which still more was added: of all times before that it says
    /// the same.
    ///
    /// # Panics
    /// If a row is wrong: the first worker has found that they are not.
    pub fn grow(&self, known: usize, rows: &str) -> Option<Arc<Catalogue>> {
        let mut shared = self.0.lock().expect("nobody panics while they hold this");
        let catalogue = shared.as_mut()?;
        if catalogue.statements().len() == known {
            match grown(catalogue, rows) {
                Ok(grown) => *catalogue = Arc::new(grown),
                Err(error) => panic!("a catalogue was told that cannot be read: {error}"),
            }
        }
        Some(Arc::clone(catalogue))
    }
}

impl JobSpec {
    /// Finds out by which rules the run begins, and what is on sale: in a durable one the first process has
    /// said so.
    pub(in crate::flow) fn take_plan(&mut self) -> Result<(), JobError> {
        let mut begin = ArrivalMs(0);
        if let Some(durability) = &self.durability {
            let wrong = |what: String| JobError::Start(what);
            let (rules, stock) = parts(&durability.journal);
            let stock = stock.map(|part| Stock::read(part)?.catalogue()).transpose();
            let stock = stock.map_err(|error| wrong(error.to_string()))?;
            let catalogue = stock.map(|mut stock| {
                stock.label = self.catalogue();
                Arc::new(stock)
            });
            let plan = Plan::of_journal(rules, catalogue);
            self.plan = plan.map_err(|error| wrong(error.to_string()))?;
            begin = ArrivalMs(durability.begin_ms().saturating_sub(1));
        }
        self.rules = Arc::clone(self.plan.at(begin));
        Ok(())
    }
}
