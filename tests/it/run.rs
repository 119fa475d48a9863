//! Whole runs: the real binary, its real server, real sockets and a real
//! database.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A short run: the figures of a whole one.
const SHORT: &[&str] =
    &["--users", "60", "--duration", "2s", "--set", "arrival.warm_up=500ms", "--set", "connect.rate=2000"];

/// A run that has ended.
pub struct Run {
    folder: TempDir,
    pub code: i32,
    pub summary: Value,
    pub stderr: String,
}

impl Run {
    pub fn new(args: &[&str]) -> Self {
        Self::with(&[], args)
    }

    /// With environment variables.
    pub fn with(variables: &[(&str, &str)], args: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("defects.ndjson");
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
        command.arg("run").args(args).args(["--json", "--results"]).arg(folder.path().join("results"));
        command.envs(variables.iter().copied());
        if args.contains(&"--defect") {
            command.arg("--defect-log").arg(&log);
        }
        let output = command.timeout(Duration::from_secs(120)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let summary = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Self { folder, code: output.status.code().unwrap_or(-1), summary, stderr }
    }

    pub fn short(args: &[&str]) -> Self {
        Self::new(&[SHORT, args].concat())
    }

    pub fn defects(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("defects.ndjson")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["defect"] == name).collect()
    }

    pub fn finding(&self, name: &str) -> u64 {
        self.summary["findings"][name]["count"].as_u64().unwrap_or_else(|| panic!("no finding {name}: {}", self.stderr))
    }

    pub fn ledger(&self, name: &str) -> u64 {
        self.summary["ledger"][name].as_u64().unwrap()
    }

    /// Every finding of class zero is zero but for the expected ones.
    pub fn only(&self, expected: &[&str]) {
        for (name, finding) in self.summary["findings"].as_object().unwrap() {
            if finding["class"] == "zero" {
                let found = finding["count"].as_u64().unwrap() > 0;
                assert_eq!(found, expected.contains(&name.as_str()), "{name}: {finding}");
            }
        }
    }

    pub fn adds_up(&self) {
        let sum = |parts: &[&str]| parts.iter().map(|part| self.ledger(part)).sum::<u64>();
        assert_eq!(self.ledger("intended"), sum(&["acknowledged", "rejected", "unknown", "written", "unattempted"]));
        let obtained = sum(&["live_deliveries", "healed", "unhealed", "unresolved"]);
        assert_eq!(self.ledger("entitled_deliveries"), obtained);
        assert!(self.ledger("intended") > 100, "{}", self.summary["ledger"]);
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("results/latest")
    }
}

fn posthaste(args: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_posthaste")).args(args).timeout(Duration::from_secs(60)).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_clean_run_passes_heals_everybody_and_can_be_judged_again() {
    let run = Run::short(&["--set", "churn.share_per_minute=10"]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (0, Some("pass")), "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    assert_eq!(run.ledger("stored"), run.ledger("acknowledged") + run.finding("unknown_stored"));
    assert!(run.ledger("healed") > 0, "some subscriber was away");
    assert_eq!((run.ledger("unhealed"), run.ledger("unresolved")), (0, 0));
    for file in [
        "summary.json",
        "summary.md",
        "summary.txt",
        "intervals.csv",
        "findings.csv",
        "latency.hlog",
        "plan.toml",
        "events.ndjson",
        "report.html",
        "junit.xml",
        "bench.json",
        "../history.csv",
    ] {
        assert!(fs::metadata(run.folder().join(file)).is_ok_and(|file| file.len() > 0), "{file}");
    }
    let (code, again, _) = posthaste(&["report", "--json", run.folder().to_str().unwrap()]);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), run.summary, "judged again from the files");
    let (_, text, _) = posthaste(&["report", run.folder().to_str().unwrap()]);
    let kept = fs::read_to_string(run.folder().join("summary.txt")).unwrap();
    assert_eq!(text.lines().take(12).collect::<Vec<_>>(), kept.lines().take(12).collect::<Vec<_>>());
}

#[test]
fn dropped_pushes_are_missed_exactly_and_all_heal() {
    let run = Run::short(&["--set", "churn.share_per_minute=0", "--defect", "drop-live=50"]);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    let dropped = run.defects("drop-live").len() as u64;
    assert!(dropped > 20, "{dropped}");
    assert_eq!((run.finding("live_missed"), run.ledger("healed"), run.ledger("unhealed")), (dropped, dropped, 0));
}

#[test]
fn lost_acknowledged_messages_are_counted_exactly() {
    let run = Run::short(&["--defect", "ack-before-persist=100"]);
    assert_eq!(run.code, 97, "{}", run.stderr);
    run.only(&["acked_lost"]);
    let lost = run.defects("ack-before-persist").len() as u64;
    assert!(lost > 1);
    assert_eq!(run.finding("acked_lost"), lost);
    let junit = fs::read_to_string(run.folder().join("junit.xml")).unwrap();
    assert!(junit.contains(&format!("<failure message=\"{lost} of ")), "{junit}");
    let (code, annotations, _) = posthaste(&["report", run.folder().to_str().unwrap(), "--format", "github"]);
    assert_eq!(code, 97);
    assert!(annotations.starts_with(&format!("::error title=posthaste acked_lost::{lost} of ")), "{annotations}");
}

