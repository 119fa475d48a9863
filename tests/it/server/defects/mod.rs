//! Planted defects: what they note is what happened, and nothing else did.

mod changes;
mod fanout;
mod keys;
mod pages;
mod subscriptions;
mod webhooks;
mod writes;

use super::harness::{Client, PATIENCE, Running, Socket, field};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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
        let answer = client.post_with_retries("alice", &channel, &text(index), &key).await;
        answers.push((key, answer));
    }
    let pushed = [keys_of(&mut alice).await, keys_of(&mut bob).await];
    let stored = stored(&client, &channel).await;
    Aftermath { server, channel, answers, pushed, stored }
}

fn text(index: usize) -> String {
    format!("text {index} {}", "abc ".repeat(20).trim_end())
}

/// Waits until something has happened, which must.
async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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

    /// The `ts` of the answer to a post.
    fn ts(&self, key: &str) -> &str {
        let (_, answer) = self.answers.iter().find(|(known, _)| known == key).unwrap();
        answer["ts"].as_str().unwrap_or_else(|| panic!("{answer}"))
    }

    /// The stored rows by `ts`.
    async fn rows(&self) -> Vec<Value> {
        let mut rows = self.server.client.history("alice", &self.channel, &[("limit", "999")]).await;
        rows.reverse();
        rows
    }

    /// The keys of the rows that are further ones of a key, sorted. No row is
    /// missing.
    fn further_rows(&self) -> Vec<String> {
        let mut keys = BTreeSet::new();
        let mut further: Vec<String> = self.stored.iter().filter(|key| !keys.insert(*key)).cloned().collect();
        assert_eq!(keys, self.answers.iter().map(|(key, _)| key).collect::<BTreeSet<_>>());
        further.sort();
        further
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
