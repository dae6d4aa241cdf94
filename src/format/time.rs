//! Times as logs write them → milliseconds since 1970-01-01 UTC.
//!
//! Every reader takes a text and gives nothing where the text is not a time it knows; whether a
//! time is a sensible one is judged in one place, where fields are read. Digits beyond the
//! millisecond are cut off. The fixed-width reading of `2019-10-01 00:00:00 UTC` is there because
//! it runs once a row; a test holds it against the general reading by jiff.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads a time from a text.
pub(super) type TimeReader = fn(&[u8]) -> Option<u64>;

/// A whole number without a sign, of at most 18 digits.
#[inline]
pub(super) fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    if let (Some(first), Some(last), 8..=16) = (text.first_chunk(), text.last_chunk(), text.len()) {
        // The first digits, as many as there are before the last eight, with zeros before them.
        let beyond = 8 * (16 - text.len()) as u32;
        let zeros = ZEROS.checked_shr(64 - beyond).unwrap_or(0);
        let first = u64::from_le_bytes(*first);
        let first = first.checked_shl(beyond).unwrap_or(0) | zeros;
        return Some(eight_digits(first)? * 100_000_000 + eight_digits(u64::from_le_bytes(*last))?);
    }
    let mut number = 0;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(byte - b'0');
    }
    Some(number)
}