#[test]
fn duplicates_need_a_retry_and_a_server_without_dedup() {
    let run = Run::short(&["--defect", "no-dedup", "--lose-ack", "50"]);
    assert_eq!(run.code, 97, "{}", run.stderr);
    run.only(&["store_duplicates"]);
    let stored_again = run.defects("no-dedup").len() as u64;
    assert!(stored_again > 1);
    assert_eq!(run.finding("store_duplicates"), stored_again);

    let control = Run::short(&["--lose-ack", "50"]);
    assert_eq!(control.code, 0, "{}\n{:#}", control.stderr, control.summary);
    assert!(control.ledger("retries") > 1, "answers were lost");
    control.only(&[]);
}

/// Lost acknowledgements are retried under the same key, dropped pushes heal by
/// the echoed key or the text, and the server's own log shows what it was told.
#[test]
fn a_target_is_told_the_keys_in_the_format_of_its_profile() {
    let folder = TempDir::new().unwrap();
    let (_, reference, _) = posthaste(&["profiles", "reference"]);
    let digits = |id: &str, length, radix| id.len() == length && id.chars().all(|digit| digit.is_digit(radix));
    for (format, shaped) in [
        ("uuid4-shaped", &(|id: &str| id.len() == 36 && &id[14..15] == "4") as &dyn Fn(&str) -> bool),
        ("hex", &|id| digits(id, 32, 16)),
        ("base36", &|id| digits(id, 24, 36)),
        ("hash", &|id| id.parse::<i64>().is_ok_and(|number| number >= 0)),
    ] {
        let profile = folder.path().join(format!("{format}.toml"));
        fs::write(&profile, reference.replace("format = \"uuid8\"", &format!("format = \"{format}\""))).unwrap();
        let profile = profile.to_str().unwrap();
        let run = Run::short(&["--target", profile, "--defect", "drop-live=50", "--lose-ack", "50"]);
        assert_eq!(run.code, 0, "{format}: {}\n{:#}", run.stderr, run.summary);
        run.only(&[]);
        run.adds_up();
        assert!(run.ledger("retries") > 0 && run.ledger("healed") > 0, "{format}: {}", run.summary["ledger"]);
        let dropped = run.defects("drop-live");
        let told = |line: &Value| shaped(line["client_msg_id"].as_str().unwrap());
        assert!(!dropped.is_empty() && dropped.iter().all(told), "{format}: {dropped:?}");
    }
}

#[test]
fn a_cursor_that_skips_leaves_messages_unhealed() {
    let pages =
        ["--set", "catch_up.page_size=10", "--set", "churn.share_per_minute=10", "--set", "drain.page_sizes=[20,13]"];
    let run = Run::short(&[&pages[..], &["--defect", "cursor-skip"]].concat());
    assert_eq!(run.code, 97, "{}", run.stderr);
    run.only(&["unhealed", "page_anomaly"]);

    let control = Run::short(&pages);
    assert_eq!(control.code, 0, "{}\n{:#}", control.stderr, control.summary);
    assert!(control.ledger("healed") > 100, "many pages were read: {:#}", control.summary["ledger"]);
    control.only(&[]);
}

#[test]
fn a_push_without_a_store_is_a_phantom() {
    let run = Run::short(&["--set", "send.attempts=2", "--defect", "fanout-before-persist=100"]);
    assert_eq!(run.code, 97, "{}\n{:#}", run.stderr, run.summary["correctness"]);
    run.only(&["phantom"]);
    let mut keys: Vec<String> =
        run.defects("fanout-before-persist").iter().map(|line| line["client_msg_id"].to_string()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(run.finding("phantom"), keys.len() as u64);
}

#[test]
fn bad_input_says_what_to_do_and_sends_nothing() {
    let folder = TempDir::new().unwrap();
    let profile = folder.path().join("bad.toml");
    fs::write(&profile, "[population]\nusers = 5\n[arrival]\nrate = 1\nduration = \"1s\"\nrat = 5\n").unwrap();
    let profile = profile.to_str().unwrap();
    for (args, code, words) in [
        (vec!["run", profile], 2, "bad.toml:6:1: unknown key \"rat\""),
        (vec!["run", "quikstart"], 2, "did you mean \"quickstart\""),
        (vec!["run", "--set", "send.attempts=none"], 2, "send.attempts"),
        (vec!["run", "--set", "thresholds=[\"ack.p98 < 1ms\"]"], 2, "ack.p99"),
        (vec!["run", "--url", "http://8.8.8.8:80"], 2, "--allow-host"),
        (vec!["run", "--url", "http://127.0.0.1:1", "--defect", "drop-live"], 2, "--url"),
        (vec!["run", "--defect", "drop-lives"], 2, "did you mean \"drop-live\""),
        (vec!["run", "--users", "3000000", "--set", "population.members=2"], 2, "descriptors"),
    ] {
        let mut args = args;
        let results = folder.path().join("results");
        args.extend(["--quiet", "--results", results.to_str().unwrap()]);
        let (found, out, error) = posthaste(&args);
        assert_eq!(found, code, "{args:?}: {out}{error}");
        assert!(error.contains(words), "{args:?}: {error}");
    }
}

#[test]
fn a_target_that_is_not_there_is_named_at_once() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let began = Instant::now();
    let run = Run::new(&["--url", &url]);
    assert_eq!(run.code, 5, "{}", run.stderr);
    assert!(run.stderr.contains(&url) && began.elapsed() < Duration::from_secs(10), "{}", run.stderr);
}

