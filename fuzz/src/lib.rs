//! The bodies of the fuzz targets: for every parser a function that takes any bytes and asserts
//! what must hold of the answer, not only that there is one.
//!
//! The targets in `fuzz_targets` are one line each. `tests/fuzz_corpus.rs` and
//! `tests/any_bytes.rs` at the root include this file and call the same functions on stable.

use std::io::Cursor;
use std::sync::Arc;

use restage::event::{Batch, Carry, Lane, Micros, Reject, decode_batch, encode_batch, encoded_len};
use restage::format::detect::detect;
use restage::format::lines::LineReader;
use restage::format::{FormatName, InputError, LaneOptions, LaneRead, LaneReader, Mapping};
use restage::visit::choose::choose;
use restage::visit::duration::{DURATION_MS_MAX, parse_duration_ms};
use restage::visit::feature::FEATURE_COUNT;
use restage::visit::model::file::{parse, write};
use restage::visit::model::{Label, Model, ModelFile, Scores};
use restage::visit::phase::Phase;
use restage::visit::policy::{CAPPED_ARMS_MAX, Policy, Situation};

/// A target's name, which is also that of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 17] = [
    ("auto", auto),
    ("restage_csv", restage_csv),
    ("restage_jsonl", restage_jsonl),
    ("rees46", rees46),
    ("retailrocket", retailrocket),
    ("taobao", taobao),
    ("yoochoose", yoochoose),
    ("otto", otto),
    ("jd", jd),
    ("mapped", mapped),
    ("format_detection", format_detection),
    ("mapping", mapping),
    ("policy", policy),
    ("model", model),
    ("codec", codec),
    ("duration", duration),
    ("micros", micros),
];

/// A log whose format is to be found out.
pub fn auto(bytes: &[u8]) {
    log(None, bytes);
}

/// Restage's own CSV.
pub fn restage_csv(bytes: &[u8]) {
    log(Some(FormatName::RestageCsv), bytes);
}

/// Restage's own JSON lines.
pub fn restage_jsonl(bytes: &[u8]) {
    log(Some(FormatName::RestageJsonl), bytes);
}

/// REES46's CSV.
pub fn rees46(bytes: &[u8]) {
    log(Some(FormatName::Rees46), bytes);
}

/// Retailrocket's CSV.
pub fn retailrocket(bytes: &[u8]) {
    log(Some(FormatName::RetailRocket), bytes);
}

/// Taobao's CSV.
pub fn taobao(bytes: &[u8]) {
    log(Some(FormatName::Taobao), bytes);
}

/// YooChoose's three shapes.
pub fn yoochoose(bytes: &[u8]) {
    log(Some(FormatName::Yoochoose), bytes);
}

/// OTTO's sessions.
pub fn otto(bytes: &[u8]) {
    log(Some(FormatName::Otto), bytes);
}

/// JD.com's sessions.
pub fn jd(bytes: &[u8]) {
    log(Some(FormatName::Jd), bytes);
}

/// A mapping file, a line of three dashes, and a log that is read by it.
pub fn mapped(bytes: &[u8]) {
    const BETWEEN: &[u8] = b"\n---\n";
    let Some(at) = bytes.windows(BETWEEN.len()).position(|w| w == BETWEEN) else {
        return;
    };
    let (file, log) = (&bytes[..at], &bytes[at + BETWEEN.len()..]);
    let Ok(Ok(mapping)) = std::str::from_utf8(file).map(|text| Mapping::parse(text, "mapping"))
    else {
        return;
    };
    let options = LaneOptions {
        mapping: Some(Arc::new(mapping)),
        ..LaneOptions::default()
    };
    lane(log, &options);
    lane(log, &tolerant(options));
}

fn tolerant(options: LaneOptions) -> LaneOptions {
    LaneOptions {
        tolerate_disorder: true,
        carry: Carry::ALL,
        ..options
    }
}

