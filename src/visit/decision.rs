//! The decision record: what a session should be shown from now on, and why.
//!
//! A record is made when a session starts and when its layout changes. [`Recorder`] writes it as
//! one line of JSON or CSV; everything that does not change between records is put together once.
//! Probabilities are written with up to six decimals from integers, which costs a tenth of the
//! shortest-float algorithms and is the same everywhere.

mod digest;
mod forgotten;
mod reason;

use super::choose::Why;
use super::live::Rules;
use super::model::{Label, Scores};
use super::phase::Phase;
use super::policy::{Context, Policy, SLOTS_MAX};
use super::products::catalogue::Catalogue;
use crate::event::{ArrivalMs, Device, Kind};
use std::sync::Arc;

pub use digest::Digest;
pub use forgotten::FORGOTTEN;
pub use reason::shelf_words;

use reason::factors;

/// What made the job decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The session's first event.
    Start,
    /// A later event.
    Event(Kind),
    /// Silence with something in the cart.
    Hesitation,
    /// New tables: what is on sale has changed.
    Tables,
    /// Another policy has taken over, and the page showed an arm that is gone.
    Policy,
}

impl Trigger {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            Trigger::Start => "start",
            Trigger::Event(kind) => kind.name(),
            Trigger::Hesitation => "timer:hesitation",
            Trigger::Tables => "tables",
            Trigger::Policy => "policy",
        }
    }
}

/// One value per slot.
pub type PerSlot<T> = [T; SLOTS_MAX];

/// Most features that a record may name as the reason for its score.
pub const FACTORS_MAX: usize = 5;

/// The features that moved a score's log-odds most, in either direction, greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Factors {
    /// Place of the feature, and what it added to the log-odds.
    pub parts: [(u8, f64); FACTORS_MAX],
    /// How many there are.
    pub count: u8,
}

impl Factors {
    /// Picks the greatest `most` of all contributions; those that round to nothing are left out.
    pub fn of(contributions: &[f64], most: usize) -> Factors {
        let mut factors = Factors::default();
        let most = most.min(FACTORS_MAX);
        let parts = &mut factors.parts[..most];
        let mut count = 0;
        for (index, &share) in contributions.iter().enumerate() {
            let size = share.abs();
            let full = count == most;
            if !shows(share) || (full && parts.last().is_none_or(|(_, least)| least.abs() >= size))
            {
                continue;
            }
            // Those that are less move up, and the last of a full list goes.
            let mut place = if full { most - 1 } else { count };
            while place > 0 && parts[place - 1].1.abs() < size {
                parts[place] = parts[place - 1];
                place -= 1;
            }
            parts[place] = (index as u8, share);
            count = (count + 1).min(most);
        }
        factors.count = count as u8;
        factors
    }
}

/// Whether a share does not round to nothing: asked of every feature, [`hundredths`] of few.
#[inline]
fn shows(share: f64) -> bool {
    (share * 100.0).abs() >= 0.5
}

fn hundredths(share: f64) -> i64 {
    (share * 100.0).round() as i64
}

/// A decision.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'a> {
    /// When, on the arrival clock: the event's arrival or the timer's deadline.
    pub at: ArrivalMs,
    /// The visitor's id as the log has it.
    pub visitor: &'a [u8],
    /// The session's name.
    pub session: &'a [u8],
    /// Number of the decision within the session.
    pub seq: u32,
    /// What made the job decide.
    pub trigger: Trigger,
    /// The phase.
    pub phase: Phase,
    /// The scores.
    pub scores: Scores,
    /// Number of the model that gave them.
    pub model: u8,
    /// The score that the phase rests on.
    pub leading: Label,
    /// What moved it.
    pub factors: Factors,
    /// The arm of each slot.
    pub layout: PerSlot<u8>,
    /// Bit per slot whose arm, or list of products, differs from before.
    pub changed: u8,
    /// Probability of each slot's choice, in millionths.
    pub propensity_ppm: PerSlot<u32>,
    /// Why each slot shows what it shows.
    pub why: PerSlot<Why>,
    /// Bit per slot that was drawn by learned weights for this decision.
    pub drawn: u8,
    /// The version of the learned tables in force, in ms; 0 where nothing is learned.
    pub tables_ms: u64,
    /// Whether the visitor was here before.
    pub returning: bool,
    /// The device of the session's first event.
    pub device: Device,
    /// Whether the visitor keeps the default layout.
    pub holdout: bool,
    /// Numbers of the products shown, first to last; nothing where none are.
    pub items: Option<&'a [u32]>,
    /// What left the list for being sold out, where the catalogue changed it without an event.
    pub shelf: Option<&'a [u32]>,
}

