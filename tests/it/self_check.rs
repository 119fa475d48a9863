//! posthaste against a server whose latencies are known, and every reason to
//! withhold latencies that can be provoked from outside.
//!
//! The machine of a test may be busy, which delays what is measured and never
//! hastens it: medians are held against the server's own stamps from below, and
//! from above with room for a busy machine. `posthaste check --self` has the
//! tight bounds.

use assert_cmd::Command;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use posthaste::engine::Stop;
use posthaste::judge::self_check::SelfCheck;
use posthaste::study::self_check::{Bench, Extent};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_posthaste");
/// What the null server promises.
pub const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/study/self_check/null.toml");

fn check(extent: &Extent) -> SelfCheck {
    let folder = TempDir::new().unwrap();
    let (_stopper, stop) = tokio::sync::watch::channel(Stop::No);
    let bench =
        Bench { program: PROGRAM.into(), workers: 1, descriptors: 1_000, folder: folder.path(), stop, told: &|_| {} };
    bench.check(extent, None).unwrap()
}

fn small() -> Extent {
    Extent {
        delays: [0, 10, 100].map(Duration::from_millis).into(),
        loads: vec![(300.0, 20)],
        length: Duration::from_millis(700),
        stall: (Duration::from_millis(800), Duration::from_secs(4)),
        stall_rate: 400.0,
        rungs: vec![100.0],
    }
}

/// Only what a busy machine cannot be to blame for.
fn wrong_with(found: &SelfCheck) -> Option<String> {
    for row in &found.accuracy {
        let delay_us = row.delay_us;
        // A histogram of three digits is exact to a thousandth.
        let is_possible = row.truth_us as f64 >= delay_us as f64 * 0.999
            && row.reported_us as f64 >= row.truth_us as f64 * 0.998
            && row.error_us < 20_000
            && (200..=210).contains(&row.samples) | (row.latency == "delivery" && row.samples >= 1_000);
        if !is_possible {
            return Some(format!("{row:?}"));
        }
    }
    let stall = &found.stall;
    let is_seen = stall.passed && stall.service_p99_us < stall.ack_p99_us / 2;
    (!is_seen).then(|| format!("{stall:?}"))
}

/// A user who waits and is woken for nothing would take a whole core.
#[test]
fn whoever_waits_takes_no_time() {
    let here = TempDir::new().unwrap();
    let null = Null::start(&[]);
    let summary = summary_of(&run(here.path(), &null, &[]).output().unwrap());
    let share = summary["generator"]["workers"][0]["cpu_fraction"].as_f64().unwrap();
    assert!((0.001..0.5).contains(&share), "{share}");
}

#[test]
fn known_delays_and_a_known_stall_are_reported_as_they_were() {
    let mut wrong = None;
    for _ in 0..4 {
        let found = check(&small());
        assert_eq!(found.accuracy.len(), 6, "two latencies under each delay");
        wrong = wrong_with(&found);
        if wrong.is_none() {
            return;
        }
    }
    panic!("four times in a row: {}", wrong.unwrap());
}

/// A null server of the test's own.
pub struct Null {
    child: Child,
    pub url: String,
}

impl Null {
    pub fn start(args: &[&str]) -> Self {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["serve", "--null", "--port", "0", "--exit-with-stdin"]).args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url }
    }

    /// Ends it, and waits for what it writes then.
    pub fn end(&mut self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Null {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run(here: &Path, null: &Null, set: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["run", "pair", "--target", TARGET, "--url", &null.url, "--quiet", "--json", "--workers", "1"]);
    command.args(["--users", "40", "--duration", "2s"]);
    for value in [&["arrival.warm_up=0s", "drain.quiet=50ms"], set].concat() {
        command.args(["--set", value]);
    }
    command.current_dir(here).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn summary_of(output: &std::process::Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr));
    })
}

