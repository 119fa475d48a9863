//! Keys that are forgotten, raced, confused, or told wrongly.

use super::super::harness::{Running, ServerProcess, field};
use super::{MESSAGES, aftermath};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn no_dedup_notes_each_further_row_of_a_key() {
    let after = aftermath(&["no-dedup"], Some(7)).await;
    let mut noted = after.noted_keys("no-dedup");
    noted.sort();
    assert_eq!(noted, after.further_rows());
    assert_eq!(noted.len(), after.noted_keys("lose-ack").len(), "each lost answer made one more row");
    assert!(noted.len() >= MESSAGES / 7);
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_memory_are_forgotten_now_and_then() {
    let after = aftermath(&["dedup-in-memory=2"], Some(5)).await;
    let mut noted = after.noted_keys("dedup-in-memory");
    noted.sort();
    assert_eq!(noted, after.further_rows());
    let recognised = after.answers.iter().filter(|(_, answer)| answer["deduplicated"] == true).count();
    let repetitions = after.noted_keys("lose-ack").len();
    assert_eq!(noted.len() + recognised, repetitions);
    assert_eq!(noted.len(), repetitions / 2);
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_memory_are_forgotten_at_a_restart() {
    for (flags, forgets) in [(&["--defect", "dedup-in-memory=1000000"][..], true), (&[], false)] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let flags = [flags, &["--defect-log", log.to_str().unwrap()]].concat();
        let db = folder.path().join("test.db");
        let mut server = ServerProcess::start(&db, &flags);
        let channel = server.client.channel("alice", "general").await;
        server.client.post("alice", &channel, "once", "key").await;
        assert_eq!(server.client.post("alice", &channel, "once", "key").await["deduplicated"], true);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let server = ServerProcess::start(&db, &flags);
        let again = server.client.post("alice", &channel, "once", "key").await;
        assert_eq!(again["deduplicated"] != true, forgets, "{again}");
        assert_eq!(server.client.post("alice", &channel, "once", "key").await["deduplicated"], true);
        let rows = server.client.history("alice", &channel, &[]).await;
        let noted = std::fs::read_to_string(&log).unwrap();
        assert_eq!((rows.len(), noted.lines().count()), if forgets { (2, 1) } else { (1, 0) });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_posts_at_once_race_from_the_look_to_the_insert() {
    let server = Running::with(&["dedup-race"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let mut answered = Vec::new();
    for index in 0..20 {
        let key = format!("key-{index}");
        let (one, other) =
            tokio::join!(client.post("alice", &channel, "twice", &key), client.post("alice", &channel, "twice", &key));
        answered.extend([one, other]);
        let later = client.post("alice", &channel, "twice", &key).await;
        assert_eq!(later["deduplicated"], true, "a retry that comes later is recognised");
    }
    let noted = server.noted("dedup-race");
    assert!(!noted.is_empty());
    let rows = client.history("alice", &channel, &[]).await;
    assert_eq!(rows.len(), 20 + noted.len());
    let stamps = field(&rows, "ts");
    assert!(field(&answered, "ts").iter().all(|ts| stamps.contains(ts)), "each answer names a row");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_truncated_key_another_is_taken_for_a_repetition() {
    let after = aftermath(&["dedup-truncated-key=4"], None).await;
    let lost = after.noted_keys("dedup-truncated-key");
    assert!((3..MESSAGES / 2).contains(&lost.len()), "about one in four: {}", lost.len());
    assert_eq!(after.stored, after.without(&lost));
    assert_eq!(after.pushed, [after.without(&lost), after.without(&lost)]);
    let stamps = field(&after.rows().await, "ts");
    for (key, answer) in &after.answers {
        let (ts, own) = (answer["ts"].as_str().unwrap(), !lost.contains(key));
        assert!(stamps.iter().any(|stored| stored == ts), "{key}: the id is a row's");
        assert_eq!(answer["deduplicated"] != true, own, "{key}: {answer}");
        assert_eq!(answer["message"]["client_msg_id"], key.as_str());
    }
    let again = after.server.client.post("alice", &after.channel, "text", &after.answers[0].0).await;
    assert_eq!(again["ts"], after.answers[0].1["ts"], "a real repetition is one");
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_recorded_before_its_insert_outlives_it() {
    let server = Running::with(&["key-before-insert=7"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let (mut failed, mut stored) = (Vec::new(), Vec::new());
    for index in 0..MESSAGES {
        let key = format!("key-{index}");
        let answer = client.post("alice", &channel, "text", &key).await;
        if answer["ok"] == true {
            stored.push(key);
        } else {
            assert_eq!(answer["error"], "internal_error");
            failed.push(key);
        }
    }
    assert_eq!(failed.len(), MESSAGES / 7);
    assert!(server.noted("key-before-insert").is_empty(), "so far nobody was told wrongly");
    let mut told = Vec::new();
    for key in &failed {
        let first: Value = client.post("alice", &channel, "text", key).await;
        assert_eq!(first["ok"], true, "{first}");
        assert_eq!(client.post("alice", &channel, "text", key).await["ts"], first["ts"]);
        told.push(first["ts"].as_str().unwrap().to_owned());
    }
    let noted = server.noted("key-before-insert");
    assert_eq!((field(&noted, "client_msg_id"), field(&noted, "ts")), (failed, told));
    let mut rows = client.history("alice", &channel, &[]).await;
    rows.reverse();
    assert_eq!(field(&rows, "client_msg_id"), stored);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_told_an_id_that_no_row_has() {
    let after = aftermath(&["new-id-on-retry"], Some(7)).await;
    assert_eq!(after.stored, after.sent());
    let noted = after.server.noted("new-id-on-retry");
    assert_eq!(field(&noted, "client_msg_id"), after.noted_keys("lose-ack"));
    let stamps = field(&after.rows().await, "ts");
    for instance in &noted {
        let key = instance["client_msg_id"].as_str().unwrap();
        assert_eq!(after.ts(key), instance["ts"]);
        assert!(!stamps.iter().any(|ts| ts == after.ts(key)));
    }
    after.server.stop().await;
}
