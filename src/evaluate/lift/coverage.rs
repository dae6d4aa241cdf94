//! Whether the intervals keep what they promise: simulated experiments that are looked at again
//! and again, with visitors who come back.
//!
//! A visitor has a liking of its own that all its sessions share, so sessions are not independent;
//! the more a visitor likes the shop, the oftener it comes. Every count of failures below is of
//! seeded runs, hence exact; the bounds are the promised share of the runs.

use super::interval::reach;
use super::*;
use crate::rng::Rng;
use crate::visit::learn::moments::Account;

const LOOKS: usize = 50;
const HELD_SHARE: f64 = 0.2;

/// A shop to experiment in.
#[derive(Clone, Copy)]
struct Shop {
    /// New visitors between two looks.
    arrivals: usize,
    /// Looks at which visitors still arrive.
    open: usize,
    /// Sessions that a visitor comes to at most, one a look.
    sessions_max: u32,
    /// Probabilities of an order of those who like the shop less, and more.
    likings: [f64; 2],
    /// What Restage multiplies them by.
    effect: f64,
    /// Deviation of the logarithm of what an order is worth.
    spread: f64,
    /// Share of visitors in the holdout.
    held_share: f64,
}

const SHOP: Shop = Shop {
    arrivals: 100,
    open: LOOKS,
    sessions_max: 4,
    likings: [0.02, 0.2],
    effect: 1.0,
    spread: 0.7,
    held_share: HELD_SHARE,
};

/// A visitor on the way through an experiment.
struct Visitor {
    is_held: bool,
    liking: f64,
    sessions_left: u32,
    account: Account,
    rng: Rng,
}

impl Visitor {
    fn new(shop: &Shop, mut rng: Rng) -> Visitor {
        let likes = rng.chance(0.2);
        let liking = shop.likings[usize::from(likes)];
        let before = (0..5).filter(|_| rng.chance(liking)).count() as i64;
        let is_held = rng.chance(shop.held_share);
        let often = if likes {
            shop.sessions_max
        } else {
            shop.sessions_max / 2
        };
        Visitor {
            is_held,
            liking: liking * if is_held { 1.0 } else { shop.effect },
            sessions_left: 1 + rng.below(often.max(1)),
            account: Account {
                before,
                ..Account::default()
            },
            rng,
        }
    }

    /// Comes once more; what that session came to.
    fn come(&mut self, spread: f64) -> Account {
        self.sessions_left -= 1;
        let converted = self.rng.chance(self.liking);
        let worth = (self.rng.log_normal(50.0, spread) * 1e6) as i64;
        let revenue = if converted { worth } else { 0 };
        let session = Account {
            sessions: 1,
            converted: i64::from(converted),
            revenue,
            margin: revenue * 3 / 10 - 200_000,
            before: 0,
        };
        self.account.sessions += session.sessions;
        self.account.converted += session.converted;
        self.account.revenue += session.revenue;
        self.account.margin += session.margin;
        session
    }
}

/// Sums of both groups as of a look: treated and held, over visitors and over sessions as if each
/// were a visitor.
#[derive(Default)]
struct Sums {
    visitors: [Moments; 2],
    sessions: [Moments; 2],
}

/// Runs an experiment and shows its sums at every look.
fn experiment(shop: &Shop, seed: u64, mut look: impl FnMut(&Sums)) {
    let mut sums = Sums::default();
    let mut there: Vec<Visitor> = Vec::new();
    for at in 0..LOOKS {
        if at < shop.open {
            let first = (at * shop.arrivals) as u64;
            let new = (first..first + shop.arrivals as u64).map(|n| Rng::of(seed, n));
            there.extend(new.map(|rng| Visitor::new(shop, rng)));
        }
        for visitor in &mut there {
            let group = usize::from(visitor.is_held);
            if visitor.account.sessions > 0 {
                sums.visitors[group].remove(&visitor.account);
            }
            let session = visitor.come(shop.spread);
            sums.sessions[group].add(&session);
            sums.visitors[group].add(&visitor.account);
        }
        there.retain(|visitor| visitor.sessions_left > 0);
        look(&sums);
    }
}

