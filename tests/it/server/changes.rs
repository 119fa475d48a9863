//! What happens to messages after they were stored: edits, deletions,
//! reactions, threads.

use super::harness::{Running, ServerProcess, Socket, field};
use posthaste::server::Options;
use serde_json::{Value, json};

struct Room {
    server: Running,
    channel: String,
    alice: Socket,
}

impl Room {
    async fn of(options: Options) -> Self {
        let server = Running::of(options).await;
        let channel = server.client.channel("alice", "general").await;
        server.client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
        let alice = server.client.socket("alice").await;
        Self { server, channel, alice }
    }

    async fn new() -> Self {
        Self::of(Options::default()).await
    }

    async fn call(&self, token: &str, method: &str, params: &[(&str, &str)]) -> Value {
        let mut all = vec![("channel", self.channel.as_str())];
        all.extend(params);
        self.server.client.call(token, method, &all).await
    }

    async fn ok(&self, token: &str, method: &str, params: &[(&str, &str)]) -> Value {
        let answer = self.call(token, method, params).await;
        assert_eq!(answer["ok"], true, "{method} {params:?}: {answer}");
        answer
    }

    /// Posts; the ts.
    async fn post(&self, token: &str, text: &str, thread: &str) -> String {
        let params = [("text", text), ("client_msg_id", text), ("thread_ts", thread)];
        self.ok(token, "chat.postMessage", &params).await["ts"].as_str().unwrap().to_owned()
    }

    async fn history(&self) -> Vec<Value> {
        self.server.client.history("bob", &self.channel, &[]).await
    }

