//! Calls that are no sends: set-up, history, socket URLs. A pooled client
//! serves them: nobody counts their attempts.

use crate::model::{RunId, UserId};
use crate::target::{Address, Call, Slack};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use std::net::SocketAddr;
use std::time::Duration;

/// No page of history is longer; more is not read.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// A client of the target's API.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    run: RunId,
    /// The calls.
    pub slack: Slack,
}

/// A complete answer.
pub struct ApiAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

impl Api {
    /// A client of its own connections to the given resolved addresses. It
    /// follows no redirect, repeats nothing and uses no proxy.
    pub fn new(address: &Address, resolved: &[SocketAddr], run: RunId) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .resolve_to_addrs(&address.host, resolved)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(64)
            .build()?;
        Ok(Self { client, base: format!("http://{}", address.authority()), run, slack: Slack::new(address) })
    }

    /// Makes one call as a user. An error is in words.
    pub async fn call(&self, user: UserId, call: Call, timeout: Duration) -> Result<ApiAnswer, String> {
        self.call_with(&token(self.run, user), call, timeout).await
    }

    /// Makes one call as the app whose bot a user is. An error is in words.
    pub async fn call_as_app(&self, user: UserId, call: Call, timeout: Duration) -> Result<ApiAnswer, String> {
        self.call_with(&app_token(self.run, user), call, timeout).await
    }

    async fn call_with(&self, token: &str, call: Call, timeout: Duration) -> Result<ApiAnswer, String> {
        let request = self
            .client
            .post(format!("{}{}", self.base, call.path))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, call.content_type)
            .timeout(timeout)
            .body(call.body);
        let mut response = request.send().await.map_err(in_words)?;
        let status = response.status().as_u16();
        let retry_after_s = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(in_words)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(format!("an answer of more than {MAX_BODY_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(ApiAnswer { status, retry_after_s, body })
    }
}

/// The bearer token of a user of a run: any token is a user of its own, and this
/// one is the bot of an app.
pub fn token(run: RunId, user: UserId) -> String {
    format!("xoxb-posthaste-{run}-{}", user.0)
}

/// The token of the app whose bot a user is.
fn app_token(run: RunId, user: UserId) -> String {
    format!("xapp-posthaste-{run}-{}", user.0)
}

/// The last cause of an error says what happened; the ones before it repeat
/// the URL.
fn in_words(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
