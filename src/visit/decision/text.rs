//! Numbers and texts as records have them: decimals from integers, JSON strings, rows of CSV.
//!
//! Decimals have up to six places, from millionths, which costs a tenth of the shortest-float algorithms and
//! is the same everywhere. Cost: some nanoseconds a field; nothing is allocated but by CSV.

/// A probability in millionths, rounded to the nearest.
#[inline]
pub fn ppm(probability: f64) -> u32 {
    (probability * 1e6 + 0.5) as u32
}

/// Writes a feature's value, to a millionth; `null` for one that is missing.
pub(super) fn value(value: f64, out: &mut Vec<u8>) {
    match value.is_nan() {
        true => out.extend_from_slice(b"null"),
        false => decimal_of(value, out),
    }
}

/// Writes a number that there is, to a millionth.
pub(super) fn decimal_of(value: f64, out: &mut Vec<u8>) {
    if value < 0.0 {
        out.push(b'-');
    }
    millionths((value.abs() * 1e6).round() as u64, out);
}

/// Writes millionths as a decimal: `0.012345`, `0.5`, `1.0`.
pub fn decimal(ppm: u32, out: &mut Vec<u8>) {
    millionths(u64::from(ppm), out);
}

fn millionths(number: u64, out: &mut Vec<u8>) {
    integer(number / 1_000_000, out);
    out.push(b'.');
    let mut rest = number % 1_000_000;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let used = digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
    out.extend_from_slice(&digits[..=used]);
}

/// Writes an integer.
pub(super) fn integer(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a comma before all but the first.
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

/// Writes a row of CSV.
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
    fn values_are_written_to_a_millionth() {
        for (number, text) in [
            (3.0, "3.0"),
            (5_000_000_000.25, "5000000000.25"),
            (-0.000_000_6, "-0.000001"),
            (0.1 + 0.2, "0.3"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(written(|out| value(number, out)), text);
        }
    }

    #[test]
    fn text_is_escaped_as_json() {
        let text = "a\"b\\c\n\u{1}é\u{1F600}";
        let json = written(|out| json_text(text.as_bytes(), out));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
