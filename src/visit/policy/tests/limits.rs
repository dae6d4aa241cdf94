//! How much of everything a policy may hold.

use super::*;

#[test]
fn there_is_a_most_of_everything() {
    let numbered = |n: usize| SLOT.replace("\"s\"", &format!("\"s{n}\""));
    let slots = |count: usize| (0..count).map(numbered).collect::<String>();
    assert!(Policy::read(&format!("version = 1{}", slots(SLOTS_MAX))).is_ok());
    let error = Policy::read(&format!("version = 1{}", slots(SLOTS_MAX + 1))).unwrap_err();
    assert!(error.what.contains("9 slots; at most 8"), "{error}");
    assert_eq!(error.line, 2 + 6 * SLOTS_MAX, "the ninth: {error}");

    let arms = |count: usize| {
        let arms: Vec<String> = (1..count)
            .map(|n| format!("{{ name = \"a{n}\", uses_max = 1 }}"))
            .collect();
        let rules: Vec<String> = (1..count)
            .map(|n| format!("{{ arm = \"a{n}\", gain = 0.5 }}"))
            .collect();
        format!(
            "[[slot]]\nname = \"s{count}\"\ndefault = \"none\"\narm = [{{ name = \"none\" }}, {}]\nrule = [{}]\n",
            arms.join(", "),
            rules.join(", ")
        )
    };
    assert!(Policy::read(&format!("version = 1\n{}", arms(ARMS_MAX))).is_ok());
    let error = Policy::read(&format!("version = 1\n{}", arms(ARMS_MAX + 1))).unwrap_err();
    assert!(error.what.contains("17 arms; it needs 1 to 16"), "{error}");
    let error = Policy::read(&format!("version = 1\n{}{}", arms(ARMS_MAX), arms(3))).unwrap_err();
    assert!(
        error.what.contains("more than 16 arms with uses_max"),
        "{error}"
    );
    all_refused(&[
        (
            "version = 1\n[[slot]]\nname = ^\"s\"\ndefault = \"none\"",
            "slot `s` has 0 arms",
        ),
        (
            &slot("arm = [{ name = \"none\" }, { name = \"a\", uses_max = ^0 }]"),
            "between 1 and 255",
        ),
        (
            &slot("arm = [{ name = \"none\" }, { name = \"a\", uses_max = ^256 }]"),
            "between 1 and 255",
        ),
    ]);
}

/// A record remembers a rule by one byte: beyond 256 the reason would name another rule.
#[test]
fn a_slot_has_no_more_rules_than_a_record_can_name() {
    let rules = |count: usize| {
        let rule = |n: usize| format!("[[slot.rule]]\nname = \"r{n}\"\narm = \"a\"\ngain = 0.5\n");
        let rules: String = (0..count).map(rule).collect();
        slot(&format!(
            "arm = [{{ name = \"none\" }}, {{ name = \"a\" }}]\n{rules}"
        ))
    };
    assert_eq!(
        Policy::read(&rules(RULES_MAX)).unwrap().slots[0]
            .rules
            .len(),
        256
    );
    let error = Policy::read(&rules(RULES_MAX + 1)).unwrap_err();
    assert!(error.what.contains("257 rules; at most 256"), "{error}");
    assert_eq!(error.line, 6 + 4 * RULES_MAX);
}

/// Limits of the whole are shared out over the bins, rounded up.
#[test]
fn limits_are_shared_out_over_the_bins() {
    let policy = Policy::read(
        "version = 1\n[limits]\nlive_sessions = 257\nhistories = 256\nevent_ids = 1_048_576",
    )
    .unwrap();
    let limits = policy.limits;
    assert_eq!(
        (
            limits.live_sessions_per_bin,
            limits.histories_per_bin,
            limits.event_ids_per_bin
        ),
        (2, 1, 4_096)
    );
}