fn judged(groups: &[Moments; 2]) -> Lift {
    lift(&groups[0], &groups[1], HELD_SHARE, &LiftOptions::default())
}

/// Runs, of so many, in which each of some things holds at some look.
fn ever<const N: usize>(shop: &Shop, runs: u64, holds: impl Fn(&Sums) -> [bool; N]) -> [u64; N] {
    let mut counts = [0; N];
    for run in 0..runs {
        let mut found = [false; N];
        experiment(shop, run, |sums| {
            let now = holds(sums);
            found = std::array::from_fn(|n| found[n] || now[n]);
        });
        counts = std::array::from_fn(|n| counts[n] + u64::from(found[n]));
    }
    counts
}

fn is_called(found: &MetricLift) -> bool {
    matches!(found.verdict, Verdict::Ahead | Verdict::Behind)
}

/// Whether an interval that is made for one look leaves out 0.
fn is_called_at_once(groups: &[Moments; 2], found: &MetricLift) -> bool {
    let sessions = groups[0].sum(0) as f64 + groups[1].sum(0) as f64;
    let share = 1.96 / reach(sessions, 10_000.0, 0.05);
    found
        .interval
        .is_some_and(|[lo, hi]| (lo + hi).abs() > (hi - lo) * share)
}

#[test]
fn a_shop_without_an_effect_is_seldom_said_to_have_one() {
    let runs = 300;
    let [conversion, revenue, margin, unhealthy, at_once] = ever(&SHOP, runs, |sums| {
        let found = judged(&sums.visitors);
        let [conversion, revenue, margin] =
            Metric::ALL.map(|metric| is_called(found.metrics.get(metric)));
        let unhealthy = found.verdict == Verdict::Unhealthy;
        let at_once = is_called_at_once(&sums.visitors, &found.metrics.conversion);
        [conversion, revenue, margin, unhealthy, at_once]
    });
    for wrong in [conversion, revenue, margin] {
        assert!(wrong * 20 <= runs, "{wrong} of {runs}");
    }
    assert_eq!(unhealthy, 0);
    // An interval for one look would not do.
    assert!(at_once * 10 > runs, "{at_once} of {runs}");
}

#[test]
fn a_few_great_orders_do_not_fool_a_small_holdout() {
    let shop = Shop {
        arrivals: 300,
        spread: 1.5,
        held_share: 0.05,
        ..SHOP
    };
    let runs = 150;
    let [wrong, unguarded] = ever(&shop, runs, |sums| {
        let [treated, held] = &sums.visitors;
        let found = lift(treated, held, 0.05, &LiftOptions::default());
        let revenue = &found.metrics.revenue_per_session;
        // What the groups' own variances would have made of it.
        let metric = Metric::RevenuePerSession;
        let own = Ratio::of(treated, metric)
            .zip(Ratio::of(held, metric))
            .map(|(treated, held)| ratio::plain(&treated, &held));
        let sessions = treated.sum(0) as f64 + held.sum(0) as f64;
        let interval = own.and_then(|pair| pair.interval(reach(sessions, 10_000.0, 0.05)));
        let outside = interval.is_some_and(|[lo, hi]| lo > 0.0 || hi < 0.0);
        [is_called(revenue), revenue.interval.is_some() && outside]
    });
    assert!(wrong * 20 <= runs, "{wrong} of {runs}");
    assert!(unguarded * 10 > runs, "{unguarded} of {runs}");
}

/// Few visitors who come very often and either hardly ever or nearly always buy.
const CLUSTERED: Shop = Shop {
    arrivals: 40,
    open: LOOKS,
    sessions_max: 24,
    likings: [0.01, 0.5],
    ..SHOP
};

