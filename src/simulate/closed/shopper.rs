//! One shopper's visit in the closed-loop shop: pages opened and left as the hidden intent moves,
//! and as the page on show has it.
//!
//! The habits by intent are those of the open-loop shop ([`crate::simulate::Shop`]); what is new is
//! that the chances to leave, add, check out and pay are multiplied by the response to the layout
//! on show ([`super::response`]), by the device in hand, and by annoyance with a page that keeps
//! changing. Position bias: who picks an item from a list looks at the k-th row with an attention
//! a of 1/(1 + k/3), and the grid's effect on what follows is raised to the power 0.4 + 0.9·a.
//!
//! **Common random numbers.** Every chance is drawn from a stream of its own, named by visit, turn
//! and [`Purpose`]: on turn 7 the same shopper leaves by the same number, whatever was shown and
//! drawn before. So two policies meet the same luck, and their difference is that of the policies
//! (Law, *Simulation Modeling and Analysis*, ch. 11). The pause between two acts is at least
//! a step, so that nobody acts twice before what was decided is on show, and at most
//! [`PAUSE_MS_MAX`], so that a visit is one session of the job.
//!
//! Cost: some ten streams a turn of 6 ns each.

use super::page::{GRID, Layout, PROMO, SLOT_COUNT};
use super::params::{CHANGES_BORNE, ClosedParams};
use super::response::{Response, Stage, Weights};
use super::scout::{Scout, Standing, Trail};
use super::till::Order;
use crate::event::{Device, Kind, Micros};
use crate::rng::Rng;
use crate::simulate::catalogue::{Catalogue, ItemNo};
use crate::simulate::intent::{BEGINNINGS, Intent};
use crate::simulate::record::{Act, Page, VisitNo};
use crate::simulate::shopper::on_page;
use crate::simulate::visitor::Visitor;
use crate::visit::phase::Phase;

/// Longest time between two acts of a visit in ms; the job's sessions end after 30 minutes.
pub const PAUSE_MS_MAX: u64 = 25 * 60_000;
/// Most events of one visit.
pub const EVENTS_MAX: u32 = 1_000;
/// Shape of the time on a page.
pub const STAY_SHAPE: f64 = 0.75;
/// Rows of a list.
pub const ROWS: u32 = 24;

/// What a stream of chance is for.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Purpose {
    Begin,
    Leave,
    Exit,
    Stay,
    Drift,
    Add,
    Doubt,
    BuyNow,
    Remove,
    Cart,
    Checkout,
    Pay,
    Page,
    Item,
    Time,
    Signal,
    Return,
}

/// What a shopper meets in the shop.
#[derive(Debug)]
pub struct World {
    /// The parameters.
    pub params: ClosedParams,
    /// What is sold.
    pub stock: Catalogue,
    /// How shoppers respond.
    pub response: Response,
}

/// What stays of a person between visits.
#[derive(Clone, Debug)]
pub struct Person {
    /// Cart, items seen, inclinations.
    pub visitor: Visitor,
    /// What the person has in hand.
    pub device: Device,
    /// Takes any promotion, and would have bought without.
    pub hunter: bool,
    /// What the last visit ended with.
    pub last_intent: Option<Intent>,
}

/// What a shopper will still do on the page that is open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals {
    pub scroll: bool,
    pub click: bool,
    pub dwell: bool,
}

/// A visit that is going on.
#[derive(Clone, Debug)]
pub struct Shopper {
    /// When the shopper acts next; ms since 1970.
    pub wake_ms: u64,
    /// The hidden intent.
    pub intent: Intent,
    /// The visit: the visitor's number and how many visits came before.
    pub visit: VisitNo,
    /// When the visit began.
    pub begun_ms: u64,
    /// What is on show.
    pub layout: Layout,
    /// The phase in which the keeper last said to see the visit.
    pub phase: Phase,
    /// Changes of the page so far, the first page not counted.
    pub changes: u32,
    /// Events so far.
    pub events: u32,
    /// Orders expected so far: the sum of the chances to pay, each at its moment.
    pub expected: f64,
    /// Orders placed.
    pub orders: u32,
    /// Chances met so far, where a scout keeps them.
    pub trail: Trail,
    /// What the last order came to.
    pub order: Order,
    pub person: Person,
    seed: u64,
    turn: u64,
    pub page: Option<Page>,
    pub attention: f64,
    pub opened_ms: u64,
    pub leaves_ms: u64,
    pub signals: Signals,
    pub pages: u32,
    parting: bool,
    pub buying: Option<ItemNo>,
    carted: bool,
}

impl Person {
    /// Somebody who has never been here.
    pub fn new(mut visitor: Visitor, rng: &mut Rng, params: &ClosedParams) -> Person {
        // A little less spread than in the open-loop shop: one patient visitor shall not weigh
        // as much as hundreds.
        visitor.patience = visitor.patience.clamp(0.2, 5.0);
        let devices = [Device::Desktop, Device::Mobile, Device::Tablet];
        Person {
            visitor,
            device: devices[rng.weighted(&[0.36, 0.57, 0.07])],
            hunter: rng.chance(params.hunter_share),
            last_intent: None,
        }
    }

