//! Model files that are damaged, of another time or not models at all.

use crate::shop::{SHOP, assert_refused};
use restage::visit::model::{Model, ModelFile, file};
use std::path::Path;

fn whole() -> String {
    std::fs::read_to_string(SHOP.file("trees.json")).unwrap()
}

/// The model with something changed, and sealed again.
fn resealed(change: impl Fn(&mut ModelFile)) -> String {
    let (mut model, _) = file::parse(whole().as_bytes()).unwrap();
    change(&mut model);
    file::write(&model)
}

/// Every command that takes a model refuses these bytes.
fn refused(dir: &Path, bytes: impl AsRef<[u8]>, words: &[&str]) {
    std::fs::write(dir.join("bad.json"), bytes).unwrap();
    let log = SHOP.arg("log.csv");
    let all = [&["model bad.json was refused"][..], words].concat();
    for args in [
        &["replay", &log, "--out", "o.jsonl", "--model", "bad.json"][..],
        &["replay", &log, "--swap-model", "1000=bad.json"],
        &["explain", &log, "--visitor", "v", "--model", "bad.json"],
        &["evaluate", "--intent", "bad.json", &log],
    ] {
        assert_refused(dir, args, 2, &all);
    }
}

#[test]
fn damaged_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = whole();
    refused(dir.path(), &whole[..whole.len() / 2], &["cut short"]);
    refused(dir.path(), &whole[..whole.len() - 1], &["cut short"]);
    let changed = whole.replacen("\"base\": ", "\"base\": 1", 1);
    assert_ne!(changed, whole);
    refused(dir.path(), changed, &["checksum", "changed or damaged"]);
    refused(dir.path(), "{}", &["no checksum"]);
    refused(dir.path(), "", &["no checksum"]);
    refused(dir.path(), b"\xff\xfe\0", &["not UTF-8"]);
    refused(dir.path(), "{}\n".repeat(1_000), &["not a model file"]);
}

/// Whichever byte is changed, the file is refused.
#[test]
fn no_changed_byte_goes_unseen() {
    let whole = whole().into_bytes();
    let end = whole.len();
    let mut tried = 0;
    for at in (0..end).step_by(101).chain(end - 40..end) {
        for byte in [b'0', b'9', b' ', b'"', 0xff] {
            let mut bytes = whole.clone();
            if std::mem::replace(&mut bytes[at], byte) != byte {
                let said = Model::read(&bytes).err();
                assert!(said.is_some(), "byte {at} as {byte}");
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn models_of_another_time_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["restage-intent-model version 1", "reads", "version 2"];
    refused(dir.path(), resealed(|model| model.version = 1), &words);
    // Version 1 as it was written, with other members.
    let body = "{\n  \"format\": \"restage-intent-model\",\n  \"version\": 1,\n  \"name\": \"old\",\n  \"kind\": \"logistic\",";
    let sum = file::checksum(body);
    let old = format!("{body}\n  \"checksum\": \"crc32:{sum}\"\n}}\n");
    refused(dir.path(), old, &words);
    let future = resealed(|model| model.version = 3);
    refused(dir.path(), future, &["restage-intent-model version 3"]);
    let other = resealed(|model| model.format = "other-model".into());
    refused(dir.path(), other, &["other-model version 2"]);
}

#[test]
fn features_that_are_not_those_of_this_build_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |model: &ModelFile| {
        let mut features = model.features.iter();
        features.position(|feature| feature.name == "gap_mean")
    };
    let unit = resealed(|model| {
        let at = at(model).unwrap();
        model.features[at].unit = "ms".into();
    });
    let words = ["features do not match", "gap_mean is in s here, in ms"];
    refused(dir.path(), unit, &words);
    let unknown = resealed(|model| {
        let at = at(model).unwrap();
        model.features[at].name = "gap_moan".into();
    });
    refused(dir.path(), unknown, &["gap_moan is unknown"]);
    let twice = resealed(|model| {
        let at = at(model).unwrap();
        model.features[at].name = "since_start".into();
    });
    refused(dir.path(), twice, &["since_start stands twice"]);
    let scale = resealed(|model| model.features[0].scale = 0.0);
    refused(dir.path(), scale, &["scale is not above zero"]);
}
