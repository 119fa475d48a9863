//! The store in PostgreSQL: what holds over SQLite holds there, and what only a
//! database that is another process can do to a server.

use super::harness::{Client, PATIENCE, Running, STORE, ServerProcess, field};
use crate::cluster::{Cluster, PASSWORD, PASSWORD_IN_URL, ask, cluster};
use crate::run::Run;
use posthaste::server::{Options, PostgresAddress};
use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server's options over a schema of a cluster.
fn over(cluster: &Cluster, schema: &str) -> Options {
    let postgres = Some(PostgresAddress::parse(&cluster.url(), schema, None).unwrap());
    Options { postgres, ..Options::default() }
}

/// Tests of this binary, by a part of their names, with their servers' stores in
/// a database.
fn run_over(cluster: &Cluster, tests: &[&str], but: &[&str]) {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(tests).args(but.iter().flat_map(|name| ["--skip", name]));
    let output = again.env(STORE, cluster.url()).output().unwrap();
    let says = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{says}{}", String::from_utf8_lossy(&output.stderr));
    let passed = says.lines().filter(|line| line.ends_with("... ok")).count();
    assert!(passed >= tests.len(), "{says}");
}

#[test]
fn what_holds_over_sqlite_holds_over_postgresql() {
    let Some(cluster) = cluster() else { return };
    let tests = [
        "server::api::",
        "server::changes::",
        "server::designs::",
        "server::process::after_a_kill",
        "server::replicas::",
    ];
    run_over(&cluster, &tests, &["a_database_from_before_them"]);
}

#[test]
fn the_defects_show_over_postgresql_as_over_sqlite() {
    let Some(cluster) = cluster() else { return };
    run_over(&cluster, &["server::defects::"], &[]);
}

/// Senders that post until they are told to stop, again with the same key where
/// the answer is an error; what was acknowledged, as key and position.
struct Load {
    senders: Vec<tokio::task::JoinHandle<Acknowledged>>,
    stop: Arc<std::sync::atomic::AtomicBool>,
}

#[derive(Default)]
struct Acknowledged {
    positions: HashMap<String, String>,
    errors: usize,
}

impl Load {
    fn start(clients: &[&Client], channel: &str) -> Self {
        let stop = Arc::new(std::sync::atomic::AtomicBool::default());
        let one = |number: usize, client: Client| {
            let (stop, channel) = (stop.clone(), channel.to_owned());
            tokio::spawn(async move {
                let mut seen = Acknowledged::default();
                for index in 0.. {
                    let key = format!("{number}-{index}");
                    let params = [("channel", channel.as_str()), ("text", &key), ("client_msg_id", &key)];
                    let answer = loop {
                        match client.try_call("alice", "chat.postMessage", &params).await {
                            Ok(answer) if answer["ok"] == true => break answer,
                            Ok(answer) => assert_eq!(answer["error"], "internal_error", "{answer}"),
                            Err(_) => {}
                        }
                        seen.errors += 1;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    };
                    seen.positions.insert(key, answer["ts"].as_str().unwrap().to_owned());
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                }
                seen
            })
        };
        let senders = (0..12).map(|number| one(number, clients[number % clients.len()].clone())).collect();
        Self { senders, stop }
    }

    async fn stop(self) -> Acknowledged {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut all = Acknowledged::default();
        for sender in self.senders {
            let seen = tokio::time::timeout(PATIENCE, sender).await.expect("senders end").unwrap();
            all.positions.extend(seen.positions);
            all.errors += seen.errors;
        }
        all
    }
}

