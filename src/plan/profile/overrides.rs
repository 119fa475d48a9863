//! Values from the command line that replace those of a profile.

use super::{ProfileError, ProfilePlace};
use std::fmt;

/// One value that replaces the profile's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The key with its tables: `arrival.rate`. A number is a rank in an array:
    /// `arrival.phases.1.rate`.
    pub path: String,
    /// The value in TOML; what is no TOML is a string.
    pub value: String,
    /// The flag that it comes from: `--set`, `--users`.
    pub origin: String,
}

impl Override {
    /// The flag of every `a.b=c`.
    pub const SET: &str = "--set";

    /// An override of a flag that stands for one key: `--users` for
    /// `population.users`.
    pub fn flag(origin: &str, path: &str, value: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), value: value.to_string(), origin: origin.to_owned() }
    }

    /// Parses what follows `--set`: `a.b=c`.
    pub fn set(assignment: &str) -> Result<Self, ProfileError> {
        let parts = assignment.split_once('=').map(|(path, value)| (path.trim(), value.trim()));
        match parts {
            Some((path, value)) if path.split('.').all(|key| !key.trim().is_empty()) => {
                Ok(Self::flag(Self::SET, path, value))
            }
            _ => Err(ProfileError {
                at: ProfilePlace::Flag(format!("{} {assignment}", Self::SET)),
                message: "write KEY=VALUE, such as arrival.rate=500".to_owned(),
            }),
        }
    }
}

/// As typed.
impl fmt::Display for Override {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, origin } = self;
        if origin == Self::SET { write!(out, "{origin} {path}={value}") } else { write!(out, "{origin} {value}") }
    }
}
