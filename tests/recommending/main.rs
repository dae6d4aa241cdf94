//! What products are recommended from, inside the job: against indexes built afresh from the sessions
//! that stand, for any number of workers.

#[path = "../common/mod.rs"]
mod common;
#[path = "../script/mod.rs"]
mod script;

mod against;
mod plain;

use plain::Plain;
use restage::event::{Id, Kind};
use restage::flow::failure::Stop;
use restage::flow::job::{Cluster, JobSpec, run};
use restage::flow::output::{LineWriter, Target};
use restage::flow::sessions::Lines;
use restage::flow::source::Pace;
use restage::format::Source;
use restage::rng::Rng;
use restage::visit::bots::Rule;
use restage::visit::live::Rules;
use restage::visit::model::schedule::Schedule;
use restage::visit::policy::Policy;
use restage::visit::products::catalogue::{Builder, Statement};
use script::{START_MS, Told, searching};
use std::path::Path;
use std::sync::Arc;

/// A shop of forty items of five categories.
const ITEMS: u32 = 40;

fn rules(ranker: &str, lines: &str) -> Arc<Rules> {
    let policy = format!(
        r#"
        version = 1
        [session]
        idle = "20s"
        [limits]
        erased_keep = "5s"
        [hesitation]
        after = "7s"
        [stability]
        cooldown = "0s"
        changes_max = 1000
        [tables]
        quantum = "1s"
        lag = "2s"
        [bots]
        gaps = 8
        gap_min = "100ms"
        {lines}
        [[slot]]
        name = "grid"
        default = "shown"
        products = {{ count = 8, exclude = ["bought", "cart"], per_category = 3 }}
        arm = [{{ name = "shown", ranker = "{ranker}" }}]
        "#
    );
    let policy = Policy::read(&policy).unwrap_or_else(|error| panic!("{error}\n{policy}"));
    let mut builder = Builder::default();
    for item in 0..ITEMS {
        builder.say(&Statement {
            // Some of what the log names is not in the catalogue, and some comes later.
            at_ms: if item % 9 == 5 { START_MS + 60_000 } else { 0 },
            item: format!("i{item}").as_bytes(),
            category: Some(format!("c{}", item % 5).as_bytes()),
            price: Some(1_000_000 * i64::from(1 + item * 7 % 23)),
            stock: (item % 11 == 3).then_some(0),
            ..Statement::default()
        });
    }
    Arc::new(Rules {
        policy,
        models: Schedule::of(searching()),
        catalogue: Some(Arc::new(builder.build("shop", b""))),
    })
}

/// Visitors who view items near each other, buy, are erased, or are too fast to be people.
fn log(seed: u64, events: usize) -> Vec<Told> {
    let mut rng = Rng::of(seed, 9);
    let mut at = START_MS;
    let mut log: Vec<Told> = Vec::new();
    // Who raids the shop, and how many views are left of it: faster than any person.
    let mut raid = (String::new(), 0);
    for offset in 0..events {
        if raid.1 == 0 && rng.chance(0.006) {
            raid = (format!("v{}", 20 + rng.below(5)), 12);
        }
        let raids = raid.1 > 0;
        at += u64::from(rng.below(if raids { 60 } else { 700 }));
        let who = if raids {
            raid.0.clone()
        } else {
            format!("v{}", rng.below(25))
        };
        raid.1 -= u32::from(raids);
        let kinds = [
            Kind::ItemView,
            Kind::Click,
            Kind::AddToCart,
            Kind::Purchase,
            Kind::Search,
            Kind::Erase,
        ];
        let kind = match raids {
            true => Kind::ItemView,
            false => kinds[rng.weighted(&[9.0, 1.0, 2.0, 0.6, 1.0, 0.15])],
        };
        let mut told = Told::new(at, &who, kind);
        told.event.offset.0 = offset as u64;
        if !matches!(kind, Kind::Search | Kind::Erase | Kind::Purchase) {
            let item = (rng.zipf(ITEMS) + offset as u32 / 300) % (ITEMS + 4);
            told.event.item = Id::of(format!("i{item}").as_bytes());
            told.session = format!("i{item}");
        }
        log.push(told);
    }
    log
}

fn csv(log: &[Told]) -> String {
    let mut csv = String::from("arrival_ms,event_ms,visitor,kind,item\n");
    for told in log {
        let (at, kind) = (told.event.arrival.0, told.event.kind.name());
        csv += &format!("{at},{at},{},{kind},{}\n", told.visitor, told.session);
    }
    csv
}

/// What a run writes, and how many sessions it took for bots' by their gaps.
fn decided(dir: &Path, rules: &Arc<Rules>, workers: usize, pace: Pace) -> (String, u64) {
    let (stop, out) = (Stop::default(), dir.join("decisions"));
    let result = run(JobSpec {
        cluster: Cluster::local(workers),
        pace,
        decisions: Some(LineWriter::create(Target::parse(&out), stop.clone()).unwrap()),
        lines: Lines::Json,
        stop,
        ..JobSpec::of(Arc::clone(rules), vec![Source::parse(dir.join("log.csv"))])
    });
    let mut result = result.unwrap().unwrap();
    result.finish(true).unwrap();
    let bots = result.tally.bots.sessions[Rule::Gaps as usize];
    (std::fs::read_to_string(&out).unwrap(), bots)
}

