//! The fields of a line: decimals from integers, names, JSON strings, CSV rows.
//!
//! Probabilities are written with up to six decimals from millionths, which costs a tenth of the
//! shortest-float algorithms and is the same everywhere. Cost: some nanoseconds a field, nothing allocated.

/// A probability in millionths, rounded to the nearest.
#[inline]
pub fn ppm(probability: f64) -> u32 {
    (probability * 1e6 + 0.5) as u32
}

/// Writes millionths as a decimal: `0.012345`, `0.5`, `1.0`.
pub fn decimal(ppm: u32, out: &mut Vec<u8>) {
    integer(u64::from(ppm / 1_000_000), out);
    out.push(b'.');
    let mut rest = ppm % 1_000_000;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let used = digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
    out.extend_from_slice(&digits[..=used]);
}

pub(super) fn integer(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn comma(first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.push(b',');
    }
}

/// Writes a name that needs no escaping.
pub(super) fn quoted(plain: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(plain.as_bytes());
    out.push(b'"');
}

/// Writes UTF-8 text as a JSON string (RFC 8259): quotes, backslashes and control characters are
/// escaped, everything else stays.
pub fn json_text(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    // What needs no escaping, which is nearly everything, is copied in one piece.
    let mut copied = 0;
    for (at, &byte) in text.iter().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..0x20) {
            continue;
        }
        out.extend_from_slice(&text[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

pub(super) fn csv_row<'a>(fields: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let mut writer = csv::Writer::from_writer(out);
    for field in fields {
        writer.write_field(field).expect("writing to memory");
    }
    writer
        .write_record(None::<&[u8]>)
        .expect("writing to memory");
    writer.flush().expect("writing to memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_have_no_needless_zeros() {
        for (probability, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.5, "0.5"),
            (0.012_345_4, "0.012345"),
            (0.999_999_6, "1.0"),
        ] {
            assert_eq!(written(|out| decimal(ppm(probability), out)), text);
        }
    }

    #[test]
    fn text_is_escaped_as_json() {
        let text = "a\"b\\c\n\u{1}é\u{1F600}";
        let json = written(|out| json_text(text.as_bytes(), out));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
