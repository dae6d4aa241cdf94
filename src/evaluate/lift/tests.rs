//! Verdicts and their words, and that no figure is ever more than the data give.

use super::*;
use crate::visit::learn::moments::Account;

/// A group: visitors of one session each, so many of them with an order of 50.00, and none with one
/// before.
fn group(visitors: i64, converted: i64) -> Moments {
    let mut moments = Moments::default();
    for n in 0..visitors {
        let buys = i64::from(n < converted);
        moments.add(&Account {
            sessions: 1,
            converted: buys,
            revenue: buys * 50_000_000,
            margin: buys * 20_000_000,
            before: 0,
        });
    }
    moments
}

fn judged(treated: (i64, i64), held: (i64, i64)) -> Lift {
    let (treated, held) = (group(treated.0, treated.1), group(held.0, held.1));
    lift(&treated, &held, 0.1, &LiftOptions::default())
}

#[test]
fn the_figures_are_those_of_the_formulas() {
    let found = judged((90_000, 3_780), (10_000, 390));
    let conversion = &found.metrics.conversion;
    let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-9;
    assert!(close(conversion.treated, 0.042) && close(conversion.held, 0.039));
    assert!(close(conversion.difference, 0.003));
    assert!(close(conversion.relative, 0.003 / 0.039));
    let variance: f64 = 0.042 * 0.958 / 89_999.0 + 0.039 * 0.961 / 9_999.0;
    // Theorem 2.2 at 100,000 sessions, tightest at 10,000: see `confidence`.
    let log = -2.0 * 0.05f64.ln();
    let grown = 10.0 * (log + log.ln() + 1.0) + 1.0;
    let reach = (2.0 * grown / (grown - 1.0) * (grown.sqrt() / 0.05).ln()).sqrt();
    let half = reach * variance.sqrt();
    let [lo, hi] = conversion.interval.unwrap();
    assert!(close(Some(lo), 0.003 - half) && close(Some(hi), 0.003 + half));
    let revenue = &found.metrics.revenue_per_session;
    assert!(close(revenue.treated, 2.1) && close(revenue.held, 1.95));
    assert!(close(found.metrics.margin_per_session.difference, 0.06));
    assert_eq!(found.sample_ratio_p, Some(1.0));
    assert_eq!(conversion.cuped, None);
}

#[test]
fn every_verdict_has_its_words() {
    let cases = [
        (
            (900, 12),
            (99, 20),
            "collecting",
            "still collecting: 12 of 20 converted visits with Restage, 99 of 100 visitors in the \
             holdout",
        ),
        (
            (90_000, 3_780),
            (10_500, 410),
            "unhealthy",
            "10.4 % of visitors are in the holdout where 10.0 % should be (p = 2e-4): visitors of \
             one group get lost, and no figure can be trusted until it is known why",
        ),
        (
            (90_000, 5_400),
            (10_000, 390),
            "ahead",
            "conversion is 6.00 % of visits with Restage and 3.90 % in the holdout: +54 % (+32 % to \
             +84 %); Restage is ahead",
        ),
        (
            (90_000, 2_700),
            (10_000, 390),
            "behind",
            "conversion is 3.00 % of visits with Restage and 3.90 % in the holdout: −23 % (−35 % to \
             −7.4 %); Restage is behind",
        ),
        (
            (90_000, 3_780),
            (10_000, 390),
            "no difference so far",
            "conversion is 4.20 % of visits with Restage and 3.90 % in the holdout: +7.7 % (−8.2 % \
             to +29 %); too early to tell",
        ),
    ];
    for (treated, held, verdict, words) in cases {
        let found = judged(treated, held);
        assert_eq!((found.verdict.name(), &found.words[..]), (verdict, words));
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["verdict"], verdict);
        assert_eq!(json["metrics"]["conversion"]["verdict"], verdict);
    }
}

#[test]
fn many_visitors_without_a_difference_say_that_any_is_small() {
    let mut held = group(10_000, 1_000);
    for _ in 0..9 {
        let copy = held;
        held.merge(&copy);
    }
    let found = lift(&held, &held, 0.5, &LiftOptions::default());
    assert!(
        found
            .words
            .ends_with("0.0 % (−0.7 % to +0.7 %); any difference is small"),
        "{}",
        found.words
    );
}

#[test]
fn while_collecting_there_are_values_but_no_intervals() {
    let found = judged((90, 9), (10, 1));
    let conversion = &found.metrics.conversion;
    assert_eq!(
        (conversion.treated, conversion.held),
        (Some(0.1), Some(0.1))
    );
    assert_eq!(
        (conversion.interval, conversion.relative_interval),
        (None, None)
    );
    assert_eq!(found.rows().len(), 2);
}

#[test]
fn a_metric_of_which_nothing_is_known_goes_on_collecting() {
    let (mut treated, mut held) = (group(90_000, 3_780), group(10_000, 390));
    for moments in [&mut treated, &mut held] {
        moments.sums[3] = 0;
        (0..5).for_each(|other| moments.products[Moments::product_at(3, other)] = 0);
    }
    let found = lift(&treated, &held, 0.1, &LiftOptions::default());
    assert_eq!(found.verdict, Verdict::NoDifferenceSoFar);
    let margin = &found.metrics.margin_per_session;
    assert_eq!(margin.verdict, Verdict::Collecting);
    assert_eq!(
        margin.words,
        "still collecting: there is no margin to compare"
    );
    let rows = found.rows();
    assert_eq!(rows[4], ("margin", "collecting".to_owned()));
    let names: Vec<_> = rows.iter().map(|row| row.0).collect();
    assert_eq!(
        names,
        ["lift", "groups", "conversion", "revenue", "margin", "cuped"]
    );
}

