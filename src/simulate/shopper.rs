//! One shopper's visit: pages opened, looked at and left, as the hidden intent moves.
//!
//! A visit is a chain of pages. On a page the shopper may scroll, click and let the time be
//! reported; at its end comes a *turn*: leave, put the item into the cart, look into the cart, go to
//! the checkout, pay, or open another page, all by the habits of the current intent. Times on a
//! page are Weibull with shape below 1 (Liu, White and Dumais 2010, SIGIR: most pages are left
//! early or read long); patience is log-normal between shoppers, which gives the lengths of visits
//! their heavy tail (cf. Huberman, Pirolli, Pitkow and Lukose 1998, Science 280).
//!
//! Invariant: a removed item was in the cart; an order is worth the cart and empties it.
//! Cost: a few draws an event; some 250 bytes an open visit.

use super::ShopParams;
use super::catalogue::{Catalogue, ItemNo};
use super::intent::{BEGINNINGS, Intent};
use super::record::{Act, Page};
use super::visitor::{CartLine, Visitor};
use crate::event::{Kind, Micros};
use crate::rng::Rng;

/// Most events of one visit; whoever gets there is shown the door.
const EVENTS_MAX: u32 = 2_000;
/// Shape of the time on a page.
const STAY_SHAPE: f64 = 0.75;

/// What a shopper will still do on the page that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Signals {
    scroll: bool,
    click: bool,
    dwell: bool,
}

/// A visit that is going on.
#[derive(Clone, Debug)]
pub(super) struct Shopper {
    /// When the shopper acts next; ms since 1970.
    pub wake_ms: u64,
    /// The hidden intent.
    pub intent: Intent,
    me: Visitor,
    rng: Rng,
    page: Option<Page>,
    opened_ms: u64,
    leaves_ms: u64,
    signals: Signals,
    pages: u32,
    events: u32,
    parting: bool,
    bought: bool,
    /// An item that is on its way through the checkout without ever being in the cart.
    buying: Option<ItemNo>,
}

impl Shopper {
    /// Somebody enters at `now_ms`.
    pub fn enter(me: Visitor, mut rng: Rng, now_ms: u64) -> Shopper {
        let mut weights = match (me.earlier_visits, me.cart.is_empty()) {
            (0, _) => BEGINNINGS.fresh,
            (_, true) => BEGINNINGS.back,
            (_, false) => BEGINNINGS.back_to_cart,
        };
        let keen = libm::exp(0.5 * me.appetite);
        weights[Intent::Comparing as usize] *= keen;
        weights[Intent::Urgent as usize] *= keen;
        Shopper {
            wake_ms: now_ms,
            intent: Intent::ALL[rng.weighted(&weights)],
            me,
            rng,
            page: None,
            opened_ms: now_ms,
            leaves_ms: now_ms,
            signals: Signals::default(),
            pages: 0,
            events: 0,
            parting: false,
            bought: false,
            buying: None,
        }
    }

    /// Who it is.
    pub fn me(&self) -> &Visitor {
        &self.me
    }

    /// What the shopper does at `wake_ms`, and when next; nothing more if the visit is over.
    pub fn act(&mut self, stock: &Catalogue, params: &ShopParams) -> Option<Act> {
        self.events += 1;
        if self.events > EVENTS_MAX {
            return None;
        }
        let Some(page) = self.page else {
            return Some(self.land(stock));
        };
        self.signal(page, stock)
            .or_else(|| self.turn(page, stock, params))
    }

    /// The visit is over: what stays of the visitor, and after how many ms there is another visit.
    pub fn leave(mut self) -> (Visitor, Option<u64>) {
        let full = !self.me.cart.is_empty();
        let mut back = match self.intent {
            _ if self.pages <= 1 => 0.08,
            Intent::Browsing => 0.15,
            _ => 0.28,
        };
        if full || self.bought {
            back += 0.2;
        }
        let median_h = if full { 9.0 } else { 24.0 };
        let wait_h = self.rng.log_normal(median_h, 1.2).clamp(0.75, 24.0 * 30.0);
        self.me.earlier_visits += 1;
        let returns = self.rng.chance(back);
        (self.me, returns.then_some((wait_h * 3_600_000.0) as u64))
    }