/// Reads a log as the job does and as a sort does.
pub fn log(format: Option<FormatName>, bytes: &[u8]) {
    let options = LaneOptions {
        format,
        ..LaneOptions::default()
    };
    lane(bytes, &options);
    lane(bytes, &tolerant(options));
}

/// Every row is taken or rejected for a reason; places grow and time never falls.
fn lane(bytes: &[u8], options: &LaneOptions) {
    let input = Box::new(Cursor::new(bytes.to_vec()));
    let mut reader = match LaneReader::over("log", input, Lane(7), options) {
        Ok(reader) => reader,
        Err(error) => return refused(&error),
    };
    let (mut events, mut rejects) = (Batch::default(), Vec::new());
    loop {
        // A new vector each time, so that a full one does not look like an ended lane.
        let mut some = Vec::new();
        let more = reader.fill(&mut events, &mut some, usize::MAX);
        rejects.append(&mut some);
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                refused(&error);
                break;
            }
        }
    }
    account(&reader, &events, &rejects, options);
}

fn account(reader: &LaneReader, events: &Batch, rejects: &[Reject], options: &LaneOptions) {
    let tally = reader.tally();
    assert_eq!(tally.accepted, events.len() as u64);
    assert_eq!(tally.rejected.iter().sum::<u64>(), rejects.len() as u64);
    assert_eq!(
        tally.rows,
        tally.accepted + rejects.len() as u64,
        "a row was lost"
    );
    let mut places: Vec<u64> = Vec::new();
    let mut clock = None;
    for event in events.iter() {
        let record = event.event;
        places.push(record.offset.0);
        assert!(record.line >= 1 && record.line <= tally.lines);
        assert_eq!(record.lane, Lane(7));
        assert!(!event.texts.visitor.is_empty());
        if !options.tolerate_disorder {
            assert!(Some(record.arrival) >= clock, "arrivals fell");
            assert!(record.time.0 <= record.arrival.0);
            clock = Some(record.arrival);
        }
    }
    assert!(places.is_sorted_by(|a, b| a < b), "offsets of events");
    for reject in rejects {
        places.push(reject.offset.0);
        assert!(reject.line >= 1 && reject.line <= tally.lines);
        assert!(reject.text.len() <= Reject::TEXT_BYTES_MAX);
        assert!(!reject.text.is_empty(), "a reject without its text");
    }
    assert!(places[events.len()..].is_sorted_by(|a, b| a < b), "offsets");
    places.sort_unstable();
    assert!(places.is_sorted_by(|a, b| a < b), "two rows at one place");
    assert!(places.last().is_none_or(|&last| last < tally.bytes));
}

/// An error says something, and ends a command with a code that has a meaning.
fn refused(error: &InputError) {
    assert!(!error.to_string().is_empty());
    assert!([1, 2, 5].contains(&error.exit_code()), "{error}");
}

/// Detection consumes nothing, and a format that it names can be opened or has a wrong header.
pub fn format_detection(bytes: &[u8]) {
    let mut lines = LineReader::new(Box::new(Cursor::new(bytes.to_vec())));
    let first = detect(&mut lines, "log", false);
    assert_eq!(lines.lines(), 0);
    match (&first, detect(&mut lines, "log", false)) {
        (Ok(format), Ok(again)) => assert_eq!(*format, again),
        (Err(error), Err(_)) => refused(error),
        _ => panic!("looking twice gave two answers"),
    }
    if let Err(InputError::Ambiguous { candidates, .. }) = first {
        assert!(candidates.len() > 1);
    }
}

/// A mapping is read, or refused at one of its lines.
pub fn mapping(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Mapping::parse(text, "mapping") {
        Ok(_) => {}
        Err(InputError::Mapping { line, message, .. }) => {
            assert!(line >= 1 && line <= text.matches('\n').count() + 1);
            assert!(!message.is_empty());
        }
        Err(other) => panic!("another kind of error: {other}"),
    }
}

