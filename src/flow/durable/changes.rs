//! Rules that are asked for while the job runs.
//!
//! Whoever watches the policy's file asks; the first worker answers, between two epochs: the rules take
//! over at the first boundary ahead of all clocks. Before any output past the boundary can be committed
//! the plan is written down ([`crate::log`]), since rows wait behind it in the same queue; and every
//! worker is told ahead of the boundary, as it is of a snapshot. Cost: a look at a flag a send.

use crate::event::ArrivalMs;
use crate::flow::job::{JobError, JobSpec};
use crate::visit::live::Rules;
use crate::visit::plan::{Plan, PlanError, RulesText};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Where rules are asked for. Clones are the same.
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
}

/// Rules that take over.
#[derive(Debug)]
pub struct Change {
    /// From when on.
    pub from: ArrivalMs,
    /// The rules.
    pub rules: Arc<Rules>,
    /// What they were read from.
    pub text: RulesText,
    /// The whole plan, in writing.
    pub journal: String,
}

impl Changes {
    /// Of a run by a plan.
    pub fn of(plan: Plan) -> Changes {
        let inner = Mutex::new(Inner { plan, wanted: None });
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
        self.0
            .waits
            .store(inner.wanted.is_some(), Ordering::Release);
        Ok(true)
    }

    /// The rules that were asked for, while all clocks stand at `stands_ms` at most.
    pub fn take(&self, stands_ms: u64) -> Option<Result<Change, PlanError>> {
        if !self.0.waits.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut inner = self.inner();
        let text = inner.wanted.take()?;
        let at_ms = stands_ms.max(inner.plan.last().from.0).saturating_add(1);
        let taken = inner.plan.take_over(at_ms, text.clone());
        Some(taken.map(|from| Change {
            from,
            rules: Arc::clone(&inner.plan.last().rules),
            text,
            journal: inner.plan.journal(),
        }))
    }
}

impl JobSpec {
    /// Finds out by which rules the run begins: in a durable one the first process has said so.
    pub(in crate::flow) fn take_plan(&mut self) -> Result<(), JobError> {
        let mut begin = ArrivalMs(0);
        if let Some(durability) = &self.durability {
            let catalogue = self.rules.catalogue.clone();
            let plan = Plan::of_journal(&durability.journal, catalogue);
            self.plan = plan.map_err(|error| JobError::Start(error.to_string()))?;
            begin = ArrivalMs(durability.begin_ms().saturating_sub(1));
        }
        self.rules = Arc::clone(self.plan.at(begin));
        Ok(())
    }
}
