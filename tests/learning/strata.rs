//! Arms are compared among visitors who could have been shown the same arms at the same time: what an
//! arm earns for whom it meets, or for when, is not its own.

use restage::visit::learn::fact::{Cell, HELD};
use restage::visit::learn::learner::Learner;
use restage::visit::learn::stat::Stat;
use restage::visit::learn::subject::Subject;
use restage::visit::learn::tables::{ANY, Change, Row};
use restage::visit::policy::Policy;
use std::collections::BTreeMap;

const POLICY: &str = r#"
version = 1
[[slot]]
name = "banner"
default = "brand"
learn = { method = "thompson", heterogeneity = 1000, settle = 0, kill = 0.1 }
arm = [{ name = "brand" }, { name = "new" }, { name = "basket" }]
"#;

const BRAND: u32 = 0;
const NEW: u32 = 1;
const BASKET: u32 = 2;

/// Exposures of an arm, of which so many were followed by an order.
fn shown(set: u16, epoch: u32, arm: u32, trials: i64, orders: i64) -> (Subject, Stat) {
    let cell = Cell {
        set,
        epoch,
        arm,
        ..Cell::default()
    };
    let stat = Stat {
        trials,
        reward: orders * 1_000_000,
        square: i128::from(orders) * 1_000_000_000_000,
    };
    (Subject::Cell(cell), stat)
}

/// What the learner makes of them: shares by set, and bits of barred arms.
fn learned(facts: &[(Subject, Stat)]) -> (BTreeMap<u16, Row>, u16) {
    let mut learner = Learner::new(&Policy::read(POLICY).unwrap());
    for (subject, stat) in facts {
        learner.add(*subject, stat);
    }
    let (mut rows, mut bars) = (BTreeMap::new(), 0);
    for change in learner.close(1_000) {
        match change {
            Change::Weights { set, row, .. } => drop(rows.insert(set, row)),
            Change::Arms { barred, .. } => bars = barred,
            Change::Layouts { .. } | Change::Recommended(_) => unreachable!("nothing else learns"),
        }
    }
    (rows, bars)
}

#[test]
fn an_arm_for_full_carts_is_not_taken_for_a_good_one() {
    // Only those with something in the cart, who order ten times as often, may see the reminder; it
    // sells a third less to them than the other arms do.
    let facts = [
        shown(0b011, 0, BRAND, 20_000, 600),
        shown(0b011, 0, NEW, 20_000, 800),
        shown(0b111, 0, BRAND, 3_000, 900),
        shown(0b111, 0, NEW, 3_000, 1_200),
        shown(0b111, 0, BASKET, 3_000, 600),
    ];
    let (rows, barred) = learned(&facts);
    let share = |set: u16, arm: u32| rows[&set].weights.share_ppm[arm as usize];
    assert!(share(ANY, NEW) > 990_000 && share(ANY, BASKET) < 1_000);
    // Among two there is a share for each, whatever the third's.
    assert!(share(0b011, NEW) > 990_000);
    assert_eq!(share(0b011, BASKET), 0);
    assert_eq!(barred, 0, "nobody was held out to compare with");
}

#[test]
fn the_second_best_is_known_where_the_best_may_not_be_shown() {
    let facts = [
        shown(0b011, 0, BRAND, 4_000, 400),
        shown(0b011, 0, NEW, 4_000, 300),
        shown(0b111, 0, BRAND, 4_000, 400),
        shown(0b111, 0, NEW, 4_000, 300),
        shown(0b111, 0, BASKET, 4_000, 900),
    ];
    let (rows, _) = learned(&facts);
    assert!(rows[&ANY].weights.share_ppm[BASKET as usize] > 999_000);
    assert!(rows[&0b011].weights.share_ppm[BRAND as usize] > 990_000);
}

#[test]
fn an_arm_is_not_praised_for_its_time() {
    // Everything sells twice as much in the second week, in which `brand` has taken over; `new` is
    // the better one in both.
    let facts = [
        shown(0b011, 1, BRAND, 10_000, 300),
        shown(0b011, 1, NEW, 10_000, 390),
        shown(0b011, 2, BRAND, 19_000, 1_140),
        shown(0b011, 2, NEW, 1_000, 78),
    ];
    let (rows, _) = learned(&facts);
    let weights = rows[&0b011].weights;
    assert!(weights.share_ppm[NEW as usize] > 990_000, "{weights:?}");
}

#[test]
fn the_holdout_is_one_of_the_same_visitors() {
    // `basket` earns a fifth of what `brand` would have earned of those who may see it, and more
    // than the holdout does over all visitors.
    let facts = [
        shown(0b011, 0, BRAND, 30_000, 600),
        shown(0b011, 0, HELD, 30_000, 600),
        shown(0b111, 0, BRAND, 5_000, 2_000),
        shown(0b111, 0, BASKET, 5_000, 400),
        shown(0b111, 0, HELD, 5_000, 2_000),
    ];
    let (_, barred) = learned(&facts);
    assert_eq!(barred, 1 << BASKET);
    // The other way round, an arm for poor customers is no bad one.
    let facts = [
        shown(0b011, 0, HELD, 30_000, 600),
        shown(0b111, 0, HELD, 5_000, 2_000),
        shown(0b011, 0, NEW, 30_000, 600),
        shown(0b111, 0, NEW, 300, 120),
    ];
    assert_eq!(learned(&facts).1, 0);
}

/// Half of those who come fill a cart, which counts at once and mostly goes again. Whoever was shown
/// last has most of such credit: it bars nobody.
#[test]
fn an_arm_is_not_barred_for_what_others_may_yet_earn() {
    let [kept, held] = [BASKET, HELD].map(|arm| shown(0b101, 0, arm, 4_000, 200));
    let half = Stat {
        trials: 0,
        reward: 500_000,
        square: 250_000_000_000,
    };
    let (Subject::Cell(cell), stat) = held else {
        unreachable!("it is a cell")
    };
    let mut credit = Stat::default();
    (0..1_000).for_each(|_| credit.add(&half));
    let mut now = stat;
    now.add(&credit);
    let believed = (Subject::Cell(cell), now);
    assert_eq!(learned(&[kept, believed]).1, 1 << BASKET, "as if settled");
    assert_eq!(
        learned(&[kept, believed, (Subject::Open(cell), credit)]).1,
        0
    );
}