#[test]
fn visitors_who_come_often_do_not_count_as_many() {
    let runs = 150;
    let [wrong, naive] = ever(&CLUSTERED, runs, |sums| {
        let [treated, held] = &sums.sessions;
        let naive = lift(treated, held, f64::NAN, &LiftOptions::default());
        let found = judged(&sums.visitors);
        [found, naive].map(|found| is_called(&found.metrics.conversion))
    });
    assert!(wrong * 20 <= runs, "{wrong} of {runs}");
    // Counting every session as a visitor finds effects where there are none.
    assert!(naive * 5 > runs, "{naive} of {runs}");
}

#[test]
fn the_same_visitors_coming_again_and_again_are_looked_at_no_less_safely() {
    let shop = Shop {
        arrivals: 1_000,
        open: 1,
        sessions_max: 2 * LOOKS as u32,
        likings: [0.1, 0.1],
        ..SHOP
    };
    let runs = 150;
    let [wrong] = ever(&shop, runs, |sums| {
        [is_called(&judged(&sums.visitors).metrics.conversion)]
    });
    assert!(wrong * 20 <= runs, "{wrong} of {runs}");
}

#[test]
fn a_true_effect_stays_within_all_intervals_and_is_found() {
    let shop = Shop {
        effect: 1.4,
        ..SHOP
    };
    let runs = 200;
    let (mut missed, mut ahead, mut behind) = (0, 0, 0);
    for run in 0..runs {
        let (mut is_missed, mut last) = (false, Verdict::Collecting);
        experiment(&shop, run, |sums| {
            let metrics = judged(&sums.visitors).metrics;
            let outside = |[lo, hi]: [f64; 2]| 0.4 < lo || hi < 0.4;
            let found = &metrics.conversion;
            is_missed |= found.best().relative_interval.is_some_and(outside);
            last = found.verdict;
        });
        missed += u64::from(is_missed);
        ahead += u64::from(last == Verdict::Ahead);
        behind += u64::from(last == Verdict::Behind);
    }
    assert!(missed * 20 <= runs, "{missed} of {runs}");
    assert!(
        ahead * 2 > runs && behind == 0,
        "{ahead}, {behind} of {runs}"
    );
}

#[test]
fn a_difference_lies_within_its_intervals_at_all_looks() {
    // As many sessions of each kind of visitor, so that the difference is the same at all looks.
    let shop = Shop {
        sessions_max: 1,
        effect: 1.2,
        ..SHOP
    };
    let difference = 0.2 * (0.8 * 0.02 + 0.2 * 0.2);
    let outside = |[lo, hi]: [f64; 2]| difference < lo || hi < difference;
    let runs = 200;
    let [missed, missed_adjusted] = ever(&shop, runs, |sums| {
        let found = judged(&sums.visitors).metrics.conversion;
        [found.interval, found.best().interval].map(|interval| interval.is_some_and(outside))
    });
    assert!(
        missed * 20 <= runs && missed_adjusted * 20 <= runs,
        "{missed}, {missed_adjusted}"
    );
}

#[test]
fn orders_before_narrow_the_interval_where_they_predict() {
    let width = |[lo, hi]: [f64; 2]| hi - lo;
    let narrowed = |shop: &Shop| {
        let mut last = None;
        experiment(shop, 5, |sums| last = Some(judged(&sums.visitors)));
        let found = last.unwrap().metrics.conversion;
        let cuped = found.cuped.unwrap();
        let share = width(cuped.interval.unwrap()) / width(found.interval.unwrap());
        let reduction = 1.0 - share * share;
        assert!((reduction - cuped.variance_reduction).abs() < 1e-9);
        reduction
    };
    assert!(narrowed(&CLUSTERED) > 0.3);
    // One liking for all: what was before says nothing.
    let alike = Shop {
        likings: [0.1, 0.1],
        ..SHOP
    };
    assert!(narrowed(&alike) < 0.01);
}
