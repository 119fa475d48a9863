//! Bugs of changing messages.

use super::super::harness::{Running, field};
use super::until;
use serde_json::Value;

/// A server with a defect, a channel, and the positions of ten messages.
async fn with(defect: &str) -> (Running, String, Vec<String>) {
    let server = Running::with(&[defect], None).await;
    let channel = server.client.channel("alice", "general").await;
    let mut stamps = Vec::new();
    for index in 0..10 {
        let posted = server.client.post("alice", &channel, &format!("text {index}"), &format!("key-{index}")).await;
        stamps.push(posted["ts"].as_str().unwrap().to_owned());
    }
    (server, channel, stamps)
}

async fn rows(server: &Running, channel: &str) -> Vec<Value> {
    let mut rows = server.client.history("alice", channel, &[]).await;
    rows.reverse();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_lost_pushes_an_edit_that_history_does_not_show() {
    let (server, channel, stamps) = with("edit-lost=3").await;
    let mut alice = server.client.socket("alice").await;
    for ts in &stamps {
        server.client.ok("alice", "chat.update", &[("channel", &channel), ("ts", ts), ("text", "edited")]).await;
    }
    let wrong =
        server.client.call("alice", "chat.update", &[("channel", &channel), ("ts", "1.5"), ("text", "x")]).await;
    assert_eq!(wrong["error"], "message_not_found");
    assert_eq!(alice.drain().await.len(), 10, "each is pushed");
    let unedited: Vec<Value> =
        rows(&server, &channel).await.into_iter().filter(|row| row["text"] != "edited").collect();
    assert_eq!(field(&unedited, "client_msg_id"), ["key-2", "key-5", "key-8"]);
    let noted = server.noted("edit-lost");
    assert_eq!(field(&noted, "client_msg_id"), field(&unedited, "client_msg_id"));
    assert_eq!(field(&noted, "ts"), field(&unedited, "ts"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_resurrected_brings_messages_back_later() {
    let (server, channel, stamps) = with("delete-resurrected=3").await;
    for ts in &stamps {
        server.client.ok("alice", "chat.delete", &[("channel", &channel), ("ts", ts)]).await;
    }
    assert!(rows(&server, &channel).await.is_empty(), "gone at first");
    until("the return", || server.noted("delete-resurrected").len() == 3).await;
    let back = rows(&server, &channel).await;
    assert_eq!(field(&back, "client_msg_id"), ["key-2", "key-5", "key-8"]);
    let mut noted = field(&server.noted("delete-resurrected"), "client_msg_id");
    noted.sort();
    assert_eq!(noted, field(&back, "client_msg_id"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orphan_reply_hides_replies_from_their_thread() {
    let (server, channel, stamps) = with("orphan-reply=3").await;
    let mut alice = server.client.socket("alice").await;
    for index in 0..9 {
        let key = format!("reply-{index}");
        let params = [("channel", channel.as_str()), ("text", "x"), ("client_msg_id", &key), ("thread_ts", &stamps[0])];
        server.client.ok("alice", "chat.postMessage", &params).await;
    }
    assert!(alice.drain().await.iter().all(|frame| frame["thread_ts"] == stamps[0].as_str()));
    let thread = server.client.ok("alice", "conversations.replies", &[("channel", &channel), ("ts", &stamps[0])]).await;
    let shown = field(thread["messages"].as_array().unwrap(), "client_msg_id");
    assert_eq!(shown, ["key-0", "reply-0", "reply-1", "reply-3", "reply-4", "reply-6", "reply-7"]);
    assert_eq!(field(&server.noted("orphan-reply"), "client_msg_id"), ["reply-2", "reply-5", "reply-8"]);
    assert_eq!(rows(&server, &channel).await.len(), 10, "nor does the channel show them");
    server.stop().await;
}
