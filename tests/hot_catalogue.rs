//! A catalogue that changes between the runs of a durable job: what was decided stays, what changed holds
//! from one boundary on for everybody, and the journal makes the same decisions again, however it is run.

mod common;

use common::{copy, killed_within, restage, text};
use serde_json::Value;
use std::cell::OnceCell;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tempfile::TempDir;

/// A simulated shop, of whose items the shop's catalogue does not have some yet that visitors look at.
struct Shop {
    dir: TempDir,
    /// The catalogue's header and rows.
    header: String,
    rows: Vec<String>,
    /// How many bytes of decisions its log makes, about.
    all_bytes: OnceCell<usize>,
}

const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/products.toml");
/// One of so many items is not for sale at first.
const LATE: usize = 7;

impl Shop {
    fn new() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let made = restage()
            .args(["simulate", "--events", "12000", "--seed", "3"])
            .args(["-o", text(&path("log.csv"))])
            .args(["--catalogue", text(&path("all.csv"))])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", said(&made));
        let all = fs::read_to_string(path("all.csv")).unwrap();
        // Item, category and price as they are at first: what is in stock is this test's affair.
        assert!(all.starts_with("item,category,price,stock,at_ms\n"));
        let first = all.lines().skip(1).filter(|row| row.ends_with(','));
        let rows = first.map(|row| row.splitn(4, ',').take(3).collect::<Vec<_>>().join(",") + ",");
        let (header, rows) = ("item,category,price,stock".into(), rows.collect());
        fs::create_dir(dir.path().join("run")).unwrap();
        let all_bytes = OnceCell::new();
        let shop = Shop {
            dir,
            header,
            rows,
            all_bytes,
        };
        shop.write(&shop.first());
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text_of<'a>(&'a self, rows: impl Iterator<Item = &'a String>) -> String {
        let rows = rows.map(|row| format!("{row}\n"));
        format!("{}\n{}", self.header, rows.collect::<String>())
    }

    /// Without the items that come later.
    fn first(&self) -> String {
        let rows = self.rows.iter().enumerate();
        self.text_of(rows.filter(|(at, _)| at % LATE > 0).map(|(_, row)| row))
    }

    /// The late items come, and some of the first sell out.
    fn grown(&self) -> String {
        let late = self.rows.iter().step_by(LATE).map(|row| format!("{row}\n"));
        let gone = (1..LATE).map(|at| format!("{},,,0\n", self.item(at)));
        self.first() + &late.chain(gone).collect::<String>()
    }

    /// What is for sale now, in another order: some items are gone, all others in stock.
    fn rewritten(&self) -> String {
        let rows = self.rows.iter().enumerate().rev();
        self.text_of(rows.filter(|(at, _)| at % 5 > 0).map(|(_, row)| row))
    }

    fn item(&self, at: usize) -> &str {
        self.rows[at].split(',').next().unwrap()
    }

    fn write(&self, catalogue: &str) {
        fs::write(self.path("items.csv"), catalogue).unwrap();
    }

    fn run(&self, more: &[&str], failpoint: &str) -> Output {
        let mut command = restage();
        command
            .args(["replay", text(&self.path("log.csv"))])
            .args(more);
        if !failpoint.is_empty() {
            command.env("RESTAGE_FAILPOINT", failpoint);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.output().unwrap()
    }

    /// A durable run.
    fn durable(&self, workers: &str, failpoint: &str) -> Output {
        let (items, folder) = (self.path("items.csv"), self.path("run"));
        let (state, out) = (folder.join("state"), folder.join("o.jsonl"));
        let rules = [
            "--policy",
            POLICY,
            "--catalogue",
            text(&items),
            "-w",
            workers,
        ];
        let kept = ["--state", text(&state), "--out", text(&out)];
        let small = ["--batch", "128", "--snapshot-every", "20ms"];
        self.run(&[&rules[..], &kept, &small].concat(), failpoint)
    }

    /// A durable run that is killed when it has committed a share of all decisions, in hundredths.
    fn killed_within(&self, workers: &str, share: Range<usize>) -> Output {
        let all = self.all_bytes.get_or_init(|| {
            let (items, out) = (self.path("items.csv"), self.path("all.jsonl"));
            let rules = ["--policy", POLICY, "--catalogue", text(&items)];
            let done = self.run(&[&rules[..], &["--out", text(&out)]].concat(), "");
            assert!(done.status.success(), "{}", said(&done));
            fs::read(&out).unwrap().len()
        });
        let run = |failpoint: &str| self.durable(workers, failpoint);
        killed_within(&self.path("run"), *all, share, run)
    }

    fn decisions(&self) -> Vec<u8> {
        fs::read(self.path("run").join("o.jsonl")).unwrap_or_default()
    }

    /// The journal makes the same decisions, in any shape.
    fn check_journal(&self) {
        let decisions = self.decisions();
        let journal = self.path("run").join("o.jsonl.rules");
        let again = self.path("again.jsonl");
        for more in [
            &["-w", "1"][..],
            &["-w", "2"],
            &["-w", "4", "--grain", "60000"],
        ] {
            let flags = ["--policy-schedule", text(&journal), "--out", text(&again)];
            let done = self.run(&[&flags[..], more].concat(), "");
            assert!(done.status.success(), "{}", said(&done));
            assert!(fs::read(&again).unwrap() == decisions, "with {more:?}");
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// From when on a changed catalogue holds, as a run has said.
fn turn_of(output: &Output) -> u64 {
    let told = said(output);
    let turn = told.split("of it hold from ").nth(1);
    let turn = turn.and_then(|rest| rest.split(" ms").next()?.parse().ok());
    turn.unwrap_or_else(|| panic!("{told}"))
}

/// When each decision with products was made, and which it shows.
fn lists(decisions: &[u8]) -> Vec<(u64, Vec<String>)> {
    let lines = std::str::from_utf8(decisions).unwrap().lines();
    let lists = lines.map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        let items = record["items"].as_array().unwrap().iter();
        let items: Vec<String> = items.map(|item| item.as_str().unwrap().into()).collect();
        (record["at_ms"].as_u64().unwrap(), items)
    });
    lists.collect()
}

#[test]
fn a_job_goes_on_with_a_catalogue_that_has_changed() {
    let shop = Shop::new();
    shop.killed_within("1", 15..35);
    let before = shop.decisions();
    shop.write(&shop.grown());
    let grown_ms = turn_of(&shop.killed_within("2", 60..80));
    let between = shop.decisions();
    assert!(between.starts_with(&before));
    shop.write(&shop.rewritten());
    let third = shop.durable("1", "");
    assert!(third.status.success(), "{}", said(&third));
    let rewritten_ms = turn_of(&third);
    let decisions = shop.decisions();
    assert!(decisions.starts_with(&between), "nothing is taken back");

    let places = 0..shop.rows.len();
    let names = |which: &dyn Fn(usize) -> bool| -> Vec<String> {
        let of = places.clone().filter(|at| which(*at));
        of.map(|at| shop.item(at).to_owned()).collect()
    };
    let late = names(&|at| at.is_multiple_of(LATE));
    let sold_out = names(&|at| (1..LATE).contains(&at));
    let gone = names(&|at| at.is_multiple_of(5));
    let shown = |what: &[String], from: u64, to: u64| {
        let lists = lists(&decisions).into_iter();
        let lists = lists.filter(|(at, _)| (from..to).contains(at));
        let with = lists.filter(|(_, items)| items.iter().any(|item| what.contains(item)));
        with.count()
    };
    assert_eq!(shown(&late, 0, grown_ms), 0);
    assert!(shown(&late, grown_ms, rewritten_ms) > 0);
    assert!(shown(&sold_out, 0, grown_ms) > 0);
    assert_eq!(shown(&sold_out, grown_ms, rewritten_ms), 0);
    assert!(
        shown(&sold_out, rewritten_ms, u64::MAX) > 0,
        "in stock again"
    );
    assert_eq!(shown(&gone, rewritten_ms, u64::MAX), 0);
    shop.check_journal();
    // The same file is nothing new.
    let again = shop.durable("2", "");
    assert!(again.status.success(), "{}", said(&again));
    assert!(!said(&again).contains("was taken up"));
    assert!(shop.decisions() == decisions);
}

/// Killed at storage operations around the change, and started again in another shape.
#[test]
fn a_job_is_killed_while_its_catalogue_changes() {
    let shop = Shop::new();
    shop.killed_within("2", 15..35);
    let before = shop.decisions();
    copy(&shop.path("run"), &shop.path("begun"));
    shop.write(&shop.grown());
    for (turn, operation) in [8, 15, 22, 28, 31, 34, 37, 40, 45].into_iter().enumerate() {
        fs::remove_dir_all(shop.path("run")).unwrap();
        copy(&shop.path("begun"), &shop.path("run"));
        let failpoint = format!("{operation}:{}", ["before", "after"][turn % 2]);
        shop.durable(["1", "2"][turn % 2], &failpoint);
        let so_far = shop.decisions();
        let done = shop.durable(["4", "1"][turn % 2], "");
        assert!(done.status.success(), "{failpoint}: {}", said(&done));
        let decisions = shop.decisions();
        assert!(
            decisions.starts_with(&so_far) && decisions.starts_with(&before),
            "{failpoint}"
        );
        if turn % 3 == 0 {
            shop.check_journal();
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let shop = Shop::new();
    shop.killed_within("1", 15..35);
    let before = shop.decisions();
    shop.write(&format!("{}i0,,cheap,\n", shop.first()));
    let refused = shop.durable("1", "");
    let told = said(&refused);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    let line = shop.first().lines().count() + 1;
    assert!(
        told.contains(&format!("items.csv, line {line}: `price` cheap")),
        "{told}"
    );
    assert_eq!(shop.decisions(), before);
    // A journal says what was on sale.
    let journal = shop.path("run").join("o.jsonl.rules");
    let items = shop.path("items.csv");
    let both = [
        "--policy-schedule",
        text(&journal),
        "--catalogue",
        text(&items),
    ];
    let told = said(&shop.run(&both, ""));
    assert!(told.contains("leave --catalogue out"), "{told}");
}
