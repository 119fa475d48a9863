//! What the generator takes of the machine that it runs on.

use super::clock::{suspended_us, wall_offset_us};
use crate::ledger::GeneratorFigures;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use std::path::{Path, PathBuf};

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
    seen: Seen,
    throttled_in: Vec<PathBuf>,
    /// CPU time of the process before the run, in µs.
    cpu_before_us: u64,
    figures: GeneratorFigures,
}

/// What the system said at one look.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    suspended_us: u64,
    throttled: u64,
    wall_offset_us: Option<i64>,
    exhausted: u64,
}

/// A wall clock is slewed by less in a second; more is a step.
const SLEWED_US: u64 = 5_000;
/// Sleep that two reads of two clocks may show without one.
const ASLEEP_US: u64 = 1_000;

impl Machine {
    /// Begins to watch.
    pub fn watch() -> Self {
        let throttled_in = cgroup_folders();
        let seen = Seen::now(&throttled_in, 0);
        Self { seen, throttled_in, cpu_before_us: process_cpu_us(), figures: GeneratorFigures::default() }
    }

    /// Looks again; about once a second. `exhausted` is how many connections have
    /// failed so far for want of descriptors or ports.
    pub fn sample(&mut self, now_us: u64, exhausted: u64) {
        self.figures.descriptors = self.figures.descriptors.max(open_descriptors());
        self.figures.cpu_us = process_cpu_us().saturating_sub(self.cpu_before_us);
        self.figures.rss_bytes = peak_resident_bytes();
        self.note(Seen::now(&self.throttled_in, exhausted), now_us);
    }

    /// What has changed since the last look has happened in this second.
    fn note(&mut self, seen: Seen, now_us: u64) {
        let (before, figures) = (std::mem::replace(&mut self.seen, seen), &mut self.figures);
        let slept_us = seen.suspended_us.saturating_sub(before.suspended_us);
        if slept_us > ASLEEP_US {
            figures.suspended_us += slept_us;
            figures.bad.suspended.push(now_us);
        }
        if seen.throttled > before.throttled {
            figures.throttled += seen.throttled - before.throttled;
            figures.bad.throttled.push(now_us);
        }
        let offsets = seen.wall_offset_us.zip(before.wall_offset_us);
        let stepped_us = offsets.map_or(0, |(now, before)| now.abs_diff(before));
        if stepped_us > SLEWED_US {
            figures.stepped_us = figures.stepped_us.max(stepped_us);
            figures.bad.stepped.push(now_us);
        }
        if seen.exhausted > before.exhausted {
            figures.bad.exhausted.push(now_us);
        }
    }

    /// The figures so far.
    pub fn figures(&self) -> GeneratorFigures {
        self.figures.clone()
    }
}

impl Seen {
    fn now(throttled_in: &[PathBuf], exhausted: u64) -> Self {
        let throttled = throttled_in.iter().map(|folder| throttled(folder)).sum();
        Self { suspended_us: suspended_us(), throttled, wall_offset_us: wall_offset_us(), exhausted }
    }
}

fn process_cpu_us() -> u64 {
    let time_us = |time: nix::sys::time::TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| time_us(usage.user_time()) + time_us(usage.system_time()))
}

/// The largest resident memory of this program in bytes. `ru_maxrss` is that of
/// whatever the process was before `exec`, too: a build tool that started it, or
/// a shell.
fn peak_resident_bytes() -> u64 {
    let from_proc = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let usual = || getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss() as u64 * unit);
    from_proc().unwrap_or_else(usual)
}

fn open_descriptors() -> u64 {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    // Linux says how many there are as the folder's size since 6.2. To list ten
    // thousand of them takes milliseconds, each second.
    let said = std::fs::metadata(folder).map_or(0, |folder| if cfg!(target_os = "linux") { folder.len() } else { 0 });
    if said > 0 { said } else { listed(folder) }
}

/// How many entries a folder has.
fn listed(folder: &str) -> u64 {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// The cgroup of the process and those above it, as far as they can be seen: each
/// may hold it back.
fn cgroup_folders() -> Vec<PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    folders_of(&own, Path::new("/sys/fs/cgroup"))
}

