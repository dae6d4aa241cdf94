//! Of which log a pack was made.
//!
//! A log is the one that was packed if it has the same size and the same first and last bytes, and if
//! either its time of change is the same to the nanosecond or, where it is another (a copied folder), the
//! digest of all its bytes. Who changes bytes in the middle of a log, puts its time back to the
//! nanosecond and keeps its size is not noticed; `--no-pack` asks nobody.
//!
//! Cost: two small reads; one pass over the file where the time is another.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// Bytes that are looked at, at either end.
const SAMPLE_BYTES: u64 = 64 << 10;

/// What tells a log from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its size on disk.
    pub bytes: u64,
    /// When it was changed, in ns since 1970.
    pub changed_ns: u64,
    /// Digest of its first and last bytes.
    pub sample: u64,
    /// Digest of all of it.
    pub digest: u128,
}

impl Origin {
    /// Looks at a log, all of it.
    ///
    /// # Errors
    /// It cannot be read, or was changed meanwhile.
    pub fn of(log: &Path) -> io::Result<Origin> {
        let mut file = File::open(log)?;
        let before = Origin::sampled(&mut file)?;
        let digest = digest(&mut file)?;
        if Origin::sampled(&mut file)? != before {
            return Err(io::Error::other("it was changed while it was read"));
        }
        Ok(Origin { digest, ..before })
    }

    /// Whether a log is the one that this was said of.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is(&self, log: &Path) -> io::Result<bool> {
        let mut file = File::open(log)?;
        let now = Origin::sampled(&mut file)?;
        if (now.bytes, now.sample) != (self.bytes, self.sample) {
            return Ok(false);
        }
        Ok(now.changed_ns == self.changed_ns || digest(&mut file)? == self.digest)
    }

    /// All but the digest.
    fn sampled(file: &mut File) -> io::Result<Origin> {
        let about = file.metadata()?;
        let changed = about.modified()?.duration_since(UNIX_EPOCH);
        let mut ends = Vec::new();
        for start in [0, about.len().saturating_sub(SAMPLE_BYTES)] {
            file.seek(SeekFrom::Start(start))?;
            file.take(SAMPLE_BYTES).read_to_end(&mut ends)?;
        }
        Ok(Origin {
            bytes: about.len(),
            changed_ns: changed.map_or(0, |since| since.as_nanos() as u64),
            sample: xxh3_64_with_seed(&ends, about.len()),
            digest: 0,
        })
    }
}

fn digest(file: &mut File) -> io::Result<u128> {
    file.seek(SeekFrom::Start(0))?;
    let (mut hasher, mut piece) = (Xxh3::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.digest128()),
            Ok(got) => hasher.update(&piece[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