    /// Factors of the device on leaving, adding, checking out and paying: telephones are for
    /// looking.
    fn ease(&self, stage: Stage) -> f64 {
        match (self.device, stage) {
            (Device::Mobile, Stage::Leave) => 1.06,
            (Device::Mobile, _) => 0.85,
            (Device::Desktop, Stage::Leave) => 0.94,
            (Device::Desktop, _) => 1.15,
            _ => 1.0,
        }
    }
}

impl Shopper {
    /// Somebody enters at `now_ms`, and sees `layout`.
    pub fn enter(
        person: Person,
        visit: VisitNo,
        now_ms: u64,
        layout: Layout,
        seed: u64,
    ) -> Shopper {
        let mut shopper = Shopper {
            wake_ms: now_ms,
            intent: Intent::Browsing,
            visit,
            begun_ms: now_ms,
            layout,
            phase: Phase::Browsing,
            changes: 0,
            events: 0,
            expected: 0.0,
            orders: 0,
            trail: Trail::default(),
            order: Order::default(),
            person,
            seed: Rng::of(seed, visit.0).bits(),
            turn: 0,
            page: None,
            attention: 0.5,
            opened_ms: now_ms,
            leaves_ms: now_ms,
            signals: Signals::default(),
            pages: 0,
            parting: false,
            buying: None,
            carted: false,
        };
        shopper.intent = shopper.first_intent();
        shopper
    }

    /// Who it is.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Whether this is the first time in the visit that something is put into the cart.
    pub fn first_cart(&mut self) -> bool {
        !std::mem::replace(&mut self.carted, true)
    }

    /// The stream of this turn for a purpose.
    #[inline]
    pub fn stream(&self, purpose: Purpose) -> Rng {
        Rng::of(self.seed, self.turn << 8 | purpose as u64)
    }

    #[inline]
    pub fn unit(&self, purpose: Purpose) -> f64 {
        self.stream(purpose).unit()
    }

    /// The intent with which the visit begins; half of those who left with one return with it.
    fn first_intent(&self) -> Intent {
        let me = &self.person.visitor;
        let mut rng = self.stream(Purpose::Begin);
        if let Some(last) = self.person.last_intent
            && rng.chance(0.5)
            && (last != Intent::Hesitating || !me.cart.is_empty())
        {
            return last;
        }
        let mut weights = match (me.earlier_visits, me.cart.is_empty()) {
            (0, _) => BEGINNINGS.fresh,
            (_, true) => BEGINNINGS.back,
            (_, false) => BEGINNINGS.back_to_cart,
        };
        let keen = libm::exp(0.5 * me.appetite);
        weights[Intent::Comparing as usize] *= keen;
        weights[Intent::Urgent as usize] *= keen;
        Intent::ALL[rng.weighted(&weights)]
    }

    /// What the shopper does at `wake_ms`, and when next; nothing more if the visit is over.
    pub fn act(&mut self, world: &World, scout: &mut Option<Box<Scout>>) -> Option<Act> {
        self.events += 1;
        if self.events > EVENTS_MAX {
            return None;
        }
        let now_ms = self.wake_ms;
        let act = match self.page {
            None => Some(self.land(world)),
            Some(page) => match self.signal(page, world) {
                Some(act) => Some(act),
                None => {
                    self.turn += 1;
                    self.turn(page, world, scout)
                }
            },
        };
        let earliest_ms = now_ms + world.params.step_ms;
        self.wake_ms = self
            .wake_ms
            .clamp(earliest_ms, now_ms + PAUSE_MS_MAX.max(world.params.step_ms));
        act
    }

    /// The visit is over: what stays of the person, and after how many ms there is another visit.
    /// Who leaves a cart behind is more likely to be back, and sooner.
    pub fn leave(mut self) -> (Person, Option<u64>) {
        let full = !self.person.visitor.cart.is_empty();
        let mut back = match self.intent {
            _ if self.pages <= 1 => 0.08,
            Intent::Browsing => 0.15,
            _ => 0.28,
        };
        if full || self.orders > 0 {
            back += 0.2;
        }
        let mut rng = self.stream(Purpose::Return);
        let returns = rng.chance(back);
        let median_h = if full { 16.0 } else { 30.0 };
        let wait_h = rng.log_normal(median_h, 1.0).clamp(0.75, 24.0 * 30.0);
        self.person.visitor.earlier_visits += 1;
        self.person.last_intent = (self.orders == 0).then_some(self.intent);
        (
            self.person,
            returns.then_some((wait_h * 3_600_000.0) as u64),
        )
    }

    /// How much of each slot's effect reaches this shopper now.
    pub fn weights(&self) -> Weights {
        let mut weights = [1.0; SLOT_COUNT];
        weights[GRID] = 0.4 + 0.9 * self.attention;
        weights[PROMO] = if self.person.hunter {
            0.0
        } else {
            0.6 + 1.1 * self.person.visitor.thrift
        };
        weights
    }

