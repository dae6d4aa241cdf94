//! tmp
use super::*;
use crate::visit::live::Rules;
use crate::visit::model::Model;
use crate::visit::model::schedule::Schedule;
use crate::visit::policy::Policy;
fn rules(text: &str) -> Rules {
    Rules {
        policy: Policy::read(text).unwrap(),
        models: Schedule::of(Model::shipped()),
    }
}
#[test]
fn look() {
    let n: u64 = std::env::var("N")
        .map(|s| s.parse().unwrap())
        .unwrap_or(50000);
    let params = ClosedParams {
        sessions: n,
        ..Default::default()
    };
    let text = policies::scout("scout");
    let r = rules(&text);
    let map = PageMap::of(&r.policy).unwrap();
    let t = std::time::Instant::now();
    let l = ClosedShop::new(
        ClosedParams {
            seed: 99,
            ..params.clone()
        },
        map.clone(),
    )
    .unwrap()
    .scouting()
    .run(&mut CoreKeeper::new(r), &mut |_| {});
    eprintln!(
        "{:?} conv {:.4} realised {:.4} events {:.2} carts {:.3} returning {:.3} changes {:.3} aov {:.1}",
        t.elapsed(),
        l.conversion(),
        l.orders as f64 / n as f64,
        l.events as f64 / n as f64,
        l.carts as f64 / n as f64,
        l.returning as f64 / n as f64,
        l.changes as f64 / n as f64,
        l.paid as f64 / l.orders as f64 / 1e6
    );
    for p in 0..5 {
        eprintln!("{:?}", l.confusion[p]);
    }
    let resp = Response::new(1.0);
    let s = l.scout.unwrap();
    for slot in 0..4 {
        for ph in crate::visit::phase::Phase::ALL {
            let w: Vec<String> = (0..SLOTS[slot].arms.len())
                .map(|a| format!("{:+.0}", s.worth(&resp, slot, a, ph)))
                .collect();
            eprintln!("{} {} {:?}", SLOTS[slot].name, ph.name(), w);
        }
    }
    let oracle = s.oracle(&resp);
    let fixed = s.fixed(&resp);
    eprintln!("{oracle:?} {fixed:?}");
    for (name, text) in [
        ("default", policies::fixed("d", [0; 4])),
        ("fixed", policies::fixed("f", fixed)),
        ("oracle", policies::by_phase("o", &oracle)),
        ("uniform", policies::scout("s")),
    ] {
        let r = rules(&text);
        let map = if name == "uniform" {
            PageMap::own()
        } else {
            PageMap::of(&r.policy).unwrap()
        };
        let t = std::time::Instant::now();
        let mut k: Box<dyn Shopkeeper> = if name == "uniform" {
            Box::new(DrawingKeeper::new(r, 1))
        } else {
            Box::new(CoreKeeper::new(r))
        };
        let l = ClosedShop::new(params.clone(), map)
            .unwrap()
            .run(&mut *k, &mut |_| {});
        let q = l.visits.len() * 3 / 4;
        eprintln!(
            "{name} {:?} conv {:.4} last {:.4} realised {:.4} events {:.2} changes {:.3} paid {:.0} ",
            t.elapsed(),
            l.conversion(),
            expected(&l.visits[q..]) / (l.visits.len() - q) as f64,
            l.orders as f64 / n as f64,
            l.events as f64 / n as f64,
            l.changes as f64 / n as f64,
            l.paid as f64 / 1e6
        );
    }
    let t = std::time::Instant::now();
    let l = ClosedShop::new(params.clone(), map)
        .unwrap()
        .run(&mut FixedKeeper::new([0; 4]), &mut |_| {});
    eprintln!(
        "no keeper {:?} {:.2}M events/s",
        t.elapsed(),
        l.events as f64 / 1e6 / t.elapsed().as_secs_f64()
    );
}
