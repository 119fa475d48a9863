//! What tells how much the target's own process uses.

use serde::{Deserialize, Serialize};

/// Where the CPU time and the memory of the target are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observe {
    /// A process of this machine, with its children.
    Pid(u32),
    /// A cgroup of this machine (v2): the path of its folder.
    Cgroup(String),
    /// The address of a Prometheus instant query whose value is the CPU time
    /// that was used so far, in seconds.
    Prometheus(String),
}

impl Observe {
    /// The keys of the section `observe`, one of which it has.
    pub const KEYS: [&str; 3] = ["pid", "cgroup", "prometheus"];
}