    /// Whether something that the page has a say in happens; `base` is its chance on a default page.
    pub fn happens(
        &mut self,
        stage: Stage,
        purpose: Purpose,
        base: f64,
        world: &World,
        scout: &mut Option<Box<Scout>>,
    ) -> bool {
        let weights = self.weights();
        let factor = world
            .response
            .factor(self.layout, self.intent, stage, &weights);
        let p = (base * factor * self.person.ease(stage)).min(0.97);
        let happens = self.unit(purpose) < p;
        if stage == Stage::Pay {
            self.expected += p;
        }
        if let Some(scout) = scout {
            let at = Standing {
                phase: self.phase,
                intent: self.intent,
                cart: !self.person.visitor.cart.is_empty(),
            };
            scout.note(&mut self.trail, at, stage, &weights, (p, happens));
        }
        happens
    }

    /// The next thing that the shopper does on the page that is open, if any is left.
    fn signal(&mut self, page: Page, world: &World) -> Option<Act> {
        let habits = self.intent.habits();
        let (kind, value) = if std::mem::take(&mut self.signals.scroll) {
            let spread = 0.22 * self.stream(Purpose::Signal).normal();
            let depth = (habits.depth + spread).clamp(0.03, 1.0);
            (Kind::Scroll, Micros::new((depth * 100.0) as i64 * 10_000))
        } else if std::mem::take(&mut self.signals.click) {
            (Kind::Click, Micros::NONE)
        } else if std::mem::take(&mut self.signals.dwell) {
            let tenths = (self.wake_ms - self.opened_ms) / 100;
            (Kind::Dwell, Micros::new(tenths as i64 * 100_000))
        } else {
            return None;
        };
        self.wait_on_page();
        Some(Act {
            value,
            ..on_page(kind, page, &world.stock)
        })
    }

    /// Sets the time of the next signal, or of the turn.
    pub fn wait_on_page(&mut self) {
        let rest_ms = self.leaves_ms.saturating_sub(self.wake_ms);
        self.wake_ms += if self.signals.scroll || self.signals.click {
            rest_ms * 2 / 5
        } else {
            rest_ms
        };
    }

    /// The page has been looked at: what now?
    fn turn(&mut self, page: Page, world: &World, scout: &mut Option<Box<Scout>>) -> Option<Act> {
        if page == Page::Checkout {
            return self.pay(world, scout);
        }
        if std::mem::take(&mut self.parting) {
            if self.unit(Purpose::Stay) < 0.75 {
                return None;
            }
        } else if self.wants_to_leave(page, world, scout) {
            return self.part(page, world);
        }
        self.drift();
        let habits = self.intent.habits();
        let scale = world.params.purchase_scale;
        if let Page::Item(item) = page {
            if self.wants(item, world, scout) {
                return Some(self.add(item, world));
            }
            let now = self.intent == Intent::Urgent && self.person.visitor.cart.is_empty();
            if now && self.unit(Purpose::BuyNow) < 0.05 * scale {
                return Some(self.buy_now(item, world));
            }
        }
        if page == Page::Cart && !self.person.visitor.cart.is_empty() {
            if self.unit(Purpose::Remove) < habits.remove {
                return Some(self.remove(world));
            }
            let base = habits.checkout * scale;
            if self.happens(Stage::Checkout, Purpose::Checkout, base, world, scout) {
                return Some(self.open(Kind::BeginCheckout, Page::Checkout, world));
            }
        } else if !self.person.visitor.cart.is_empty() && self.unit(Purpose::Cart) < habits.cart {
            return Some(self.open(Kind::ViewCart, Page::Cart, world));
        }
        Some(self.wander(page, world))
    }

    fn wants_to_leave(
        &mut self,
        page: Page,
        world: &World,
        scout: &mut Option<Box<Scout>>,
    ) -> bool {
        if page == Page::Thanks {
            return self.unit(Purpose::Leave) < 0.7;
        }
        let habits = self.intent.habits();
        let base = match self.pages {
            1 => habits.bounce,
            _ => habits.leave / self.person.visitor.patience,
        };
        let changes = self.changes.saturating_sub(CHANGES_BORNE);
        let annoyed = 1.0 + world.params.annoyance * f64::from(changes);
        self.happens(Stage::Leave, Purpose::Leave, base * annoyed, world, scout)
    }

    /// Leaves; some are seen to go, and a few of those think better of it.
    pub fn part(&mut self, page: Page, world: &World) -> Option<Act> {
        let cart = !self.person.visitor.cart.is_empty();
        let doubt = if cart { 0.12 } else { 0.0 };
        if self.unit(Purpose::Exit) >= self.intent.habits().exit + doubt {
            return None;
        }
        self.parting = true;
        self.wake_ms += self.stream(Purpose::Time).between(1_000.0, 9_000.0) as u64;
        Some(on_page(Kind::ExitIntent, page, &world.stock))
    }

    fn drift(&mut self) {
        let mut weights = self.intent.habits().drift;
        if self.person.visitor.cart.is_empty() {
            weights[Intent::Hesitating as usize] = 0.0;
        }
        self.intent = Intent::ALL[self.stream(Purpose::Drift).weighted(&weights)];
    }
}
