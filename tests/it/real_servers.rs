//! Whole runs against real servers (`scripts/servers`), as a user makes them: a
//! built-in profile and a URL. What they do right passes, what they do not
//! promise is a figure, and what is wrong is found.

use crate::run::Run;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Many short absences; half of the connections are reset.
const LOAD: &[&str] = &[
    "quickstart",
    "--duration",
    "4s",
    "--set",
    "arrival.warm_up=500ms",
    "--set",
    "churn.share_per_minute=8",
    "--set",
    "churn.away={min=\"200ms\",max=\"1500ms\"}",
];
const THIRTY: &[&str] = &["--users", "30", "--rate", "40", "--set", "population.members={min=5,max=20}"];
/// For a server of a few dozen messages a second.
const TEN: &[&str] =
    &["--users", "10", "--rate", "8", "--set", "population.channels=3", "--set", "population.members={min=3,max=8}"];
const LOST_ACKS: &[&str] = &["--set", "send.attempts=6", "--set", "faults=[{kind=\"drop-ack\",at=\"0s\",share=0.15}]"];
const RESUMES: &[&str] = &["--set", "receive.design=rtm"];

/// A real server in a session of its own; it ends with its standard input.
struct Server {
    script: Child,
    input: Option<ChildStdin>,
    url: String,
    /// `None` where the script is the server.
    session: Option<u32>,
    folder: TempDir,
}

impl Server {
    /// Nothing where it cannot be had, which is said.
    fn start(name: &str, options: &[&str]) -> Option<Self> {
        let script = format!("scripts/servers/{name}");
        let installed = Command::new(&script).arg("--install-only").output().unwrap();
        let said = String::from_utf8_lossy(&installed.stdout);
        if let Some(skipped) = said.lines().find(|line| line.starts_with("skipped: ")) {
            println!("{skipped}");
            return None;
        }
        assert!(installed.status.success(), "{name}: {}", String::from_utf8_lossy(&installed.stderr));
        let folder = TempDir::new().unwrap();
        let mut script = Command::new(&script)
            .args(["run", "--port", "0"])
            .args(options)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.starts_with("skipped: ") {
            assert_eq!(script.wait().unwrap().code(), Some(77), "{name}: skipped, with the status that says so");
            println!("{}", line.trim());
            return None;
        }
        let url = line.trim().to_owned();
        assert!(url.starts_with("http://"), "{name} said {line:?}, and not its address");
        let session = processes().find(|process| process.parent == script.id() && process.session == process.id);
        let session = session.map(|process| process.id);
        Some(Self { input: script.stdin.take(), script, url, session, folder })
    }

    fn run(&self, size: &[&str], target: &str, more: &[&[&str]]) -> Run {
        let run = [LOAD, size, &["--target", target, "--url", &self.url], &more.concat()].concat();
        Run::with(&[("PUSHER_SECRET", "app-secret")], &run)
    }

