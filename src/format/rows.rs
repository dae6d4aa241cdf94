//! A log's raw events: the line reader and the decoder of its format, put together.
//!
//! Opening finds the format (given, mapped or detected), reads the header where there is one, and
//! sets the limit on lines. From there each line goes to [`Rows`]: its place first, then what was
//! found in it. Nothing is known here of clocks and lanes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::Reason;

use super::detect::{DETECT_LINES, detect};
use super::jd::Jd;
use super::lines::{LineRead, LineReader};
use super::mapped::Mapped;
use super::open::{Input, Source, decompressed, open};
use super::otto::Otto;
use super::rees46::Rees46;
use super::restage_csv::RestageCsv;
use super::restage_jsonl::RestageJsonl;
use super::retailrocket::RetailRocket;
use super::taobao::Taobao;
use super::yoochoose::{YoochooseDat, YoochooseTsv};
use super::{Decoder, FormatName, HeaderFault, InputError, Mapping, Rows};

/// Reads the raw events of one log.
pub struct RowReader {
    path: String,
    lines: LineReader,
    decoder: Box<dyn Decoder>,
    format: FormatName,
    blank_lines: u64,
    bytes_total: Option<u64>,
    bytes_read: Arc<AtomicU64>,
    compressed: bool,
}

impl RowReader {
    /// Opens a log. A mapping goes before a format; with neither, the format is detected.
    ///
    /// # Errors
    /// [`InputError`] when the log cannot be read or is not what it is said to be.
    pub fn open(
        source: &Source,
        format: Option<FormatName>,
        mapping: Option<&Arc<Mapping>>,
    ) -> Result<RowReader, InputError> {
        RowReader::read(source.to_string(), open(source)?, format, mapping)
    }

    /// The same over bytes that are already at hand; `name` is what errors call them.
    ///
    /// # Errors
    /// As for [`RowReader::open`].
    pub fn over(
        name: &str,
        bytes: Box<dyn Read + Send>,
        format: Option<FormatName>,
        mapping: Option<&Arc<Mapping>>,
    ) -> Result<RowReader, InputError> {
        let input = decompressed(name, bytes, None)?;
        RowReader::read(name.to_owned(), input, format, mapping)
    }

    /// Finds the format and reads the header.
    fn read(
        path: String,
        input: Input,
        format: Option<FormatName>,
        mapping: Option<&Arc<Mapping>>,
    ) -> Result<RowReader, InputError> {
        let mut lines = LineReader::new(input.text);
        let format = match (mapping, format) {
            (Some(_), _) => FormatName::Mapping,
            (None, Some(format)) if format != FormatName::Mapping => format,
            (None, _) => detect(&mut lines, &path, input.compressed)?,
        };
        lines.set_line_bytes_max(format.line_bytes_max());
        let mut reader = RowReader {
            path,
            lines,
            decoder: Box::new(RestageJsonl),
            format,
            blank_lines: 0,
            bytes_total: input.bytes_total,
            bytes_read: input.bytes_read,
            compressed: input.compressed,
        };
        let header = if reader.has_header(mapping)? {
            reader.header()?
        } else {
            Vec::new()
        };
        let line = reader.lines();
        reader.decoder = decoder(format, mapping, &header).map_err(|fault| InputError::Header {
            path: reader.path.clone(),
            line,
            fault,
        })?;
        Ok(reader)
    }

