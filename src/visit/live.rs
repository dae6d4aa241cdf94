//! One visit: a visitor's live session, what it is shown, and the step from one to the next.
//!
//! The step has two halves. [`Visit::fold`] takes an event, [`Visit::stall`] the hesitation timer;
//! neither looks at scores, phase or layout, and both return the [`Judgement`] that the page now
//! awaits. [`Visit::judge`] gives it: the scores are there, the phase moves, the layout is chosen
//! and the decision, if there is one, is returned. So the second halves may lag behind the first, as
//! long as those of a visit keep their order. Stability is kept here: cooldown, least gain, most
//! changes. Cost: about 300 ns an event, of which the fold is a tenth.
//!
//! Memory: 288 bytes and what the session's tables hold. What few visits have lies behind pointers
//! ([`aside`], [`seldom`]), times are distances ([`times`]), and what a snapshot holds is said apart ([`saved`]).

mod aside;
mod asked;
mod awaited;
mod handover;
mod marks;
mod page;
pub mod promises;
mod saved;
mod seldom;
mod standing;
mod times;

use super::bots::Pace;
use super::choose::Why;
use super::decision::{Decision, Factors, PerSlot, Trigger};
use super::feature::{FEATURE_COUNT, Vector, fill};
use super::history::History;
use super::learn::fact::{Outcome, OutcomeKind};
use super::learn::tables::Tables;
use super::learned::Said;
use super::model::schedule::Schedule;
use super::model::{Label, Scores};
use super::narrow::Narrow;
use super::phase::{Phase, PhaseState};
use super::policy::{Policy, SLOTS_MAX};
use super::products::catalogue::Catalogue;
use super::products::propose::category_in_view;
use super::products::shelf::{Restocked, Shelf};
use super::rank::Ranker;
use super::rank::recommender::IndexSpec;
use super::session::{Overflow, Session};
use super::tally::Histogram;
use crate::event::{ArrivalMs, Device, Event, EventMs, Kind, VisitorId};
use aside::Aside;
pub use marks::Mark;
use marks::Marks;
use page::Moves;
use seldom::Seldom;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::sync::Arc;
use times::{TIMES, Time};

/// What decisions go by, until other rules take over ([`super::plan`]).
#[derive(Debug)]
pub struct Rules {
    /// The layout policy.
    pub policy: Policy,
    /// The intent models, and from when each holds.
    pub models: Schedule,
    /// What the shop sells, for a policy that shows products.
    pub catalogue: Option<Arc<Catalogue>>,
}

impl Rules {
    /// The index that products are recommended from, if there is one.
    pub fn index(&self) -> Option<&IndexSpec> {
        self.catalogue.as_ref().and(self.policy.index.as_ref())
    }
}

/// A visitor with a live session.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "saved::Saved<'static>")]
pub struct Visit {
    /// Who.
    pub visitor: VisitorId,
    /// The visitor's id as the log has it.
    pub visitor_text: Box<[u8]>,
    times: Narrow<TIMES>,
    /// The fold.
    pub session: Session,
    /// The scores of the last judgement.
    pub scores: Scores,
    /// What the scores of the last fold or stall rest on, if that is one number.
    footprint: Option<NonZeroU64>,
    /// How fast the session goes on.
    pub pace: Pace,
    /// What visits have whose slots are drawn.
    aside: Option<Box<Aside>>,
    /// What most visits have nothing of.
    seldom: Option<Box<Seldom>>,
    /// Number of the next decision.
    pub next_seq: u32,
    changes: u32,
    /// `p_purchase` in millionths when a higher phase was last reached, or at the start.
    intent_ppm: i32,
    layout: PerSlot<u8>,
    why: PerSlot<Why>,
    marks: Marks,
    /// Bit per phase reached.
    pub reached: u8,
    /// One more than the bar of the highest `p_purchase` before the first purchase, in a histogram of
    /// scores; 0 before the first score.
    peak: u8,
    /// Number of the model that gave the scores.
    pub model: u8,
    phase: PhaseState,
    /// Bit per slot whose default is kept for comparison.
    held: u8,
    /// Bit per slot that is known to show the arm that it has in this phase's leaf.
    at_home: u8,
    device: Device,
}

const _: () = assert!(size_of::<Visit>() == 288);

/// When something comes due on the arrival clock, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Due(u64);

impl Due {
    /// Nothing comes due.
    pub const NEVER: Due = Due(u64::MAX);

    /// At a time.
    pub fn at(at: ArrivalMs) -> Due {
        Due(at.0)
    }

    /// When, if ever.
    pub fn get(self) -> Option<ArrivalMs> {
        (self != Due::NEVER).then_some(ArrivalMs(self.0))
    }
}

