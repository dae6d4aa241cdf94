//! The snapshots that a state folder keeps, by name, size and age, for those who watch a live job.
//!
//! A look at the folder, not into the files: whether they are whole, `restage snapshot ls` says.

use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

/// A snapshot.
#[derive(Serialize)]
pub struct SnapshotFile {
    file: String,
    bytes: u64,
    age_s: u64,
}

/// The snapshots in a folder, newest first; none if it cannot be read.
pub fn snapshots_in(dir: &Path, now: SystemTime) -> Vec<SnapshotFile> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let file = entry.file_name().into_string().ok()?;
        let is_whole = file.starts_with("snapshot-") && !file.ends_with(".new");
        let about = entry.metadata().ok().filter(|_| is_whole)?;
        let written = about.modified().ok()?;
        Some(SnapshotFile {
            file,
            bytes: about.len(),
            age_s: now.duration_since(written).map_or(0, |age| age.as_secs()),
        })
    });
    let mut found: Vec<SnapshotFile> = found.collect();
    // Generation and number are written with leading zeros.
    found.sort_by(|a, b| b.file.cmp(&a.file));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_snapshots_are_listed_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "snapshot-00000001-00000009",
            "snapshot-00000002-00000000",
            "segment-00000002-00000000",
            "snapshot-00000002-00000001.new",
        ] {
            std::fs::write(dir.path().join(name), "12345").unwrap();
        }
        let found = snapshots_in(dir.path(), SystemTime::now());
        let names: Vec<(&str, u64)> = found
            .iter()
            .map(|one| (&one.file[9..], one.bytes))
            .collect();
        assert_eq!(names, [("00000002-00000000", 5), ("00000001-00000009", 5)]);
        assert!(snapshots_in(&dir.path().join("none"), SystemTime::now()).is_empty());
    }
}
