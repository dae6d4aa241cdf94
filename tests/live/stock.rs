//! A catalogue that changes under a live job: what is sold out leaves pages that are open.

use super::*;
use serde_json::Value;

pub(super) const POLICY: &str = r#"
version = 1
[holdout]
share = 0.0
[stability]
cooldown = "1h"
[[slot]]
name = "grid"
default = "all"
products = { count = 2 }
arm = [{ name = "all", ranker = "catalogue" }]
"#;

pub(super) const ITEMS: &str = "item,price,stock\na,10,\nb,20,5\nc,30,5\n";

/// Waits until something is there.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// From when on the file holds that was taken up last, once that is in the journal.
fn taken(dir: &Path, before_ms: u64) -> u64 {
    let path = dir.join("decisions.jsonl.rules");
    until("a change in the journal", || {
        let journal = std::fs::read_to_string(&path).ok()?;
        let head = journal
            .lines()
            .find(|line| line.contains("\"catalogue\":"))?;
        let head: Value = serde_json::from_str(head).ok()?;
        head["from_ms"]
            .as_u64()
            .filter(|from_ms| *from_ms > before_ms)
    })
}

/// Whole decisions so far: when, why, and which products.
pub(super) fn decisions(dir: &Path) -> Vec<(u64, String, String)> {
    let text = std::fs::read_to_string(dir.join("decisions.jsonl")).unwrap_or_default();
    let whole = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let told = whole.map(|record: Value| {
        let items = record["items"].as_array().expect("items").iter();
        let items: Vec<&str> = items.filter_map(Value::as_str).collect();
        let trigger = record["trigger"].as_str().expect("a trigger").to_owned();
        (
            record["at_ms"].as_u64().expect("a time"),
            trigger,
            items.join(" "),
        )
    });
    told.collect()
}

/// Waits until pages were changed at a time without an event; to what.
fn changed_at(dir: &Path, at_ms: u64, pages: usize) -> Vec<String> {
    until("pages that change", || {
        let all = decisions(dir).into_iter();
        let then = all.filter(|(at, trigger, _)| *at == at_ms && trigger == "tables");
        let lists: Vec<String> = then.map(|(_, _, items)| items).collect();
        (lists.len() >= pages).then_some(lists)
    })
}

#[test]
fn what_is_sold_out_leaves_open_pages_of_a_live_job() {
    let (_guard, dir) = folder();
    let items = dir.join("items.csv");
    let write = |text: &str| std::fs::write(&items, text).expect("a file");
    std::fs::write(dir.join("shop.toml"), POLICY).expect("a file");
    write(ITEMS);
    let start = |workers: &str| {
        let flags = "run lane.jsonl --policy shop.toml --catalogue items.csv --out decisions.jsonl \
                     --state state --snapshot-every 200ms --monitor 127.0.0.1:0 -w";
        let flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty()).collect();
        Layer::start(&dir, &[&flags[..], &[workers]].concat(), 1)
    };
    let collector = collect(&dir, "lane.jsonl");
    let mut send = sender(collector.addresses[0]);
    let job = start("2");
    send(0);
    until("ten pages", || (decisions(&dir).len() >= 10).then_some(()));
    assert!(decisions(&dir).iter().all(|(_, _, items)| items == "a b"));

    // Told by a signal.
    let grown = format!("{ITEMS}a,,0\n");
    write(&grown);
    let id = job.child.id().to_string();
    let told = Command::new("kill").args(["-HUP", &id]).status();
    assert!(told.expect("it runs").success());
    let first_ms = taken(&dir, 0);
    assert_eq!(first_ms % 1_000, 0);
    assert_eq!(changed_at(&dir, first_ms, 10), ["b c"; 10]);

    // What is wrong is said, and changes nothing.
    write(&format!("{grown}d,cheap,\n"));
    until("a warning", || {
        job.said()
            .contains("items.csv, line 6: `price` cheap")
            .then_some(())
    });
    assert!(
        job.said().contains("the catalogue in force stays"),
        "{}",
        job.said()
    );
    assert_eq!(taken(&dir, 0), first_ms);

    // Gone, which is said once, and back.
    let times = |words: &str| job.said().matches(words).count();
    std::fs::remove_file(&items).expect("it is there");
    let gone = "items.csv cannot be read any more: entity not found; the catalogue in force stays";
    until("a word", || (times(gone) > 0).then_some(()));
    std::thread::sleep(Duration::from_millis(2_500));
    write(&grown);
    let back = "items.csv is back\nrestage: the catalogue was read again, and is the one in force";
    until("a word", || (times(back) > 0).then_some(()));
    assert_eq!((times("any more"), times("is back")), (1, 1));
    assert_eq!(taken(&dir, 0), first_ms);

    // Seen by itself: `b` is gone, and `d` is new and comes first.
    write("item,price,stock,order\nd,5,,-1\na,10,0,\nc,30,5,\n");
    let second_ms = taken(&dir, first_ms);
    assert_eq!(changed_at(&dir, second_ms, 10), ["d c"; 10]);

    // While nobody looks.
    job.kill();
    write("item,price,stock,order\nd,5,,-1\na,10,7,\nc,30,5,\n");
    let job = start("1");
    let third_ms = taken(&dir, second_ms);
    until("the boundary", || (now_ms() > third_ms + 100).then_some(()));
    send(1);
    until("pages with it", || {
        let all = decisions(&dir);
        all.iter()
            .any(|(at, _, items)| *at >= third_ms && items == "d a")
            .then_some(())
    });
    let text = settled(&dir.join("decisions.jsonl"));
    assert_eq!(job.terminate(), Some(0));
    assert_eq!(collector.terminate(), Some(0));
    for workers in ["1", "2"] {
        let rules = ["--policy-schedule", "decisions.jsonl.rules"];
        let replay = [&["lane.jsonl", "-w", workers], &rules[..]].concat();
        check_replay(&dir, &replay, &text);
    }
}
