//! One visit: a visitor's live session, what it is shown, and the step from one to the next.
//!
//! The step has two halves. [`Visit::fold`] takes an event, [`Visit::stall`] the hesitation timer;
//! neither looks at scores, phase or layout, and both return the [`Judgement`] that the page now
//! awaits. [`Visit::judge`] gives it: the scores are there, the phase moves, the layout is chosen
//! and the decision, if there is one, is returned. So the second halves may lag behind the first, as
//! long as those of a visit keep their order. Stability is kept here: cooldown, least gain, most
//! changes. Cost: about 300 ns an event, of which the fold is a tenth.

use super::choose::{CERTAIN_PPM, Why, choose};
use super::decision::{Decision, Factors, PerSlot, Trigger};
use super::feature::{FEATURE_COUNT, Vector, fill};
use super::history::History;
use super::model::schedule::Schedule;
use super::model::{Label, Scores};
use super::phase::{Phase, PhaseState};
use super::policy::{CAPPED_ARMS_MAX, Policy, SLOTS_MAX, Situation};
use super::session::{Overflow, Session};
use crate::event::{ArrivalMs, Event, EventMs, Id, Kind, VisitorId};
use std::num::NonZeroU64;

/// What does not change during a run.
#[derive(Debug)]
pub struct Rules {
    /// The layout policy.
    pub policy: Policy,
    /// The intent models, and from when each holds.
    pub models: Schedule,
}

/// A visitor with a live session.
#[derive(Debug, Default)]
pub struct Visit {
    /// Who.
    pub visitor: VisitorId,
    /// The visitor's id as the log has it.
    pub visitor_text: Box<[u8]>,
    /// The session's name: the log's own id, or [`Visit::session_number`] in decimal.
    pub session_text: Box<[u8]>,
    /// The log's own session id.
    pub log_session: Id,
    /// Event time of the session's first event in ms, or one more than the visitor's last number,
    /// whichever is greater; so that no two sessions of a visitor share one.
    pub session_number: u64,
    /// The fold.
    pub session: Session,
    /// Arrival of the last event.
    pub last_arrival: ArrivalMs,
    /// When the visit counts as stalled; `None` while the timer is off.
    pub stalls_at: Option<ArrivalMs>,
    /// Whether it counts as stalled.
    stalled: bool,
    /// The deadline that the wheel holds for this visit.
    pub timer: Option<ArrivalMs>,
    /// Number of the next decision.
    pub next_seq: u32,
    /// Bit per phase reached.
    pub reached: u8,
    /// Highest `p_purchase` before the first purchase.
    pub peak: Option<f64>,
    /// The scores of the last judgement.
    pub scores: Scores,
    /// Number of the model that gave them.
    pub model: u8,
    /// What the scores of the last fold or stall rest on, if that is one number.
    footprint: Option<NonZeroU64>,
    phase: PhaseState,
    layout: PerSlot<u8>,
    why: PerSlot<Why>,
    uses: [u8; CAPPED_ARMS_MAX],
    changes: u32,
    changed_at: ArrivalMs,
    holdout: bool,
}

/// What a visit's scores, phase and layout are still to be made of, besides its features.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// When, on the arrival clock: the event's arrival or the timer's deadline.
    pub at: ArrivalMs,
    /// What made it due.
    pub trigger: Trigger,
    /// Number of the model that holds.
    pub model: u8,
    /// Whether a feature that the model uses has moved since the judgement before; if not, the
    /// scores stay as they are.
    pub moved: bool,
    /// Whether something is in the cart.
    cart: bool,
    /// Whether the visit counts as stalled.
    stalled: bool,
    /// Whether the session has bought.
    bought: bool,
}

