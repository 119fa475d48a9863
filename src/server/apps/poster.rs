//! POSTs to apps: signed, in time, and to near addresses only.
//!
//! The signature is Slack's: `X-Slack-Signature: v0=` and the hexadecimal
//! HMAC-SHA256, under the signing secret, of `v0:{timestamp}:{body}`, where the
//! timestamp (in seconds) is in `X-Slack-Request-Timestamp`.

use super::super::answer::ApiError;
use super::super::defects::Defects;
use super::super::options::AppOptions;
use super::super::tls::no_tls;
use super::VERIFICATION_TOKEN;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect, retry};
use sha2::Sha256;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 256 * 1024;
const RETRY_SCALE_MAX: f64 = 1_000.0;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Why a POST was not answered with 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostError {
    Timeout,
    Connection,
    /// Another status; whether the app asked for no retry.
    Status {
        no_retry: bool,
    },
}

impl PostError {
    /// As `X-Slack-Retry-Reason` says it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Timeout => "http_timeout",
            Self::Connection => "connection_failed",
            Self::Status { .. } => "http_error",
        }
    }
}

/// What posts, and how.
#[derive(Debug)]
pub(in super::super) struct Poster {
    pub(super) answer_within: Duration,
    pub(super) retry_scale: f64,
    pub(super) defects: Arc<Defects>,
    secret: String,
    client: OnceLock<Client>,
}

impl Poster {
    pub(super) fn new(options: &AppOptions, defects: Arc<Defects>) -> Self {
        let AppOptions { answer_within, retry_scale, signing_secret: secret, .. } = options.clone();
        let retry_scale = if retry_scale.is_nan() { 1.0 } else { retry_scale.clamp(0.0, RETRY_SCALE_MAX) };
        Self { answer_within, retry_scale, defects, secret, client: OnceLock::new() }
    }

    /// Posts JSON.
    pub(super) async fn json(
        &self,
        url: &Url,
        body: String,
        headers: &[(&'static str, &str)],
    ) -> Result<String, PostError> {
        self.post(url, JSON, body, headers).await
    }

    /// Posts a form.
    pub(super) async fn form(&self, url: &Url, body: String) -> Result<String, PostError> {
        self.post(url, FORM, body, &[]).await
    }

    /// The answer to a POST, where it is 2xx and in time.
    async fn post(
        &self,
        url: &Url,
        kind: &'static str,
        body: String,
        headers: &[(&'static str, &str)],
    ) -> Result<String, PostError> {
        let client = self.client().ok_or(PostError::Connection)?;
        let request = client.post(url.clone()).headers(self.signed(kind, &body, headers)).body(body);
        let failed =
            |error: reqwest::Error| if error.is_timeout() { PostError::Timeout } else { PostError::Connection };
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            let no_retry = response.headers().get("x-slack-no-retry").is_some_and(|value| value == "1");
            return Err(PostError::Status { no_retry });
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > ANSWER_BYTES {
                return Err(PostError::Connection);
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn signed(&self, kind: &'static str, body: &str, headers: &[(&'static str, &str)]) -> HeaderMap {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let stamp = now.to_string();
        let signature = signature(&self.secret, &stamp, body);
        let mut signed = HeaderMap::new();
        signed.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let all = [("x-slack-request-timestamp", stamp.as_str()), ("x-slack-signature", &signature)];
        for (name, value) in all.iter().chain(headers) {
            // Digits, hexadecimal and words: every one is a legal value.
            if let Ok(value) = HeaderValue::from_str(value) {
                signed.insert(HeaderName::from_static(name), value);
            }
        }
        signed
    }

    fn client(&self) -> Option<&Client> {
        if self.client.get().is_none() {
            let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let client = Client::builder()
                .no_proxy()
                .tls_backend_preconfigured(no_tls())
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .timeout(self.answer_within)
                .tcp_nodelay(true)
                // No name leaves this machine.
                .resolve("localhost", local)
                .build();
            match client {
                // Another thread may have been quicker.
                Ok(client) => drop(self.client.set(client)),
                Err(error) => tracing::error!("no HTTP client for the Events API: {error}"),
            }
        }
        self.client.get()
    }

    /// Has the owner of a URL show that it is an app: it must answer a
    /// challenge.
    pub(in super::super) async fn verify(&self, url: &Url) -> Result<(), ApiError> {
        let challenge = uuid::Uuid::new_v4().simple().to_string();
        let kind = "url_verification";
        let body = serde_json::json!({ "token": VERIFICATION_TOKEN, "challenge": challenge, "type": kind });
        let answer = self.json(url, body.to_string(), &[]).await.map_err(|_| ApiError("url_verification_failed"))?;
        let told = serde_json::from_str::<serde_json::Value>(&answer).ok();
        let told = told.as_ref().and_then(|answer| answer.get("challenge")?.as_str()).unwrap_or(answer.trim());
        if told == challenge { Ok(()) } else { Err(ApiError("url_verification_failed")) }
    }
}

/// Slack's signature of a body.
fn signature(secret: &str, stamp: &str, body: &str) -> String {
    use std::fmt::Write;
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("v0:{stamp}:").as_bytes());
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().fold("v0=".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A URL that the server may post to: `http`, and an address of this machine or
/// of a private network, or `localhost`.
pub(in super::super) fn near_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    (host == "localhost" || host.parse().is_ok_and(is_near)).then_some(url)
}

pub(in super::super) fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_near(IpAddr::V4(mapped)),
            None => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_example() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signed = signature("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body);
        assert_eq!(signed, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
    }

    #[test]
    fn only_near_urls_are_posted_to() {
        for (url, near) in [
            ("http://127.0.0.1:9/events", true),
            ("http://localhost/events", true),
            ("http://10.1.2.3", true),
            ("http://192.168.0.9:80/", true),
            ("http://[::1]:9/", true),
            ("http://[fd00::1]/", true),
            ("https://127.0.0.1/", false),
            ("http://8.8.8.8/", false),
            ("http://0.0.0.0/", false),
            ("http://app.example/", false),
            ("http://localhost.example/", false),
            ("http://[::ffff:8.8.8.8]/", false),
            ("127.0.0.1:9", false),
            ("", false),
        ] {
            assert_eq!(near_url(url).is_some(), near, "{url}");
        }
    }
}
