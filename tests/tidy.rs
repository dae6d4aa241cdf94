//! The tree itself: every file opens by saying what it is, holds one idea, and has no leftovers.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "scripts"] {
        sources(&root.join(folder), &mut found);
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    let files: Vec<_> = found.into_iter().map(read).collect();
    assert!(files.len() > 50, "the walk found the tree");
    files
}

#[test]
fn every_file_opens_with_what_it_is() {
    for (path, text) in all() {
        assert!(
            text.starts_with("//! "),
            "{} has no opening paragraph",
            path.display()
        );
    }
}

#[test]
fn no_file_holds_more_than_an_idea() {
    for (path, text) in all() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_was_left_behind() {
    // Put together, so that this file does not find itself.
    let leftovers = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let marks = [
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
        ["#[ign", "ore]"].concat(),
    ];
    for (path, text) in all() {
        for word in leftovers.iter().chain(&marks) {
            assert!(
                !text.contains(word.as_str()),
                "{} holds {word}",
                path.display()
            );
        }
        let library = path.components().any(|part| part.as_os_str() == "src");
        assert!(
            !library || !text.contains("println!(\"{:?"),
            "{} debugs",
            path.display()
        );
    }
}

/// The core knows neither engine, nor files, nor clocks.
#[test]
fn the_core_is_pure() {
    let outside = [
        "timely::",
        "std::fs",
        "std::io",
        "std::time",
        "std::net",
        "crate::flow",
        "crate::format",
    ];
    for (path, text) in all() {
        if path.components().any(|part| part.as_os_str() == "visit") {
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for word in outside {
                assert!(!code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}