/// The job by streams, of one worker and of three, and the core with indexes that are built afresh at
/// every version, come to the same lists.
fn assert_as_plain(ranker: &str, lines: &str) {
    let rules = rules(ranker, lines);
    let dir = tempfile::tempdir().unwrap();
    let mut lists = 0;
    for seed in 0..3 {
        let events = log(seed, 1_500);
        std::fs::write(dir.path().join("log.csv"), csv(&events)).unwrap();
        // The texts that were kept for the log are not those of sessions.
        let events: Vec<Told> = events
            .into_iter()
            .map(|told| Told {
                session: String::new(),
                ..told
            })
            .collect();
        let plain = Plain::new(&rules).play(&events);
        let paces = [
            (1, Pace::default()),
            (
                2,
                Pace {
                    grain_ms: 1,
                    batch_events_max: 13,
                    read_ahead: 64,
                },
            ),
            (
                3,
                Pace {
                    grain_ms: 86_400_000,
                    ..Pace::default()
                },
            ),
        ];
        for (workers, pace) in paces {
            let (found, bots) = decided(dir.path(), &rules, workers, pace);
            assert!(bots > 1, "{ranker}, seed {seed}: only {bots} bots");
            for (found, wanted) in found.lines().zip(plain.lines()) {
                assert_eq!(found, wanted, "{ranker}, seed {seed}, {workers} workers");
            }
            assert_eq!(found.len(), plain.len(), "{ranker}, seed {seed}");
        }
        lists += plain.matches("\"changed\":[\"grid\"]").count();
    }
    assert!(lists > 500, "only {lists} lists changed");
}

/// Sessions leave early, by age and for want of room; trends fade by the minute, or in quanta over whose end
/// sessions grow.
const QUICK: &str = "[index]\nwindow = \"90s\"\n[rankers.trending]\nhalf_life = \"40s\"\n";
const CROWDED: &str = "[index]\nenters = \"growing\"\nsessions = 256\nwindow = \"1h\"\n\
                       [rankers.sequential_rules]\nsteps = 3\n\
                       [rankers.trending]\nhalf_life = \"10m\"\n\
                       [rankers.session_knn]\nsessions = 9\nneighbours = 5\n";

#[test]
fn trends_are_those_of_the_sessions_that_stand() {
    assert_as_plain("trending", QUICK);
    assert_as_plain("trending", CROWDED);
}

#[test]
fn rules_are_those_of_the_sessions_that_stand() {
    assert_as_plain("association_rules", QUICK);
    assert_as_plain("sequential_rules", CROWDED);
}

#[test]
fn neighbours_are_those_of_the_sessions_that_stand() {
    assert_as_plain("session_knn", QUICK);
    assert_as_plain("session_knn", CROWDED);
}

#[test]
fn a_blend_is_one_of_the_sessions_that_stand() {
    assert_as_plain("blend", QUICK);
    assert_as_plain("blend", CROWDED);
}

/// A visitor who saw much is erased. From a lag after the next version on, visits that begin are shown
/// what they would be had the visitor never been there; before, they are not.
#[test]
fn lists_forget_an_erased_visitor_within_a_lag_and_a_quantum() {
    let dir = tempfile::tempdir().unwrap();
    for ranker in [
        "trending",
        "association_rules",
        "sequential_rules",
        "session_knn",
        "blend",
    ] {
        let rules = rules(ranker, "");
        let mut events = log(7, 2_500);
        events.retain(|told| told.event.kind != Kind::Erase);
        let middle = events[1_200].event.arrival.0;
        let mut with = events.clone();
        // Four visits to many items, one after the other, then the wish to be forgotten.
        for (visit, item) in (0..4u64).flat_map(|visit| (0..30u64).map(move |item| (visit, item))) {
            let at = START_MS + 10_000 + visit * 60_000 + item * 300;
            let mut told = Told::new(at, "gone", Kind::ItemView);
            told.session = format!("i{}", (item * 7) % 40);
            with.push(told);
        }
        with.push(Told::new(middle, "gone", Kind::Erase));
        with.sort_by_key(|told| told.event.arrival);
        let lines = |events: &[Told], workers: usize| {
            std::fs::write(dir.path().join("log.csv"), csv(events)).unwrap();
            decided(dir.path(), &rules, workers, Pace::default()).0
        };
        let (without, with) = (lines(&events, 1), lines(&with, 2));
        let complete = middle + 2_000 + 1_000;
        let begun = |text: &str, after: bool| -> Vec<String> {
            let of_visit = |line: &&str| {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                let session = record["session"].as_str().unwrap_or("");
                let begun: u64 = session.parse().unwrap_or(0);
                record["visitor"] != "gone" && (begun >= complete) == after
            };
            text.lines().filter(of_visit).map(String::from).collect()
        };
        let (later, meant) = (begun(&with, true), begun(&without, true));
        assert!(later.len() > 300, "{ranker}: {}", later.len());
        assert_eq!(later, meant, "{ranker}");
        assert_ne!(begun(&with, false), begun(&without, false), "{ranker}");
        let gone = with.lines().rfind(|line| line.contains("\"gone\""));
        assert!(gone.unwrap().contains("forgotten"), "{gone:?}");
    }
}