/// Each acknowledged key is stored once, where the acknowledgement said.
async fn is_all_there(client: &Client, channel: &str, acknowledged: &Acknowledged) {
    let rows = client.history("alice", channel, &[("limit", "999")]).await;
    let keys = field(&rows, "client_msg_id");
    let stored: HashMap<String, String> = keys.iter().cloned().zip(field(&rows, "ts")).collect();
    assert_eq!(stored.len(), keys.len(), "each key once");
    assert_eq!(stored, acknowledged.positions);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_killed_cost_errors_and_never_a_wrong_acknowledgement() {
    let Some(cluster) = cluster() else { return };
    for (schema, shared) in [("killed_alone", false), ("killed_among", true)] {
        let options = || Options { shared, ..over(&cluster, schema) };
        let servers = match shared {
            true => vec![Running::of(options()).await, Running::of(options()).await],
            false => vec![Running::of(options()).await],
        };
        let clients: Vec<&Client> = servers.iter().map(|server| &server.client).collect();
        let channel = clients[0].channel("alice", "general").await;
        let mut socket = clients[servers.len() - 1].socket("alice").await;
        let load = Load::start(&clients, &channel);
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            // Writers, readers, followers and listeners: all of this store.
            cluster.ask(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'posthaste {schema}'"
            ));
        }
        let acknowledged = load.stop().await;
        assert!(acknowledged.errors > 0, "the kills were felt");
        // Readers may have one error each.
        let rows = async {
            while clients[0].call("alice", "conversations.history", &[("channel", &channel)]).await["ok"] != true {}
            is_all_there(clients[0], &channel, &acknowledged).await;
        };
        tokio::time::timeout(PATIENCE, rows).await.unwrap();
        // What was pushed is stored, each once, in the order of the history.
        let positions = field(&socket.drain().await, "ts");
        assert!(positions.is_sorted() && !positions.is_empty());
        if shared {
            assert_eq!(positions.len(), acknowledged.positions.len(), "all is pushed, for the log tells all");
        }
        for server in servers {
            server.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_a_socket_of_another_server_waits_for_no_look_at_the_log() {
    let Some(cluster) = cluster() else { return };
    let options = || Options { shared: true, ..over(&cluster, "told") };
    let (a, b) = (Running::of(options()).await, Running::of(options()).await);
    let channel = a.client.channel("alice", "general").await;
    let mut socket = b.client.socket("alice").await;
    let mut waits = Vec::new();
    for index in 0..15 {
        // Not at once behind the last one, whose reading might have met it.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let key = index.to_string();
        assert_eq!(a.client.post("alice", &channel, &key, &key).await["ok"], true);
        let answered = Instant::now();
        assert_eq!(socket.next().await["text"], key);
        waits.push(answered.elapsed());
    }
    waits.sort();
    // A look each second would make it half a second.
    assert!(waits[7] < Duration::from_millis(150), "{waits:?}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_not_over_holds_up_the_next_server() {
    let Some(cluster) = cluster() else { return };
    let server = Running::of(Options { shared: true, ..over(&cluster, "held_up") }).await;
    let channel = server.client.channel("alice", "general").await;
    // As one whose server is gone while its commit is on its way.
    let lock = "SELECT objid, classid FROM pg_locks WHERE locktype = 'advisory'";
    let before = cluster.ask(lock).len();
    assert!(before > 0, "the server has its place among the servers");
    let url = cluster.url();
    let (held, is_held) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holding = std::thread::spawn(move || {
        let mut other = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let mut other = other.transaction().unwrap();
        // Whoever writes a row of the log has the lock of the store first.
        let key = PostgresAddress::parse(&url, "held_up", None).unwrap().turn();
        other.query("SELECT pg_advisory_xact_lock($1)", &[&key]).unwrap();
        other
            .execute("INSERT INTO held_up.messages (channel, ts, \"user\", text) VALUES (1, 1, 1, 'late')", &[])
            .unwrap();
        held.send(()).unwrap();
        released.recv().unwrap();
        other.commit().unwrap();
    });
    tokio::task::spawn_blocking(move || is_held.recv().unwrap()).await.unwrap();
    let client = server.client.clone();
    let mut post = Box::pin(client.post("alice", &channel, "next", "next"));
    let early = tokio::time::timeout(Duration::from_millis(400), &mut post).await;
    assert!(early.is_err(), "stored before the other transaction was over: {early:?}");
    release.send(()).unwrap();
    assert_eq!((&mut post).await["ok"], true);
    drop(post);
    holding.join().unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_postgresql_does_not_hold_fails_alone() {
    let Some(cluster) = cluster() else { return };
    let server = Running::of(over(&cluster, "zeros")).await;
    let channel = server.client.channel("alice", "general").await;
    let posts = (0..40).map(|index| {
        let (client, channel) = (server.client.clone(), channel.clone());
        let (key, text) = (index.to_string(), if index % 4 == 0 { "a\0b" } else { "plain" });
        tokio::spawn(async move { (text, client.post("alice", &channel, text, &key).await) })
    });
    for post in posts.collect::<Vec<_>>() {
        let (text, answer) = post.await.unwrap();
        match text {
            "plain" => assert_eq!(answer["ok"], true, "{answer}"),
            _ => assert_eq!(answer["error"], "invalid_arguments", "{answer}"),
        }
    }
    assert_eq!(server.client.history("alice", &channel, &[("limit", "999")]).await.len(), 30);
    server.stop().await;
}

#[test]
fn what_is_in_the_way_is_said_and_nothing_of_a_password() {
    let Some(cluster) = cluster() else { return };
    cluster.ask("CREATE SCHEMA others; CREATE TABLE others.accounts (name TEXT)");
    let _running = ServerProcess::over(&["--store", &cluster.url(), "--schema", "taken"]);
    let url = cluster.url();
    let nobody = format!("postgres://chat:{PASSWORD_IN_URL}@127.0.0.1:1/postgres");
    let elsewhere = url.replace("/postgres", "/missing");
    for (flags, says) in [
        (vec!["--store", &url, "--schema", "others"], "holds something that is not posthaste's"),
        (vec!["--store", &url, "--schema", "taken"], "give each --shared"),
        (vec!["--store", &url, "--schema", "Others"], "no name of a schema"),
        (vec!["--store", &nobody], "does it listen at this address?"),
        (vec!["--store", &elsewhere], "\"missing\" does not exist; name another database"),
        (vec!["--store", &cluster.bare_url()], "PGPASSWORD"),
        (vec!["--store", &nobody, "--replicas", "2"], "does it listen at this address?"),
        (vec!["--store", "chat.db"], "a SQLite file is --db"),
        (vec!["--store", "env:POSTHASTE_NOWHERE"], "env:POSTHASTE_NOWHERE"),
        (vec!["--store", &url, "--db", "x.db"], "cannot be used with"),
    ] {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_posthaste"));
        let output = serve.args(["serve", "--port", "0"]).args(&flags).env_remove("PGPASSWORD").output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {words}");
        assert!(words.contains(says), "{flags:?}: {words}");
        assert!(!words.contains("canary"), "{flags:?}: {words}");
    }
    assert_eq!(cluster.ask("SELECT count(*) FROM others.accounts"), ["0"]);
}

/// A short run of three servers, with faults of each.
fn faulted_run(more: &[&str]) -> Run {
    let faults = r#"faults=[{kind="crash",at="700ms"},{kind="disconnect",at="1200ms",for="200ms"},
        {kind="hedge",at="0s",share=0.3},{kind="store-fail",at="1500ms",for="400ms"},{kind="deploy",at="2100ms"}]"#;
    let short = ["--users", "60", "--duration", "3s", "--set", "arrival.warm_up=500ms", "--set", "connect.rate=2000"];
    let lenient = ["--set", "thresholds=[\"errors.share < 50%\"]", "--set", "send.attempts=8", "--set", faults];
    Run::new(&[&short[..], &lenient, more].concat())
}

#[test]
fn runs_over_postgresql_lose_nothing_under_faults_and_leave_nothing_behind() {
    let Some(cluster) = cluster() else { return };
    let store = format!("store={}", cluster.url());
    for (replicas, replaced) in [("replicas=3", 3), ("replicas=1", 1)] {
        let run = faulted_run(&["--serve", &store, "--serve", replicas]);
        assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary["correctness"]);
        run.only(&[]);
        run.adds_up();
        assert_eq!(run.summary["faults"][4]["touched"], replaced, "{}", run.summary["faults"]);
        assert!(run.ledger("healed") > 0);
        for shown in std::fs::read_dir(run.folder()).unwrap() {
            let bytes = std::fs::read(shown.unwrap().path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(PASSWORD) && !text.contains(PASSWORD_IN_URL));
        }
        assert!(!run.stderr.contains(PASSWORD) && !run.stderr.contains(PASSWORD_IN_URL));
    }
    let left = cluster.ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'posthaste_run%'");
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_run_over_a_database_that_is_not_there_sends_nothing() {
    let run = Run::new(&["--serve", "store=postgres://chat:canary@127.0.0.1:1/chat"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("does it listen at this address?") && !run.stderr.contains("canary"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_by_hand_and_a_password_in_the_environment() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.bare_url();
    let flags = ["--store", &url, "--schema", "by_hand", "--shared", "--synchronous", "off"];
    let start = || ServerProcess::with(&flags, &[("PGPASSWORD", PASSWORD)]);
    let (a, b) = (start(), start());
    let channel = a.client.channel("alice", "general").await;
    let load = Load::start(&[&a.client, &b.client], &channel);
    let mut socket = b.client.socket("alice").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // One is killed at work, and its store is nobody's but the other's.
    drop(a);
    let again = start();
    is_pushed(&again.client, &mut socket, &channel).await;
    load.senders.into_iter().for_each(|sender| sender.abort());
    let listing = format!("/proc/{}/cmdline", again.child.id());
    assert!(!String::from_utf8_lossy(&std::fs::read(listing).unwrap()).contains("canary"));
    let known =
        "SELECT string_agg(DISTINCT state, ',') FROM pg_stat_activity WHERE application_name = 'posthaste by_hand'";
    assert!(!ask(&cluster.url(), known).is_empty());
}

async fn is_pushed(client: &Client, socket: &mut super::harness::Socket, channel: &str) {
    assert_eq!(client.post("alice", channel, "from the new one", "new").await["ok"], true);
    while socket.next().await["text"] != "from the new one" {}
}
