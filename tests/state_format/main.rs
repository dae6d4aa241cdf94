//! The bytes of a state folder mean what they meant when they were written.
//!
//! `tests/fixtures/state` holds a folder of each version of the format that this release says it reads, left
//! by a run that was killed. Every one of them is gone on from, to the same decisions and the same report as
//! without a kill; what the parts of a snapshot are made of is written down ([`layout`]). The README there
//! says what to do when a test fails here, and how the fixture is made anew.
//!
//! A folder bears the places of its log and of its decisions, so the test first writes it again for its own
//! ([`moved`]): other headers and checksums, the same state.

#[path = "../common/mod.rs"]
mod common;

mod layout;
mod moved;

use common::{check_reports, restage, text};
use restage::log::disk::Disk;
use restage::log::inspect::{inspect, read_committed};
use restage::log::{VERSION, VERSION_OLDEST, read_rules};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

const OTHER_LAYOUT: &str = "state of this version means something else now; tests/fixtures/state/README.md says \
    what is to be done: raise `VERSION` in src/log/frame.rs, and keep what reads the version before";
const OTHER_DECISIONS: &str = "decisions have changed since the fixture was made; tests/fixtures/state/README.md says how it is made anew";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state")
}

fn is_to_be_made() -> bool {
    std::env::var_os("RESTAGE_FIXTURE").is_some()
}

/// The fixture of the version that is written, made anew first if that is asked for.
fn fixture() -> PathBuf {
    static MADE: OnceLock<()> = OnceLock::new();
    let dir = root().join(VERSION.to_string());
    MADE.get_or_init(|| {
        if is_to_be_made() {
            make(&dir);
        }
    });
    dir
}

/// Events of a small shop, by arithmetic: visitors who come back, buy, send back, fall silent, and one who
/// is erased.
fn log() -> String {
    const VISITORS: u64 = 6;
    const VISIT: [&str; 15] = [
        "page_view",
        "list_view",
        "item_view",
        "scroll",
        "item_view",
        "dwell",
        "click",
        "add_to_cart",
        "search",
        "item_view",
        "remove_from_cart",
        "add_to_cart",
        "begin_checkout",
        "purchase",
        "exit_intent",
    ];
    let mut log = "arrival_ms,event_ms,visitor,session,kind,item,category,price,quantity,value,page,event_id\n"
        .to_owned();
    let mut at_ms = 1_767_571_200_000;
    for step in 0..360 {
        let luck = restage::event::mix(step);
        let (visitor, turn) = (luck % VISITORS, step / VISITORS);
        let (visit, place) = (turn / 15, (turn % 15) as usize);
        at_ms += 400 + (luck >> 8) % 900;
        if step % (VISITORS * 15) == 0 {
            // Long enough for sessions to end.
            at_ms += 200_000;
        }
        let kind = match (step, place) {
            (250, _) => "erase",
            (200..220, 3) => "refund",
            _ if (luck >> 20).is_multiple_of(4) => "item_view",
            _ => VISIT[place],
        };
        let item = (luck >> 24) % 10;
        let about_item = [
            "item_view",
            "dwell",
            "click",
            "add_to_cart",
            "remove_from_cart",
            "purchase",
            "refund",
        ];
        let item = match about_item.contains(&kind) {
            true => format!("i{item},c{},{}.50", item % 3, 5 + 3 * item),
            false => ",,".into(),
        };
        let value = match kind {
            "scroll" => "0.5",
            "dwell" => "3000",
            _ => "",
        };
        let _ = writeln!(
            log,
            "{},{at_ms},v{visitor},,{kind},{item},,{value},/{visit},e{step}",
            at_ms + 20
        );
    }
    log
}

fn catalogue() -> String {
    let items = (0..10).map(|item| {
        let (category, price) = (item % 3, 5 + 3 * item);
        format!("i{item},c{category},{price}.50,0.3,{},{item}\n", 3 + item)
    });
    "item,category,price,margin,stock,order\n".to_owned() + &items.collect::<String>()
}

/// Log and catalogue in a folder of their own.
struct Shop(TempDir);