impl Visit {
    /// Begins a session in place. Texts are allocated here, once a session.
    pub fn begin(
        &mut self,
        event: &Event,
        visitor: &[u8],
        log_session: &[u8],
        history: History,
        rules: &Rules,
    ) {
        let policy = &rules.policy;
        let mut session = std::mem::take(&mut self.session);
        session.begin(event.time, history);
        let session_number = event.time.0.max(history.last_session + 1);
        let named_by_log = policy.session.from_log && !log_session.is_empty();
        let session_text = if named_by_log {
            log_session.into()
        } else {
            session_number.to_string().into_bytes().into_boxed_slice()
        };
        let mut layout = [0; SLOTS_MAX];
        for (arm, slot) in layout.iter_mut().zip(&policy.slots) {
            *arm = slot.default as u8;
        }
        *self = Visit {
            visitor: event.visitor,
            visitor_text: visitor.into(),
            session_text,
            log_session: event.session,
            session_number,
            session,
            // A log may come back to one of its session ids: numbering goes on, so that
            // visitor/session/seq stays unique.
            next_seq: if policy.session.from_log {
                history.next_seq
            } else {
                0
            },
            holdout: policy.holdout.holds(event.visitor),
            layout,
            timer: self.timer,
            ..Visit::default()
        };
    }

    /// Folds one event and reads the features. The first event of a session is judged as
    /// [`Trigger::Start`].
    pub fn fold(
        &mut self,
        event: &Event,
        rules: &Rules,
        features: &mut Vector,
    ) -> (Judgement, Overflow) {
        let overflow = self.session.observe(event, &rules.policy.limits.session);
        self.last_arrival = event.arrival;
        if self.log_session.is_none() {
            self.log_session = event.session;
        }
        let moves_on = matches!(
            event.kind,
            Kind::AddToCart | Kind::BeginCheckout | Kind::Purchase
        );
        let cart = self.session.cart_units > 0;
        self.stalled &= cart && !moves_on;
        self.stalls_at = rules
            .policy
            .hesitation_ms
            .filter(|_| cart && !self.stalled)
            .map(|ms| ArrivalMs(event.arrival.0 + ms));
        let trigger = if self.session.events == 1 {
            Trigger::Start
        } else {
            Trigger::Event(event.kind)
        };
        fill(&self.session, self.session.last, features);
        (
            self.judgement(event.arrival, trigger, rules, features),
            overflow,
        )
    }

    /// The hesitation timer has fired: reads the features as they are now.
    pub fn stall(&mut self, at: ArrivalMs, rules: &Rules, features: &mut Vector) -> Judgement {
        self.stalls_at = None;
        self.stalled = true;
        let now = self.session.last.max(EventMs(at.0));
        fill(&self.session, now, features);
        self.judgement(at, Trigger::Hesitation, rules, features)
    }

    fn judgement(
        &mut self,
        at: ArrivalMs,
        trigger: Trigger,
        rules: &Rules,
        features: &Vector,
    ) -> Judgement {
        let model = rules.models.at(at);
        let footprint = rules.models.get(model).footprint(model, features);
        let before = std::mem::replace(&mut self.footprint, footprint);
        Judgement {
            at,
            trigger,
            model,
            moved: footprint.is_none() || footprint != before,
            cart: self.session.cart_units > 0,
            stalled: self.stalled,
            bought: self.session.count(Kind::Purchase) > 0,
        }
    }