    /// The next thing that the shopper does on the page that is open, if any is left.
    fn signal(&mut self, page: Page, stock: &Catalogue) -> Option<Act> {
        let habits = self.intent.habits();
        let (kind, value) = if std::mem::take(&mut self.signals.scroll) {
            let depth = (habits.depth + 0.22 * self.rng.normal()).clamp(0.03, 1.0);
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
            ..on_page(kind, page, stock)
        })
    }

    /// Sets the time of the next signal, or of the turn.
    fn wait_on_page(&mut self) {
        let rest_ms = self.leaves_ms.saturating_sub(self.wake_ms);
        self.wake_ms += if self.signals.scroll || self.signals.click {
            (rest_ms as f64 * self.rng.between(0.1, 0.7)) as u64
        } else {
            rest_ms.max(30)
        };
    }

    /// The page has been looked at: what now?
    fn turn(&mut self, page: Page, stock: &Catalogue, params: &ShopParams) -> Option<Act> {
        if page == Page::Checkout {
            return self.pay(stock, params);
        }
        if std::mem::take(&mut self.parting) {
            if self.rng.chance(0.75) {
                return None;
            }
        } else if self.wants_to_leave(page) {
            return self.part(page, stock);
        }
        self.drift();
        let habits = self.intent.habits();
        if let Page::Item(item) = page {
            if self.wants(item, stock, params) {
                return Some(self.add(item, stock));
            }
            let now = self.intent == Intent::Urgent && self.me.cart.is_empty();
            if now && self.rng.chance(0.05 * params.purchase_scale) {
                return Some(self.buy_now(item, stock));
            }
        }
        if page == Page::Cart && !self.me.cart.is_empty() {
            if self.rng.chance(habits.remove) {
                return Some(self.remove(stock));
            }
            if self.rng.chance(habits.checkout * params.purchase_scale) {
                return Some(self.open(Kind::BeginCheckout, Page::Checkout, stock));
            }
        } else if !self.me.cart.is_empty() && self.rng.chance(habits.cart) {
            return Some(self.open(Kind::ViewCart, Page::Cart, stock));
        }
        Some(self.wander(stock))
    }

    fn wants_to_leave(&mut self, page: Page) -> bool {
        let habits = self.intent.habits();
        let leave = match page {
            Page::Thanks => 0.7,
            _ if self.pages == 1 => habits.bounce,
            _ => habits.leave / self.me.patience,
        };
        self.rng.chance(leave)
    }

    /// Leaves; some are seen to go, and a few of those think better of it.
    fn part(&mut self, page: Page, stock: &Catalogue) -> Option<Act> {
        let doubt = if self.me.cart.is_empty() { 0.0 } else { 0.12 };
        if !self.rng.chance(self.intent.habits().exit + doubt) {
            return None;
        }
        self.parting = true;
        self.wake_ms += self.rng.between(800.0, 9_000.0) as u64;
        Some(on_page(Kind::ExitIntent, page, stock))
    }

    fn drift(&mut self) {
        let mut weights = self.intent.habits().drift;
        if self.me.cart.is_empty() {
            weights[Intent::Hesitating as usize] = 0.0;
        }
        self.intent = Intent::ALL[self.rng.weighted(&weights)];
    }

    /// Whether the item goes into the cart: intent, appetite, and its price for the thrifty.
    fn wants(&mut self, item: ItemNo, stock: &Catalogue, params: &ShopParams) -> bool {
        let deterred = -1.2 * self.me.thrift * stock.dearness(item);
        let liking = libm::exp(deterred + 0.3 * self.me.appetite).min(2.0);
        let wish = self.intent.habits().add * liking * params.cart_scale;
        self.rng.chance(wish) && self.me.has_room_for(item)
    }

    fn add(&mut self, item: ItemNo, stock: &Catalogue) -> Act {
        let units = [1, 2, 3][self.rng.weighted(&[0.86, 0.10, 0.04])];
        self.me.cart.push(CartLine { item, units });
        if self.intent != Intent::Urgent && self.rng.chance(0.5) {
            self.intent = Intent::Hesitating;
        }
        self.wake_ms += self.rng.between(1_500.0, 9_000.0) as u64;
        Act {
            quantity: units,
            ..on_page(Kind::AddToCart, Page::Item(item), stock)
        }
    }

    fn remove(&mut self, stock: &Catalogue) -> Act {
        let index = self.rng.below(self.me.cart.len() as u32) as usize;
        let line = self.me.cart.swap_remove(index);
        self.wake_ms += self.rng.between(1_500.0, 9_000.0) as u64;
        Act {
            item: Some(line.item),
            category: Some(stock.category(line.item)),
            price: stock.price(line.item),
            quantity: line.units,
            ..Act::new(Kind::RemoveFromCart, Page::Cart)
        }
    }

    /// Straight to the checkout with an item, past the empty cart.
    fn buy_now(&mut self, item: ItemNo, stock: &Catalogue) -> Act {
        self.buying = Some(item);
        Act {
            item: Some(item),
            category: Some(stock.category(item)),
            price: stock.price(item),
            quantity: 1,
            ..self.open(Kind::BeginCheckout, Page::Checkout, stock)
        }
    }

    /// The end of the checkout: an order, or second thoughts.
    fn pay(&mut self, stock: &Catalogue, params: &ShopParams) -> Option<Act> {
        let keen = libm::exp(0.25 * self.me.appetite);
        let pay = self.intent.habits().pay * keen * params.purchase_scale;
        let buying = self.buying.take();
        if !self.rng.chance(pay) {
            self.intent = Intent::Hesitating;
            if self.rng.chance(0.5) {
                self.page = Some(Page::Cart);
                return self.part(Page::Checkout, stock);
            }
            return Some(self.open(Kind::ViewCart, Page::Cart, stock));
        }
        let cart = match buying {
            Some(item) => vec![CartLine { item, units: 1 }],
            None => std::mem::take(&mut self.me.cart),
        };
        let worth = cart.iter().map(|line| {
            let price = stock.price(line.item).get().unwrap_or(0);
            price * i64::from(line.units)
        });
        let mut act = Act {
            value: Micros::new(worth.sum()),
            quantity: cart.iter().map(|line| line.units).sum(),
            ..self.open(Kind::Purchase, Page::Thanks, stock)
        };
        if let [line] = cart[..] {
            act.item = Some(line.item);
            act.category = Some(stock.category(line.item));
            act.price = stock.price(line.item);
        }
        self.bought = true;
        self.intent = Intent::Browsing;
        Some(act)
    }

    /// The first page: home, or deep into the shop from an advertisement or a search engine.
    fn land(&mut self, stock: &Catalogue) -> Act {
        let doubting = self.intent == Intent::Hesitating;
        if doubting && self.rng.chance(0.4) {
            return self.open(Kind::ViewCart, Page::Cart, stock);
        }
        match self.rng.weighted(&[0.4, 0.25, 0.35]) {
            0 => self.open(Kind::PageView, Page::Home, stock),
            1 => self.open_list(Kind::ListView, stock),
            _ => self.open_item(stock),
        }
    }

    /// Any other page.
    fn wander(&mut self, stock: &Catalogue) -> Act {
        match self.rng.weighted(&self.intent.habits().pages) {
            0 => self.open(Kind::PageView, Page::Home, stock),
            1 => self.open(Kind::PageView, Page::Info, stock),
            2 => self.open_list(Kind::ListView, stock),
            3 => self.open_list(Kind::Search, stock),
            5 => match self.me.recall(&mut self.rng) {
                Some(item) => self.open(Kind::ItemView, Page::Item(item), stock),
                None => self.open_item(stock),
            },
            _ => self.open_item(stock),
        }
    }

    /// A list, of the category of interest or of another that becomes it.
    fn open_list(&mut self, kind: Kind, stock: &Catalogue) -> Act {
        let roams = if self.intent == Intent::Browsing {
            0.6
        } else {
            0.15
        };
        let category = match self.me.interest {
            Some(category) if !self.rng.chance(roams) => category,
            _ => stock.category(stock.pick(&mut self.rng)),
        };
        self.me.interest = Some(category);
        let page = match kind {
            Kind::Search => Page::Search(category),
            _ => Page::List(category),
        };
        self.open(kind, page, stock)
    }

    /// An item not looked for before; the thrifty take the cheaper of two.
    fn open_item(&mut self, stock: &Catalogue) -> Act {
        let item = match self.me.interest {
            Some(category) if self.rng.chance(0.8) => {
                let item = stock.pick_from(&mut self.rng, category);
                let other = stock.pick_from(&mut self.rng, category);
                let cheaper = stock.price(other) < stock.price(item);
                if cheaper && self.rng.chance(self.me.thrift) {
                    other
                } else {
                    item
                }
            }
            _ => stock.pick(&mut self.rng),
        };
        self.me.interest = Some(stock.category(item));
        self.me.see(item, &mut self.rng);
        self.open(Kind::ItemView, Page::Item(item), stock)
    }

    /// Opens a page: decides how long it stays open and what is done on it.
    fn open(&mut self, kind: Kind, page: Page, stock: &Catalogue) -> Act {
        let habits = self.intent.habits();
        let mut stay_s = 0.8 + self.rng.weibull(habits.stay_s, STAY_SHAPE);
        if self.rng.chance(0.012) {
            // Called away: the page stays open meanwhile.
            stay_s += self.rng.log_normal(240.0, 1.0);
        }
        let busy = matches!(page, Page::Checkout | Page::Thanks);
        self.signals = Signals {
            scroll: !busy && self.rng.chance(habits.scroll),
            click: !busy && self.rng.chance(habits.click),
            dwell: self.rng.chance(habits.dwell),
        };
        self.page = Some(page);
        self.pages += 1;
        self.opened_ms = self.wake_ms;
        self.leaves_ms = self.wake_ms + (stay_s.min(36_000.0) * 1_000.0) as u64;
        self.wait_on_page();
        on_page(kind, page, stock)
    }
}

/// An act on a page, with the item or the category that the page shows.
pub(super) fn on_page(kind: Kind, page: Page, stock: &Catalogue) -> Act {
    let mut act = Act::new(kind, page);
    match page {
        Page::Item(item) => {
            act.item = Some(item);
            act.category = Some(stock.category(item));
            act.price = stock.price(item);
        }
        Page::List(category) | Page::Search(category) => act.category = Some(category),
        _ => {}
    }
    act
}
