//! The replay window: what a socket that comes back is given.

use super::harness::{Running, ServerProcess, Socket, field};
use posthaste::server::{Options, ReplayWindow};
use serde_json::Value;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn with_window(events: usize, age: Duration) -> (Running, String) {
    let server = Running::of(Options { replay: ReplayWindow { events, age }, ..Options::default() }).await;
    let channel = server.client.channel("alice", "general").await;
    server.client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    (server, channel)
}

/// A socket that names the last event it saw, behind its hello.
async fn back(server: &Running, token: &str, last_event: &str) -> Socket {
    let address = server.client.ok(token, "rtm.connect", &[("last_event", last_event)]).await;
    let mut socket = Socket::open(address["url"].as_str().unwrap()).await;
    assert_eq!(socket.next().await["type"], "hello");
    socket
}

async fn post(server: &Running, channel: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(server.client.post("alice", channel, text, text).await["ok"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_as_it_was_pushed_in_order_and_before_what_is_live() {
    let (server, channel) = with_window(100, MINUTE).await;
    let other = server.client.channel("alice", "other").await;
    server.client.ok("bob", "conversations.join", &[("channel", &other)]).await;
    let (mut there, mut gone) = (server.client.socket("bob").await, server.client.socket("bob").await);
    post(&server, &channel, &["seen"]).await;
    let seen = gone.next().await;
    drop(gone);
    post(&server, &channel, &["1"]).await;
    post(&server, &other, &["2"]).await;
    post(&server, &channel, &["3"]).await;
    let mut back = back(&server, "bob", seen["ts"].as_str().unwrap()).await;
    post(&server, &channel, &["live"]).await;
    let (all, replayed) = (there.drain().await, back.drain().await);
    assert_eq!(field(&replayed, "text"), ["1", "2", "3", "live"]);
    assert_eq!(all[1..], replayed, "the same frames");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_holds_so_many_and_so_long() {
    let (server, channel) = with_window(3, MINUTE).await;
    post(&server, &channel, &["1", "2", "3", "4", "5"]).await;
    assert_eq!(field(&back(&server, "bob", "0").await.drain().await, "text"), ["3", "4", "5"]);
    server.stop().await;
    let (server, channel) = with_window(100, Duration::from_millis(400)).await;
    post(&server, &channel, &["old"]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    post(&server, &channel, &["young"]).await;
    assert_eq!(field(&back(&server, "bob", "0").await.drain().await, "text"), ["young"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(back(&server, "bob", "0").await.drain().await, Vec::<Value>::new());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_replayed_from_before_a_join_nor_to_who_does_not_ask() {
    let (server, channel) = with_window(100, MINUTE).await;
    post(&server, &channel, &["before"]).await;
    server.client.ok("carol", "conversations.join", &[("channel", &channel)]).await;
    post(&server, &channel, &["after"]).await;
    assert_eq!(field(&back(&server, "carol", "0").await.drain().await, "text"), ["after"]);
    assert_eq!(server.client.socket("carol").await.drain().await, Vec::<Value>::new());
    assert_eq!(back(&server, "eve", "0").await.drain().await, Vec::<Value>::new(), "no member");
    let wrong = server.client.call("bob", "rtm.connect", &[("last_event", "x&y")]).await;
    assert_eq!(wrong["error"], "invalid_last_event");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_window_nothing_is_replayed() {
    let server = Running::start().await;
    let channel = server.client.channel("alice", "general").await;
    post(&server, &channel, &["lost"]).await;
    assert_eq!(back(&server, "alice", "0").await.drain().await, Vec::<Value>::new());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_comes_back_under_load_misses_nothing_and_gets_nothing_twice() {
    let (server, channel) = with_window(10_000, MINUTE).await;
    let (client, to) = (server.client.clone(), channel.clone());
    let posting = tokio::spawn(async move {
        for index in 0..400 {
            client.post("alice", &to, &index.to_string(), &index.to_string()).await;
        }
    });
    let (mut seen, mut last) = (Vec::new(), "0".to_owned());
    while seen.len() < 400 {
        let mut socket = back(&server, "bob", &last).await;
        for _ in 0..25.min(400 - seen.len()) {
            let frame = socket.next().await;
            last = frame["ts"].as_str().unwrap().to_owned();
            seen.push(frame["text"].as_str().unwrap().to_owned());
        }
    }
    posting.await.unwrap();
    assert_eq!(seen, (0..400).map(|index| index.to_string()).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_set_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--replay-window", "1", "--replay-age", "1m"];
    let server = ServerProcess::start(&folder.path().join("test.db"), &flags);
    let channel = server.client.channel("alice", "general").await;
    for text in ["1", "2"] {
        server.client.post("alice", &channel, text, text).await;
    }
    let address = server.client.ok("alice", "rtm.connect", &[("last_event", "0")]).await;
    let mut socket = Socket::open(address["url"].as_str().unwrap()).await;
    assert_eq!(socket.next().await["type"], "hello");
    assert_eq!(field(&socket.drain().await, "text"), ["2"]);
}