/// Eight zeros.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight digits at once: neighbours are put together, then pairs, then fours.
#[inline]
fn eight_digits(word: u64) -> Option<u64> {
    const HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    // A digit is 0x30 to 0x39: six more leaves its upper half alone.
    if word & HALVES != ZEROS || word.wrapping_add(0x0606_0606_0606_0606) & HALVES != ZEROS {
        return None;
    }
    let pairs = (word - ZEROS).wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// Whole milliseconds.
pub(super) fn millis(text: &[u8]) -> Option<u64> {
    whole(text)
}

/// Whole seconds.
pub(super) fn whole_seconds(text: &[u8]) -> Option<u64> {
    whole(text)?.checked_mul(1000)
}

/// Seconds, with or without a fraction (`1396437466.94`), also with an exponent (`1.59e9`).
pub(super) fn seconds(text: &[u8]) -> Option<u64> {
    let (units, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &text[..0]),
    };
    if memchr::memchr2(b'e', b'E', fraction).is_some()
        || memchr::memchr2(b'e', b'E', units).is_some()
    {
        let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        // The cast saturates; NaN becomes zero, which is no sensible time.
        return Some((number * 1000.0) as u64);
    }
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |place: usize| {
        fraction
            .get(place)
            .map_or(0, |digit| u64::from(digit - b'0'))
    };
    whole(units)?
        .checked_mul(1000)?
        .checked_add(digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// `2019-10-01 00:00:00 UTC`, and anything that [`iso8601`] reads.
pub(super) fn utc(text: &[u8]) -> Option<u64> {
    fixed_width(text).or_else(|| iso8601(text))
}

/// ISO 8601 with an offset, or without one, which then is UTC; `T` or a space before the hour.
pub(super) fn iso8601(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.contains('[') {
        return None;
    }
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => {
            let civil: DateTime = text.parse().ok()?;
            civil.to_zoned(TimeZone::UTC).ok()?.timestamp()
        }
    };
    u64::try_from(timestamp.as_millisecond()).ok()
}

fn fixed_width(text: &[u8]) -> Option<u64> {
    let text: &[u8; 23] = text.try_into().ok()?;
    let marks = (text[4], text[7], text[10], text[13], text[16]);
    if marks != (b'-', b'-', b' ', b':', b':') || &text[19..] != b" UTC" {
        return None;
    }
    let (year, month, day) = (
        whole(&text[..4])?,
        whole(&text[5..7])?,
        whole(&text[8..10])?,
    );
    let (hour, minute, second) = (
        whole(&text[11..13])?,
        whole(&text[14..16])?,
        whole(&text[17..19])?,
    );
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    if day > days_of_month(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_1970(year, month, day);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, with years that begin in March so that the leap day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days_in_years = year * 365 + year / 4 - year / 100 + year / 400;
    days_in_years + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_are_read_to_the_millisecond() {
        assert_eq!(seconds(b"1396437466.94"), Some(1_396_437_466_940));
        assert_eq!(seconds(b"1396438212.318"), Some(1_396_438_212_318));
        assert_eq!(seconds(b"1396438212.3189"), Some(1_396_438_212_318));
        assert_eq!(seconds(b"1592337718.0"), Some(1_592_337_718_000));
        assert_eq!(seconds(b"1511848894"), Some(1_511_848_894_000));
        assert_eq!(seconds(b"1.592337718e9"), Some(1_592_337_718_000));
        for wrong in ["", ".", "x", "-1", "1.2.3", "1.x", "99999999999999999999"] {
            assert_eq!(seconds(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn milliseconds_are_whole_numbers() {
        assert_eq!(millis(b"1569888000000"), Some(1_569_888_000_000));
        for wrong in ["", "1.0", "+1", "-1", " 1", "1e3", "1234567890123456789"] {
            assert_eq!(millis(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn iso_8601_is_read_with_and_without_an_offset() {
        let expected = Some(1_396_867_869_277);
        assert_eq!(iso8601(b"2014-04-07T10:51:09.277Z"), expected);
        assert_eq!(iso8601(b"2014-04-07 12:51:09.277+02:00"), expected);
        assert_eq!(iso8601(b"2014-04-07 10:51:09.277"), expected);
        assert_eq!(iso8601(b"2014-04-07T10:51:09.277999Z"), expected);
        for wrong in [
            "",
            "yesterday",
            "2014-02-30T00:00:00Z",
            "1396867869",
            "2014-04-07T10:51:09[Europe/Berlin]",
        ] {
            assert_eq!(iso8601(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn the_fixed_width_reading_is_strict() {
        assert_eq!(utc(b"2019-10-01 00:00:00 UTC"), Some(1_569_888_000_000));
        assert_eq!(utc(b"2000-02-29 23:59:59 UTC"), Some(951_868_799_000));
        for wrong in [
            "2019-02-29 00:00:00 UTC",
            "2019-13-01 00:00:00 UTC",
            "2019-00-01 00:00:00 UTC",
            "2019-10-00 00:00:00 UTC",
            "2019-10-01 24:00:00 UTC",
            "2019-10-01 00:60:00 UTC",
            "2019-10-01 00:00:60 UTC",
            "2019-10-01 00:00:00 CET",
            "0000-10-01 00:00:00 UTC",
            "2019-10-0x 00:00:00 UTC",
        ] {
            assert_eq!(utc(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        /// Whole numbers are those that the standard library reads.
        #[test]
        fn whole_numbers_agree(text in "[0-9]{1,20}|[0-9/:. +-]{1,20}", at in 0usize..20, byte in any::<u8>()) {
            let mut bytes = text.clone().into_bytes();
            let expected = |bytes: &[u8]| {
                let digits = bytes.len() <= 18 && bytes.iter().all(u8::is_ascii_digit);
                digits.then(|| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok()).flatten()
            };
            prop_assert_eq!(whole(&bytes), expected(&bytes));
            let at = at % bytes.len();
            bytes[at] = byte;
            prop_assert_eq!(whole(&bytes), expected(&bytes));
        }

        /// The direct arithmetic and jiff agree on every second from 1970 to 2100.
        #[test]
        fn fixed_width_agrees_with_jiff(second in 0i64..4_102_444_800) {
            let timestamp = Timestamp::from_second(second).unwrap();
            let text = timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
            prop_assert_eq!(fixed_width(text.as_bytes()), Some(second as u64 * 1000));
        }
    }
}
