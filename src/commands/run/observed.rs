//! What the target's process uses during a run: read ten times a second, and
//! summed up between two moments of the run.

use crate::engine::Trust;
use crate::faults::SharedProcess;
use crate::ledger::TargetFigures;
use crate::plan::Observe;
use nix::unistd::Pid;
use std::iter::Sum;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(100);
/// A query costs the one who answers it.
const QUERY_PERIOD: Duration = Duration::from_secs(1);

/// One number needs no more.
const MOST_ANSWERED: usize = 1 << 20;

/// Where the figures are read.
pub enum Source {
    /// The server that posthaste started, in one process or several.
    BuiltIn(Vec<SharedProcess>),
    /// What the workload names; a query over TLS believes these authorities.
    Named(Observe, Trust),
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time so far in µs.
    pub cpu_us: u64,
    /// Resident memory in bytes.
    pub rss_bytes: Option<u64>,
}

/// The moments of a run between which it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Connects,
    Loads,
    Ends,
}

/// An observation that is under way.
pub struct Observed {
    moments: Sender<(Moment, Instant)>,
    watching: JoinHandle<TargetFigures>,
}

impl Observed {
    /// Begins to observe.
    pub fn begin(source: Source) -> std::io::Result<Self> {
        let (moments, told) = channel();
        let watching = std::thread::Builder::new().name("observe".to_owned()).spawn(move || watch(&source, &told))?;
        Ok(Self { moments, watching })
    }

    /// The run enters a phase.
    pub fn phase(&self, name: &str) {
        let moment = match name {
            "connect" => Moment::Connects,
            "load" => Moment::Loads,
            "final read" | "end" => Moment::Ends,
            _ => return,
        };
        // A watcher that is gone shows when it is joined.
        let _ = self.moments.send((moment, Instant::now()));
    }

    /// Ends, and sums up.
    pub fn end(self) -> TargetFigures {
        drop(self.moments);
        let failed = |_| TargetFigures {
            failure: Some("the observation ended in a panic".to_owned()),
            ..TargetFigures::default()
        };
        self.watching.join().unwrap_or_else(failed)
    }
}

fn watch(source: &Source, told: &Receiver<(Moment, Instant)>) -> TargetFigures {
    let period = if matches!(source, Source::Named(Observe::Prometheus(_), _)) { QUERY_PERIOD } else { PERIOD };
    let mut readings: Vec<(Instant, Usage)> = Vec::new();
    let mut moments: Vec<(Moment, Instant)> = Vec::new();
    let mut failure = None;
    let mut reader = Reader { source, seen: Vec::new(), past_us: 0, replaced: 0 };
    loop {
        match reader.read() {
            Ok(usage) => readings.push((Instant::now(), usage)),
            Err(why) => failure = Some(why),
        }
        match told.recv_timeout(period) {
            Ok(moment) if moments.iter().all(|(before, _)| *before != moment.0) => moments.push(moment),
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // What follows is the reading of its history, and no part of the load.
        if moments.iter().any(|(moment, _)| *moment == Moment::Ends) && failure.is_none() {
            if let Ok(usage) = reader.read() {
                readings.push((Instant::now(), usage));
            }
            break;
        }
    }
    sum_up(reader.name(), &readings, &moments, failure)
}

/// Reads a source time and again. What a process of the built-in server used
/// stays counted when another takes its place.
struct Reader<'a> {
    source: &'a Source,
    /// Of each process: its number, and its CPU time at the last reading.
    seen: Vec<(u32, u64)>,
    /// CPU time of those that were replaced, in µs.
    past_us: u64,
    replaced: usize,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Usage, String> {
        let Source::BuiltIn(processes) = self.source else { return self.source.read() };
        let now = processes.iter().map(|process| {
            let id = id(process);
            tree(id).map(|usage| (id, usage))
        });
        let now = now.collect::<Result<Vec<_>, _>>()?;
        for ((id, _), (before, cpu_us)) in now.iter().zip(&self.seen) {
            if id != before {
                self.past_us += cpu_us;
                self.replaced += 1;
            }
        }
        self.seen = now.iter().map(|(id, usage)| (*id, usage.cpu_us)).collect();
        let sum: Usage = now.into_iter().map(|(_, usage)| usage).sum();
        Ok(Usage { cpu_us: sum.cpu_us + self.past_us, ..sum })
    }

    fn name(&self) -> String {
        match (self.source.name(), self.replaced) {
            (name, 0) => name,
            (name, many) => format!("{name}, {many} replaced (up to {} ms of each not counted)", PERIOD.as_millis()),
        }
    }
}

