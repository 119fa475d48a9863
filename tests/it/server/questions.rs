//! Slash commands and clicks: what an app is asked, and where its answers go.

use super::harness::{Client, Running, Socket, field};
use super::hooks::{Does, Hooks};
use posthaste::server::{AppOptions, Options};
use serde_json::{Value, json};
use std::time::Duration;

async fn server() -> (Running, String) {
    let apps = AppOptions { answer_within: Duration::from_millis(400), ..AppOptions::default() };
    let server = Running::of(Options { apps, ..Options::default() }).await;
    let channel = server.client.channel("alice", "general").await;
    server.client.ok("xoxb-a", "conversations.join", &[("channel", &channel)]).await;
    server.client.ok("bob", "conversations.join", &[("channel", &channel)]).await;
    (server, channel)
}

/// Commands as alice; the answer to her call.
fn command(client: &Client, channel: &str) -> tokio::task::JoinHandle<Value> {
    let (client, channel) = (client.clone(), channel.to_owned());
    let params = move || async move {
        let params = [("channel", channel.as_str()), ("command", "/say"), ("text", "a & b")];
        client.call("alice", "chat.command", &params).await
    };
    tokio::spawn(params())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_posted_as_a_form_and_its_answer_shown_to_the_user_alone() {
    let (server, channel) = server().await;
    let client = &server.client;
    let mut hooks = Hooks::start().await;
    let app = hooks.subscribe(client, "xapp-a").await;
    let (mut alice, mut bob) = (client.socket("alice").await, client.socket("bob").await);
    hooks.then(&[Does::Says("said privately")]);
    let answer = command(client, &channel).await.unwrap();
    let hook = hooks.next().await;
    hook.assert_signed("posthaste");
    let form = hook.form();
    let response_url = form["response_url"].clone();
    for (name, value) in [
        ("command", "/say"),
        ("text", "a & b"),
        ("channel_id", &channel),
        ("channel_name", "general"),
        ("user_id", &client.user_id("alice").await),
        ("team_id", "T0POSTHASTE"),
        ("api_app_id", app["app_id"].as_str().unwrap()),
        ("trigger_id", answer["trigger_id"].as_str().unwrap()),
    ] {
        assert_eq!(form[name], value, "{name}");
    }
    let shown = alice.next().await;
    let ts = shown["ts"].clone();
    let expected = json!({
        "type": "message", "subtype": "bot_message", "is_ephemeral": true, "channel": channel,
        "user": client.user_id("xoxb-a").await, "text": "said privately", "ts": ts, "event_ts": ts,
        "team": "T0POSTHASTE", "trigger_id": answer["trigger_id"],
    });
    assert_eq!(shown, expected);

    hooks.then(&[Does::Says(r#"{"response_type":"in_channel","text":"said aloud"}"#), Does::Says("")]);
    let params = [("channel", channel.as_str()), ("command", "/say"), ("trigger_id", "mine")];
    assert_eq!(client.ok("alice", "chat.command", &params).await["trigger_id"], "mine");
    assert_eq!(bob.next().await["text"], "said aloud", "and nothing before it");
    assert_eq!(alice.next().await["text"], "said aloud");
    hooks.next().await;
    assert_eq!(hooks.next().await.text(), "said aloud", "the app is told its own message");
    for (text, kind) in [("later", "ephemeral"), ("aloud", "in_channel")] {
        let body = json!({ "text": text, "response_type": kind }).to_string();
        let later = client.http.post(&response_url).header("content-type", "application/json").body(body);
        assert_eq!(later.send().await.unwrap().status(), 200);
    }
    assert_eq!(field(&alice.drain().await, "text"), ["later", "aloud"]);
    assert_eq!(field(&client.history("bob", &channel, &[]).await, "text"), ["aloud", "said aloud"], "stored");
    assert_eq!(field(&bob.drain().await, "text"), ["aloud"]);
    for used in 0..4 {
        let status = client.http.post(format!("{response_url}?text=x")).send().await.unwrap().status();
        assert_eq!(status, if used < 3 { 200 } else { 404 }, "five times in all");
    }
    server.stop().await;
}

async fn next_question(link: &mut Socket) -> Value {
    loop {
        let envelope = link.next().await;
        if envelope["type"] != "events_api" {
            return envelope;
        }
        link.acknowledge(&envelope).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_in_socket_mode_answers_with_its_acknowledgement() {
    let (server, channel) = server().await;
    let client = &server.client;
    let (mut link, _) = client.link("xapp-a").await;
    let mut alice = client.socket("alice").await;
    let call = command(client, &channel);
    let envelope = next_question(&mut link).await;
    assert_eq!((&envelope["type"], &envelope["accepts_response_payload"]), (&json!("slash_commands"), &json!(true)));
    assert_eq!((&envelope["payload"]["command"], &envelope["payload"]["text"]), (&json!("/say"), &json!("a & b")));
    link.send(&json!({ "envelope_id": envelope["envelope_id"], "payload": { "text": "answered" } })).await;
    let answer = call.await.unwrap();
    assert_eq!(answer, json!({ "ok": true, "trigger_id": envelope["payload"]["trigger_id"] }));
    assert_eq!(alice.next().await["text"], "answered");

    let posted = client.ok("xoxb-a", "chat.postMessage", &[("channel", &channel), ("text", "click me")]).await;
    let (asking, to, ts) = (client.clone(), channel.clone(), posted["ts"].as_str().unwrap().to_owned());
    let call = tokio::spawn(async move {
        let params = [("channel", to.as_str()), ("ts", &ts), ("action_id", "approve"), ("value", "7")];
        asking.call("bob", "posthaste.interact", &params).await
    });
    let envelope = next_question(&mut link).await;
    let payload = &envelope["payload"];
    assert_eq!((&envelope["type"], &payload["type"]), (&json!("interactive"), &json!("block_actions")));
    assert_eq!(
        (&payload["actions"][0]["action_id"], &payload["actions"][0]["value"]),
        (&json!("approve"), &json!("7"))
    );
    assert_eq!((&payload["message"]["text"], &payload["message"]["ts"]), (&json!("click me"), &posted["ts"]));
    assert_eq!(payload["user"]["id"], client.user_id("bob").await.as_str());
    link.acknowledge(&envelope).await;
    assert_eq!(call.await.unwrap()["ok"], true, "an answer need not say anything");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_posted_as_a_payload_to_the_app_that_wrote_the_message() {
    let (server, channel) = server().await;
    let client = &server.client;
    let (mut first, mut second) = (Hooks::start().await, Hooks::start().await);
    first.subscribe(client, "xapp-a").await;
    let app = second.subscribe(client, "xapp-b").await;
    client.ok("xoxb-b", "conversations.join", &[("channel", &channel)]).await;
    let of = |token: &'static str| {
        let channel = channel.clone();
        async move { client.ok(token, "chat.postMessage", &[("channel", &channel), ("text", token)]).await }
    };
    for (writer, named, asked) in
        [("xoxb-a", "", "a"), ("xoxb-b", "", "b"), ("bob", "", "a"), ("bob", app["app_id"].as_str().unwrap(), "b")]
    {
        let posted = of(writer).await;
        assert_eq!((first.next().await.text(), second.next().await.text()), (writer.to_owned(), writer.to_owned()));
        let ts = posted["ts"].as_str().unwrap();
        let params = [("channel", channel.as_str()), ("ts", ts), ("action_id", "x"), ("app", named)];
        client.ok("alice", "posthaste.interact", &params).await;
        let hook = if asked == "a" { first.next().await } else { second.next().await };
        hook.assert_signed("posthaste");
        let payload: Value = serde_json::from_str(&hook.form()["payload"]).unwrap();
        assert_eq!(payload["container"]["message_ts"], ts, "{writer} {named}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_answer_is_an_error_to_the_caller() {
    let (server, channel) = server().await;
    let client = &server.client;
    let call = || async { command(client, &channel).await.unwrap()["error"].clone() };
    assert_eq!(call().await, "app_not_found", "a bot alone is no app");
    let (link, _) = client.link("xapp-a").await;
    let began = std::time::Instant::now();
    let mut error = call().await;
    // The server may have greeted, and not entered the connection yet.
    while error == "dispatch_failed" && began.elapsed() < super::harness::PATIENCE {
        error = call().await;
    }
    assert_eq!(error, "operation_timeout", "no acknowledgement");
    drop(link);
    client.ok("xapp-a", "posthaste.apps.subscribe", &[]).await;
    let began = std::time::Instant::now();
    while call().await != "dispatch_failed" {
        assert!(began.elapsed() < super::harness::PATIENCE, "no connection");
    }
    let mut hooks = Hooks::start().await;
    hooks.subscribe(client, "xapp-a").await;
    hooks.then(&[Does::Fails(500), Does::Dawdles(Duration::from_secs(2))]);
    assert_eq!(call().await, "dispatch_failed");
    assert_eq!(call().await, "operation_timeout");
    assert_eq!(hooks.rest().await.len(), 2, "a question is asked once");
    for (token, method, params, error) in [
        ("eve", "chat.command", vec![("channel", channel.as_str()), ("command", "/x")], "not_in_channel"),
        ("alice", "chat.command", vec![("channel", &channel)], "invalid_arguments"),
        ("alice", "chat.command", vec![("channel", "C0"), ("command", "/x")], "channel_not_found"),
        ("alice", "chat.command", vec![("channel", &channel), ("command", "/x"), ("app", "A0")], "app_not_found"),
        (
            "alice",
            "posthaste.interact",
            vec![("channel", &channel), ("ts", "1.5"), ("action_id", "x")],
            "message_not_found",
        ),
    ] {
        assert_eq!(client.call(token, method, &params).await["error"], error, "{method} {params:?}");
    }
    server.stop().await;
}
