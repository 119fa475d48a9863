//! Events posted to an app's URL.

use super::harness::{Client, Running, ServerProcess};
use super::hooks::{Does, Hooks};
use posthaste::server::{AppOptions, Options};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

/// A minute is 200 ms.
const SCALE: f64 = 1.0 / 300.0;

async fn with(apps: AppOptions) -> (Running, Hooks, String) {
    let server = Running::of(Options { apps, ..Options::default() }).await;
    let mut hooks = Hooks::start().await;
    hooks.subscribe(&server.client, "xapp-a").await;
    let channel = channel_with_bot(&server.client).await;
    (server, hooks, channel)
}

fn quick() -> AppOptions {
    AppOptions { answer_within: Duration::from_millis(500), retry_scale: SCALE, ..AppOptions::default() }
}

async fn channel_with_bot(client: &Client) -> String {
    let channel = client.channel("alice", "general").await;
    client.ok("xoxb-a", "conversations.join", &[("channel", &channel)]).await;
    channel
}

async fn post(client: &Client, channel: &str, text: &str) {
    client.ok("alice", "chat.postMessage", &[("channel", channel), ("text", text), ("client_msg_id", text)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_posted_once_signed_and_as_a_callback() {
    let secret = "a secret of its own".to_owned();
    let (server, mut hooks, channel) = with(AppOptions { signing_secret: secret.clone(), ..quick() }).await;
    let client = &server.client;
    let elsewhere = client.channel("alice", "elsewhere").await;
    post(client, &elsewhere, "not for the bot").await;
    let mut alice = client.socket("alice").await;
    post(client, &channel, "quoted \" ü").await;
    let hook = hooks.next().await;
    hook.assert_signed(&secret);
    let mut event = alice.next().await;
    event["channel_type"] = json!("channel");
    let body = hook.json();
    assert_eq!(body["event"], event);
    assert_eq!((&body["type"], &body["team_id"]), (&json!("event_callback"), &json!("T0POSTHASTE")));
    assert!(body["event_id"].as_str().unwrap().starts_with("Ev") && body["event_time"].is_u64());
    assert_eq!(body["authorizations"][0]["user_id"], client.user_id("xoxb-a").await.as_str());
    assert_eq!((hook.header("content-type"), hook.header("x-slack-retry-num")), (Some("application/json"), None));
    assert!(hooks.rest().await.is_empty(), "once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_event_is_posted_three_times_more_under_the_same_id() {
    let (server, mut hooks, channel) = with(quick()).await;
    hooks.then(&[Does::Fails(500), Does::Dawdles(Duration::from_secs(2)), Does::Fails(302), Does::Fails(404)]);
    post(&server.client, &channel, "hi").await;
    let mut tries = Vec::new();
    for (number, reason) in [
        (None, None),
        (Some("1"), Some("http_error")),
        (Some("2"), Some("http_timeout")),
        (Some("3"), Some("http_error")),
    ] {
        let hook = hooks.next().await;
        assert_eq!((hook.header("x-slack-retry-num"), hook.header("x-slack-retry-reason")), (number, reason));
        hook.assert_signed("posthaste");
        tries.push(hook);
    }
    assert!(tries.iter().all(|hook| hook.body == tries[0].body), "one event_id");
    let gap = |later: usize| (tries[later].at - tries[later - 1].at).as_millis();
    assert!(gap(1) < 1_000, "at once: {}", gap(1));
    assert!((690..1_400).contains(&gap(2)), "half a second late and a minute: {}", gap(2));
    assert!((1_000..3_000).contains(&gap(3)), "five minutes: {}", gap(3));
    assert!(hooks.rest().await.is_empty(), "given up");
    post(&server.client, &channel, "next").await;
    assert_eq!(hooks.next().await.text(), "next");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_ask_for_no_retry() {
    let (server, mut hooks, channel) = with(quick()).await;
    hooks.then(&[Does::FailsForGood]);
    post(&server.client, &channel, "hi").await;
    assert_eq!(hooks.next().await.text(), "hi");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(hooks.rest().await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_are_under_way_at_once_and_one_that_waits_for_its_retry_is_none() {
    let apps = AppOptions { answer_within: Duration::from_secs(20), ..quick() };
    let (server, mut hooks, channel) = with(AppOptions { retry_scale: 1.0, ..apps }).await;
    hooks.then(&vec![Does::Fails(500); 16]);
    for index in 0..8 {
        post(&server.client, &channel, &format!("waits {index}")).await;
    }
    for _ in 0..16 {
        hooks.next().await;
    }
    hooks.then(&vec![Does::Dawdles(Duration::from_millis(700)); 8]);
    for index in 0..10 {
        post(&server.client, &channel, &format!("slow {index}")).await;
    }
    let mut texts: HashSet<String> = HashSet::new();
    for _ in 0..8 {
        texts.insert(hooks.next().await.text());
    }
    assert!(hooks.rest().await.is_empty(), "no ninth while eight are under way");
    for _ in 0..2 {
        texts.insert(hooks.next().await.text());
    }
    assert_eq!(texts, (0..10).map(|index| format!("slow {index}")).collect());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_subscribed_only_if_it_is_near_and_answers_the_challenge() {
    let server = Running::of(Options { apps: quick(), ..Options::default() }).await;
    let client = &server.client;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let itself = format!("{}/api/auth.test", client.base);
    for (token, url, error) in [
        ("alice", itself.as_str(), "not_allowed_token_type"),
        ("xapp-a", "http://93.184.216.34/", "invalid_url"),
        ("xapp-a", "https://127.0.0.1/", "invalid_url"),
        ("xapp-a", "nonsense", "invalid_url"),
        ("xapp-a", &format!("http://{closed}/"), "url_verification_failed"),
        ("xapp-a", &itself, "url_verification_failed"),
    ] {
        let answer = client.call(token, "posthaste.apps.subscribe", &[("url", url)]).await;
        assert_eq!(answer["error"], error, "{token} {url}");
    }
    let mut hooks = Hooks::start().await;
    hooks.url = hooks.url.replace("127.0.0.1", "localhost");
    let answer = hooks.subscribe(client, "xapp-a").await;
    assert_eq!(answer["bot_user_id"], client.user_id("xoxb-a").await.as_str());
    assert!(answer["app_id"].as_str().unwrap().starts_with('A'));

    let channel = channel_with_bot(client).await;
    post(client, &channel, "posted").await;
    assert_eq!(hooks.next().await.text(), "posted");
    client.ok("xapp-a", "posthaste.apps.subscribe", &[]).await;
    let (mut link, _) = client.link("xapp-a").await;
    post(client, &channel, "over Socket Mode again").await;
    assert_eq!(link.next().await["payload"]["event"]["text"], "over Socket Mode again");
    assert!(hooks.rest().await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_in_order_leaves_what_it_did_not_tell_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("test.db");
    let flags = ["--app-timeout", "200ms", "--retry-scale", "1", "--signing-secret", "s"];
    let server = ServerProcess::start(&db, &flags);
    let client = &server.client;
    let mut hooks = Hooks::start().await;
    hooks.subscribe(client, "xapp-a").await;
    let channel = channel_with_bot(client).await;
    client.ok("xoxb-b", "conversations.join", &[("channel", &channel)]).await;
    let (link, _) = client.link("xapp-b").await;
    hooks.then(&[Does::Fails(500), Does::Fails(500)]);
    post(client, &channel, "untold").await;
    let failed = hooks.next().await;
    hooks.next().await;
    server.signal(nix::sys::signal::Signal::SIGTERM);
    drop(link);
    assert_eq!(server.exit_code().await, Some(0));

    let server = ServerProcess::start(&db, &flags);
    let told = hooks.next().await;
    assert_eq!(told.json(), failed.json(), "the same event");
    told.assert_signed("s");
    let (mut link, _) = server.client.link("xapp-b").await;
    assert_eq!(link.next().await["payload"]["event"]["text"], "untold");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    drop(link);
    server.exit_code().await;
    let _again = ServerProcess::start(&db, &flags);
    assert!(hooks.rest().await.is_empty(), "told once it was answered");
}
