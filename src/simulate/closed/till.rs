//! Carts and orders of the closed-loop shop: what goes in, what comes out, and what is paid.
//!
//! Invariant: a removed item was in the cart; an order is worth the cart less the promotion on show,
//! and empties it. Cost: a few draws an act.

use super::page::{PROMO, PROMO_COST};
use super::response::Stage;
use super::scout::Scout;
use super::shopper::{Purpose, Shopper, World};
use crate::event::{Kind, Micros};
use crate::simulate::catalogue::ItemNo;
use crate::simulate::intent::Intent;
use crate::simulate::record::{Act, Page};
use crate::simulate::shopper::on_page;
use crate::simulate::visitor::CartLine;

/// Money of one order, in millionths of the currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// What was paid.
    pub paid: i64,
    /// What a promotion took off.
    pub discount: i64,
}

impl Shopper {
    /// Whether the item goes into the cart: intent, appetite, and its price for the thrifty.
    pub fn wants(&mut self, item: ItemNo, world: &World, scout: &mut Option<Box<Scout>>) -> bool {
        let me = &self.person.visitor;
        let deterred = -1.2 * me.thrift * world.stock.dearness(item);
        let liking = libm::exp(deterred + 0.3 * me.appetite).min(2.0);
        let has_room = me.has_room_for(item);
        let base = self.intent.habits().add * liking * world.params.cart_scale;
        has_room && self.happens(Stage::Add, Purpose::Add, base, world, scout)
    }

    pub fn add(&mut self, item: ItemNo, world: &World) -> Act {
        let mut rng = self.stream(Purpose::Doubt);
        let units = [1, 2, 3][rng.weighted(&[0.86, 0.10, 0.04])];
        self.person.visitor.cart.push(CartLine { item, units });
        if self.intent != Intent::Urgent && rng.chance(0.5) {
            self.intent = Intent::Hesitating;
        }
        self.wake_ms += self.stream(Purpose::Time).between(1_500.0, 9_000.0) as u64;
        Act {
            quantity: units,
            ..on_page(Kind::AddToCart, Page::Item(item), &world.stock)
        }
    }

    pub fn remove(&mut self, world: &World) -> Act {
        let mut rng = self.stream(Purpose::Item);
        let cart = &mut self.person.visitor.cart;
        let line = cart.swap_remove(rng.below(cart.len() as u32) as usize);
        self.wake_ms += self.stream(Purpose::Time).between(1_500.0, 9_000.0) as u64;
        Act {
            item: Some(line.item),
            category: Some(world.stock.category(line.item)),
            price: world.stock.price(line.item),
            quantity: line.units,
            ..Act::new(Kind::RemoveFromCart, Page::Cart)
        }
    }

    /// Straight to the checkout with an item, past the empty cart.
    pub fn buy_now(&mut self, item: ItemNo, world: &World) -> Act {
        self.buying = Some(item);
        Act {
            item: Some(item),
            category: Some(world.stock.category(item)),
            price: world.stock.price(item),
            quantity: 1,
            ..self.open(Kind::BeginCheckout, Page::Checkout, world)
        }
    }

    /// The end of the checkout: an order, or second thoughts.
    pub fn pay(&mut self, world: &World, scout: &mut Option<Box<Scout>>) -> Option<Act> {
        let keen = libm::exp(0.25 * self.person.visitor.appetite);
        let base = self.intent.habits().pay * keen * world.params.purchase_scale;
        let buying = self.buying.take();
        if !self.happens(Stage::Pay, Purpose::Pay, base, world, scout) {
            self.intent = Intent::Hesitating;
            if self.unit(Purpose::Doubt) < 0.5 {
                self.page = Some(Page::Cart);
                return self.part(Page::Checkout, world);
            }
            return Some(self.open(Kind::ViewCart, Page::Cart, world));
        }
        let cart = match buying {
            Some(item) => vec![CartLine { item, units: 1 }],
            None => std::mem::take(&mut self.person.visitor.cart),
        };
        Some(self.order(&cart, world))
    }

    /// Places the order, less what the promotion on show takes off.
    fn order(&mut self, cart: &[CartLine], world: &World) -> Act {
        let worth = cart.iter().map(|line| {
            let price = world.stock.price(line.item).get().unwrap_or(0);
            price * i64::from(line.units)
        });
        let worth: i64 = worth.sum();
        // Whole cents.
        let off = PROMO_COST[usize::from(self.layout[PROMO])];
        let discount = (worth as f64 * off / 10_000.0) as i64 * 10_000;
        self.order = Order {
            paid: worth - discount,
            discount,
        };
        let mut act = Act {
            value: Micros::new(self.order.paid),
            quantity: cart.iter().map(|line| line.units).sum(),
            ..self.open(Kind::Purchase, Page::Thanks, world)
        };
        if let [line] = cart {
            act.item = Some(line.item);
            act.category = Some(world.stock.category(line.item));
            act.price = world.stock.price(line.item);
        }
        self.orders += 1;
        self.intent = Intent::Browsing;
        act
    }
}
