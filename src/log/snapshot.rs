//! Snapshots: the state of the job, written part by part.
//!
//! A snapshot is a row of parts and a closing frame that counts them, adds up their bytes, and says up to
//! which epoch and how much output they hold. Without the closing frame, as the last bytes of the file,
//! it is no snapshot. What parts mean is the caller's affair; large ones are cut into frames.
//!
//! Before anything of a snapshot is used it is read once as a whole; frames are bound to their file and
//! place, so a part can neither be missing, nor moved, nor from another time. Cost: 26 bytes a part.

use super::codec::{Take, put_u8, put_u32, put_u64, put_u128};
use super::error::{Fault, LogError};
use super::frame::{BODY_BYTES_MAX, FrameReader, Header, Step, push_frame};
use super::storage::Storage;
use super::{Epoch, Part, Totals};
use std::path::PathBuf;

/// A frame that begins a part.
const FIRST: u8 = 1;
/// A frame that goes on with the part before.
const MORE: u8 = 2;
/// The closing frame.
const CLOSE: u8 = 3;
/// Bytes of a part's first frame that are not state.
const HEAD_BYTES: usize = 5;

/// What the closing frame says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Closing {
    pub epoch: Epoch,
    pub totals: Totals,
    pub parts: u64,
    pub state_bytes: u64,
}

/// Adds a part's frames to `out`, which will stand at `offset` of the file of this identity.
pub(super) fn push_part(out: &mut Vec<u8>, (identity, offset): (u64, u64), part: &Part) {
    let start = out.len();
    let mut head = Vec::with_capacity(HEAD_BYTES);
    put_u8(&mut head, part.kind);
    put_u32(&mut head, part.number);
    let first = part.bytes.len().min(BODY_BYTES_MAX - HEAD_BYTES);
    let (first, rest) = part.bytes.split_at(first);
    push_frame(out, identity, offset, FIRST, &[&head, first]);
    for more in rest.chunks(BODY_BYTES_MAX) {
        let place = offset + (out.len() - start) as u64;
        push_frame(out, identity, place, MORE, &[more]);
    }
}

/// Adds the closing frame.
pub(super) fn push_closing(out: &mut Vec<u8>, (identity, offset): (u64, u64), closing: &Closing) {
    let mut body = Vec::new();
    put_u64(&mut body, closing.epoch.0);
    put_u64(&mut body, closing.totals.bytes);
    put_u128(&mut body, closing.totals.digest);
    put_u64(&mut body, closing.parts);
    put_u64(&mut body, closing.state_bytes);
    push_frame(out, identity, offset, CLOSE, &[&body]);
}

/// Reads a whole snapshot, and hands out its parts only if it is whole.
pub(super) fn read<S: Storage>(
    storage: &S,
    path: PathBuf,
    header: &Header,
) -> Result<(Vec<Part>, Closing), LogError> {
    let mut frames = FrameReader::open(storage, path, header, None)?;
    let (mut parts, mut state_bytes): (Vec<Part>, u64) = (Vec::new(), 0);
    loop {
        match frames.step()? {
            Step::Frame {
                kind: FIRST,
                offset,
                body,
            } => {
                let Some(part) = decode_part(body) else {
                    return Err(frames.damaged(offset, Fault::Nonsense("a part without a head")));
                };
                state_bytes += part.bytes.len() as u64;
                parts.push(part);
            }
            Step::Frame {
                kind: MORE,
                offset,
                body,
            } => {
                state_bytes += body.len() as u64;
                let more = body.to_vec();
                match parts.last_mut() {
                    Some(part) => part.bytes.extend_from_slice(&more),
                    None => {
                        let fault = Fault::Nonsense("it went on with no part");
                        return Err(frames.damaged(offset, fault));
                    }
                }
            }
            Step::Frame {
                kind: CLOSE,
                offset,
                body,
            } => {
                let counted = (parts.len() as u64, state_bytes);
                let closing = decode_closing(body)
                    .filter(|closing| (closing.parts, closing.state_bytes) == counted);
                let Some(closing) = closing else {
                    let fault = Fault::Nonsense("a closing frame counted otherwise");
                    return Err(frames.damaged(offset, fault));
                };
                if frames.offset() != frames.length() {
                    return Err(frames.damaged(frames.offset(), Fault::Trailing));
                }
                return Ok((parts, closing));
            }
            Step::Frame { offset, .. } => {
                return Err(frames.damaged(offset, Fault::Nonsense("it was no part of a snapshot")));
            }
            Step::End => return Err(frames.damaged(frames.length(), Fault::FrameShort)),
            Step::Broken(damage) => return Err(LogError::Damaged(damage)),
        }
    }
}

fn decode_part(body: &[u8]) -> Option<Part> {
    let mut take = Take(body);
    Some(Part {
        kind: take.u8()?,
        number: take.u32()?,
        bytes: take.0.to_vec(),
    })
}

fn decode_closing(body: &[u8]) -> Option<Closing> {
    let mut take = Take(body);
    let closing = Closing {
        epoch: Epoch(take.u64()?),
        totals: Totals {
            bytes: take.u64()?,
            digest: take.u128()?,
        },
        parts: take.u64()?,
        state_bytes: take.u64()?,
    };
    take.end()?;
    Some(closing)
}

#[cfg(test)]
mod tests {
    use super::super::Generation;
    use super::super::frame::FileKind;
    use super::super::memory::Memory;
    use super::super::storage::AppendFile;
    use super::*;

    const HEADER: Header = Header {
        kind: FileKind::Snapshot,
        generation: Generation(1),
        sequence: 2,
        config: 9,
    };

    fn part(kind: u8, number: u32, bytes: Vec<u8>) -> Part {
        Part {
            kind,
            number,
            bytes,
        }
    }

    fn file(parts: &[Part]) -> Vec<u8> {
        let mut bytes = HEADER.encode().to_vec();
        let mut closing = Closing {
            epoch: Epoch(70),
            ..Closing::default()
        };
        for part in parts {
            let place = (HEADER.identity(), bytes.len() as u64);
            push_part(&mut bytes, place, part);
            closing.parts += 1;
            closing.state_bytes += part.bytes.len() as u64;
        }
        let place = (HEADER.identity(), bytes.len() as u64);
        push_closing(&mut bytes, place, &closing);
        bytes
    }

    fn read_back(bytes: &[u8]) -> Result<Vec<Part>, LogError> {
        let storage = Memory::new(1);
        let path = PathBuf::from("s");
        storage.create(&path).unwrap().append(bytes).unwrap();
        let (parts, closing) = read(&storage, path, &HEADER)?;
        assert_eq!(closing.epoch, Epoch(70));
        Ok(parts)
    }

    #[test]
    fn parts_come_back_and_large_ones_are_cut() {
        let large = vec![7u8; 2 * BODY_BYTES_MAX + 10];
        let parts = [
            part(1, 255, b"state".to_vec()),
            part(2, 0, Vec::new()),
            part(1, 3, large),
            part(1, 4, vec![1; 40]),
        ];
        assert_eq!(read_back(&file(&parts)).unwrap(), parts);
    }

    #[test]
    fn every_flip_and_truncation_is_refused() {
        let bytes = file(&[part(1, 2, b"one".to_vec()), part(1, 3, b"two".to_vec())]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(read_back(&changed).unwrap_err().damage().is_some());
            assert!(read_back(&bytes[..at]).unwrap_err().damage().is_some());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let fault = read_back(&longer).unwrap_err().damage().unwrap().fault;
        assert_eq!(fault, Fault::Trailing);
    }
}