    /// Takes the scores that a judgement waited for, moves the phase and decides. Judgements come
    /// in the order in which they became due, each with the features of that time.
    pub fn judge(
        &mut self,
        judgement: &Judgement,
        scores: Scores,
        rules: &Rules,
        features: &Vector,
    ) -> Option<Decision<'_>> {
        self.model = judgement.model;
        self.scores = scores;
        let Judgement { cart, stalled, .. } = *judgement;
        let phase = self
            .phase
            .update(scores, cart, stalled, &rules.policy.phases);
        self.reached |= 1 << phase as u8;
        if !judgement.bought {
            let score = scores.purchase;
            self.peak = Some(self.peak.map_or(score, |peak| peak.max(score)));
        }
        self.decide(judgement.at, judgement.trigger, rules, features)
    }

    fn decide(
        &mut self,
        at: ArrivalMs,
        trigger: Trigger,
        rules: &Rules,
        features: &Vector,
    ) -> Option<Decision<'_>> {
        let starts = trigger == Trigger::Start;
        let changed = if self.holdout {
            0
        } else {
            self.rearrange(at, starts, rules, features)
        };
        if changed == 0 && !starts {
            return None;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let leading = match self.phase.phase() {
            Phase::Hesitating => Label::Abandon,
            _ => Label::Purchase,
        };
        Some(Decision {
            at,
            visitor: &self.visitor_text,
            session: &self.session_text,
            seq,
            trigger,
            phase: self.phase.phase(),
            scores: self.scores,
            model: self.model,
            leading,
            factors: match (changed, rules.policy.factors) {
                (0, _) | (_, 0) => Factors::default(),
                (_, most) => {
                    let mut parts = [0.0; FEATURE_COUNT];
                    let model = rules.models.get(self.model);
                    model.contributions(leading, features, &mut parts);
                    Factors::of(&parts, most)
                }
            },
            layout: self.layout,
            changed,
            propensity_ppm: [CERTAIN_PPM; SLOTS_MAX],
            why: self.why,
            returning: self.session.history.returning(),
            holdout: self.holdout,
        })
    }

    /// Chooses the arm of every slot and returns the slots that changed. While the page must be
    /// left alone, only an arm that may not be shown any more is taken down.
    fn rearrange(&mut self, at: ArrivalMs, starts: bool, rules: &Rules, features: &Vector) -> u8 {
        let policy = &rules.policy;
        let situation = Situation {
            features,
            scores: self.scores,
            phase: self.phase.phase(),
        };
        let stability = &policy.stability;
        let settled = starts
            || (at.0 - self.changed_at.0 >= stability.cooldown_ms
                && self.changes < stability.changes_max);
        let mut changed = 0;
        for (index, slot) in policy.slots.iter().enumerate() {
            let shown = usize::from(self.layout[index]);
            let mut choice = choose(slot, &situation, shown, &self.uses, stability.min_gain);
            if !settled {
                if !choice.forced {
                    continue;
                }
                choice.arm = slot.default;
                choice.why = Why::NotEligible;
            }
            if choice.arm == shown {
                continue;
            }
            self.layout[index] = choice.arm as u8;
            self.why[index] = choice.why;
            changed |= 1 << index;
            if let Some((_, counter)) = slot.arms[choice.arm].cap {
                self.uses[counter] = self.uses[counter].saturating_add(1);
            }
        }
        if changed != 0 {
            self.changed_at = at;
            self.changes += u32::from(!starts);
        }
        changed
    }

    /// What is kept of the visitor when the session ends.
    pub fn history(&self) -> History {
        let before = &self.session.history;
        History {
            sessions: before.sessions.saturating_add(1),
            purchases: before
                .purchases
                .saturating_add(self.session.count(Kind::Purchase)),
            abandoned_carts: before
                .abandoned_carts
                .saturating_add(u32::from(self.session.abandons_cart())),
            last: self.session.last,
            last_session: self.session_number,
            next_seq: self.next_seq,
        }
    }

    /// The phase after the last judgement.
    pub fn phase(&self) -> Phase {
        self.phase.phase()
    }

    /// The layout after the last judgement.
    pub fn layout(&self) -> &PerSlot<u8> {
        &self.layout
    }

    /// Why each slot shows what it shows.
    pub fn why(&self) -> &PerSlot<Why> {
        &self.why
    }

    /// Whether the visitor keeps the default layout.
    pub fn holdout(&self) -> bool {
        self.holdout
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        self.visitor_text.len() + self.session_text.len() + self.session.bytes()
    }
}
