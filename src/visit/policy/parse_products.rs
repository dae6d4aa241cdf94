//! `products` and `ranker` of a policy's TOML: what a slot's lists of products look like.

use super::super::products::list::{ListSpec, PRODUCTS_MAX, Target};
use super::super::rank::Ranker;
use super::parse::{PolicyError, Reader};
use super::tables::{ArmTable, ProductsTable, TargetTable};
use crate::event::Id;
use crate::suggest;
use toml::Spanned;

/// Names of what a list may leave out.
const EXCLUDED: [&str; 3] = ["bought", "cart", "viewed"];
/// Most items and categories that a list may boost or bury.
const TARGETS_MAX: usize = 256;

impl Reader<'_> {
    /// A slot's `products`.
    pub(super) fn products(&self, table: &ProductsTable) -> Result<ListSpec, PolicyError> {
        let mut spec = ListSpec {
            count: self.whole(&table.count, 12, 1..PRODUCTS_MAX as u64 + 1)? as usize,
            no_bought: table.exclude.is_none(),
            per_category: self.whole(&table.per_category, 0, 0..PRODUCTS_MAX as u64 + 1)? as usize,
            margin_min_ppm: i64::from(self.share_ppm(&table.margin_min, 0.0)?),
            ..ListSpec::default()
        };
        for pin in &table.pin {
            let (name, item) = (pin.get_ref(), Id::of(pin.get_ref().as_bytes()));
            if spec.pin.contains(&item) {
                return Err(self.error(pin.span(), format!("`{name}` is pinned twice")));
            }
            if spec.pin.len() == spec.count {
                let what = format!("a list of {} has no room for this pin", spec.count);
                return Err(self.error(pin.span(), what));
            }
            spec.pin.push(item);
        }
        for name in table.exclude.iter().flatten() {
            match name.get_ref().as_str() {
                "bought" => spec.no_bought = true,
                "cart" => spec.no_cart = true,
                "viewed" => spec.no_viewed = true,
                other => {
                    let hint = suggest::hint(other, EXCLUDED);
                    let all = EXCLUDED.join(", ");
                    let what = format!("`{other}` cannot be excluded; it is one of {all}{hint}");
                    return Err(self.error(name.span(), what));
                }
            }
        }
        for boost in &table.boost {
            let places = boost.get_ref().places;
            let Some(places) = places.filter(|places| (1..=1_000).contains(places)) else {
                let what = "a boost needs `places`, 1 to 1000: how far up it moves".into();
                return Err(self.error(boost.span(), what));
            };
            spec.boost.push((self.target(boost)?, places));
        }
        for bury in &table.bury {
            if bury.get_ref().places.is_some() {
                let what = "what is buried comes last: it takes no `places`".into();
                return Err(self.error(bury.span(), what));
            }
            let target = self.target(bury)?;
            if let Target::Item(item) = target
                && spec.pin.contains(&item)
            {
                let what = "this item is pinned, too: it cannot come first and last".into();
                return Err(self.error(bury.span(), what));
            }
            spec.bury.push(target);
        }
        let targets = [spec.boost.len(), spec.bury.len()];
        if let Some(count) = targets.into_iter().find(|count| *count > TARGETS_MAX) {
            let what =
                format!("{count} items boosted or buried; at most {TARGETS_MAX} are possible");
            return Err(self.error(0..0, what));
        }
        Ok(spec)
    }

    fn target(&self, table: &Spanned<TargetTable>) -> Result<Target, PolicyError> {
        let given = table.get_ref();
        match (&given.item, &given.category) {
            (Some(item), None) => Ok(Target::Item(Id::of(item.as_bytes()))),
            (None, Some(category)) => Ok(Target::Category(Id::of(category.as_bytes()))),
            _ => {
                let what = "name one: { item = \"…\" } or { category = \"…\" }".into();
                Err(self.error(table.span(), what))
            }
        }
    }

    /// An arm's `ranker`, which arms of a slot with `products` have, and no others.
    pub(super) fn ranker(
        &self,
        table: &ArmTable,
        shows_products: bool,
    ) -> Result<Option<Ranker>, PolicyError> {
        let name = table.name.get_ref();
        match (&table.ranker, shows_products) {
            (None, false) => Ok(None),
            (None, true) => {
                let all = Ranker::ALL.map(|(_, name)| name).join(", ");
                let what = format!("arm `{name}` of a slot with products needs a ranker: {all}");
                Err(self.error(table.name.span(), what))
            }
            (Some(ranker), false) => {
                let what = format!("arm `{name}` has a ranker, but its slot has no `products`");
                Err(self.error(ranker.span(), what))
            }
            (Some(ranker), true) => {
                let given = ranker.get_ref();
                let names = Ranker::ALL.map(|(_, name)| name);
                Ranker::named(given).map(Some).ok_or_else(|| {
                    let (all, hint) = (names.join(", "), suggest::hint(given, names));
                    let what = format!("`{given}` is not a ranker; it is one of {all}{hint}");
                    self.error(ranker.span(), what)
                })
            }
        }
    }
}
