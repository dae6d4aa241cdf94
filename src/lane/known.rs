//! Whether a lane is still the one that was read before.
//!
//! A job that goes on reads from a place on, and nothing before it again. A lane that was put back from an
//! older copy, or begun anew, would be long enough one day, and what was acknowledged until then would never
//! be decided on. What had been read was synced before, so the file must have it; a line must end right
//! before the place; and that line cannot have arrived after the clock that the lane had there.
//!
//! Cost: one look at the lane's end when a job goes on.

use crate::format::InputError;
use crate::format::mark::LaneMark;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Longest piece that is searched for the beginning of a line: more than a line may take.
const PIECE_BYTES_MAX: u64 = 1 << 17;

/// What is looked at of a line.
#[derive(Deserialize)]
struct Line {
    arrival_ms: u64,
}

/// Checks a lane against a place to which it was read.
///
/// # Errors
/// [`InputError`]: it is shorter now, or another one, or cannot be read.
pub(super) fn check(lane: &Path, mark: &LaneMark) -> Result<(), InputError> {
    let bytes = mark.offset;
    if bytes == 0 {
        return Ok(());
    }
    let path = lane.display().to_string();
    let replaced = |what| InputError::Replaced {
        path: path.clone(),
        bytes,
        what,
    };
    let end = match end_before(lane, bytes) {
        Ok(Some(end)) => end,
        Ok(None) => return Err(InputError::Shorter { path, bytes }),
        Err(source) => return Err(InputError::Open { path, source }),
    };
    let Some((b'\n', lines)) = end.split_last() else {
        return Err(replaced("no line begins there now"));
    };
    let begin = memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1);
    match serde_json::from_slice::<Line>(&lines[begin..]) {
        Ok(line) if line.arrival_ms > mark.clock_ms => {
            Err(replaced("what stands there now arrived later"))
        }
        // A line that cannot be read was rejected when it was read.
        _ => Ok(()),
    }
}

/// The last bytes before a place; nothing if the file is missing or ends before it.
fn end_before(lane: &Path, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(lane) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if file.metadata()?.len() < offset {
        return Ok(None);
    }
    let begin = offset.saturating_sub(PIECE_BYTES_MAX);
    file.seek(SeekFrom::Start(begin))?;
    let mut end = vec![0; (offset - begin) as usize];
    file.read_exact(&mut end)?;
    Ok(Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(arrivals: &[u64]) -> String {
        let line =
            |ms: &u64| format!("{{\"arrival_ms\":{ms},\"visitor\":\"v\",\"kind\":\"search\"}}\n");
        arrivals.iter().map(line).collect()
    }

    #[test]
    fn a_lane_that_was_put_back_or_begun_anew_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jsonl");
        let read = lane(&[1_000, 2_000, 3_000]);
        let mark = LaneMark {
            offset: read.len() as u64,
            lines: 3,
            clock_ms: 3_500,
            ..LaneMark::default()
        };
        let checked = |text: &str| {
            std::fs::write(&path, text).unwrap();
            check(&path, &mark).map_err(|error| error.to_string())
        };
        assert_eq!(checked(&read), Ok(()));
        assert_eq!(checked(&(read.clone() + &lane(&[4_000]))), Ok(()));
        let older = checked(&lane(&[1_000, 2_000])).unwrap_err();
        assert!(older.contains("has a hole"), "{older}");
        let other = checked(&(lane(&[9_001, 9_002, 9_003, 9_004]) + "{}\n")).unwrap_err();
        assert!(other.contains("arrived later"), "{other}");
        let longer = checked(&lane(&[10_001, 10_002, 10_003, 10_004])).unwrap_err();
        assert!(longer.contains("no line begins there"), "{longer}");
        std::fs::remove_file(&path).unwrap();
        let gone = check(&path, &mark).unwrap_err();
        assert_eq!(gone.exit_code(), 5);
        assert_eq!(
            check(&path, &LaneMark::default()).map_err(|e| e.to_string()),
            Ok(()),
            "nothing of it had been read: it is waited for"
        );
    }
}
