//! Profiles against servers that were written from what others say: stand-ins for
//! Mattermost, Rocket.Chat, Zulip and Centrifugo, after their sources, and chat APIs that do not exist,
//! each a page of documentation at the head of its file (`tests/independent`). No
//! profile here needs a line of Rust; what a server does wrong is counted exactly.

use crate::run::Run;
use assert_cmd::Command as Posthaste;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What the profiles take from the environment.
const SECRETS: &[(&str, &str)] = &[
    ("MM_ADMIN_PASSWORD", "admin-pass"),
    ("ROCKETCHAT_ADMIN_PASSWORD", "admin-pass"),
    ("PLOVER_SECRET", "plover-secret"),
    ("ZULIP_ADMIN_KEY", "admin-key"),
    ("CENTRIFUGO_API_KEY", "api-key"),
];
const LOAD: &[&str] = &[
    "--users",
    "30",
    "--rate",
    "60",
    "--duration",
    "4s",
    "--set",
    "arrival.warm_up=500ms",
    "--set",
    "population.members={min=5,max=20}",
    "--set",
    "churn.share_per_minute=8",
    "--set",
    "churn.away={min=\"200ms\",max=\"1500ms\"}",
];
const RESUMES: &[&str] = &["--set", "receive.design=rtm"];

/// A server, ended when dropped.
struct Server {
    child: Child,
    url: String,
    target: String,
}

impl Server {
    /// Nothing where there is no Node.js, which is said.
    fn start(name: &str, options: &[&str]) -> Option<Self> {
        if !Command::new("node").arg("--version").output().is_ok_and(|node| node.status.success()) {
            println!("skipped: Node.js is not installed");
            return None;
        }
        let made_up = format!("tests/independent/made-up/{name}.toml");
        let is_made_up = std::path::Path::new(&made_up).exists();
        let script =
            if is_made_up { made_up.replace(".toml", ".mjs") } else { format!("tests/independent/{name}.mjs") };
        let mut child = Command::new("node")
            .arg(script)
            .args(options)
            .envs(SECRETS.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the first line names the address").to_owned();
        Some(Self { child, url, target: if is_made_up { made_up } else { name.to_owned() } })
    }

    fn run(&self, more: &[&str]) -> Run {
        Run::with(SECRETS, &[LOAD, &["--target", &self.target, "--url", &self.url], more].concat())
    }

    fn check(&self, more: &[&str]) -> (i32, Value) {
        let mut command = Posthaste::new(env!("CARGO_BIN_EXE_posthaste"));
        command.args(["check", &self.target, "--url", &self.url, "--json"]).args(more);
        let output = command.envs(SECRETS.iter().copied()).timeout(Duration::from_secs(90)).output().unwrap();
        let found = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), found)
    }

    /// How often a bug has shown.
    fn counted(&self, bug: &str) -> u64 {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"GET /counts HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let counts: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        counts[bug].as_u64().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everybody has everything in the end, and nothing is wrong.
fn is_whole(run: &Run) {
    let said = format!("{}\n{:#}\n{:#}", run.stderr, run.summary["thresholds"], run.summary["drain"]);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (0, Some("pass")), "{said}");
    run.only(&[]);
    run.adds_up();
    assert_eq!(run.ledger("stored"), run.ledger("acknowledged") + run.finding("unknown_stored"));
    assert!(run.ledger("live_deliveries") > run.ledger("entitled_deliveries") / 2, "{:#}", run.summary["ledger"]);
    assert_eq!((run.ledger("unhealed"), run.ledger("unresolved")), (0, 0));
}

