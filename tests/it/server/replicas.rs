//! Several servers over one store: what one of them does, all know, and all
//! sockets see in one order.

use super::harness::{Client, Running, ServerProcess, Socket, field, store_flags};
use super::hooks::{Does, Hooks};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use posthaste::server::{Options, ReplayWindow};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Three servers over one store.
struct Three {
    servers: [Running; 3],
    _folder: TempDir,
}

impl Three {
    async fn start() -> Self {
        Self::with(ReplayWindow::default()).await
    }

    async fn with(replay: ReplayWindow) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server =
            || Running::of(Options { db: folder.path().join("one.db"), shared: true, replay, ..Options::default() });
        Self { servers: [server().await, server().await, server().await], _folder: folder }
    }

    fn clients(&self) -> [&Client; 3] {
        [0, 1, 2].map(|rank| &self.servers[rank].client)
    }

    async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_to_any_is_pushed_by_all_in_the_order_of_the_history() {
    const EACH: usize = 40;
    let three = Three::start().await;
    let [a, b, c] = three.clients();
    let channel = a.channel("alice", "general").await;
    let mut sockets = [a.socket("alice").await, b.socket("alice").await, c.socket("alice").await];
    let senders = [a, b, c]
        .into_iter()
        .enumerate()
        .flat_map(|(server, client)| (0..4).map(move |sender| (format!("{server}-{sender}"), client.clone())));
    let senders: Vec<_> = senders
        .map(|(name, client)| {
            let channel = channel.clone();
            tokio::spawn(async move {
                for index in 0..EACH {
                    let text = format!("{name}-{index}");
                    assert_eq!(client.post("alice", &channel, &text, &text).await["ok"], true);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let mut rows = b.history("alice", &channel, &[("limit", "999")]).await;
    rows.reverse();
    let stored = field(&rows, "text");
    assert_eq!(stored.len(), 12 * EACH);
    assert!(field(&rows, "ts").is_sorted());
    for socket in &mut sockets {
        let mut pushed = Vec::new();
        for _ in 0..stored.len() {
            pushed.push(socket.next().await);
        }
        assert_eq!(field(&pushed, "text"), stored);
        assert_eq!(socket.drain().await, Vec::<Value>::new(), "each once");
    }
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_posted_to_all_at_once_makes_one_row_and_one_push() {
    const KEYS: usize = 60;
    let three = Three::start().await;
    let [a, b, c] = three.clients();
    let channel = a.channel("alice", "general").await;
    let mut socket = b.socket("alice").await;
    for number in 0..KEYS {
        let key = format!("key-{number}");
        let post = |client: &Client| {
            let (client, channel, key) = (client.clone(), channel.clone(), key.clone());
            async move { client.post("alice", &channel, &key, &key).await }
        };
        let answers: [Value; 3] = tokio::join!(post(a), post(b), post(c)).into();
        let positions: HashSet<String> = field(&answers, "ts").into_iter().collect();
        assert_eq!(positions.len(), 1, "{answers:?}");
        let repeats = answers.iter().filter(|answer| answer["deduplicated"] == true).count();
        assert_eq!(repeats, 2, "{answers:?}");
    }
    assert_eq!(c.history("alice", &channel, &[("limit", "999")]).await.len(), KEYS);
    assert_eq!(socket.drain().await.len(), KEYS);
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_and_memberships_of_one_hold_on_all_from_the_answer_on() {
    let three = Three::start().await;
    let [a, b, c] = three.clients();
    for round in 0..20 {
        let (channel, user) = (a.channel("alice", &format!("c-{round}")).await, format!("bob-{round}"));
        assert_eq!(
            b.call("alice", "conversations.create", &[("name", &format!("c-{round}"))]).await["error"],
            "name_taken"
        );
        b.ok(&user, "conversations.join", &[("channel", &channel)]).await;
        // Over a socket and over HTTP, by one that has not heard of it itself.
        let mut socket = c.socket(&user).await;
        socket.send(&json!({ "id": 1, "type": "message", "channel": channel, "text": "from a socket" })).await;
        let frames = [socket.next().await, socket.next().await];
        let answer = frames.iter().find(|frame| frame["reply_to"] == 1).expect("an answer");
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(a.post(&user, &channel, "from HTTP", "key").await["ok"], true);
        assert_eq!(socket.next().await["text"], "from HTTP");
        let members = c.ok("alice", "conversations.members", &[("channel", &channel)]).await;
        assert_eq!(members["members"].as_array().unwrap().len(), 2);
        c.ok(&user, "conversations.leave", &[("channel", &channel)]).await;
        // What is posted once the answer is there is not theirs any more.
        assert_eq!(b.post("alice", &channel, "to others", "key").await["ok"], true);
        assert_eq!(a.post(&user, &channel, "late", "late").await["error"], "not_in_channel");
        assert_eq!(socket.drain().await, Vec::<Value>::new());
    }
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_pushed_what_comes_behind_its_joining_and_nothing_from_before() {
    let three = Three::start().await;
    let [a, b, c] = three.clients();
    let channel = a.channel("alice", "general").await;
    for round in 0..40 {
        let user = format!("user-{round}");
        let mut socket = c.socket(&user).await;
        for rank in 0..5 {
            assert_eq!(a.post("alice", &channel, "before", &format!("{round}-{rank}")).await["ok"], true);
        }
        c.ok(&user, "conversations.join", &[("channel", &channel)]).await;
        assert_eq!(b.post("alice", &channel, "behind", &format!("{round}")).await["ok"], true);
        assert_eq!(socket.next().await["text"], "behind");
    }
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_later_knows_all_and_misses_nothing_from_its_start_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = || Running::of(Options { db: folder.path().join("one.db"), shared: true, ..Options::default() });
    let first = server().await;
    let channel = first.client.channel("alice", "general").await;
    for round in 0..4 {
        let last_words = format!("before {round}");
        assert_eq!(first.client.post("alice", &channel, &last_words, &last_words).await["ok"], true);
        let later = server().await;
        // The first entry of the log behind its start is this message.
        let mut socket = later.client.socket("alice").await;
        assert_eq!(first.client.post("alice", &channel, "behind", &round.to_string()).await["ok"], true);
        assert_eq!(socket.next().await["text"], "behind");
        assert_eq!(socket.drain().await, Vec::<Value>::new());
        drop(socket);
        later.stop().await;
    }
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_channel_is_private_on_all() {
    let three = Three::start().await;
    let [a, b, c] = three.clients();
    let created = a.ok("alice", "conversations.create", &[("name", "secret"), ("is_private", "1")]).await;
    let channel = created["channel"]["id"].as_str().unwrap();
    for client in [b, c] {
        assert_eq!(
            client.call("eve", "conversations.history", &[("channel", channel)]).await["error"],
            "channel_not_found"
        );
        assert_eq!(
            client.call("eve", "conversations.join", &[("channel", channel)]).await["error"],
            "channel_not_found"
        );
    }
    let bob = c.user_id("bob").await;
    b.ok("alice", "conversations.invite", &[("channel", channel), ("users", &bob)]).await;
    assert_eq!(c.post("bob", channel, "in", "key").await["ok"], true);
    a.ok("bob", "conversations.leave", &[("channel", channel)]).await;
    assert_eq!(c.call("bob", "conversations.history", &[("channel", channel)]).await["error"], "channel_not_found");
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_one_opens_a_socket_on_another_and_changes_are_pushed_there() {
    let three = Three::start().await;
    let [a, b, c] = three.clients();
    let channel = a.channel("alice", "general").await;
    let (own, other) = (a.socket_url("alice").await, b.base.trim_start_matches("http://").to_owned());
    let (_, behind) = own.split_once("/rtm").unwrap();
    let moved = format!("ws://{other}/rtm{behind}");
    let mut socket = Socket::open(&moved).await;
    assert_eq!(socket.next().await["type"], "hello");
    let again = tokio_tungstenite::connect_async(&moved).await;
    assert!(matches!(again, Err(tokio_tungstenite::tungstenite::Error::Http(answer)) if answer.status() == 403));

    let ts = c.post("alice", &channel, "first", "key").await["ts"].as_str().unwrap().to_owned();
    assert_eq!(socket.next().await["text"], "first");
    let message = [("channel", channel.as_str()), ("ts", ts.as_str())];
    a.ok("alice", "chat.update", &[&message[..], &[("text", "edited")]].concat()).await;
    assert_eq!(socket.next().await["message"]["text"], "edited");
    c.ok("alice", "reactions.add", &[("channel", &channel), ("timestamp", &ts), ("name", "wave")]).await;
    assert_eq!(socket.next().await["reaction"], "wave");
    a.ok("alice", "chat.postMessage", &[("channel", &channel), ("text", "reply"), ("thread_ts", &ts)]).await;
    assert_eq!(socket.next().await["thread_ts"], ts);
    assert_eq!(b.ok("alice", "conversations.replies", &message).await["messages"].as_array().unwrap().len(), 2);
    b.ok("alice", "chat.delete", &message).await;
    assert_eq!(socket.next().await["subtype"], "message_deleted");
    let positions = field(&socket.drain().await, "event_ts");
    assert!(positions.is_empty());
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_moves_is_replayed_what_it_missed() {
    let three = Three::with(ReplayWindow { events: 100, age: Duration::from_secs(60) }).await;
    let [a, b, c] = three.clients();
    let channel = a.channel("alice", "general").await;
    b.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let mut socket = b.socket("bob").await;
    assert_eq!(a.post("alice", &channel, "seen", "seen").await["ok"], true);
    let seen = socket.next().await["ts"].as_str().unwrap().to_owned();
    drop(socket);
    for (client, text) in [(a, "1"), (b, "2"), (c, "3")] {
        assert_eq!(client.post("alice", &channel, text, text).await["ok"], true);
    }
    let address = c.ok("bob", "rtm.connect", &[("last_event", &seen)]).await;
    let mut back = Socket::open(address["url"].as_str().unwrap()).await;
    assert_eq!(back.next().await["type"], "hello");
    assert_eq!(a.post("alice", &channel, "live", "live").await["ok"], true);
    assert_eq!(field(&back.drain().await, "text"), ["1", "2", "3", "live"]);
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_shown_on_all_and_apps_are_told_once_and_answer_to_any() {
    let three = Three::start().await;
    let [a, b, c] = three.clients();
    let channel = a.channel("alice", "general").await;
    b.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    a.ok("xoxb-a", "conversations.join", &[("channel", &channel)]).await;
    let (mut alice, mut bob) = (a.socket("alice").await, c.socket("bob").await);
    alice.send(&json!({ "type": "typing", "channel": channel })).await;
    assert_eq!(bob.next().await["type"], "user_typing");
    assert_eq!(alice.drain().await, Vec::<Value>::new(), "not to oneself");

    let mut hooks = Hooks::start().await;
    hooks.subscribe(a, "xapp-a").await;
    for (client, text) in [(a, "1"), (b, "2"), (c, "3")] {
        assert_eq!(client.post("bob", &channel, text, text).await["ok"], true);
        assert_eq!(hooks.next().await.text(), text);
    }
    alice.drain().await;
    bob.drain().await;
    hooks.then(&[Does::Says("privately")]);
    b.ok("alice", "chat.command", &[("channel", &channel), ("command", "/say")]).await;
    let shown = alice.next().await;
    assert_eq!((&shown["text"], &shown["is_ephemeral"]), (&json!("privately"), &json!(true)));
    let form = hooks.next().await.form();
    let url = form["response_url"].replace(&b.base, &c.base);
    assert!(url.starts_with(&c.base), "{url}");
    assert_eq!(c.http.post(format!("{url}?text=later")).send().await.unwrap().status(), 200);
    assert_eq!(alice.next().await["text"], "later");
    assert_eq!(c.http.post(format!("{url}0?text=forged")).send().await.unwrap().status(), 404);
    assert_eq!(bob.drain().await, Vec::<Value>::new());
    let refused = a.call("xapp-a", "apps.connections.open", &[]).await;
    assert_eq!(refused["error"], "not_supported_with_replicas");
    three.stop().await;
}

/// `posthaste serve --replicas 3`, and what it says on standard error.
struct Balanced {
    whole: ServerProcess,
    says: mpsc::Receiver<String>,
    folder: TempDir,
}

impl Balanced {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_posthaste"))
            .args(["serve", "--port", "0", "--replicas", "3"])
            .args(store_flags(&folder.path().join("one.db")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, says) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim_end().strip_prefix("listening on ").expect("the first line names the address");
        Self { whole: ServerProcess { child, client: Client::new(base.to_owned()) }, says, folder }
    }

    fn children(&self) -> Vec<i32> {
        let pid = self.whole.child.id();
        // Each thread has children of its own.
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap().path());
        let of_thread = |path: std::path::PathBuf| std::fs::read_to_string(path.join("children")).unwrap_or_default();
        let mut pids: Vec<i32> = threads
            .flat_map(|path| of_thread(path).split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
            .collect();
        pids.sort_unstable();
        pids
    }

    fn wait_for(&self, words: &str) {
        while !self.says.recv_timeout(super::harness::PATIENCE).expect(words).contains(words) {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_replaces_each_process_and_a_killed_one_runs_again() {
    let balanced = Balanced::start();
    let client = &balanced.whole.client;
    let channel = client.channel("alice", "general").await;
    let before = balanced.children();
    assert_eq!(before.len(), 3);
    balanced.whole.signal(Signal::SIGHUP);
    let mut posted = 0;
    let replaced = loop {
        // Whoever is not there is passed over.
        client.post_with_retries("alice", &channel, "x", &format!("{posted}")).await;
        posted += 1;
        let now = balanced.children();
        if now.len() == 3 && now.iter().all(|pid| !before.contains(pid)) {
            break now;
        }
    };
    balanced.wait_for("every server was replaced");
    kill(Pid::from_raw(replaced[0]), Signal::SIGKILL).unwrap();
    balanced.wait_for("1 of the servers had ended and run again");
    assert_eq!(balanced.children().len(), 3);
    let rows = client.history("alice", &channel, &[("limit", "999")]).await;
    assert_eq!(rows.len(), posted, "nothing that was acknowledged is lost");
    balanced.whole.signal(Signal::SIGTERM);
    let Balanced { whole, folder, .. } = balanced;
    assert_eq!(whole.exit_code().await, Some(0));
    drop(folder);
}

#[test]
fn nothing_outlives_a_killed_parent() {
    let mut balanced = Balanced::start();
    let children = balanced.children();
    assert_eq!(children.len(), 3);
    balanced.whole.child.kill().unwrap();
    balanced.whole.child.wait().unwrap();
    let started = Instant::now();
    let lives = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that nobody waits for has ended too.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while children.iter().any(lives) {
        assert!(started.elapsed() < super::harness::PATIENCE, "{children:?} go on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_of_one_process_alone_is_refused_with_several() {
    for (flags, says) in [
        (["--replicas", "2", "--defect", "drop-live"], "--defect is of one process alone: remove it, or --replicas"),
        (["--shared", "--fanout-first", "--replicas", "1"], "--fanout-first is of one process alone"),
        (["--replicas", "0", "--port", "0"], "--replicas"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_posthaste")).arg("serve").args(flags).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {words}");
        assert!(words.contains(says), "{flags:?}: {words}");
    }
}
