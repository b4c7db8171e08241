//! Sizes of memory as people write them.

/// What a size may look like, for error messages.
pub const ACCEPTED: &str = "accepted are bytes, or a number with k, m, g, t, Ki, Mi, Gi, Ti, KB, MB, GB, TB, KiB, \
    MiB, GiB or TiB, in any case, each a step of 1024, decimals allowed (4g, 1.5GiB, 80GB); 0 means no limit";

/// The text is not a size; [`ACCEPTED`] says what is one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a size: {ACCEPTED}")]
pub struct NotASize;

/// Reads a size in bytes. Every unit counts in steps of 1024: HAMi's K, M and G do, and an 80GB card has 80 GiB.
///
/// # Errors
/// [`NotASize`] for anything that is not a non-negative number with at most one unit, and for sizes past 2⁶⁴ − 1.
pub fn parse(text: &str) -> Result<u64, NotASize> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 10,
        "m" | "mb" | "mi" | "mib" => 20,
        "g" | "gb" | "gi" | "gib" => 30,
        "t" | "tb" | "ti" | "tib" => 40,
        _ => return Err(NotASize),
    };
    let (whole, fraction) = match number.split_once('.') {
        None => (number, ""),
        Some((whole, fraction)) => (whole, fraction),
    };
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(NotASize);
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| NotASize)? };
    let whole = whole.checked_mul(1 << shift).ok_or(NotASize)?;
    let bytes = whole.checked_add(fraction_of(fraction, shift)).ok_or(NotASize)?;
    // Less than a byte must not become 0, which means no limit.
    let is_zero = number.bytes().all(|digit| matches!(digit, b'0' | b'.'));
    if bytes == 0 && !is_zero { Err(NotASize) } else { Ok(bytes) }
}

/// `0.fraction` of `1 << shift`, rounded down; exact for as many digits as can matter.
fn fraction_of(fraction: &str, shift: u32) -> u64 {
    // 19 digits fit into 64 bits; further ones change the product by less than one byte of 2⁴⁰.
    let digits = &fraction[..fraction.len().min(19)];
    let numerator: u128 = digits.parse().unwrap_or(0); // empty: no fraction
    let denominator = 10_u128.pow(digits.len() as u32);
    ((numerator << shift) / denominator) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_four_gib() {
        for text in
            ["4g", "4G", "4096m", "4Gi", "4GiB", "4gb", " 4 g ", "4294967296", "4.0g", "0.00390625t", "4194304k"]
        {
            assert_eq!(parse(text), Ok(4 << 30), "{text}");
        }
        assert_eq!(parse("80GB"), Ok(80 << 30));
        assert_eq!(parse("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse(".5k"), Ok(512));
        for text in ["0", "0.0g", "000"] {
            assert_eq!(parse(text), Ok(0), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size() {
        for text in [
            "abc",
            "-1",
            "12q",
            "0.5",
            ".9b",
            "0.0001k",
            "5gg",
            "",
            ".",
            "1.2.3g",
            "g",
            "0x10",
            "1e9",
            "+4g",
            "4 g g",
            "99999999999g",
            "४g",
        ] {
            assert_eq!(parse(text), Err(NotASize), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}") {
            // Whether it is a size or not, it is answered.
            prop_assert!(parse(&text).is_ok() || parse(&text).is_err());
        }

        #[test]
        fn bytes_are_bytes(bytes: u64) {
            prop_assert_eq!(parse(&bytes.to_string()), Ok(bytes));
        }

        #[test]
        fn decimals_agree_with_whole_bytes(mib in 0..1_000_000_u64, thousandths in 0..1000_u64) {
            let expected = (mib << 20) + ((thousandths << 20) / 1000);
            prop_assert_eq!(parse(&format!("{mib}.{thousandths:03}MiB")), Ok(expected));
        }
    }
}
