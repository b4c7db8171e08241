//! Sizes as `simgpu` accepts them: a number of bytes with an optional unit.

const ACCEPTED: &str = "a number above 0 (decimals allowed), of bytes or of a unit: K, M, G or T, also written as Ki, KB \
                        or KiB, in any case, each 1024 times the one before, such as 16GiB, 80gb or 1.5g; at least 1 byte, \
                        less than 2^64";

/// Reads a size in bytes, rounded down to whole ones. `GB` is the same as `GiB`, as in the names of devices: an 80GB card
/// has 80 GiB.
///
/// # Errors
/// A text that names the value and what is accepted.
///
/// ```
/// assert_eq!(simulator::size::parse("2GiB"), Ok(2 << 30));
/// assert_eq!(simulator::size::parse("1.5g"), Ok(3 << 29));
/// assert!(simulator::size::parse("2 apples").is_err());
/// ```
pub fn parse(text: &str) -> Result<u64, String> {
    bytes(text.trim()).ok_or_else(|| format!("'{text}' is not a size; accepted is {ACCEPTED}"))
}

fn bytes(text: &str) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = unit(&text[number.len()..])?;
    let (whole, decimals) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), "0"));
    // `parse` would take a sign as well.
    if whole.is_empty() || decimals.is_empty() || !whole.chars().chain(decimals.chars()).all(|c| c.is_ascii_digit()) {
        return None;
    }
    // In steps of the last decimal; who writes more decimals than fit has mistyped.
    let decimals = decimals.trim_end_matches('0');
    let steps: u128 = format!("{whole}{decimals}").parse().ok()?;
    let steps_in_one = 10_u128.checked_pow(decimals.len().try_into().ok()?)?;
    let bytes = steps.checked_mul(unit)? / steps_in_one;
    u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
}

/// Bytes in one unit.
fn unit(name: &str) -> Option<u128> {
    let name = name.to_ascii_lowercase();
    if matches!(&*name, "" | "b") {
        return Some(1);
    }
    let (prefix, rest) = name.split_at(1);
    let power = 1 + "kmgt".find(prefix)?;
    matches!(rest, "" | "i" | "b" | "ib").then(|| 1 << (10 * power))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_powers_of_1024_however_written() {
        for (power, letter) in ["k", "m", "g", "t"].into_iter().enumerate() {
            for rest in ["", "i", "b", "ib", "I", "B", "iB", "IB"] {
                for letter in [letter.to_owned(), letter.to_uppercase()] {
                    let text = format!("3{letter}{rest}");
                    assert_eq!(parse(&text), Ok(3 << (10 * (power + 1))), "{text}");
                }
            }
        }
        for (text, bytes) in [("1", 1), ("7b", 7), ("8B", 8), (" 5 MiB ", 5 << 20), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn decimals_count_down_to_the_byte() {
        for (text, bytes) in [
            ("1.5GiB", 3 << 29),
            ("16.0g", 16 << 30),
            ("0.25k", 256),
            ("2.500000000000000000000000000000000000000000K", 2560),
            ("1.3k", 1331),
            ("0.001k", 1),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let mistyped = "0 0.0g 0.0001k 0.5 g GiB . .5g 5.g 1.2.3g 1,5g -1 +4g 1e9 0x10 12q 5gg 5bi 5ibb ४g";
        let too_large = ["99999999999999999999", "20000000T", "18446744073709551616"];
        for text in mistyped.split(' ').chain(too_large).chain(["", "4 g g"]) {
            let message = parse(text).expect_err(text);
            assert!(message.contains(&format!("'{text}'")) && message.contains("accepted"), "{message}");
        }
    }
}
