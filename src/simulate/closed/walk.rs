//! Where a shopper of the closed-loop shop goes next: landing, lists, items, and how long a page
//! stays open.
//!
//! As in the open-loop shop, but every draw comes from the visit's named streams, and a pick from a
//! list has a row: rows are looked at by Zipf's law, and the attention that the row got is kept for
//! the grid's effect. Cost: a few draws a page.

use super::shopper::{Purpose, ROWS, STAY_SHAPE, Shopper, Signals, World};
use crate::event::Kind;
use crate::simulate::intent::Intent;
use crate::simulate::record::{Act, Page};
use crate::simulate::shopper::on_page;

impl Shopper {
    /// The first page: home, or deep into the shop from an advertisement or a search engine.
    pub fn land(&mut self, world: &World) -> Act {
        let mut rng = self.stream(Purpose::Page);
        if self.intent == Intent::Hesitating && rng.chance(0.4) {
            return self.open(Kind::ViewCart, Page::Cart, world);
        }
        match rng.weighted(&[0.4, 0.25, 0.35]) {
            0 => self.open(Kind::PageView, Page::Home, world),
            1 => self.open_list(Kind::ListView, world),
            _ => self.open_item(Page::Nowhere, world),
        }
    }

    /// Any other page.
    pub fn wander(&mut self, from: Page, world: &World) -> Act {
        let mut rng = self.stream(Purpose::Page);
        match rng.weighted(&self.intent.habits().pages) {
            0 => self.open(Kind::PageView, Page::Home, world),
            1 => self.open(Kind::PageView, Page::Info, world),
            2 => self.open_list(Kind::ListView, world),
            3 => self.open_list(Kind::Search, world),
            5 => match self.person.visitor.recall(&mut rng) {
                Some(item) => self.open(Kind::ItemView, Page::Item(item), world),
                None => self.open_item(from, world),
            },
            _ => self.open_item(from, world),
        }
    }

    /// A list, of the category of interest or of another that becomes it.
    fn open_list(&mut self, kind: Kind, world: &World) -> Act {
        let mut rng = self.stream(Purpose::Item);
        let roams = if self.intent == Intent::Browsing {
            0.6
        } else {
            0.15
        };
        let category = match self.person.visitor.interest {
            Some(category) if !rng.chance(roams) => category,
            _ => world.stock.category(world.stock.pick(&mut rng)),
        };
        self.person.visitor.interest = Some(category);
        let page = match kind {
            Kind::Search => Page::Search(category),
            _ => Page::List(category),
        };
        self.open(kind, page, world)
    }

    /// An item not looked for before; the thrifty take the cheaper of two.
    fn open_item(&mut self, from: Page, world: &World) -> Act {
        let mut rng = self.stream(Purpose::Item);
        let stock = &world.stock;
        // From a search or from outside the shop the grid has had less of a say.
        self.attention = match from {
            Page::Home | Page::List(_) | Page::Item(_) => {
                1.0 / (1.0 + f64::from(rng.zipf(ROWS)) / 3.0)
            }
            _ => 0.3,
        };
        let item = match self.person.visitor.interest {
            Some(category) if rng.chance(0.8) => {
                let item = stock.pick_from(&mut rng, category);
                let other = stock.pick_from(&mut rng, category);
                let cheaper = stock.price(other) < stock.price(item);
                if cheaper && rng.chance(self.person.visitor.thrift) {
                    other
                } else {
                    item
                }
            }
            _ => stock.pick(&mut rng),
        };
        self.person.visitor.interest = Some(stock.category(item));
        self.person.visitor.see(item, &mut rng);
        self.open(Kind::ItemView, Page::Item(item), world)
    }

    /// Opens a page: decides how long it stays open and what is done on it.
    pub fn open(&mut self, kind: Kind, page: Page, world: &World) -> Act {
        let habits = self.intent.habits();
        let mut rng = self.stream(Purpose::Time);
        let mut stay_s = 1.0 + rng.weibull(habits.stay_s, STAY_SHAPE);
        if rng.chance(0.012) {
            // Called away: the page stays open meanwhile.
            stay_s += rng.log_normal(240.0, 1.0);
        }
        let busy = matches!(page, Page::Checkout | Page::Thanks);
        self.signals = Signals {
            scroll: !busy && rng.chance(habits.scroll),
            click: !busy && rng.chance(habits.click),
            dwell: rng.chance(habits.dwell),
        };
        self.page = Some(page);
        self.pages += 1;
        self.opened_ms = self.wake_ms;
        self.leaves_ms = self.wake_ms + (stay_s.min(1_200.0) * 1_000.0) as u64;
        self.wait_on_page();
        on_page(kind, page, &world.stock)
    }
}