/// Writes decisions as lines.
#[derive(Clone, Debug)]
pub struct Recorder {
    slots: Vec<SlotText>,
    policy: String,
    models: Vec<ModelText>,
    /// Whether any slot learns.
    learns: bool,
    /// The texts of products, where any are shown.
    pub catalogue: Option<Arc<Catalogue>>,
}

#[derive(Clone, Debug)]
struct ModelText {
    label: String,
    /// `,"policy":…,"model":…,"tables_ms":`
    tail: String,
}

#[derive(Clone, Debug)]
struct SlotText {
    name: String,
    arms: Vec<String>,
    context: Vec<Context>,
    default: usize,
    reasons: Vec<String>,
    gone: String,
    before: String,
    drawn: Vec<String>,
}

impl Recorder {
    /// A recorder for a policy and models, by their numbers.
    pub fn new<'a>(policy: &Policy, models: impl IntoIterator<Item = &'a str>) -> Recorder {
        let slots = policy.slots.iter().map(|slot| {
            let default = &slot.arms[slot.default].name;
            SlotText {
                name: slot.name.clone(),
                arms: slot.arms.iter().map(|arm| arm.name.clone()).collect(),
                context: slot.context.clone(),
                default: slot.default,
                drawn: slot
                    .arms
                    .iter()
                    .map(|arm| format!("{}={} drawn by learned weights", slot.name, arm.name))
                    .collect(),
                reasons: slot.rules.iter().map(|rule| rule.reason.clone()).collect(),
                before: format!("{} as the policy before had it", slot.name),
                gone: format!(
                    "{}={default} since the arm before may not be shown",
                    slot.name
                ),
            }
        });
        let models = models.into_iter().map(|label| {
            let mut tail = Vec::new();
            tail.extend_from_slice(b",\"policy\":");
            json_text(policy.label.as_bytes(), &mut tail);
            tail.extend_from_slice(b",\"model\":");
            json_text(label.as_bytes(), &mut tail);
            tail.extend_from_slice(b",\"tables_ms\":");
            ModelText {
                label: label.into(),
                tail: String::from_utf8(tail).expect("labels are text"),
            }
        });
        Recorder {
            slots: slots.collect(),
            policy: policy.label.clone(),
            models: models.collect(),
            learns: policy.learns(),
            catalogue: None,
        }
    }

    /// A recorder for the rules of a run.
    pub fn of(rules: &Rules) -> Recorder {
        let models = rules.models.iter().map(|(_, model)| model.label.as_str());
        Recorder {
            catalogue: rules.catalogue.clone(),
            ..Recorder::new(&rules.policy, models)
        }
    }

    /// Appends a decision as one JSON object, without a newline.
    pub fn json(&self, decision: &Decision<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"at_ms\":");
        integer(decision.at.0, out);
        out.extend_from_slice(b",\"visitor\":");
        json_text(decision.visitor, out);
        out.extend_from_slice(b",\"session\":");
        json_text(decision.session, out);
        out.extend_from_slice(b",\"seq\":");
        integer(u64::from(decision.seq), out);
        out.extend_from_slice(b",\"trigger\":\"");
        out.extend_from_slice(decision.trigger.name().as_bytes());
        out.extend_from_slice(b"\",\"phase\":\"");
        out.extend_from_slice(decision.phase.name().as_bytes());
        out.extend_from_slice(b"\",\"p_purchase\":");
        decimal(ppm(decision.scores.purchase), out);
        out.extend_from_slice(b",\"p_abandon\":");
        decimal(ppm(decision.scores.abandon), out);
        out.extend_from_slice(b",\"layout\":{");
        self.object(out, |slot, at, out| {
            quoted(&slot.arms[usize::from(decision.layout[at])], out)
        });
        out.extend_from_slice(b"},\"changed\":[");
        self.names(decision.changed, out);
        if self.learns {
            out.extend_from_slice(b"],\"drawn\":[");
            self.names(decision.drawn, out);
        }
        out.extend_from_slice(b"],\"propensity\":{");
        self.object(out, |_, at, out| decimal(decision.propensity_ppm[at], out));
        out.extend_from_slice(b"},\"context\":{");
        self.object(out, |slot, _, out| {
            out.push(b'"');
            slot.leaf(decision, out);
            out.push(b'"');
        });
        out.push(b'}');
        if let Some(catalogue) = &self.catalogue {
            out.extend_from_slice(b",\"items\":[");
            let mut first = true;
            for number in decision.items.into_iter().flatten() {
                comma(&mut first, out);
                json_text(catalogue.text(*number), out);
            }
            out.push(b']');
        }
        out.extend_from_slice(b",\"holdout\":");
        out.extend_from_slice(if decision.holdout { b"true" } else { b"false" });
        out.extend_from_slice(b",\"reason\":[");
        let mut first = true;
        for reason in self.reasons(decision) {
            comma(&mut first, out);
            quoted(reason, out);
        }
        if decision.factors.count > 0 {
            comma(&mut first, out);
            out.push(b'"');
            factors(decision, out);
            out.push(b'"');
        }
        if let Some(words) = self.shelf(decision) {
            comma(&mut first, out);
            json_text(&words, out);
        }
        out.push(b']');
        let model = &self.models[usize::from(decision.model)];
        out.extend_from_slice(model.tail.as_bytes());
        integer(decision.tables_ms, out);
        out.push(b'}');
    }

    /// The names of the slots whose bit is set.
    fn names(&self, slots: u8, out: &mut Vec<u8>) {
        let mut first = true;
        for (at, slot) in self.slots.iter().enumerate() {
            if slots & (1 << at) != 0 {
                comma(&mut first, out);
                quoted(&slot.name, out);
            }
        }
    }

    fn object(&self, out: &mut Vec<u8>, value: impl Fn(&SlotText, usize, &mut Vec<u8>)) {
        let mut first = true;
        for (at, slot) in self.slots.iter().enumerate() {
            comma(&mut first, out);
            quoted(&slot.name, out);
            out.push(b':');
            value(slot, at, out);
        }
    }

    /// What changed on the shelf, where that made the decision.
    fn shelf(&self, decision: &Decision<'_>) -> Option<Vec<u8>> {
        Some(shelf_words(self.catalogue.as_ref()?, decision.shelf?))
    }

    /// Why the slots show what they show, one sentence for each that does not show its default
    /// for want of a rule.
    pub fn reasons(&self, decision: &Decision<'_>) -> impl Iterator<Item = &str> {
        let holdout = decision
            .holdout
            .then_some("holdout keeps the default layout");
        let slots = self.slot_reasons(&decision.why);
        holdout
            .into_iter()
            .chain(slots.filter(|reason| !reason.is_empty()))
    }

    /// Why each slot shows what it shows; empty where it shows its default for want of a rule.
    pub fn slot_reasons(&self, why: &PerSlot<Why>) -> impl Iterator<Item = &str> {
        self.slots.iter().zip(*why).map(|(slot, why)| match why {
            Why::Rule(rule) => slot.reasons[usize::from(rule)].as_str(),
            Why::NotEligible => slot.gone.as_str(),
            Why::Before => slot.before.as_str(),
            Why::Drawn(arm) => slot.drawn[usize::from(arm)].as_str(),
            Why::Default => "",
        })
    }

    /// The header of the CSV form.
    pub fn csv_header(&self, out: &mut Vec<u8>) {
        csv_row(self.csv_columns().iter().map(String::as_bytes), out);
    }

    fn csv_columns(&self) -> Vec<String> {
        let mut fields: Vec<String> =
            "at_ms,visitor,session,seq,trigger,phase,p_purchase,p_abandon,holdout"
                .split(',')
                .map(String::from)
                .collect();
        for column in ["layout", "propensity", "context"] {
            fields.extend(
                self.slots
                    .iter()
                    .map(|slot| format!("{column}.{}", slot.name)),
            );
        }
        fields.extend(self.catalogue.is_some().then(|| "items".into()));
        fields.push("changed".into());
        fields.extend(self.learns.then(|| "drawn".into()));
        fields.extend(["reason", "policy", "model", "tables_ms"].map(String::from));
        fields
    }

    /// Appends a decision as one CSV row with its newline.
    pub fn csv(&self, decision: &Decision<'_>, out: &mut Vec<u8>) {
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut field = Vec::new();
            write(&mut field);
            field
        };
        let mut fields: Vec<Vec<u8>> = vec![
            text(&|f| integer(decision.at.0, f)),
            decision.visitor.to_vec(),
            decision.session.to_vec(),
            text(&|f| integer(u64::from(decision.seq), f)),
            decision.trigger.name().into(),
            decision.phase.name().into(),
            text(&|f| decimal(ppm(decision.scores.purchase), f)),
            text(&|f| decimal(ppm(decision.scores.abandon), f)),
            decision.holdout.to_string().into(),
        ];
        let slots = || self.slots.iter().enumerate();
        fields.extend(
            slots().map(|(at, slot)| slot.arms[usize::from(decision.layout[at])].clone().into()),
        );
        fields.extend(slots().map(|(at, _)| text(&|f| decimal(decision.propensity_ppm[at], f))));
        fields.extend(slots().map(|(_, slot)| text(&|f| slot.leaf(decision, f))));
        let named = |bits: u8| {
            let named = slots().filter(|(at, _)| bits & (1 << at) != 0);
            let names: Vec<&str> = named.map(|(_, slot)| slot.name.as_str()).collect();
            names.join(";")
        };
        let mut reasons: Vec<String> = self.reasons(decision).map(String::from).collect();
        if decision.factors.count > 0 {
            let words = text(&|f| factors(decision, f));
            reasons.push(String::from_utf8(words).expect("names and numbers are text"));
        }
        let shelf = self.shelf(decision);
        reasons.extend(shelf.map(|words| String::from_utf8_lossy(&words).into_owned()));
        fields.extend(self.catalogue.as_ref().map(|catalogue| {
            let numbers = decision.items.into_iter().flatten();
            let texts: Vec<&[u8]> = numbers.map(|number| catalogue.text(*number)).collect();
            texts.join(&b';')
        }));
        fields.push(named(decision.changed).into());
        fields.extend(self.learns.then(|| named(decision.drawn).into()));
        fields.push(reasons.join("; ").into());
        fields.push(self.policy.clone().into());
        let model = &self.models[usize::from(decision.model)];
        fields.push(model.label.clone().into());
        fields.push(text(&|f| integer(decision.tables_ms, f)));
        csv_row(fields.iter().map(Vec::as_slice), out);
    }

    /// The slots' names and the names of the arms that a layout shows, in the policy's order.
    pub fn layout(&self, layout: &PerSlot<u8>) -> impl Iterator<Item = (&str, &str)> {
        let layout = *layout;
        self.slots
            .iter()
            .zip(layout)
            .map(|(slot, arm)| (slot.name.as_str(), slot.arms[usize::from(arm)].as_str()))
    }

    /// The default layout.
    pub fn default_layout(&self) -> PerSlot<u8> {
        let mut layout = [0; SLOTS_MAX];
        for (arm, slot) in layout.iter_mut().zip(&self.slots) {
            *arm = slot.default as u8;
        }
        layout
    }
}

