//! Calls over HTTP.

use super::harness::{Running, field};
use serde_json::{Value, json};
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_one_key_make_one_row_with_one_ts() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let posts = (0..50).map(|_| {
        let (client, channel) = (client.clone(), channel.clone());
        tokio::spawn(async move { client.post("alice", &channel, "once", "key-1").await })
    });
    let answers: Vec<Value> = futures_util::future::join_all(posts).await.into_iter().map(Result::unwrap).collect();
    let stamps: HashSet<String> = field(&answers, "ts").into_iter().collect();
    assert_eq!(stamps.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.get("deduplicated").is_none()).count(), 1);
    let changed = client.post("alice", &channel, "another text", "key-1").await;
    assert_eq!(changed["message"]["text"], "once", "a repetition is answered with what is stored");

    client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    let of_bob = client.post("bob", &channel, "once", "key-1").await;
    assert!(!stamps.contains(of_bob["ts"].as_str().unwrap()), "another user's key is another message");
    let elsewhere = client.channel("alice", "random").await;
    assert!(client.post("alice", &elsewhere, "once", "key-1").await.get("deduplicated").is_none());

    let rows = client.history("alice", &channel, &[]).await;
    assert_eq!(field(&rows, "user"), [client.user_id("bob").await, client.user_id("alice").await]);
    assert_eq!(field(&rows, "client_msg_id"), ["key-1", "key-1"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_size_reads_the_whole_history_both_ways() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let mut sent = Vec::new();
    for index in 0..25 {
        sent.push(client.post("alice", &channel, &format!("text {index}"), &format!("key-{index}")).await);
    }
    let stamps = field(&sent, "ts");
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
    for limit in ["1", "3", "5", "24", "25", "100", "0"] {
        let mut newest_first = field(&client.history("alice", &channel, &[("limit", limit)]).await, "ts");
        newest_first.reverse();
        assert_eq!(newest_first, stamps, "towards the oldest by {limit}");
        // Pages walk towards the newest, and each stands newest first.
        let caught_up = client.history("alice", &channel, &[("limit", limit), ("oldest", &stamps[4])]).await;
        let page = if limit == "0" { 100 } else { limit.parse().unwrap() };
        let expected: Vec<String> = stamps[5..].chunks(page).flat_map(|page| page.iter().rev().cloned()).collect();
        assert_eq!(field(&caught_up, "ts"), expected, "towards the newest by {limit}");
    }
    for (bounds, expected, reason) in [
        (vec![("oldest", &stamps[3]), ("latest", &stamps[6])], 4..6, "bounds are exclusive"),
        (vec![("latest", &stamps[2])], 0..2, "latest alone"),
        (vec![("latest", &stamps[24]), ("oldest", &stamps[22])], 23..24, "one row"),
        (vec![("oldest", &stamps[24])], 25..25, "nothing newer"),
    ] {
        let bounds: Vec<(&str, &str)> = bounds.into_iter().map(|(name, ts)| (name, ts.as_str())).collect();
        let mut found = field(&client.history("bob", &channel, &bounds).await, "ts");
        found.reverse();
        assert_eq!(found, stamps[expected], "{reason}");
    }
    let inclusive = [("oldest", stamps[3].as_str()), ("latest", &stamps[6]), ("inclusive", "1"), ("limit", "2")];
    let mut found = field(&client.history("bob", &channel, &inclusive).await, "ts");
    found.reverse();
    assert_eq!(found, stamps[3..7], "inclusive bounds hold on every page");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_arrive_during_a_catch_up_are_met() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    for index in 0..4 {
        client.post("alice", &channel, "old", &format!("old-{index}")).await;
    }
    let params = [("channel", channel.as_str()), ("limit", "2"), ("oldest", "0.000001")];
    let first = client.ok("alice", "conversations.history", &params).await;
    client.post("alice", &channel, "new", "new").await;
    let cursor = first["response_metadata"]["next_cursor"].as_str().unwrap();
    let rest = client.history("alice", &channel, &[("limit", "2"), ("oldest", "0.000001"), ("cursor", cursor)]).await;
    assert_eq!(field(&rest, "client_msg_id"), ["old-3", "old-2", "new"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_and_members_are_listed_page_by_page() {
    let server = Running::start().await;
    let client = &server.client;
    let mut created = HashSet::new();
    for index in 0..7 {
        created.insert(client.channel("alice", &format!("channel-{index}")).await);
    }
    let channel = created.iter().next().unwrap().clone();
    let mut invited = vec![client.user_id("alice").await];
    for index in 0..5 {
        invited.push(client.user_id(&format!("guest-{index}")).await);
    }
    let users = invited[1..].join(",");
    client.ok("alice", "conversations.invite", &[("channel", &channel), ("users", &users)]).await;
    client.ok("zoe", "conversations.join", &[("channel", &channel)]).await;
    client.ok("zoe", "conversations.join", &[("channel", &channel)]).await;
    invited.push(client.user_id("zoe").await);

    for limit in ["1", "3", "100"] {
        let listed = all_pages(&server, "conversations.list", "channels", &[("limit", limit)]).await;
        assert_eq!(listed.len(), 7);
        assert_eq!(field(&listed, "id").into_iter().collect::<HashSet<_>>(), created);
        let params = [("channel", channel.as_str()), ("limit", limit)];
        let members = all_pages(&server, "conversations.members", "members", &params).await;
        assert_eq!(members, invited.iter().map(|id| json!(id)).collect::<Vec<_>>());
        let about = listed.iter().find(|about| about["id"] == channel.as_str()).unwrap();
        assert_eq!((&about["num_members"], &about["is_member"]), (&json!(7), &json!(true)));
    }
    server.stop().await;
}

async fn all_pages(server: &Running, method: &str, name: &str, params: &[(&str, &str)]) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut params = params.to_vec();
        params.push(("cursor", &cursor));
        let page = server.client.ok("alice", method, &params).await;
        items.extend(page[name].as_array().unwrap().iter().cloned());
        cursor = page["response_metadata"]["next_cursor"].as_str().unwrap().to_owned();
        if cursor.is_empty() {
            return items;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_calls_are_told_what_is_wrong_with_status_200() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let long = "x".repeat(40_001);
    let umlauts = "ü".repeat(40_000);
    for (token, method, params, error) in [
        ("", "auth.test", vec![], "not_authed"),
        ("alice", "conversations.create", vec![("name", "general")], "name_taken"),
        ("alice", "conversations.create", vec![], "invalid_name_required"),
        ("alice", "conversations.create", vec![("name", "No Good")], "invalid_name_specials"),
        ("alice", "chat.postMessage", vec![("text", "x")], "channel_not_found"),
        ("alice", "chat.postMessage", vec![("channel", "C0"), ("text", "x")], "channel_not_found"),
        ("bob", "chat.postMessage", vec![("channel", &channel), ("text", "x")], "not_in_channel"),
        ("alice", "chat.postMessage", vec![("channel", &channel)], "no_text"),
        ("alice", "chat.postMessage", vec![("channel", &channel), ("text", &long)], "msg_too_long"),
        ("alice", "conversations.history", vec![("channel", "C0")], "channel_not_found"),
        ("alice", "conversations.history", vec![("channel", &channel), ("oldest", "x")], "invalid_ts_oldest"),
        ("alice", "conversations.history", vec![("channel", &channel), ("latest", "-1")], "invalid_ts_latest"),
        ("alice", "conversations.history", vec![("channel", &channel), ("cursor", "ü")], "invalid_cursor"),
        ("alice", "conversations.history", vec![("channel", &channel), ("limit", "-2")], "invalid_limit"),
        ("alice", "conversations.list", vec![("cursor", "x")], "invalid_cursor"),
        ("alice", "conversations.members", vec![("channel", "C0")], "channel_not_found"),
        ("bob", "conversations.invite", vec![("channel", &channel), ("users", "U0")], "not_in_channel"),
        ("alice", "conversations.invite", vec![("channel", &channel), ("users", "U0")], "user_not_found"),
    ] {
        let answer = client.call(token, method, &params).await;
        assert_eq!(answer, json!({ "ok": false, "error": error }), "{method} {params:?}");
    }
    client.ok("alice", "chat.postMessage", &[("channel", &channel), ("text", &umlauts)]).await;
    assert_eq!(client.history("alice", &channel, &[]).await.len(), 1, "nothing refused is stored");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_is_told_nothing_of_a_private_channel() {
    let server = Running::start().await;
    let client = &server.client;
    client.channel("alice", "public").await;
    let created = client.ok("alice", "conversations.create", &[("name", "private"), ("is_private", "true")]).await;
    assert_eq!(created["channel"]["is_private"], true);
    let channel = created["channel"]["id"].as_str().unwrap().to_owned();
    client.ok("alice", "chat.postMessage", &[("channel", &channel), ("text", "x")]).await;
    let bob = client.user_id("bob").await;
    for method in [
        "conversations.history",
        "conversations.join",
        "conversations.leave",
        "conversations.invite",
        "conversations.members",
        "chat.postMessage",
    ] {
        for name in [channel.as_str(), "private", "#private", "C0"] {
            let answer = client.call("bob", method, &[("channel", name), ("text", "x"), ("users", &bob)]).await;
            assert_eq!(answer, json!({ "ok": false, "error": "channel_not_found" }), "{method} {name}");
        }
    }
    let listed = |who: &'static str| client.ok(who, "conversations.list", &[]);
    assert_eq!(listed("bob").await["channels"].as_array().unwrap().len(), 1);
    assert_eq!(listed("alice").await["channels"].as_array().unwrap().len(), 2);
    // Members do not let themselves in, but each other.
    let join = client.call("alice", "conversations.join", &[("channel", &channel)]).await;
    assert_eq!(join["error"], "method_not_supported_for_channel_type");
    client.ok("alice", "conversations.invite", &[("channel", &channel), ("users", &bob)]).await;
    assert_eq!(client.history("bob", &channel, &[]).await.len(), 1);
    client.ok("bob", "conversations.leave", &[("channel", &channel)]).await;
    let gone = client.call("bob", "conversations.history", &[("channel", &channel)]).await;
    assert_eq!(gone["error"], "channel_not_found");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_come_as_query_form_json_or_multipart() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let url = |method: &str| format!("{}/api/{method}", client.base);
    let query = format!("{}?channel={channel}&text=query&token=alice", url("chat.postMessage"));
    let multipart = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"channel\"\r\n\r\n{channel}\r\n\
         --edge\r\ncontent-disposition: form-data; name=\"text\"\r\n\r\nmultipart\r\n--edge--\r\n"
    );
    let json_body = json!({ "channel": channel, "text": "json", "blocks": [{ "a": 1 }], "mrkdwn": true, "x": null });
    let post = || client.http.post(url("chat.postMessage")).bearer_auth("alice");
    for (request, reason) in [
        (client.http.get(&query), "GET with a query, token in it"),
        (post().header("content-type", "application/json;charset=utf-8").body(json_body.to_string()), "JSON"),
        (post().header("content-type", "multipart/form-data; boundary=edge").body(multipart), "multipart"),
        (client.http.post(url("auth.test")).bearer_auth("alice").header("content-type", "application/json"), "empty"),
    ] {
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["ok"], true, "{reason}: {answer}");
    }
    let texts = field(&client.history("alice", &channel, &[]).await, "text");
    assert_eq!(texts, ["multipart", "json", "query"]);
    let limits = client.http.post(url("conversations.history")).bearer_auth("alice");
    let limits =
        limits.header("content-type", "application/json").body(format!(r#"{{"channel":"{channel}","limit":2}}"#));
    let page: Value = limits.send().await.unwrap().json().await.unwrap();
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(2), "a number in JSON is a number");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bodies_are_refused_and_harm_nobody() {
    let server = Running::start().await;
    let client = &server.client;
    let post = |kind: &str, body: Vec<u8>| {
        let request = client.http.post(format!("{}/api/auth.test", client.base)).bearer_auth("alice");
        request.header("content-type", kind).body(body).send()
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (kind, body, status, error) in [
        ("application/json", b"{".to_vec(), 200, "invalid_json"),
        ("application/json", b"[]".to_vec(), 200, "invalid_json"),
        ("application/json", format!(r#"{{"a":{deep}}}"#).into_bytes(), 200, "invalid_json"),
        ("application/json", vec![0xff; 9], 200, "invalid_json"),
        ("multipart/form-data", b"x".to_vec(), 200, "invalid_form_data"),
        ("text/plain", vec![b'x'; 1024 * 1024 + 1], 413, "request_too_large"),
    ] {
        let response = post(kind, body).await.unwrap();
        assert_eq!(response.status(), status, "{kind}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer, json!({ "ok": false, "error": error }), "{kind}");
    }
    let unknown = client.http.get(format!("{}/api/no.such", client.base)).bearer_auth("alice").send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    let long_token = "t".repeat(600);
    assert_eq!(client.call(&long_token, "auth.test", &[]).await["error"], "invalid_auth");
    client.ok("alice", "auth.test", &[]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_file_knows_it_all() {
    let server = Running::start().await;
    let client = &server.client;
    let channel = client.channel("alice", "general").await;
    let before = client.post("alice", &channel, "kept", "key").await;
    let alice = client.user_id("alice").await;
    let (db, _folder) = (server.db(), server.stop().await);
    let again = super::harness::ServerProcess::start(&db, &[]);
    assert_eq!(again.client.user_id("alice").await, alice, "a user keeps its id");
    assert_ne!(again.client.user_id("bob").await, alice);
    let repeated = again.client.post("alice", &channel, "kept", "key").await;
    assert_eq!((&repeated["ts"], &repeated["deduplicated"]), (&before["ts"], &json!(true)));
    assert_eq!(again.client.call("alice", "conversations.create", &[("name", "general")]).await["error"], "name_taken");
}