    async fn replies(&self, ts: &str, limit: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page =
                self.ok("bob", "conversations.replies", &[("ts", ts), ("limit", limit), ("cursor", &cursor)]).await;
            rows.extend(page["messages"].as_array().unwrap().iter().cloned());
            cursor = page["response_metadata"]["next_cursor"].as_str().unwrap().to_owned();
            assert_eq!(page["has_more"], !cursor.is_empty());
            if cursor.is_empty() {
                return rows;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_pushed_and_history_shows_the_last_text() {
    let mut room = Room::new().await;
    let ts = room.post("alice", "first", "").await;
    let pushed = room.alice.next().await;
    let answer = room.ok("alice", "chat.update", &[("ts", &ts), ("text", "second")]).await;
    assert_eq!(answer, json!({ "ok": true, "channel": room.channel, "ts": ts, "text": "second" }));
    let event = room.alice.next().await;
    let alice = &pushed["user"];
    let row = |text: &str| json!({ "type": "message", "user": alice, "text": text, "ts": ts, "client_msg_id": "first", "team": "T0POSTHASTE" });
    let mut edited = row("second");
    edited["edited"] = json!({ "user": alice, "ts": event["ts"] });
    let expected = json!({
        "type": "message", "subtype": "message_changed", "hidden": true, "channel": room.channel,
        "previous_message": row("first"), "ts": event["ts"], "event_ts": event["ts"], "message": edited,
    });
    assert_eq!(event, expected);
    assert!(event["ts"].as_str().unwrap() > ts.as_str());
    assert_eq!(room.history().await, [edited]);
    room.ok("alice", "chat.update", &[("ts", &ts), ("text", "third")]).await;
    assert_eq!(room.alice.next().await["previous_message"]["text"], "second");
    assert_eq!(field(&room.history().await, "text"), ["third"]);
    room.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_is_gone_and_its_key_stays_taken() {
    let mut room = Room::new().await;
    let (ts, other) = (room.post("alice", "gone", "").await, room.post("alice", "stays", "").await);
    room.ok("bob", "reactions.add", &[("timestamp", &ts), ("name", "eyes")]).await;
    let answer = room.ok("alice", "chat.delete", &[("ts", &ts)]).await;
    assert_eq!(answer, json!({ "ok": true, "channel": room.channel, "ts": ts }));
    let event = room.alice.drain().await.pop().unwrap();
    assert_eq!((&event["subtype"], &event["deleted_ts"]), (&json!("message_deleted"), &json!(ts)));
    assert_eq!((&event["previous_message"]["text"], &event["hidden"]), (&json!("gone"), &json!(true)));
    assert_eq!(field(&room.history().await, "ts"), [other.as_str()]);

    let retried = room.ok("alice", "chat.postMessage", &[("text", "gone"), ("client_msg_id", "gone")]).await;
    assert_eq!(
        (&retried["ts"], &retried["deduplicated"]),
        (&json!(ts), &json!(true)),
        "a late retry brings nothing back"
    );
    for (method, params) in [
        ("chat.delete", vec![("ts", ts.as_str())]),
        ("chat.update", vec![("ts", &ts), ("text", "x")]),
        ("reactions.add", vec![("timestamp", &ts), ("name", "x")]),
    ] {
        assert_eq!(room.call("alice", method, &params).await["error"], "message_not_found", "{method}");
    }
    assert_eq!(room.alice.drain().await, Vec::<Value>::new());
    assert_eq!(field(&room.history().await, "ts"), [other.as_str()]);
    room.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_are_pushed_counted_and_taken_back() {
    let mut room = Room::new().await;
    let ts = room.post("alice", "text", "").await;
    let pushed = room.alice.next().await;
    let bob = room.server.client.user_id("bob").await;
    for (token, name) in [("bob", "eyes"), ("alice", "+1"), ("alice", "eyes")] {
        room.ok(token, "reactions.add", &[("timestamp", &ts), ("name", name)]).await;
    }
    assert_eq!(
        room.call("bob", "reactions.add", &[("timestamp", &ts), ("name", "eyes")]).await["error"],
        "already_reacted"
    );
    let events = room.alice.drain().await;
    let item = json!({ "type": "message", "channel": room.channel, "ts": ts });
    let expected = json!({
        "type": "reaction_added", "user": bob, "reaction": "eyes", "item": item, "item_user": pushed["user"],
        "event_ts": events[0]["event_ts"],
    });
    assert_eq!((events.len(), &events[0]), (3, &expected), "one event for each that is new");
    let alice = pushed["user"].as_str().unwrap();
    let shown = json!([
        { "name": "eyes", "count": 2, "users": [bob, alice] },
        { "name": "+1", "count": 1, "users": [alice] },
    ]);
    assert_eq!(room.history().await[0]["reactions"], shown);

    room.ok("bob", "reactions.remove", &[("timestamp", &ts), ("name", "eyes")]).await;
    let removed = room.alice.next().await;
    assert_eq!((&removed["type"], &removed["item"]["ts"]), (&json!("reaction_removed"), &json!(ts)));
    assert_eq!(
        room.call("bob", "reactions.remove", &[("timestamp", &ts), ("name", "eyes")]).await["error"],
        "no_reaction"
    );
    assert_eq!(room.history().await[0]["reactions"][1]["users"], json!([alice]), "eyes of alice came last");
    room.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_is_read_parent_first_and_stays_out_of_the_channel() {
    let mut room = Room::new().await;
    let parent = room.post("alice", "parent", "").await;
    let mut replies = Vec::new();
    for index in 0..7 {
        replies.push(room.post(if index % 2 == 0 { "alice" } else { "bob" }, &format!("reply {index}"), &parent).await);
    }
    let other = room.post("alice", "other", "").await;
    let pushed = room.alice.drain().await;
    assert_eq!(pushed[1]["thread_ts"], parent.as_str());
    let history = room.history().await;
    assert_eq!(field(&history, "ts"), [other.as_str(), &parent]);
    for (name, value) in [("reply_count", json!(7)), ("latest_reply", json!(replies[6])), ("thread_ts", json!(parent))]
    {
        assert_eq!(history[1][name], value, "{name}");
    }
    let all: Vec<String> = std::iter::once(parent.clone()).chain(replies.clone()).collect();
    for limit in ["1", "2", "3", "8", "100"] {
        assert_eq!(field(&room.replies(&parent, limit).await, "ts"), all, "by {limit}");
    }
    room.ok("alice", "chat.update", &[("ts", &replies[0]), ("text", "edited")]).await;
    room.ok("alice", "chat.delete", &[("ts", &replies[2])]).await;
    let read = room.replies(&parent, "100").await;
    assert_eq!((read.len(), &read[1]["text"], &read[0]["reply_count"]), (7, &json!("edited"), &json!(6)));
    assert!(read[1..].iter().all(|reply| reply["thread_ts"] == parent.as_str()));
    assert_eq!(room.replies(&other, "100").await.len(), 1, "nobody replied");
    room.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_message_that_is_there_takes_replies() {
    let mut room = Room::new().await;
    let (parent, lonely) = (room.post("alice", "parent", "").await, room.post("alice", "lonely", "").await);
    let reply = room.post("bob", "reply", &parent).await;
    room.ok("alice", "chat.delete", &[("ts", &parent)]).await;
    room.ok("alice", "chat.delete", &[("ts", &lonely)]).await;
    for thread in [&parent, &lonely, &reply, "1700000000.000001", "nonsense"] {
        let refused = room.call("bob", "chat.postMessage", &[("text", "orphan"), ("thread_ts", thread)]).await;
        assert_eq!(refused["error"], "thread_not_found", "{thread}");
    }
    room.alice.drain().await;
    room.alice
        .send(&json!({ "type": "message", "id": 1, "channel": room.channel, "text": "x", "thread_ts": parent }))
        .await;
    assert_eq!(room.alice.next().await["error"]["msg"], "thread_not_found");
    let retried = room
        .ok("bob", "chat.postMessage", &[("text", "reply"), ("client_msg_id", "reply"), ("thread_ts", &parent)])
        .await;
    assert_eq!((&retried["ts"], &retried["deduplicated"]), (&json!(reply), &json!(true)));
    let read = room.replies(&parent, "100").await;
    assert_eq!(
        (&read[0]["subtype"], &read[0]["ts"], &read[1]["ts"]),
        (&json!("tombstone"), &json!(parent), &json!(reply))
    );
    for ts in [&lonely, &reply, "1.5"] {
        assert_eq!(room.call("bob", "conversations.replies", &[("ts", ts)]).await["error"], "thread_not_found", "{ts}");
    }
    assert!(room.history().await.is_empty());
    room.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_a_message_is_told_so() {
    let room = Room::new().await;
    let ts = room.post("alice", "text", "").await;
    for (token, method, params, error) in [
        ("bob", "chat.update", vec![("ts", ts.as_str()), ("text", "x")], "cant_update_message"),
        ("bob", "chat.delete", vec![("ts", &ts)], "cant_delete_message"),
        ("eve", "chat.delete", vec![("ts", &ts)], "not_in_channel"),
        ("eve", "reactions.add", vec![("timestamp", &ts), ("name", "x")], "not_in_channel"),
        ("alice", "reactions.add", vec![("timestamp", &ts), ("name", "no name")], "invalid_name"),
        ("alice", "reactions.add", vec![("timestamp", &ts)], "invalid_name"),
        ("alice", "chat.update", vec![("ts", &ts)], "no_text"),
        ("alice", "chat.update", vec![("text", "x")], "message_not_found"),
        ("alice", "chat.update", vec![("ts", "1.5"), ("text", "x")], "message_not_found"),
    ] {
        assert_eq!(room.call(token, method, &params).await["error"], error, "{method} {params:?}");
    }
    assert_eq!(field(&room.history().await, "text"), ["text"]);
    room.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_store_changes_nothing_and_apps_are_told_what_changed() {
    let file = std::env::temp_dir().join(format!("posthaste-full-{}", uuid::Uuid::new_v4()));
    let mut room = Room::of(Options { store_fail_while: Some(file.clone()), ..Options::default() }).await;
    let ts = room.post("alice", "text", "").await;
    room.alice.next().await;
    room.ok("xoxb-a", "conversations.join", &[]).await;
    let (mut link, _) = room.server.client.link("xapp-a").await;
    std::fs::write(&file, "").unwrap();
    assert_eq!(room.call("alice", "chat.update", &[("ts", &ts), ("text", "x")]).await["error"], "internal_error");
    assert_eq!(room.call("alice", "chat.delete", &[("ts", &ts)]).await["error"], "internal_error");
    std::fs::remove_file(&file).unwrap();
    room.ok("alice", "reactions.add", &[("timestamp", &ts), ("name", "x")]).await;
    let event = room.alice.next().await;
    assert_eq!(event["type"], "reaction_added", "the first that happened");
    assert_eq!(link.next().await["payload"]["event"], event);
    assert_eq!(field(&room.history().await, "text"), ["text"]);
    room.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_survive_a_kill_and_a_database_from_before_them_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("test.db");
    let old = rusqlite::Connection::open(&db).unwrap();
    old.execute_batch(
        "CREATE TABLE messages (channel INTEGER NOT NULL, ts INTEGER NOT NULL, user INTEGER NOT NULL,
            client_msg_id TEXT, text TEXT NOT NULL, PRIMARY KEY (channel, ts)) WITHOUT ROWID;
        INSERT INTO messages VALUES (1, 1700000000000001, 1, 'k', 'old');",
    )
    .unwrap();
    drop(old);
    let mut server = ServerProcess::start(&db, &[]);
    let channel = server.client.channel("alice", "general").await;
    let rows = server.client.history("alice", &channel, &[]).await;
    assert_eq!(field(&rows, "text"), ["old"]);
    let (ts, reply) =
        ("1700000000.000001", [("channel", channel.as_str()), ("text", "reply"), ("thread_ts", "1700000000.000001")]);
    server.client.ok("alice", "chat.postMessage", &reply).await;
    server.client.ok("alice", "reactions.add", &[("channel", &channel), ("timestamp", ts), ("name", "x")]).await;
    server.client.ok("alice", "chat.update", &[("channel", &channel), ("ts", ts), ("text", "new")]).await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = ServerProcess::start(&db, &[]);
    let rows = server.client.history("alice", &channel, &[]).await;
    assert_eq!(
        (&rows[0]["text"], &rows[0]["reply_count"], &rows[0]["reactions"][0]["count"]),
        (&json!("new"), &json!(1), &json!(1))
    );
}
