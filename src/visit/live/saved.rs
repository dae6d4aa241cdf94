//! A visit as snapshots have it, however it lies in memory: the fields in their order, each number in as
//! many bytes as it needs. To change what is here is to change the format of snapshots.
//!
//! Cost: a copy of what is small; texts, tables and what is kept aside are borrowed.

use super::aside;
use super::awaited::Awaited;
use super::marks::Marks;
use super::seldom::{LogSession, Seldom, Shown};
use super::times::Time;
use super::{Due, Mark, Visit};
use crate::event::{ArrivalMs, Device, EventMs, Id, Kind, VisitorId};
use crate::visit::bots::{Pace, Rule, Since};
use crate::visit::choose::Why;
use crate::visit::decision::PerSlot;
use crate::visit::learn::moments::Account;
use crate::visit::model::Scores;
use crate::visit::phase::PhaseState;
use crate::visit::session::Session;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::num::NonZeroU64;

/// A visit on its way.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved<'a> {
    visitor: VisitorId,
    visitor_text: Cow<'a, [u8]>,
    log_session: Option<Cow<'a, LogSession>>,
    session_number: u64,
    session: Cow<'a, Session>,
    last_arrival: ArrivalMs,
    stalls_at: Due,
    stalled: bool,
    timer: Due,
    next_seq: u32,
    reached: u8,
    peak: u8,
    intent_ppm: i32,
    scores: Scores,
    model: u8,
    footprint: Option<NonZeroU64>,
    phase: PhaseState,
    layout: PerSlot<u8>,
    why: PerSlot<Why>,
    changes: u32,
    changed_at: ArrivalMs,
    holdout: bool,
    held: u8,
    device: Device,
    counted: bool,
    sales: Option<Account>,
    compared: bool,
    bot: bool,
    orders: u32,
    muted: bool,
    pace: SavedPace,
    ruled_out: Option<(Rule, u32)>,
    carted: bool,
    ordered: bool,
    promised: bool,
    aside: Option<aside::Saved<'a>>,
    products: Option<Cow<'a, Shown>>,
}

#[derive(Serialize, Deserialize)]
struct SavedPace {
    item: Id,
    view: EventMs,
    action: EventMs,
    kind: Option<Kind>,
    views: u16,
    gaps: u16,
}

impl<'a> Saved<'a> {
    fn of(visit: &'a Visit) -> Saved<'a> {
        let (seldom, pace, since) = (visit.seldom.as_deref(), visit.pace, visit.since());
        let log_session = seldom.and_then(|it| it.log_session.as_ref());
        let sales = seldom.and_then(|it| it.sales.as_deref());
        Saved {
            visitor: visit.visitor,
            visitor_text: Cow::Borrowed(&visit.visitor_text),
            log_session: log_session.map(Cow::Borrowed),
            session_number: visit.session_number(),
            session: Cow::Borrowed(&visit.session),
            last_arrival: visit.last_arrival(),
            stalls_at: visit.stalls_at(),
            stalled: visit.is(Mark::Stalled),
            timer: visit.timer(),
            next_seq: visit.next_seq,
            reached: visit.reached,
            peak: visit.peak,
            intent_ppm: visit.intent_ppm,
            scores: visit.scores,
            model: visit.model,
            footprint: visit.footprint,
            phase: visit.phase,
            layout: visit.layout,
            why: visit.why,
            changes: visit.changes,
            changed_at: visit.changed_at(),
            holdout: visit.is(Mark::Holdout),
            held: visit.held,
            device: visit.device,
            counted: visit.is(Mark::Counted),
            sales: sales.copied(),
            compared: visit.is(Mark::Compared),
            bot: visit.is(Mark::Bot),
            orders: visit.orders(),
            muted: visit.is(Mark::Muted),
            pace: SavedPace {
                item: pace.item,
                view: since.view,
                action: since.action,
                kind: pace.kind,
                views: pace.views,
                gaps: pace.gaps,
            },
            ruled_out: visit.ruled_out(),
            carted: visit.is(Mark::Carted),
            ordered: visit.is(Mark::Ordered),
            promised: visit.is(Mark::Promised),
            aside: aside::Saved::of(visit),
            products: visit.shown().map(Cow::Borrowed),
        }
    }

    fn seldom(&mut self, awaited: Option<Box<Awaited>>) -> Option<Box<Seldom>> {
        let seldom = Seldom {
            log_session: self.log_session.take().map(Cow::into_owned),
            products: self.products.take().map(|it| Box::new(it.into_owned())),
            sales: self.sales.map(Box::new),
            orders: self.orders,
            ruled_out: self.ruled_out,
            awaited,
        };
        let is_there = seldom.log_session.is_some()
            || seldom.products.is_some()
            || seldom.sales.is_some()
            || seldom.orders > 0
            || seldom.ruled_out.is_some()
            || seldom.awaited.is_some();
        is_there.then(|| Box::new(seldom))
    }

    fn marks(&self) -> Marks {
        Marks::default()
            .with(Mark::Stalled, self.stalled)
            .with(Mark::Holdout, self.holdout)
            .with(Mark::Counted, self.counted)
            .with(Mark::Compared, self.compared)
            .with(Mark::Bot, self.bot)
            .with(Mark::Muted, self.muted)
            .with(Mark::Carted, self.carted)
            .with(Mark::Ordered, self.ordered)
            .with(Mark::Promised, self.promised)
    }
}

impl Serialize for Visit {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Saved::of(self).serialize(to)
    }
}

impl From<Saved<'_>> for Visit {
    fn from(mut saved: Saved<'_>) -> Visit {
        let (aside, awaited) = saved.aside.take().map(aside::Saved::into_parts).unzip();
        let mut visit = Visit {
            marks: saved.marks(),
            seldom: saved.seldom(awaited.flatten()),
            visitor: saved.visitor,
            visitor_text: saved.visitor_text.into(),
            session: saved.session.into_owned(),
            next_seq: saved.next_seq,
            reached: saved.reached,
            peak: saved.peak,
            intent_ppm: saved.intent_ppm,
            scores: saved.scores,
            model: saved.model,
            footprint: saved.footprint,
            phase: saved.phase,
            layout: saved.layout,
            why: saved.why,
            changes: saved.changes,
            held: saved.held,
            device: saved.device,
            pace: Pace {
                item: saved.pace.item,
                kind: saved.pace.kind,
                views: saved.pace.views,
                gaps: saved.pace.gaps,
            },
            aside,
            ..Visit::default()
        };
        visit.put_time(Time::Number, saved.session_number);
        visit.put_time(Time::Arrival, saved.last_arrival.0);
        visit.put_time(Time::Changed, saved.changed_at.0);
        visit.stalls(saved.stalls_at);
        visit.set_timer(saved.timer);
        visit.put_since(Since {
            view: saved.pace.view,
            action: saved.pace.action,
        });
        visit
    }
}
