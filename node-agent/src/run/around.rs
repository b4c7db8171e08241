//! The limits that are in force around a run, as the environment states them.

use shared_region::share::{self, Policy};
use shared_region::{size, switch};

use super::Environment;
use crate::variables::{MEMORY_LIMIT, OOM_KILLER, OVERSUBSCRIBE, POLICY, PRIORITY, SM_LIMIT, is_indexed};

/// A value, and the variable and text that set it (`NAME=VALUE`).
pub type Set<T> = Option<(T, String)>;

/// What the environment says.
#[derive(Debug, Default)]
pub struct Around {
    /// The smallest quota of any device in bytes; `None`: no limit.
    pub memory: Set<u64>,
    /// The smallest share of any device in hundredths of a percent; `None`: no limit.
    pub cores: Set<u16>,
    /// How that share is held.
    pub policy: Set<Policy>,
    /// Whose work goes first.
    pub priority: Set<u8>,
}

/// Keeps the smaller of two limits, of which 0 is none.
fn least<T: Copy + Ord + Default>(kept: &mut Set<T>, value: T, setting: String) {
    if value != T::default() && kept.as_ref().is_none_or(|(least, _)| value < *least) {
        *kept = Some((value, setting));
    }
}

impl Around {
    /// Reads all that the library would read, asked for here or not: it grants nothing under a value that it cannot read.
    ///
    /// # Errors
    /// The variable that cannot be read, its value, and what is accepted.
    pub fn read(inherited: &Environment) -> Result<Self, String> {
        let mut around = Self::default();
        for (name, value) in inherited {
            let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else { continue };
            if value.trim().is_empty() {
                continue; // empty means unset
            }
            around.note(name, &value).map_err(|accepted| {
                format!("{name}={value:?}, in force around this run, cannot be read: {accepted}; mend it or unset it")
            })?;
        }
        if around.policy.as_ref().is_some_and(|(policy, _)| *policy == Policy::Disabled) {
            around.cores = None;
        }
        Ok(around)
    }

    /// Takes notice of one variable.
    ///
    /// # Errors
    /// What is accepted.
    fn note(&mut self, name: &str, value: &str) -> Result<(), String> {
        let setting = || format!("{name}={value}");
        let is = |general| name == general || is_indexed(general, name);
        let not_a_share = |error: share::NotAShare| error.to_string();
        if is(MEMORY_LIMIT) {
            least(&mut self.memory, size::parse(value).map_err(|_| size::ACCEPTED)?, setting());
        } else if is(SM_LIMIT) {
            least(&mut self.cores, share::parse_percent(value).map_err(not_a_share)?, setting());
        } else if name == POLICY {
            self.policy = Some((share::parse_policy(value).map_err(not_a_share)?, setting()));
        } else if name == PRIORITY {
            self.priority = Some((share::parse_priority(value).map_err(not_a_share)?, setting()));
        } else if name == OVERSUBSCRIBE || name == OOM_KILLER {
            switch::parse(value).map_err(|_| switch::ACCEPTED)?;
        }
        Ok(())
    }

    /// The policy that holds if the run asks for none, and where that stands; `None` if no share is held.
    pub fn held(&self) -> Option<(Policy, &str)> {
        match (&self.policy, &self.cores) {
            (Some((Policy::Disabled, _)), _) => None,
            (Some((policy @ Policy::BestEffort, setting)), _) | (Some((policy, setting)), Some(_)) => {
                Some((*policy, setting))
            }
            (None, Some((_, setting))) => Some((Policy::FixedShare, setting)),
            _ => None,
        }
    }
}
