//! `[index]`, `[rankers]` and the arms that need them.

use super::all_refused;
use crate::visit::policy::{PRODUCTS_POLICY, Policy};
use crate::visit::rank::rules::Count;
use crate::visit::rank::{Ranker, blend};

/// A policy whose arms have these rankers.
fn policy(lines: &str, rankers: &[&str]) -> Policy {
    let arms: Vec<String> = rankers
        .iter()
        .enumerate()
        .map(|(at, ranker)| format!("{{ name = \"a{at}\", ranker = \"{ranker}\" }}"))
        .collect();
    let text = format!(
        "version = 1\n{lines}\n[[slot]]\nname = \"s\"\ndefault = \"a0\"\nproducts = {{}}\n\
         learn = {{ method = \"fixed\" }}\narm = [{}]\n",
        arms.join(", ")
    );
    Policy::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn an_index_is_kept_for_arms_that_need_it() {
    assert_eq!(policy("", &["catalogue", "price_match"]).index, None);
    let trends = policy("", &["catalogue", "trending"]).index.unwrap();
    assert!(trends.association.is_none() && trends.sequential.is_none());
    assert!(trends.session_knn.is_none() && !trends.growing);
    let rules = policy("", &["association_rules", "catalogue"]);
    assert!(rules.index.as_ref().unwrap().association.is_some());
    assert!(rules.has_tables());
    // A blend needs its parts.
    let blended = policy("", &["catalogue", "blend"]).index.unwrap();
    assert_eq!(blended.blend, blend::DEFAULT);
    assert!(blended.sequential.is_some() && blended.session_knn.is_some());
    assert!(blended.association.is_none());
    let lines = "[rankers]\nblend = { association_rules = 2.0, price_match = 0.5 }";
    let other = policy(lines, &["blend", "catalogue"]).index.unwrap();
    assert!(other.association.is_some() && other.session_knn.is_none());
    let parts = [
        (Ranker::AssociationRules, 2_000_000),
        (Ranker::PriceMatch, 500_000),
    ];
    assert_eq!(other.blend, parts);
}

#[test]
fn settings_are_read() {
    let lines = "[index]\nenters = \"growing\"\nwindow = \"1h\"\nsessions = 1000\n[rankers]\n\
                 trending = { half_life = \"10m\", quantum = \"1m\" }\nsequential_rules = { steps = 3 }\n\
                 session_knn = { sessions = 50, neighbours = 7, last_items = 2, idf = 1.0 }\n";
    let index = policy(lines, &["blend", "catalogue"]).index.unwrap();
    assert!(index.growing);
    assert_eq!((index.window_ms, index.sessions_per_bin), (3_600_000, 4));
    assert_eq!(index.trending.half_life_ms, 600_000);
    assert_eq!(index.trending.quantum_ms, 60_000);
    let steps = index.sequential.unwrap().count;
    assert_eq!(steps, Count::Sequential { steps: 3 });
    let knn = index.session_knn.unwrap();
    assert_eq!((knn.sessions, knn.neighbours, knn.last_items), (50, 7, 2));
    assert!((knn.idf - 1.0).abs() < f64::EPSILON);
    // What is not given is a sixty-fourth.
    let index = policy("", &["trending", "catalogue"]).index.unwrap();
    assert_eq!(index.trending.quantum_ms, 86_400_000 / 64);
}

#[test]
fn what_the_example_says_are_the_defaults() {
    let start = PRODUCTS_POLICY.find("[index]").unwrap();
    let end = PRODUCTS_POLICY.find("# Which way of ordering").unwrap();
    let arms = ["association_rules", "blend"];
    assert_eq!(
        policy(&PRODUCTS_POLICY[start..end], &arms).index,
        policy("", &arms).index
    );
    assert!(Policy::read(PRODUCTS_POLICY).unwrap().index.is_some());
}

#[test]
fn what_cannot_be_is_refused_where_it_stands() {
    all_refused(&[
        (
            "version = 1\n[index]\nenters = ^\"close\"",
            "it is closed or growing; did you mean `closed`?",
        ),
        ("version = 1\n[index]\nwindow = ^\"0s\"", "must be above 0"),
        (
            "version = 1\n[index]\nsessions = ^0",
            "does not lie between 1 and",
        ),
        (
            "version = 1\n[rankers.trending]\nhalf_life = \"1d\"\nquantum = ^\"1s\"",
            "a quantum of at least a 10000th of it",
        ),
        (
            "version = 1\n[rankers.sequential_rules]\nsteps = ^0",
            "does not lie between 1 and 1000",
        ),
        (
            "version = 1\n[rankers.session_knn]\nidf = ^-1.0",
            "does not lie between 0 and 10",
        ),
        (
            "version = 1\n[rankers.blend]\n^session_nn = 1.0",
            "did you mean `session_knn`?",
        ),
        (
            "version = 1\n[rankers.blend]\ntrending = ^0.0",
            "weight 0 is not above 0",
        ),
    ]);
}
