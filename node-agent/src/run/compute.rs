//! The share of compute asked for, against the one that is in force already.

use shared_region::share::{self, Policy};

use super::Environment;
use super::around::Around;
use crate::variables::{POLICY, PRIORITY, SM_LIMIT, is_indexed};

/// What is asked for, and what is to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Hundredths of a percent of each device; 0: no limit.
    pub cores: Option<u16>,
    /// How it is held.
    pub policy: Option<Policy>,
    /// Whose work goes first.
    pub priority: Option<u8>,
}

/// Reads `--cores`.
pub fn parse_cores(text: &str) -> Result<u16, String> {
    share::parse_percent(text).map_err(|error| error.to_string())
}

/// Reads `--policy`.
pub fn parse_policy(text: &str) -> Result<Policy, String> {
    share::parse_policy(text).map_err(|error| error.to_string())
}

/// Reads `--priority`.
pub fn parse_priority(text: &str) -> Result<u8, String> {
    share::parse_priority(text).map_err(|error| error.to_string())
}

/// Whether somebody held by `around` is held as well by `asked`.
fn is_within(asked: Policy, around: Policy) -> bool {
    match around {
        Policy::FixedShare => asked == Policy::FixedShare,
        Policy::BurstShare => asked != Policy::Disabled,
        Policy::BestEffort => asked == Policy::BestEffort,
        Policy::Disabled => true,
    }
}

impl Share {
    /// Whether anything is asked for.
    pub fn is_asked(self) -> bool {
        self != Self::default()
    }

    /// Puts what is asked for into the environment.
    pub fn limit(self, environment: &mut Environment) {
        if let Some(cores) = self.cores {
            environment.retain(|name, _| !name.to_str().is_some_and(|name| is_indexed(SM_LIMIT, name)));
            environment.insert(SM_LIMIT.into(), percent(cores).into());
        }
        if let Some(policy) = self.policy {
            environment.insert(POLICY.into(), policy.name().into());
        }
        if let Some(priority) = self.priority {
            environment.insert(PRIORITY.into(), priority.to_string().into());
        }
    }

    /// Refuses a wish that goes beyond what the environment holds already, or that would have no effect. Limits of single
    /// devices count for all, since those asked for will be on all.
    ///
    /// # Errors
    /// What is asked for, what is in force, and where that stands.
    pub fn refuse_wider(self, around: &Around) -> Result<(), String> {
        if let (Some(asked), Some((cores, setting))) = (self.cores, &around.cores)
            && (asked == 0 || asked > *cores)
        {
            let asked = if asked == 0 { "0 or 100 (no limit)".to_owned() } else { percent(asked) };
            return Err(format!(
                "--cores {asked} is more than the limit around this run, {setting}; ask for at most that"
            ));
        }
        if let (Some(asked), Some((held, setting))) = (self.policy, around.held())
            && !is_within(asked, held)
        {
            return Err(format!(
                "--policy {} gives more than what holds around this run, {setting} ({})",
                asked.name(),
                held.name()
            ));
        }
        let priority = around.priority.as_ref().map(|(priority, setting)| (*priority, setting.as_str()));
        let priority = priority.or(around.held().map(|(_, setting)| (share::DEFAULT_PRIORITY, setting)));
        if let (Some(asked), Some((held, setting))) = (self.priority, priority)
            && asked < held
        {
            return Err(format!("--priority {asked} goes before what holds around this run: {held}, by {setting}"));
        }
        let disabled = match (self.policy, &around.policy) {
            (Some(Policy::Disabled), _) => Some("--policy disable"),
            (None, Some((Policy::Disabled, setting))) => Some(setting.as_str()),
            _ => None,
        };
        if let (Some(cores @ 1..), Some(setting)) = (self.cores, disabled) {
            let cores = percent(cores);
            return Err(format!("--cores {cores} has no effect under {setting}; ask for another policy by --policy"));
        }
        // A share of 100 is one as well: whoever writes it says that all of the device is meant, and there is nothing to hold.
        let has_share = self.cores.is_some() || around.cores.is_some();
        match self.policy {
            Some(policy @ (Policy::FixedShare | Policy::BurstShare)) if !has_share => {
                Err(format!("--policy {}: there is no share to hold; ask for one by --cores", policy.name()))
            }
            _ => Ok(()),
        }
    }
}

/// Hundredths of a percent as `--cores` takes them.
fn percent(hundredths: u16) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
