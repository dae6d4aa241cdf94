//! Amounts in fixed point: millionths of a unit, so that sums are exact in any order.

use std::fmt;

/// An amount in millionths (of a currency unit, a second, a page), or none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(i64);

/// Millionths in the last of so many places after the point.
const SCALES: [i64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MicrosError {
    /// Not a finite decimal number.
    #[error("not a number")]
    NotANumber,
    /// Below zero where only amounts from zero up make sense.
    #[error("negative")]
    Negative,
    /// At or above 10¹², the most an amount may be.
    #[error("too large")]
    TooLarge,
}

impl Micros {
    /// No amount given.
    pub const NONE: Micros = Micros(i64::MIN);
    /// Nothing.
    pub const ZERO: Micros = Micros(0);
    /// Millionths in a unit.
    pub const UNIT: i64 = 1_000_000;
    /// Amounts are below this many units.
    pub const UNITS_END: i64 = 1_000_000_000_000;

    /// An amount from its millionths.
    #[inline]
    pub const fn new(micros: i64) -> Micros {
        Micros(micros)
    }

    /// The millionths, if an amount was given.
    #[inline]
    pub const fn get(self) -> Option<i64> {
        if self.0 == i64::MIN {
            None
        } else {
            Some(self.0)
        }
    }

    /// The stored integer, with the one that stands for "none"; for codecs.
    #[inline]
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// Reads a decimal number from zero up, exactly to a millionth; further digits are cut off.
    /// Exponents are read too (`1e3`); `NaN`, infinities and anything that overflows are refused.
    pub fn parse(text: &[u8]) -> Result<Micros, MicrosError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let mut whole: i64 = 0;
        let mut fraction: i64 = 0;
        let mut places = 0usize;
        let mut seen = 0usize;
        let mut after_point = false;
        for &byte in digits {
            match byte {
                b'0'..=b'9' => {
                    seen += 1;
                    let digit = i64::from(byte - b'0');
                    if after_point {
                        if places < SCALES.len() - 1 {
                            fraction = fraction * 10 + digit;
                            places += 1;
                        }
                    } else {
                        whole = whole * 10 + digit;
                        if whole >= Micros::UNITS_END {
                            return Err(MicrosError::TooLarge);
                        }
                    }
                }
                b'.' if !after_point => after_point = true,
                b'e' | b'E' if seen > 0 => return Micros::parse_float(text),
                _ => return Err(MicrosError::NotANumber),
            }
        }
        if seen == 0 {
            return Err(MicrosError::NotANumber);
        }
        let micros = whole * Micros::UNIT + fraction * SCALES[places];
        if negative && micros != 0 {
            return Err(MicrosError::Negative);
        }
        Ok(Micros(micros))
    }

    /// The rare way, for numbers with an exponent.
    fn parse_float(text: &[u8]) -> Result<Micros, MicrosError> {
        let number: f64 = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(MicrosError::NotANumber)?;
        Micros::from_f64(number)
    }

    /// An amount from a float, rounded to the nearest millionth.
    pub fn from_f64(number: f64) -> Result<Micros, MicrosError> {
        if number.is_nan() {
            Err(MicrosError::NotANumber)
        } else if number < 0.0 {
            Err(MicrosError::Negative)
        } else if number >= Micros::UNITS_END as f64 {
            Err(MicrosError::TooLarge)
        } else {
            Ok(Micros((number * Micros::UNIT as f64).round() as i64))
        }
    }
}

impl Default for Micros {
    fn default() -> Self {
        Micros::NONE
    }
}

/// The shortest decimal that is exactly the amount; nothing where there is none.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(micros) = self.get() else {
            return Ok(());
        };
        let sign = if micros < 0 { "-" } else { "" };
        let (whole, fraction) = (
            micros.unsigned_abs() / 1_000_000,
            micros.unsigned_abs() % 1_000_000,
        );
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:06}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(_) => write!(f, "{self}"),
            None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let read = |text: &str| Micros::parse(text.as_bytes()).map(|m| m.to_string());
        assert_eq!(read("35.79").unwrap(), "35.79");
        assert_eq!(read("0.1").unwrap(), "0.1");
        assert_eq!(read("-0").unwrap(), "0");
        assert_eq!(read("1e3").unwrap(), "1000");
        assert_eq!(read(".5").unwrap(), "0.5");
        assert_eq!(read("7.").unwrap(), "7");
        assert_eq!(read("0.00000019").unwrap(), "0");
        assert_eq!(read("999999999999.999999").unwrap(), "999999999999.999999");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (text, error) in [
            ("", MicrosError::NotANumber),
            (".", MicrosError::NotANumber),
            ("NaN", MicrosError::NotANumber),
            ("inf", MicrosError::NotANumber),
            ("1.2.3", MicrosError::NotANumber),
            ("12,5", MicrosError::NotANumber),
            ("-3", MicrosError::Negative),
            ("1e400", MicrosError::TooLarge),
            ("1000000000000", MicrosError::TooLarge),
            ("99999999999999999999999", MicrosError::TooLarge),
        ] {
            assert_eq!(Micros::parse(text.as_bytes()), Err(error), "{text}");
        }
    }
}
