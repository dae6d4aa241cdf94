//! The story of one visitor, told paragraph by paragraph: event, features that moved, scores,
//! phase, decision, and the rule that made it.

use crate::event::{Event, Texts};
use crate::visit::bots::Rule;
use crate::visit::choose::Why;
use crate::visit::decision::{Recorder, shelf_words};
use crate::visit::feature::{FEATURE_COUNT, FEATURES, Vector};
use crate::visit::live::{Rules, Visit};
use crate::visit::model::{Label, Model};
use crate::visit::products::catalogue::Catalogue;
use crate::visit::visitors::{Cause, Step};
use jiff::Timestamp;
use std::io::Write;

/// Features whose contribution to a score is shown.
const CONTRIBUTIONS_MAX: usize = 3;
/// Products of a list that are named.
const PRODUCTS_MAX: usize = 8;

/// Writes one step of the story.
pub fn write(step: &Step<'_>, recorder: &Recorder, rules: &Rules, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = paragraph(step, recorder, rules, out);
}

fn paragraph(
    step: &Step<'_>,
    recorder: &Recorder,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let visit = step.visit;
    let model = rules.models.get(visit.model);
    let session = visit.session_text();
    let session = String::from_utf8_lossy(&session);
    match step.cause {
        Cause::End(ending) => {
            let left = if visit.session.abandons_cart() {
                ", leaving a cart behind"
            } else {
                ""
            };
            writeln!(
                out,
                "{}  session {session} ended after {} events{left}: {}\n",
                time(step.at.0),
                visit.session.events,
                ending.words()
            )?;
            return Ok(());
        }
        Cause::Hesitation => writeln!(
            out,
            "{}  silence with something in the cart: the hesitation timer fired",
            time(step.at.0)
        )?,
        Cause::Shelf(sold_out) => {
            let catalogue = rules.catalogue.as_ref();
            let words = catalogue.map(|catalogue| shelf_words(catalogue, sold_out));
            let words = words.unwrap_or_default();
            let words = String::from_utf8_lossy(&words);
            writeln!(out, "{}  without an event: {words}", time(step.at.0))?;
        }
        Cause::Policy => writeln!(out, "{}  another policy took over", time(step.at.0))?,
        Cause::Event(event, texts) => {
            if step.before.is_none() {
                let known = if visit.session.history().returning() {
                    "returning"
                } else {
                    "first"
                };
                let holdout = if visit.holdout() {
                    ", in the holdout"
                } else {
                    ""
                };
                let bot = match visit.ruled_out() {
                    Some((Rule::Known, _)) => ", of a visitor known for a bot: it teaches nothing",
                    _ => "",
                };
                writeln!(out, "session {session} begins: {known} visit{holdout}{bot}")?;
            }
            writeln!(out, "{}  {}", time(step.at.0), describe(event, texts))?;
            ruled_out(visit, rules, out)?;
        }
    }
    let moved = moved(step.before, step.after);
    if !moved.is_empty() {
        writeln!(out, "    features  {moved}")?;
    }
    let scores = visit.scores;
    writeln!(
        out,
        "    scores    p_purchase {} ({})",
        change(
            step.scores_before.purchase,
            scores.purchase,
            step.before.is_some()
        ),
        contributions(model, Label::Purchase, step.after)
    )?;
    writeln!(
        out,
        "              p_abandon  {} ({})",
        change(
            step.scores_before.abandon,
            scores.abandon,
            step.before.is_some()
        ),
        contributions(model, Label::Abandon, step.after)
    )?;
    let phase = visit.phase();
    if step.before.is_some() && phase != step.phase_before {
        writeln!(
            out,
            "    phase     {} → {}",
            step.phase_before.name(),
            phase.name()
        )?;
    } else {
        writeln!(out, "    phase     {}", phase.name())?;
    }
    decided(step, recorder, rules, out)?;
    writeln!(out)
}

/// Whether this very event made the session a bot's, and by which rule.
fn ruled_out(visit: &Visit, rules: &Rules, out: &mut Vec<u8>) -> std::io::Result<()> {
    let Some((rule, at_event)) = visit.ruled_out() else {
        return Ok(());
    };
    if at_event != visit.session.events {
        return Ok(());
    }
    let bots = &rules.policy.bots;
    let words = bots.verdict(&visit.session, &visit.pace);
    let words = words.map_or(String::new(), |verdict| verdict.words());
    let taken_back = if bots.earlier {
        "what the visitor taught"
    } else {
        "what the session taught"
    };
    writeln!(
        out,
        "    bot       at event {at_event} by the rule {}: {words}; {taken_back} is taken back",
        rule.name()
    )
}

