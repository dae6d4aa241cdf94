//! What a policy may say and what is refused. A refused text carries a `^` where the error must
//! point; it is taken out before the text is read.

mod any_text;
mod index;
mod learning;
mod limits;
mod succeed;

use super::*;

/// A slot that is fine, for policies whose fault lies elsewhere.
const SLOT: &str = r#"
[[slot]]
name = "s"
default = "none"
arm = [{ name = "none" }, { name = "a" }]
rule = [{ arm = "a", gain = 0.5 }]
"#;

/// Reads a policy that must be refused at its `^`, and returns what is said.
#[track_caller]
fn refused(marked: &str) -> String {
    let at = marked.find('^').expect("a mark");
    let text = marked.replacen('^', "", 1);
    let error = match Policy::read(&text) {
        Ok(_) => panic!("read: {text}"),
        Err(error) => error,
    };
    let line = marked[..at].matches('\n').count() + 1;
    let column = marked[..at].rsplit('\n').next().unwrap().chars().count() + 1;
    assert_eq!(
        (error.line, error.column),
        (line, column),
        "{error}\n{text}"
    );
    error.what
}

/// The same for a list of (text, what the error must mention).
#[track_caller]
fn all_refused(cases: &[(&str, &str)]) {
    for (marked, mention) in cases {
        let what = refused(marked);
        assert!(
            what.contains(mention),
            "`{what}` should mention `{mention}`"
        );
    }
}

/// A policy with one slot that has these lines.
fn slot(lines: &str) -> String {
    format!("version = 1\n[[slot]]\nname = \"s\"\ndefault = \"none\"\n{lines}\n")
}

/// A slot with arm `a` that has this `when`, and a rule for it with these members.
fn ruled(arm_when: &str, rule: &str) -> String {
    slot(&format!(
        "arm = [{{ name = \"none\" }}, {{ name = \"a\", when = {{ {arm_when} }} }}]\nrule = [{{ {rule} }}]"
    ))
}

fn debug(policy: &Policy) -> String {
    let nameless = Policy {
        label: String::new(),
        ..policy.clone()
    };
    format!("{nameless:?}")
}

#[test]
fn the_version_alone_is_the_default_policy() {
    let bare = Policy::read("version = 1").unwrap();
    assert_eq!(debug(&bare), debug(&Policy::shipped()));
    assert_eq!(bare.slots.len(), 4);
}

/// The defaults stand in the file and in the reader; leaving out any one table changes nothing.
#[test]
fn every_table_left_out_of_the_default_has_the_value_shown_there() {
    let table = toml::from_str::<toml::Table>(DEFAULT_POLICY).unwrap();
    for key in table.keys().filter(|key| *key != "version") {
        let mut without = table.clone();
        without.remove(key);
        let read = Policy::read(&toml::to_string(&without).unwrap()).unwrap();
        assert_eq!(debug(&read), debug(&Policy::shipped()), "without {key}");
        let Some(members) = table[key].as_table() else {
            continue;
        };
        for member in members.keys() {
            let mut without = table.clone();
            without[key].as_table_mut().unwrap().remove(member);
            let read = Policy::read(&toml::to_string(&without).unwrap()).unwrap();
            assert_eq!(
                debug(&read),
                debug(&Policy::shipped()),
                "without {key}.{member}"
            );
        }
    }
}

