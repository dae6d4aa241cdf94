//! Decisions as lines of JSON or CSV.
//!
//! Everything that does not change between records is put together once. Cost: a pass over the slots and
//! the bytes of the line; JSON, which the job writes at full speed, allocates nothing.

use super::reason::{factors, shelf_words};
use super::text::{comma, csv_row, decimal, decimal_of, integer, json_text, ppm, quoted, value};
use super::{Decision, PerSlot};
use crate::visit::choose::Why;
use crate::visit::feature::FEATURES;
use crate::visit::live::Rules;
use crate::visit::policy::{Context, Policy, SLOTS_MAX};
use crate::visit::products::catalogue::Catalogue;
use std::sync::Arc;

/// Writes decisions as lines.
#[derive(Clone, Debug)]
pub struct Recorder {
    slots: Vec<SlotText>,
    policy: String,
    models: Vec<ModelText>,
    /// Whether any slot learns.
    learns: bool,
    /// Features that are shown with their values, by their places.
    features: Vec<u8>,
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
            features: policy.features.clone(),
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
        if !self.features.is_empty() {
            out.extend_from_slice(b",\"features\":{");
            let mut first = true;
            for &place in &self.features {
                comma(&mut first, out);
                quoted(FEATURES[usize::from(place)].name, out);
                out.push(b':');
                value(decision.features[usize::from(place)], out);
            }
            out.push(b'}');
        }
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

    pub(super) fn csv_columns(&self) -> Vec<String> {
        let mut fields: Vec<String> =
            "at_ms,visitor,session,seq,trigger,phase,p_purchase,p_abandon,holdout"
                .split(',')
                .map(String::from)
                .collect();
        fields.extend(
            self.features
                .iter()
                .map(|&place| format!("features.{}", FEATURES[usize::from(place)].name)),
        );
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
        fields.extend(self.features.iter().map(|&place| {
            let value = decision.features[usize::from(place)];
            text(&|f| {
                if !value.is_nan() {
                    decimal_of(value, f)
                }
            })
        }));
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
