//! Products on the page, from the outside: lists in decisions, what is on sale over time, refusals.

mod common;

use common::{report, run, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// 2026-01-05, a Monday.
const START_MS: u64 = 1_767_571_200_000;

const HEAD: &str = r#"
    version = 1
    [holdout]
    share = 0.0
    [stability]
    cooldown = "0s"
    [[slot]]
    name = "grid"
    default = "all"
    "#;

fn policy(products: &str) -> String {
    format!("{HEAD}products = {products}\narm = [{{ name = \"all\", ranker = \"catalogue\" }}]\n")
}

/// A log of (seconds, visitor, kind, item).
fn log(rows: &[(u64, &str, &str, &str)]) -> String {
    let mut text = String::from("event_ms,visitor,kind,item\n");
    for (seconds, visitor, kind, item) in rows {
        let at_ms = START_MS + seconds * 1_000;
        text.push_str(&format!("{at_ms},{visitor},{kind},{item}\n"));
    }
    text
}

struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new(policy: &str, catalogue: &str, log: &str) -> Case {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("policy.toml", policy),
            ("items.csv", catalogue),
            ("log.csv", log),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Case { dir }
    }

    fn path(&self, name: &str) -> String {
        text(&self.dir.path().join(name)).to_owned()
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let mut args = vec!["replay".to_owned(), self.path("log.csv")];
        args.extend(["--policy".into(), self.path("policy.toml")]);
        args.extend(["--catalogue".into(), self.path("items.csv")]);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        args
    }

    /// The decisions.
    fn decisions(&self) -> Vec<Value> {
        let out = self.path("decisions.jsonl");
        let args = self.args(&["--out", &out]);
        report(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let lines = fs::read_to_string(&out).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn refused(&self, more: &[&str]) -> String {
        let args = self.args(more);
        let output = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn items(decision: &Value) -> Vec<&str> {
    let items = decision["items"].as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap()).collect()
}

/// When each list was shown, what made it, and the items.
fn shown(decisions: &[Value]) -> Vec<(u64, String, String)> {
    let told = decisions.iter().map(|d| {
        let at_ms = d["at_ms"].as_u64().unwrap() - START_MS;
        let trigger = d["trigger"].as_str().unwrap().to_owned();
        (at_ms, trigger, items(d).join(" "))
    });
    told.collect()
}

#[test]
fn a_list_follows_what_the_visit_does() {
    let case = Case::new(
        &policy("{ count = 2, exclude = [\"bought\", \"cart\"] }"),
        "item,price\na,1\nb,2\n\"c \"\"d\"\"\",3\n",
        &log(&[
            (0, "v", "page_view", ""),
            (10, "v", "add_to_cart", "a"),
            (20, "v", "scroll", ""),
            (30, "v", "remove_from_cart", "a"),
            (40, "v", "add_to_cart", "b"),
            (50, "v", "purchase", ""),
        ]),
    );
    let decisions = case.decisions();
    let told: Vec<_> = decisions
        .iter()
        .map(|d| {
            (
                d["trigger"].as_str().unwrap(),
                items(d),
                d["changed"].clone(),
            )
        })
        .collect();
    let (start, grid) = (Value::Array(Vec::new()), serde_json::json!(["grid"]));
    assert_eq!(
        told,
        [
            ("start", vec!["a", "b"], start),
            ("add_to_cart", vec!["b", "c \"d\""], grid.clone()),
            ("remove_from_cart", vec!["a", "b"], grid.clone()),
            // Bought is gone for good, and the order changes nothing that is shown.
            ("add_to_cart", vec!["a", "c \"d\""], grid),
        ]
    );
}

/// An item sold out, or back in stock, reaches a visit that goes on within a quantum, with no event
/// of its own; and only pages that show it, or have room for it.
#[test]
fn what_is_sold_out_leaves_open_pages_within_a_quantum() {
    let at = |ms: u64| START_MS + ms;
    let catalogue = format!(
        "item,stock,at_ms\na,5,\nb,5,\nc,5,\nb,0,{}\nc,0,{}\nb,9,{}\n",
        at(20_300),
        at(25_000),
        at(90_000)
    );
    let case = Case::new(
        &policy("{ count = 2 }"),
        &catalogue,
        &log(&[
            (0, "v", "page_view", ""),
            (1, "w", "page_view", ""),
            (60, "w", "page_view", ""),
            (100, "v", "item_view", "x"),
        ]),
    );
    let decisions = case.decisions();
    let told: Vec<_> = decisions
        .iter()
        .map(|d| {
            let at_ms = d["at_ms"].as_u64().unwrap() - START_MS;
            let who = d["visitor"].as_str().unwrap();
            (at_ms, who, d["trigger"].as_str().unwrap(), items(d))
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, "v", "start", vec!["a", "b"]),
            (1_000, "w", "start", vec!["a", "b"]),
            (21_000, "v", "tables", vec!["a", "c"]),
            (21_000, "w", "tables", vec!["a", "c"]),
            (25_000, "v", "tables", vec!["a"]),
            (25_000, "w", "tables", vec!["a"]),
            // Both lack an item when it comes back.
            (90_000, "v", "tables", vec!["a", "b"]),
            (90_000, "w", "tables", vec!["a", "b"]),
        ]
    );
}

/// What may not be shown any more leaves at once, whatever `[stability]` says; a new order waits for the
/// cooldown, and comes with the next event after it.
#[test]
fn what_must_go_leaves_within_the_cooldown_and_the_order_waits() {
    let catalogue = format!(
        "item,category,price,stock,at_ms\na,x,1,,\nb,x,2,,\nc,x,3,,\nd,x,4,,\ne,x,5,,\nf,x,6,,\n\
         d,,,0,{}\ne,,,0,{}\n",
        START_MS + 21_500,
        START_MS + 44_500
    );
    let rows = log(&[
        (0, "v", "page_view", ""),
        (20, "v", "item_view", "f"),
        (24, "v", "item_view", "a"),
        (26, "v", "add_to_cart", "c"),
        (31, "v", "scroll", ""),
        (47, "v", "item_view", "a"),
    ]);
    let policy = policy("{ count = 3, exclude = [\"cart\"] }")
        .replace("\"catalogue\"", "\"price_match\"")
        .replace("cooldown = \"0s\"", "cooldown = \"10s\"\nchanges_max = 1");
    assert_eq!(
        shown(&Case::new(&policy, &catalogue, &rows).decisions()),
        [
            (0, "start".into(), "a b c".into()),
            (20_000, "item_view".into(), "e d c".into()),
            // Sold out, and the next nearest in price comes behind.
            (22_000, "tables".into(), "e c b".into()),
            // What `a` is like is held up; what is in the cart goes.
            (26_000, "add_to_cart".into(), "e b a".into()),
            (31_000, "scroll".into(), "b a e".into()),
            // A sell-out is no reason to hold up the next order.
            (45_000, "tables".into(), "b a f".into()),
            (47_000, "item_view".into(), "b f a".into()),
        ]
    );
}

/// Lists are no changes of an arm: neither sell-outs nor new orders are counted against `changes_max`.
#[test]
fn lists_change_as_often_as_there_is_cause() {
    let mut catalogue = String::from("item,category,price,stock,at_ms\n");
    (0..30).for_each(|item| catalogue.push_str(&format!("i{item},x,{},,\n", item + 1)));
    let sold_out = |item: u64| format!("i{item},,,0,{}\n", START_MS + 20_000 * (item + 1));
    (0..15).for_each(|item| catalogue.push_str(&sold_out(item)));
    let mut rows = vec![(0, "v", "page_view", "")];
    rows.extend((0..20).map(|turn| {
        (
            400 + 20 * turn,
            "v",
            "item_view",
            ["i20", "i25"][turn as usize % 2],
        )
    }));
    let case = |ranker: &str| {
        let policy = policy("{ count = 2 }").replace("\"catalogue\"", &format!("\"{ranker}\""));
        let policy = policy.replace("cooldown = \"0s\"", "cooldown = \"10s\"");
        shown(&Case::new(&policy, &catalogue, &log(&rows)).decisions())
    };
    let of = |told: &[(u64, String, String)], trigger: &str| {
        told.iter().filter(|one| one.1 == trigger).count()
    };
    let told = case("catalogue");
    assert_eq!((of(&told, "tables"), told.len()), (15, 16), "{told:?}");
    let told = case("price_match");
    assert_eq!(
        (of(&told, "tables"), of(&told, "item_view")),
        (15, 20),
        "{told:?}"
    );
}

/// The arm `catalogue` is the catalogue's order, whatever another arm has learned: what its visits are
/// compared with does not learn.
#[test]
fn the_catalogues_order_is_that_alone() {
    let policy = policy("{ count = 2 }")
        .replace(
            "[holdout]",
            "[hesitation]\nafter = \"9s\"\n[session]\nidle = \"20s\"\n[holdout]",
        )
        .replace("}]\n", "}, { name = \"hot\", ranker = \"trending\" }]\n");
    let rule = "rule = [{ arm = \"hot\", gain = 0.1, when = { item_views = { min = 1 } } }]\n";
    let case = Case::new(
        &format!("{policy}{rule}"),
        "item\na\nb\nc\n",
        &log(&[
            (0, "u", "item_view", "c"),
            (60, "v", "page_view", ""),
            (62, "v", "item_view", "b"),
            (300, "w", "page_view", ""),
        ]),
    );
    let told = shown(&case.decisions());
    let lists: Vec<&str> = told.iter().map(|one| one.2.as_str()).collect();
    // First the rule for `u`, with nothing learned.
    assert_eq!(lists, ["a b", "a b", "c a", "a b"], "{told:?}");
}

/// A page that goes by prices follows those of its category, shown or not; a full page that does not
/// is left alone.
#[test]
fn a_new_price_reaches_pages_that_match_prices() {
    let at = |ms: u64| START_MS + ms;
    let catalogue = format!(
        "item,category,price,at_ms\na,x,10,\nb,x,11,\nc,x,12,\nd,x,20,\ne,y,10,\n\
         d,,10.5,{}\ne,,9,{}\na,,19,{}\n",
        at(20_000),
        at(30_000),
        at(40_000)
    );
    let rows = log(&[(0, "v", "item_view", "a"), (60, "v", "scroll", "")]);
    let told = |ranker: &str| {
        let policy = policy("{ count = 2 }").replace("\"catalogue\"", &format!("\"{ranker}\""));
        let decisions = Case::new(&policy, &catalogue, &rows).decisions();
        let told = decisions.iter().map(|d| {
            let items: Vec<String> = items(d).into_iter().map(String::from).collect();
            (d["at_ms"].as_u64().unwrap() - START_MS, items.join(" "))
        });
        told.collect::<Vec<_>>()
    };
    let of = |at_ms, items: &str| (at_ms, items.to_owned());
    assert_eq!(
        told("price_match"),
        [of(0, "b c"), of(20_000, "d b"), of(40_000, "c b")]
    );
    // What is shown has another price, and stays where it is.
    assert_eq!(told("catalogue"), [of(0, "a b")]);
}

/// The whole of it over a simulated shop: same bytes for any number of workers and any grain, lists
/// that keep to the policy, and arms that rank.
#[test]
fn lists_are_the_same_for_any_number_of_workers() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let (log, stock) = (path("shop.csv"), path("items.csv"));
    let made = run(&[
        "simulate",
        "--events",
        "12000",
        "--visits-per-hour",
        "3000",
        "--seed",
        "3",
        "-o",
        &log,
        "--catalogue",
        &stock,
    ]);
    assert!(made.status.success(), "{made:?}");
    let catalogue = fs::read_to_string(&stock).unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/data/products.toml");
    let of = |name: &str, more: &[&str]| {
        let out = path(name);
        let mut args = vec![
            "replay",
            &log,
            "--policy",
            shipped,
            "--catalogue",
            &stock,
            "--out",
            &out,
        ];
        args.extend(more);
        let digest = report(&args)["digest"].clone();
        (digest, fs::read_to_string(&out).unwrap())
    };
    let one = of("1.jsonl", &[]);
    assert_eq!(one, of("2.jsonl", &["-w", "2"]));
    assert_eq!(
        one,
        of("4.jsonl", &["-w", "4", "--grain", "1000", "--batch", "100"])
    );
    let category: BTreeMap<&str, &str> = catalogue
        .lines()
        .skip(1)
        .map(|row| row.split_once(',').unwrap())
        .map(|(item, rest)| (item, rest.split_once(',').unwrap().0))
        // What changes says nothing of the category.
        .filter(|(_, category)| !category.is_empty())
        .collect();
    let mut triggers: BTreeMap<String, u64> = BTreeMap::new();
    let mut full = 0;
    for line in one.1.lines() {
        let decision: Value = serde_json::from_str(line).unwrap();
        let shown = items(&decision);
        full += u64::from(shown.len() == 12);
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for item in &shown {
            *counts.entry(category[item]).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count <= 6), "{line}");
        let mut distinct = shown.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), shown.len());
        let arm = decision["layout"]["grid"].as_str().unwrap();
        let trigger = decision["trigger"].as_str().unwrap();
        *triggers.entry(format!("{arm} {trigger}")).or_default() += 1;
    }
    assert!(full > 1_000, "{full}");
    let tables = triggers.iter().filter(|one| one.0.ends_with(" tables"));
    assert!(tables.map(|one| one.1).sum::<u64>() > 10, "{triggers:?}");
    assert!(triggers["like_this item_view"] > 50, "{triggers:?}");
    for arm in [
        "trending",
        "seen_together",
        "seen_next",
        "similar_visits",
        "blend",
    ] {
        let of_arm = triggers.iter().filter(|one| one.0.starts_with(arm));
        assert!(of_arm.map(|one| one.1).sum::<u64>() > 200, "{triggers:?}");
    }
}

