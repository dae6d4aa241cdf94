//! The page of the closed-loop shop: four slots with their arms, and how a policy's names map to
//! them.
//!
//! A policy may name its slots and arms in any order and leave some out; a slot that it leaves out
//! shows its default, and slots that the shop does not have (a scout, say) change nothing. An arm
//! that a known slot does not have is an error, because nobody knows how shoppers would take it.
//!
//! Invariant: a [`Layout`] holds arms that exist. Cost: a table look-up a slot.

use crate::suggest;
use crate::visit::decision::PerSlot;
use crate::visit::policy::Policy;

/// Slots of the shop's page.
pub const SLOT_COUNT: usize = 4;
/// Most arms of one slot.
pub const ARM_COUNT_MAX: usize = 4;
/// Layouts that there are: the product of the slots' numbers of arms.
pub const LAYOUT_COUNT: usize = 4 * 4 * 3 * 3;

/// The arm of each slot, by the shop's own numbers.
pub type Layout = [u8; SLOT_COUNT];

/// A slot of the shop's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSlot {
    /// Its name.
    pub name: &'static str,
    /// Its arms; the first is the default.
    pub arms: &'static [&'static str],
}

/// The banner's place among the slots.
pub const BANNER: usize = 0;
/// The grid's.
pub const GRID: usize = 1;
/// The promotion's.
pub const PROMO: usize = 2;
/// The call to action's.
pub const CTA: usize = 3;

/// The slots, in the order of a [`Layout`].
pub const SLOTS: [PageSlot; SLOT_COUNT] = [
    PageSlot {
        name: "banner",
        arms: &["brand", "new_arrivals", "category_guide", "basket_reminder"],
    },
    PageSlot {
        name: "grid",
        arms: &[
            "popular",
            "similar_items",
            "recently_viewed",
            "cart_complements",
        ],
    },
    PageSlot {
        name: "promo",
        arms: &["none", "free_shipping", "cart_discount"],
    },
    PageSlot {
        name: "cta",
        arms: &["add_to_cart", "compare", "checkout"],
    },
];

/// What a promotion takes off the worth of an order, as a share of it; by the promotion's arm.
pub const PROMO_COST: [f64; 3] = [0.0, 0.05, 0.12];

/// Every layout of the page, counted up from the last slot.
pub fn layouts() -> impl Iterator<Item = Layout> {
    (0..LAYOUT_COUNT).map(|mut code| {
        let mut layout = [0; SLOT_COUNT];
        for (arm, slot) in layout.iter_mut().zip(&SLOTS).rev() {
            *arm = (code % slot.arms.len()) as u8;
            code /= slot.arms.len();
        }
        layout
    })
}

/// How a policy's slots and arms map to the shop's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageMap {
    /// For each slot of the policy, the shop's slot and the shop's arm of each of its arms.
    slots: Vec<Option<(usize, Vec<u8>)>>,
    /// What a visit is shown before anything is decided.
    start: Layout,
}

impl PageMap {
    /// The map of a policy.
    ///
    /// # Errors
    /// A sentence that names the first arm that the shop does not have, or says that the policy
    /// has none of the shop's slots.
    pub fn of(policy: &Policy) -> Result<PageMap, String> {
        let mut start = [0; SLOT_COUNT];
        let mut slots = Vec::with_capacity(policy.slots.len());
        for slot in &policy.slots {
            let Some(place) = SLOTS.iter().position(|known| known.name == slot.name) else {
                slots.push(None);
                continue;
            };
            let names = slot.arms.iter().map(|arm| arm.name.as_str());
            let arms = names.map(|name| arm_of(place, name));
            let arms = arms.collect::<Result<Vec<u8>, String>>()?;
            start[place] = arms[slot.default];
            slots.push(Some((place, arms)));
        }
        if slots.iter().all(Option::is_none) {
            let known: Vec<&str> = SLOTS.iter().map(|slot| slot.name).collect();
            return Err(format!(
                "the policy has none of the slots of the closed-loop shop: {}",
                known.join(", ")
            ));
        }
        Ok(PageMap { slots, start })
    }

