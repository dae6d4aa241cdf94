//! Policies, models and mappings that are wrong: refused before a row is read, with place and hint.

use super::run::{GOOD, file, replay_paths};
use restage::visit::model;
use restage::visit::policy::DEFAULT_POLICY;
use std::fs;

/// Replays a good log under a policy, a model or a mapping.
fn replay_with(flag: &str, name: &str, bytes: impl AsRef<[u8]>) -> super::run::Outcome {
    let (dir, log) = file("log", GOOD);
    let rules = dir.path().join(name);
    fs::write(&rules, bytes).unwrap();
    replay_paths(dir, &[&log], &[flag, rules.to_str().unwrap()])
}

fn assert_policy_refused(text: &str, words: &[&str]) {
    let outcome = replay_with("--policy", "bold.toml", text);
    outcome.assert_fails(2, &["bold.toml: line "]);
    outcome.assert_fails(2, words);
}

/// A policy of one slot with three arms; `rules` are its rules.
fn one_slot(rules: &str) -> String {
    format!(
        "version = 1\n[[slot]]\nname = \"banner\"\ndefault = \"brand\"\n\
         arm = [{{ name = \"brand\" }}, {{ name = \"sale\" }}, {{ name = \"cart\", when = {{ cart_size = {{ min = 1 }} }} }}]\n\
         {rules}"
    )
}

#[test]
fn a_good_policy_is_taken() {
    let rules =
        "[[slot.rule]]\narm = \"sale\"\ngain = 0.1\n[[slot.rule]]\narm = \"cart\"\ngain = 0.2\n";
    let outcome = replay_with("--policy", "bold.toml", one_slot(rules));
    outcome.assert_rejects(&[]);
    let shipped = replay_with("--policy", "bold.toml", DEFAULT_POLICY);
    assert_ne!(outcome.report["digest"], shipped.report["digest"]);
}

#[test]
fn an_unknown_key_gets_a_suggestion() {
    assert_policy_refused(
        "version = 1\n\n[stability]\ncooldwon = \"1s\"\n",
        &[
            "line 4, column 1",
            "unknown key `cooldwon`",
            "did you mean `cooldown`?",
        ],
    );
    assert_policy_refused(
        &one_slot(
            "[[slot.rule]]\narm = \"sale\"\ngain = 0.1\nwhen = { cart_sise = { min = 1 } }\n",
        ),
        &[
            "line 9",
            "`cart_sise` is not a feature",
            "did you mean `cart_size`?",
        ],
    );
    assert_policy_refused(
        &one_slot("[[slot.rule]]\narm = \"sail\"\ngain = 0.1\n"),
        &["line 7", "has no arm `sail`", "did you mean `sale`?"],
    );
}

#[test]
fn an_impossible_range_is_refused() {
    let rule = |when: &str| {
        one_slot(&format!(
            "[[slot.rule]]\narm = \"sale\"\ngain = 0.1\nwhen = {{ {when} }}\n"
        ))
    };
    assert_policy_refused(
        &rule("cart_size = { min = 5, max = 2 }"),
        &[
            "line 9",
            "impossible: cart_size cannot be at least 5 and at most 2",
        ],
    );
    assert_policy_refused(
        &rule("p_purchase = { min = 1.5 }"),
        &["line 9", "lies between 0 and 1"],
    );
    assert_policy_refused(
        &rule("p_purchase = { min = nan }"),
        &["line 9", "takes a range"],
    );
    assert_policy_refused(
        "version = 1\n[holdout]\nshare = 1.5\n",
        &["line 3", "between 0 and 1"],
    );
    assert_policy_refused(
        "version = 1\n[phase]\nbuying = { enter = 0.01, leave = 0.01 }\n",
        &["line 3", "must be entered above"],
    );
    assert_policy_refused(
        "version = 1\n[session]\nidle = \"0\"\n",
        &["line 3", "must be above 0"],
    );
}

/// Promotions and holdouts that leave nothing to be shown, or nobody to learn from.
#[test]
fn learning_that_could_never_happen_is_refused() {
    let learns = |lines: &str, arm: &str| {
        format!(
            "version = 1\n{lines}\n[[slot]]\nname = \"promo\"\ndefault = \"none\"\nlearn = {{}}\n\
             arm = [{{ name = \"none\" }}, {{ name = \"gift\", {arm} }}]\n"
        )
    };
    assert_policy_refused(
        &learns(
            "promotions = { margin = 0.2, margin_min = 0.3 }",
            "cost = 1.0",
        ),
        &["line 2", "no arm that costs anything could ever be shown"],
    );
    assert_policy_refused(
        &learns("", "cost = 1.0, budget = 0.0"),
        &["line 7", "with a budget of 0 the arm could never be shown"],
    );
    assert_policy_refused(
        &learns("holdout = { share = 1.0 }", "cost = 1.0"),
        &["line 2", "all visitors are held out"],
    );
}

