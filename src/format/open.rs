//! Opening a log: a path or standard input, plain or compressed.
//!
//! Compression is told by the first bytes, never by the name: gzip with any number of members,
//! Zstandard with any number of frames. Pipes and devices work like files. Bytes are counted as
//! they come from the disk, so that progress can be shown against the file's size.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::InputError;

/// Where a log comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, pipe or device.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Source {
    /// Reads an argument: `-` is standard input, all else a path.
    pub fn parse(argument: impl AsRef<Path>) -> Source {
        let path = argument.as_ref();
        if path.as_os_str() == "-" {
            Source::Stdin
        } else {
            Source::Path(path.to_owned())
        }
    }

    /// The same for every spelling of its path, whether or not the file is there yet.
    pub fn place(&self) -> String {
        let Source::Path(path) = self else {
            return self.to_string();
        };
        let whole = std::path::absolute(path).unwrap_or(path.clone());
        let (folder, name) = (whole.parent(), whole.file_name());
        let folder = folder.and_then(|folder| folder.canonicalize().ok());
        match (folder, name) {
            (Some(folder), Some(name)) => folder.join(name).display().to_string(),
            _ => whole.display().to_string(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Path(path) => path.display().fmt(f),
            Source::Stdin => f.write_str("standard input"),
        }
    }
}

/// An open log.
pub struct Input {
    /// Its text, decompressed.
    pub text: Box<dyn Read + Send>,
    /// Its size on disk; nothing for a pipe.
    pub bytes_total: Option<u64>,
    /// Bytes taken from the disk so far.
    pub bytes_read: Arc<AtomicU64>,
    /// Whether the text is decompressed on the way.
    pub compressed: bool,
}

/// Opens a log.
///
/// # Errors
/// [`InputError`] when it is a directory, is missing, may not be read, or is in a compression or
/// container that is not read here.
pub fn open(source: &Source) -> Result<Input, InputError> {
    let failed = |source_error| InputError::Open {
        path: source.to_string(),
        source: source_error,
    };
    let (raw, bytes_total): (Box<dyn Read + Send>, _) = match source {
        Source::Stdin => (Box::new(io::stdin()), None),
        Source::Path(path) => {
            let file = File::open(path).map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            if about.is_dir() {
                return Err(InputError::Directory {
                    path: source.to_string(),
                });
            }
            (Box::new(file), about.is_file().then_some(about.len()))
        }
    };
    decompressed(&source.to_string(), raw, bytes_total)
}

/// Looks at the first bytes and puts the decompressor that they ask for around `raw`; `path` is
/// what errors call it.
///
/// # Errors
/// [`InputError`] when it cannot be read, or is in a compression or container that is not read here.
pub(super) fn decompressed(
    path: &str,
    raw: Box<dyn Read + Send>,
    bytes_total: Option<u64>,
) -> Result<Input, InputError> {
    let failed = |cause| InputError::Read {
        path: path.to_owned(),
        byte: 0,
        compressed: false,
        source: cause,
    };
    let bytes_read = Arc::new(AtomicU64::new(0));
    let mut raw = Counted {
        input: raw,
        bytes: Arc::clone(&bytes_read),
    };
    let mut magic = Vec::with_capacity(4);
    (&mut raw).take(4).read_to_end(&mut magic).map_err(failed)?;
    let format = Container::of(&magic);
    let whole = Cursor::new(magic).chain(raw);
    let text: Box<dyn Read + Send> = match format {
        Container::Plain => Box::new(whole),
        Container::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(
            BufReader::with_capacity(1 << 16, whole),
        )),
        Container::Zstd => Box::new(zstd::Decoder::new(whole).map_err(failed)?),
        Container::Other(name) => {
            return Err(InputError::NotText {
                path: path.to_owned(),
                seen: format!("it looks like {name}; gzip and zstd are the compressions read"),
            });
        }
    };
    Ok(Input {
        text,
        bytes_total,
        bytes_read,
        compressed: !matches!(format, Container::Plain),
    })
}

/// What the first bytes of a file say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Plain,
    Gzip,
    Zstd,
    Other(&'static str),
}

impl Container {
    fn of(magic: &[u8]) -> Container {
        match magic {
            [0x1f, 0x8b, ..] => Container::Gzip,
            // A frame, or one of the skippable frames that some tools put first.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Container::Zstd,
            [0xfd, b'7', b'z', b'X'] => Container::Other("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9'] => Container::Other("bzip2"),
            b"PK\x03\x04" => Container::Other("a zip archive"),
            b"PAR1" => Container::Other("a Parquet file"),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Container::Other("UTF-16 text"),
            _ => Container::Plain,
        }
    }
}

/// Counts what passes.
struct Counted {
    input: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(into)?;
        self.bytes.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(bytes: Vec<u8>) -> io::Result<String> {
        let mut input = decompressed("log", Box::new(Cursor::new(bytes)), None).unwrap();
        let mut text = String::new();
        input.text.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn compression_is_told_by_the_first_bytes() {
        assert_eq!(read_all(b"".to_vec()).unwrap(), "");
        assert_eq!(read_all(b"ab".to_vec()).unwrap(), "ab");
        assert_eq!(read_all(b"plain text".to_vec()).unwrap(), "plain text");
        let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(read_all(members).unwrap(), "one two");
        let frame = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        let skippable = b"\x50\x2a\x4d\x18\x02\0\0\0xx".to_vec();
        assert_eq!(
            read_all([skippable, frame(b"one "), frame(b"two")].concat()).unwrap(),
            "one two"
        );
    }

    #[test]
    fn compressed_data_cut_short_are_an_error() {
        let text: Vec<u8> = (0..20_000u32)
            .flat_map(|n| n.to_string().into_bytes())
            .collect();
        for whole in [gzip(&text), zstd::encode_all(&text[..], 1).unwrap()] {
            for cut in [5, whole.len() / 2, whole.len() - 1] {
                assert!(read_all(whole[..cut].to_vec()).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_clearly() {
        let dir = tempfile::tempdir().unwrap();
        let error = |path: &Path| match open(&Source::parse(path)) {
            Ok(_) => panic!("opened {}", path.display()),
            Err(error) => error,
        };
        assert!(matches!(error(dir.path()), InputError::Directory { .. }));
        assert!(matches!(
            error(&dir.path().join("none")),
            InputError::Open { .. }
        ));
        let archive = dir.path().join("a.csv");
        std::fs::write(&archive, b"PK\x03\x04....").unwrap();
        assert!(error(&archive).to_string().contains("zip archive"));
    }

    #[test]
    fn bytes_are_counted_as_they_come_from_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let packed = gzip(&vec![b'a'; 100_000]);
        std::fs::write(&path, &packed).unwrap();
        let mut input = open(&Source::Path(path)).unwrap();
        assert_eq!(input.bytes_total, Some(packed.len() as u64));
        io::copy(&mut input.text, &mut io::sink()).unwrap();
        assert_eq!(
            input.bytes_read.load(Ordering::Relaxed),
            packed.len() as u64
        );
    }

    #[test]
    fn a_dash_is_standard_input() {
        assert_eq!(Source::parse("-"), Source::Stdin);
        assert_eq!(Source::parse("a-b").to_string(), "a-b");
    }
}
