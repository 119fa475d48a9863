//! The file in which the captured values of a set-up are kept.

use super::EngineError;
use super::cast::{Cast, Person};
use crate::plan::RunPlan;
use crate::target::{Values, set};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// One line of the file in which captured values are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Which steps.
    pub what: String,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// The channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// What was captured, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

impl Line {
    /// What it is about.
    pub fn subject(&self) -> (String, Option<u32>, Option<u32>) {
        (self.what.clone(), self.user, self.channel)
    }
}

/// The file in which captured values are kept: tokens stand in it, so that it is
/// for its owner alone.
pub struct Kept {
    /// The 16 digits that stand in the names of the users and channels.
    pub names_id: String,
    lines: Vec<Line>,
    file: Mutex<File>,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    posthaste_setup: u32,
    target: String,
    names: String,
    users: u32,
    channels: u32,
    seed: u64,
}

impl Kept {
    /// Opens the file of an earlier run with the same target and the same users
    /// and channels, or begins one. An error is in words.
    pub fn open(path: &Path, plan: &RunPlan, url: &str, run_id: &str) -> Result<Self, String> {
        let in_words = |error: std::io::Error| format!("--setup {}: {error}", path.display());
        let head = Head {
            posthaste_setup: 1,
            target: format!("{} {url}", plan.target),
            names: run_id.to_owned(),
            users: plan.population.users,
            channels: plan.population.channels,
            seed: plan.seed,
        };
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o600).open(path).map_err(in_words)?;
        if is_new {
            let line = serde_json::to_string(&head).map_err(|error| error.to_string())?;
            writeln!(file, "{line}").map_err(in_words)?;
            return Ok(Self { names_id: head.names, lines: Vec::new(), file: Mutex::new(file) });
        }
        let text = std::fs::read_to_string(path).map_err(in_words)?;
        // A last line that was cut off is made again, and must not spoil the next.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(in_words)?;
        let mut lines = text[..whole].lines();
        let first = lines.next().unwrap_or_default();
        let found: Head = serde_json::from_str(first).map_err(|_| {
            format!("--setup {}: this is no file of an earlier set-up; name another one", path.display())
        })?;
        if (&found.target, found.users, found.channels, found.seed)
            != (&head.target, head.users, head.channels, head.seed)
        {
            return Err(format!(
                "--setup {}: it was made for {} with {} users, {} channels and seed {}; name another file, or remove it",
                path.display(),
                found.target,
                found.users,
                found.channels,
                found.seed
            ));
        }
        let read = |(rank, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| format!("--setup {}:{}: {error}", path.display(), rank + 2))
        };
        let kept = lines.enumerate().map(read).collect::<Result<Vec<Line>, _>>()?;
        Ok(Self { names_id: found.names, lines: kept, file: Mutex::new(file) })
    }

    /// What is done already.
    pub fn done(&self) -> HashSet<(String, Option<u32>, Option<u32>)> {
        self.lines.iter().map(Line::subject).collect()
    }

    /// Puts what is known already into a cast.
    pub fn fill(&self, cast: &mut Cast, plan: &RunPlan) {
        cast.users.resize_with(plan.population.users as usize, Person::default);
        cast.channels.resize_with(plan.population.channels as usize, Values::default);
        let names = cast.run.names.clone();
        let put = |names: &[String], values: &mut Values, line: &Line| {
            for (name, value) in &line.values {
                if let Some(slot) = names.iter().position(|known| known == name) {
                    set(values, slot as u16, value);
                }
            }
        };
        for line in &self.lines {
            match (line.user, line.channel) {
                (Some(user), None) => {
                    if let Some(person) = cast.users.get_mut(user as usize) {
                        put(&names.user, Arc::make_mut(&mut person.values), line);
                    }
                }
                (_, Some(channel)) => {
                    if let Some(values) = cast.channels.get_mut(channel as usize) {
                        put(&names.channel, values, line);
                    }
                }
                (None, None) => put(&names.run, &mut cast.run.captured, line),
            }
        }
    }

    /// Keeps one more.
    pub fn keep(&self, line: &Line) -> Result<(), EngineError> {
        let text = serde_json::to_string(line).map_err(|error| EngineError::Internal(error.to_string()))?;
        let mut file = self.file.lock().expect("nobody panics while holding it");
        writeln!(file, "{text}").map_err(EngineError::System)
    }
}
