//! A policy whose lists are learned, compared with itself: the one that is compared keeps an index of
//! its own, so that its lists, and the changes that they cost, are those of the one in force.

use super::common::{report, text};
use restage::rng::Rng;
use std::fmt::Write;

const POLICY: &str = r#"
version = 1
name = "NAME"
[session]
idle = "60s"
[stability]
cooldown = "6s"
changes_max = 3
[tables]
quantum = "1s"
lag = "1s"
[[slot]]
name = "grid"
default = "near"
products = { count = 6 }
arm = [{ name = "near", ranker = "RANKER" }]
[[slot]]
name = "note"
default = "none"
arm = [{ name = "none" }, { name = "help" }]
rule = [{ arm = "help", gain = 0.1, when = { item_views = { min = 3 } } }]
"#;

#[test]
fn a_policy_with_learned_lists_differs_from_itself_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let mut items = String::from("item\n");
    (0..30).for_each(|item| writeln!(items, "i{item}").unwrap());
    let mut rng = Rng::of(4, 4);
    let (mut log, mut at) = (String::from("event_ms,visitor,kind,item\n"), 0u64);
    for _ in 0..4_000 {
        at += u64::from(rng.below(900));
        let (who, item) = (rng.below(40), rng.zipf(30));
        writeln!(log, "{},v{who},item_view,i{item}", 1_767_571_200_000 + at).unwrap();
    }
    let (items, log) = (file("items.csv", &items), file("log.csv", &log));
    for ranker in ["session_knn", "sequential_rules", "catalogue"] {
        let named = |name: &str| POLICY.replace("NAME", name).replace("RANKER", ranker);
        let (own, other) = (
            file("own.toml", &named("own")),
            file("other.toml", &named("other")),
        );
        let report = report(&[
            "replay",
            text(&log),
            "--policy",
            text(&own),
            "--against",
            text(&other),
            "--catalogue",
            text(&items),
        ]);
        let against = &report["against"];
        assert!(against["sessions"].as_u64().unwrap() > 100, "{against}");
        assert_eq!(against["sessions_differing"], 0, "{ranker}: {against}");
    }
}