impl SlotText {
    /// The context leaf: `phase=exploring,returning=no`, or `all`.
    fn leaf(&self, decision: &Decision<'_>, out: &mut Vec<u8>) {
        if self.context.is_empty() {
            out.extend_from_slice(b"all");
        }
        let mut first = true;
        for part in &self.context {
            comma(&mut first, out);
            let (name, value) = match part {
                Context::Phase => ("phase=", decision.phase.name()),
                Context::Device => ("device=", decision.device.name()),
                Context::Returning if decision.returning => ("returning=", "yes"),
                Context::Returning => ("returning=", "no"),
            };
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// A probability in millionths, rounded to the nearest.
#[inline]
pub fn ppm(probability: f64) -> u32 {
    (probability * 1e6 + 0.5) as u32
}

/// Writes millionths as a decimal: `0.012345`, `0.5`, `1.0`.
pub fn decimal(ppm: u32, out: &mut Vec<u8>) {
    integer(u64::from(ppm / 1_000_000), out);
    out.push(b'.');
    let mut rest = ppm % 1_000_000;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let used = digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
    out.extend_from_slice(&digits[..=used]);
}

fn integer(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn comma(first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.push(b',');
    }
}

/// Writes a name that needs no escaping.
fn quoted(plain: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(plain.as_bytes());
    out.push(b'"');
}

/// Writes UTF-8 text as a JSON string (RFC 8259): quotes, backslashes and control characters are
/// escaped, everything else stays.
pub fn json_text(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    // What needs no escaping, which is nearly everything, is copied in one piece.
    let mut copied = 0;
    for (at, &byte) in text.iter().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..0x20) {
            continue;
        }
        out.extend_from_slice(&text[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

fn csv_row<'a>(fields: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let mut writer = csv::Writer::from_writer(out);
    for field in fields {
        writer.write_field(field).expect("writing to memory");
    }
    writer
        .write_record(None::<&[u8]>)
        .expect("writing to memory");
    writer.flush().expect("writing to memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_have_no_needless_zeros() {
        for (probability, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.5, "0.5"),
            (0.012_345_4, "0.012345"),
            (0.999_999_6, "1.0"),
        ] {
            assert_eq!(written(|out| decimal(ppm(probability), out)), text);
        }
    }

    #[test]
    fn text_is_escaped_as_json() {
        let text = "a\"b\\c\n\u{1}é\u{1F600}";
        let json = written(|out| json_text(text.as_bytes(), out));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_digest_does_not_depend_on_order() {
        let (mut one, mut two) = (Digest::default(), Digest::default());
        for line in ["a", "b", "b"] {
            one.add(line.as_bytes());
        }
        for line in ["b", "a", "b"] {
            two.add(line.as_bytes());
        }
        assert_eq!(one, two);
        one.add(b"a");
        assert_ne!(one, two);
    }
}
