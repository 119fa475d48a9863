//! Typing and presence.

use super::harness::Running;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_shown_to_the_others_of_a_channel() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let (mut alice, mut bob, mut eve) =
        (client.socket("alice").await, client.socket("bob").await, client.socket("eve").await);
    alice.send(&json!({ "type": "typing", "id": 1, "channel": channel })).await;
    let expected = json!({ "type": "user_typing", "channel": channel, "user": client.user_id("alice").await });
    assert_eq!(bob.next().await, expected);
    for channel in [json!(channel), json!("C0"), json!(7), Value::Null] {
        eve.send(&json!({ "type": "typing", "channel": channel })).await;
    }
    assert_eq!(eve.drain().await, Vec::<Value>::new());
    assert_eq!(bob.drain().await, Vec::<Value>::new(), "a stranger's is nobody's");
    assert_eq!(alice.drain().await, Vec::<Value>::new(), "not to oneself");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_told_when_asked_and_when_it_changes() {
    let server = Running::start().await;
    let client = &server.client;
    let (bob, carol) = (client.user_id("bob").await, client.user_id("carol").await);
    let mut alice = client.socket("alice").await;
    let first = client.socket("bob").await;
    let change = |user: &str, presence: &str| json!({ "type": "presence_change", "user": user, "presence": presence });
    alice.send(&json!({ "type": "presence_sub", "ids": [bob, carol, "U0"] })).await;
    assert_eq!(alice.drain().await, [change(&bob, "active"), change(&carol, "away")]);
    let second = client.socket("bob").await;
    drop(first);
    let of_carol = client.socket("carol").await;
    assert_eq!(alice.next().await, change(&carol, "active"), "bob's other socket is open");
    drop(second);
    assert_eq!(alice.next().await, change(&bob, "away"));
    alice.send(&json!({ "type": "presence_sub", "ids": [bob] })).await;
    assert_eq!(alice.next().await, change(&bob, "away"));
    drop(of_carol);
    alice.send(&json!({ "type": "presence_query", "ids": [carol] })).await;
    while alice.next().await != change(&carol, "away") {
        alice.send(&json!({ "type": "presence_query", "ids": [carol] })).await;
    }
    alice.drain().await;
    let _again = client.socket("carol").await;
    assert_eq!(alice.drain().await, Vec::<Value>::new(), "carol is watched no longer");
    server.stop().await;
}
