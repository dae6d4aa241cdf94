//! Scenarios as text: a log, and under every event what the core said to it.
//!
//! ```text
//! 0s v1 add_to_cart A 25.50 x2      time, visitor, kind, then item, unit price, units, and
//!                                   late=3s id=e1 session=S category=C value=1.5
//! > 0s v1/@0s/0 start browsing      a decision: when, visitor/session/seq, trigger, phase,
//! > 45s v1/@0s/1 … promo=voucher    and the slots that changed
//! > 30m v1 ends: idle               the end of a session, by its label
//! 31m clock                         the clock moves on without an event
//! end                               the log is over
//! ```
//!
//! [`Scenario::holds`] plays the lines without `>` and compares the whole transcript, so a timer
//! that fires on the wrong side of an event is seen. A session is shown by when its number says it
//! began, counted from the scenario's own beginning; a session named by the log by that name.
#![allow(dead_code)]

pub mod crowd;
pub mod stumps;

use restage::event::{
    ArrivalMs, Device, Event, EventMs, EventRef, Id, Kind, Lane, Micros, Offset, Texts, VisitorId,
    bin_of,
};
use restage::visit::decision::{Decision, Recorder};
use restage::visit::duration::parse_duration_ms;
use restage::visit::feature::{FEATURES, Vector, index_of};
use restage::visit::live::{Rules, Visit};
use restage::visit::model::schedule::Schedule;
use restage::visit::model::{Model, ModelFeature, Scorer, Transform, empty_file, file};
use restage::visit::policy::Policy;
use restage::visit::tally::Tally;
use restage::visit::visitors::{Cause, Ending, Forgotten, Output, Step, Visitors};
use std::fmt::Write;
use std::sync::Arc;

/// The arrival at which scenarios begin: Monday, 2026-01-05, UTC.
pub const START_MS: u64 = 1_767_571_200_000;

/// A model of which the log-odds are given: two biases, and what a unit of a feature adds.
pub fn model(purchase: f64, abandon: f64, weights: &[(&str, f64, f64)]) -> Model {
    let feature = |&(name, ..): &(&str, f64, f64)| ModelFeature {
        name: name.into(),
        unit: FEATURES[index_of(name).unwrap()].unit.into(),
        transform: Transform::Identity,
        mean: 0.0,
        scale: 1.0,
    };
    let mut given = empty_file("given");
    given.features = weights.iter().map(feature).collect();
    given.purchase.scorer = Scorer::Logistic {
        bias: purchase,
        weights: weights.iter().map(|weight| weight.1).collect(),
    };
    given.abandon.scorer = Scorer::Logistic {
        bias: abandon,
        weights: weights.iter().map(|weight| weight.2).collect(),
    };
    Model::read(file::write(&given).as_bytes()).unwrap()
}

/// A model by which every search makes a purchase more likely (browsing, exploring, deciding,
/// deciding, buying) and one intent to leave makes an abandoned cart likely.
pub fn searching() -> Model {
    model(
        -4.0,
        -4.0,
        &[("searches", 1.0, 0.0), ("exit_intents", 0.0, 7.0)],
    )
}

/// A page that changes whenever a visit stalls.
pub const HELPFUL: &str = r#"
version = 1
stability = { cooldown = "0", changes_max = 1000000 }
holdout = { share = 0.0 }
[[slot]]
name = "note"
default = "none"
  [[slot.arm]]
  name = "none"
  [[slot.arm]]
  name = "help"
  when = { phase = ["hesitating"] }
  [[slot.rule]]
  arm = "help"
  gain = 0.1
"#;

/// A policy with further lines before its slots.
pub fn with(policy: &str, lines: &str) -> String {
    policy.replacen("version = 1", &format!("version = 1\n{lines}"), 1)
}

/// Names of which the visitors share one bin.
pub fn neighbours(count: usize) -> Vec<String> {
    let names = (0..).map(|n| format!("n{n}"));
    names
        .filter(|name| bin_of(VisitorId::of(name.as_bytes())) == 7)
        .take(count)
        .collect()
}

/// Rules from a policy's text and a model.
pub fn rules(policy: &str, model: Model) -> Arc<Rules> {
    let policy = Policy::read(policy).unwrap_or_else(|error| panic!("{error}\n{policy}"));
    Arc::new(Rules {
        policy,
        models: Schedule::of(model),
        catalogue: None,
    })
}

/// An event with its texts, owned.
#[derive(Clone, Debug)]
pub struct Told {
    pub event: Event,
    pub visitor: String,
    pub session: String,
}

