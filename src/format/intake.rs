//! Raw events into a batch: the clock asked, ids hashed, the texts carried that a run wants, and
//! rejects given their place and text. Tested through the lane.

use crate::event::{Batch, Carry, Event, Id, Lane, Offset, Reason, Reject, Texts, VisitorId};

use super::clock::{Clock, Fallen, Refusal, Times};
use super::lane::LaneTally;
use super::{Line, RawEvent, Rows};

/// Takes what a line holds into a batch.
pub(super) struct Intake<'a> {
    lane: Lane,
    carry: Carry,
    clock: &'a mut Clock,
    tally: &'a mut LaneTally,
    pub(super) batch: &'a mut Batch,
    pub(super) rejects: &'a mut Vec<Reject>,
    /// The line that is being read, and how many rejects there were before it.
    pub(super) line: u64,
    offset: u64,
    rejects_before: usize,
    /// Set where the log turned out not to be in order; nothing is taken from there on.
    pub(super) fallen: Option<Fallen>,
}

impl Rows for Intake<'_> {
    fn begin(&mut self, line: Line<'_>) {
        self.line = line.number;
        self.offset = line.offset;
        self.rejects_before = self.rejects.len();
    }

    fn event(&mut self, event: RawEvent<'_>) {
        if self.fallen.is_some() {
            return;
        }
        match self.clock.admit(self.line, &event) {
            Ok(times) => self.accept(times, &event),
            Err(Refusal::Row(reason)) => self.reject(event.at, reason),
            Err(Refusal::Fallen(fallen)) => self.fallen = Some(fallen),
        }
        self.tally.has_arrivals |= event.arrival_ms.is_some();
    }

    fn reject(&mut self, at: u32, reason: Reason) {
        if self.fallen.is_some() {
            return;
        }
        self.tally.rows += 1;
        self.tally.rejected[reason as usize] += 1;
        self.rejects.push(Reject {
            arrival: self.clock.latest(),
            lane: self.lane,
            line: self.line,
            offset: Offset(self.offset + u64::from(at)),
            reason,
            text: Vec::new(),
        });
    }

    /// Gives the line's rejects their text.
    fn end(&mut self, line: Line<'_>) {
        for reject in &mut self.rejects[self.rejects_before..] {
            let at = (reject.offset.0 - line.offset) as usize;
            let text = line.bytes.get(at..).unwrap_or_default();
            reject.text = text[..text.len().min(Reject::TEXT_BYTES_MAX)].to_vec();
        }
    }
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        lane: Lane,
        carry: Carry,
        clock: &'a mut Clock,
        tally: &'a mut LaneTally,
        batch: &'a mut Batch,
        rejects: &'a mut Vec<Reject>,
    ) -> Intake<'a> {
        Intake {
            lane,
            carry,
            clock,
            tally,
            batch,
            rejects,
            line: 0,
            offset: 0,
            rejects_before: 0,
            fallen: None,
        }
    }

    #[inline]
    fn accept(&mut self, (arrival, time): Times, event: &RawEvent<'_>) {
        self.tally.rows += 1;
        self.tally.accepted += 1;
        let record = Event {
            arrival,
            time,
            offset: Offset(self.offset + u64::from(event.at)),
            line: self.line,
            visitor: VisitorId::of(event.visitor),
            session: Id::of(event.session),
            item: Id::of(event.item),
            category: Id::of(event.category),
            event_id: Id::of(event.event_id),
            price: event.price,
            value: event.value,
            quantity: event.quantity,
            lane: self.lane,
            kind: event.kind,
            device: event.device,
        };
        let mut texts = Texts {
            visitor: event.visitor,
            ..Texts::default()
        };
        if self.carry.session {
            texts.session = event.session;
        }
        if self.carry.details {
            texts.item = event.item;
            texts.category = event.category;
            texts.page = event.page;
            texts.event_id = event.event_id;
        }
        self.batch.push(record, texts);
    }
}
