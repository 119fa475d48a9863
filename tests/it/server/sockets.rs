//! Live sockets.

use super::harness::{Running, field};
use futures_util::SinkExt;
use serde_json::json;
use std::collections::HashSet;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn members_get_each_message_in_order_and_others_do_not() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let (mut alice, mut bob, mut eve) =
        (client.socket("alice").await, client.socket("bob").await, client.socket("eve").await);
    let mut sent = Vec::new();
    for index in 0..20 {
        sent.push(client.post("alice", &channel, &format!("\"quoted\" ü {index}"), &format!("key-{index}")).await);
    }
    client.post("alice", &channel, "repeated", "key-3").await;
    let (of_alice, of_bob) = (alice.drain().await, bob.drain().await);
    assert_eq!(field(&of_alice, "ts"), field(&sent, "ts"), "the sender's own push comes too, and no repetition");
    assert_eq!(of_alice, of_bob);
    let expected = json!({
        "type": "message", "channel": channel, "user": client.user_id("alice").await, "text": "\"quoted\" ü 0",
        "ts": sent[0]["ts"], "event_ts": sent[0]["ts"], "team": "T0POSTHASTE", "client_msg_id": "key-0",
    });
    assert_eq!(of_alice[0], expected);
    assert_eq!(eve.drain().await, Vec::<serde_json::Value>::new());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_while_connected_takes_effect_at_once() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let (mut first, mut second) = (client.socket("bob").await, client.socket("bob").await);
    client.post("alice", &channel, "before", "1").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    client.post("alice", &channel, "after", "2").await;
    assert_eq!(field(&first.drain().await, "text"), ["after"]);
    assert_eq!(field(&second.drain().await, "text"), ["after"], "every socket of a user");
    second.stream.close(None).await.unwrap();
    assert_eq!(second.next().await.get("type"), None, "closed");
    client.post("alice", &channel, "later", "3").await;
    assert_eq!(field(&first.drain().await, "text"), ["later"], "the old socket's close takes nothing from the other");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_comes_back_with_all_it_said() {
    let server = Running::start().await;
    let mut socket = server.client.socket("alice").await;
    socket.send(&json!({ "type": "ping", "id": 7, "time": 1.5, "nested": { "a": [1] } })).await;
    assert_eq!(socket.next().await, json!({ "type": "pong", "reply_to": 7, "time": 1.5, "nested": { "a": [1] } }));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_over_the_socket_is_acknowledged_stored_and_pushed() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let (mut alice, mut bob) = (client.socket("alice").await, client.socket("bob").await);
    let message = json!({ "type": "message", "id": 1, "channel": channel, "text": "hi", "client_msg_id": "k" });
    alice.send(&message).await;
    let ack = alice.next().await;
    assert_eq!(ack, json!({ "ok": true, "reply_to": 1, "ts": ack["ts"], "text": "hi" }));
    assert_eq!(bob.next().await["ts"], ack["ts"]);
    assert_eq!(alice.next().await["ts"], ack["ts"], "the own push");

    alice.send(&message).await;
    assert_eq!(alice.next().await["ts"], ack["ts"], "a retry with the key gets the first ts");
    let over_http = client.post("alice", &channel, "hi", "k").await;
    assert_eq!(over_http["ts"], ack["ts"], "over HTTP too");
    alice.send(&json!({ "type": "message", "channel": channel, "text": "no id" })).await;
    assert_eq!(alice.next().await["text"], "no id", "without an id there is no answer, but the push");
    assert_eq!(field(&client.history("alice", &channel, &[]).await, "text"), ["no id", "hi"]);

    let mut eve = client.socket("eve").await;
    for (frame, code, says) in [
        (json!({ "type": "message", "id": 2, "channel": channel, "text": "hi" }), 2, "not_in_channel"),
        (json!({ "type": "message", "id": 2, "channel": "C0", "text": "hi" }), 2, "channel_not_found"),
        (json!({ "type": "nonsense", "id": 2 }), 1, "invalid_type"),
    ] {
        eve.send(&frame).await;
        let expected = json!({ "ok": false, "reply_to": 2, "error": { "code": code, "msg": says } });
        assert_eq!(eve.next().await, expected);
    }
    eve.stream.send(Message::text("no json")).await.unwrap();
    assert_eq!(eve.next().await["error"]["msg"], "invalid_json");
    assert_eq!(field(&bob.drain().await, "text"), ["no id"], "nothing of a stranger was pushed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_opens_one_socket() {
    let server = Running::start().await;
    let url = server.client.socket_url("alice").await;
    let connect = || tokio_tungstenite::connect_async(url.as_str());
    connect().await.unwrap();
    let refused = connect().await.unwrap_err().to_string();
    assert!(refused.contains("403"), "{refused}");
    let invented = url.replace(|letter: char| letter.is_ascii_digit(), "0");
    assert!(tokio_tungstenite::connect_async(invented).await.is_err());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_over_16_kib_ends_the_socket() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let mut socket = client.socket("alice").await;
    let text = "x".repeat(17 * 1024);
    socket.send(&json!({ "type": "message", "id": 1, "channel": channel, "text": text })).await;
    assert_eq!(socket.next().await.get("type"), None);
    assert!(client.history("alice", &channel, &[]).await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_does_not_read_is_closed_and_slows_nobody() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let mut slow = client.socket("bob").await;
    let mut quick = client.socket("alice").await;
    // More than the queue and both kernel buffers hold: 3,000 times 39 KB.
    let text = "x".repeat(39_000);
    let reading = tokio::spawn(async move {
        let mut stamps = Vec::new();
        while stamps.len() < 3_000 {
            stamps.push(quick.next().await["ts"].as_str().unwrap().to_owned());
        }
        stamps
    });
    for batch in 0..60 {
        let posts = (0..50).map(|index| {
            let (client, channel, text) = (client.clone(), channel.clone(), text.clone());
            tokio::spawn(async move { client.post("alice", &channel, &text, &format!("{batch}-{index}")).await })
        });
        for answer in futures_util::future::join_all(posts).await {
            assert_eq!(answer.unwrap()["ok"], true);
        }
    }
    let stamps = reading.await.unwrap();
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "the quick one has all, in order");
    let mut of_slow = HashSet::new();
    let last = loop {
        let frame = slow.next().await;
        match frame["ts"].as_str() {
            Some(ts) => assert!(of_slow.insert(ts.to_owned())),
            None => break frame,
        }
    };
    assert!(of_slow.len() < 3_000, "the slow one was let go");
    assert!(last["type"] == "goodbye" || last.get("ended").is_some(), "{last}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ending_server_says_goodbye() {
    let server = Running::start().await;
    let mut socket = server.client.socket("alice").await;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(socket.next().await, json!({ "type": "goodbye" }));
    assert_eq!(socket.next().await, json!({ "close": 1012 }));
    stopping.await.unwrap();
}