impl Told {
    /// An event of a kind that arrives when it happens; the rest is for the caller to set.
    pub fn new(at_ms: u64, visitor: &str, kind: Kind) -> Told {
        let event = Event {
            arrival: ArrivalMs(at_ms),
            time: EventMs(at_ms),
            offset: Offset(0),
            line: 1,
            visitor: VisitorId::of(visitor.as_bytes()),
            session: Id::NONE,
            item: Id::NONE,
            category: Id::NONE,
            event_id: Id::NONE,
            price: Micros::NONE,
            value: Micros::NONE,
            quantity: 0,
            lane: Lane(0),
            kind,
            device: Device::Unknown,
        };
        Told {
            event,
            visitor: visitor.into(),
            session: String::new(),
        }
    }

    /// The same with the log's session id.
    pub fn in_session(mut self, session: &str) -> Told {
        self.session = session.into();
        self.event.session = Id::of(session.as_bytes());
        self
    }

    pub fn borrowed(&self) -> EventRef<'_> {
        EventRef {
            event: &self.event,
            texts: Texts {
                visitor: self.visitor.as_bytes(),
                session: self.session.as_bytes(),
                ..Texts::default()
            },
        }
    }

    fn read(line: &str) -> Option<Told> {
        let mut words = line.split_whitespace();
        let at_ms = START_MS + parse_duration_ms(words.next()?).ok()?;
        let visitor = words.next()?;
        let mut told = Told::new(at_ms, visitor, Kind::parse(words.next()?.as_bytes())?);
        let (mut has_item, amount) = (false, |text: &str| Micros::parse(text.as_bytes()));
        for word in words {
            match word.split_once('=') {
                Some(("late", by)) => told.event.time.0 -= parse_duration_ms(by).ok()?,
                Some(("id", id)) => told.event.event_id = Id::of(id.as_bytes()),
                Some(("session", session)) => told = told.in_session(session),
                Some(("category", id)) => told.event.category = Id::of(id.as_bytes()),
                Some(("value", value)) => told.event.value = amount(value).ok()?,
                Some(_) => return None,
                None if !has_item => {
                    told.event.item = Id::of(word.as_bytes());
                    has_item = true;
                }
                None => match word.strip_prefix('x') {
                    Some(units) => told.event.quantity = units.parse().ok()?,
                    None => told.event.price = amount(word).ok()?,
                },
            }
        }
        Some(told)
    }
}

/// A duration as scenarios write it.
pub fn duration(mut ms: u64) -> String {
    let mut text = String::new();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    for (unit, name) in units {
        if ms >= unit {
            write!(text, "{}{name}", ms / unit).unwrap();
            ms %= unit;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Rules and what a transcript shows.
pub struct Scenario {
    rules: Arc<Rules>,
    shown: Vec<&'static str>,
    reasons: bool,
}

impl Scenario {
    pub fn new(rules: &Arc<Rules>) -> Scenario {
        Scenario {
            rules: Arc::clone(rules),
            shown: Vec::new(),
            reasons: false,
        }
    }

    /// After every event these features are written: `. cart_size=1`.
    pub fn showing(mut self, features: &[&'static str]) -> Scenario {
        self.shown = features.to_vec();
        self
    }

    /// Decisions carry their reasons.
    pub fn with_reasons(mut self) -> Scenario {
        self.reasons = true;
        self
    }

    /// Plays a script and compares what comes out with what the script says. Ends of sessions are
    /// shown for the visitor of the first line. Returns the counters, if the script has an `end`.
    #[track_caller]
    pub fn holds(&self, script: &str) -> Tally {
        let wanted: Vec<String> = script
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect();
        let acts = wanted.iter().filter(|line| !line.starts_with(['>', '.']));
        let (found, tally) = self.play(acts.map(String::as_str));
        let (found, wanted) = (found.join("\n"), wanted.join("\n"));
        assert!(
            found == wanted,
            "---- what came out\n{found}\n---- what was wanted\n{wanted}"
        );
        tally
    }

    fn play<'a>(&self, acts: impl Iterator<Item = &'a str>) -> (Vec<String>, Tally) {
        let mut visitors: Option<Visitors> = None;
        let mut out = Transcript {
            recorder: Recorder::of(&self.rules),
            shown: &self.shown,
            reasons: self.reasons,
            lines: Vec::new(),
            features: None,
        };
        for act in acts {
            if act == "end" {
                out.lines.push(act.into());
                let visitors = visitors.take().expect("an event before the end");
                let tally = visitors.finish(&mut out);
                return (out.lines, tally);
            }
            if let Some(at) = act.strip_suffix(" clock") {
                let to = START_MS + parse_duration_ms(at).unwrap();
                let visitors = visitors.as_mut().expect("an event before the clock");
                visitors.advance(ArrivalMs(to), &mut out);
                out.lines.push(act.into());
                continue;
            }
            let told = Told::read(act).unwrap_or_else(|| panic!("not a line of a script: {act}"));
            let visitors = visitors.get_or_insert_with(|| {
                Visitors::new(Arc::clone(&self.rules), Some(told.event.visitor), false)
            });
            visitors.advance(told.event.arrival, &mut out);
            out.lines.push(act.into());
            visitors.observe(told.borrowed(), &mut out);
            if let Some(features) = out.features.take() {
                out.lines.push(features);
            }
        }
        (out.lines, Tally::default())
    }
}

struct Transcript<'a> {
    recorder: Recorder,
    shown: &'a [&'static str],
    reasons: bool,
    lines: Vec<String>,
    features: Option<String>,
}

impl Output for Transcript<'_> {
    fn decision(&mut self, decision: &Decision<'_>) {
        let session = std::str::from_utf8(decision.session).unwrap();
        let session = match session.parse::<u64>() {
            Ok(number) if number >= START_MS => format!("@{}", duration(number - START_MS)),
            _ => session.to_string(),
        };
        let mut line = format!(
            "> {} {}/{session}/{} {} {}",
            duration(decision.at.0 - START_MS),
            std::str::from_utf8(decision.visitor).unwrap(),
            decision.seq,
            decision.trigger.name(),
            decision.phase.name(),
        );
        for (at, (slot, arm)) in self.recorder.layout(&decision.layout).enumerate() {
            if decision.changed & (1 << at) != 0 {
                write!(line, " {slot}={arm}").unwrap();
            }
        }
        if self.reasons {
            let reasons: Vec<&str> = self.recorder.reasons(decision).collect();
            write!(line, " [{}]", reasons.join("; ")).unwrap();
        }
        self.lines.push(line);
    }

    fn duplicate(&mut self, _: &Event) {
        self.lines.push("> duplicate".into());
    }

    fn step(&mut self, step: &Step<'_>) {
        let Cause::End(ending) = step.cause else {
            return;
        };
        let why = match ending {
            Ending::Idle => "idle",
            Ending::TooLong => "too long",
            Ending::LogSession => "log session",
            Ending::Crowded => "crowded",
        };
        let visitor = std::str::from_utf8(&step.visit.visitor_text).unwrap();
        let at = duration(step.at.0 - START_MS);
        self.lines.push(format!("> {at} {visitor} ends: {why}"));
    }

    fn observed(&mut self, _: &Visit, features: &Vector) {
        if self.shown.is_empty() {
            return;
        }
        let values = self.shown.iter().map(|&name| {
            let value = features[index_of(name).unwrap()];
            if value.is_nan() {
                format!("{name}=missing")
            } else {
                format!("{name}={value}")
            }
        });
        self.features = Some(format!(". {}", values.collect::<Vec<_>>().join(" ")));
    }
}

