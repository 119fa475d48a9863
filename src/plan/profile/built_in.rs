//! The workloads that come with posthaste.

use crate::plan::near::nearest;

/// A workload that comes with posthaste.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// The name to run it under.
    pub name: &'static str,
    /// Its profile.
    pub text: &'static str,
}

impl BuiltIn {
    /// The file name that errors show.
    pub fn file(&self) -> String {
        format!("{}.toml", self.name)
    }

    /// The profile's `description`, on one line.
    pub fn description(&self) -> String {
        let document = self.text.parse::<toml::Table>().ok();
        let description = document.as_ref().and_then(|table| table.get("description")?.as_str());
        description.unwrap_or_default().to_owned()
    }
}

macro_rules! embedded {
    ($($name:literal),*) => {
        &[$(BuiltIn {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/workloads/", $name, ".toml")),
        }),*]
    };
}

const ALL: &[BuiltIn] =
    embedded!["quickstart", "steady", "spike", "churn", "matrix", "pair", "gate", "closed", "capacity", "probe"];

/// All of them; the first is what a run without a workload runs.
pub fn built_ins() -> &'static [BuiltIn] {
    ALL
}

/// The profile of a name.
pub fn built_in(name: &str) -> Option<&'static str> {
    ALL.iter().find(|one| one.name == name).map(|one| one.text)
}

/// The built-in of a name; the error says which name is near.
pub fn find_built_in(name: &str) -> Result<&'static BuiltIn, String> {
    ALL.iter().find(|one| one.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|one| one.name).collect();
        match nearest(name, names.iter().copied(), 1).first() {
            Some(near) => format!("unknown workload {name:?}; did you mean {near:?}?"),
            None => format!("unknown workload {name:?}; built in are {}; a file is a path", names.join(", ")),
        }
    })
}
