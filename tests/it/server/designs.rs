//! The server's side of the designs to send: what is pushed and what is stored
//! when the store fails.

use super::harness::{Running, ServerProcess, field};
use posthaste::server::Options;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// A server whose store fails while a file exists, which does not exist yet.
async fn failing(options: Options) -> (Running, PathBuf, String) {
    let file = std::env::temp_dir().join(format!("posthaste-full-{}", uuid::Uuid::new_v4()));
    let server = Running::of(Options { store_fail_while: Some(file.clone()), ..options }).await;
    let channel = server.client.channel("alice", "general").await;
    server.client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    (server, file, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_keeps_nothing_and_pushes_nothing() {
    let (server, file, channel) = failing(Options::default()).await;
    let client = &server.client;
    let (mut alice, mut bob) = (client.socket("alice").await, client.socket("bob").await);
    fs::write(&file, "").unwrap();
    let refused = client.post("alice", &channel, "over HTTP", "h").await;
    assert_eq!(refused, json!({ "ok": false, "error": "internal_error" }));
    let message = json!({ "type": "message", "id": 9, "channel": channel, "text": "socket", "client_msg_id": "s" });
    alice.send(&message).await;
    let expected = json!({ "ok": false, "reply_to": 9, "error": { "code": 1, "msg": "internal_error" } });
    assert_eq!(alice.next().await, expected);
    // Users, channels and memberships are no messages.
    let another = client.channel("carol", "another").await;
    client.ok("bob", "conversations.join", &[("channel", &another)]).await;
    assert_eq!(client.history("alice", &channel, &[]).await, Vec::<Value>::new());

    fs::remove_file(&file).unwrap();
    let stored = client.post("alice", &channel, "over HTTP", "h").await;
    assert_eq!(stored.get("deduplicated"), None, "its key was not stored either");
    alice.send(&message).await;
    assert_eq!(alice.next().await["ts"], stored["ts"], "the push of the other one");
    let ack = alice.next().await;
    assert_eq!((&ack["ok"], &ack["reply_to"]), (&json!(true), &json!(9)));
    assert_eq!(field(&bob.drain().await, "text"), ["over HTTP", "socket"], "each was pushed once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fanout_first_pushes_over_sockets_what_the_store_then_refuses() {
    let (server, file, channel) = failing(Options { fanout_first: true, ..Options::default() }).await;
    let client = &server.client;
    let (mut alice, mut bob) = (client.socket("alice").await, client.socket("bob").await);
    let send = |index: usize, id: Option<usize>| {
        let text = format!("text {index}");
        let mut frame = json!({ "type": "message", "channel": channel, "text": text, "client_msg_id": text });
        if let Some(id) = id {
            frame["id"] = json!(id);
        }
        frame
    };
    for index in 0..20 {
        alice.send(&send(index, Some(index))).await;
    }
    let pushed = field(&bob.drain().await, "ts");
    let of_alice = alice.drain().await;
    let acks: Vec<Value> = of_alice.iter().filter(|frame| frame.get("reply_to").is_some()).cloned().collect();
    assert_eq!((pushed.len(), field(&acks, "ts")), (20, pushed.clone()), "stored where it was pushed");
    assert_eq!(of_alice.len(), 40, "one push and one answer each");

    fs::write(&file, "").unwrap();
    alice.send(&send(20, Some(20))).await;
    let phantom = bob.next().await;
    assert_eq!(phantom["text"], "text 20");
    let answers = alice.drain().await;
    let refusal = json!({ "ok": false, "reply_to": 20, "error": { "code": 1, "msg": "internal_error" } });
    assert_eq!(answers, [phantom.clone(), refusal], "pushed first");
    alice.send(&send(21, None)).await;
    assert_eq!(bob.next().await["text"], "text 21", "who asks for no answer hears nothing of it");
    assert_eq!(client.post("alice", &channel, "over HTTP", "h").await["ok"], false);

    fs::remove_file(&file).unwrap();
    let last = client.post("alice", &channel, "last", "last").await;
    assert_eq!(field(&bob.drain().await, "text"), ["last"], "HTTP is stored first");
    assert!(phantom["ts"].as_str().unwrap() < last["ts"].as_str().unwrap());
    let mut stored = field(&client.history("bob", &channel, &[]).await, "ts");
    stored.reverse();
    assert_eq!(stored[..20], pushed[..]);
    assert_eq!(stored[20..], [last["ts"].as_str().unwrap()], "no row of what was pushed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fanout_first_keeps_the_order_of_positions_among_many_senders() {
    let server = Running::of(Options { fanout_first: true, ..Options::default() }).await;
    let client = server.client.clone();
    let channel = client.channel("alice", "general").await;
    let mut reader = client.socket("alice").await;
    let mut senders = Vec::new();
    for sender in 0..8 {
        let user = format!("user-{sender}");
        client.ok(&user, "conversations.join", &[("channel", &channel)]).await;
        let (mut socket, channel) = (client.socket(&user).await, channel.clone());
        senders.push(tokio::spawn(async move {
            for index in 0..50 {
                socket.send(&json!({ "type": "message", "channel": channel, "text": format!("{index}") })).await;
            }
            while socket.next().await["text"] != "end" {}
        }));
    }
    let mut pushed = Vec::new();
    while pushed.len() < 400 {
        pushed.push(reader.next().await["ts"].as_str().unwrap().to_owned());
    }
    assert!(pushed.windows(2).all(|pair| pair[0] < pair[1]));
    client.post("alice", &channel, "end", "end").await;
    futures_util::future::join_all(senders).await.into_iter().for_each(|ended| ended.unwrap());
    let mut stored = field(&client.history("alice", &channel, &[("limit", "999")]).await, "ts");
    stored.reverse();
    assert_eq!(stored[..400], pushed);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_of_both_reach_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("full");
    let flags = ["--store-fail-while", file.to_str().unwrap(), "--fanout-first"];
    let server = ServerProcess::start(&folder.path().join("test.db"), &flags);
    let channel = server.client.channel("alice", "general").await;
    let mut alice = server.client.socket("alice").await;
    fs::write(&file, "").unwrap();
    alice.send(&json!({ "type": "message", "id": 1, "channel": channel, "text": "x" })).await;
    assert_eq!(alice.next().await["text"], "x");
    assert_eq!(alice.next().await["error"]["msg"], "internal_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_store_makes_fanout_before_persist_show() {
    let defects = vec!["fanout-before-persist=1000000".parse().unwrap()];
    let (server, file, channel) = failing(Options { defects, ..Options::default() }).await;
    let client = &server.client;
    let mut bob = client.socket("bob").await;
    assert_eq!(client.post("alice", &channel, "before", "before").await["ok"], true);
    fs::write(&file, "").unwrap();
    for key in ["before", "phantom", "phantom"] {
        assert_eq!(client.post("alice", &channel, key, key).await["ok"], false, "{key}");
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(client.post("alice", &channel, "phantom", "phantom").await["ok"], false, "so that it stays one");
    assert_eq!(field(&bob.drain().await, "text"), ["before", "phantom"]);
    assert_eq!(field(&server.noted("fanout-before-persist"), "client_msg_id"), ["phantom"]);
    assert_eq!(field(&client.history("alice", &channel, &[]).await, "text"), ["before"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_frame_with_an_id_is_answered() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let mut alice = client.socket("alice").await;
    let long = "x".repeat(300);
    for fields in [
        json!({ "type": "message", "channel": channel, "text": "stored", "client_msg_id": "k" }),
        json!({ "type": "message", "channel": channel, "text": "repeated", "client_msg_id": "k" }),
        json!({ "type": "message", "channel": "C0", "text": "nowhere" }),
        json!({ "type": "message", "channel": channel }),
        json!({ "type": "message", "channel": channel, "text": "key", "client_msg_id": long }),
        json!({ "type": "nonsense" }),
    ] {
        alice.send(&fields).await;
    }
    assert_eq!(field(&alice.drain().await, "text"), ["stored"], "the push alone");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_repeats_the_id_as_it_came_and_says_what_is_stored() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let mut alice = client.socket("alice").await;
    let send = |id: Value, text: &str, key: Option<&str>| json!({ "type": "message", "id": id, "channel": channel, "text": text, "client_msg_id": key });
    alice.send(&send(json!(u64::MAX), "first", Some("k"))).await;
    let first = alice.next().await;
    assert_eq!(first, json!({ "ok": true, "reply_to": u64::MAX, "ts": first["ts"], "text": "first" }));
    let read = client.history("alice", &channel, &[]).await;
    assert_eq!(field(&read, "ts"), [first["ts"].as_str().unwrap()], "answered after the commit");
    assert_eq!(alice.next().await["type"], "message");
    alice.send(&send(json!("as text"), "another text", Some("k"))).await;
    let again = json!({ "ok": true, "reply_to": "as text", "ts": first["ts"], "text": "first" });
    assert_eq!(alice.next().await, again, "the key decides, not the text");
    let too_long = "x".repeat(256);
    for (text, key, says) in [("", None, "no_text"), ("text", Some(too_long.as_str()), "invalid_arguments")] {
        alice.send(&send(json!(3), text, key)).await;
        let refusal = json!({ "ok": false, "reply_to": 3, "error": { "code": 1, "msg": says } });
        assert_eq!(alice.next().await, refusal);
    }
    assert_eq!(alice.drain().await, Vec::<Value>::new(), "neither a repetition nor a refusal is pushed");
    server.stop().await;
}