/// (at, visitor, session, seq): the canonical order of records.
pub type RecordKey = (u64, Vec<u8>, Vec<u8>, u32);

/// Collects decision records as their lines of JSON, in the order in which they were made.
pub struct Lines {
    recorder: Recorder,
    /// Keys and lines.
    pub lines: Vec<(RecordKey, String)>,
    /// (visitor, session, events) of ended sessions.
    pub ended: Vec<(String, String, u32)>,
}

impl Lines {
    pub fn new(rules: &Rules) -> Lines {
        Lines {
            recorder: Recorder::of(rules),
            lines: Vec::new(),
            ended: Vec::new(),
        }
    }
}

impl Output for Lines {
    fn decision(&mut self, decision: &Decision<'_>) {
        let mut line = Vec::new();
        self.recorder.json(decision, &mut line);
        let key = (
            decision.at.0,
            decision.visitor.to_vec(),
            decision.session.to_vec(),
            decision.seq,
        );
        self.lines.push((key, String::from_utf8(line).unwrap()));
    }

    fn duplicate(&mut self, _: &Event) {}

    fn step(&mut self, _: &Step<'_>) {}

    fn forgotten(&mut self, gone: &Forgotten<'_>) {
        let mut line = Vec::new();
        let recorder = &self.recorder;
        recorder.forgotten_json(gone.at, gone.visitor_text, &mut line);
        let key = (gone.at.0, gone.visitor_text.to_vec(), Vec::new(), 0);
        self.lines.push((key, String::from_utf8(line).unwrap()));
    }

    fn ended(&mut self, visit: &Visit, _at: ArrivalMs) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.ended.push((
            text(&visit.visitor_text),
            text(&visit.session_text()),
            visit.session.events,
        ));
    }
}

/// Plays events from first to last and returns the records and the counters.
pub fn play(rules: &Arc<Rules>, events: &[Told]) -> (Lines, Tally) {
    let mut out = Lines::new(rules);
    let mut visitors = Visitors::new(Arc::clone(rules), None, false);
    for told in events {
        visitors.observe(told.borrowed(), &mut out);
    }
    let tally = visitors.finish(&mut out);
    (out, tally)
}
