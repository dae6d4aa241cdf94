//! The parameters of the simulated shop, their defaults and their limits.

/// What the simulated shop is like. Every log is a pure function of these.
///
/// Shares of faults are rough figures of what collectors of behavioural events see; they are
/// assumptions, to be set to what one's own collector sees.
#[derive(Clone, Debug, PartialEq)]
pub struct ShopParams {
    /// Seed of all chance. Default 1.
    pub seed: u64,
    /// When the shop opens; ms since 1970. Default 2026-01-05T00:00:00Z, a Monday.
    pub start_ms: u64,
    /// Visits of new visitors an hour, averaged over a day; returning visitors come on top, a
    /// twentieth more on the first day and a fifth more after a week. Default 15,000: five million
    /// events take some 41 simulated hours, and with sessions that end after 30 idle minutes 8
    /// thousand are alive on average, 15 thousand in the evening and 1.5 thousand at night.
    pub visits_per_hour: f64,
    /// Items in the catalogue. Default 20,000.
    pub items: u32,
    /// Categories. Default 200.
    pub categories: u32,
    /// Factor on the chance that an item goes into the cart. Default 1.
    pub cart_scale: f64,
    /// Factor on the chances to check out and to pay. Default 1.
    pub purchase_scale: f64,
    /// Share of orders of which money is given back, days later. Default 0.04.
    pub refund_share: f64,
    /// Share of events that arrive late, by 2 s up to an hour, half of them within 30 s.
    /// Default 0.01.
    pub late_share: f64,
    /// Share of events that arrive more than an hour late. Default 0.0002.
    pub very_late_share: f64,
    /// Share of visits whose clock is ahead, by up to 5 s. Default 0.005.
    pub ahead_share: f64,
    /// Share of events that are sent a second time within a minute. Default 0.005.
    pub duplicate_share: f64,
    /// Share of the visits of new visitors that are made by bots. Default 0.003.
    pub bot_share: f64,
}

impl Default for ShopParams {
    fn default() -> ShopParams {
        ShopParams {
            seed: 1,
            start_ms: 1_767_571_200_000,
            visits_per_hour: 15_000.0,
            items: 20_000,
            categories: 200,
            cart_scale: 1.0,
            purchase_scale: 1.0,
            refund_share: 0.04,
            late_share: 0.01,
            very_late_share: 0.0002,
            ahead_share: 0.005,
            duplicate_share: 0.005,
            bot_share: 0.003,
        }
    }
}

/// Which parameter is out of its limits.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParamsError {
    /// The shop must open between 1990 and 2090.
    #[error("start_ms {0} lies outside 1990–2089")]
    Start(u64),
    /// Visits an hour must be above 0 and at most 100 million.
    #[error("visits_per_hour {0} is not above 0 and at most 1e8")]
    Pace(f64),
    /// There must be a category, and an item for each.
    #[error(
        "{items} items do not fill {categories} categories (1 to items; items up to 10 million)"
    )]
    Catalogue {
        /// Items asked for.
        items: u32,
        /// Categories asked for.
        categories: u32,
    },
    /// A share must lie between 0 and 1, and so must those of late and repeated events together.
    #[error("{name} {value} is not between 0 and 1")]
    Share {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A factor must lie between 0 and 100.
    #[error("{name} {value} is not between 0 and 100")]
    Scale {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: f64,
    },
}

impl ShopParams {
    /// Most items in a catalogue.
    pub const ITEMS_MAX: u32 = 10_000_000;

    /// Checks that every parameter is within its limits.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), ParamsError> {
        use crate::event::TIME_MS_MIN;
        /// 2090-01-01: ten years of simulated time fit before times count as nonsense.
        const START_MS_END: u64 = 3_786_912_000_000;
        if !(TIME_MS_MIN + 60_000..START_MS_END).contains(&self.start_ms) {
            return Err(ParamsError::Start(self.start_ms));
        }
        if !(self.visits_per_hour > 0.0 && self.visits_per_hour <= 1e8) {
            return Err(ParamsError::Pace(self.visits_per_hour));
        }
        let stocked = 1..=self.items.min(ShopParams::ITEMS_MAX);
        if self.items > ShopParams::ITEMS_MAX || !stocked.contains(&self.categories) {
            return Err(ParamsError::Catalogue {
                items: self.items,
                categories: self.categories,
            });
        }
        let faults = self.late_share + self.very_late_share + self.duplicate_share;
        for (name, value) in [
            ("late_share + very_late_share + duplicate_share", faults),
            ("refund_share", self.refund_share),
            ("late_share", self.late_share),
            ("very_late_share", self.very_late_share),
            ("ahead_share", self.ahead_share),
            ("duplicate_share", self.duplicate_share),
            ("bot_share", self.bot_share),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(ParamsError::Share { name, value });
            }
        }
        for (name, value) in [
            ("cart_scale", self.cart_scale),
            ("purchase_scale", self.purchase_scale),
        ] {
            if !(0.0..=100.0).contains(&value) {
                return Err(ParamsError::Scale { name, value });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_limits() {
        assert_eq!(ShopParams::default().check(), Ok(()));
    }

    #[test]
    fn each_limit_bites_by_name() {
        let check = |change: &dyn Fn(&mut ShopParams)| {
            let mut params = ShopParams::default();
            change(&mut params);
            params.check().map_err(|error| error.to_string())
        };
        let refused = |result: Result<(), String>, word: &str| {
            assert!(result.unwrap_err().contains(word), "{word}");
        };
        refused(check(&|p| p.start_ms = 0), "start_ms");
        refused(check(&|p| p.visits_per_hour = 0.0), "visits_per_hour");
        refused(check(&|p| p.visits_per_hour = f64::NAN), "visits_per_hour");
        refused(check(&|p| p.categories = 0), "categories");
        refused(check(&|p| p.items = 10), "categories");
        refused(check(&|p| p.late_share = 1.5), "late_share");
        refused(check(&|p| p.duplicate_share = 0.995), "duplicate_share");
        refused(check(&|p| p.bot_share = f64::NAN), "bot_share");
        refused(check(&|p| p.cart_scale = -1.0), "cart_scale");
    }
}