/// What was decided at this step, if anything.
fn decided(
    step: &Step<'_>,
    recorder: &Recorder,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let visit = step.visit;
    let starts = step.before.is_none();
    let before = if starts {
        recorder.default_layout()
    } else {
        step.layout_before
    };
    let seq = visit.next_seq.wrapping_sub(1);
    let mut first = true;
    let shown = recorder
        .layout(&before)
        .zip(recorder.layout(visit.layout()));
    let chances = visit.why().iter().zip(visit.propensity_ppm());
    let reasons = recorder.slot_reasons(visit.why()).zip(chances);
    for ((reason, (why, ppm)), ((slot, old), (_, new))) in reasons.zip(shown) {
        if old == new {
            continue;
        }
        let chance = match why {
            Why::Drawn(_) => format!(" with probability {:.3}", f64::from(ppm) / 1e6),
            _ => String::new(),
        };
        let label = if first {
            format!("decision {seq}")
        } else {
            String::new()
        };
        writeln!(
            out,
            "    {label:<10}  {slot}: {old} → {new} ({reason}{chance})"
        )?;
        first = false;
    }
    if first && starts {
        let why = if visit.holdout() { " (holdout)" } else { "" };
        writeln!(out, "    decision {seq}  the default layout{why}")?;
        first = false;
    }
    if let Some(catalogue) = &rules.catalogue
        && (starts || visit.list() != step.list_before)
    {
        let label = if first {
            format!("decision {seq}")
        } else {
            String::new()
        };
        writeln!(
            out,
            "    {label:<10}  {}",
            products(visit.list(), catalogue)
        )?;
        first = false;
    }
    if first && visit.next_seq != step.seq_before {
        writeln!(out, "    decision {seq}  drawn again, and nothing changed")?;
    }
    Ok(())
}

/// The products of a list, the first by name.
fn products(list: &[u32], catalogue: &Catalogue) -> String {
    let named = list.iter().take(PRODUCTS_MAX);
    let names: Vec<_> = named
        .map(|number| String::from_utf8_lossy(catalogue.text(*number)))
        .collect();
    match list.len() - names.len() {
        0 if names.is_empty() => "no products".into(),
        0 => format!("products: {}", names.join(", ")),
        more => format!("products: {}, and {more} more", names.join(", ")),
    }
}

fn describe(event: &Event, texts: Texts<'_>) -> String {
    let mut words = event.kind.name().to_string();
    let mut add = |name: &str, text: &[u8]| {
        if !text.is_empty() {
            words.push_str(&format!("  {name} {}", String::from_utf8_lossy(text)));
        }
    };
    add("item", texts.item);
    add("category", texts.category);
    add("page", texts.page);
    for (name, amount) in [("price", event.price), ("value", event.value)] {
        if amount.get().is_some() {
            words.push_str(&format!("  {name} {amount}"));
        }
    }
    if event.quantity > 0 {
        words.push_str(&format!("  quantity {}", event.quantity));
    }
    if event.time.0 < event.arrival.0 {
        let late = (event.arrival.0 - event.time.0) as f64 / 1e3;
        words.push_str(&format!("  (happened {late} s before it arrived)"));
    }
    words
}

/// The features that moved, with their values before and after.
fn moved(before: Option<&Vector>, after: &Vector) -> String {
    let mut parts = Vec::new();
    for (index, feature) in FEATURES.iter().enumerate() {
        let new = after[index];
        let old = before.map(|before| before[index]);
        match old {
            None if new != 0.0 && !new.is_nan() => {
                parts.push(format!("{} {}", feature.name, short(new)))
            }
            Some(old) if old.to_bits() != new.to_bits() && !(old.is_nan() && new.is_nan()) => {
                parts.push(format!("{} {} → {}", feature.name, short(old), short(new)));
            }
            _ => {}
        }
    }
    parts.join(", ")
}

fn change(before: f64, after: f64, show_before: bool) -> String {
    if show_before {
        format!("{before:.4} → {after:.4}")
    } else {
        format!("{after:.4}")
    }
}

/// A score's log-odds before calibration as a sum: what an average session has, the features that
/// move it most in either direction, and all others.
fn contributions(model: &Model, label: Label, features: &Vector) -> String {
    let mut parts = [0.0; FEATURE_COUNT];
    let average = model.contributions(label, features, &mut parts);
    let mut parts: Vec<(usize, f64)> = parts.into_iter().enumerate().collect();
    parts.sort_by(|left, right| right.1.abs().total_cmp(&left.1.abs()));
    let (named, others) = parts.split_at(CONTRIBUTIONS_MAX);
    let others: f64 = others.iter().map(|(_, share)| share).sum();
    let named: Vec<String> = named
        .iter()
        .map(|(index, share)| format!("{} {share:+.2}", FEATURES[*index].name))
        .collect();
    format!(
        "log-odds {:+.2} = average {average:+.2}, {}, others {others:+.2}",
        model.log_odds(label, features),
        named.join(", ")
    )
}

fn short(value: f64) -> String {
    if value.is_nan() {
        return "–".into();
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

pub(super) fn time(at_ms: u64) -> String {
    i64::try_from(at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| at_ms.to_string(), |time| format!("{time:.3}"))
}
