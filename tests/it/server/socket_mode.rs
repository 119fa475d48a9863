//! Apps in Socket Mode.

use super::harness::{Client, PATIENCE, Running, ServerProcess, Socket};
use posthaste::server::{AppOptions, Options};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(200);

/// A server whose apps have so long to acknowledge, and a channel that the bot
/// of `xapp-a` is in.
async fn with(apps: AppOptions) -> (Running, String) {
    let server = Running::of(Options { apps, ..Options::default() }).await;
    let channel = channel_with_bot(&server.client).await;
    (server, channel)
}

async fn channel_with_bot(client: &Client) -> String {
    let channel = client.channel("alice", "general").await;
    client.ok("xoxb-a", "conversations.join", &[("channel", &channel)]).await;
    channel
}

async fn post(client: &Client, channel: &str, text: &str) -> Value {
    client.ok("alice", "chat.postMessage", &[("channel", channel), ("text", text), ("client_msg_id", text)]).await
}

fn text(envelope: &Value) -> &str {
    envelope["payload"]["event"]["text"].as_str().unwrap_or_else(|| panic!("no event in {envelope}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_told_the_events_of_its_bots_channels_in_envelopes() {
    let (server, channel) = with(AppOptions::default()).await;
    let client = &server.client;
    let (mut link, hello) = client.link("xapp-a").await;
    assert_eq!(hello["num_connections"], 1);
    assert!(hello["debug_info"].is_object() && hello["connection_info"]["app_id"].as_str().unwrap().starts_with('A'));
    let elsewhere = client.channel("alice", "elsewhere").await;
    post(client, &elsewhere, "not for the bot").await;
    let mut alice = client.socket("alice").await;
    let posted = post(client, &channel, "hi").await;
    let envelope = link.next().await;
    let pushed = alice.next().await;

    let mut event = pushed;
    event["channel_type"] = json!("channel");
    let payload = &envelope["payload"];
    let bot = client.user_id("xoxb-a").await;
    assert_eq!(payload["event"], event);
    assert_eq!(payload["api_app_id"], hello["connection_info"]["app_id"]);
    assert_eq!((&payload["type"], &payload["team_id"]), (&json!("event_callback"), &json!("T0POSTHASTE")));
    assert_eq!(
        (&payload["authorizations"][0]["user_id"], &payload["authorizations"][0]["is_bot"]),
        (&json!(bot), &json!(true))
    );
    assert!(payload["event_id"].as_str().unwrap().starts_with("Ev"));
    let seconds = posted["ts"].as_str().unwrap().split('.').next().unwrap();
    assert_eq!(payload["event_time"].to_string(), seconds);
    for (name, value) in [
        ("type", json!("events_api")),
        ("accepts_response_payload", json!(false)),
        ("retry_attempt", json!(0)),
        ("retry_reason", json!("")),
    ] {
        assert_eq!(envelope[name], value, "{name}");
    }
    link.acknowledge(&envelope).await;

    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn membership_decides_from_the_moment_it_changes() {
    let (server, channel) = with(AppOptions::default()).await;
    let client = &server.client;
    let (mut link, _) = client.link("xapp-a").await;
    client.ok("xoxb-a", "conversations.leave", &[("channel", &channel)]).await;
    post(client, &channel, "away").await;
    client.ok("xoxb-a", "conversations.join", &[("channel", &channel)]).await;
    post(client, &channel, "back").await;
    client.ok("xoxb-a", "chat.postMessage", &[("channel", &channel), ("text", "own")]).await;
    let (first, second) = (link.next().await, link.next().await);
    assert_eq!((text(&first), text(&second)), ("back", "own"), "the bot's own too");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_acknowledged_is_sent_again_until_it_is() {
    let (server, channel) = with(AppOptions { answer_within: SOON, ..AppOptions::default() }).await;
    let client = &server.client;
    let (mut link, _) = client.link("xapp-a").await;
    post(client, &channel, "one").await;
    let mut first = link.next().await;
    for attempt in 1..=2 {
        let again = link.next().await;
        (first["retry_attempt"], first["retry_reason"]) = (json!(attempt), json!("timeout"));
        assert_eq!(again, first, "the same envelope");
    }
    link.acknowledge(&first).await;
    post(client, &channel, "two").await;
    let second = link.next().await;
    assert_eq!((text(&second), &second["retry_attempt"]), ("two", &json!(0)));
    link.acknowledge(&second).await;
    tokio::time::sleep(SOON * 5).await;
    assert_eq!(drain(&mut link).await, Vec::<Value>::new(), "acknowledged for good");
    server.stop().await;
}

/// What came until now.
async fn drain(link: &mut Socket) -> Vec<Value> {
    let mut frames = Vec::new();
    while let Ok(frame) = tokio::time::timeout(Duration::from_millis(150), link.next()).await {
        frames.push(frame);
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_closed_connection_left_goes_to_the_next_one_in_order() {
    let (server, channel) = with(AppOptions::default()).await;
    let client = &server.client;
    let (mut link, _) = client.link("xapp-a").await;
    for index in 0..5 {
        post(client, &channel, &index.to_string()).await;
    }
    for _ in 0..5 {
        link.next().await;
    }
    drop(link);
    post(client, &channel, "5").await;
    let (mut next, _) = client.link("xapp-a").await;
    for index in 0..6 {
        let envelope = next.next().await;
        assert_eq!(text(&envelope), index.to_string());
        let retried = index < 5;
        assert_eq!(envelope["retry_attempt"], json!(i32::from(retried)));
        assert_eq!(envelope["retry_reason"], if retried { "connection_closed" } else { "" });
        next.acknowledge(&envelope).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_envelope_goes_to_one_of_ten_connections() {
    let (server, channel) = with(AppOptions::default()).await;
    let client = &server.client;
    let mut links = Vec::new();
    for count in 1..=10 {
        let (link, hello) = client.link("xapp-a").await;
        assert_eq!(hello["num_connections"], count);
        links.push(link);
    }
    assert_eq!(client.call("xapp-a", "apps.connections.open", &[]).await["error"], "too_many_websockets");
    client.ok("xapp-b", "apps.connections.open", &[]).await;
    for index in 0..40 {
        post(client, &channel, &index.to_string()).await;
    }
    let mut told = HashSet::new();
    for link in &mut links {
        for _ in 0..4 {
            let envelope = link.next().await;
            assert!(told.insert(text(&envelope).to_owned()), "told twice: {envelope}");
            link.acknowledge(&envelope).await;
        }
    }
    assert_eq!(told.len(), 40);
    links.pop();
    let began = std::time::Instant::now();
    while client.call("xapp-a", "apps.connections.open", &[]).await["ok"] != true {
        assert!(began.elapsed() < PATIENCE, "a closed connection gives its place back");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_gets_more_than_it_acknowledges() {
    let (server, channel) = with(AppOptions::default()).await;
    let client = &server.client;
    let (mut link, _) = client.link("xapp-a").await;
    for index in 0..150 {
        post(client, &channel, &index.to_string()).await;
    }
    let first = drain(&mut link).await;
    assert_eq!(first.len(), 100);
    for envelope in &first[..30] {
        link.acknowledge(envelope).await;
    }
    assert_eq!(
        drain(&mut link).await.iter().map(text).collect::<Vec<_>>()[..],
        (100..130).map(|i| i.to_string()).collect::<Vec<_>>()[..]
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_warns_takes_late_acknowledgements_and_loses_nothing() {
    let refresh = Duration::from_millis(2_500);
    let (server, channel) = with(AppOptions { socket_refresh: Some(refresh), ..AppOptions::default() }).await;
    let client = &server.client;
    let (mut old, _) = client.link("xapp-a").await;
    post(client, &channel, "acknowledged late").await;
    post(client, &channel, "never acknowledged").await;
    let (late, _) = (old.next().await, old.next().await);
    for reason in ["warning", "refresh_requested"] {
        let frame = old.next().await;
        assert_eq!((&frame["type"], &frame["reason"]), (&json!("disconnect"), &json!(reason)));
    }
    let (mut new, hello) = client.link("xapp-a").await;
    assert_eq!(hello["num_connections"], 1, "the old one counts no longer");
    old.acknowledge(&late).await;
    post(client, &channel, "for the new one").await;
    let frame = new.next().await;
    assert_eq!(text(&frame), "for the new one");
    assert_eq!(old.next().await, json!({ "close": 1000 }));
    drop(old);
    let again = new.next().await;
    assert_eq!((text(&again), &again["retry_attempt"]), ("never acknowledged", &json!(1)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ending_server_asks_its_apps_to_reconnect_and_knows_them_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("test.db");
    let server = ServerProcess::start(&db, &["--app-timeout", "1s", "--socket-refresh", "1h"]);
    let channel = channel_with_bot(&server.client).await;
    let (mut link, hello) = server.client.link("xapp-a").await;
    assert_eq!(hello["debug_info"]["approximate_connection_time"], 3600);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(link.next().await["reason"], "refresh_requested");
    drop(link);
    assert_eq!(server.exit_code().await, Some(0));

    let server = ServerProcess::start(&db, &[]);
    post(&server.client, &channel, "before it is back").await;
    let (mut link, _) = server.client.link("xapp-a").await;
    assert_eq!(text(&link.next().await), "before it is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn app_tokens_and_user_tokens_are_not_each_others() {
    let server = Running::start().await;
    let client = &server.client;
    for (token, method, error) in [
        ("alice", "apps.connections.open", "not_allowed_token_type"),
        ("xapp-", "apps.connections.open", "not_allowed_token_type"),
        ("xapp-a", "auth.test", "not_allowed_token_type"),
        ("", "apps.connections.open", "not_authed"),
    ] {
        assert_eq!(client.call(token, method, &[]).await["error"], error, "{token} {method}");
    }
    server.stop().await;
}
