//! Switches as people write them: one parser for the library and the commands that look at its environment.

/// What a switch may look like, for error messages.
pub const ACCEPTED: &str = "accepted are true, 1, false and 0, in any case";

/// The text is no switch.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{ACCEPTED}")]
pub struct NotASwitch;

/// Reads a switch.
///
/// # Errors
/// [`NotASwitch`], for any other word.
pub fn parse(text: &str) -> Result<bool, NotASwitch> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(NotASwitch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(["true", " TRUE ", "1"].map(parse), [Ok(true), Ok(true), Ok(true)]);
        assert_eq!(["false", "False\n", "0"].map(parse), [Ok(false), Ok(false), Ok(false)]);
        for text in ["", "yes", "on", "2", "01", "truee"] {
            assert_eq!(parse(text), Err(NotASwitch), "{text:?}");
        }
    }
}
