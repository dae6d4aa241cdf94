//! The closed-loop shop: shoppers act, the keeper answers, shoppers act on the answer.
//!
//! The clock moves in steps. In a step everybody whose turn it is acts, in the order of time and
//! then of visit; the events go to the [`Shopkeeper`]; what it decided is on show from the next step
//! on. Steps in which nobody acts are one span without events, so that the keeper's timers fire in
//! time. New visitors come as a Poisson process by the time of day; visitors who left may come back
//! days later, with their cart and half of the time with the intent they left with.
//!
//! Invariant: a run is a pure function of the parameters and of what is shown; a visitor's number,
//! inclinations, visits and chances do not depend on what others were shown. A run ends when
//! [`ClosedParams::sessions`] visits have begun and all of them have ended.
//!
//! Cost: see the module's page.

use super::keeper::{Shopkeeper, Shown};
use super::page::PageMap;
use super::params::{ClosedParams, ClosedParamsError};
use super::response::Response;
use super::scout::{Confusion, PHASE_COUNT, Scout};
use super::shopper::{Person, Shopper, World};
use crate::event::{ArrivalMs, Batch, Event, EventMs, Id, Kind, Lane, Offset, Texts, VisitorId};
use crate::format::RawEvent;
use crate::rng::Rng;
use crate::simulate::catalogue::Catalogue;
use crate::simulate::intent::INTENT_COUNT;
use crate::simulate::record::{Act, Fault, Scratch, SimEvent, Truth, VisitNo, VisitorNo};
use crate::simulate::shop::{HOUR_MAX, HOUR_MS, bustle};
use crate::simulate::timeline::Timeline;
use crate::simulate::visitor::Visitor;
use crate::visit::keys::KeyMap;

/// Most visits of one visitor; whoever has made them does not come back.
const VISITS_MAX: u64 = 64;
/// Most events of one visit, as far as their numbers go.
const EVENT_NUMBERS: u64 = 1_024;
const _: () = assert!(super::shopper::EVENTS_MAX as u64 <= EVENT_NUMBERS);

/// Streams of chance that belong to no visit.
const STREAM_STOCK: u64 = u64::MAX;
const STREAM_ARRIVALS: u64 = u64::MAX - 1;
const STREAM_PEOPLE: u64 = 0x5045_4f50_4c45;

/// One visit of a run, in the order in which visits began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Visited {
    /// Whose visit it was, as the job knows the visitor.
    pub visitor: VisitorId,
    /// When it began; ms since 1970.
    pub begun_ms: u64,
    /// Orders expected: the sum of the chances to pay, each at its moment.
    pub expected: f32,
    /// Orders placed.
    pub orders: u32,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The visits.
    pub visits: Vec<Visited>,
    /// Visits of visitors who had been there before.
    pub returning: u64,
    /// Events of all kinds.
    pub events: u64,
    /// Events after which something was in a cart for the first time in the visit.
    pub carts: u64,
    /// Orders placed.
    pub orders: u64,
    /// What they paid, in millionths of the currency's unit.
    pub paid: i64,
    /// What promotions took off, in the same.
    pub discount: i64,
    /// Changes of pages, first pages not counted.
    pub changes: u64,
    /// Events by phase and true intent.
    pub confusion: Confusion,
    /// What a scouting run found out.
    pub scout: Option<Box<Scout>>,
}

impl Ledger {
    /// Share of visits that are expected to order, counted by expected orders.
    pub fn conversion(&self) -> f64 {
        expected(&self.visits) / self.visits.len().max(1) as f64
    }
}

/// Expected orders of some visits.
pub fn expected(visits: &[Visited]) -> f64 {
    visits.iter().map(|visit| f64::from(visit.expected)).sum()
}

/// A visit that is going on.
struct Seat {
    shopper: Shopper,
    /// Its place in the ledger.
    index: usize,
    /// The visitor as the job knows it, once there was an event.
    visitor: VisitorId,
}

/// The shop during a run.
pub struct ClosedShop {
    world: World,
    map: PageMap,
    arrivals: Rng,
    new_after_ms: f64,
    visitors: u64,
    back: Timeline<Person>,
    open: Timeline<usize>,
    /// Visits by place; a free place keeps what was there.
    seats: Vec<Seat>,
    free: Vec<usize>,
    places: KeyMap<usize>,
    ledger: Ledger,
    scratch: Scratch,
}

