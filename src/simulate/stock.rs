//! The catalogue of the simulated shop as a file, and how it changes while the log goes on.
//!
//! Every three minutes or so something happens to an item: it sells out and is restocked some minutes later, or
//! its price goes up or down. Half of the items are among the first, which a page in the catalogue's order
//! shows, half are picked by how popular they are. The log knows nothing of it: shoppers look at and buy
//! what they would have. A pure function of the seed, the catalogue and the time that the log spans.
//!
//! Cost: a row of some 30 bytes an item and a change.

use super::catalogue::{Catalogue, ItemNo};
use crate::rng::Rng;
use std::fmt::Write;

/// Which of the seed's generators changes come from.
const STREAM_CHANGES: u64 = u64::MAX - 3;
/// Mean time between two changes.
const CHANGE_MS: f64 = 180_000.0;
/// Items that a page in the catalogue's order shows, more or less.
const FIRST_ITEMS: u32 = 24;
/// How long an item is sold out, least and most.
const SOLD_OUT_MS: (f64, f64) = (300_000.0, 1_200_000.0);

/// The catalogue as CSV: all items in the order of their numbers, then what changes from `start_ms` up to
/// `end_ms`, in the order of time.
pub fn csv(stock: &Catalogue, seed: u64, (start_ms, end_ms): (u64, u64)) -> String {
    let mut rng = Rng::of(seed, STREAM_CHANGES);
    let mut text = String::from("item,category,price,stock,at_ms\n");
    // Writing to memory cannot fail.
    for number in 0..stock.len() {
        let (category, units) = (stock.category(ItemNo(number)).0, 1 + rng.below(100));
        let price = price(stock, number);
        let _ = writeln!(text, "i{number},c{category},{price:.2},{units},");
    }
    for (at_ms, number, change) in changes(stock, &mut rng, (start_ms, end_ms)) {
        let _ = match change {
            Change::Stock(units) => writeln!(text, "i{number},,,{units},{at_ms}"),
            Change::Price(price) => writeln!(text, "i{number},,{price:.2},,{at_ms}"),
        };
    }
    text
}

enum Change {
    Stock(u32),
    Price(f64),
}

/// What changes, in the order of time.
fn changes(
    stock: &Catalogue,
    rng: &mut Rng,
    (start_ms, end_ms): (u64, u64),
) -> Vec<(u64, u32, Change)> {
    let mut changes = Vec::new();
    let mut at_ms = start_ms;
    loop {
        at_ms += 1 + rng.exponential(CHANGE_MS) as u64;
        if at_ms > end_ms {
            break;
        }
        let number = match rng.chance(0.5) {
            true => rng.below(FIRST_ITEMS.min(stock.len())),
            false => stock.pick(rng).0,
        };
        if rng.chance(0.7) {
            let back_ms = at_ms + rng.between(SOLD_OUT_MS.0, SOLD_OUT_MS.1) as u64;
            changes.push((at_ms, number, Change::Stock(0)));
            changes.push((back_ms, number, Change::Stock(1 + rng.below(100))));
        } else {
            let new = price(stock, number) * rng.between(0.8, 1.2);
            changes.push((at_ms, number, Change::Price(new)));
        }
    }
    changes.retain(|(at_ms, ..)| *at_ms <= end_ms);
    // Stable: what was said first at a time stays first.
    changes.sort_by_key(|(at_ms, ..)| *at_ms);
    changes
}

fn price(stock: &Catalogue, number: u32) -> f64 {
    stock.price(ItemNo(number)).get().unwrap_or(0) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_sell_out_and_come_back_and_prices_move() {
        let stock = Catalogue::new(&mut Rng::new(1), 300, 10);
        let text = csv(&stock, 7, (1_000_000, 1_000_000 + 24 * 3_600_000));
        assert_eq!(
            text,
            csv(&stock, 7, (1_000_000, 1_000_000 + 24 * 3_600_000))
        );
        assert_ne!(
            text,
            csv(&stock, 8, (1_000_000, 1_000_000 + 24 * 3_600_000))
        );
        let rows = || text.lines().skip(1);
        let changes: Vec<&str> = rows().skip(300).collect();
        assert!(rows().take(300).all(|row| row.ends_with(',')), "{text}");
        let sold_out = changes.iter().filter(|row| row.contains(",,,0,")).count();
        let prices = changes.iter().filter(|row| !row.contains(",,,")).count();
        assert!(sold_out > 200 && prices > 80, "{sold_out}, {prices}");
        let times = changes.iter().map(|row| row.rsplit(',').next().unwrap());
        let times: Vec<u64> = times.map(|at_ms| at_ms.parse().unwrap()).collect();
        assert!(times.is_sorted() && times[0] > 1_000_000);
        assert_eq!(csv(&stock, 7, (0, 0)).lines().count(), 301);
    }
}