#[test]
fn what_another_metric_has_against_the_verdict_is_said() {
    let mut treated = group(90_000, 5_400);
    // Orders as before, each worth a tenth.
    treated.sums[2] /= 10;
    for (other, divisor) in [(0, 10), (1, 10), (2, 100), (3, 10)] {
        treated.products[Moments::product_at(2, other)] /= divisor;
    }
    let found = lift(&treated, &group(10_000, 390), 0.1, &LiftOptions::default());
    assert_eq!(found.verdict, Verdict::Ahead);
    assert!(
        found
            .words
            .ends_with("Restage is ahead, but revenue is behind"),
        "{}",
        found.words
    );
    let options = LiftOptions {
        primary: Metric::RevenuePerSession,
        ..LiftOptions::default()
    };
    let found = lift(&treated, &group(10_000, 390), 0.1, &options);
    assert_eq!(found.verdict, Verdict::Behind);
    assert!(
        found
            .words
            .ends_with(", but conversion and margin are ahead"),
        "{}",
        found.words
    );
}

#[test]
fn extreme_sums_give_numbers_or_null() {
    let huge = Moments {
        visitors: i64::MAX,
        sums: [i128::MAX; 5],
        products: [i128::MAX; 15],
    };
    let wrapped = Moments {
        visitors: 1_000,
        sums: [1_000, i128::MAX, i128::MIN, -1, i128::MAX],
        products: [i128::MIN; 15],
    };
    let negative = Moments {
        visitors: -5,
        sums: [-5; 5],
        products: [5; 15],
    };
    let sound = group(1_000, 100);
    let all = [huge, wrapped, negative, sound, Moments::default()];
    for (treated, held) in all
        .iter()
        .flat_map(|one| all.iter().map(move |two| (one, two)))
    {
        let found = lift(treated, held, 0.5, &LiftOptions::default());
        let json = serde_json::to_string(&found).unwrap();
        assert!(!json.contains("inf") && !json.contains("NaN"), "{json}");
        let metrics = Metric::ALL.map(|metric| found.metrics.get(metric).clone());
        for one in metrics {
            let best = one.best();
            let values = [
                one.treated,
                one.held,
                one.difference,
                one.relative,
                best.difference,
            ];
            assert!(values.into_iter().flatten().all(f64::is_finite), "{json}");
        }
        assert!(!found.words.contains("NaN") && !found.rows().is_empty());
    }
}

#[test]
fn json_has_the_names_that_programs_rely_on() {
    let json = serde_json::to_value(judged((90_000, 3_780), (10_000, 390))).unwrap();
    assert_eq!(json["visitors"]["held"], 10_000);
    assert_eq!(json["sample_ratio_p"], 1.0);
    let metrics = json["metrics"].as_object().unwrap();
    let names = ["conversion", "revenue_per_session", "margin_per_session"];
    assert_eq!(metrics.len(), names.len());
    for name in names {
        let metric = metrics[name].as_object().unwrap();
        for member in ["treated", "held", "difference", "relative"] {
            assert!(metric[member].is_number(), "{name}.{member}");
        }
        for member in ["interval", "relative_interval"] {
            assert_eq!(
                metric[member].as_array().unwrap().len(),
                2,
                "{name}.{member}"
            );
        }
        assert!(metric["cuped"].is_null() && metric["words"].is_string());
    }
}

#[test]
fn over_time_every_point_is_a_comparison_of_its_own() {
    let sums = |n: i64| {
        (
            n as u64 * 1_000,
            group(9_000 * n, 400 * n),
            group(1_000 * n, 40 * n),
        )
    };
    let points = over_time(&[sums(1), sums(2)], 0.1, &LiftOptions::default());
    assert_eq!(points[1].start_ms, 2_000);
    let (_, treated, held) = sums(2);
    let same = lift(&treated, &held, 0.1, &LiftOptions::default());
    assert_eq!(points[1].lift, same);
    let json = serde_json::to_value(&points[0]).unwrap();
    assert_eq!(
        (&json["start_ms"], &json["visitors"]["held"]),
        (&1_000.into(), &1_000.into())
    );
}

/// What the page's groups lose, no slot's own groups show.
#[test]
fn a_slot_is_no_healthier_than_its_page() {
    let options = LiftOptions::default();
    let page = lift(&group(9_000, 400), &group(700, 30), 0.1, &options);
    let slot = || lift(&group(8_100, 360), &group(900, 40), 0.1, &options);
    assert_eq!(page.verdict, Verdict::Unhealthy);
    assert_eq!(slot().within(&slot()), slot());
    let within = slot().within(&page);
    assert_eq!(within.verdict, Verdict::Unhealthy);
    assert_eq!(within.words, page.words);
    assert_eq!(within.sample_ratio_p, page.sample_ratio_p);
    assert_eq!(
        within.metrics.margin_per_session.verdict,
        Verdict::Unhealthy
    );
}