#[test]
fn a_record_shows_the_features_that_are_named() {
    let read = |names: &str| Policy::read(&format!("version = 1\n[reason]\nfeatures = {names}"));
    assert!(read("[]").unwrap().features.is_empty());
    let named = read("[\"cart_size\", \"events\"]").unwrap().features;
    let names: Vec<&str> = named
        .iter()
        .map(|&place| crate::visit::feature::FEATURES[usize::from(place)].name)
        .collect();
    assert_eq!(names, ["cart_size", "events"], "in the order of the policy");
    for (names, what) in [
        ("[\"cart_sizes\"]", "did you mean `cart_size`?"),
        ("[\"events\", \"events\"]", "`events` stands twice"),
    ] {
        let error = read(names).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_label_names_the_policy_and_its_very_text() {
    let one = Policy::read("version = 1\nname = \"mine\"").unwrap().label;
    let two = Policy::read("version = 1\nname = \"mine\" ").unwrap().label;
    assert!(
        one.starts_with("mine@") && one.len() == "mine@".len() + 8,
        "{one}"
    );
    assert_ne!(one, two);
    assert_eq!(Policy::shipped().label, Policy::shipped().label);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    all_refused(&[
        (
            "version = 1\n[stability]\n^cooldwon = \"1s\"",
            "did you mean `cooldown`?",
        ),
        (
            "version = 1\n[session]\nidle = \"30m\"\n^maxx = \"1h\"",
            "did you mean `max`?",
        ),
        (
            "version = 1\n[^stabilty]\ncooldown = \"1s\"",
            "did you mean `stability`?",
        ),
        (
            "version = 1\n[phase]\nexploring = { enter = 0.1, leave = 0.1, ^stay = 1 }",
            "unknown key `stay`",
        ),
    ]);
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_known_one() {
    all_refused(&[
        (
            &ruled("^cart_sise = { min = 1 }", "arm = \"a\", gain = 0.5"),
            "`cart_sise` is not a feature; did you mean `cart_size`?",
        ),
        (
            &ruled("^p_purchas = { min = 0.5 }", "arm = \"a\", gain = 0.5"),
            "did you mean `p_purchase`?",
        ),
        (
            &ruled("phase = ^[\"exploringg\"]", "arm = \"a\", gain = 0.5"),
            "did you mean `exploring`?",
        ),
        (
            &ruled("", "arm = ^\"b\", gain = 0.5"),
            "slot `s` has no arm `b`",
        ),
        (
            &ruled("", "arm = \"a\", gain = 0.5, scaled_by = ^\"p_abandn\""),
            "did you mean `p_abandon`?",
        ),
        (
            "version = 1\n[[slot]]\nname = \"s\"\ndefault = ^\"nome\"\narm = [{ name = \"none\" }]",
            "did you mean `none`?",
        ),
        (
            &slot("arm = [{ name = \"none\" }]\ncontext = [\"phase\", ^\"returnin\"]"),
            "did you mean `returning`?",
        ),
        (
            "version = 1\n[session]\nsource = ^\"logg\"",
            "did you mean `log`?",
        ),
    ]);
}

#[test]
fn a_range_must_be_one() {
    let range = |range: &str| ruled(range, "arm = \"a\", gain = 0.5");
    all_refused(&[
        (
            &range("^cart_size = { min = 3, max = 2 }"),
            "impossible: cart_size cannot be at least 3 and at most 2",
        ),
        (
            &range("^cart_size = { max = -1 }"),
            "impossible: cart_size always lies between 0 and inf",
        ),
        (
            &range("^scroll_max = { min = 1.5 }"),
            "always lies between 0 and 1",
        ),
        (
            &range("^p_abandon = { min = 2 }"),
            "p_abandon always lies between 0 and 1",
        ),
        (
            &range("^events = { max = 0 }"),
            "always lies between 1 and inf",
        ),
        (&range("^cart_size = { mim = 1 }"), "did you mean `min`?"),
        (&range("cart_size = ^{ }"), "cart_size takes a range"),
        (&range("cart_size = ^3"), "cart_size takes a range"),
        (
            &range("cart_size = ^{ min = nan }"),
            "cart_size takes a range",
        ),
        (
            &range("cart_size = ^{ min = inf }"),
            "cart_size takes a range",
        ),
        (
            &range("cart_size = ^{ min = \"1\" }"),
            "cart_size takes a range",
        ),
        (&range("phase = ^[]"), "an empty list of phases never holds"),
        (&range("phase = ^\"browsing\""), "phase takes a list"),
        (&range("phase = ^[1]"), "is not a phase"),
    ]);
    assert!(Policy::read(&range("cart_size = { min = 2, max = 2 }")).is_ok());
    assert!(Policy::read(&range("events = { max = 1 }")).is_ok());
}

#[test]
fn a_rule_that_contradicts_its_arm_is_refused() {
    all_refused(&[
        (
            &ruled(
                "cart_size = { min = 1 }",
                "arm = ^\"a\", gain = 0.5, when = { cart_size = { max = 0 } }",
            ),
            "rule `s.a` is impossible: arm `a` may not be shown when it holds (their ranges of cart_size have nothing in common)",
        ),
        (
            &ruled(
                "phase = [\"buying\"]",
                "arm = ^\"a\", gain = 0.5, when = { phase = [\"browsing\"] }",
            ),
            "their phases have nothing in common",
        ),
    ]);
    let touching = ruled(
        "cart_size = { min = 1 }",
        "arm = \"a\", gain = 0.5, when = { cart_size = { max = 1 } }",
    );
    assert!(Policy::read(&touching).is_ok());
}

#[test]
fn a_rule_that_a_higher_one_always_beats_is_refused() {
    let rules = |low: &str, high: &str| {
        slot(&format!(
            "arm = [{{ name = \"none\" }}, {{ name = \"a\" }}, {{ name = \"b\" }}]\nrule = [{{ arm = ^\"a\", gain = 0.5, {low} }}, {{ name = \"wide\", arm = \"b\", gain = 0.1, {high} }}]"
        ))
    };
    let narrow = "when = { phase = [\"buying\"], clicks = { min = 2, max = 5 } }";
    let wide = "when = { phase = [\"buying\", \"deciding\"], clicks = { min = 2 } }, priority = 1";
    assert_eq!(
        refused(&rules(narrow, wide)),
        "rule `s.a` can never win: rule `wide` has a higher priority and holds whenever it holds"
    );
    assert!(refused(&rules(narrow, "priority = 1")).contains("can never win"));
    for fine in [
        // Not wider, not higher, or not always possible.
        rules(narrow, "when = { clicks = { min = 3 } }, priority = 1"),
        rules(narrow, "when = { phase = [\"deciding\"] }, priority = 1"),
        rules(narrow, "when = { events = { min = 1 } }, priority = 1"),
        rules("priority = 1", "priority = 1"),
        rules(narrow, wide).replace("{ name = \"b\" }", "{ name = \"b\", uses_max = 1 }"),
        rules(narrow, wide).replace(
            "{ name = \"b\" }",
            "{ name = \"b\", when = { cart_size = { min = 1 } } }",
        ),
    ] {
        let read = Policy::read(&fine.replace('^', ""));
        assert!(read.is_ok(), "{fine}: {read:?}");
    }
}

#[test]
fn what_can_never_be_shown_is_refused() {
    all_refused(&[
        (
            &ruled("", "arm = ^\"a\", gain = 0.01"),
            "rule `s.a` can never win: its gain 0.01 is below stability.min_gain 0.02",
        ),
        (
            &slot("arm = [{ name = \"none\" }, { name = ^\"a\" }]"),
            "arm `a` can never be shown: no rule calls for it",
        ),
        (
            &slot(
                "arm = [{ name = \"none\" }, { name = \"a\" }]\nrule = [{ arm = \"a\", gain = 0.5 }, { arm = ^\"none\", gain = 0.5 }]",
            ),
            "calls for the default arm `none`",
        ),
    ]);
    let higher = ruled("", "arm = \"a\", gain = 0.01, priority = 1");
    assert!(
        Policy::read(&higher).is_ok(),
        "priority wins whatever the gain"
    );
    let exact = ruled("", "arm = \"a\", gain = 0.02");
    assert!(Policy::read(&exact).is_ok(), "exactly min_gain is enough");
}

/// The slots that are used when none are named must be able to change, too.
#[test]
fn a_least_gain_beyond_the_default_slots_is_refused_where_it_stands() {
    let what = refused("version = 1\n[stability]\nmin_gain = ^0.5");
    assert!(
        what.contains("of the default slots can never win"),
        "{what}"
    );
    assert!(Policy::read("version = 1\n[stability]\nmin_gain = 0.03").is_ok());
    let named = format!("version = 1\n[stability]\nmin_gain = 0.5\n{SLOT}");
    assert!(Policy::read(&named).is_ok());
}

#[test]
fn a_default_arm_must_always_be_possible() {
    let arms = |arm: &str| {
        format!(
            "version = 1\n[[slot]]\nname = \"s\"\ndefault = ^\"none\"\narm = [{{ name = \"none\", {arm} }}]\n"
        )
    };
    for arm in [
        "when = { clicks = { min = 1 } }",
        "uses_max = 3",
        "when = { phase = [\"buying\"] }",
    ] {
        let what = refused(&arms(arm));
        assert!(what.contains("must always be possible"), "{what}");
    }
}

#[test]
fn names_are_plain_and_stand_once() {
    all_refused(&[
        (
            &format!("version = 1{SLOT}{}", SLOT.replace("\"s\"", "^\"s\"")),
            "slot `s` stands twice",
        ),
        (
            &slot("arm = [{ name = \"none\" }, { name = ^\"none\" }]"),
            "arm `none` stands twice in its slot",
        ),
        (
            &slot("arm = [{ name = \"none\" }]\ncontext = [\"phase\", ^\"phase\"]"),
            "`phase` stands twice",
        ),
        (
            &slot("arm = [{ name = \"none\" }, { name = ^\"a b\" }]"),
            "is no name",
        ),
        (
            &slot("arm = [{ name = \"none\" }, { name = ^\"\" }]"),
            "is no name",
        ),
        (
            &slot("arm = [{ name = \"none\" }, { name = ^\"größer\" }]"),
            "is no name",
        ),
        (
            &ruled("", "name = ^\"two\\nlines\", arm = \"a\", gain = 0.5"),
            "is no name",
        ),
        (
            &format!(
                "version = 1{}",
                SLOT.replace("\"s\"", &format!("^\"{}\"", "s".repeat(65)))
            ),
            "is no name",
        ),
    ]);
}

#[test]
fn thresholds_stand_in_order() {
    all_refused(&[
        (
            "version = 1\n[phase]\nexploring = ^{ enter = 0.1, leave = 0.2 }",
            "0 <= leave <= enter <= 1",
        ),
        (
            "version = 1\n[phase]\nhesitating = ^{ enter = 1.1, leave = 0.2 }",
            "0 <= leave <= enter <= 1",
        ),
        (
            "version = 1\n[phase]\nbuying = ^{ enter = nan, leave = 0.2 }",
            "0 <= leave <= enter <= 1",
        ),
        (
            "version = 1\n[phase]\nbuying = ^{ enter = 0.5, leave = nan }",
            "0 <= leave <= enter <= 1",
        ),
        (
            "version = 1\n[phase]\nexploring = ^{ enter = 0.2, leave = 0.01 }",
            "phase deciding must be entered above exploring (0.1 > 0.2)",
        ),
        (
            "version = 1\n[phase]\nexploring = { enter = 0.2, leave = 0.1 }\ndeciding = ^{ enter = 0.2, leave = 0.1 }",
            "phase deciding must be entered above exploring",
        ),
        (
            "version = 1\n[phase]\nbuying = ^{ enter = 0.5, leave = 0.01 }",
            "left no lower",
        ),
    ]);
}

#[test]
fn durations_and_shares_are_held_to_what_they_can_be() {
    all_refused(&[
        (
            "version = 1\n[session]\nidle = ^\"0\"",
            "session.idle must be above 0",
        ),
        (
            "version = 1\n[session]\nidle = ^\"2h\"\nmax = \"1h\"",
            "no longer than session.max",
        ),
        (
            "version = 1\n[session]\nmax = ^\"10m\"",
            "no longer than session.max",
        ),
        (
            "version = 1\n[session]\nidle = ^\"30\"",
            "is not a duration",
        ),
        ("version = 1\n[session]\nidle = ^\"\"", "is not a duration"),
        (
            "version = 1\n[hesitation]\nafter = ^\"-3s\"",
            "is not a duration",
        ),
        (
            "version = 1\n[limits]\nhistory_keep = ^\"10001d\"",
            "is longer than 10000 days",
        ),
        (
            "version = 1\n[hesitation]\nafter = ^\"30m\"",
            "hesitation.after is no shorter than session.idle",
        ),
        (
            "version = 1\n[session]\nidle = ^\"45s\"",
            "hesitation.after is no shorter than session.idle",
        ),
        (
            "version = 1\n[holdout]\nshare = ^1.01",
            "does not lie between 0 and 1",
        ),
        (
            "version = 1\n[holdout]\nshare = ^-0.1",
            "does not lie between 0 and 1",
        ),
        (
            "version = 1\n[holdout]\nshare = ^nan",
            "does not lie between 0 and 1",
        ),
        (
            "version = 1\n[stability]\nmin_gain = ^2.0",
            "does not lie between 0 and 1",
        ),
        (
            "version = 1\n[limits]\nlive_sessions = ^255",
            "does not lie between 256 and 4294967296",
        ),
        (
            "version = 1\n[limits]\nitems_per_session = ^0",
            "does not lie between 1 and 4096",
        ),
        (
            &ruled("", "arm = \"a\", gain = ^0.0"),
            "gain 0 does not lie above 0 and up to 1",
        ),
        (
            &ruled("", "arm = \"a\", gain = ^nan"),
            "does not lie above 0 and up to 1",
        ),
    ]);
    assert!(Policy::read("version = 1\n[session]\nidle = \"46s\"").is_ok());
    let off = Policy::read("version = 1\n[hesitation]\nafter = \"0\"").unwrap();
    assert_eq!(off.hesitation_ms, None);
}

#[test]
fn a_policy_of_another_version_is_not_read() {
    all_refused(&[
        (
            "# mine\nversion = ^2",
            "policy version 2 is not read; this build reads 1",
        ),
        ("version = ^0", "policy version 0 is not read"),
        ("version = ^\"1\"", "invalid type"),
    ]);
    let error = Policy::read("name = \"x\"").unwrap_err();
    assert!(error.what.contains("missing field `version`"), "{error}");
}

#[test]
fn broken_toml_is_told_with_its_place_in_one_line() {
    for (text, line) in [
        ("version = 1\nname = \"x", 2),
        ("version = 1\n[session\n", 2),
        ("version = 1\n\n= 3", 3),
        ("version = 1\nversion = 1", 2),
        ("versión = 1", 1),
    ] {
        let error = Policy::read(text).unwrap_err();
        assert_eq!(error.line, line, "{error}\n{text}");
        assert!(
            !error.to_string().contains('\n') && !error.what.is_empty(),
            "{error}"
        );
    }
}

#[test]
fn a_column_counts_characters() {
    refused("version = 1\n[holdout]\nsalt = \"é😀\"\nshare = ^7.0");
    refused("version = 1\nholdout = { salt = \"é😀\", share = ^7.0 }");
    refused("version = 1\r\n[holdout]\r\nshare = ^7.0\r\n");
}

#[test]
fn rules_stand_by_priority_and_then_as_in_the_file() {
    let policy = Policy::read(&slot(
        "arm = [{ name = \"none\" }, { name = \"a\" }]\nrule = [\n{ name = \"one\", arm = \"a\", gain = 0.1, when = { clicks = { min = 1 } } },\n{ name = \"two\", arm = \"a\", gain = 0.9 },\n{ name = \"three\", arm = \"a\", gain = 0.5, priority = 7, when = { clicks = { min = 2 } } },\n]",
    ))
    .unwrap();
    let names: Vec<&str> = policy.slots[0]
        .rules
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(names, ["three", "one", "two"]);
    assert_eq!(policy.slots[0].rules[0].reason, "s=a by rule three");
}

/// A condition that its own phases rule out, by the thresholds or by the empty cart, is refused.
#[test]
fn a_rule_that_no_phase_leaves_room_for_is_refused() {
    for (phase, range) in [
        ("hesitating", "cart_size = { max = 0 }"),
        ("browsing", "p_purchase = { min = 0.9 }"),
        ("buying", "p_purchase = { max = 0.1 }"),
    ] {
        let text = format!(
            "version = 1\n[[slot]]\nname = \"s\"\ndefault = \"a\"\narm = [{{ name = \"a\" }}, {{ name = \"b\" }}]\n\
             rule = [{{ arm = \"b\", gain = 0.1, when = {{ phase = [\"{phase}\"], {range} }} }}]\n"
        );
        let error = Policy::read(&text).unwrap_err();
        assert_eq!(error.line, 6, "{error}");
        assert!(error.what.contains("none of its phases"), "{error}");
    }
}

/// A promotion that needs a cart, with and without draws later than at the start.
#[test]
fn what_hardly_happens_is_noted() {
    let notes = |context: &str, arm: &str| {
        let text = format!(
            "version = 1\n[[slot]]\nname = \"promo\"\ndefault = \"none\"\n{context}\n\
             learn = {{}}\narm = [{{ name = \"none\" }}, {{ name = \"gift\", {arm} }}]\n"
        );
        Policy::read(&text).unwrap().notes()
    };
    let phase = "context = [\"phase\"]";
    assert_eq!(notes(phase, "cost = 5.0, budget = 10.0"), [] as [String; 0]);
    assert_eq!(notes("", "discount = 0.1"), [] as [String; 0]);
    assert!(notes("", "cost = 5.0")[0].contains("only visits that start with a filled cart"));
    assert!(notes(phase, "discount = 0.1, budget = 10.0")[0].contains("while the cart is empty"));
    let learning = Policy::read(LEARNING_POLICY).unwrap();
    assert_eq!(learning.notes().len(), 1, "{:?}", learning.notes());
}
