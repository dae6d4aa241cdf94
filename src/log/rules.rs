//! What the output depends on besides the log: the rules that it goes by, and from when on each.
//!
//! The caller's text, opaque here, in frames of a file of its own. It is not in the manifest, because a
//! damaged manifest may be passed over for the one before, and rules may not: output that was made by
//! them would be taken for wrong. So every generation writes its own before anything else, every change
//! is a new file, put in place by rename, and the newest is read or nothing is.
//!
//! A copy for people and for replays goes beside the outlet, likewise. Cost: the text, once a generation
//! and change; three syncs.

use super::error::{Damage, Fault, LogError};
use super::frame::{BODY_BYTES_MAX, FileKind, FrameReader, HEADER_BYTES, Header, Step, push_frame};
use super::names::{Name, UNFINISHED};
use super::recover::names;
use super::storage::{AppendFile, Storage};
use super::{Generation, Writer, outlet};
use std::path::{Path, PathBuf};

/// A piece of the text, and the last one.
const PIECE: u8 = 1;
const LAST: u8 = 2;
/// At the end of the name of the copy beside the outlet.
const COPY: &str = ".rules";

/// The copy beside an outlet.
pub fn copy_of(outlet: &Path) -> PathBuf {
    let mut name = outlet.as_os_str().to_owned();
    name.push(COPY);
    name.into()
}

/// The rules that a folder's output goes by; none in a folder that has none yet.
///
/// # Errors
/// [`LogError`] when they are damaged or cannot be read.
pub fn read_rules<S: Storage>(storage: &S, dir: &Path) -> Result<Option<Vec<u8>>, LogError> {
    let newest = names(storage, dir)?
        .into_iter()
        .filter_map(|name| match name {
            Name::File(FileKind::Rules, generation, number) => Some((generation, number)),
            _ => None,
        })
        .max();
    newest.map(|place| read(storage, dir, place)).transpose()
}

fn read<S: Storage>(
    storage: &S,
    dir: &Path,
    (generation, number): (Generation, u64),
) -> Result<Vec<u8>, LogError> {
    let path = dir.join(Name::File(FileKind::Rules, generation, number).text());
    let header = Header {
        kind: FileKind::Rules,
        generation,
        sequence: number,
        config: 0,
    };
    let (mut reader, _) = FrameReader::open_any_config(storage, path.clone(), &header)?;
    let mut text = Vec::new();
    let damaged = |offset, fault| {
        let path = path.clone();
        LogError::Damaged(Damage {
            path,
            offset,
            fault,
        })
    };
    loop {
        let place = reader.offset();
        let kind = match reader.step()? {
            Step::Frame { kind, body, .. } => {
                text.extend_from_slice(body);
                kind
            }
            Step::End => return Err(damaged(reader.length(), Fault::FrameShort)),
            Step::Broken(damage) => return Err(LogError::Damaged(damage)),
        };
        match kind {
            PIECE => {}
            LAST if reader.offset() == reader.length() => return Ok(text),
            LAST => return Err(damaged(reader.offset(), Fault::Trailing)),
            _ => return Err(damaged(place, Fault::Nonsense("it was no piece of rules"))),
        }
    }
}

fn encode(header: &Header, text: &[u8]) -> Vec<u8> {
    let mut bytes = header.encode().to_vec();
    debug_assert_eq!(bytes.len(), HEADER_BYTES);
    let (pieces, last) =
        text.split_at(text.len().saturating_sub(1) / BODY_BYTES_MAX * BODY_BYTES_MAX);
    for piece in pieces.chunks(BODY_BYTES_MAX) {
        let place = bytes.len() as u64;
        push_frame(&mut bytes, header.identity(), place, PIECE, &[piece]);
    }
    let place = bytes.len() as u64;
    push_frame(&mut bytes, header.identity(), place, LAST, &[last]);
    bytes
}

impl<S: Storage> Writer<S> {
    /// From now on the output goes by these rules, and by none that was not in force before. Nothing that
    /// goes by them may be committed before this has returned.
    ///
    /// # Errors
    /// [`LogError`]; the writer is of no use then.
    pub fn put_rules(&mut self, text: &[u8]) -> Result<(), LogError> {
        self.guarded(|writer| writer.write_rules(text))
    }

    pub(super) fn write_rules(&mut self, text: &[u8]) -> Result<(), LogError> {
        let number = self.next_rules;
        self.next_rules += 1;
        let header = Header {
            kind: FileKind::Rules,
            generation: self.generation,
            sequence: number,
            config: self.config,
        };
        let name = Name::File(FileKind::Rules, self.generation, number).text();
        self.put_in_place(&self.dir.join(name), &encode(&header, text))?;
        self.storage.sync_folder(&self.dir)?;
        if let Some(path) = &self.rules_copy {
            self.put_in_place(path, text)?;
            self.storage.sync_folder(&outlet::folder_of(path))?;
        }
        Ok(())
    }

    fn put_in_place(&self, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(UNFINISHED);
        let aside = PathBuf::from(aside);
        match self.storage.remove(&aside) {
            Err(error) if !error.is_missing() => return Err(error.into()),
            _ => {}
        }
        let mut file = self.storage.create(&aside)?;
        file.append(bytes)?;
        file.sync()?;
        self.check_claim()?;
        self.storage.rename(&aside, path)?;
        Ok(())
    }
}
