//! Whole runs over TLS: the real binary as the client, and as the server.

use crate::run::Run;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A reference server with a certificate of its own.
struct Served {
    child: Child,
    port: String,
    certificate: PathBuf,
    _folder: TempDir,
}

impl Served {
    fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let db = folder.path().join("db");
        let mut child = Command::new(env!("CARGO_BIN_EXE_posthaste"))
            .args(["serve", "--port", "0", "--exit-with-stdin", "--db"])
            .arg(&db)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on https://"), "{line}");
        let port = line.trim().rsplit(':').next().unwrap().to_owned();
        Self { child, port, certificate: folder.path().join("db.cert.pem"), _folder: folder }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn several_servers_show_one_certificate_over_tls_through_a_deploy() {
    let faults = r#"faults=[{kind="deploy",at="800ms"}]"#;
    let run = Run::short(&["--serve", "tls", "--serve", "replicas=3", "--set", faults, "--set", "send.attempts=8"]);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary["correctness"]);
    run.only(&[]);
    run.adds_up();
    assert_eq!(run.summary["faults"][0]["touched"], 3);
    let used = &run.summary["target_process"];
    assert!(used["cpu_s"].as_f64().unwrap() > 0.0 && used["source"].as_str().unwrap().contains("3 replaced"), "{used}");
    let served = Served::start(&["--tls", "--replicas", "2"]);
    let ca = served.certificate.to_str().unwrap();
    let run = Run::short(&["--url", &served.url("127.0.0.1"), "--ca", ca]);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary["correctness"]);
    run.only(&[]);
}

#[test]
fn a_whole_run_over_tls() {
    for design in ["http", "ws-ack"] {
        let design = format!("send.design={design}");
        let run = Run::short(&["--serve", "tls", "--set", &design, "--set", "churn.share_per_minute=20"]);
        assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
        run.only(&[]);
        run.adds_up();
        assert!(run.summary["url"].as_str().unwrap().starts_with("https://"), "{}", run.summary["url"]);
        assert!(run.ledger("live_deliveries") > 100 && run.ledger("catch_up_pages") > 0, "{}", run.summary["ledger"]);
        assert_eq!(run.summary["warnings"], serde_json::json!([]));
    }
    let app = Run::short(&["--serve", "tls", "--set", "receive.design=socket-mode"]);
    assert_eq!(app.code, 0, "{}\n{:#}", app.stderr, app.summary);
}

#[test]
fn a_certificate_is_believed_when_asked_to_and_not_before() {
    let served = Served::start(&["--tls", "--host", "0.0.0.0"]);
    let certificate = served.certificate.display().to_string();
    let (url, other_name) = (served.url("localhost"), served.url("127.0.0.2"));
    for (args, said) in [
        (vec!["--url", &url], "UnknownIssuer"),
        (vec!["--url", &other_name, "--ca", &certificate], "not valid for name"),
    ] {
        let run = Run::short(&args);
        assert_eq!(run.code, 5, "{args:?}: {}", run.stderr);
        for word in [said, "--ca FILE", "--insecure"] {
            assert!(run.stderr.contains(word), "{args:?}: no {word}: {}", run.stderr);
        }
    }
    let believed = Run::short(&["--url", &url, "--ca", &certificate]);
    assert_eq!(believed.code, 0, "{}\n{:#}", believed.stderr, believed.summary);
    let unread = Run::short(&["--url", &url, "--ca", "/nowhere/ca.pem"]);
    assert!(unread.code == 2 && unread.stderr.contains("--ca /nowhere/ca.pem"), "{}", unread.stderr);
    let plain = Run::short(&["--url", &url.replace("https", "http")]);
    assert_eq!(plain.code, 5, "{}", plain.stderr);
}

#[test]
fn what_is_insecure_says_so_everywhere() {
    let served = Served::start(&["--tls"]);
    let run = Run::short(&["--url", &served.url("127.0.0.1"), "--insecure"]);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    assert!(run.stderr.contains("--insecure"), "{}", run.stderr);
    assert!(run.summary["warnings"].to_string().contains("--insecure"), "{}", run.summary["warnings"]);
    for file in ["summary.json", "summary.txt", "summary.md", "report.html", "junit.xml"] {
        let text = std::fs::read_to_string(run.folder().join(file)).unwrap();
        assert!(text.contains("insecure"), "{file} does not say it");
    }
}

/// TLS is opaque to the proxy, and the faults are the same.
#[test]
fn faults_over_tls() {
    let run = Run::new(&[
        "--users",
        "60",
        "--duration",
        "3s",
        "--set",
        "arrival.warm_up=500ms",
        "--set",
        "connect.rate=2000",
        "--serve",
        "tls",
        "--set",
        "send.attempts=8",
        "--set",
        "thresholds=[\"errors.share < 50%\"]",
        "--set",
        r#"faults=[{kind="drop-ack",at="0s",share=0.1},{kind="crash",at="1s",for="100ms"},{kind="herd",at="1800ms"},
            {kind="blackhole",at="2000ms",for="700ms",share=0.3}]"#,
    ]);
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    let touched = |kind: &str| {
        let faults = run.summary["faults"].as_array().unwrap();
        faults.iter().find(|fault| fault["kind"] == kind).unwrap()["touched"].as_u64().unwrap()
    };
    for kind in ["drop-ack", "crash", "herd", "blackhole"] {
        assert!(touched(kind) > 0, "{kind}: {}", run.summary["faults"]);
    }
    let (acknowledged, unknown, stored) = (run.ledger("acknowledged"), run.ledger("unknown"), run.ledger("stored"));
    assert!((acknowledged..=acknowledged + unknown).contains(&stored), "{}", run.summary["ledger"]);
}

/// The answer is lost and nothing else: over TLS, too, the target has the
/// message before its acknowledgement is thrown away, and stores it twice where
/// it does not know it again.
#[test]
fn a_lost_answer_over_tls_is_one_that_was_given() {
    let lossy = r#"faults=[{kind="drop-ack",at="0s",share=0.3}]"#;
    for uses in ["kept", "new"] {
        let uses = format!("send.http={uses}");
        let args = ["--serve", "tls", "--set", lossy, "--set", &uses, "--defect", "no-dedup=1"];
        let run = Run::short(&args);
        let touched = run.summary["faults"][0]["touched"].as_u64().unwrap_or_else(|| panic!("{}", run.stderr));
        assert!(touched > 20, "{uses}: {}", run.summary["faults"]);
        assert_eq!(run.finding("store_duplicates"), touched, "{uses}: {:#}", run.summary["findings"]);
    }
}
