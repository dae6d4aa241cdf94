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
    for seed in 1..5 {
        let params = ClosedParams {
            sessions: n,
            seed,
            ..Default::default()
        };
        let f = |text: &str| -> Box<dyn Shopkeeper> { Box::new(CoreKeeper::new(rules(text))) };
        let t = std::time::Instant::now();
        let truth = Truth::find(&params, &f).unwrap();
        eprint!("seed {seed} {:?} {truth:?}", t.elapsed());
        for (name, text) in [
            ("default", policies::fixed("d", [0; 4])),
            ("oracle", policies::by_phase("o", &truth.oracle)),
            ("fixed", policies::fixed("f", truth.fixed)),
        ] {
            let r = rules(&text);
            let map = PageMap::of(&r.policy).unwrap();
            let mut k: Box<dyn Shopkeeper> = Box::new(CoreKeeper::new(r));
            let l = ClosedShop::new(params.clone(), map)
                .unwrap()
                .run(&mut *k, &mut |_| {});
            eprint!(" {name} conv {:.5} ", l.conversion());
        }
        eprintln!();
    }
}
