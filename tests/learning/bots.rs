//! A bot found out has taught nothing: what stands in the end is what a log without it leaves.

use super::world::World;
use crate::script::{START_MS, Told, rules, searching};
use restage::event::{Id, Kind, Micros, VisitorId};
use restage::rng::Rng;
use restage::visit::bots::Rule;
use restage::visit::learn::fact::{Exposure, Outcome};
use restage::visit::learn::moments::Groups;
use restage::visit::learn::stat::Stat;
use restage::visit::learn::subject::Subject;
use restage::visit::live::Rules;
use restage::visit::tally::Tally;
use std::collections::BTreeMap;
use std::sync::Arc;

const HOUR_MS: u64 = 3_600_000;
const BOTS: [&str; 4] = ["bot0", "bot1", "bot2", "bot3"];

/// Even draws, so that nobody is shown anything because of what others taught.
fn policy(earlier: bool, rule: Rule) -> Arc<Rules> {
    let on = |one: Rule, limit: u64| if one == rule { limit } else { 0 };
    let text = format!(
        "version = 1\nholdout = {{ share = 0.3 }}\n[learning]\nwindow = \"3h\"\nprovisional = 0.2\n\
         [bots]\nearlier = {earlier}\nevents_per_minute = {}\nevents_min = 30\n\
         views_without_dwell = {}\ngaps = {}\n\
         [[slot]]\nname = \"banner\"\ndefault = \"brand\"\ncontext = [\"phase\"]\n\
         learn = {{ method = \"fixed\", holdout = 0.2 }}\n\
         arm = [{{ name = \"brand\" }}, {{ name = \"new\" }}, {{ name = \"old\" }}]\n",
        on(Rule::Rate, 70),
        on(Rule::NoDwell, 30),
        on(Rule::Gaps, 30),
    );
    rules(&text, searching())
}

/// A visit as people make it; some buy.
fn visit(who: &str, start_ms: u64, rng: &mut Rng) -> Vec<Told> {
    let mut at = start_ms;
    let kinds = [
        Kind::PageView,
        Kind::ItemView,
        Kind::Search,
        Kind::AddToCart,
        Kind::Purchase,
    ];
    let mut log = Vec::new();
    for _ in 0..4 + rng.below(8) {
        let mut told = Told::new(at, who, kinds[rng.weighted(&[3.0, 3.0, 3.0, 1.5, 1.0])]);
        told.event.item = Id(1 + u64::from(rng.below(9)));
        told.event.value = Micros::new(1_000_000 * i64::from(1 + rng.below(90)));
        at += 2_000 + u64::from(rng.below(60_000));
        log.push(told);
    }
    log
}

/// A visit that each rule finds to be a bot's, which has bought something before that.
fn raid(who: &str, start_ms: u64) -> Vec<Told> {
    let mut log = vec![Told::new(start_ms, who, Kind::Search)];
    log.push(Told::new(start_ms + 10, who, Kind::Purchase));
    log.extend((0..40).map(|n| {
        let mut view = Told::new(start_ms + 20 + n * 60, who, Kind::ItemView);
        view.event.item = Id(1 + n);
        view
    }));
    log
}

/// People, and bots that come as people, are found out, and come again. The second number of an
/// event is that of its visitor's visit.
fn log(seed: u64) -> Vec<(Told, usize)> {
    let mut rng = Rng::of(seed, 7);
    let mut all = Vec::new();
    let names = (0..40).map(|n| format!("v{n}"));
    for who in names.chain(BOTS.map(String::from)) {
        let mut start = START_MS + u64::from(rng.below(HOUR_MS as u32));
        for number in 0..3 {
            let of_visit = if who.starts_with("bot") && number == 1 {
                raid(&who, start)
            } else {
                visit(&who, start, &mut rng)
            };
            start = of_visit.last().unwrap().event.arrival.0 + HOUR_MS;
            all.extend(of_visit.into_iter().map(|told| (told, number)));
        }
    }
    all.sort_by_key(|(told, _)| told.event.arrival);
    all
}

/// What stands when all is over, without the numbers that facts have in their bins.
#[derive(Debug, PartialEq)]
struct End {
    exposures: Vec<(VisitorId, Exposure)>,
    outcomes: Vec<(VisitorId, Outcome)>,
    counts: BTreeMap<Subject, Stat>,
    lift: Vec<Groups>,
}

fn end(rules: &Arc<Rules>, log: &[Told]) -> (End, Tally, World) {
    let mut world = World::new(rules);
    let tally = world.play(log);
    let outcomes = world.standing.outcomes.iter();
    let mut outcomes: Vec<_> = outcomes
        .map(|(who, outcome)| {
            let number = 0;
            (*who, Outcome { number, ..*outcome })
        })
        .collect();
    outcomes.sort_unstable();
    let end = End {
        exposures: world.standing.exposures.iter().copied().collect(),
        outcomes,
        counts: world.standing.counts.clone(),
        lift: tally.lift.clone(),
    };
    (end, tally, world)
}

#[test]
fn what_stands_is_what_a_log_without_the_bots_leaves() {
    for rule in [Rule::Rate, Rule::NoDwell, Rule::Gaps] {
        for (seed, earlier) in (0..4).flat_map(|seed| [(seed, false), (seed, true)]) {
            let rules = policy(earlier, rule);
            let all = log(seed);
            let honest = all.iter().filter(|(told, number)| {
                let bot = told.visitor.starts_with("bot");
                !bot || (!earlier && *number != 1)
            });
            let honest: Vec<Told> = honest.map(|(told, _)| told.clone()).collect();
            let all: Vec<Told> = all.into_iter().map(|(told, _)| told).collect();
            let (found, tally, world) = end(&rules, &all);
            let (wanted, without, _) = end(&rules, &honest);
            let place = format!("{rule:?}, seed {seed}, earlier {earlier}");
            assert_eq!(found, wanted, "{place}");
            let mut sessions = [0; Rule::ALL.len()];
            sessions[rule as usize] = BOTS.len() as u64;
            sessions[Rule::Known as usize] = if earlier { BOTS.len() as u64 } else { 0 };
            assert_eq!(tally.bots.sessions, sessions, "{place}");
            assert_eq!(tally.bots.earlier, sessions[Rule::Known as usize]);
            assert_eq!(without.bots.total(), 0, "{place}");
            // The bots had taught something, and it was taken back.
            let said = world.told.values().flatten();
            let bots = BOTS.map(|name| VisitorId::of(name.as_bytes()));
            let back = said.filter(|said| said.sign < 0 && bots.contains(&said.visitor));
            assert!(back.count() > 8, "{place}");
        }
    }
}

/// A verdict counts for as long as its visitor is remembered.
#[test]
fn a_bot_that_was_forgotten_is_a_stranger() {
    for (keep, known) in [("90d", 1), ("30m", 0)] {
        let text = format!(
            "version = 1\nholdout = {{ share = 0.0 }}\nlimits = {{ history_keep = \"{keep}\" }}\n\
             [[slot]]\nname = \"banner\"\ndefault = \"brand\"\nlearn = {{}}\n\
             arm = [{{ name = \"brand\" }}, {{ name = \"new\" }}]\n"
        );
        let mut log = raid("bot0", START_MS);
        log.extend(visit("bot0", START_MS + 3 * HOUR_MS, &mut Rng::of(3, 3)));
        let rules = rules(&text, searching());
        let (end, tally, _) = end(&rules, &log);
        assert_eq!(tally.bots.sessions[Rule::Known as usize], known);
        assert_eq!(end.exposures.is_empty(), known == 1, "kept for {keep}");
    }
}
