//! Random crowds: few visitors whose events land on deadlines, beside them and anywhere, late, twice,
//! in sessions of the log's own, under limits that bite.

use super::{START_MS, Told, neighbours, with};
use proptest::prelude::*;
use restage::event::{Id, Kind, Micros};

/// A policy of which every limit bites.
pub fn tight(policy: &str, source: &str) -> String {
    let lines = format!(
        "session = {{ source = \"{source}\", idle = \"60s\", max = \"200s\" }}
         hesitation = {{ after = \"10s\" }}
         limits = {{ live_sessions = 768, histories = 512, history_keep = \"300s\", event_ids = 768, event_ids_keep = \"30s\", items_per_session = 3, categories_per_session = 2 }}"
    );
    with(policy, &lines)
}

/// Ten visitors, four of whom share a bin.
pub fn crowd() -> Vec<String> {
    let mut names = neighbours(5);
    names.extend((0..5).map(|n| format!("v{n}")));
    names
}

/// Events of a crowd, in canonical order.
pub fn told() -> impl Strategy<Value = Vec<Told>> {
    let kinds = prop::sample::select(vec![
        Kind::PageView,
        Kind::ItemView,
        Kind::Search,
        Kind::AddToCart,
        Kind::AddToCart,
        Kind::RemoveFromCart,
        Kind::BeginCheckout,
        Kind::Purchase,
        Kind::ExitIntent,
    ]);
    // Gaps that land on deadlines, beside them and anywhere.
    let gaps = prop_oneof![
        prop::sample::select(vec![
            0u64, 0, 1, 9_999, 10_000, 10_001, 50_000, 60_000, 60_001
        ]),
        0u64..30_000,
    ];
    let late = prop_oneof![4 => Just(0u64), 1 => 0u64..90_000];
    let step = (gaps, late, 0usize..10, kinds, 0u64..5, 0u64..6, 0usize..4);
    prop::collection::vec(step, 1..120).prop_map(|steps| {
        let names = crowd();
        let mut at = START_MS;
        steps
            .into_iter()
            .map(|(gap, late, who, kind, item, id, session)| {
                at += gap;
                let mut told = Told::new(at, &names[who], kind);
                told.event.time.0 = at - late;
                told.event.item = Id(item);
                told.event.category = Id(item / 2);
                told.event.price = Micros::new(item as i64 * 1_000_000);
                // Mostly ids of their own, now and then one that comes again.
                told.event.event_id = Id(if id < 2 { id + 1 } else { 0 });
                told.in_session(["", "S", "S", "T"][session])
            })
            .collect()
    })
}
