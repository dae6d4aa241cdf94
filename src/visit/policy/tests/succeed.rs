//! Policies that take over from others: arms keep their numbers, and what cannot follow is refused.

use super::super::super::learn::spec::Method;
use super::*;

fn policy(arms: &[&str], slot: &str) -> String {
    let arms = arms.iter().map(|arm| format!("{{ name = \"{arm}\" }}"));
    let arms = arms.collect::<Vec<_>>().join(", ");
    format!("version = 1\n[[slot]]\nname = \"s\"\ndefault = \"none\"\narm = [{arms}]\n{slot}\n")
}

fn names(policy: &Policy) -> Vec<(&str, bool)> {
    let arms = policy.slots[0].arms.iter();
    arms.map(|arm| (arm.name.as_str(), arm.retired)).collect()
}

const LEARNS: &str = "learn = { method = \"fixed\", weights = { low = 1, none = 2, new = 3 } }";

#[test]
fn arms_keep_their_numbers_and_those_that_are_gone_come_back() {
    let fixed = "learn = { method = \"fixed\", weights = { none = 1, low = 1, high = 1 } }";
    let first = Policy::read(&policy(&["none", "low", "high"], fixed)).unwrap();
    let second = policy(&["new", "low", "none"], LEARNS);
    let second = Policy::read_after(&second, &first).unwrap();
    let stand = [
        ("none", false),
        ("low", false),
        ("high", true),
        ("new", false),
    ];
    assert_eq!(names(&second), stand);
    assert_eq!(second.slots[0].default, 0);
    let Method::Fixed { weights } = second.slots[0].learn.unwrap().method else {
        panic!("it is fixed");
    };
    assert_eq!(weights[..5], [2_000, 1_000, 0, 3_000, 0]);
    assert!(
        second.slots[0].arms[2].when.phases == 0,
        "it may not be shown"
    );
    let third = policy(&["high", "none"], "learn = { method = \"thompson\" }");
    let third = Policy::read_after(&third, &second).unwrap();
    let stand = [
        ("none", false),
        ("low", true),
        ("high", false),
        ("new", true),
    ];
    assert_eq!(names(&third), stand);
}

#[test]
fn rules_follow_their_arms() {
    let rules = "rule = [{ arm = \"low\", gain = 0.1 }, { arm = \"high\", gain = 0.2 }]";
    let first = Policy::read(&policy(&["none", "low", "high"], rules)).unwrap();
    let second = policy(&["high", "low", "none"], rules);
    let second = Policy::read_after(&second, &first).unwrap();
    let arms: Vec<usize> = second.slots[0].rules.iter().map(|rule| rule.arm).collect();
    assert_eq!(arms, [1, 2]);
}

#[test]
fn a_slot_has_no_more_arms_than_it_can_number() {
    let arms: Vec<String> = (0..ARMS_MAX - 1).map(|arm| format!("a{arm}")).collect();
    let mut arms: Vec<&str> = arms.iter().map(String::as_str).collect();
    arms.push("none");
    let learns = "learn = { method = \"thompson\", floor = 0.0 }";
    let first = Policy::read(&policy(&arms, learns)).unwrap();
    let error = Policy::read_after(&policy(&["none", "new"], learns), &first).unwrap_err();
    assert!(error.what.contains("arm `new` is one too many"), "{error}");
    assert_eq!(error.line, 5, "where the arm stands");
}

#[test]
fn slots_that_learn_together_get_no_new_arm() {
    let together = "learn = { method = \"multivariate\" }";
    let first = Policy::read(&policy(&["none", "low", "high"], together)).unwrap();
    let gone = Policy::read_after(&policy(&["none", "low"], together), &first).unwrap();
    let stand = [("none", false), ("low", false), ("high", true)];
    assert_eq!(names(&gone), stand);
    let error = Policy::read_after(&policy(&["none", "low", "new"], together), &first);
    assert!(error.unwrap_err().what.contains("whole layouts"));
    let alone = policy(&["none", "low"], "learn = { method = \"thompson\" }");
    assert!(Policy::read_after(&alone, &first).is_err());
}
