//! `--trace`: what the target is told of each attempt, and where a report finds it
//! again.

use crate::run::Run;
use crate::server::harness::ServerProcess;
use assert_cmd::Command;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Passes connections on to a server, and keeps what the clients said.
pub struct Tee {
    pub url: String,
    connections: Arc<Mutex<Vec<Passed>>>,
}

/// What was said over a connection, and how many bytes were answered.
#[derive(Clone, Default)]
struct Passed {
    said: Arc<Mutex<Vec<u8>>>,
    answered: Arc<AtomicU64>,
}

/// One request.
pub struct Request {
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    /// Every header of that name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

impl Tee {
    pub fn before(server: &str) -> Self {
        let server = server.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections: Arc<Mutex<Vec<Passed>>> = Arc::default();
        let all = connections.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, Ok(server)) = (client.unwrap(), TcpStream::connect(&server)) else { continue };
                let Passed { said, answered } = Passed::default();
                all.lock().unwrap().push(Passed { said: said.clone(), answered: answered.clone() });
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass(client, server, |bytes| said.lock().unwrap().extend_from_slice(bytes)));
                std::thread::spawn(move || {
                    pass(back.0, back.1, |bytes| _ = answered.fetch_add(bytes.len() as u64, Ordering::Relaxed));
                });
            }
        });
        Self { url, connections }
    }

    /// The requests whose first line begins so.
    pub fn requests(&self, line: &str) -> Vec<Request> {
        let all = self.connections.lock().unwrap();
        let all = all.iter().flat_map(Passed::requests);
        all.filter(|request| request.line.starts_with(line)).collect()
    }

    /// How many connections began with such a request, and the bytes that were answered
    /// over them.
    fn answered(&self, line: &str) -> (u64, u64) {
        let all = self.connections.lock().unwrap();
        let begun = |one: &&Passed| one.requests().first().is_some_and(|first| first.line.starts_with(line));
        let of = all.iter().filter(begun).map(|one| one.answered.load(Ordering::Relaxed));
        of.fold((0, 0), |(count, bytes), more| (count + 1, bytes + more))
    }
}

impl Passed {
    fn requests(&self) -> Vec<Request> {
        parsed(&String::from_utf8_lossy(&self.said.lock().unwrap()))
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, seen: impl Fn(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        seen(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn parsed(mut text: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into())).collect();
        let mut request = Request { line, headers, body: String::new() };
        let length = request.all("content-length").first().map_or(0, |length| length.parse().unwrap());
        let (body, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        request.body = body.to_owned();
        // What follows an upgrade is no request.
        text = if request.all("upgrade").is_empty() { behind } else { "" };
        requests.push(request);
    }
    requests
}

/// Trace id, span id and flags of a request that has one such header.
pub fn traced(request: &Request) -> [String; 3] {
    let [header] = request.all("traceparent")[..] else { panic!("{}: {:?}", request.line, request.headers) };
    let parts: Vec<&str> = header.split('-').collect();
    let ["00", trace, span, flags] = parts[..] else { panic!("{header}") };
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2), "{header}");
    [trace, span, flags].map(str::to_owned)
}

const POST: &str = "POST /api/chat.postMessage";