    /// Reads the next line and hands what it holds to `rows`; blank lines are counted and passed
    /// over. Returns false when the log has ended.
    ///
    /// # Errors
    /// [`InputError::Read`]; every line that was whole before the failure has been handed over.
    pub fn next_line(&mut self, rows: &mut dyn Rows) -> Result<bool, InputError> {
        match self.lines.next_line() {
            Ok(Some(LineRead::Whole(line))) => {
                if line.bytes.is_empty() {
                    self.blank_lines += 1;
                    rows.blank(line);
                } else {
                    rows.begin(line);
                    self.decoder.decode(line, rows);
                    rows.end(line);
                }
                Ok(true)
            }
            Ok(Some(LineRead::TooLong(line))) => {
                rows.begin(line);
                rows.reject(0, Reason::TooLong);
                rows.end(line);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Goes on at a place behind where the reader stands.
    ///
    /// # Errors
    /// [`InputError`] when the log cannot be read, is shorter than it was, or another one.
    pub fn go_on(
        &mut self,
        source: &Source,
        (offset, lines, blank_lines): (u64, u64, u64),
    ) -> Result<(), InputError> {
        let mut is_line = true;
        let mut seek = || -> io::Result<Option<Box<dyn Read + Send>>> {
            let Source::Path(path) = source else {
                return Ok(None);
            };
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            if (1..length).contains(&offset) {
                let mut last = [0];
                file.seek(SeekFrom::Start(offset - 1))?;
                file.read_exact(&mut last)?;
                is_line = last == *b"\n";
            }
            file.seek(SeekFrom::Start(offset.min(length)))?;
            Ok((length >= offset).then(|| Box::new(file) as Box<dyn Read + Send>))
        };
        let mut input = None;
        if !self.compressed && self.bytes_total.is_some() {
            input = seek().map_err(|source| self.failed(source))?;
            self.bytes_read.store(offset, Ordering::Relaxed);
        }
        if !is_line {
            return Err(InputError::Replaced {
                path: self.path.clone(),
                bytes: offset,
                what: "no line begins there now",
            });
        }
        let is_there = self.lines.go_on(input, (offset, lines));
        self.blank_lines = blank_lines;
        match is_there {
            Ok(true) => Ok(()),
            Ok(false) => Err(InputError::Shorter {
                path: self.path.clone(),
                bytes: offset,
            }),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Goes on at a place, in `input`, which begins there.
    ///
    /// # Errors
    /// [`InputError::Read`].
    pub fn read_on(
        &mut self,
        input: Box<dyn Read + Send>,
        (offset, lines, blank_lines): (u64, u64, u64),
    ) -> Result<(), InputError> {
        self.blank_lines = blank_lines;
        let there = self.lines.go_on(Some(input), (offset, lines));
        there.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// The log may have grown since it ended.
    pub fn again(&mut self) {
        self.lines.again();
    }

    /// What errors call the log.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The log's format.
    pub fn format(&self) -> FormatName {
        self.format
    }

    /// Lines read so far, the header and blank ones included.
    pub fn lines(&self) -> u64 {
        self.lines.lines()
    }

    /// Blank lines among them.
    pub fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    /// Bytes of text of the lines read so far, after decompression.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// Whether the last line had no line ending. Known once the log has ended.
    pub fn unterminated(&self) -> bool {
        self.lines.unterminated()
    }

    /// The log's size on disk; nothing for a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Bytes read from the disk so far, for showing progress against the size.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Whether the first line with text is a header. YooChoose has one in one of its shapes.
    fn has_header(&mut self, mapping: Option<&Arc<Mapping>>) -> Result<bool, InputError> {
        Ok(match self.format {
            FormatName::RestageCsv | FormatName::Rees46 | FormatName::RetailRocket => true,
            FormatName::Mapping => mapping.is_some_and(|mapping| mapping.has_header()),
            FormatName::Yoochoose => match self.first_line_has_tab() {
                Ok(has_tab) => has_tab,
                Err(source) => return Err(self.failed(source)),
            },
            _ => false,
        })
    }

    /// Looks at no more than the first line unless that is blank: a live log may have no second yet.
    fn first_line_has_tab(&mut self) -> io::Result<bool> {
        let mut peek = self.lines.peek(1)?;
        if peek.bytes.trim_ascii().is_empty() {
            peek = self.lines.peek(DETECT_LINES)?;
        }
        let start = peek.bytes.trim_ascii_start();
        let end = memchr::memchr(b'\n', start).unwrap_or(start.len());
        Ok(memchr::memchr(b'\t', &start[..end]).is_some())
    }

    /// The first line with text.
    fn header(&mut self) -> Result<Vec<u8>, InputError> {
        loop {
            match self.lines.next_line() {
                Ok(Some(LineRead::Whole(line))) if line.bytes.is_empty() => self.blank_lines += 1,
                Ok(Some(LineRead::Whole(line))) => return Ok(line.bytes.to_vec()),
                Ok(Some(LineRead::TooLong(line))) => {
                    return Err(InputError::Header {
                        path: self.path.clone(),
                        line: line.number,
                        fault: HeaderFault::Unreadable,
                    });
                }
                Ok(None) => {
                    return Err(InputError::Empty {
                        path: self.path.clone(),
                    });
                }
                Err(source) => return Err(self.failed(source)),
            }
        }
    }

    fn failed(&self, source: io::Error) -> InputError {
        InputError::Read {
            path: self.path.clone(),
            byte: self.lines.bytes_taken(),
            compressed: self.compressed,
            source,
        }
    }
}

/// The decoder of a format; `header` is empty where the log has none.
fn decoder(
    format: FormatName,
    mapping: Option<&Arc<Mapping>>,
    header: &[u8],
) -> Result<Box<dyn Decoder>, HeaderFault> {
    if let Some(mapping) = mapping {
        return Ok(Box::new(Mapped::new(Arc::clone(mapping), header)?));
    }
    Ok(match format {
        FormatName::RestageCsv => Box::new(RestageCsv::new(header)?),
        FormatName::Rees46 => Box::new(Rees46::new(header)?),
        FormatName::RetailRocket => Box::new(RetailRocket::new(header)?),
        FormatName::Yoochoose if header.is_empty() => Box::new(YoochooseDat::default()),
        FormatName::Yoochoose => Box::new(YoochooseTsv::new(header)?),
        FormatName::Taobao => Box::new(Taobao::default()),
        FormatName::Otto => Box::new(Otto),
        FormatName::Jd => Box::new(Jd::default()),
        // Without its file, which was dealt with above, `mapping` is never chosen.
        FormatName::RestageJsonl | FormatName::Mapping => Box::new(RestageJsonl),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Found, Keep, reject};
    use super::*;
    use std::io::Write;
    use std::path::Path;

    /// All that a log holds, with the reader as it stands at the end.
    fn read(
        path: &Path,
        format: Option<FormatName>,
    ) -> Result<(Vec<Found>, RowReader), InputError> {
        let mut reader = RowReader::open(&Source::parse(path), format, None)?;
        let mut keep = Keep::default();
        while reader.next_line(&mut keep)? {}
        Ok((keep.0, reader))
    }

    fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn blank_and_long_lines_are_counted_and_the_rest_is_read() {
        let mut text =
            b"\xef\xbb\xbf\nevent_ms,visitor,kind\r\n\r\n1600000000000,a,search\r\n".to_vec();
        text.extend(vec![b'x'; 100_000]);
        text.extend(b"\n1600000000000,b,search");
        let (_dir, path) = write("log", &text);
        let (found, reader) = read(&path, None).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], reject(0, Reason::TooLong));
        assert_eq!((reader.lines(), reader.blank_lines()), (6, 2));
        assert_eq!(reader.bytes(), text.len() as u64);
        assert_eq!(reader.bytes_read(), text.len() as u64);
        assert!(reader.unterminated());
    }

    #[test]
    fn a_header_without_rows_is_a_log_without_events() {
        let (_dir, path) = write("log", b"event_ms,visitor,kind");
        assert_eq!(read(&path, None).unwrap().0, []);
    }

    #[test]
    fn a_wrong_header_is_placed() {
        let (_dir, path) = write("log", b"\nevent_ms,vistor,kind\n");
        let error = read(&path, None).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error
                .to_string()
                .contains("log, line 2: the header had an unknown"),
            "{error}"
        );
        let (_dir, path) = write("log", b"");
        let error = read(&path, Some(FormatName::RestageCsv)).err().unwrap();
        assert!(matches!(error, InputError::Empty { .. }));
    }

    #[test]
    fn damage_comes_after_the_rows_before_it_and_names_the_byte() {
        let mut text = b"event_ms,visitor,kind\n".to_vec();
        for n in 0..200_000u32 {
            writeln!(
                text,
                "{},v{},search",
                1_600_000_000_000 + u64::from(n),
                n % 977
            )
            .unwrap();
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        let packed = encoder.finish().unwrap();
        let (_dir, path) = write("log", &packed);
        assert_eq!(read(&path, None).unwrap().0.len(), 200_000);
        let (_dir, path) = write("log", &packed[..packed.len() / 2]);
        let mut reader = RowReader::open(&Source::parse(&path), None, None).unwrap();
        let mut keep = Keep::default();
        let error = loop {
            match reader.next_line(&mut keep) {
                Ok(more) => assert!(more),
                Err(error) => break error,
            }
        };
        assert_eq!(error.exit_code(), 5);
        let InputError::Read {
            byte,
            compressed: true,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert!(keep.0.len() > 10_000 && byte > reader.bytes() && byte < text.len() as u64);
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_is_read_like_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let writer = std::thread::spawn({
            let path = path.clone();
            move || std::fs::write(path, b"1,2,3,pv,1511848894\n1,2,3,buy,1511848895\n")
        });
        let (found, reader) = read(&path, None).unwrap();
        writer.join().unwrap().unwrap();
        assert_eq!((found.len(), reader.bytes_total()), (2, None));
    }
}