    /// The map of a policy that has the shop's own slots and arms in the shop's own order.
    pub fn own() -> PageMap {
        let arms = |slot: &PageSlot| (0..slot.arms.len() as u8).collect();
        let slots = SLOTS.iter().enumerate();
        PageMap {
            slots: slots
                .map(|(place, slot)| Some((place, arms(slot))))
                .collect(),
            start: [0; SLOT_COUNT],
        }
    }

    /// What a visit is shown before anything is decided.
    pub fn start(&self) -> Layout {
        self.start
    }

    /// The shop's layout of a policy's; an arm that the policy does not have leaves the start's.
    #[inline]
    pub fn layout(&self, shown: &PerSlot<u8>) -> Layout {
        let mut layout = self.start;
        for (slot, &arm) in self.slots.iter().zip(shown) {
            if let Some((place, arms)) = slot
                && let Some(&arm) = arms.get(usize::from(arm))
            {
                layout[*place] = arm;
            }
        }
        layout
    }
}

fn arm_of(slot: usize, name: &str) -> Result<u8, String> {
    let arms = SLOTS[slot].arms;
    match arms.iter().position(|arm| *arm == name) {
        Some(arm) => Ok(arm as u8),
        None => Err(format!(
            "slot `{}` of the closed-loop shop has no arm `{name}`; it has {}{}",
            SLOTS[slot].name,
            arms.join(", "),
            suggest::hint(name, arms.iter().copied())
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Result<PageMap, String> {
        PageMap::of(&Policy::read(text).unwrap())
    }

    #[test]
    fn layouts_are_all_different() {
        let mut all: Vec<Layout> = layouts().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), LAYOUT_COUNT);
        for layout in all {
            let exists = |(arm, slot): (&u8, &PageSlot)| usize::from(*arm) < slot.arms.len();
            assert!(layout.iter().zip(&SLOTS).all(exists));
        }
    }

    #[test]
    fn names_are_mapped_in_any_order_and_unknown_slots_change_nothing() {
        let map = map(r#"
            version = 1
            [[slot]]
            name = "scout"
            default = "a"
            arm = [{ name = "a" }, { name = "b" }]
            rule = [{ arm = "b", gain = 0.1 }]
            [[slot]]
            name = "cta"
            default = "checkout"
            arm = [{ name = "compare" }, { name = "checkout" }]
            rule = [{ arm = "compare", gain = 0.1 }]
            [[slot]]
            name = "banner"
            default = "brand"
            arm = [{ name = "brand" }, { name = "basket_reminder" }]
            rule = [{ arm = "basket_reminder", gain = 0.1 }]
        "#)
        .unwrap();
        assert_eq!(map.start(), [0, 0, 0, 2]);
        assert_eq!(map.layout(&[1, 0, 1, 0, 0, 0, 0, 0]), [3, 0, 0, 1]);
        assert_eq!(map.layout(&[0, 9, 0, 0, 0, 0, 0, 0]), [0, 0, 0, 2]);
    }

    #[test]
    fn an_unknown_arm_is_refused_with_its_neighbours() {
        let error = map(r#"
            version = 1
            [[slot]]
            name = "promo"
            default = "none"
            arm = [{ name = "none" }, { name = "free_shiping" }]
            rule = [{ arm = "free_shiping", gain = 0.1 }]
        "#)
        .unwrap_err();
        assert!(error.contains("`free_shiping`") && error.contains("did you mean `free_shipping`"));
        let error = map(r#"
            version = 1
            [[slot]]
            name = "other"
            default = "a"
            arm = [{ name = "a" }]
        "#)
        .unwrap_err();
        assert!(error.contains("banner, grid, promo, cta"), "{error}");
    }
}
