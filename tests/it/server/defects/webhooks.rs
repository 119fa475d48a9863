//! Bugs of posting events to apps.

use super::super::harness::{Running, field};
use super::super::hooks::{Does, Hooks};
use std::collections::HashSet;

async fn with(defect: &str) -> (Running, Hooks, String) {
    let server = Running::with(&[defect], None).await;
    let mut hooks = Hooks::start().await;
    hooks.subscribe(&server.client, "xapp-a").await;
    let channel = server.client.channel("alice", "general").await;
    server.client.ok("xoxb-a", "conversations.join", &[("channel", &channel)]).await;
    (server, hooks, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_no_retry_gives_up_what_failed_once() {
    let (server, mut hooks, channel) = with("webhook-no-retry=2").await;
    let mut lost = Vec::new();
    for index in 0..6 {
        let key = format!("key-{index}");
        hooks.then(&[Does::Fails(500)]);
        server.client.post("alice", &channel, &key, &key).await;
        assert_eq!(hooks.next().await.text(), key);
        match hooks.rest().await.as_slice() {
            [] => lost.push(key),
            [retry] => assert_eq!((retry.text(), retry.header("x-slack-retry-num")), (key, Some("1"))),
            more => panic!("{more:?}"),
        }
    }
    assert_eq!(lost, ["key-1", "key-3", "key-5"]);
    let noted = server.noted("webhook-no-retry");
    assert_eq!(field(&noted, "client_msg_id"), lost);
    assert_eq!(noted[0]["user"], server.client.user_id("xoxb-a").await.as_str());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_new_event_id_makes_a_retry_look_like_another_event() {
    let (server, mut hooks, channel) = with("webhook-new-event-id=2").await;
    for index in 0..4 {
        let key = format!("key-{index}");
        hooks.then(&[Does::Fails(500)]);
        server.client.post("alice", &channel, &key, &key).await;
        let tries = [hooks.next().await.json(), hooks.next().await.json()];
        assert_eq!(tries[0]["event"], tries[1]["event"]);
        let ids: HashSet<String> = field(&tries, "event_id").into_iter().collect();
        assert_eq!(ids.len(), if index % 2 == 1 { 2 } else { 1 }, "{key}");
    }
    assert_eq!(field(&server.noted("webhook-new-event-id"), "client_msg_id"), ["key-1", "key-3"]);
    server.stop().await;
}
