//! What posthaste does not do, whoever asks it to: the promises of a tool that
//! sends load.

use crate::run::Run;
use crate::server::harness::ServerProcess;
use std::collections::BTreeSet;
use std::io::{Read, Write, copy};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Answers every request with these bytes, as a server that closes; the address,
/// and who has connected.
fn answering(answer: String) -> (SocketAddr, Arc<Mutex<Vec<SocketAddr>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, peers) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let seen = peers.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            seen.lock().unwrap().push(stream.peer_addr().unwrap());
            let _ = stream.read(&mut [0; 8_192]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, peers)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_host_that_is_allowed_by_name_has_a_ceiling() {
    let far = ["--url", "http://203.0.113.7", "--allow-host", "203.0.113.7"];
    for (more, said) in [
        (&[][..], "--ceiling RATE"),
        (&["--ceiling", "50", "--rate", "51"], "--ceiling is 50"),
        (&["--ceiling", "0"], "--ceiling"),
    ] {
        let run = Run::new(&[&far[..], more].concat());
        assert!(run.code == 2 && run.stderr.contains(said), "{more:?}: {} {}", run.code, run.stderr);
    }
}

#[test]
fn no_second_has_more_attempts_than_the_ceiling() {
    // A message that is not stored is tried again, and again.
    let folder = TempDir::new().unwrap();
    let fails = folder.path().join("fails");
    let server = ServerProcess::start(&folder.path().join("db"), &["--store-fail-while", fails.to_str().unwrap()]);
    std::fs::write(&fails, "").unwrap();
    let eager = ["--set", "send.backoff.base=1ms", "--set", "send.backoff.max=2ms", "--set", "send.attempts=8"];
    let args = ["--url", &server.client.base, "--ceiling", "100", "--rate", "40", "--duration", "2s", "--users", "60"];
    let run = Run::new(&[&args[..], &eager].concat());
    let table = std::fs::read_to_string(run.folder().join("intervals.csv")).unwrap();
    let mut rows = table.lines();
    let column = |name: &str, head: &str| head.split(',').position(|column| column == name).unwrap();
    let head = rows.next().unwrap();
    let (attempted, length) = (column("attempted", head), column("length_s", head));
    // A row counts attempts as they end: those of a second may have begun before it,
    // but by its end no more can have ended than were allowed so far.
    let (mut ended, mut passed_s, mut most): (f64, f64, f64) = (0.0, 0.0, 0.0);
    for row in rows {
        let cells: Vec<&str> = row.split(',').collect();
        let number = |column: usize| cells[column].parse::<f64>().unwrap_or(0.0);
        if cells[head.split(',').position(|column| column == "operation").unwrap()] == "load" {
            ended += number(attempted);
            passed_s += number(length);
            most = most.max(number(attempted));
            assert!(ended <= 100.0 * passed_s + 5.0, "{ended} attempts in {passed_s} s\n{table}");
        }
    }
    assert!(most > 60.0, "the ceiling was never near: {table}");
}

#[test]
fn no_redirect_is_followed() {
    let (elsewhere, visitors) = answering(http("200 OK", "", "{\"ok\":true}"));
    let (target, _) = answering(http("302 Found", &format!("location: http://{elsewhere}/\r\n"), ""));
    let run = Run::short(&["--url", &format!("http://{target}")]);
    assert!(run.code == 5 && run.stderr.contains("302"), "{} {}", run.code, run.stderr);
    assert!(visitors.lock().unwrap().is_empty(), "somebody went there");
}

#[test]
fn the_words_of_a_target_do_not_act_on_the_terminal() {
    let (target, _) = answering(http("200 OK", "", "{\"ok\":false,\"error\":\"\\u001b[2J\\u009bgone\\u202e\"}"));
    let run = Run::short(&["--url", &format!("http://{target}")]);
    assert!(run.code == 5 && run.stderr.contains("gone"), "{} {:?}", run.code, run.stderr);
    assert!(!run.stderr.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{:?}", run.stderr);
}

#[test]
fn a_run_whose_sends_fail_ends_itself() {
    let folder = TempDir::new().unwrap();
    let fails = folder.path().join("fails");
    let server = ServerProcess::start(&folder.path().join("db"), &["--store-fail-while", fails.to_str().unwrap()]);
    std::fs::write(&fails, "").unwrap();
    let began = Instant::now();
    let stop = ["--set", "stop.failed_for=2s", "--set", "send.attempts=1", "--users", "60", "--duration", "60s"];
    let run = Run::new(&[&["--url", &server.client.base][..], &stop].concat());
    assert!(began.elapsed() < Duration::from_secs(45), "it went on");
    let reasons = run.summary["correctness"]["reasons"].to_string();
    assert!(run.code == 3 && reasons.contains("stop.failed_share"), "{} {reasons} {}", run.code, run.stderr);
}

/// Carries connections to a server, and notes where they came from.
fn forwarding(to: SocketAddr) -> (SocketAddr, Arc<Mutex<BTreeSet<IpAddr>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, peers) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(BTreeSet::new())));
    let seen = peers.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            seen.lock().unwrap().insert(client.peer_addr().unwrap().ip());
            let Ok(server) = TcpStream::connect(to) else { continue };
            for (mut from, mut into) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                thread::spawn(move || {
                    let _ = copy(&mut from, &mut into);
                    let _ = into.shutdown(Shutdown::Write);
                });
            }
        }
    });
    (address, peers)
}

#[test]
fn connections_leave_from_the_given_addresses_in_turn() {
    let folder = TempDir::new().unwrap();
    let server = ServerProcess::start(&folder.path().join("db"), &[]);
    let (address, peers) = forwarding(server.client.base.strip_prefix("http://").unwrap().parse().unwrap());
    let url = format!("http://{address}");
    let run = Run::short(&["--url", &url, "--source", "127.0.0.2-4", "--source", "127.0.0.9"]);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    let seen: Vec<String> = peers.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(seen, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"]);
    let foreign = Run::short(&["--url", &url, "--source", "192.0.2.1"]);
    assert!(foreign.code == 2 && foreign.stderr.contains("--source 192.0.2.1"), "{}", foreign.stderr);
}

/// What is not to be seen stands in no file of a run, and is not printed.
#[test]
fn the_signing_secret_stands_in_no_output() {
    const CANARY: &str = "canary-9d31f7";
    let variables = [("POSTHASTE_SIGNING_SECRET", CANARY), ("RUST_LOG", "debug")];
    let signed = format!("signing-secret={CANARY}");
    let short = ["--users", "60", "--duration", "2s", "--set", "churn.share_per_minute=0"];
    let run = Run::with(&variables, &[&short[..], &["--set", "receive.design=webhook", "--serve", &signed]].concat());
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    assert!(!run.stderr.contains(CANARY) && !run.summary.to_string().contains(CANARY));
    let mut files = vec![run.folder().join("..")];
    let mut looked_at = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            looked_at += 1;
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{}", path.display());
        }
    }
    assert!(looked_at > 8, "the run left its files");
}