fn sum_up(
    source: String,
    readings: &[(Instant, Usage)],
    moments: &[(Moment, Instant)],
    failure: Option<String>,
) -> TargetFigures {
    let at = |wanted| moments.iter().find(|(moment, _)| *moment == wanted).map(|(_, at)| *at);
    let unknown =
        |why: String| TargetFigures { source: source.clone(), failure: Some(why), ..TargetFigures::default() };
    let (Some(loads), Some(ends)) = (at(Moment::Loads), at(Moment::Ends)) else {
        return unknown(failure.unwrap_or_else(|| "the run ended early".to_owned()));
    };
    if let Some(why) = failure {
        return unknown(why);
    }
    if readings.windows(2).any(|pair| pair[1].1.cpu_us < pair[0].1.cpu_us) {
        return unknown("the process was replaced during the run".to_owned());
    }
    let (Some(from_us), Some(to_us)) = (cpu_at(readings, loads), cpu_at(readings, ends)) else {
        return unknown("it was not read often enough".to_owned());
    };
    let before = |limit: Option<Instant>| {
        let limit = limit?;
        readings.iter().take_while(|(at, _)| *at <= limit).last()?.1.rss_bytes
    };
    TargetFigures {
        window_us: ends.duration_since(loads).as_micros() as u64,
        cpu_us: to_us.saturating_sub(from_us),
        rss_before_bytes: before(at(Moment::Connects)),
        rss_connected_bytes: before(Some(loads)),
        rss_max_bytes: readings.iter().filter_map(|(_, usage)| usage.rss_bytes).max(),
        failure: None,
        source,
    }
}

/// The CPU time at an instant, on the line between the readings around it.
fn cpu_at(readings: &[(Instant, Usage)], instant: Instant) -> Option<u64> {
    let after = readings.iter().position(|(at, _)| *at >= instant)?;
    let (later_at, later) = readings[after];
    let Some((earlier_at, earlier)) = after.checked_sub(1).map(|rank| readings[rank]) else {
        return Some(later.cpu_us);
    };
    let share = instant.duration_since(earlier_at).as_secs_f64() / later_at.duration_since(earlier_at).as_secs_f64();
    Some(earlier.cpu_us + (later.cpu_us.saturating_sub(earlier.cpu_us) as f64 * share) as u64)
}

impl Source {
    /// What it is, in words.
    pub fn name(&self) -> String {
        match self {
            Source::BuiltIn(processes) => {
                let pids: Vec<String> = processes.iter().map(|process| id(process).to_string()).collect();
                let plural = if pids.len() == 1 { "process" } else { "processes" };
                format!("the built-in server, {plural} {}", pids.join(", "))
            }
            Source::Named(Observe::Pid(pid), _) => format!("process {pid} and its children"),
            Source::Named(Observe::Cgroup(path), _) => format!("cgroup {path}"),
            Source::Named(Observe::Prometheus(query), _) => format!("Prometheus {query}"),
        }
    }

    /// What it used so far.
    pub fn read(&self) -> Result<Usage, String> {
        match self {
            Source::BuiltIn(processes) => processes.iter().map(|process| tree(id(process))).sum(),
            Source::Named(Observe::Pid(pid), _) => tree(*pid),
            Source::Named(Observe::Cgroup(path), _) => cgroup(Path::new(path)),
            Source::Named(Observe::Prometheus(query), trust) => prometheus(query, trust),
        }
    }
}

fn id(process: &SharedProcess) -> u32 {
    process.lock().unwrap_or_else(PoisonError::into_inner).id()
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let nothing = Self { cpu_us: 0, rss_bytes: Some(0) };
        all.fold(nothing, |sum, more| Self {
            cpu_us: sum.cpu_us + more.cpu_us,
            rss_bytes: sum.rss_bytes.zip(more.rss_bytes).map(|(sum, more)| sum + more),
        })
    }
}

/// A process and all its children that live.
fn tree(root: u32) -> Result<Usage, String> {
    let own = process(root).ok_or_else(|| format!("process {root} cannot be observed (--observe pid={root})"))?;
    let mut all = vec![own];
    let mut pending = children(root);
    while let Some(pid) = pending.pop() {
        pending.extend(children(pid));
        // One that ended meanwhile is no more.
        all.extend(process(pid));
    }
    Ok(all.into_iter().sum())
}

fn process(pid: u32) -> Option<Usage> {
    Some(Usage { cpu_us: cpu_us(pid)?, rss_bytes: rss_bytes(pid) })
}

#[cfg(target_os = "linux")]
fn cpu_us(pid: u32) -> Option<u64> {
    let clock = nix::time::ClockId::pid_cpu_clock_id(Pid::from_raw(pid as i32)).ok()?;
    clock.now().ok().map(|time| Duration::from(time).as_micros() as u64)
}

#[cfg(not(target_os = "linux"))]
fn cpu_us(_: u32) -> Option<u64> {
    None
}

fn rss_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1_024)
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let files = tasks.flatten().map(|task| task.path().join("children"));
    let lists = files.filter_map(|file| std::fs::read_to_string(file).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn cgroup(folder: &Path) -> Result<Usage, String> {
    let read = |name: &str| {
        let path: PathBuf = folder.join(name);
        std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {} (--observe cgroup=…): {error}", path.display()))
    };
    let stat = read("cpu.stat")?;
    let cpu = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok());
    Ok(Usage {
        cpu_us: cpu.ok_or("cpu.stat has no usage_usec: not a cgroup of version 2 (--observe cgroup=…)")?,
        // The root cgroup has none.
        rss_bytes: read("memory.current").ok().and_then(|text| text.trim().parse().ok()),
    })
}

