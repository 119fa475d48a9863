//! Pushes.

use super::super::harness::{Running, Socket, field};
use super::{MESSAGES, aftermath, keys_of};
use serde_json::Value;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn drop_live_notes_each_push_that_is_missing() {
    let after = aftermath(&["drop-live=9"], None).await;
    assert_eq!(after.stored, after.sent());
    let noted = after.server.noted("drop-live");
    assert_eq!(noted.len(), 2 * MESSAGES / 9);
    for (rank, user) in ["alice", "bob"].into_iter().enumerate() {
        let id = after.server.client.user_id(user).await;
        let of_user: Vec<Value> = noted.iter().filter(|instance| instance["user"] == id.as_str()).cloned().collect();
        assert!(!of_user.is_empty());
        assert_eq!(after.pushed[rank], after.without(&field(&of_user, "client_msg_id")), "{user}");
    }
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn double_fanout_notes_each_further_copy() {
    let after = aftermath(&["double-fanout=9"], None).await;
    assert_eq!(after.stored, after.sent());
    let noted = after.server.noted("double-fanout");
    assert_eq!(noted.len(), 2 * MESSAGES / 9);
    for (rank, user) in ["alice", "bob"].into_iter().enumerate() {
        let doubled = keys_to(&after.server, &noted, user).await;
        let copies = |key: String| vec![key.clone(); 1 + usize::from(doubled.contains(&key))];
        assert_eq!(after.pushed[rank], after.sent().into_iter().flat_map(copies).collect::<Vec<_>>(), "{user}");
    }
    after.server.stop().await;
}

async fn keys_to(server: &Running, noted: &[Value], user: &str) -> Vec<String> {
    let id = server.client.user_id(user).await;
    let of_user: Vec<Value> = noted.iter().filter(|instance| instance["user"] == id.as_str()).cloned().collect();
    field(&of_user, "client_msg_id")
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_fanout_notes_each_push_that_was_overtaken() {
    let server = Running::with(&["racing-fanout=7"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let mut socket = client.socket("alice").await;
    for index in 0..MESSAGES {
        client.post("alice", &channel, "text", &format!("{index:02}")).await;
    }
    let mut pushed = Vec::new();
    for _ in 0..MESSAGES {
        pushed.push(socket.next().await["client_msg_id"].as_str().unwrap().to_owned());
    }
    let mut overtaken = Vec::new();
    let mut newest = "";
    for key in &pushed {
        if key.as_str() < newest {
            overtaken.push(key.clone());
        }
        newest = newest.max(key);
    }
    assert!(!overtaken.is_empty());
    assert_eq!(field(&server.noted("racing-fanout"), "client_msg_id"), overtaken);
    pushed.sort();
    pushed.dedup();
    assert_eq!(pushed.len(), MESSAGES, "none is missing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_channel_pushes_to_somebody_who_is_no_member() {
    let server = Running::with(&["wrong-channel=7"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let elsewhere = client.channel("carol", "random").await;
    let (mut alice, mut carol) = (client.socket("alice").await, client.socket("carol").await);
    let mut sent = Vec::new();
    for index in 0..MESSAGES {
        sent.push(format!("key-{index}"));
        client.post("alice", &channel, "text", &sent[index]).await;
    }
    let leaked = carol.drain().await;
    let noted = server.noted("wrong-channel");
    assert_eq!(noted.len(), MESSAGES / 7);
    assert_eq!(field(&leaked, "client_msg_id"), field(&noted, "client_msg_id"));
    assert!(leaked.iter().all(|push| push["channel"] == channel.as_str()));
    let id = client.user_id("carol").await;
    assert!(noted.iter().all(|instance| instance["user"] == id.as_str()));
    assert_eq!(keys_of(&mut alice).await, sent);
    client.ok("alice", "conversations.join", &[("channel", &elsewhere)]).await;
    for index in 0..7 {
        client.post("carol", &elsewhere, "text", &format!("all-{index}")).await;
    }
    assert_eq!(server.noted("wrong-channel").len(), noted.len(), "where all are members there is no stranger");
    server.stop().await;
}

/// Posts until a push does not come for a while: the key of the first such.
async fn post_until_stalled(server: &Running, channel: &str, reader: &mut Socket) -> Option<String> {
    let text = "wide ".repeat(7_000);
    for index in 0..1_500 {
        let key = format!("key-{index}");
        server.client.post("alice", channel, &text, &key).await;
        match tokio::time::timeout(Duration::from_secs(3), reader.next()).await {
            Ok(push) => assert_eq!(push["client_msg_id"], key.as_str()),
            Err(_) => return Some(key),
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn blocking_fanout_lets_all_wait_for_one_who_does_not_read() {
    let server = Running::with(&["blocking-fanout"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let other = client.channel("alice", "random").await;
    for user in ["bob", "carol"] {
        client.ok(user, "conversations.join", &[("channel", &channel)]).await;
    }
    let slow = client.socket("carol").await;
    let mut bob = client.socket("bob").await;
    let stalled = post_until_stalled(&server, &channel, &mut bob).await.expect("carol stalls the channel");
    let noted = server.noted("blocking-fanout");
    let carol = client.user_id("carol").await;
    assert!(!noted.is_empty() && noted.iter().all(|instance| instance["user"] == carol.as_str()));
    client.ok("bob", "conversations.join", &[("channel", &other)]).await;
    client.post("alice", &other, "text", "elsewhere").await;
    assert_eq!(bob.next().await["client_msg_id"], "elsewhere", "other channels go on");
    drop(slow);
    assert_eq!(bob.next().await["client_msg_id"], stalled.as_str(), "it comes when carol is gone");
    server.stop().await;
}
