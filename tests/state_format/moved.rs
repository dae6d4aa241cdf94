//! A state folder written again for another place: its headers bear another configuration, its manifests
//! another outlet, and all checksums fit these. Frames and their bodies stay as they are.

use restage::event::mix;
use restage::log::disk::Disk;
use restage::log::inspect::inspect;
use std::path::Path;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const HEADER_BYTES: usize = 56;

/// Writes a folder again, for the configuration and the outlet that are given.
pub fn state(from: &Path, to: &Path, (config, outlet): (u128, &str)) {
    std::fs::create_dir_all(to).unwrap();
    let contents = inspect(&Disk, from).unwrap().expect("there is state");
    let old = contents.in_force.outlet.expect("it has an outlet");
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let (name, bytes) = (file.file_name(), std::fs::read(file.path()).unwrap());
        let bytes = match bytes.is_empty() {
            true => bytes,
            false => {
                let is_manifest = name.to_string_lossy().starts_with("manifest-");
                let body = |body: &[u8]| match is_manifest {
                    true => with_outlet(body, &old, outlet),
                    false => body.to_vec(),
                };
                again(&bytes, config, body)
            }
        };
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

fn again(bytes: &[u8], config: u128, body: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = bytes[..HEADER_BYTES].to_vec();
    out[32..48].copy_from_slice(&config.to_le_bytes());
    let identity = xxh3_64(&out[..48]);
    out[48..].copy_from_slice(&identity.to_le_bytes());
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (kind, body) = (
            &bytes[at + 4..at + 8],
            body(&bytes[at + 8..at + 8 + length]),
        );
        let offset = out.len();
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(kind);
        out.extend_from_slice(&body);
        let checksum = xxh3_64_with_seed(&out[offset..], identity ^ mix(offset as u64));
        out.extend_from_slice(&checksum.to_le_bytes());
        at += 8 + length + 8;
    }
    out
}

fn with_outlet(body: &[u8], old: &str, new: &str) -> Vec<u8> {
    let told = |path: &str| [&(path.len() as u32).to_le_bytes(), path.as_bytes()].concat();
    let (old, new) = (told(old), told(new));
    let at = body.windows(old.len()).position(|part| part == old);
    let at = at.expect("a manifest names the outlet");
    [&body[..at], &new, &body[at + old.len()..]].concat()
}
