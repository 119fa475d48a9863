//! `env.json`: what the run ran on. No path and no name of the machine is in
//! it.

use serde::{Deserialize, Serialize};
use std::fs;

/// The machine and the build, as far as they explain figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of posthaste.
    pub posthaste_version: String,
    /// Whether the build has no optimisation: its figures mean little.
    pub debug_build: bool,
    /// "linux", "macos".
    pub os: String,
    /// Release of the kernel, where it is known.
    pub kernel: Option<String>,
    /// "x86_64", "aarch64".
    pub architecture: String,
    /// Cores that this process may use.
    pub cpus: usize,
    /// The name of the processor, where it is known.
    pub cpu_model: Option<String>,
    /// Memory of the machine in bytes, where it is known.
    pub memory_bytes: Option<u64>,
}

impl Environment {
    /// Of the machine that this runs on.
    pub fn here() -> Self {
        let trimmed = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Self {
            posthaste_version: env!("CARGO_PKG_VERSION").to_owned(),
            debug_build: cfg!(debug_assertions),
            os: std::env::consts::OS.to_owned(),
            kernel: trimmed("/proc/sys/kernel/osrelease"),
            architecture: std::env::consts::ARCH.to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            cpu_model: trimmed("/proc/cpuinfo").and_then(|text| field(&text, "model name")),
            memory_bytes: trimmed("/proc/meminfo").and_then(|text| memory_bytes(&text)),
        }
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = field(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formats_of_proc_are_read() {
        assert_eq!(memory_bytes("MemTotal:       16315412 kB\nMemFree: 1 kB\n"), Some(16_315_412 * 1_024));
        assert_eq!(memory_bytes("MemFree: 1 kB"), None);
        assert_eq!(field("processor\t: 0\nmodel name\t: A: B\n", "model name").as_deref(), Some("A: B"));
        assert!(Environment::here().cpus > 0);
    }
}