#[test]
fn the_flat_form_has_the_items_and_the_example_is_printed() {
    let case = Case::new(
        &policy("{ count = 2 }"),
        "item\na\nb\n",
        &log(&[(0, "v", "page_view", "")]),
    );
    let out = case.path("flat.csv");
    let args = case.args(&["--out", &out, "--out-format", "csv"]);
    let report = report(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let counts = &report["products"];
    assert_eq!(
        (&counts["lists_made"], &counts["lists_changed"]),
        (&1.into(), &0.into())
    );
    let flat = fs::read_to_string(&out).unwrap();
    let mut rows = csv::Reader::from_reader(flat.as_bytes());
    let place = rows
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "items");
    assert_eq!(
        &rows.records().next().unwrap().unwrap()[place.unwrap()],
        "a;b"
    );
    let shipped =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/products.toml"));
    assert_eq!(
        run(&["policy", "--products"]).stdout,
        shipped.unwrap().into_bytes()
    );
}

/// What is spelt otherwise in catalogue and log, or is pinned and not for sale at all, is noticed.
#[test]
fn a_catalogue_that_fits_the_log_badly_is_warned_of() {
    let rows = log(&[(0, "v", "page_view", ""), (9, "v", "item_view", "a")]);
    let warned = |items: &str| {
        let case = Case::new(&policy("{ count = 2, pin = [\"a\", \"z\"] }"), items, &rows);
        let args = case.args(&[]);
        let output = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success());
        let told = String::from_utf8(output.stderr).unwrap();
        let warnings = told.lines().filter(|line| line.contains("warning"));
        warnings.map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(warned("item\na\nz\n"), [] as [&str; 0]);
    let pinned = warned("item\na\n");
    assert_eq!(pinned.len(), 1, "{pinned:?}");
    assert!(pinned[0].contains("pinned item 2 of slot `grid` is not in items.csv@"));
    let strange = warned("item\nA\nz\n");
    assert_eq!(strange.len(), 2, "{strange:?}");
    assert!(strange[1].contains("no item in view was one of items.csv@"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (good, rows) = (policy("{ count = 2 }"), log(&[(0, "v", "page_view", "")]));
    let case = |policy: &str, catalogue: &str| Case::new(policy, catalogue, &rows).refused(&[]);
    let told = case(&good, "item,price\na,1\nb,cheap\n");
    assert!(
        told.contains("items.csv, line 3: `price` cheap is not a number"),
        "{told}"
    );
    let told = case("version = 1\n", "item\na\n");
    assert!(told.contains("no slot of policy"), "{told}");
    for (products, what) in [
        ("{ count = 65 }", "65 does not lie between 1 and 64"),
        ("{ exclude = [\"card\"] }", "did you mean `cart`?"),
        ("{ boost = [{ item = \"a\" }] }", "a boost needs `places`"),
        ("{ pin = [\"a\", \"b\", \"a\"] }", "`a` is pinned twice"),
        (
            "{ count = 1, pin = [\"a\", \"b\"] }",
            "a list of 1 has no room",
        ),
        (
            "{ pin = [\"a\"], bury = [{ item = \"a\" }] }",
            "cannot come first and last",
        ),
        (
            "{ bury = [{ item = \"a\", category = \"b\" }] }",
            "name one:",
        ),
    ] {
        let told = case(&policy(products), "item\na\n");
        assert!(told.contains(what), "{products}: {told}");
    }
    let few = format!("{good}[rankers]\nsession_knn = {{ sessions = 9, neighbours = 10 }}\n");
    assert!(case(&few, "item\na\n").contains("10 neighbours, where 9 sessions are compared"));
    let unknown = good.replace("\"catalogue\"", "\"catalog\"");
    assert!(case(&unknown, "item\na\n").contains("did you mean `catalogue`?"));
    let none = good.replace(", ranker = \"catalogue\"", "");
    assert!(case(&none, "item\na\n").contains("needs a ranker: catalogue, price_match"));
    // And without a catalogue there is nothing to show.
    let case = Case::new(&good, "", &rows);
    let output = run(&[
        "replay",
        &case.path("log.csv"),
        "--policy",
        &case.path("policy.toml"),
    ]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2) && told.contains("--catalogue FILE says"),
        "{told}"
    );
}

#[test]
fn the_story_tells_the_list_and_how_it_changed() {
    let case = Case::new(
        &policy("{ count = 2, exclude = [\"cart\"] }"),
        &format!(
            "item,stock,at_ms\na,,\nb,,\nc,,\nb,0,{}\n",
            START_MS + 45_000
        ),
        &log(&[
            (0, "v", "page_view", ""),
            (20, "v", "search", ""),
            (40, "v", "add_to_cart", "a"),
            (60, "w", "page_view", ""),
        ]),
    );
    let output = run(&[
        "explain",
        &case.path("log.csv"),
        "--policy",
        &case.path("policy.toml"),
        "--catalogue",
        &case.path("items.csv"),
        "--visitor",
        "v",
    ]);
    let told = String::from_utf8(output.stdout).unwrap();
    let lists: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("products: ") || line.contains("without an event"))
        .map(str::trim)
        .collect();
    assert_eq!(lists.len(), 4, "{told}");
    assert_eq!(lists[..2], ["products: a, b", "decision 1  products: b, c"]);
    assert!(lists[2].ends_with("without an event: catalogue: b sold out"));
    assert_eq!(lists[3], "decision 2  products: c");
    // The record says the same, and nothing of a score that had no part in it.
    let decisions = case.decisions();
    let reason = |at: usize| decisions[at]["reason"].as_array().unwrap().clone();
    assert_eq!(reason(2), ["catalogue: b sold out"]);
    assert_eq!(decisions[2]["trigger"], "tables");
    assert!(reason(1)[0].as_str().unwrap().starts_with("p_purchase by"));
}