/// A policy that is read can be used, whatever the situation; one that is refused says where.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let policy = match Policy::read(text) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            assert!(error.column >= 1 && !error.what.is_empty());
            return;
        }
    };
    for value in [0.0, 1.0, 1e9, f64::NAN] {
        for (phase, score) in Phase::ALL.into_iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]) {
            let features = [value; FEATURE_COUNT];
            let now = Situation {
                features: &features,
                scores: Scores {
                    purchase: score,
                    abandon: 1.0 - score,
                },
                phase,
            };
            decide(&policy, &now);
        }
    }
}

fn decide(policy: &Policy, now: &Situation<'_>) {
    assert!(!policy.slots.is_empty());
    for slot in &policy.slots {
        for shown in 0..slot.arms.len() {
            for uses in [[0; CAPPED_ARMS_MAX], [u8::MAX; CAPPED_ARMS_MAX]] {
                let choice = choose(slot, now, shown, &uses, policy.stability.min_gain);
                let arm = &slot.arms[choice.arm];
                assert!(choice.arm == slot.default || choice.arm == shown || arm.when.holds(now));
                if let restage::visit::choose::Why::Rule(rule) = choice.why {
                    assert_eq!(slot.rules[usize::from(rule)].arm, choice.arm);
                }
            }
        }
    }
}

/// A model that is read scores between 0 and 1 and survives being written; damage is refused.
pub fn model(bytes: &[u8]) {
    if let Ok(model) = Model::read(bytes) {
        scores(&model);
    }
    // The checksum keeps nearly all bytes out: seal them, to reach what lies behind it.
    let Ok(file) = serde_json::from_slice::<ModelFile>(bytes) else {
        return;
    };
    let sealed = write(&file);
    if let Ok(model) = Model::read(sealed.as_bytes()) {
        scores(&model);
        let (back, _) = parse(sealed.as_bytes()).unwrap();
        assert_eq!(back, file, "writing changed the model");
        assert!(Model::read(&sealed.as_bytes()[..sealed.len() - 3]).is_err());
    }
}

fn scores(model: &Model) {
    for value in [0.0, 1.0, -1.0, 1e12, f64::NAN] {
        let features = [value; FEATURE_COUNT];
        let scores = model.score(&features);
        assert!((0.0..=1.0).contains(&scores.purchase), "{scores:?}");
        assert!((0.0..=1.0).contains(&scores.abandon), "{scores:?}");
        for label in Label::ALL {
            let mut parts = [0.0; FEATURE_COUNT];
            let average = model.contributions(label, &features, &mut parts);
            let sum = parts.iter().sum::<f64>() + average;
            let log_odds = model.log_odds(label, &features);
            assert!(
                (sum - log_odds).abs() <= 1e-6 * log_odds.abs().max(1.0),
                "{label:?}"
            );
        }
    }
}

/// Decoding, encoding and decoding again is the identity.
pub fn codec(bytes: &[u8]) {
    let Ok(batch) = decode_batch(bytes) else {
        return;
    };
    for event in batch.iter() {
        assert!(event.texts.visitor.len() <= bytes.len());
    }
    let mut encoded = Vec::new();
    encode_batch(&batch, &mut encoded).expect("memory takes everything");
    assert_eq!(encoded.len(), encoded_len(&batch));
    assert_eq!(decode_batch(&encoded).as_ref(), Ok(&batch));
}

/// A duration is within its limit, or refused with a reason.
pub fn duration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match parse_duration_ms(text) {
        Ok(ms) => {
            assert!(ms <= DURATION_MS_MAX);
            assert_eq!(parse_duration_ms(&format!("{ms}ms")), Ok(ms));
        }
        Err(what) => assert!(!what.is_empty()),
    }
}

/// An amount is within its limits and reads back from its own text.
pub fn micros(bytes: &[u8]) {
    if let Ok(amount) = Micros::parse(bytes) {
        let micros = amount.get().expect("an amount was read");
        assert!((0..Micros::UNITS_END * Micros::UNIT).contains(&micros));
        assert_eq!(Micros::parse(amount.to_string().as_bytes()), Ok(amount));
    }
}