impl Shop {
    fn new() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("log.csv"), log()).unwrap();
        std::fs::write(dir.path().join("items.csv"), catalogue()).unwrap();
        Shop(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A durable run by some rules.
    fn run<const MANY: usize>(&self, rules: [&str; MANY], state: &str, out: &str) -> Command {
        let mut command = restage();
        let (state, out) = (self.path(state), self.path(out));
        command
            .args(["replay", text(&self.path("log.csv"))])
            .args(rules);
        command.args(["--state", text(&state), "--out", text(&out), "--json"]);
        command
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Makes the fixture: the state of a run that is killed once a snapshot of its second half is in force.
fn make(dir: &Path) {
    let policy = root().join("policy.toml");
    for operation in (40..400).step_by(2) {
        let shop = Shop::new();
        // Later the journal says what is on sale.
        let items = shop.path("items.csv");
        let rules = ["--policy", text(&policy), "--catalogue", text(&items)];
        let mut run = shop.run(rules, "state", "out.jsonl");
        run.args(["--batch", "4", "--snapshot-every", "1ms"]);
        let ended = run
            .env("RESTAGE_FAILPOINT", format!("{operation}:after"))
            .output()
            .unwrap();
        assert!(
            !ended.status.success(),
            "it came to its end without a snapshot: {}",
            said(&ended)
        );
        let state = shop.path("state");
        let contents = inspect(&Disk, &state).unwrap().expect("it has begun");
        let from_ms = contents
            .in_force
            .snapshots
            .last()
            .map_or(0, |last| last.epoch.0);
        if from_ms > 1_767_571_200_000 + 700_000 {
            let _ = std::fs::remove_dir_all(dir);
            std::fs::create_dir_all(dir).unwrap();
            for file in std::fs::read_dir(&state).unwrap() {
                let file = file.unwrap();
                let name = file.file_name();
                let is_whole = !name.to_string_lossy().ends_with(".new") && name != "alive";
                if is_whole {
                    std::fs::copy(file.path(), dir.join(name)).unwrap();
                }
            }
            return;
        }
    }
    panic!("no snapshot in time");
}

#[test]
fn a_state_of_every_version_that_is_read_is_gone_on_with() {
    fixture();
    for version in VERSION_OLDEST..=VERSION {
        let (shop, dir) = (Shop::new(), root().join(version.to_string()));
        let journal = read_rules(&Disk, &dir)
            .unwrap()
            .expect("a fixture has rules");
        std::fs::write(shop.path("journal"), journal).unwrap();
        let journal = shop.path("journal");
        let rules = ["--policy-schedule", text(&journal)];
        let through = shop.run(rules, "whole", "right.jsonl").output().unwrap();
        assert!(through.status.success(), "{}", said(&through));
        let right = std::fs::read(shop.path("right.jsonl")).unwrap();
        let own = inspect(&Disk, &shop.path("whole")).unwrap().unwrap().config;
        let (state, out) = (shop.path("state"), shop.path("out.jsonl"));
        moved::state(&dir, &state, (own, text(&out)));
        let mut committed = Vec::new();
        read_committed(&Disk, &state, 0, |bytes| committed.extend_from_slice(bytes)).unwrap();
        std::fs::write(&out, &committed).unwrap();
        let on = shop
            .run(rules, "state", "out.jsonl")
            .args(["-w", "2"])
            .output()
            .unwrap();
        let told = said(&on);
        assert_ne!(on.status.code(), Some(4), "{told}: {OTHER_LAYOUT}");
        assert!(right.starts_with(&committed), "{OTHER_DECISIONS}");
        assert!(on.status.success(), "{told}: {OTHER_LAYOUT}");
        assert!(told.contains("going on from the snapshot"), "{told}");
        assert!(!told.contains("without it"), "{told}");
        let decisions = std::fs::read(&out).unwrap();
        assert!(decisions.len() > committed.len());
        assert!(decisions == right, "{OTHER_LAYOUT}");
        check_reports(&on, &through, OTHER_LAYOUT);
    }
}

/// A folder of a version that this release does not read is refused with both versions, by the job and by
/// who only looks, and stays as it is.
#[test]
fn a_state_of_another_version_is_refused() {
    let shop = Shop::new();
    let policy = root().join("policy.toml");
    let items = shop.path("items.csv");
    let rules = ["--policy", text(&policy), "--catalogue", text(&items)];
    let done = shop.run(rules, "state", "out.jsonl").output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let state = shop.path("state");
    for version in [VERSION_OLDEST - 1, VERSION + 1] {
        let mut before = Vec::new();
        for file in std::fs::read_dir(&state).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes.is_empty() {
                continue;
            }
            bytes[8..10].copy_from_slice(&version.to_le_bytes());
            let checksum = xxh3_64(&bytes[..48]);
            bytes[48..56].copy_from_slice(&checksum.to_le_bytes());
            std::fs::write(&path, &bytes).unwrap();
            before.push((path, bytes));
        }
        let again = shop.run(rules, "state", "out.jsonl").output().unwrap();
        let look = restage()
            .args(["snapshot", "ls", text(&state)])
            .output()
            .unwrap();
        let expected = format!(
            "was written in version {version} of the state format, and versions {VERSION_OLDEST} to {VERSION} can be read"
        );
        for output in [again, look] {
            assert_eq!(output.status.code(), Some(4), "{}", said(&output));
            assert!(said(&output).contains(&expected), "{}", said(&output));
            assert!(said(&output).contains("with the release that began it"));
        }
        for (path, bytes) in before {
            assert!(std::fs::read(&path).unwrap() == bytes, "{}", path.display());
        }
    }
}
