//! The parameters of the closed-loop shop, their defaults and their limits.

use crate::event::TIME_MS_MIN;
use crate::simulate::ShopParams;

/// What the closed-loop shop is like. What happens in it is a pure function of these and of what
/// it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedParams {
    /// Seed of all chance. Default 1.
    pub seed: u64,
    /// Visits that begin in a run. Default 200,000.
    pub sessions: u64,
    /// Days over which they are spread, about; shorter than three leaves few time to return.
    /// Default 7.
    pub days: f64,
    /// When the shop opens; ms since 1970. Default 2026-01-05T00:00:00Z, a Monday.
    pub start_ms: u64,
    /// Length of a step of the loop in ms. No shopper acts twice within one, and what is decided in
    /// one is shown from the next. Default 1000.
    pub step_ms: u64,
    /// Items in the catalogue. Default 5,000.
    pub items: u32,
    /// Categories. Default 100.
    pub categories: u32,
    /// Factor on the lift of every arm; 0 is a shop where nothing shown matters. Default 1.
    pub effect_scale: f64,
    /// An arm that drives shoppers away, whatever they want: slot and arm, by the shop's numbers. It
    /// is planted to see whether it is found. Default none.
    pub bad_arm: Option<(usize, u8)>,
    /// Growth of the chance to leave with each change of the page beyond [`CHANGES_BORNE`].
    /// Default 0.05.
    pub annoyance: f64,
    /// Share of visitors who take any promotion and would have bought without. Default 0.15.
    pub hunter_share: f64,
    /// Factor on the chance that an item goes into the cart. Default 1.25.
    pub cart_scale: f64,
    /// Factor on the chances to check out and to pay. Default 1.25.
    pub purchase_scale: f64,
}

/// Changes of the page in one visit that nobody minds.
pub const CHANGES_BORNE: u32 = 3;

impl Default for ClosedParams {
    fn default() -> ClosedParams {
        ClosedParams {
            seed: 1,
            sessions: 200_000,
            days: 7.0,
            start_ms: 1_767_571_200_000,
            step_ms: 1_000,
            items: 5_000,
            categories: 100,
            effect_scale: 1.0,
            bad_arm: None,
            annoyance: 0.05,
            hunter_share: 0.15,
            cart_scale: 1.25,
            purchase_scale: 1.25,
        }
    }
}

/// Which parameter is out of its limits.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{name} {value} does not lie between {least} and {most}")]
pub struct ClosedParamsError {
    /// The parameter.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// The least that is possible.
    pub least: f64,
    /// The most that is possible.
    pub most: f64,
}

impl ClosedParams {
    /// Most visits of a run: the report keeps some bytes of each.
    pub const SESSIONS_MAX: u64 = 20_000_000;

    /// Checks that every parameter is within its limits.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), ClosedParamsError> {
        let limits = [
            (
                "sessions",
                self.sessions as f64,
                1.0,
                Self::SESSIONS_MAX as f64,
            ),
            ("days", self.days, 0.01, 3_650.0),
            (
                "start_ms",
                self.start_ms as f64,
                (TIME_MS_MIN + 60_000) as f64,
                3.7e12,
            ),
            ("step_ms", self.step_ms as f64, 1.0, 60_000.0),
            (
                "items",
                f64::from(self.items),
                1.0,
                f64::from(ShopParams::ITEMS_MAX),
            ),
            (
                "categories",
                f64::from(self.categories),
                1.0,
                f64::from(self.items),
            ),
            ("effect_scale", self.effect_scale, 0.0, 2.0),
            ("annoyance", self.annoyance, 0.0, 10.0),
            ("hunter_share", self.hunter_share, 0.0, 1.0),
            ("cart_scale", self.cart_scale, 0.0, 100.0),
            ("purchase_scale", self.purchase_scale, 0.0, 100.0),
        ];
        for (name, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                return Err(ClosedParamsError {
                    name,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }

    /// First visits an hour, averaged over the day: about a sixth of all visits are returns.
    pub(super) fn new_per_hour(&self) -> f64 {
        self.sessions as f64 / (self.days * 24.0 * 1.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_limits_and_each_limit_bites_by_name() {
        assert_eq!(ClosedParams::default().check(), Ok(()));
        let refused = |change: &dyn Fn(&mut ClosedParams), word: &str| {
            let mut params = ClosedParams::default();
            change(&mut params);
            let error = params.check().unwrap_err().to_string();
            assert!(error.starts_with(word), "{error}");
        };
        refused(&|p| p.sessions = 0, "sessions");
        refused(&|p| p.days = f64::NAN, "days");
        refused(&|p| p.start_ms = 0, "start_ms");
        refused(&|p| p.step_ms = 0, "step_ms");
        refused(&|p| p.items = 10, "categories");
        refused(&|p| p.hunter_share = 1.1, "hunter_share");
        refused(&|p| p.annoyance = -1.0, "annoyance");
    }
}
