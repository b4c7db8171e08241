//! Sizes as `simgpu` accepts them: a number of bytes with an optional binary unit.

const ACCEPTED: &str = "a whole number above 0 and then nothing or B (bytes), or K, M, G or T, also written KiB, MiB, \
                        GiB or TiB, each 1024 times the one before";

/// Reads a size in bytes.
///
/// # Errors
/// A text that names the value and what is accepted.
///
/// ```
/// assert_eq!(simulator::size::parse("2GiB"), Ok(2 << 30));
/// assert!(simulator::size::parse("2GB").is_err());
/// ```
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size; accepted is {ACCEPTED}");
    let text_trimmed = text.trim();
    let digits = text_trimmed.len() - text_trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text_trimmed.split_at(digits);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_powers_of_1024() {
        for (text, bytes) in
            [("1", 1), ("7b", 7), ("3k", 3 << 10), ("5 MiB", 5 << 20), ("4G", 4 << 30), ("2tib", 2 << 40)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in ["", "0", "g", "-1", "1.5g", "12q", "5gg", "80GB", "99999999999999999999", "20000000T"] {
            let message = parse(text).expect_err(text);
            assert!(message.contains(&format!("'{text}'")) && message.contains("accepted"), "{message}");
        }
    }
}
