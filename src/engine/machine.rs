//! What the generator takes of the machine that it runs on.

use super::clock::suspended_us;
use crate::ledger::GeneratorFigures;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};

/// Raises the soft limit of descriptors to the hard one and returns it.
pub fn raise_descriptor_limit() -> u64 {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // macOS refuses an infinite soft limit; the old one then stays.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    available_descriptors()
}

/// The soft limit of descriptors.
pub fn available_descriptors() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(256, |(soft, _)| soft)
}

/// Ports that the system gives to connections, from each source address towards
/// each (address, port) of a target.
pub fn available_ports() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ends: Vec<u64> = text.split_whitespace().filter_map(|end| end.parse().ok()).collect();
    match ends[..] {
        [first, last] if first <= last => last - first + 1,
        // What the registry sets aside for it (RFC 6335).
        _ => 16_384,
    }
}

/// Watches the machine's figures over a run.
pub struct Machine {
    suspended_before_us: u64,
    throttled_before: u64,
    figures: GeneratorFigures,
}

impl Machine {
    /// Begins to watch.
    pub fn watch() -> Self {
        Self {
            suspended_before_us: suspended_us(),
            throttled_before: throttled(),
            figures: GeneratorFigures::default(),
        }
    }

    /// Looks again; about once a second.
    pub fn sample(&mut self) {
        self.figures.descriptors = self.figures.descriptors.max(open_descriptors());
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let time_us = |time: nix::sys::time::TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
            self.figures.cpu_us = time_us(usage.user_time()) + time_us(usage.system_time());
            let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
            self.figures.rss_bytes = peak_resident_bytes().unwrap_or(usage.max_rss() as u64 * unit);
        }
        self.figures.suspended_us = suspended_us().saturating_sub(self.suspended_before_us);
        self.figures.throttled = throttled().saturating_sub(self.throttled_before);
    }

    /// The figures so far.
    pub fn figures(&self) -> GeneratorFigures {
        self.figures.clone()
    }
}

/// The largest resident memory of this program. `ru_maxrss` is that of whatever
/// the process was before `exec`, too: a build tool that started it, or a shell.
fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn open_descriptors() -> u64 {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    std::fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// How often the cgroup has held the process back; 0 where there is none.
fn throttled() -> u64 {
    let text = std::fs::read_to_string("/sys/fs/cgroup/cpu.stat").unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_what_this_program_had() {
        let before = peak_resident_bytes().unwrap();
        let touched = vec![1u8; 64 << 20];
        let after = peak_resident_bytes().unwrap();
        assert!(after >= before && after >= touched.len() as u64, "{before} {after}");
    }
}