impl ClosedShop {
    /// Opens a shop for a policy of which `map` tells the page.
    ///
    /// # Errors
    /// The first parameter that is out of its limits.
    pub fn new(params: ClosedParams, map: PageMap) -> Result<ClosedShop, ClosedParamsError> {
        params.check()?;
        let mut stock = Rng::of(params.seed, STREAM_STOCK);
        let mut shop = ClosedShop {
            arrivals: Rng::of(params.seed, STREAM_ARRIVALS),
            world: World {
                stock: Catalogue::new(&mut stock, params.items, params.categories),
                response: Response::new(params.effect_scale, params.bad_arm),
                params,
            },
            map,
            new_after_ms: 0.0,
            visitors: 0,
            back: Timeline::new(),
            open: Timeline::new(),
            seats: Vec::new(),
            free: Vec::new(),
            places: KeyMap::default(),
            ledger: Ledger {
                confusion: [[0; INTENT_COUNT]; PHASE_COUNT],
                ..Ledger::default()
            },
            scratch: Scratch::default(),
        };
        shop.plan_new_visitor();
        Ok(shop)
    }

    /// The same, with a scout that finds out how much each chance matters.
    pub fn scouting(mut self) -> ClosedShop {
        self.ledger.scout = Some(Box::default());
        self
    }

    /// How shoppers respond here.
    pub fn response(&self) -> &Response {
        &self.world.response
    }

