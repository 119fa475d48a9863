//! What is stored, and what is said of it.

use super::super::harness::{Running, field};
use super::{MESSAGES, aftermath, keys_of, stored, text};
use serde_json::json;
use std::time::Duration;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_stored_and_pushed() {
    let after = aftermath(&["store-rejected=7"], None).await;
    let refused = after.noted_keys("store-rejected");
    assert_eq!(refused.len(), MESSAGES / 7);
    for (key, answer) in &after.answers {
        assert_eq!(answer["error"] == "msg_too_long", refused.contains(key), "{key}: {answer}");
    }
    assert_eq!((&after.stored, &after.pushed), (&after.sent(), &[after.sent(), after.sent()]));
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_socket_too_what_is_stored_is_refused() {
    for (defect, error) in [("store-rejected=1", "msg_too_long"), ("store-then-500=1", "internal_error")] {
        let server = Running::with(&[defect], None).await;
        let channel = server.client.channel("alice", "general").await;
        let mut socket = server.client.socket("alice").await;
        socket
            .send(&json!({ "id": 1, "type": "message", "channel": channel, "text": "a", "client_msg_id": "k" }))
            .await;
        let answer = socket.next().await;
        assert_eq!((&answer["ok"], &answer["error"]["msg"]), (&json!(false), &json!(error)));
        assert_eq!(socket.next().await["client_msg_id"], "k");
        assert_eq!(stored(&server.client, &channel).await, ["k"]);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_after_the_commit_loses_nothing() {
    let after = aftermath(&["store-then-500=7"], None).await;
    let failed = after.noted_keys("store-then-500");
    assert_eq!(failed.len(), MESSAGES / 7);
    assert_eq!((&after.stored, &after.pushed), (&after.sent(), &[after.sent(), after.sent()]));
    for (key, answer) in &after.answers {
        assert_eq!(answer["error"] == "internal_error", failed.contains(key), "{key}: {answer}");
    }
    let client = &after.server.client;
    let again = client.post("alice", &after.channel, "text", &failed[0]).await;
    assert_eq!((&again["ok"], &again["deduplicated"]), (&json!(true), &json!(true)));
    let mut last = reqwest::StatusCode::OK;
    for index in 0..7 {
        let form = format!("channel={}&text=a&client_msg_id=status-{index}", after.channel);
        let request = client.http.post(format!("{}/api/chat.postMessage", client.base)).bearer_auth("alice");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        last = last.max(request.send().await.unwrap().status());
    }
    assert_eq!(last.as_u16(), 500);
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mangled_row_is_cut_and_its_push_is_whole() {
    let server = Running::with(&["mangle=7"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let mut socket = client.socket("alice").await;
    for index in 0..MESSAGES {
        client.post("alice", &channel, &text(index), &format!("key-{index}")).await;
        client.post("alice", &channel, "short", &format!("short-{index}")).await;
    }
    let whole = |key: &str| key.strip_prefix("key-").map_or("short".to_owned(), |index| text(index.parse().unwrap()));
    let rows = client.history("alice", &channel, &[("limit", "999")]).await;
    let mut cut = Vec::new();
    for row in rows.iter().rev() {
        let (key, text) = (row["client_msg_id"].as_str().unwrap(), row["text"].as_str().unwrap());
        if text != whole(key) {
            assert_eq!(text, &whole(key)[..60]);
            cut.push(key.to_owned());
        }
    }
    assert_eq!(cut.len(), MESSAGES / 7, "short texts are no opportunity");
    assert_eq!(field(&server.noted("mangle"), "client_msg_id"), cut);
    for push in socket.drain().await {
        assert_eq!(push["text"], whole(push["client_msg_id"].as_str().unwrap()));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_rows_that_were_read_vanish_and_settled_ones_stay() {
    let after = aftermath(&["vanish=10"], None).await;
    // The setting up has read them once.
    let client = &after.server.client;
    let next = async |key: &str| client.post("alice", &after.channel, "next", key).await;
    next("one more").await;
    let gone = after.noted_keys("vanish");
    assert_eq!(gone.len(), MESSAGES / 10, "of the rows of one read");
    assert_eq!(after.stored, after.sent());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut left = after.without(&gone);
    left.push("one more".to_owned());
    for key in ["another", "and another"] {
        assert_eq!(stored(client, &after.channel).await[..left.len()], left, "what has settled stays");
        next(key).await;
    }
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_passes_what_is_committed_late() {
    let server = Running::with(&["late-commit=3"], None).await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let bob = client.user_id("bob").await;
    let mut socket = client.socket("bob").await;
    let post = async |key: &str| client.post("alice", &channel, "text", key).await["ts"].as_str().unwrap().to_owned();
    post("first").await;
    let (mut passed, mut pushed) = (Vec::new(), Vec::new());
    for round in 0..10 {
        let (held, early) = (format!("held-{round}"), format!("early-{round}"));
        post(&format!("before-{round}")).await;
        let late = {
            let (client, channel, held) = (client.clone(), channel.clone(), held.clone());
            tokio::spawn(async move { client.post("alice", &channel, "text", &held).await })
        };
        // Long enough to get its position, and shorter than it is held.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let early = post(&early).await;
        let seen = field(&client.history("bob", &channel, &[]).await, "client_msg_id");
        let late = late.await.unwrap();
        let late = late["ts"].as_str().unwrap();
        if late < early.as_str() && !seen.contains(&held) {
            passed.push(held.clone());
        }
        let behind = client.history("bob", &channel, &[("oldest", &early)]).await;
        assert!(late > early.as_str() || behind.is_empty(), "what was passed is not behind the cursor");
        pushed.extend(keys_of(&mut socket).await);
        assert_eq!(pushed.contains(&held), late > early.as_str(), "the fan-out passes what the commits pass");
    }
    assert!(!passed.is_empty(), "ten times nothing was passed");
    let noted = server.noted("late-commit");
    assert_eq!(field(&noted, "client_msg_id"), passed);
    assert!(noted.iter().all(|instance| instance["user"] == bob.as_str()));
    assert_eq!(stored(client, &channel).await.len(), 1 + 3 * 10, "nothing is lost");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_position_stands_before_the_senders_previous_message() {
    let after = aftermath(&["late-position=7"], None).await;
    let late = after.noted_keys("late-position");
    assert_eq!(late.len(), (MESSAGES - 1) / 7, "the first one has none before it");
    assert_eq!(after.further_rows(), [""; 0]);
    let sent = after.sent();
    for (rank, pair) in sent.windows(2).enumerate() {
        let before = after.ts(&pair[1]) < after.ts(&pair[0]);
        assert_eq!(before, late.contains(&pair[1]), "{rank}");
    }
    assert_eq!(after.pushed, [after.sent(), after.sent()], "pushed in the order of the commits");
    assert_eq!(
        field(&after.server.noted("late-position"), "ts"),
        late.iter().map(|key| after.ts(key)).collect::<Vec<_>>()
    );
    after.server.stop().await;
}