#[test]
fn a_target_that_answers_garbage_ends_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    let run = Run::new(&["--url", &url]);
    assert_eq!(run.code, 5, "{}", run.stderr);
    assert!(run.stderr.contains("no Slack answer"), "{}", run.stderr);
}

/// A run in the background.
fn start(results: &Path, args: &[&str]) -> Child {
    std::process::Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["run", "--quiet", "--users", "60", "--duration", "60s", "--results"])
        .arg(results)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < until, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), name).unwrap();
}

#[test]
fn the_first_signal_drains_and_judges() {
    let folder = TempDir::new().unwrap();
    let mut child = start(folder.path(), &[]);
    let intervals = folder.path().join("latest/intervals.csv");
    wait_for(|| fs::read_to_string(&intervals).is_ok_and(|text| text.contains(",ack,")));
    signal(&child, nix::sys::signal::Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let text = fs::read(folder.path().join("latest/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((summary["interrupted"].as_bool(), summary["exit_code"].as_u64()), (Some(true), Some(130)));
    assert_eq!(summary["ledger"]["unresolved"], 0, "it was drained");
    assert!(summary["ledger"]["stored"].as_u64().unwrap() > 0);
}

#[test]
fn a_killed_run_can_be_reported_and_its_server_is_gone() {
    let folder = TempDir::new().unwrap();
    let mut child = start(folder.path(), &[]);
    let latest = folder.path().join("latest");
    wait_for(|| {
        fs::read_dir(latest.join("ledger"))
            .is_ok_and(|files| files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("shard")))
    });
    let record: Value = serde_json::from_slice(&fs::read(latest.join("ledger/record.json")).unwrap()).unwrap();
    let server = record["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, out, error) = posthaste(&["report", "--json", latest.to_str().unwrap()]);
    let summary: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{error}"));
    assert_eq!((code, summary["verdict"].as_str()), (3, Some("inconclusive")));
    assert!(summary["ledger"]["acknowledged"].as_u64().unwrap() > 0);
    wait_for(|| std::net::TcpStream::connect(&server).is_err());
}

#[test]
fn what_is_only_told_sends_nothing() {
    let folder = TempDir::new().unwrap();
    let results = folder.path().join("results");
    let (code, text, stderr) = posthaste(&["run", "gate", "--explain", "--results", results.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert!(text.contains("send about 4,000 messages") && text.contains("blackhole for 3 s"), "{text}");
    assert!(!results.exists(), "nothing ran");
    let (code, text, _) = posthaste(&["completions", "bash"]);
    assert!(code == 0 && text.contains("complete -F _posthaste") && text.contains("--annotations"), "{text}");
    let pages = folder.path().join("man");
    let (code, text, _) = posthaste(&["man", "--dir", pages.to_str().unwrap()]);
    assert!(code == 0 && text.is_empty());
    assert!(fs::read_to_string(pages.join("posthaste-compare.1")).unwrap().contains("compare \\-\\-pairs"));
}

#[test]
fn metrics_are_served_while_a_run_goes_on() {
    let folder = TempDir::new().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["run", "--prometheus", "127.0.0.1:0", "--quiet", "--results"])
        .arg(folder.path())
        .args(SHORT)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let said = lines.next().unwrap().unwrap();
    let address = said.strip_prefix("posthaste: metrics at http://").unwrap().strip_suffix("/metrics").unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    let text = loop {
        let mut text = String::new();
        let asked = std::net::TcpStream::connect(address).and_then(|mut socket| {
            socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            socket.read_to_string(&mut text)
        });
        assert!(Instant::now() < until && asked.is_ok(), "{asked:?} {text}");
        if text.contains("posthaste_latency_seconds_count{kind=\"delivery\"}") {
            break text;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let count = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(count("posthaste_intended_messages_total") >= count("posthaste_messages_total{state=\"acknowledged\"}"));
    assert!(count("posthaste_deliveries_total") > 0 && count("posthaste_subscribers") == 60, "{text}");
    assert!(child.wait().unwrap().success());

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, stderr) = posthaste(&["run", "--prometheus", &address, "--results", folder.path().to_str().unwrap()]);
    assert!(code == 2 && stderr.contains("cannot listen there: Address already in use"), "{code} {stderr}");
}