    /// Runs the shop with a keeper. Every event is also shown to `watch`, as a log gives it.
    pub fn run(
        mut self,
        keeper: &mut dyn Shopkeeper,
        watch: &mut dyn FnMut(&RawEvent<'_>),
    ) -> Ledger {
        let step_ms = self.world.params.step_ms;
        let nothing = Batch::default();
        let mut batch = Batch::default();
        let mut shown = Vec::new();
        let mut clock_ms = self.world.params.start_ms / step_ms * step_ms;
        loop {
            let next_ms = self.next_ms();
            if next_ms == u64::MAX {
                return self.ledger;
            }
            let from_ms = next_ms / step_ms * step_ms;
            if from_ms > clock_ms {
                keeper.serve(&nothing, from_ms, &mut shown);
                self.put_up(&mut shown);
            }
            clock_ms = from_ms + step_ms;
            batch.clear();
            while self.next_ms() < clock_ms {
                self.next(&mut batch, watch);
            }
            keeper.serve(&batch, clock_ms, &mut shown);
            self.put_up(&mut shown);
        }
    }

    /// When something happens next; the end of time if nothing does any more.
    fn next_ms(&self) -> u64 {
        let open_ms = self.open.next_ms();
        if self.is_full() {
            return open_ms;
        }
        open_ms.min(self.back.next_ms()).min(self.new_ms())
    }

    fn is_full(&self) -> bool {
        self.ledger.visits.len() as u64 >= self.world.params.sessions
    }

    fn new_ms(&self) -> u64 {
        self.world.params.start_ms + self.new_after_ms as u64
    }

    /// Lets the next thing happen.
    fn next(&mut self, batch: &mut Batch, watch: &mut dyn FnMut(&RawEvent<'_>)) {
        let now_ms = self.next_ms();
        if now_ms == self.open.next_ms() {
            if let Some(place) = self.open.pop() {
                self.turn(place, now_ms, batch, watch);
            }
        } else if now_ms == self.back.next_ms() {
            if let Some(person) = self.back.pop() {
                self.begin(person, now_ms);
            }
        } else {
            let mut rng = Rng::of(self.world.params.seed ^ STREAM_PEOPLE, self.visitors);
            let visitor = Visitor::new(VisitorNo(self.visitors), &mut rng);
            self.visitors += 1;
            let person = Person::new(visitor, &mut rng, &self.world.params);
            self.begin(person, now_ms);
            self.plan_new_visitor();
        }
    }

    /// Draws when the next new visitor comes, by thinning (Lewis and Shedler 1979).
    fn plan_new_visitor(&mut self) {
        let mean_ms = HOUR_MS / (self.world.params.new_per_hour() * HOUR_MAX);
        loop {
            self.new_after_ms += self.arrivals.exponential(mean_ms);
            if self.arrivals.chance(bustle(self.new_ms()) / HOUR_MAX) {
                return;
            }
        }
    }

    fn begin(&mut self, person: Person, now_ms: u64) {
        let who = &person.visitor;
        let visit = VisitNo(who.number.0 * VISITS_MAX + u64::from(who.earlier_visits));
        self.ledger.returning += u64::from(who.earlier_visits > 0);
        let index = self.ledger.visits.len();
        self.ledger.visits.push(Visited {
            begun_ms: now_ms,
            ..Visited::default()
        });
        let seed = self.world.params.seed;
        let shopper = Shopper::enter(person, visit, now_ms, self.map.start(), seed);
        let seat = Seat {
            shopper,
            index,
            visitor: VisitorId::default(),
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.seats[place] = seat;
                place
            }
            None => {
                self.seats.push(seat);
                self.seats.len() - 1
            }
        };
        self.open.push(now_ms, visit.0, place);
    }

    /// A shopper's turn: an event, unless the visit is over.
    fn turn(
        &mut self,
        place: usize,
        now_ms: u64,
        batch: &mut Batch,
        watch: &mut dyn FnMut(&RawEvent<'_>),
    ) {
        let shopper = &mut self.seats[place].shopper;
        let Some(act) = shopper.act(&self.world, &mut self.ledger.scout) else {
            self.end(place, now_ms);
            return;
        };
        let ledger = &mut self.ledger;
        ledger.confusion[shopper.phase as usize][shopper.intent as usize] += 1;
        if act.kind == Kind::Purchase {
            ledger.orders += 1;
            ledger.paid += shopper.order.paid;
            ledger.discount += shopper.order.discount;
        }
        ledger.carts += u64::from(act.kind == Kind::AddToCart && shopper.first_cart());
        let first = shopper.events == 1;
        let visitor = self.record(place, now_ms, &act, batch, watch);
        let seat = &mut self.seats[place];
        if first {
            seat.visitor = visitor;
            self.ledger.visits[seat.index].visitor = visitor;
            self.places.insert(visitor.0, place);
        }
        let shopper = &seat.shopper;
        self.open.push(shopper.wake_ms, shopper.visit.0, place);
    }

    /// Writes the event into the batch and shows it to the watcher.
    fn record(
        &mut self,
        place: usize,
        now_ms: u64,
        act: &Act,
        batch: &mut Batch,
        watch: &mut dyn FnMut(&RawEvent<'_>),
    ) -> VisitorId {
        let shopper = &self.seats[place].shopper;
        let person = shopper.person();
        let number = shopper.visit.0 * EVENT_NUMBERS + u64::from(shopper.events - 1);
        let event = SimEvent {
            arrival_ms: now_ms,
            event_ms: now_ms,
            visitor: person.visitor.number,
            visit: shopper.visit,
            number,
            act: *act,
            truth: Truth {
                intent: shopper.intent,
                bot: false,
                earlier_visits: person.visitor.earlier_visits,
                fault: Fault::None,
            },
        };
        let mut raw = event.raw(&mut self.scratch);
        raw.device = person.device;
        watch(&raw);
        let offset = self.ledger.events;
        self.ledger.events += 1;
        push(batch, &raw, offset)
    }

    fn end(&mut self, place: usize, now_ms: u64) {
        let seat = &self.seats[place];
        let shopper = seat.shopper.clone();
        self.places.remove(&seat.visitor.0);
        self.free.push(place);
        let visited = &mut self.ledger.visits[seat.index];
        visited.expected = shopper.expected as f32;
        visited.orders = shopper.orders;
        self.ledger.changes += u64::from(shopper.changes);
        let (person, Some(wait_ms)) = shopper.leave() else {
            return;
        };
        let who = person.visitor.number;
        if u64::from(person.visitor.earlier_visits) < VISITS_MAX {
            self.back.push(now_ms + wait_ms, who.0, person);
        }
    }

    /// Puts up what was decided.
    fn put_up(&mut self, shown: &mut Vec<Shown>) {
        for page in shown.drain(..) {
            let Some(&place) = self.places.get(&page.visitor.0) else {
                continue;
            };
            let shopper = &mut self.seats[place].shopper;
            let layout = self.map.layout(&page.layout);
            // The page at the first event is no change: nobody has seen another.
            let first = page.at_ms <= shopper.begun_ms;
            shopper.changes += u32::from(layout != shopper.layout && !first);
            shopper.layout = layout;
            shopper.phase = page.phase;
        }
    }
}

/// Adds an event that arrives when it happens.
fn push(batch: &mut Batch, raw: &RawEvent<'_>, offset: u64) -> VisitorId {
    let visitor = VisitorId::of(raw.visitor);
    let event = Event {
        arrival: ArrivalMs(raw.event_ms),
        time: EventMs(raw.event_ms),
        offset: Offset(offset),
        line: offset + 1,
        visitor,
        session: Id::of(raw.session),
        item: Id::of(raw.item),
        category: Id::of(raw.category),
        event_id: Id::of(raw.event_id),
        price: raw.price,
        value: raw.value,
        quantity: raw.quantity,
        lane: Lane(0),
        kind: raw.kind,
        device: raw.device,
    };
    let texts = Texts {
        visitor: raw.visitor,
        session: raw.session,
        item: raw.item,
        category: raw.category,
        page: raw.page,
        event_id: raw.event_id,
    };
    batch.push(event, texts);
    visitor
}
