//! The part of a policy's TOML that is about learning: `[learning]`, `[promotions]`, `[bots]`, the
//! tables' lag, a slot's `context`, and an arm's costs.

use super::super::bots::Bots;
use super::super::learn::attribution::{Credit, Reward, RewardSpec};
use super::learning::{Cost, Learning, Promotions};
use super::parse::{PolicyError, Reader};
use super::tables::{ArmTable, BotsTable, LearningTable, PromotionsTable};
use super::{Context, Slot};
use crate::event::BINS;
use crate::suggest;
use toml::Spanned;

/// Shortest epoch in ms; a shorter one is taken for it.
const EPOCH_MS_MIN: u64 = 1_000;
impl Reader<'_> {
    /// `[learning]`.
    pub(super) fn learning(&self, table: &LearningTable) -> Result<Learning, PolicyError> {
        let usual = Learning::default();
        let window = table.window.as_ref();
        let learning = Learning {
            reward: RewardSpec {
                reward: self.reward(table)?,
                provisional: i64::from(self.share_ppm(&table.provisional, 0.0)?),
            },
            credit: self.credit(table)?,
            window_ms: match window {
                Some(text) if text.get_ref() != "session" => Some(self.above_zero(text)?),
                _ => None,
            },
            seen: self.one_of(&table.counts, ["decided", "seen"], 0)? == 1,
            retention_ms: match &table.retention {
                Some(text) => self.above_zero(text)?,
                None => usual.retention_ms,
            },
            epoch_ms: match &table.epoch {
                Some(text) => self.above_zero(text)?.max(EPOCH_MS_MIN),
                None => usual.epoch_ms,
            },
            from_ms: match &table.from {
                None => 0,
                Some(from) => {
                    let time = from.get_ref().to_string().parse::<jiff::Timestamp>();
                    let ms = time
                        .ok()
                        .and_then(|t| u64::try_from(t.as_millisecond()).ok());
                    ms.ok_or_else(|| {
                        let what =
                            "learning.from takes a time with its zone, like 2026-02-01T00:00:00Z";
                        self.error(from.span(), what.into())
                    })?
                }
            },
            value_max: match &table.value_max {
                Some(value) => self.money(value)?,
                None => usual.value_max,
            },
            facts_per_bin: self
                .whole(
                    &table.facts,
                    (usual.facts_per_bin * BINS) as u64,
                    BINS as u64..1 << 32,
                )?
                .div_ceil(BINS as u64) as usize,
        };
        if let (Some(window), Some(window_ms)) = (window, learning.window_ms)
            && window_ms > learning.retention_ms
        {
            let what = "learning.window is longer than learning.retention: by then an exposure does not count any more";
            return Err(self.error(window.span(), what.into()));
        }
        Ok(learning)
    }

    fn reward(&self, table: &LearningTable) -> Result<Reward, PolicyError> {
        let names = ["conversion", "revenue", "margin", "add_to_cart", "weighted"];
        let which = self.one_of(&table.reward, names, 0)?;
        if let (Some(weights), 0..4) = (&table.weights, which) {
            let what = "learning.weights are for reward = \"weighted\"".into();
            return Err(self.error(weights.span(), what));
        }
        Ok(match which {
            0 => Reward::Conversion,
            1 => Reward::Revenue,
            2 => Reward::Margin,
            3 => Reward::AddToCart,
            _ => {
                let Some(weights) = &table.weights else {
                    let span = table.reward.as_ref().map_or(0..0, Spanned::span);
                    let what = "reward = \"weighted\" needs learning.weights, like { conversion = 1.0, add_to_cart = 0.1 }";
                    return Err(self.error(span, what.into()));
                };
                let given = weights.get_ref();
                let parts = [
                    given.conversion,
                    given.revenue,
                    given.margin,
                    given.add_to_cart,
                    given.intent,
                ];
                if parts.iter().any(|part| !(0.0..=1e6).contains(part))
                    || parts.iter().all(|part| *part == 0.0)
                {
                    let what = "weights lie between 0 and a million, and one is above 0".into();
                    return Err(self.error(weights.span(), what));
                }
                let [conversion, revenue, margin, add_to_cart, intent] =
                    parts.map(|part| (part * 1e6).round() as i64);
                Reward::Weighted {
                    conversion,
                    revenue,
                    margin,
                    add_to_cart,
                    intent,
                }
            }
        })
    }

    fn credit(&self, table: &LearningTable) -> Result<Credit, PolicyError> {
        let which = self.one_of(&table.attribution, ["all", "last", "decayed"], 0)?;
        if let (Some(half_life), 0 | 1) = (&table.half_life, which) {
            let what = "learning.half_life is for attribution = \"decayed\"".into();
            return Err(self.error(half_life.span(), what));
        }
        Ok(match which {
            0 => Credit::All,
            1 => Credit::Last,
            _ => Credit::Decayed {
                half_life_ms: match &table.half_life {
                    Some(text) => self.above_zero(text)?,
                    None => 86_400_000,
                },
            },
        })
    }

    /// `[promotions]`.
    pub(super) fn promotions(&self, table: &PromotionsTable) -> Result<Promotions, PolicyError> {
        let usual = Promotions::default();
        let promotions = Promotions {
            margin_ppm: i64::from(self.share_ppm(&table.margin, usual.margin_ppm as f64 / 1e6)?),
            floor_ppm: i64::from(self.share_ppm(&table.margin_min, 0.0)?),
        };
        if let (Some(floor), true) = (
            &table.margin_min,
            promotions.floor_ppm > 0 && promotions.floor_ppm >= promotions.margin_ppm,
        ) {
            let what = "impossible: promotions.margin_min is not below promotions.margin, so no arm that costs anything could ever be shown";
            return Err(self.error(floor.span(), what.into()));
        }
        Ok(promotions)
    }

    /// Refuses a holdout of everyone where something is to be learned.
    pub(super) fn someone_to_learn_from(
        &self,
        share: &Option<Spanned<f64>>,
        slots: &[Slot],
    ) -> Result<(), PolicyError> {
        let learns = slots.iter().find(|slot| slot.learn.is_some());
        match (share, learns) {
            (Some(share), Some(slot)) if *share.get_ref() >= 1.0 => {
                let what = format!(
                    "impossible: slot `{}` cannot learn from anybody, as all visitors are held out",
                    slot.name
                );
                Err(self.error(share.span(), what))
            }
            _ => Ok(()),
        }
    }

    /// `[bots]`.
    pub(super) fn bots(&self, table: &BotsTable) -> Result<Bots, PolicyError> {
        let usual = Bots::default();
        Ok(Bots {
            per_minute: self.whole(&table.events_per_minute, usual.per_minute, 0..1_000_001)?,
            events_min: self.whole(&table.events_min, usual.events_min, 2..1_000_001)?,
            views_max: self.row(&table.views_without_dwell, usual.views_max)?,
            dwell_min_ms: match &table.dwell_min {
                Some(text) => self.above_zero(text)?,
                None => usual.dwell_min_ms,
            },
            gaps_max: self.row(&table.gaps, usual.gaps_max)?,
            gap_min_ms: match &table.gap_min {
                Some(text) => self.above_zero(text)?,
                None => usual.gap_min_ms,
            },
            earlier: table.earlier.unwrap_or(usual.earlier),
        })
    }

    /// How many in a row are too many; 0 for a rule that is off.
    fn row(&self, given: &Option<Spanned<u64>>, usual: u16) -> Result<u16, PolicyError> {
        let many = self.whole(given, u64::from(usual), 0..u64::from(u16::MAX) + 1)?;
        Ok(many as u16)
    }

    /// How old tables are at least; a quantum where nothing is said.
    pub(super) fn lag(
        &self,
        lag: &Option<Spanned<String>>,
        quantum_ms: u64,
    ) -> Result<u64, PolicyError> {
        let ms = self.duration(lag, quantum_ms)?;
        if ms == 0 || !ms.is_multiple_of(quantum_ms) {
            let span = lag.as_ref().map_or(0..0, Spanned::span);
            let what = "tables.lag must be above 0 and a multiple of tables.quantum".into();
            return Err(self.error(span, what));
        }
        Ok(ms)
    }

    /// What an arm hands out.
    pub(super) fn cost(&self, table: &ArmTable) -> Result<Cost, PolicyError> {
        let cost = Cost {
            fixed: table.cost.as_ref().map_or(Ok(0), |cost| self.money(cost))?,
            discount_ppm: i64::from(self.share_ppm(&table.discount, 0.0)?),
            budget: table.budget.as_ref().map(|b| self.money(b)).transpose()?,
        };
        if let (Some(budget), true) = (&table.budget, cost.is_none()) {
            let what = "a budget is for an arm with a `cost` or a `discount`".into();
            return Err(self.error(budget.span(), what));
        }
        if let (Some(budget), Some(0)) = (&table.budget, cost.budget) {
            let what = "impossible: with a budget of 0 the arm could never be shown".into();
            return Err(self.error(budget.span(), what));
        }
        Ok(cost)
    }

    /// What a slot's context leaf is made of.
    pub(super) fn context(&self, names: &[Spanned<String>]) -> Result<Vec<Context>, PolicyError> {
        let mut context = Vec::new();
        for name in names {
            let part = match name.get_ref().as_str() {
                "phase" => Context::Phase,
                "device" => Context::Device,
                "returning" => Context::Returning,
                other => {
                    let what = format!(
                        "`{other}` is not a context; it is phase, device or returning{}",
                        suggest::hint(other, ["phase", "device", "returning"])
                    );
                    return Err(self.error(name.span(), what));
                }
            };
            if context.contains(&part) {
                return Err(self.error(name.span(), format!("`{}` stands twice", name.get_ref())));
            }
            context.push(part);
        }
        Ok(context)
    }

    /// The place of a name among those that are possible.
    pub(super) fn one_of<const N: usize>(
        &self,
        given: &Option<Spanned<String>>,
        names: [&str; N],
        default: usize,
    ) -> Result<usize, PolicyError> {
        let Some(text) = given else {
            return Ok(default);
        };
        let found = names.iter().position(|name| name == text.get_ref());
        found.ok_or_else(|| {
            let hint = suggest::hint(text.get_ref(), names);
            let what = format!(
                "`{}` is not one of {}{hint}",
                text.get_ref(),
                names.join(", ")
            );
            self.error(text.span(), what)
        })
    }

    pub(super) fn share_ppm(
        &self,
        value: &Option<Spanned<f64>>,
        default: f64,
    ) -> Result<u32, PolicyError> {
        Ok((self.share(value, default)? * 1e6).round() as u32)
    }

    /// An amount of money, in millionths.
    fn money(&self, value: &Spanned<f64>) -> Result<i64, PolicyError> {
        let amount = *value.get_ref();
        if !(0.0..1e12).contains(&amount) {
            let what = format!("{amount} is no amount: 0 up to 10^12");
            return Err(self.error(value.span(), what));
        }
        Ok((amount * 1e6).round() as i64)
    }

    pub(super) fn number(
        &self,
        value: &Option<Spanned<f64>>,
        default: f64,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<f64, PolicyError> {
        match value {
            None => Ok(default),
            Some(number) if range.contains(number.get_ref()) => Ok(*number.get_ref()),
            Some(number) => {
                let what = format!(
                    "{} does not lie between {} and {}",
                    number.get_ref(),
                    range.start(),
                    range.end()
                );
                Err(self.error(number.span(), what))
            }
        }
    }

    fn above_zero(&self, text: &Spanned<String>) -> Result<u64, PolicyError> {
        match self.duration_of(text)? {
            0 => Err(self.error(text.span(), "this duration must be above 0".into())),
            ms => Ok(ms),
        }
    }
}
