//! The tables of a policy file as TOML has them, with the places of what may be refused.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Spanned<u32>,
    #[serde(default = "unnamed")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) session: SessionTable,
    #[serde(default)]
    pub(super) limits: LimitsTable,
    #[serde(default)]
    pub(super) phase: PhaseTable,
    #[serde(default)]
    pub(super) hesitation: HesitationTable,
    #[serde(default)]
    pub(super) stability: StabilityTable,
    #[serde(default)]
    pub(super) holdout: HoldoutTable,
    #[serde(default)]
    pub(super) reason: ReasonTable,
    #[serde(default)]
    pub(super) tables: TablesTable,
    #[serde(default)]
    pub(super) durability: DurabilityTable,
    #[serde(default)]
    pub(super) learning: LearningTable,
    #[serde(default)]
    pub(super) promotions: PromotionsTable,
    #[serde(default)]
    pub(super) bots: BotsTable,
    #[serde(default)]
    pub(super) index: IndexTable,
    #[serde(default)]
    pub(super) rankers: RankersTable,
    #[serde(default)]
    pub(super) slot: Vec<Spanned<SlotTable>>,
}

/// Names with their places → values with theirs.
pub(super) type WhenTable = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

fn unnamed() -> String {
    "unnamed".into()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SessionTable {
    pub(super) source: Option<Spanned<String>>,
    pub(super) idle: Option<Spanned<String>>,
    pub(super) max: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsTable {
    pub(super) items_per_session: Option<Spanned<u64>>,
    pub(super) categories_per_session: Option<Spanned<u64>>,
    pub(super) live_sessions: Option<Spanned<u64>>,
    pub(super) histories: Option<Spanned<u64>>,
    pub(super) history_keep: Option<Spanned<String>>,
    pub(super) event_ids: Option<Spanned<u64>>,
    pub(super) event_ids_keep: Option<Spanned<String>>,
    pub(super) erased: Option<Spanned<u64>>,
    pub(super) erased_keep: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PhaseTable {
    pub(super) exploring: Option<Spanned<ThresholdTable>>,
    pub(super) deciding: Option<Spanned<ThresholdTable>>,
    pub(super) buying: Option<Spanned<ThresholdTable>>,
    pub(super) hesitating: Option<Spanned<ThresholdTable>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThresholdTable {
    pub(super) enter: f64,
    pub(super) leave: f64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HesitationTable {
    pub(super) after: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReasonTable {
    pub(super) factors: Option<Spanned<usize>>,
    pub(super) features: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TablesTable {
    pub(super) quantum: Option<Spanned<String>>,
    pub(super) lag: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DurabilityTable {
    pub(super) snapshot_every: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LearningTable {
    pub(super) reward: Option<Spanned<String>>,
    pub(super) weights: Option<Spanned<RewardWeightsTable>>,
    pub(super) provisional: Option<Spanned<f64>>,
    pub(super) value_max: Option<Spanned<f64>>,
    pub(super) attribution: Option<Spanned<String>>,
    pub(super) half_life: Option<Spanned<String>>,
    pub(super) window: Option<Spanned<String>>,
    pub(super) counts: Option<Spanned<String>>,
    pub(super) retention: Option<Spanned<String>>,
    pub(super) epoch: Option<Spanned<String>>,
    pub(super) from: Option<Spanned<toml::value::Datetime>>,
    pub(super) facts: Option<Spanned<u64>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RewardWeightsTable {
    pub(super) conversion: f64,
    pub(super) revenue: f64,
    pub(super) margin: f64,
    pub(super) add_to_cart: f64,
    pub(super) intent: f64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PromotionsTable {
    pub(super) margin: Option<Spanned<f64>>,
    pub(super) margin_min: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BotsTable {
    pub(super) events_per_minute: Option<Spanned<u64>>,
    pub(super) events_min: Option<Spanned<u64>>,
    pub(super) views_without_dwell: Option<Spanned<u64>>,
    pub(super) dwell_min: Option<Spanned<String>>,
    pub(super) gaps: Option<Spanned<u64>>,
    pub(super) gap_min: Option<Spanned<String>>,
    pub(super) earlier: Option<bool>,
}

/// Names of arms with their places → their weights.
pub(super) type ArmWeightsTable = BTreeMap<Spanned<String>, f64>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LearnTable {
    pub(super) method: Option<Spanned<String>>,
    pub(super) epsilon: Option<Spanned<f64>>,
    pub(super) temperature: Option<Spanned<f64>>,
    pub(super) weights: Option<Spanned<ArmWeightsTable>>,
    pub(super) floor: Option<Spanned<f64>>,
    pub(super) warm_up: Option<Spanned<u64>>,
    pub(super) heterogeneity: Option<Spanned<f64>>,
    pub(super) settle: Option<Spanned<f64>>,
    pub(super) kill: Option<Spanned<f64>>,
    pub(super) holdout: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StabilityTable {
    pub(super) cooldown: Option<Spanned<String>>,
    pub(super) min_gain: Option<Spanned<f64>>,
    pub(super) changes_max: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HoldoutTable {
    pub(super) share: Option<Spanned<f64>>,
    pub(super) salt: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlotTable {
    pub(super) name: Spanned<String>,
    pub(super) default: Spanned<String>,
    #[serde(default)]
    pub(super) context: Vec<Spanned<String>>,
    pub(super) learn: Option<Spanned<LearnTable>>,
    pub(super) products: Option<Spanned<ProductsTable>>,
    #[serde(default)]
    pub(super) arm: Vec<Spanned<ArmTable>>,
    #[serde(default)]
    pub(super) rule: Vec<Spanned<RuleTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArmTable {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) when: WhenTable,
    pub(super) uses_max: Option<Spanned<u64>>,
    pub(super) cost: Option<Spanned<f64>>,
    pub(super) discount: Option<Spanned<f64>>,
    pub(super) budget: Option<Spanned<f64>>,
    pub(super) ranker: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProductsTable {
    pub(super) count: Option<Spanned<u64>>,
    pub(super) exclude: Option<Vec<Spanned<String>>>,
    pub(super) per_category: Option<Spanned<u64>>,
    pub(super) margin_min: Option<Spanned<f64>>,
    pub(super) pin: Vec<Spanned<String>>,
    pub(super) boost: Vec<Spanned<TargetTable>>,
    pub(super) bury: Vec<Spanned<TargetTable>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IndexTable {
    pub(super) enters: Option<Spanned<String>>,
    pub(super) window: Option<Spanned<String>>,
    pub(super) sessions: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RankersTable {
    pub(super) trending: TrendingTable,
    pub(super) sequential_rules: SequentialRulesTable,
    pub(super) session_knn: SessionKnnTable,
    pub(super) blend: Option<Spanned<BTreeMap<Spanned<String>, Spanned<f64>>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TrendingTable {
    pub(super) half_life: Option<Spanned<String>>,
    pub(super) quantum: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SequentialRulesTable {
    pub(super) steps: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SessionKnnTable {
    pub(super) sessions: Option<Spanned<u64>>,
    pub(super) neighbours: Option<Spanned<u64>>,
    pub(super) last_items: Option<Spanned<u64>>,
    pub(super) idf: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TargetTable {
    pub(super) item: Option<String>,
    pub(super) category: Option<String>,
    pub(super) places: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleTable {
    pub(super) name: Option<Spanned<String>>,
    pub(super) arm: Spanned<String>,
    #[serde(default)]
    pub(super) when: WhenTable,
    #[serde(default)]
    pub(super) priority: u32,
    pub(super) gain: Spanned<f64>,
    pub(super) scaled_by: Option<Spanned<String>>,
}