impl Default for Due {
    fn default() -> Due {
        Due::NEVER
    }
}

/// Most exposures of a session that wait for an impression.
const AWAITING_MAX: usize = 32;

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
    /// What the cart is worth, in millionths: the session may have moved on when this is judged.
    cart_value: i64,
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
        let (policy, timer) = (&rules.policy, self.timer());
        let session_number = event.time.0.max(history.last_session + 1);
        let mut layout = [0; SLOTS_MAX];
        for (arm, slot) in layout.iter_mut().zip(&policy.slots) {
            *arm = slot.default as u8;
        }
        let by_log = policy.session.from_log;
        *self = Visit {
            visitor: event.visitor,
            visitor_text: visitor.into(),
            seldom: Seldom::at_start(event, log_session, &history, policy),
            // A log may come back to one of its session ids: numbering goes on, so that
            // visitor/session/seq stays unique.
            next_seq: if by_log { history.next_seq } else { 0 },
            held: policy.held(event.visitor),
            device: event.device,
            layout,
            marks: Marks::default()
                .with(Mark::Holdout, policy.holdout.holds(event.visitor))
                .with(Mark::Compared, history.compared)
                .with(Mark::Bot, history.bot)
                .with(Mark::Muted, history.bot),
            ..Visit::default()
        };
        self.session.begin(event.time, history);
        self.put_time(Time::Number, session_number);
        self.set_timer(timer);
    }

    /// Folds one event and reads the features. The first event of a session is judged as
    /// [`Trigger::Start`].
    pub fn fold(
        &mut self,
        event: &Event,
        rules: &Rules,
        features: &mut Vector,
    ) -> (Judgement, Overflow) {
        if let Some(seldom) = &mut self.seldom {
            seldom.observe(event, &self.session);
        }
        let mut since = self.since();
        self.pace.observe(&mut since, event, &rules.policy.bots);
        self.put_since(since);
        let overflow = self.session.observe(event, &rules.policy.limits.session);
        self.put_time(Time::Arrival, event.arrival.0);
        let moves_on = matches!(
            event.kind,
            Kind::AddToCart | Kind::BeginCheckout | Kind::Purchase
        );
        let cart = self.session.cart().units > 0;
        let stalled = self.is(Mark::Stalled) && cart && !moves_on;
        self.mark(Mark::Stalled, stalled);
        let waits_ms = rules.policy.hesitation_ms.filter(|_| cart && !stalled);
        self.stalls(waits_ms.map_or(Due::NEVER, |ms| Due(event.arrival.0 + ms)));
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
        self.stalls(Due::NEVER);
        self.mark(Mark::Stalled, true);
        let now = self.session.last.max(EventMs(at.0));
        fill(&self.session, now, features);
        self.judgement(at, Trigger::Hesitation, rules, features)
    }

    /// Something has changed under the page: reads the features as they are now.
    pub fn look_again(
        &mut self,
        at: ArrivalMs,
        trigger: Trigger,
        rules: &Rules,
        features: &mut Vector,
    ) -> Judgement {
        let now = self.session.last.max(EventMs(at.0));
        fill(&self.session, now, features);
        self.judgement(at, trigger, rules, features)
    }

    /// Whether something is so.
    #[inline]
    pub fn is(&self, mark: Mark) -> bool {
        self.marks.has(mark)
    }

    /// Says whether something is so. Returns whether it was.
    #[inline]
    pub fn mark(&mut self, mark: Mark, is: bool) -> bool {
        self.marks.put(mark, is)
    }

    /// Reads a number from every line of memory that an event will read first. What comes out means
    /// nothing.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        let session = &self.session;
        session.last.0
            ^ self.times.get(Time::Arrival as usize)
            ^ u64::from(session.events)
            ^ u64::from(session.count(Kind::PageView))
            ^ session.gap_last()
            ^ session.price_seen_sum as u64
            ^ self.scores.purchase.to_bits()
            ^ u64::from(self.layout[0])
    }

    /// Whether what changed on the shelf may change the list of products without an event: it is on
    /// the page, the page lacks something that there is now, or its prices are what the list goes by.
    pub fn is_touched(&self, changed: &Restocked, policy: &Policy, shelf: &Shelf) -> bool {
        let (Some(shown), Some((index, slot, spec))) = (self.shown(), policy.products()) else {
            return false;
        };
        let is_on_page = |number: &u32| changed.items.binary_search(number).is_ok();
        if shown.list.iter().any(is_on_page) || (changed.more && shown.list.len() < spec.count) {
            return true;
        }
        let ranker = slot.arms[usize::from(self.layout[index])].ranker;
        let goes_by_price = match ranker {
            Some(Ranker::PriceMatch) => true,
            Some(Ranker::Blend) => policy.index.iter().any(IndexSpec::blends_prices),
            _ => false,
        };
        let trail = shown.browsed.trail();
        goes_by_price
            && category_in_view(trail, shelf)
                .is_some_and(|category| changed.categories.binary_search(&category).is_ok())
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
            cart: self.session.cart().units > 0,
            cart_value: self.session.cart().value,
            stalled: self.is(Mark::Stalled),
            bought: self.session.count(Kind::Purchase) > 0,
        }
    }

    /// Takes the scores that a judgement waited for, moves the phase and decides. Judgements come
    /// in the order in which they became due, each with the features of that time.
    pub fn judge<'a>(
        &'a mut self,
        judgement: &Judgement,
        scores: Scores,
        (rules, tables): (&Rules, &Tables),
        features: &'a Vector,
        said: &'a mut Said,
    ) -> Option<Decision<'a>> {
        self.model = judgement.model;
        self.scores = scores;
        let Judgement { cart, stalled, .. } = *judgement;
        let phase_before = self.phase.phase();
        let phase = self
            .phase
            .update(scores, cart, stalled, &rules.policy.phases);
        if phase != phase_before {
            self.at_home = 0;
        }
        let before = self.reached;
        self.reached |= 1 << phase as u8;
        let learning = &rules.policy.learning;
        if learning.reward.wants_intent() && judgement.at.0 >= learning.from_ms {
            said.risen = self.rise(before, judgement);
        }
        if !judgement.bought {
            let bar = Histogram::bar(scores.purchase) as u8;
            self.peak = self.peak.max(1 + bar);
        }
        if let Some(view) = &mut said.view {
            self.consider(judgement, (rules, tables), features, view);
        }
        let moves = self.rearrange(judgement, (rules, tables), features, said);
        self.keep_promises(judgement.cart_value, &rules.policy, &mut said.spends);
        self.decide(judgement, moves, (rules, tables), features, said)
    }

    fn decide<'a>(
        &'a mut self,
        judgement: &Judgement,
        moves: Moves,
        (rules, tables): (&Rules, &Tables),
        features: &'a Vector,
        said: &'a mut Said,
    ) -> Option<Decision<'a>> {
        let Judgement { at, trigger, .. } = *judgement;
        let Moves {
            changed,
            arms,
            drawn,
            listed,
        } = moves;
        let by_shelf = trigger == Trigger::Tables && listed;
        if changed == 0 && drawn == 0 && trigger != Trigger::Start {
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
            session: match self.log_text() {
                Some(text) => text,
                None => said.digits.of(self.session_number()),
            },
            seq,
            trigger,
            phase: self.phase.phase(),
            scores: self.scores,
            model: self.model,
            leading,
            factors: match rules.policy.factors {
                // No arm went by the score, and what the catalogue changed did not either.
                _ if changed == 0 || (by_shelf && arms == 0) => Factors::default(),
                0 => Factors::default(),
                most => {
                    let mut parts = [0.0; FEATURE_COUNT];
                    let model = rules.models.get(self.model);
                    model.contributions(leading, features, &mut parts);
                    Factors::of(&parts, most)
                }
            },
            layout: self.layout,
            changed,
            drawn,
            tables_ms: if rules.policy.has_tables() {
                tables.version_at(at)
            } else {
                0
            },
            propensity_ppm: self.propensity_ppm(),
            why: self.why,
            device: self.device,
            returning: self.session.history().returning(),
            holdout: self.is(Mark::Holdout),
            items: self.shown().map(|shown| &shown.list[..]),
            shelf: by_shelf.then_some(&said.sold_out[..]),
            features,
        })
    }

    /// That intent has risen, if a phase of higher intent than any before is reached; `before` has a bit
    /// a phase. After an order there is nothing to rise to.
    fn rise(&mut self, before: u8, judgement: &Judgement) -> Option<Outcome> {
        let now_ppm = (self.scores.purchase * 1e6) as i32;
        if judgement.trigger == Trigger::Start {
            self.intent_ppm = now_ppm;
            return None;
        }
        let rising = [Phase::Exploring, Phase::Deciding, Phase::Buying];
        let phase = self.phase.phase();
        let above = rising.iter().filter(|higher| **higher as u8 >= phase as u8);
        let is_new = rising.contains(&phase) && above.clone().all(|p| before >> *p as u8 & 1 == 0);
        let risen = now_ppm - self.intent_ppm;
        if judgement.bought || !is_new || risen <= 0 {
            return None;
        }
        self.intent_ppm = now_ppm;
        Some(Outcome {
            // Before the page that it leads to is drawn.
            at_ms: judgement.at.0.saturating_sub(1),
            session: self.session_number(),
            kind: OutcomeKind::Intent,
            value: risen.into(),
            ..Outcome::default()
        })
    }
}
