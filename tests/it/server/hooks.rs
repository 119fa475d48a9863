//! An app with a URL, which answers as a test says and shows what it got.

use super::harness::{Client, PATIENCE};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What the app does with a POST.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers 200 with a body.
    Says(&'static str),
    /// Answers with a status.
    Fails(u16),
    /// Answers 500, and asks for no retry.
    FailsForGood,
    /// Answers 200 after so long.
    Dawdles(Duration),
}

/// A POST that came.
#[derive(Clone, Debug)]
pub struct Hook {
    pub headers: HeaderMap,
    pub body: String,
    pub at: Instant,
}

impl Hook {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        self.json()["event"]["text"].as_str().unwrap().to_owned()
    }

    /// Checks the signature as an app does.
    pub fn assert_signed(&self, secret: &str) {
        let stamp = self.header("x-slack-request-timestamp").unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(stamp.parse().unwrap()) < 60);
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("v0:{stamp}:{}", self.body).as_bytes());
        let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(self.header("x-slack-signature"), Some(format!("v0={expected}").as_str()));
    }
}

type Plan = Arc<Mutex<Vec<Does>>>;

/// An app with a URL.
pub struct Hooks {
    pub url: String,
    got: mpsc::UnboundedReceiver<Hook>,
    plan: Plan,
}

impl Hooks {
    /// Answers challenges, and everything else with 200 until it is told
    /// otherwise.
    pub async fn start() -> Self {
        let (send, got) = mpsc::unbounded_channel();
        let plan = Plan::default();
        let router = Router::new().fallback(take).with_state((send, plan.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/slack/events", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got, plan }
    }

    /// Does this with the next POSTs, one each.
    pub fn then(&self, does: &[Does]) {
        self.plan.lock().unwrap().extend(does.iter().cloned());
    }

    pub async fn next(&mut self) -> Hook {
        tokio::time::timeout(PATIENCE, self.got.recv()).await.expect("no POST came").unwrap()
    }

    /// What comes within a while that is long for the server under test.
    pub async fn rest(&mut self) -> Vec<Hook> {
        let mut rest = Vec::new();
        while let Ok(Some(hook)) = tokio::time::timeout(Duration::from_millis(300), self.got.recv()).await {
            rest.push(hook);
        }
        rest
    }

    /// Subscribes the app of a token; its challenge is taken out.
    pub async fn subscribe(&mut self, client: &Client, app_token: &str) -> Value {
        let answer = client.ok(app_token, "posthaste.apps.subscribe", &[("url", &self.url)]).await;
        let challenge = self.next().await.json();
        assert_eq!(challenge["type"], "url_verification");
        answer
    }
}

async fn take(
    State((got, plan)): State<(mpsc::UnboundedSender<Hook>, Plan)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let hook = Hook { headers, body: String::from_utf8(body.to_vec()).unwrap(), at: Instant::now() };
    let challenge = serde_json::from_str::<Value>(&hook.body).ok().and_then(|body| body.get("challenge").cloned());
    if let Some(challenge) = challenge {
        let _ = got.send(hook);
        return axum::Json(serde_json::json!({ "challenge": challenge })).into_response();
    }
    // Before the test sees the POST, and plans for the next one.
    let does = {
        let mut plan = plan.lock().unwrap();
        if plan.is_empty() { Does::Says("") } else { plan.remove(0) }
    };
    let _ = got.send(hook);
    match does {
        Does::Says(body) => body.into_response(),
        Does::Fails(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Does::FailsForGood => (StatusCode::INTERNAL_SERVER_ERROR, [("x-slack-no-retry", "1")]).into_response(),
        Does::Dawdles(time) => {
            tokio::time::sleep(time).await;
            ().into_response()
        }
    }
}
