//! Shares of compute as people write them: one parser for the library and the commands that set its limits.

/// How a tenant's share of a device is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Policy {
    /// Never more than the share, even while nobody else wants the device.
    #[default]
    FixedShare = 0,
    /// At least the share; more while nobody else wants the device.
    BurstShare = 1,
    /// What the others leave.
    BestEffort = 2,
    /// Compute is not limited.
    Disabled = 3,
}

impl Policy {
    /// The policy that has this number.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::FixedShare, Self::BurstShare, Self::BestEffort, Self::Disabled]
            .into_iter()
            .find(|one| *one as u8 == number)
    }

    /// Its name, as [`parse_policy`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FixedShare => "fixed-share",
            Self::BurstShare => "burst-share",
            Self::BestEffort => "best-effort",
            Self::Disabled => "disable",
        }
    }
}

/// What a percentage may look like, for error messages.
pub const ACCEPTED_PERCENT: &str =
    "accepted is a number of percent with at most two decimals (30, 12.5); 0, and 100 or more, mean no limit";

/// A whole device, in hundredths of a percent.
pub const WHOLE: u16 = 10_000;

/// What a policy may look like, for error messages.
pub const ACCEPTED_POLICY: &str = "accepted are fixed-share (never more than the share; HAMi's default and force mean the \
    same), burst-share (more while nobody else wants the device), best-effort (what the others leave) and disable (no \
    limit), in any case";

/// What a priority may look like, for error messages.
pub const ACCEPTED_PRIORITY: &str =
    "accepted is a whole number from 0 to 9; 0 goes first, and 1 is what holds if none is given";

/// The greatest number of a priority: it goes last.
pub const LAST_PRIORITY: u8 = 9;

/// The priority of who asks for none, as in HAMi.
pub const DEFAULT_PRIORITY: u8 = 1;

/// The text is not what is asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAShare(&'static str);

/// Reads a share in percent of a device. Answers hundredths of a percent, from 1 to 9999; or 0: no limit.
///
/// # Errors
/// [`ACCEPTED_PERCENT`], for anything that is not a number from 0 up, and for more than two decimals.
pub fn parse_percent(text: &str) -> Result<u16, NotAShare> {
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) || decimals.len() > 2 {
        return Err(NotAShare(ACCEPTED_PERCENT));
    }
    let hundredths: u16 = format!("{decimals:0<2}").parse().unwrap_or(0);
    // What has more digits than fit is past 100 all the same.
    let sum = whole.parse::<u16>().ok().and_then(|percent| percent.checked_mul(100)?.checked_add(hundredths));
    Ok(sum.filter(|sum| *sum < WHOLE).unwrap_or(0))
}

/// Reads a policy, by HAMi's names or by ours.
///
/// # Errors
/// [`ACCEPTED_POLICY`], for any other word.
pub fn parse_policy(text: &str) -> Result<Policy, NotAShare> {
    match text.trim().to_ascii_lowercase().as_str() {
        "fixed-share" | "default" | "force" => Ok(Policy::FixedShare),
        "burst-share" => Ok(Policy::BurstShare),
        "best-effort" => Ok(Policy::BestEffort),
        "disable" => Ok(Policy::Disabled),
        _ => Err(NotAShare(ACCEPTED_POLICY)),
    }
}

/// Reads a priority: 0 goes first, [`LAST_PRIORITY`] last. HAMi knows 0 and 1.
///
/// # Errors
/// [`ACCEPTED_PRIORITY`], for anything else.
pub fn parse_priority(text: &str) -> Result<u8, NotAShare> {
    let digits = text.trim();
    let number = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    number.filter(|priority| *priority <= LAST_PRIORITY).ok_or(NotAShare(ACCEPTED_PRIORITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages() {
        let spellings = [
            ("30", 3000),
            (" 1 ", 100),
            ("99", 9900),
            ("12.5", 1250),
            ("0.01", 1),
            ("99.99", 9999),
            ("007", 700),
            ("0", 0),
            ("0.00", 0),
            ("100", 0),
            ("250", 0),
            ("700", 0),
            ("99999999999999999999", 0),
        ];
        for (text, percent) in spellings {
            assert_eq!(parse_percent(text), Ok(percent), "{text}");
        }
        for text in ["", " ", "-5", "+5", "50%", ".5", "5.", "0.001", "1.2.3", "x", "1e1"] {
            assert_eq!(parse_percent(text), Err(NotAShare(ACCEPTED_PERCENT)), "{text:?}");
        }
    }

    #[test]
    fn policies() {
        for policy in [Policy::FixedShare, Policy::BurstShare, Policy::BestEffort, Policy::Disabled] {
            assert_eq!(parse_policy(policy.name()), Ok(policy));
            assert_eq!(parse_policy(&format!(" {} ", policy.name().to_uppercase())), Ok(policy));
            assert_eq!(Policy::from_u8(policy as u8), Some(policy));
        }
        assert_eq!([parse_policy("FORCE"), parse_policy("Default")], [Ok(Policy::FixedShare), Ok(Policy::FixedShare)]);
        assert_eq!(Policy::from_u8(4), None);
        for text in ["", "fixed", "fixed share", "off", "0"] {
            assert_eq!(parse_policy(text), Err(NotAShare(ACCEPTED_POLICY)), "{text:?}");
        }
    }

    #[test]
    fn priorities() {
        assert_eq!(["0", "1", " 9 "].map(parse_priority), [Ok(0), Ok(1), Ok(9)]);
        for text in ["", "-1", "+1", "10", "256", "high", "0.5"] {
            assert_eq!(parse_priority(text), Err(NotAShare(ACCEPTED_PRIORITY)), "{text:?}");
        }
    }
}
