//! What is in force after a file has changed, at which time, and that the journal says the same.

use super::*;
use crate::event::{ArrivalMs, Id};
use crate::visit::products::shelf::Shelf;
use std::sync::Arc;

const FIRST: &str =
    "item,price,stock,category,at_ms\na,10,,x,\nb,20,0,x,\nc,30,5,y,\nc,,0,,50000\n";

fn stock() -> Stock {
    Stock::of("items.csv", FIRST.as_bytes()).unwrap()
}

/// Takes a file up at a time; how many rows that added.
fn take(stock: &mut Stock, text: &str, at_ms: u64) -> usize {
    let news = stock.news("items.csv", text.as_bytes()).unwrap();
    let rows = news.and_then(|news| stock.take(news, at_ms, 1_000));
    rows.map_or(0, |rows| rows.lines().count())
}

/// Price in units and stock of an item at a time.
fn holds(stock: &Stock, item: &str, at_ms: u64) -> Option<(i64, Option<u64>)> {
    let mut shelf = Shelf::new(Arc::new(stock.catalogue().unwrap()), 1_000);
    shelf.turn(ArrivalMs(at_ms));
    let product = *shelf.product(shelf.number(Id::of(item.as_bytes()))?)?;
    Some((product.price / 1_000_000, product.stock))
}

#[test]
fn what_a_file_has_grown_by_holds_from_the_boundary_on_or_later() {
    let mut stock = stock();
    assert_eq!(take(&mut stock, FIRST, 1_000), 0);
    let more = format!("{FIRST}a,12,,,\nd,1,,x,\nb,,7,,90000\na,,3,,1500\n");
    assert_eq!(take(&mut stock, &more, 20_001), 4);
    assert_eq!(holds(&stock, "a", 20_999), Some((10, None)));
    assert_eq!(holds(&stock, "a", 21_000), Some((12, Some(3))));
    assert_eq!(holds(&stock, "d", 20_999), None);
    assert_eq!(holds(&stock, "d", 21_000), Some((1, None)));
    assert_eq!(holds(&stock, "b", 89_999), Some((20, Some(0))));
    assert_eq!(holds(&stock, "b", 90_000), Some((20, Some(7))));
    assert_eq!(
        holds(&stock, "c", 50_000),
        Some((30, Some(0))),
        "what was planned stays"
    );
    // And again, behind what holds later: the last row of a time counts.
    assert_eq!(take(&mut stock, &format!("{more}a,13,,,\r\n"), 0), 1);
    assert_eq!(holds(&stock, "a", 21_000), Some((13, Some(3))));
}

#[test]
fn what_was_rewritten_holds_as_a_whole() {
    let mut stock = stock();
    // Another order of columns and rows; `a` is dearer, `b` unlimited, `c` gone, and `d` new.
    let other = "price,item,category,stock\n1,d,y,\n11,a,x,\n20,b,x,\n";
    assert_eq!(take(&mut stock, other, 20_000), 5);
    assert_eq!(holds(&stock, "a", 20_000), Some((11, None)));
    assert_eq!(holds(&stock, "b", 19_999), Some((20, Some(0))));
    assert_eq!(holds(&stock, "b", 20_000), Some((20, None)));
    for at_ms in [20_000, 50_000] {
        assert_eq!(holds(&stock, "c", at_ms), Some((30, Some(0))), "sold out");
    }
    let catalogue = stock.catalogue().unwrap();
    let numbers = ["a", "b", "c", "d"].map(|item| catalogue.number(Id::of(item.as_bytes())));
    assert_eq!(numbers, [0, 1, 2, 3].map(Some), "numbers stay");
    // The same in another form is nothing new.
    assert_eq!(
        take(&mut stock, &other.replace("\n20,b", "\n20 ,b"), 30_000),
        0
    );
    // What was planned is planned no more, and comes back.
    assert_eq!(take(&mut stock, FIRST, 40_000), 5);
    assert_eq!(holds(&stock, "c", 49_999), Some((30, Some(5))));
    assert_eq!(holds(&stock, "c", 50_000), Some((30, Some(0))));
    assert_eq!(
        take(&mut stock, &FIRST.replace("c,,0,,50000\n", ""), 45_000),
        2
    );
    assert_eq!(holds(&stock, "c", 50_000), Some((30, Some(5))));
}

#[test]
fn it_comes_back_from_the_journal_and_workers_make_the_same_of_it() {
    let mut stock = stock();
    let shared = stock.catalogue().unwrap();
    let news = stock.news("items.csv", format!("{FIRST}e,1,,,\n").as_bytes());
    let rows = stock.take(news.unwrap().unwrap(), 7_000, 1_000).unwrap();
    let told = grown(&shared, &rows).unwrap();
    let journal = format!("{{\"from_ms\":0}}\n{}", stock.write());
    let (rules, part) = parts(&journal);
    assert_eq!(rules, "{\"from_ms\":0}\n");
    let again = Stock::read(part.unwrap()).unwrap();
    assert_eq!(again.write(), stock.write());
    assert_eq!(again.catalogue().unwrap().statements(), told.statements());
    assert_eq!(again.statements(), told.statements().len());
    assert_eq!(parts("{\"from_ms\":0}\n").1.map(str::len), None);
}

#[test]
fn what_is_wrong_changes_nothing() {
    let stock = stock();
    let refused = |text: &[u8]| stock.news("items.csv", text).unwrap_err().to_string();
    let told = refused(format!("{FIRST}d,cheap,,,\n").as_bytes());
    assert!(
        told.contains("line 6: `price` cheap is not a number"),
        "{told}"
    );
    assert!(refused(b"item\n\xff\n").contains("line 2: `item` is not UTF-8"));
    assert!(refused(b"").contains("the header has no `item`"));
    assert!(Stock::read("nonsense").is_err());
}