/// The value of an instant query: one sample, whose second half is a number as
/// text.
fn prometheus(query: &str, trust: &Trust) -> Result<Usage, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("the query {query} (--observe prometheus=…): {why}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| cannot(&why))?;
    let answer = runtime.block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(trust.client_config())
            .timeout(Duration::from_secs(5))
            .build()?;
        let mut answer = client.get(query).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await?.filter(|_| body.len() <= MOST_ANSWERED) {
            body.extend_from_slice(&chunk);
        }
        Ok::<_, reqwest::Error>(body)
    });
    let answer = answer.map_err(|why| cannot(&why))?;
    let answer: serde_json::Value = serde_json::from_slice(&answer).map_err(|why| cannot(&why))?;
    let result = &answer["data"]["result"];
    let value = match answer["data"]["resultType"].as_str() {
        Some("scalar") => &result[1],
        _ if result.as_array().is_some_and(|samples| samples.len() == 1) => &result[0]["value"][1],
        _ => return Err(cannot(&"it must give exactly one sample; sum() makes one of many")),
    };
    let seconds: Option<f64> = value.as_str().and_then(|text| text.parse().ok());
    let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    Ok(Usage {
        cpu_us: (seconds.ok_or_else(|| cannot(&"its value is no number of seconds"))? * 1e6) as u64,
        rss_bytes: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(start: Instant, at_ms: u64, cpu_us: u64) -> (Instant, Usage) {
        (start + Duration::from_millis(at_ms), Usage { cpu_us, rss_bytes: Some(at_ms) })
    }

    #[test]
    fn the_time_between_two_moments_counts() {
        let start = Instant::now();
        let readings = [(0, 0), (100, 1_000), (200, 2_000), (300, 6_000), (400, 6_000)];
        let readings = readings.map(|(at_ms, cpu_us)| reading(start, at_ms, cpu_us));
        let at = |at_ms| start + Duration::from_millis(at_ms);
        let moments = [(Moment::Connects, at(50)), (Moment::Loads, at(150)), (Moment::Ends, at(350))];
        let figures = sum_up("x".to_owned(), &readings, &moments, None);
        assert_eq!((figures.window_us, figures.cpu_us), (200_000, 4_500));
        assert_eq!((figures.rss_before_bytes, figures.rss_connected_bytes), (Some(0), Some(100)));
        let replaced = [readings[1], readings[0]].map(|(_, usage)| usage);
        let replaced = [(at(0), replaced[0]), (at(400), replaced[1])];
        assert!(sum_up("x".to_owned(), &replaced, &moments, None).failure.unwrap().contains("replaced"));
        assert!(sum_up("x".to_owned(), &readings, &moments[..1], None).failure.unwrap().contains("early"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_is_read_with_its_children() {
        let own = tree(std::process::id()).unwrap();
        assert!(own.rss_bytes.unwrap() > 1_000_000);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let with_child = tree(std::process::id()).unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        assert!(with_child.cpu_us >= own.cpu_us);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree(child.id()).unwrap_err().contains("--observe pid="));
    }

    /// Answers one request with a body, as a server that closes.
    fn answering(body: &str) -> String {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1/query?query=x", listener.local_addr().unwrap());
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4_096]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn a_query_gives_seconds_or_says_why_not() {
        let vector = |samples: &str| format!(r#"{{"data":{{"resultType":"vector","result":[{samples}]}}}}"#);
        let one = r#"{"metric":{},"value":[1790000000.1,"12.5"]}"#;
        let read = |body: &str| prometheus(&answering(body), &Trust::default());
        assert_eq!(read(&vector(one)), Ok(Usage { cpu_us: 12_500_000, rss_bytes: None }));
        assert_eq!(read(r#"{"data":{"resultType":"scalar","result":[1,"0.25"]}}"#).unwrap().cpu_us, 250_000);
        for (body, said) in [
            (vector(""), "exactly one sample"),
            (vector(&format!("{one},{one}")), "exactly one sample"),
            (vector(r#"{"value":[1,"NaN"]}"#), "no number of seconds"),
            ("<html>".to_owned(), "--observe prometheus="),
        ] {
            let error = read(&body).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_is_no_cgroup_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(cgroup(folder.path()).unwrap_err().contains("cpu.stat"));
        std::fs::write(folder.path().join("cpu.stat"), "usage_usec 1234\nuser_usec 1\n").unwrap();
        assert_eq!(cgroup(folder.path()), Ok(Usage { cpu_us: 1_234, rss_bytes: None }));
        std::fs::write(folder.path().join("memory.current"), "4096\n").unwrap();
        assert_eq!(cgroup(folder.path()).unwrap().rss_bytes, Some(4_096));
    }
}
