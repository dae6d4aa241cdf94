//! STUB to be replaced.
#![allow(missing_docs)]
use crate::event::{Lane, Offset};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};
pub mod error {
    #[derive(Debug, thiserror::Error)]
    pub enum LogError {
        #[error("replay of epoch {} gave other output: {found:x} committed {committed:x}", epoch.0)]
        Mismatch {
            epoch: super::Epoch,
            committed: u128,
            found: u128,
        },
        #[error("config")]
        Config,
        #[error("io {0}")]
        Io(#[from] std::io::Error),
    }
    impl LogError {
        pub fn exit_code(&self) -> i32 {
            1
        }
    }
}
pub mod disk {
    #[derive(Clone)]
    pub struct Disk;
}
pub mod failpoint {
    #[derive(Clone)]
    pub struct Failing<S>(pub S);
    impl<S> Failing<S> {
        pub fn from_env(s: S) -> Self {
            Failing(s)
        }
    }
}
use error::LogError;
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch(pub u64);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub bytes: u64,
    pub digest: u128,
}
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub epoch: Epoch,
    pub totals: Totals,
    pub lanes: Vec<(Lane, Offset)>,
}
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    pub kind: u8,
    pub number: u32,
    pub bytes: Vec<u8>,
}
pub struct Options {
    pub segment_bytes_max: u64,
    pub outlet: Option<PathBuf>,
}
pub struct Opened<S> {
    pub writer: Writer<S>,
    pub resume: Option<Resume>,
    pub notes: Vec<String>,
}
pub struct Resume {
    pub snapshot: Option<SnapshotReader>,
    pub rows: Vec<Row>,
}
pub struct SnapshotReader {
    e: Epoch,
    t: Totals,
    parts: Vec<Part>,
}
impl SnapshotReader {
    pub fn epoch(&self) -> Epoch {
        self.e
    }
    pub fn totals(&self) -> Totals {
        self.t
    }
    pub fn parts(self) -> impl Iterator<Item = Result<Part, LogError>> {
        self.parts.into_iter().map(Ok)
    }
}
pub struct Writer<S> {
    _s: S,
    dir: PathBuf,
    out: std::fs::File,
    rows: Vec<Row>,
    parts: Vec<Part>,
}
pub fn open<S>(s: S, dir: &Path, _config: u128, options: Options) -> Result<Opened<S>, LogError> {
    std::fs::create_dir_all(dir)?;
    let rows: Vec<Row> = std::fs::read(dir.join("rows"))
        .ok()
        .map_or(vec![], |b| postcard::from_bytes(&b).unwrap());
    let snap: Option<(Epoch, Totals, Vec<Part>)> = std::fs::read(dir.join("snap"))
        .ok()
        .map(|b| postcard::from_bytes(&b).unwrap());
    let path = options.outlet.unwrap_or(dir.join("out"));
    let out = std::fs::File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(path)?;
    let len = rows.last().map_or(0, |r| r.totals.bytes);
    out.set_len(len)?;
    use std::io::Seek;
    let mut out = out;
    out.seek(std::io::SeekFrom::End(0))?;
    let at = snap.as_ref().map(|s| s.0);
    let resume = (!rows.is_empty() || snap.is_some()).then(|| Resume {
        snapshot: snap.map(|(e, t, parts)| SnapshotReader { e, t, parts }),
        rows: rows
            .iter()
            .filter(|r| at.is_none_or(|a| r.epoch > a))
            .cloned()
            .collect(),
    });
    Ok(Opened {
        writer: Writer {
            _s: s,
            dir: dir.into(),
            out,
            rows,
            parts: vec![],
        },
        resume,
        notes: vec![],
    })
}
impl<S> Writer<S> {
    pub fn commit(&mut self, group: &[(Row, Vec<u8>)]) -> Result<(), LogError> {
        for (row, bytes) in group {
            self.out.write_all(bytes)?;
            self.rows.push(row.clone());
        }
        std::fs::write(
            self.dir.join("rows.new"),
            postcard::to_allocvec(&self.rows).unwrap(),
        )?;
        std::fs::rename(self.dir.join("rows.new"), self.dir.join("rows"))?;
        Ok(())
    }
    pub fn begin_snapshot(&mut self) -> Result<(), LogError> {
        self.parts.clear();
        Ok(())
    }
    pub fn put_part(&mut self, p: &Part) -> Result<(), LogError> {
        self.parts.push(p.clone());
        Ok(())
    }
    pub fn finish_snapshot(&mut self, e: Epoch, t: Totals) -> Result<(), LogError> {
        std::fs::write(
            self.dir.join("snap.new"),
            postcard::to_allocvec(&(e, t, &self.parts)).unwrap(),
        )?;
        std::fs::rename(self.dir.join("snap.new"), self.dir.join("snap"))?;
        eprintln!(
            "snapshot at {} with {} parts {} bytes",
            e.0,
            self.parts.len(),
            self.parts.iter().map(|p| p.bytes.len()).sum::<usize>()
        );
        Ok(())
    }
    pub fn close(self, _f: bool) -> Result<(), LogError> {
        Ok(())
    }
}
