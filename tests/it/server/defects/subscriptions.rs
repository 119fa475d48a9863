//! Sockets that take themselves for subscribed, and what is sent over sockets.

use super::super::harness::{Running, field};
use super::{keys_of, stored, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn in_a_subscribe_gap_pushes_are_missed_and_noted() {
    for (defects, gap) in [(&["subscribe-gap=2"][..], true), (&[], false)] {
        let server = Running::with(defects, None).await;
        let client = &server.client;
        let channel = client.channel("alice", "general").await;
        let mut missed = 0;
        for round in 0..10 {
            let mut socket = client.socket("alice").await;
            let (began, mut sent) = (Instant::now(), Vec::new());
            while began.elapsed() < Duration::from_millis(150) {
                sent.push(format!("{round}-{}", sent.len()));
                client.post("alice", &channel, "text", &sent[sent.len() - 1]).await;
            }
            let noted = field(&server.noted("subscribe-gap"), "client_msg_id").split_off(missed);
            missed += noted.len();
            assert!(noted.is_empty() || round % 2 == 1, "every second socket");
            sent.retain(|key| !noted.contains(key));
            assert_eq!(keys_of(&mut socket).await, sent);
        }
        assert_eq!(missed > 0, gap);
        let alice = client.user_id("alice").await;
        assert!(server.noted("subscribe-gap").iter().all(|instance| instance["user"] == alice.as_str()));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_close_of_an_old_socket_ends_the_subscription_of_the_new_one() {
    let server = Running::with(&["lost-unsubscribe=2"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let (unrelated, old) = (client.socket("alice").await, client.socket("bob").await);
    let (mut alice, mut bob) = (client.socket("alice").await, client.socket("bob").await);
    drop(unrelated);
    tokio::time::sleep(Duration::from_millis(400)).await;
    client.post("alice", &channel, "text", "still").await;
    assert_eq!(keys_of(&mut alice).await, ["still"], "the first close is a correct one");
    drop(old);
    let mut sent = vec!["still".to_owned()];
    let began = Instant::now();
    while server.noted("lost-unsubscribe").len() < 3 {
        assert!(began.elapsed() < super::PATIENCE);
        sent.push(format!("key-{}", sent.len()));
        client.post("alice", &channel, "text", &sent[sent.len() - 1]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(keys_of(&mut alice).await, sent[1..]);
    let noted = server.noted("lost-unsubscribe");
    let id = client.user_id("bob").await;
    assert!(noted.iter().all(|instance| instance["user"] == id.as_str()));
    let missed = field(&noted, "client_msg_id");
    sent.retain(|key| !missed.contains(key));
    assert_eq!(keys_of(&mut bob).await, sent);
    drop(bob);
    let mut bob = client.socket("bob").await;
    client.post("alice", &channel, "text", "anew").await;
    assert_eq!(bob.next().await["client_msg_id"], "anew", "a new socket listens");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_on_its_way_from_a_socket_is_nowhere() {
    let server = Running::with(&["drop-socket-sends=3"], None).await;
    let channel = server.client.channel("alice", "general").await;
    let mut socket = server.client.socket("alice").await;
    for id in 1..=7 {
        let message = json!({ "id": id, "type": "message", "channel": channel, "text": "a", "client_msg_id": format!("key-{id}") });
        socket.send(&message).await;
    }
    let mut frames = Vec::new();
    until("the last acknowledgement", || server.noted("drop-socket-sends").len() == 2).await;
    while frames.iter().all(|frame: &Value| frame["reply_to"] != 7) {
        frames.push(socket.next().await);
    }
    let mut acknowledged: Vec<i64> = frames.iter().filter_map(|frame| frame["reply_to"].as_i64()).collect();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, [1, 2, 4, 5, 7]);
    assert_eq!(stored(&server.client, &channel).await, ["key-1", "key-2", "key-4", "key-5", "key-7"]);
    let noted = server.noted("drop-socket-sends");
    assert_eq!(field(&noted, "client_msg_id"), ["key-3", "key-6"]);
    assert!(noted.iter().all(|instance| instance.get("ts").is_none()), "it never got a position");
    server.stop().await;
}
