//! Planted defects: what they note is what happened, and nothing else did.

use super::harness::{Client, Running, Socket, field};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const MESSAGES: usize = 60;

/// What a run of posts by one member to another left behind.
struct Aftermath {
    server: Running,
    channel: String,
    /// Key and answer of every post.
    answers: Vec<(String, Value)>,
    /// Keys of the pushes that each of the two sockets got.
    pushed: [Vec<String>; 2],
    /// Keys of the stored rows, oldest first.
    stored: Vec<String>,
}

async fn aftermath(defects: &[&str], lose_ack: Option<u64>) -> Aftermath {
    let server = Running::with(defects, lose_ack).await;
    let client = server.client.clone();
    let channel = client.channel("alice", "general").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let (mut alice, mut bob) = (client.socket("alice").await, client.socket("bob").await);
    let mut answers = Vec::new();
    for index in 0..MESSAGES {
        let key = format!("key-{index}");
        let answer = client.post_with_retries("alice", &channel, &format!("text {index}"), &key).await;
        answers.push((key, answer));
    }
    let pushed = [keys_of(&mut alice).await, keys_of(&mut bob).await];
    let stored = stored(&client, &channel).await;
    Aftermath { server, channel, answers, pushed, stored }
}

async fn keys_of(socket: &mut Socket) -> Vec<String> {
    field(&socket.drain().await, "client_msg_id")
}

async fn stored(client: &Client, channel: &str) -> Vec<String> {
    let mut rows = client.history("alice", channel, &[("limit", "999")]).await;
    rows.reverse();
    field(&rows, "client_msg_id")
}

impl Aftermath {
    fn sent(&self) -> Vec<String> {
        self.answers.iter().map(|(key, _)| key.clone()).collect()
    }

    fn noted_keys(&self, defect: &str) -> Vec<String> {
        let noted = self.server.noted(defect);
        assert!(noted.iter().all(|instance| instance["channel"] == self.channel.as_str()));
        field(&noted, "client_msg_id")
    }

    fn without(&self, missing: &[String]) -> Vec<String> {
        self.sent().into_iter().filter(|key| !missing.contains(key)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correct_server_loses_answers_and_nothing_else() {
    let after = aftermath(&[], Some(7)).await;
    assert_eq!(after.stored, after.sent());
    assert_eq!(after.pushed, [after.sent(), after.sent()]);
    let deduplicated = after.answers.iter().filter(|(_, answer)| answer["deduplicated"] == true);
    let lost = after.noted_keys("lose-ack");
    assert_eq!(deduplicated.map(|(key, _)| key.clone()).collect::<Vec<_>>(), lost);
    assert_eq!(lost.len(), MESSAGES / 7);
    after.server.stop().await;
}

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
async fn ack_before_persist_acknowledges_what_is_nowhere() {
    let after = aftermath(&["ack-before-persist=7"], None).await;
    assert!(after.answers.iter().all(|(_, answer)| answer["ok"] == true));
    let lost = after.noted_keys("ack-before-persist");
    assert_eq!(lost.len(), MESSAGES / 7);
    assert_eq!(after.stored, after.without(&lost));
    assert_eq!(after.pushed, [after.without(&lost), after.without(&lost)]);
    let again = after.server.client.post("alice", &after.channel, "text", &lost[0]).await;
    assert_eq!(again["ts"], after.server.noted("ack-before-persist")[0]["ts"], "a retry is told the same");
    assert_eq!(stored(&after.server.client, &after.channel).await, after.stored);
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dedup_notes_each_further_row_of_a_key() {
    let after = aftermath(&["no-dedup"], Some(7)).await;
    let mut rows = BTreeMap::new();
    for key in &after.stored {
        *rows.entry(key.clone()).or_insert(0) += 1;
    }
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), after.sent().into_iter().collect());
    let repeated: Vec<String> =
        rows.iter().flat_map(|(key, count)| std::iter::repeat_n(key.clone(), count - 1)).collect();
    let mut noted = after.noted_keys("no-dedup");
    noted.sort();
    assert_eq!(noted, repeated);
    assert_eq!(noted.len(), after.noted_keys("lose-ack").len(), "each lost answer made one more row");
    assert!(noted.len() >= MESSAGES / 7);
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursor_skip_notes_each_row_that_a_read_passed_over() {
    let after = aftermath(&["cursor-skip"], None).await;
    assert_eq!(after.stored, after.sent(), "one page has no edge");
    let client = &after.server.client;
    let read = client.history("bob", &after.channel, &[("limit", "7")]).await;
    let noted = after.noted_keys("cursor-skip");
    let mut seen = field(&read, "client_msg_id");
    seen.reverse();
    assert_eq!(noted.len(), 7, "60 rows by 7, and one lost at each edge");
    assert_eq!(seen, after.without(&noted));
    let bob = client.user_id("bob").await;
    assert!(after.server.noted("cursor-skip").iter().all(|instance| instance["user"] == bob.as_str()));
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fanout_before_persist_pushes_what_is_stored_nowhere() {
    let after = aftermath(&["fanout-before-persist=7"], None).await;
    let phantoms = after.noted_keys("fanout-before-persist");
    assert_eq!(phantoms.len(), MESSAGES / 7);
    assert_eq!(after.pushed, [after.sent(), after.sent()]);
    assert_eq!(after.stored, after.without(&phantoms));
    for (key, answer) in &after.answers {
        assert_eq!(answer["ok"] == true, !phantoms.contains(key), "{key}: {answer}");
    }
    let client = &after.server.client;
    let mut socket = client.socket("bob").await;
    let again = client.post("alice", &after.channel, "text", &phantoms[0]).await;
    assert_eq!(again["error"], "internal_error", "a retry fails too");
    assert!(socket.drain().await.is_empty(), "and is not pushed again");
    after.server.stop().await;
}