    /// A built-in profile with something else in it.
    fn profile(&self, name: &str, changes: &[(&str, &str)]) -> String {
        let mut text = fs::read_to_string(format!("profiles/targets/{name}.toml")).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{name}.toml has no {from}");
            text = text.replace(from, to);
        }
        let path = self.folder.path().join("changed.toml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Ends it; no process of it is left.
    fn stop(mut self) {
        self.end();
        let until = Instant::now() + Duration::from_secs(5);
        while processes().any(|process| Some(process.session) == self.session) {
            assert!(Instant::now() < until, "a process of the server is left");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) {
        drop(self.input.take());
        let _ = self.script.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

struct Process {
    id: u32,
    parent: u32,
    session: u32,
}

fn processes() -> impl Iterator<Item = Process> {
    let read = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name stands in parentheses and may have anything in it; a zombie is gone.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let mut number = || fields.next()?.parse().ok();
        let (parent, _, session) = (number()?, number()?, number()?);
        (state != "Z").then_some(Process { id, parent, session })
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(read)
}

/// Nothing is wrong; what was acknowledged is stored, once for each message.
fn passes(run: &Run) {
    let found = format!("{}\n{}\n{:#}", run.stderr, run.summary["correctness"], run.summary["findings"]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (0, Some("pass")), "{found}");
    run.only(&[]);
    assert_eq!(run.ledger("stored"), run.ledger("acknowledged") + run.finding("unknown_stored"), "{found}");
    assert!(run.ledger("acknowledged") >= 20 && run.ledger("live_deliveries") > 0, "{}", run.summary["ledger"]);
    assert!(run.ledger("connections") > run.ledger("subscribers"), "some were away");
}

/// What was missed came from history.
fn heals(run: &Run) {
    assert!(run.ledger("healed") > 0, "{}", run.summary["ledger"]);
    assert_eq!((run.ledger("unhealed"), run.ledger("unresolved")), (0, 0));
}

/// What was missed came by itself.
fn resumes(run: &Run) {
    assert_eq!(run.ledger("live_deliveries"), run.ledger("entitled_deliveries"), "{}", run.summary["ledger"]);
    assert_eq!(run.ledger("catch_up_pages"), 0);
}

fn unchecked(run: &Run) -> Vec<&str> {
    let findings = run.summary["findings"].as_object().unwrap().iter();
    findings.filter(|(_, finding)| finding["checked"] == false).map(|(name, _)| name.as_str()).collect()
}

/// Beside what a workload without changes cannot show.
const NO_POSITIONS: &[&str] = &["stale_read", "live_reordered"];
const NO_MEMBERS: &[&str] = &["leaked"];

fn is_unchecked(run: &Run, expected: &[&[&str]]) {
    let mut expected = [&["edit_lost", "delete_resurrected", "orphan_reply"], &expected.concat()[..]].concat();
    let mut found = unchecked(run);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn nchan_heals_resumes_and_stores_what_is_retried_twice() {
    let Some(server) = Server::start("nchan", &["--buffer", "100000"]) else { return };
    let run = server.run(THIRTY, "nchan", &[LOST_ACKS]);
    passes(&run);
    heals(&run);
    is_unchecked(&run, &[NO_MEMBERS, NO_POSITIONS]);
    // A property of the target, which promises nothing else.
    let stored_again = &run.summary["findings"]["store_duplicates"];
    assert_eq!(stored_again["class"], "rate");
    assert!(stored_again["count"].as_u64().unwrap() > 0, "{stored_again}");
    assert_eq!(stored_again["count"], stored_again["split"]["retried"]);
    assert_eq!(stored_again["count"], run.ledger("retries"), "each retry is another message");

    let run = server.run(THIRTY, "nchan", &[RESUMES]);
    passes(&run);
    resumes(&run);
    server.stop();
}

#[test]
fn nchan_is_found_to_forget_and_to_know_no_keys() {
    let Some(server) = Server::start("nchan", &["--buffer", "10"]) else { return };
    let run = server.run(THIRTY, "nchan", &[]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (97, Some("fail")), "{}", run.stderr);
    run.only(&["acked_lost", "vanished"]);
    let kept = run.ledger("stored");
    assert!(kept <= 30, "three channels keep ten messages each: {kept}");
    assert_eq!(run.finding("acked_lost") + run.finding("vanished"), run.ledger("acknowledged") - kept);

    // Where that is declared, it cannot be told, and nothing is wrong.
    let declared = server.profile("nchan", &[("depth = 100000", "depth = 10")]);
    let run = server.run(THIRTY, &declared, &[]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (3, Some("inconclusive")), "{}", run.stderr);
    run.only(&[]);
    assert_eq!(run.finding("unverifiable"), run.ledger("acknowledged") - run.ledger("stored"));
    assert_eq!(run.ledger("unhealed"), 0, "who was away read all that was kept");

    let promised = server.profile("nchan", &[("depth = 100000", "depth = 10"), ("dedup = false", "dedup = true")]);
    let run = server.run(THIRTY, &promised, &[LOST_ACKS]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (97, Some("fail")), "{}", run.stderr);
    run.only(&["store_duplicates"]);
    server.stop();
}

#[test]
fn synapse_heals_knows_its_transactions_and_says_what_it_left_out() {
    let Some(server) = Server::start("synapse", &[]) else { return };
    let run = server.run(TEN, "matrix", &[LOST_ACKS]);
    passes(&run);
    heals(&run);
    is_unchecked(&run, &[NO_POSITIONS]);
    assert!(run.ledger("retries") > 0, "acknowledgements were lost: {}", run.summary["ledger"]);
    let duplicates = &run.summary["findings"]["store_duplicates"];
    assert_eq!((duplicates["class"].as_str(), duplicates["count"].as_u64()), (Some("zero"), Some(0)));

    // Where an answer has room for one message, "limited" tells of the others.
    let limited = server.profile("matrix", &[("\"limit\":100,", "\"limit\":1,")]);
    let run = server.run(TEN, &limited, &[RESUMES]);
    passes(&run);
    heals(&run);
    let healed = &run.summary["findings"]["healed"];
    assert!(healed["split"]["by_policy"].as_u64().unwrap() > 0, "at once, and not in the drain: {healed}");
    server.stop();
}

#[test]
fn synapse_stores_twice_what_has_another_transaction() {
    let Some(server) = Server::start("synapse", &[]) else { return };
    let forgetful = server.profile("matrix", &[("m.room.message/{{message.key}}", "m.room.message/{{random.uuid}}")]);
    let run = server.run(TEN, &forgetful, &[LOST_ACKS]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (97, Some("fail")), "{}", run.stderr);
    run.only(&["store_duplicates"]);
    assert_eq!(run.finding("store_duplicates"), run.ledger("retries"));
    server.stop();
}

#[test]
fn soketi_delivers_and_its_refusals_are_none() {
    let Some(server) = Server::start("soketi", &[]) else { return };
    let run = server.run(THIRTY, "pusher", &[]);
    passes(&run);
    assert_eq!(run.finding("live_missed"), 0);
    // Without history, most of what posthaste asks cannot be answered, and that is said.
    let unchecked = unchecked(&run);
    for finding in ["acked_lost", "unhealed", "store_duplicates"] {
        assert!(unchecked.contains(&finding), "{finding}: {unchecked:?}");
    }

    // Its status is 200 all the same.
    let run = server.run(THIRTY, "pusher", &[&["--var", "app=nobody"]]);
    assert_ne!(run.code, 0, "{}", run.summary["correctness"]);
    assert_eq!((run.ledger("acknowledged"), run.ledger("rejected")), (0, run.ledger("intended")));
    server.stop();
}

#[test]
fn socket_io_acknowledges_heals_and_resumes() {
    let Some(server) = Server::start("socketio", &[]) else { return };
    let run = server.run(THIRTY, "socketio", &[LOST_ACKS]);
    passes(&run);
    heals(&run);
    is_unchecked(&run, &[NO_MEMBERS]);
    assert!(run.ledger("retries") > 0 && run.finding("store_duplicates") == 0, "{}", run.summary["ledger"]);

    let run = server.run(THIRTY, "socketio", &[RESUMES, &["--set", "send.design=ws-ack"]]);
    passes(&run);
    resumes(&run);
    server.stop();
}

/// No ntfy: what its documentation says, by a server of this repository.
#[test]
fn what_speaks_as_ntfy_does_heals_and_resumes() {
    let Some(server) = Server::start("ntfy-like", &[]) else { return };
    let run = server.run(THIRTY, "ntfy", &[]);
    passes(&run);
    heals(&run);
    let run = server.run(THIRTY, "ntfy", &[RESUMES]);
    passes(&run);
    resumes(&run);
    server.stop();
}

/// What a whole buffer can do is found to hold, and what a short one cannot is found.
#[test]
fn check_tells_a_whole_buffer_from_a_short_one() {
    for (kept, code) in [("1000", 0), ("10", 97)] {
        let Some(server) = Server::start("nchan", &["--buffer", kept]) else { return };
        let output = Command::new(env!("CARGO_BIN_EXE_posthaste"))
            .args(["check", "nchan", "--url", &server.url, "--patience", "0s", "--json"])
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "a buffer of {kept}: {found:#}");
        let rows = found["rows"].as_array().unwrap();
        let row = |question: &str| rows.iter().find(|row| row["question"] == question).unwrap().clone();
        let missed = row("missed while away, after a resume");
        let (agreement, observed) = if code == 0 { ("agrees", "60 of 60") } else { ("broken", "10 of 60") };
        assert_eq!(missed["agreement"], agreement, "{missed}");
        assert!(missed["observed"].as_str().unwrap().starts_with(observed), "{missed}");
        assert_eq!(row("the same key twice")["declared"], "no dedup");
        let deep = row("how deep history is");
        assert_eq!(deep["agreement"], if code == 0 { "agrees" } else { "broken" }, "{deep}");
        server.stop();
    }
}
