//! Durations as people write them: `500ms`, `30m`, `1h30m`, `90d`.

/// Reads a duration in milliseconds: whole numbers with the units `ms, s, m, h, d`, added up.
/// `0` needs no unit.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a duration; write it like 500ms, 30m, 1h30m or 90d");
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text.trim();
    let mut total = 0u64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit_ms = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        rest = rest[letters..].trim_start();
        total = number
            .checked_mul(unit_ms)
            .and_then(|ms| total.checked_add(ms))
            .filter(|&ms| ms <= DURATION_MS_MAX)
            .ok_or_else(|| {
                format!(
                    "`{text}` is longer than {} days",
                    DURATION_MS_MAX / 86_400_000
                )
            })?;
    }
    Ok(total)
}

/// A duration as it is read: `36h`, `1d`, `1500ms`; the greatest unit that leaves a whole number.
pub fn duration_text(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let whole = units
        .into_iter()
        .find(|(unit_ms, _)| ms > 0 && ms.is_multiple_of(*unit_ms));
    let (unit_ms, name) = whole.unwrap_or((1, "ms"));
    format!("{}{name}", ms / unit_ms)
}

/// Longest duration that is read: ten thousand days.
pub const DURATION_MS_MAX: u64 = 10_000 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration_ms("30m"), Ok(1_800_000));
        assert_eq!(parse_duration_ms("1h30m"), Ok(5_400_000));
        assert_eq!(parse_duration_ms("2s 5ms"), Ok(2_005));
        assert_eq!(parse_duration_ms("0"), Ok(0));
        for wrong in [
            "",
            "30",
            "m",
            "1.5h",
            "-3s",
            "3 weeks",
            "99999999999999999999s",
            "20000d",
        ] {
            assert!(parse_duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
