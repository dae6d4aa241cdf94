//! Properties of all visitors together, on random crowds under a policy of which every limit bites:
//! neither extra ticks of the clock nor the spread of visitors over instances can be seen in what
//! comes out, ids are unique, the same events give the same bytes, and sessions and stalls equal
//! those of a plain walk over each visitor's events.

mod script;

use proptest::prelude::*;
use restage::event::{ArrivalMs, Id, Kind, bin_of};
use restage::visit::tally::Tally;
use restage::visit::visitors::Visitors;
use script::crowd::{tight, told};
use script::{HELPFUL, Lines, START_MS, Told, model, play, rules, searching, with};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn lines(out: &Lines) -> Vec<&str> {
    out.lines.iter().map(|(_, line)| line.as_str()).collect()
}

/// The counters that do not depend on how many instances there are.
fn counters(tally: &Tally) -> Tally {
    Tally {
        live_sessions_peak: 0,
        state_bytes: 0,
        state_sessions: 0,
        ..tally.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Ticks of the clock between events, as epochs make them, change nothing, not even the order.
    #[test]
    fn extra_ticks_of_the_clock_cannot_be_seen(
        events in told(),
        ticks in prop::collection::vec(0u64..70_000, 0..200),
        log in any::<bool>(),
    ) {
        let rules = rules(&tight(HELPFUL, if log { "log" } else { "engine" }), searching());
        let (plain, counted) = play(&rules, &events);
        let mut out = Lines::new(&rules);
        let mut visitors = Visitors::new(Arc::clone(&rules), None, false);
        let mut ticks = ticks.into_iter();
        let mut now = START_MS;
        for told in &events {
            let arrival = told.event.arrival;
            while let Some(tick) = ticks.next().filter(|_| now < arrival.0) {
                now = (now + tick).min(arrival.0);
                visitors.advance(ArrivalMs(now), &mut out);
            }
            now = arrival.0;
            visitors.observe(told.borrowed(), &mut out);
            visitors.advance(arrival, &mut out);
        }
        for tick in ticks {
            now += tick;
            visitors.advance(ArrivalMs(now), &mut out);
        }
        let ticked = visitors.finish(&mut out);
        prop_assert_eq!(lines(&plain), lines(&out));
        prop_assert_eq!(&plain.ended, &out.ended);
        prop_assert_eq!(counters(&counted), counters(&ticked));
    }

    /// Visitors spread over instances by bin, as over workers, give the same records and counts.
    #[test]
    fn the_spread_of_visitors_over_instances_cannot_be_seen(
        events in told(),
        parts in 2usize..5,
        log in any::<bool>(),
    ) {
        let rules = rules(&tight(HELPFUL, if log { "log" } else { "engine" }), searching());
        let (mut whole, counted) = play(&rules, &events);
        let mut split = Lines::new(&rules);
        let mut sum = Tally::default();
        for part in 0..parts {
            let of_part = |told: &&Told| bin_of(told.event.visitor) % parts == part;
            let mine: Vec<Told> = events.iter().filter(of_part).cloned().collect();
            let (out, tally) = play(&rules, &mine);
            split.lines.extend(out.lines);
            sum.merge(&tally);
        }
        whole.lines.sort();
        split.lines.sort();
        prop_assert_eq!(lines(&whole), lines(&split));
        prop_assert_eq!(counters(&counted), counters(&sum));
    }

    /// visitor/session/seq names one decision, and seq runs without a hole within a session.
    #[test]
    fn a_decision_id_names_one_decision(events in told(), log in any::<bool>()) {
        // Visitors are remembered here: whoever is forgotten may get a number again.
        let source = if log { "log" } else { "engine" };
        let lines = format!("session = {{ source = \"{source}\", idle = \"60s\", max = \"200s\" }}\nhesitation = {{ after = \"10s\" }}");
        let (out, tally) = play(&rules(&with(HELPFUL, &lines), searching()), &events);
        let ids: BTreeSet<_> = out.lines.iter().map(|((_, v, s, n), _)| (v, s, n)).collect();
        prop_assert_eq!(ids.len(), out.lines.len());
        prop_assert_eq!(tally.decisions as usize, out.lines.len());
        prop_assert_eq!(tally.sessions as usize, out.ended.len());
    }

    /// The same events twice: the same bytes, in the same order.
    #[test]
    fn the_same_events_give_the_same_bytes(events in told()) {
        let rules = rules(&tight(HELPFUL, "engine"), searching());
        let (one, counted) = play(&rules, &events);
        let (two, again) = play(&rules, &events);
        prop_assert_eq!(lines(&one), lines(&two));
        prop_assert_eq!(counted, again);
    }

    /// Sessions and stalls against a plain walk over each visitor's events, without a wheel.
    #[test]
    fn sessions_and_stalls_equal_those_of_a_plain_walk(mut events in told()) {
        for told in &mut events {
            told.event.time.0 = told.event.arrival.0;
            told.event.event_id = Id::NONE;
        }
        let lines = "session = { idle = \"60s\", max = \"200s\" }\nhesitation = { after = \"10s\" }";
        let rules = rules(&with(HELPFUL, lines), model(-9.0, -9.0, &[]));
        let (out, _) = play(&rules, &events);
        let stalled = out.lines.iter().filter(|(_, line)| line.contains("\"timer:hesitation\""));
        let stalls: Stalls = stalled
            .map(|((at, visitor, ..), _)| (*at, String::from_utf8(visitor.clone()).unwrap()))
            .collect();
        let mut ended: Vec<(String, u32)> =
            out.ended.iter().map(|(visitor, _, events)| (visitor.clone(), *events)).collect();
        ended.sort();
        let (mut sessions, expected) = walk(&events);
        sessions.sort();
        prop_assert_eq!(ended, sessions);
        prop_assert_eq!(stalls, expected);
    }
}

/// (deadline, visitor) of stalls.
type Stalls = BTreeSet<(u64, String)>;

/// (visitor, events) of every session, and (deadline, visitor) of every stall.
fn walk(events: &[Told]) -> (Vec<(String, u32)>, Stalls) {
    let mut of_visitor = BTreeMap::<&str, Vec<&Told>>::new();
    for told in events {
        of_visitor.entry(&told.visitor).or_default().push(told);
    }
    let (mut sessions, mut stalls) = (Vec::new(), BTreeSet::new());
    for (visitor, events) in of_visitor {
        let mut rest = events.as_slice();
        while let Some(first) = rest.first() {
            let at = |index: usize| rest[index].event.arrival.0;
            let over = |&next: &usize| {
                at(next) - at(next - 1) > 60_000 || at(next) - first.event.arrival.0 > 200_000
            };
            let end = (1..rest.len()).find(over).unwrap_or(rest.len());
            let (mut cart, mut stalled) = (BTreeMap::<u64, u32>::new(), false);
            for index in 0..end {
                let event = &rest[index].event;
                let units = cart.entry(event.item.0).or_default();
                match event.kind {
                    Kind::AddToCart if !event.item.is_none() => *units += 1,
                    Kind::RemoveFromCart => *units = units.saturating_sub(1),
                    Kind::Purchase if event.item.is_none() => cart.clear(),
                    Kind::Purchase => *units = units.saturating_sub(1),
                    _ => {}
                }
                let moved = [Kind::AddToCart, Kind::BeginCheckout, Kind::Purchase];
                if moved.contains(&event.kind) || cart.values().all(|&units| units == 0) {
                    stalled = false;
                }
                let deadline = event.arrival.0 + 10_000;
                // The session that a later event ends was live until that event arrived.
                let silent = rest
                    .get(index + 1)
                    .is_none_or(|next| next.event.arrival.0 > deadline);
                if silent && !stalled && cart.values().any(|&units| units > 0) {
                    stalled = true;
                    stalls.insert((deadline, visitor.to_string()));
                }
            }
            sessions.push((visitor.to_string(), end as u32));
            rest = &rest[end..];
        }
    }
    (sessions, stalls)
}