/// What a check says to a question: whether that agrees, and what was seen.
fn asked<'f>(found: &'f Value, question: &str) -> (&'f str, &'f str) {
    let rows = found["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["question"] == question);
    let row = row.unwrap_or_else(|| panic!("nobody asked {question}: {found:#}"));
    (row["agreement"].as_str().unwrap(), row["observed"].as_str().unwrap())
}

#[test]
fn mattermost_as_its_source_has_it() {
    let Some(server) = Server::start("mattermost", &[]) else { return };
    let run = server.run(&[]);
    is_whole(&run);
    assert!(run.ledger("healed") > 0);
    let run = server.run(&[RESUMES, &["--set", "population.private_share=0.4"]].concat());
    is_whole(&run);
    let reconnects = run.ledger("connections") - run.ledger("subscribers");
    assert!(reconnects > 0 && run.ledger("healed") == 0, "what was missed came by itself");

    // Where the server has forgotten what was missed, history is read.
    let forgetful = Server::start("mattermost", &["--dead-queue", "2"]).unwrap();
    is_whole(&forgetful.run(RESUMES));

    let Some(server) = Server::start("mattermost", &["--loses", "23", "--doubles", "31"]) else { return };
    let run = server.run(&[]);
    assert_eq!(run.code, 97, "{}", run.stderr);
    run.only(&["acked_lost", "store_duplicates"]);
    assert_eq!(run.finding("acked_lost"), server.counted("loses"));
    assert_eq!(run.finding("store_duplicates"), server.counted("doubles"));
    let said = run.summary["correctness"].to_string();
    assert!(!said.contains("drain is not complete"), "each that history lacks was asked for: {said}");
}

#[test]
fn rocketchat_as_its_source_has_it() {
    let Some(server) = Server::start("rocketchat", &[]) else { return };
    let run = server.run(&["--set", "population.private_share=0.4"]);
    is_whole(&run);
    assert!(run.ledger("healed") > 0);
    // A retry is answered with an error: only send.verify tells.
    let lost = ["--set", "send.attempts=3", "--set", "faults=[{kind=\"drop-ack\",at=\"0s\",share=0.15}]"];
    let run = server.run(&lost);
    is_whole(&run);
    assert_eq!(run.finding("store_duplicates"), 0);

    let Some(server) = Server::start("rocketchat", &["--loses", "23", "--doubles", "31"]) else { return };
    let run = server.run(&[]);
    run.only(&["acked_lost", "store_duplicates"]);
    assert_eq!(run.finding("acked_lost"), server.counted("loses"));
    assert_eq!(run.finding("store_duplicates"), server.counted("doubles"));
}

#[test]
fn zulip_and_centrifugo_as_their_sources_have_them() {
    let (admin, lost) = (["--var", "admin=admin@example.com"], ["--loses", "23", "--doubles", "31"]);
    for (name, target, designs) in [("zulip", &admin[..], &[&[][..], RESUMES][..]), ("centrifugo", &[], &[&[]])] {
        let Some(server) = Server::start(name, &[]) else { return };
        for design in designs {
            let run = server.run(&[target, design].concat());
            println!("{name} {design:?}");
            is_whole(&run);
            assert_eq!(run.ledger("healed") > 0, design.is_empty(), "{:#}", run.summary["ledger"]);
        }
        let server = Server::start(name, &lost).unwrap();
        let run = server.run(target);
        run.only(&["acked_lost", "store_duplicates"]);
        assert_eq!(run.finding("acked_lost"), server.counted("loses"), "{name}");
        assert_eq!(run.finding("store_duplicates"), server.counted("doubles"), "{name}");
    }
}

#[test]
fn check_finds_what_is_known_of_mattermost() {
    let Some(server) = Server::start("mattermost", &["--window", "3"]) else { return };
    let (code, found) = server.check(&["--patience", "6s"]);
    assert_eq!(code, 97, "the profile says 30 s");
    let (agreement, observed) = asked(&found, "the same key after 5 s");
    assert!(agreement == "broken" && observed.starts_with("2 messages stored"), "{observed}");
    let (agreement, observed) = asked(&found, "another user's message under the same key");
    assert!(agreement == "noted" && observed.contains("somebody else's message"), "{observed}");
    assert_eq!(asked(&found, "the same key eight times at once").0, "agrees");
    // Pages that are counted from the newest post move: that is no bug of the server.
    for question in ["history from the start, small pages, others write", "history past a row in the middle"] {
        assert_ne!(asked(&found, question).0, "broken", "{found:#}");
    }
}

/// Each of the APIs that do not exist, as a user runs it.
#[test]
fn apis_that_do_not_exist_are_described_without_rust() {
    for (name, more) in
        [("kelp", &[][..]), ("tern", &[]), ("tern", RESUMES), ("plover", &[]), ("merlin", &[]), ("merlin", RESUMES)]
    {
        let Some(server) = Server::start(name, &[]) else { return };
        let run = server.run(more);
        println!("{name} {more:?}");
        is_whole(&run);
        let reconnects = run.ledger("connections") - run.ledger("subscribers");
        assert!(reconnects > 0, "some were away");
        // Who had seen no event yet has nothing to go on from.
        let most = if more.is_empty() { u64::MAX } else { run.ledger("entitled_deliveries") / 50 };
        assert!((u64::from(more.is_empty())..=most).contains(&run.ledger("healed")), "{:#}", run.summary["ledger"]);
        assert_eq!(run.ledger("rejected") + run.ledger("unknown"), 0, "whatever expires meanwhile");
    }
}

#[test]
fn bugs_of_apis_that_do_not_exist_are_counted() {
    const LOST: &[(&str, &str)] = &[("acked_lost", "loses")];
    for (name, options, findings, reason) in [
        ("kelp", &["--loses", "23"][..], LOST, "acknowledged and not stored"),
        ("kelp", &["--skips", "3"], &[("unhealed", ""), ("stale_read", "")], "pages leave a row out"),
        ("tern", &["--doubles", "23", "--throttles", "9"], &[("store_duplicates", "doubles")], "stored twice"),
        ("plover", &["--loses", "23"], LOST, "confirmed and not stored"),
        ("plover", &["--ghosts", "23"], &[("phantom", "ghosts")], "told to others, and failed"),
        ("merlin", &["--astray", "23"], &[("acked_lost", "astray")], "stored elsewhere"),
    ] {
        let Some(server) = Server::start(name, options) else { return };
        let run = server.run(&["--set", "catch_up.page_size=16"]);
        println!("{name} {options:?}: {reason}");
        assert_eq!(run.code, 97, "{}\n{:#}", run.stderr, run.summary["findings"]);
        run.only(&findings.iter().map(|(finding, _)| *finding).collect::<Vec<_>>());
        for (finding, bug) in findings {
            assert!(run.finding(finding) > 0);
            assert!(bug.is_empty() || run.finding(finding) == server.counted(bug), "{bug}: {}", server.counted(bug));
        }
    }
    // What is shown later than was promised, a client may have read past by then.
    let Some(server) = Server::start("merlin", &["--late", "1800"]) else { return };
    // Whether one did is a matter of moments: not in every run.
    let runs = ["7", "8", "9"].map(|seed| ["--set", "catch_up.page_size=16", "--seed", seed]);
    let run = runs.iter().map(|run| server.run(run)).find(|run| run.finding("stale_read") > 0);
    let run = run.expect("nobody read past a message in three runs");
    assert_eq!(run.code, 97, "{}", run.stderr);
    run.only(if run.finding("unhealed") > 0 { &["stale_read", "unhealed"] } else { &["stale_read"] });
    // What is not pushed is a figure, and heals.
    let Some(server) = Server::start("kelp", &["--drops", "40"]) else { return };
    let run = server.run(&[]);
    is_whole(&run);
    assert!((1..=server.counted("drops")).contains(&run.finding("live_missed")), "{}", run.finding("live_missed"));
}

#[test]
fn check_says_what_nobody_has_documented() {
    let Some(server) = Server::start("merlin", &["--window", "3", "--keys", "all", "--remembers", "2"]) else { return };
    let (code, found) = server.check(&["--patience", "6s"]);
    assert_eq!(code, 97);
    for (question, part) in [
        ("the same key after 5 s", "2 messages stored"),
        ("the same key in another channel", "answered with the id of somebody else's message"),
        ("missed while away, after a resume", "are missing, and nothing says so"),
    ] {
        let (agreement, observed) = asked(&found, question);
        assert!(agreement != "agrees" && observed.contains(part), "{question}: {agreement}: {observed}");
    }
}
