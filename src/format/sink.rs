//! A file that is being written: compressed as its name says, and there only once it is whole.
//!
//! Until [`Sink::finish`] a regular file is `NAME.partial`; then its bytes are brought to the disk
//! and it is renamed, with the permissions of the file that it replaces. A sink dropped before that
//! leaves what was there before. Pipes, devices and standard output are written to directly.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

const BUFFER_BYTES: usize = 256 << 10;
const ZSTD_LEVEL: i32 = 3;

/// A file that is being written.
pub struct Sink {
    // In this order: what is buffered goes before the partial file does.
    packer: Packer,
    partial: Option<Partial>,
}

impl Sink {
    /// Begins the file `path`, or writes to standard output for `-`. A name that ends in `.gz` or
    /// `.zst` is compressed.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Sink> {
        let (raw, partial): (Box<dyn Write + Send>, _) = if path.as_os_str() == "-" {
            (Box::new(io::stdout()), None)
        } else {
            let partial = Partial::of(path)?;
            let file = File::create(partial.as_ref().map_or(path, |partial| &partial.path))?;
            if let (Some(_), Ok(about)) = (&partial, fs::metadata(path)) {
                // Who may not read what is replaced may not read what replaces it.
                file.set_permissions(about.permissions())?;
            }
            (Box::new(file), partial)
        };
        let raw = BufWriter::with_capacity(BUFFER_BYTES, raw);
        let packer = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Packer::Gzip(GzEncoder::new(raw, Compression::default())),
            Some("zst") => Packer::Zstd(zstd::Encoder::new(raw, ZSTD_LEVEL)?),
            _ => Packer::Plain(raw),
        };
        Ok(Sink { packer, partial })
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When what is left cannot be written, or the file cannot be renamed.
    pub fn finish(self) -> io::Result<()> {
        let mut raw = match self.packer {
            Packer::Plain(raw) => raw,
            Packer::Gzip(encoder) => encoder.finish()?,
            Packer::Zstd(encoder) => encoder.finish()?,
        };
        raw.flush()?;
        match self.partial {
            Some(partial) => partial.keep(),
            None => Ok(()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.packer {
            Packer::Plain(raw) => raw.write(bytes),
            Packer::Gzip(encoder) => encoder.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.packer {
            Packer::Plain(raw) => raw.flush(),
            Packer::Gzip(encoder) => encoder.flush(),
            Packer::Zstd(encoder) => encoder.flush(),
        }
    }
}

type Raw = BufWriter<Box<dyn Write + Send>>;

/// Bytes on their way to the file.
enum Packer {
    Plain(Raw),
    Gzip(GzEncoder<Raw>),
    Zstd(zstd::Encoder<'static, Raw>),
}

/// A file that is not whole yet. Removed when dropped.
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// The partial file for a target that is new or a regular file; none for a pipe or device.
    pub(crate) fn of(target: &Path) -> io::Result<Option<Partial>> {
        // A link's target is what is replaced, not the link.
        let target = match fs::metadata(target) {
            Ok(about) if about.is_file() => fs::canonicalize(target)?,
            Ok(_) => return Ok(None),
            Err(_) => target.to_owned(),
        };
        let mut path = OsString::from(&target);
        path.push(".partial");
        Ok(Some(Partial {
            path: path.into(),
            target,
        }))
    }

    /// Where it is until then.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, once its bytes are on the disk.
    pub(crate) fn keep(self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, &self.target)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After `keep` there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "before").unwrap();
        let mut sink = Sink::create(&path).unwrap();
        sink.write_all(b"half").unwrap();
        assert_eq!(names(dir.path()), ["a.csv", "a.csv.partial"]);
        drop(sink);
        assert_eq!(names(dir.path()), ["a.csv"]);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        let mut sink = Sink::create(&path).unwrap();
        sink.write_all(b"after").unwrap();
        sink.finish().unwrap();
        assert_eq!(names(dir.path()), ["a.csv"]);
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert!(Sink::create(&dir.path().join("none/a.csv")).is_err());
    }

    #[test]
    fn the_name_says_the_compression() {
        let dir = tempfile::tempdir().unwrap();
        for (name, start) in [
            ("a", &b"text"[..]),
            ("a.gz", b"\x1f\x8b"),
            ("a.csv.zst", b"\x28\xb5\x2f\xfd"),
        ] {
            let path = dir.path().join(name);
            let mut sink = Sink::create(&path).unwrap();
            sink.write_all(b"text").unwrap();
            sink.finish().unwrap();
            assert!(fs::read(&path).unwrap().starts_with(start), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_directly_and_links_stay_links() {
        let sink = Sink::create(Path::new("/dev/null")).unwrap();
        assert!(sink.partial.is_none());
        sink.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut sink = Sink::create(&link).unwrap();
        sink.write_all(b"after").unwrap();
        sink.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"after");
    }
}
