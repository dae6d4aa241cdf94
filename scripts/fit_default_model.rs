//! Fits the shipped intent model on the simulated shop and writes `data/model.json`.
//!
//! cargo run --release --example fit_default_model
//!
//! Rows are session prefixes: the features after every event, taken from the very same fold that
//! the job runs, each weighted by one over the number of its session's rows, so that no session
//! drowns the others. Labels: a purchase later in the session; a session that ends with something
//! in the cart and nothing bought. Every fifth visitor, by hash, is held out and only judged.
//! Hour and weekday are left out: in the simulated shop they say nothing about intent.

use restage::event::{ArrivalMs, Event, EventMs, EventRef, Id, Kind, Lane, Offset, Texts};
use restage::event::{VisitorId, mix};
use restage::simulate::{Scratch, Shop, ShopParams};
use restage::train::logistic::{self, Rows, auc, fit};
use restage::visit::decision::Decision;
use restage::visit::feature::{FEATURES, Vector, index_of};
use restage::visit::live::{Rules, Visit};
use restage::visit::model::{
    FittedOn, MODEL_FORMAT, MODEL_VERSION, Model, ModelFeature, ModelFile, Quality, Transform,
};
use restage::visit::policy::Policy;
use restage::visit::visitors::{Output, Step, Visitors};
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const EVENTS: usize = 1_500_000;
const SEED: u64 = 20_260_105;
const L2: f64 = 5.0;
const LEFT_OUT: [&str; 2] = ["hour_of_day", "day_of_week"];

/// One prefix: features, and what had been bought by then.
type Prefix = (Box<Vector>, u32);

/// Sessions as they close: their prefixes with labels.
#[derive(Default)]
struct Collect {
    open: BTreeMap<u64, Vec<Prefix>>,
    closed: Vec<(VisitorId, Vec<Prefix>, u32, bool)>,
}