fn reasons(summary: &Value) -> Vec<String> {
    let reasons = summary["measurement"]["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
}

/// The run's latencies are withheld for a reason with these words, stand there
/// all the same, and decide about no threshold.
fn is_withheld(summary: &Value, words: &str) {
    let found = reasons(summary);
    assert!(found.iter().any(|reason| reason.contains(words)), "{words}: {found:?}");
    assert_eq!(summary["measurement"]["valid"], false);
    assert_eq!(summary["latency_us"]["ack"]["withheld"], true);
    assert!(summary["latency_us"]["ack"]["p50"].is_u64());
    for threshold in summary["thresholds"].as_array().unwrap() {
        if threshold["expr"].as_str().unwrap().starts_with("ack") {
            assert_eq!(threshold["passed"], Value::Null, "{threshold}");
        }
    }
}

const THRESHOLDS: &str = r#"thresholds=["ack.p50 < 10s"]"#;

#[test]
fn limits_of_the_workload_withhold_latencies() {
    let (here, null) = (TempDir::new().unwrap(), Null::start(&[]));
    for (limit, words) in
        [("measurement.canary_late=1us", "worker 0 stalled"), ("measurement.worker_cpu_share=0.0001", "worker 0 used")]
    {
        let output = run(here.path(), &null, &[limit, THRESHOLDS, "measurement.self_check=false"]).output().unwrap();
        let summary = summary_of(&output);
        is_withheld(&summary, words);
        assert!(reasons(&summary).iter().any(|reason| reason.contains("(seconds ")), "{:?}", reasons(&summary));
        assert_eq!(output.status.code(), Some(3), "no latency, and one was asked for");
    }
}

#[test]
fn a_generator_that_is_stopped_again_and_again_does_not_believe_itself() {
    let (here, null) = (TempDir::new().unwrap(), Null::start(&[]));
    let child = run(here.path(), &null, &[THRESHOLDS, "measurement.self_check=false", "arrival.duration=4s"]);
    let mut child = { child }.spawn().unwrap();
    let (pid, began) = (Pid::from_raw(child.id() as i32), Instant::now());
    // From the start to the end of it, so that the load is met.
    while began.elapsed() < Duration::from_secs(10) && child.try_wait().unwrap().is_none() {
        kill(pid, Signal::SIGSTOP).unwrap();
        std::thread::sleep(Duration::from_millis(60));
        kill(pid, Signal::SIGCONT).unwrap();
        std::thread::sleep(Duration::from_millis(150));
    }
    let summary = summary_of(&child.wait_with_output().unwrap());
    is_withheld(&summary, "worker 0 stalled");
    is_withheld(&summary, "sends left late");
}

#[test]
fn want_of_descriptors_is_the_generators_fault() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: there is no prlimit (Debian: util-linux)");
        return;
    }
    let (here, null) = (TempDir::new().unwrap(), Null::start(&[]));
    let churn = ["churn.share_per_minute=\"3000%\"", "churn.away={min=\"50ms\",max=\"100ms\"}"];
    let set = [&[THRESHOLDS, "measurement.self_check=false", "arrival.duration=3s"][..], &churn].concat();
    let mut child = run(here.path(), &null, &set).spawn().unwrap();
    // Once everybody is connected, nobody else gets a descriptor.
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", child.id())).map_or(0, Iterator::count);
    let until = Instant::now() + Duration::from_secs(30);
    while descriptors() < 50 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, "--nofile=30:30"]).output().unwrap();
    assert!(limited.status.success(), "{limited:?}");
    // Its files must be written in the end.
    std::thread::sleep(Duration::from_millis(1_500));
    let hard = Command::new("prlimit").args(["--pid", &pid, "--nofile=1000:1000"]).output().unwrap();
    if !hard.status.success() {
        println!("skipped: the limit cannot be raised again without privileges");
        let _ = child.kill();
        let _ = child.wait();
        return;
    }
    let summary = summary_of(&child.wait_with_output().unwrap());
    is_withheld(&summary, "connections failed for want of descriptors or ports");
    assert_eq!(summary["ledger"]["rejected"], 0, "never an error of the target");
    assert_eq!(summary["ledger"]["unknown"], 0);
}

#[test]
fn messages_that_never_left_are_too_many() {
    let (here, null) = (TempDir::new().unwrap(), Null::start(&["--ack-delay", "200ms"]));
    let set = [THRESHOLDS, "measurement.self_check=false", "population.senders=1", "drain.deadline=1s"];
    let summary = summary_of(&run(here.path(), &null, &set).output().unwrap());
    is_withheld(&summary, "intended messages never left");
}

#[test]
fn a_run_checks_itself_before_it_begins_where_a_latency_decides() {
    let (here, null) = (TempDir::new().unwrap(), Null::start(&[]));
    let checked = summary_of(&run(here.path(), &null, &[THRESHOLDS]).output().unwrap());
    let check = &checked["generator"]["self_check"];
    assert!(check["passed"].is_boolean(), "{check}");
    let rows = check["accuracy"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["latency"].as_str().unwrap()).collect::<Vec<_>>(), ["ack", "delivery"]);
    for row in rows {
        let (truth, reported) = (row["truth_us"].as_u64().unwrap(), row["reported_us"].as_u64().unwrap());
        assert!(truth >= 9_990 && reported as f64 >= truth as f64 * 0.998, "{row}");
        assert!((0..200_000).contains(&row["error_us"].as_i64().unwrap()), "{row}");
    }
    // The run itself is no longer for it, and its CPU time is its own.
    assert!(checked["rates"]["load_s"].as_f64().unwrap() < 3.0);
    let because = |summary: &Value| summary["generator"]["self_check"]["skipped_because"].clone();
    let short = summary_of(&run(here.path(), &null, &[]).output().unwrap());
    assert!(because(&short).as_str().is_some_and(|words| words.contains("no threshold")), "{}", because(&short));
    let asked = summary_of(&run(here.path(), &null, &[THRESHOLDS]).arg("--no-self-check").output().unwrap());
    assert_eq!(because(&asked), "--no-self-check");
}

#[test]
fn the_null_server_stamps_what_it_did() {
    let here = TempDir::new().unwrap();
    let stamps = here.path().join("stamps.json");
    let mut null = Null::start(&["--push-delay", "5ms", "--stamps", stamps.to_str().unwrap()]);
    let summary = summary_of(&run(here.path(), &null, &["measurement.self_check=false"]).output().unwrap());
    drop(null.child.stdin.take());
    assert!(null.child.wait().unwrap().success());
    let stamped: Value = serde_json::from_str(&std::fs::read_to_string(stamps).unwrap()).unwrap();
    assert_eq!(stamped["ack"]["count"], summary["ledger"]["acknowledged"]);
    assert_eq!(stamped["push"]["count"], summary["ledger"]["live_deliveries"]);
    assert!(stamped["push"]["p50_us"].as_u64().unwrap() >= 5_000, "{stamped}");
    assert!(stamped["ack"]["p50_us"].as_u64().unwrap() < 5_000, "{stamped}");
}

#[test]
fn behind_a_proxy_that_ends_tls_its_sockets_are_wss() {
    for (args, scheme) in [(&[][..], "ws"), (&["--behind-tls"], "wss")] {
        let null = Null::start(args);
        let address = null.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request = format!("POST /api/rtm.connect HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = [0; 1024];
        let length = std::io::Read::read(&mut stream, &mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.contains(&format!("\"{scheme}://{address}/rtm?")), "{answer}");
    }
}