/// The same, of the text of `/proc/self/cgroup`: the line of the unified
/// hierarchy, or that of the `cpu` controller.
fn folders_of(own: &str, root: &Path) -> Vec<PathBuf> {
    let line = |(controllers, below): (&str, &'static str)| {
        let path = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (names, path) = rest.split_once(':')?;
            names.split(',').any(|name| name == controllers).then_some(path)
        })?;
        Some((root.join(below), path.trim_start_matches('/').to_owned()))
    };
    // In a container the path may be that of the host, which is not there: the
    // root is the container's own then.
    let Some((root, path)) = [("cpu", "cpu"), ("", "")].into_iter().find_map(line) else {
        return vec![root.to_owned()];
    };
    let own = root.join(path);
    own.ancestors().take_while(|folder| folder.starts_with(&root)).map(Path::to_owned).collect()
}

/// How often a cgroup has held its processes back; 0 where it does not say.
fn throttled(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("cpu.stat")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_what_this_program_had() {
        let before = peak_resident_bytes();
        let touched = vec![1u8; 64 << 20];
        let after = peak_resident_bytes();
        assert!(after >= before && after >= touched.len() as u64, "{before} {after}");
    }

    #[test]
    fn descriptors_are_counted_as_they_are_listed() {
        let held: Vec<_> = (0..500).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        // Other tests open and close some meanwhile.
        let (counted, listed) = (open_descriptors(), listed("/dev/fd"));
        assert!(counted > 500 && counted.abs_diff(listed) < 200, "{counted} {listed}");
        drop(held);
    }

    fn noted(looks: &[Seen]) -> GeneratorFigures {
        let mut machine = Machine::watch();
        machine.seen = Seen { wall_offset_us: Some(0), ..Seen::default() };
        for (second, seen) in (1..).zip(looks) {
            machine.note(*seen, second * 1_000_000);
        }
        machine.figures
    }

    #[test]
    fn what_changes_between_two_looks_is_noted_with_its_second() {
        let fine = Seen { wall_offset_us: Some(0), ..Seen::default() };
        let quiet = noted(&[fine, Seen { wall_offset_us: Some(900), suspended_us: 20, ..fine }]);
        assert_eq!(quiet, GeneratorFigures::default(), "slewed, and read one behind the other");
        let figures = noted(&[
            fine,
            Seen { suspended_us: 2_000_000, ..fine },
            Seen { suspended_us: 2_000_000, throttled: 3, ..fine },
            Seen { suspended_us: 2_000_000, throttled: 3, wall_offset_us: Some(-60_000_000), exhausted: 0 },
            Seen { suspended_us: 2_000_000, throttled: 4, wall_offset_us: Some(-60_000_000), exhausted: 1 },
        ]);
        assert_eq!((figures.suspended_us, figures.throttled, figures.stepped_us), (2_000_000, 4, 60_000_000));
        let bad = &figures.bad;
        assert_eq!((&bad.suspended[..], &bad.throttled[..]), (&[2_000_000][..], &[3_000_000, 5_000_000][..]));
        assert_eq!((&bad.stepped[..], &bad.exhausted[..]), (&[4_000_000][..], &[5_000_000][..]));
    }

    #[test]
    fn a_process_is_held_back_by_its_cgroup_and_those_above() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("user.slice/run.scope");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("cpu.stat"), "usage_usec 5\nnr_periods 9\nnr_throttled 4\nthrottled_usec 7\n").unwrap();
        std::fs::write(root.path().join("user.slice/cpu.stat"), "nr_throttled 2\n").unwrap();
        let folders = folders_of("0::/user.slice/run.scope\n", root.path());
        assert_eq!(folders.len(), 3);
        assert_eq!(folders.iter().map(|folder| throttled(folder)).sum::<u64>(), 6);
        let first = folders_of("5:cpu,cpuacct:/a\n1:memory:/b\n", root.path());
        assert_eq!(first, [root.path().join("cpu/a"), root.path().join("cpu")], "the older hierarchy");
        assert_eq!(folders_of("", root.path()), [root.path()]);
    }
}