impl Output for Collect {
    fn decision(&mut self, _decision: &Decision<'_>) {}
    fn duplicate(&mut self, _event: &Event) {}
    fn step(&mut self, _step: &Step<'_>) {}

    fn observed(&mut self, visit: &Visit, features: &Vector) {
        let bought = visit.session.count(Kind::Purchase);
        let open = self.open.entry(visit.visitor.0).or_default();
        open.push((Box::new(*features), bought));
    }

    fn ended(&mut self, visit: &Visit) {
        let prefixes = self.open.remove(&visit.visitor.0).unwrap_or_default();
        let bought = visit.session.count(Kind::Purchase);
        let abandons = visit.session.abandons_cart();
        self.closed
            .push((visit.visitor, prefixes, bought, abandons));
    }
}

fn main() {
    let (collected, digest) = sessions();
    let transform = |name: &str| match FEATURES[index_of(name).expect("a feature")].unit {
        "ratio" | "index" | "depth" => Transform::Identity,
        _ => Transform::Log2,
    };
    let used: Vec<(usize, Transform)> = FEATURES
        .iter()
        .enumerate()
        .filter(|(_, feature)| !LEFT_OUT.contains(&feature.name))
        .map(|(index, feature)| (index, transform(feature.name)))
        .collect();

    let held_out = |visitor: VisitorId| mix(visitor.0 ^ SEED).is_multiple_of(5);
    let scales = scales(&collected, &used, held_out);
    let row = |features: &Vector| -> Vec<f64> {
        let pairs = used.iter().zip(&scales);
        pairs
            .map(|((index, transform), (mean, scale))| {
                let z = (transform.apply(features[*index]) - mean) / scale;
                if z.is_nan() { 0.0 } else { z }
            })
            .collect()
    };
    let mut purchase = Rows {
        columns: used.len(),
        ..Rows::default()
    };
    let mut sessions = [0u64; 2];
    for (visitor, prefixes, bought, _) in &collected.closed {
        sessions[usize::from(held_out(*visitor))] += 1;
        if held_out(*visitor) {
            continue;
        }
        for (features, bought_before) in prefixes {
            purchase.values.extend(row(features));
            purchase.labels.push(bought > bought_before);
            purchase.weights.push(1.0 / prefixes.len() as f64);
        }
    }
    let mut abandon = purchase.clone();
    abandon.labels.clear();
    for (visitor, prefixes, _, abandons) in &collected.closed {
        if !held_out(*visitor) {
            abandon.labels.extend(prefixes.iter().map(|_| *abandons));
        }
    }
    let purchase_fit = fit(&purchase, L2).expect("the simulated shop sells");
    let abandon_fit = fit(&abandon, L2).expect("the simulated shop has abandoned carts");

    let judge = |fit: &logistic::Fit, label: &dyn Fn(&Prefix, u32, bool) -> bool| {
        let mut scored: Vec<(f64, bool)> = collected
            .closed
            .iter()
            .filter(|(visitor, ..)| held_out(*visitor))
            .flat_map(|(_, prefixes, bought, abandons)| {
                let score = |prefix: &Prefix| {
                    (
                        fit.log_odds(&row(&prefix.0)),
                        label(prefix, *bought, *abandons),
                    )
                };
                prefixes.iter().map(score).collect::<Vec<_>>()
            })
            .collect();
        (auc(&mut scored).expect("both classes"), scored.len() as u64)
    };
    let (purchase_auc, held_rows) = judge(&purchase_fit, &|prefix, bought, _| bought > prefix.1);
    let (abandon_auc, _) = judge(&abandon_fit, &|_, _, abandons| abandons);

    let rounded = |x: f64| (x * 1e6).round() / 1e6;
    let features = used
        .iter()
        .enumerate()
        .map(|(at, (index, transform))| ModelFeature {
            name: FEATURES[*index].name.into(),
            unit: FEATURES[*index].unit.into(),
            transform: *transform,
            mean: rounded(scales[at].0),
            scale: rounded(scales[at].1),
            purchase: rounded(purchase_fit.weights[at]),
            abandon: rounded(abandon_fit.weights[at]),
        });
    let file = ModelFile {
        format: MODEL_FORMAT.into(),
        version: MODEL_VERSION,
        name: "default".into(),
        kind: "logistic".into(),
        fitted_on: FittedOn {
            data: format!(
                "the simulated shop of `restage simulate`, {EVENTS} events, seed {SEED}; no real shop"
            ),
            command: "cargo run --release --example fit_default_model".into(),
            digest,
            sessions: sessions[0],
            rows: purchase.labels.len() as u64,
        },
        quality: Quality {
            sessions: sessions[1],
            rows: held_rows,
            purchase_auc: rounded(purchase_auc),
            abandon_auc: rounded(abandon_auc),
        },
        purchase_bias: rounded(purchase_fit.bias),
        abandon_bias: rounded(abandon_fit.bias),
        features: features.collect(),
    };
    let text = Model::write(&file);
    Model::read(text.as_bytes()).expect("what was written can be read");
    std::fs::write(
        concat!(env!("CARGO_MANIFEST_DIR"), "/data/model.json"),
        text,
    )
    .expect("the model file can be written");
    println!(
        "{} sessions, {} prefixes fitted; held out: AUC {purchase_auc:.4} purchase, {abandon_auc:.4} abandon",
        sessions[0],
        purchase.labels.len()
    );
}

/// Runs the session fold over the simulated log.
fn sessions() -> (Collect, String) {
    let rules = Arc::new(Rules {
        policy: Policy::shipped(),
        model: Model::blank(),
    });
    let mut visitors = Visitors::new(rules, None, false);
    let mut collected = Collect::default();
    let mut digest = Xxh3::new();
    let shop = Shop::new(ShopParams {
        seed: SEED,
        ..ShopParams::default()
    });
    let mut scratch = Scratch::default();
    for (offset, simulated) in shop
        .filter(|event| !event.truth.bot)
        .take(EVENTS)
        .enumerate()
    {
        let raw = simulated.raw(&mut scratch);
        let arrival = raw.arrival_ms.expect("the simulator gives arrivals");
        let event = Event {
            arrival: ArrivalMs(arrival),
            time: EventMs(raw.event_ms.min(arrival)),
            offset: Offset(offset as u64),
            line: offset as u64 + 1,
            visitor: VisitorId::of(raw.visitor),
            session: Id::of(raw.session),
            item: Id::of(raw.item),
            category: Id::of(raw.category),
            event_id: Id::of(raw.event_id),
            price: raw.price,
            value: raw.value,
            quantity: raw.quantity,
            lane: Lane(0),
            kind: raw.kind,
        };
        digest.update(&event.visitor.0.to_le_bytes());
        digest.update(&event.arrival.0.to_le_bytes());
        digest.update(&[event.kind as u8]);
        let texts = Texts {
            visitor: raw.visitor,
            ..Texts::default()
        };
        visitors.observe(
            EventRef {
                event: &event,
                texts,
            },
            &mut collected,
        );
    }
    visitors.finish(&mut collected);
    (collected, format!("{:032x}", digest.digest128()))
}

/// Mean and standard deviation of each used feature after its transform, over fitted prefixes
/// where it is there, each session weighing the same.
fn scales(
    collected: &Collect,
    used: &[(usize, Transform)],
    held_out: impl Fn(VisitorId) -> bool,
) -> Vec<(f64, f64)> {
    let mut sums = vec![[0.0f64; 3]; used.len()];
    for (visitor, prefixes, ..) in &collected.closed {
        if held_out(*visitor) {
            continue;
        }
        let weight = 1.0 / prefixes.len() as f64;
        for (features, _) in prefixes {
            for (sum, (index, transform)) in sums.iter_mut().zip(used) {
                let x = transform.apply(features[*index]);
                if !x.is_nan() {
                    sum[0] += weight;
                    sum[1] += weight * x;
                    sum[2] += weight * x * x;
                }
            }
        }
    }
    sums.iter()
        .map(|[n, sum, squares]| {
            let mean = sum / n;
            (mean, (squares / n - mean * mean).max(1e-12).sqrt())
        })
        .collect()
}
