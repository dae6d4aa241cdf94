//! What each ranker proposes for a visit: numbers of the catalogue, best first.
//!
//! Proposals know nothing of what may be shown; a list is made of them in [`super::list`]. Of items that
//! tie in a blend, the one that the catalogue named first comes first. Items are known by their ids until
//! here: of those that have not been stated by now nothing is proposed, whoever will hear of them later.
//!
//! Cost: what the ranker costs; for a blend, that of all its parts and a sort of some hundred items.

use super::super::rank::blend::Fusion;
use super::super::rank::recommender::{IndexSpec, PROPOSED_MAX, Recommender};
use super::super::rank::{Ranker, Scored, Scratch};
use super::shelf::Shelf;
use crate::event::Id;

/// What proposals are made from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What is on sale.
    pub shelf: &'a Shelf,
    /// What was learned from other visits, where any arm wants it.
    pub learned: Option<(&'a IndexSpec, &'a Recommender)>,
}

/// Room that proposals need for a while.
#[derive(Debug, Default)]
pub struct Room {
    scratch: Scratch,
    scored: Vec<Scored>,
}

impl<'a> Sources<'a> {
    /// Says what a ranker proposes to a visit, latest item last, until the taker has enough.
    pub fn propose(
        &self,
        ranker: Ranker,
        trail: &[Id],
        room: &mut Room,
        mut take: impl FnMut(u32) -> bool,
    ) {
        // Whoever has enough says so, and nothing more is made.
        let mut all = |numbers: &mut dyn Iterator<Item = u32>| {
            while numbers.next().is_some_and(&mut take) {}
        };
        let learned = self.learned.map(|(_, recommender)| recommender);
        match (ranker, learned) {
            (Ranker::PriceMatch, _) => all(&mut self.like_in_price(trail)),
            (Ranker::Trending, Some(known)) => {
                let items = known.trending().iter();
                all(&mut items.filter_map(|item| self.shelf.number(*item)));
            }
            (Ranker::AssociationRules | Ranker::SequentialRules, Some(known)) => {
                let items = known.rules(ranker, trail);
                all(&mut items.filter_map(|item| self.shelf.number(item)));
            }
            (Ranker::SessionKnn, Some(known)) => {
                known.neighbours(trail, &mut room.scratch, &mut room.scored);
                let found = room.scored.iter();
                all(&mut found.filter_map(|one| self.shelf.number(one.item)));
            }
            (Ranker::Blend, Some(_)) => all(&mut self.blend(trail, room).into_iter()),
            _ => {}
        }
    }

    /// Products of the category of the item touched last, those nearest to it in price first.
    fn like_in_price(&self, trail: &[Id]) -> impl Iterator<Item = u32> + 'a {
        let shelf = self.shelf;
        let focus = in_view(trail, shelf);
        let found = focus.and_then(|number| Some((number, shelf.product(number)?)));
        let priced = found.filter(|(_, product)| product.price > 0);
        let nearest = priced.map(|(focus, product)| {
            let like = shelf.by_price(product.category);
            Nearest::to(like, product.price, shelf).filter(move |number| *number != focus)
        });
        nearest.into_iter().flatten()
    }

    fn blend(&self, trail: &[Id], room: &mut Room) -> Vec<u32> {
        let parts = self.learned.map_or(&[][..], |(spec, _)| &spec.blend);
        let mut fusion = Fusion::default();
        for &(ranker, weight_ppm) in parts {
            let mut proposed = Vec::with_capacity(PROPOSED_MAX);
            self.propose(ranker, trail, room, |number| {
                if !proposed.contains(&number) {
                    proposed.push(number);
                }
                proposed.len() < PROPOSED_MAX
            });
            fusion.add(proposed.into_iter(), weight_ppm);
        }
        let fused = fusion.finish().into_iter();
        fused.map(|(number, _)| number).collect()
    }
}

/// The number of the item touched last, of those that the shop knows.
fn in_view(trail: &[Id], shelf: &Shelf) -> Option<u32> {
    trail.iter().rev().find_map(|item| shelf.number(*item))
}

/// The category of that item, whose prices `price_match` goes by.
pub fn category_in_view(trail: &[Id], shelf: &Shelf) -> Option<Id> {
    let product = shelf.product(in_view(trail, shelf)?);
    product.map(|product| product.category)
}

/// Items by how near their price is to a price, from items sorted by price; the cheaper of two that
/// are as near comes first.
struct Nearest<'a> {
    below: &'a [u32],
    above: &'a [u32],
    price: i64,
    shelf: &'a Shelf,
}

impl<'a> Nearest<'a> {
    fn to(sorted: &'a [u32], price: i64, shelf: &'a Shelf) -> Nearest<'a> {
        let cheaper = |number: &u32| shelf.product(*number).is_some_and(|p| p.price < price);
        let (below, above) = sorted.split_at(sorted.partition_point(cheaper));
        Nearest {
            below,
            above,
            price,
            shelf,
        }
    }

    fn away(&self, number: Option<&u32>) -> Option<u64> {
        let product = self.shelf.product(*number?)?;
        Some(product.price.abs_diff(self.price))
    }
}

impl Iterator for Nearest<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (below, above) = (self.away(self.below.last()), self.away(self.above.first()));
        let cheaper = match (below, above) {
            (Some(below), Some(above)) => below <= above,
            (below, None) => below.is_some(),
            (None, Some(_)) => false,
        };
        if cheaper {
            let (last, rest) = self.below.split_last()?;
            self.below = rest;
            return Some(*last);
        }
        let (first, rest) = self.above.split_first()?;
        self.above = rest;
        Some(*first)
    }
}
