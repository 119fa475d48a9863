//! The server as a process: signals, and what survives them.

use super::harness::{ServerProcess, field};
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_under_load_everything_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("test.db");
    let mut acknowledged = HashSet::new();
    let mut channel = String::new();
    for round in 0..3 {
        let mut server = ServerProcess::start(&db, &[]);
        if round == 0 {
            channel = server.client.channel("alice", "general").await;
        }
        let senders: Vec<_> = (0..16)
            .map(|sender| {
                let (client, channel) = (server.client.clone(), channel.clone());
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    let params =
                        |key: String| [("channel", channel.clone()), ("text", "x".repeat(300)), ("client_msg_id", key)];
                    for index in 0.. {
                        let params = params(format!("{round}-{sender}-{index}"));
                        let params: Vec<_> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
                        let Ok(answer) = client.try_call("alice", "chat.postMessage", &params).await else { break };
                        assert_eq!(answer["ok"], true, "{answer}");
                        done.push((params[2].1.to_owned(), answer["ts"].as_str().unwrap().to_owned()));
                    }
                    done
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
    }
    assert!(acknowledged.len() > 100, "there was load: {}", acknowledged.len());
    let server = ServerProcess::start(&db, &[]);
    let rows = server.client.history("alice", &channel, &[("limit", "999")]).await;
    let stored: HashSet<(String, String)> = field(&rows, "client_msg_id").into_iter().zip(field(&rows, "ts")).collect();
    assert_eq!(stored.len(), rows.len());
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{} of {} lost: {:?}", lost.len(), acknowledged.len(), lost.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_say_goodbye_and_end_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let server = ServerProcess::start(&folder.path().join("test.db"), &[]);
        let channel = server.client.channel("alice", "general").await;
        let mut socket = server.client.socket("alice").await;
        server.client.post("alice", &channel, "last words", "key").await;
        server.signal(signal);
        assert_eq!(socket.next().await["text"], "last words");
        assert_eq!(socket.next().await, json!({ "type": "goodbye" }));
        assert_eq!(socket.next().await, json!({ "close": 1012 }));
        drop(socket);
        assert_eq!(server.exit_code().await, Some(0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_its_standard_input_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(&folder.path().join("test.db"), &["--exit-with-stdin"]);
    server.client.ok("alice", "auth.test", &[]).await;
    drop(server.child.stdin.take());
    assert_eq!(server.exit_code().await, Some(0));
    let mut server = ServerProcess::start(&folder.path().join("test.db"), &[]);
    drop(server.child.stdin.take());
    server.client.ok("alice", "auth.test", &[]).await;
}

#[test]
fn what_cannot_be_served_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port().to_string();
    let db = folder.path().join("test.db");
    let text_file = folder.path().join("text.db");
    std::fs::write(&text_file, "this is no database, and long enough to be seen as none").unwrap();
    let (db, text_file) = (db.to_str().unwrap(), text_file.to_str().unwrap());
    for (flags, code, says) in [
        (vec!["--port", &taken, "--db", db], 1, "(--host, --port): Address already in use"),
        (vec!["--port", "0", "--db", "/no/such/folder/x.db"], 1, "cannot open /no/such/folder/x.db (--db)"),
        (vec!["--port", "0", "--db", text_file], 1, "file is not a database"),
        (vec!["--port", "0", "--db", db, "--defect", "drop-life=3"], 2, "did you mean \"drop-live\"?"),
        (vec!["--port", "0", "--db", db, "--lose-ack", "0"], 2, "--lose-ack"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_posthaste")).arg("serve").args(&flags).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {words}");
        assert!(words.contains(says), "{flags:?}: {words}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_defects_are_listed_a_line_each() {
    let output = Command::new(env!("CARGO_BIN_EXE_posthaste")).args(["serve", "--defect", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), posthaste::server::Defect::ALL.len());
    for (line, defect) in lines.into_iter().zip(posthaste::server::Defect::ALL) {
        let (spec, summary) = line.split_once(' ').unwrap();
        let spec: posthaste::server::DefectSpec = spec.parse().unwrap();
        assert_eq!((spec.defect, spec.every.get()), (*defect, defect.default_every()));
        assert_eq!(summary.trim(), defect.summary());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_database_is_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["serve", "--port", "0", "--exit-with-stdin"])
        .env("TMPDIR", folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no --db"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
