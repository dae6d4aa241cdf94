//! Models of trees of two leaves, made by hand.

use restage::visit::feature::{FEATURES, index_of};
use restage::visit::model::tree::{Child, Missing, Tree};
use restage::visit::model::{ModelFeature, ModelFile, Scorer, Transform, empty_file};

/// A feature, a threshold, and what the log-odds gain from there on.
pub type Stump = (&'static str, f64, f64);

/// A model file of two sums of stumps, each on −4.
pub fn stumps(purchase: &[Stump], abandon: &[Stump]) -> ModelFile {
    let mut file = empty_file("stumps");
    let feature = |feature: &restage::visit::feature::Feature| ModelFeature {
        name: feature.name.into(),
        unit: feature.unit.into(),
        transform: Transform::Identity,
        mean: 0.0,
        scale: 1.0,
    };
    file.features = FEATURES.iter().map(feature).collect();
    let sum = |stumps: &[Stump]| Scorer::Trees {
        base: -4.0,
        trees: stumps.iter().map(tree).collect(),
        weights: Vec::new(),
    };
    file.purchase.scorer = sum(purchase);
    file.abandon.scorer = sum(abandon);
    file
}

fn tree(&(name, threshold, gain): &Stump) -> Tree {
    Tree {
        feature: vec![index_of(name).unwrap() as u32],
        threshold: vec![threshold],
        missing: vec![Missing::Left],
        left: vec![Child::Leaf(0)],
        right: vec![Child::Leaf(1)],
        value: vec![0.0, gain],
        cover: vec![3.0, 1.0],
    }
}

/// Purchase by searches, views and the cart; abandonment by intents to leave.
pub fn quiet() -> ModelFile {
    stumps(
        &[
            ("searches", 1.0, 1.2),
            ("searches", 2.0, 1.3),
            ("searches", 3.0, 1.4),
            ("item_views", 2.0, 0.7),
            ("cart_size", 1.0, 0.6),
        ],
        &[("exit_intents", 1.0, 4.5), ("cart_size", 2.0, 1.0)],
    )
}

/// The same, and time counts too.
pub fn restless() -> ModelFile {
    let mut file = quiet();
    let more = stumps(
        &[("gap_last", 20.0, 1.5), ("cart_age", 9.0, -0.4)],
        &[("since_start", 60.0, 2.0)],
    );
    for (head, more) in [
        (&mut file.purchase, more.purchase),
        (&mut file.abandon, more.abandon),
    ] {
        if let (Scorer::Trees { trees, .. }, Scorer::Trees { trees: more, .. }) =
            (&mut head.scorer, more.scorer)
        {
            trees.extend(more);
        }
    }
    file
}

/// Trees for purchase, a regression for abandonment, and one beside the trees.
pub fn mixed() -> ModelFile {
    let mut file = quiet();
    let weight = |name: &str, weight: f64| {
        let mut weights = vec![0.0; FEATURES.len()];
        weights[index_of(name).unwrap()] = weight;
        weights
    };
    file.abandon.scorer = Scorer::Logistic {
        bias: -3.0,
        weights: weight("exit_intents", 2.5),
    };
    if let Scorer::Trees { weights, .. } = &mut file.purchase.scorer {
        *weights = weight("clicks", 0.3);
    }
    file
}