#[test]
fn an_arm_that_no_rule_calls_for_is_refused() {
    assert_policy_refused(
        &one_slot("[[slot.rule]]\narm = \"sale\"\ngain = 0.1\n"),
        &["line 5", "arm `cart` can never be shown"],
    );
}

#[test]
fn a_rule_in_the_shadow_of_another_is_refused() {
    assert_policy_refused(
        &one_slot(
            "[[slot.rule]]\narm = \"sale\"\ngain = 0.1\npriority = 2\n\
             [[slot.rule]]\narm = \"cart\"\ngain = 0.2\npriority = 1\n",
        ),
        &[
            "line 11",
            "can never win",
            "`banner.sale` has a higher priority",
        ],
    );
}

#[test]
fn another_version_is_refused() {
    assert_policy_refused("version = 2\n", &["line 1", "version 2", "reads 1"]);
    assert_policy_refused("name = \"x\"\n", &["version"]);
    assert_policy_refused("version = \"one\"\n", &["line 1, column 11"]);
}

#[test]
fn a_policy_that_is_no_toml_is_placed() {
    assert_policy_refused("version = 1\n[session\n", &["line 2"]);
    assert_policy_refused("", &["version"]);
    let outcome = replay_with("--policy", "bold.toml", b"version = \xff");
    outcome.assert_fails(2, &["bold.toml", "not UTF-8"]);
    let (dir, log) = file("log", GOOD);
    let missing = dir.path().join("missing.toml");
    replay_paths(dir, &[&log], &["--policy", missing.to_str().unwrap()])
        .assert_fails(2, &["missing.toml could not be read", "No such file"]);
}

/// A rule is remembered by its number in a byte.
#[test]
fn more_rules_than_a_slot_can_have_are_refused() {
    let rules = |count| "[[slot.rule]]\narm = \"sale\"\ngain = 0.1\n".repeat(count);
    let cart = "[[slot.rule]]\narm = \"cart\"\ngain = 0.2\n";
    let most = replay_with("--policy", "bold.toml", one_slot(&(rules(255) + cart)));
    most.assert_rejects(&[]);
    assert_policy_refused(
        &one_slot(&(rules(256) + cart)),
        &["257 rules", "at most 256"],
    );
}

#[test]
fn odd_names_of_policies_do_not_break_the_records() {
    let named = DEFAULT_POLICY.replace("name = \"default\"", "name = \"a\\\"b\\nc\"");
    let outcome = replay_with("--policy", "bold.toml", named);
    outcome.assert_rejects(&[]);
    assert!(
        outcome.report["policy"]
            .as_str()
            .unwrap()
            .starts_with("a\"b\nc@")
    );
}

const MODEL: &str = include_str!("../../data/model.json");

fn assert_model_refused(bytes: impl AsRef<[u8]>, words: &[&str]) {
    let outcome = replay_with("--model", "intent.json", bytes);
    outcome.assert_fails(2, &["model ", "intent.json was refused: "]);
    outcome.assert_fails(2, words);
}

#[test]
fn a_model_cut_short_is_refused() {
    for cut in [0, 1, MODEL.len() / 2, MODEL.len() - 1] {
        assert_model_refused(&MODEL[..cut], &["no checksum", "cut short"]);
    }
}

#[test]
fn a_model_with_one_byte_changed_is_refused() {
    let mut changed = MODEL.as_bytes().to_vec();
    let digit = changed.iter().position(|byte| *byte == b'7').unwrap();
    changed[digit] = b'8';
    assert_model_refused(changed, &["checksum", "changed or damaged"]);
}

#[test]
fn a_model_of_an_unknown_feature_is_refused() {
    let (mut file, _) = model::file::parse(MODEL.as_bytes()).unwrap();
    file.features[0].name = "shoe_size".into();
    let sealed = model::file::write(&file);
    assert_model_refused(sealed, &["do not match this build", "shoe_size is unknown"]);
}

#[test]
fn a_model_whose_weights_would_overflow_is_refused() {
    let (mut file, _) = model::file::parse(MODEL.as_bytes()).unwrap();
    file.purchase.scorer = model::Scorer::Logistic {
        bias: 0.0,
        weights: vec![1e308; file.features.len()],
    };
    assert_model_refused(model::file::write(&file), &["purchase", "too large"]);
}

#[test]
fn a_mapping_that_is_wrong_is_placed() {
    let refused = |text: &str, words: &[&str]| {
        let outcome = replay_with("--mapping", "shop.toml", text);
        outcome.assert_fails(2, words);
    };
    let head = "[source]\ntype = \"csv\"\n[columns]\nevent_ms = \"t\"\n";
    refused(
        &format!("{head}vistor = \"v\"\n"),
        &["shop.toml, line 5", "did you mean `visitor`?"],
    );
    refused(head, &["shop.toml, line 3", "`visitor` has no column"]);
    refused("[source\n", &["shop.toml, line 1"]);
}