#[test]
fn each_attempt_is_a_span_of_its_messages_trace_and_the_slowest_lead_to_theirs() {
    let folder = TempDir::new().unwrap();
    let server = ServerProcess::start(&folder.path().join("chat.db"), &["--lose-ack", "10"]);
    let tee = Tee::before(&server.client.base);
    let template = "https://traces.example/t/{trace_id}?a=<b>&amp";
    let args = ["--url", &tee.url, "--trace", "slow", "--trace-url", template, "--set", "churn.share_per_minute=0"];
    let run = Run::short(&args);
    assert_eq!(run.code, 2, "an address has no < in it: {}", run.stderr);
    assert!(run.stderr.contains("--trace-url") && run.stderr.contains("percent"), "{}", run.stderr);

    let template = "https://traces.example/t/{trace_id}?a='b'&c";
    let args = ["--url", &tee.url, "--trace", "slow", "--trace-url", template];
    let run = Run::short(&[&args[..], &["--set", "changes.share=0.1"]].concat());
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    let posts = tee.requests(POST);
    assert!(posts.len() as u64 >= run.ledger("attempts"), "{} of {}", posts.len(), run.ledger("attempts"));
    let (mut spans, mut by_trace) = (HashSet::new(), HashMap::<String, u32>::new());
    for post in &posts {
        let [trace, span, flags] = traced(post);
        let body: Value = serde_json::from_str(&post.body).unwrap();
        assert_eq!(body["client_msg_id"].as_str().unwrap().replace('-', ""), trace);
        assert_eq!(flags, "01", "which are slow is not known before");
        assert!(spans.insert(span), "{trace}");
        *by_trace.entry(trace).or_default() += 1;
    }
    assert!(by_trace.values().any(|attempts| *attempts > 1), "some answer was lost");
    // A change is in the trace of its message; nothing else is traced.
    let edits = tee.requests("POST /api/chat.update");
    assert!(!edits.is_empty() && edits.iter().all(|edit| by_trace.contains_key(&traced(edit)[0])));
    assert!(tee.requests("POST /api/conversations.history").iter().all(|read| read.all("traceparent").is_empty()));

    let slowest = run.summary["slowest"].as_array().unwrap();
    assert_eq!(slowest.len(), 20);
    assert!(slowest.windows(2).all(|pair| pair[0]["ack_us"].as_u64() >= pair[1]["ack_us"].as_u64()), "{slowest:#?}");
    let max_us = run.summary["latency_us"]["ack"]["max"].as_u64().unwrap();
    let worst_us = slowest[0]["ack_us"].as_u64().unwrap();
    assert!(max_us.abs_diff(worst_us) <= worst_us / 100, "{max_us} {worst_us}");
    let mut retried = 0;
    for slow in slowest {
        let id = slow["trace"]["id"].as_str().unwrap();
        assert_eq!(u64::from(by_trace[id]), slow["attempts"].as_u64().unwrap(), "{slow}");
        assert_eq!(slow["trace"]["url"], template.replace("{trace_id}", id));
        retried += u64::from(by_trace[id] > 1);
    }
    assert!(retried > 0, "a lost answer is slow");

    // The page links there, escaped; the terminal prints it; the files lead to it.
    let id = slowest[0]["trace"]["id"].as_str().unwrap();
    let file = |name: &str| fs::read_to_string(run.folder().join(name)).unwrap();
    let link = format!("<a href=\"https:&#x2f;&#x2f;traces.example&#x2f;t&#x2f;{id}?a=&#x27;b&#x27;&amp;c\"");
    assert!(file("report.html").contains(&link), "{link}");
    assert!(file("summary.txt").contains(&template.replace("{trace_id}", id)), "{}", file("summary.txt"));
    assert!(file("plan.toml").contains("sample = \"slow\" # --trace"), "{}", file("plan.toml"));
    let report = Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["report", "--json"])
        .arg(run.folder().canonicalize().unwrap())
        .output()
        .unwrap();
    let again: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(again["slowest"], run.summary["slowest"], "the ledger alone knows them");
}

#[test]
fn a_share_of_the_traces_is_kept_and_every_finding_has_its_own() {
    let folder = TempDir::new().unwrap();
    let server = ServerProcess::start(&folder.path().join("chat.db"), &["--defect", "ack-before-persist=20"]);
    let tee = Tee::before(&server.client.base);
    let args = ["--url", &tee.url, "--trace", "0.3", "--trace-url", "http://127.0.0.1:16686/trace/{trace_id}"];
    let run = Run::short(&args);
    assert_eq!(run.code, 97, "{}", run.stderr);
    let flags: HashMap<String, String> =
        tee.requests(POST).iter().map(traced).map(|[trace, _, flags]| (trace, flags)).collect();
    let kept = flags.values().filter(|flags| *flags == "01").count() as f64 / flags.len() as f64;
    assert!((0.15..0.45).contains(&kept) && flags.values().all(|flags| flags == "01" || flags == "00"), "{kept}");
    let examples = run.summary["findings"]["acked_lost"]["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    let csv = fs::read_to_string(run.folder().join("findings.csv")).unwrap();
    for example in examples {
        let trace = &example["trace"];
        let id = trace["id"].as_str().unwrap();
        assert_eq!(trace["sampled"], flags[id] == "01");
        assert_eq!(trace["url"].is_string(), flags[id] == "01", "what was not kept cannot be looked at");
        assert!(csv.contains(&format!(",{id},")), "{csv}");
    }
}

#[test]
fn what_the_target_sends_is_counted_to_the_byte() {
    let folder = TempDir::new().unwrap();
    let server = ServerProcess::start(&folder.path().join("chat.db"), &[]);
    let tee = Tee::before(&server.client.base);
    let run = Run::short(&["--url", &tee.url, "--set", "churn.share_per_minute=0"]);
    assert!([0, 3].contains(&run.code), "{}", run.stderr);
    let (_, answers) = tee.answered(POST);
    assert!(answers > 0);
    assert_eq!(run.summary["generator"]["answer_bytes"], answers);
    // The answer to the upgrade is no frame; what follows a goodbye is not read.
    let (sockets, frames) = tee.answered("GET ");
    let counted = run.summary["generator"]["frame_bytes"].as_u64().unwrap();
    assert!(sockets > 0 && counted > 0);
    assert!(counted <= frames && frames - counted <= 400 * sockets, "{counted} of {frames} over {sockets} sockets");
}

#[test]
fn what_cannot_be_traced_says_so() {
    for (args, words) in [
        (&["--trace", "fast"][..], "--trace fast: trace.sample must be a share such as 0.1"),
        (&["--trace", "2"], "--trace 2: trace.sample must be from 0 to 1"),
        (&["--trace-url", "http://a/{trace_id}"], "leads nowhere as long as no message is traced"),
        (&["--trace", "slow", "--trace-url", "http://a/"], "has no {trace_id}"),
        (&["--trace", "slow", "--trace-url", "javascript:{trace_id}"], "must begin with http:// or https://"),
        (&["--trace", "slow", "--set", "send.design=ws-ack"], "a trace is told in a header"),
    ] {
        let run = Run::short(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
}
