//! Amounts of memory as people write them: `64MB`, `1GB`, `512MiB`.

/// Reads an amount of memory in bytes: a whole number with a unit. `kB, MB, GB` are powers of a
/// thousand, `KiB, MiB, GiB` of 1024; case does not matter.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is not an amount of memory; write it like 64MB or 1GB");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        assert_eq!(parse_bytes("64MB"), Ok(64_000_000));
        assert_eq!(parse_bytes("1 gib"), Ok(1 << 30));
        for wrong in ["", "64", "MB", "-1MB", "1.5GB", "1TB", "99999999999999GB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
