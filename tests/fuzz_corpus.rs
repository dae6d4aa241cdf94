//! Every file of the fuzz corpora through its target, on stable: what fuzzing has found stays found.

use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
mod fuzzing;

#[test]
fn every_file_of_every_corpus_keeps_its_promises() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in fuzzing::TARGETS {
        let mut files = 0;
        for entry in std::fs::read_dir(corpora.join(name)).expect(name) {
            let path = entry.expect(name).path();
            let bytes = std::fs::read(&path).expect(name);
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                panic!("{name} failed on {}", path.display());
            }
            files += 1;
        }
        assert!(files > 0, "the corpus of {name} is empty");
    }
}

#[test]
fn every_corpus_and_every_fuzz_target_has_its_body() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for folder in ["corpus", "fuzz_targets"] {
        let mut found: Vec<String> = std::fs::read_dir(fuzz.join(folder))
            .expect(folder)
            .map(|entry| entry.expect(folder).path())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let mut known: Vec<String> = fuzzing::TARGETS.map(|(name, _)| name.to_owned()).to_vec();
        found.sort();
        known.sort();
        assert_eq!(found, known, "{folder}");
    }
}
