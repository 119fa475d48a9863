//! Calls that are no sends: set-up, history, socket URLs. A pooled client
//! serves them: nobody counts their attempts.

use super::cast::{Cast, People};
use super::tls::{Trust, hint};
use crate::model::{RunId, UserId};
use crate::target::{Address, Call, HttpAnswer, Slack, permit_named};
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// No page of history is longer; more is not read.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// A client of the target's API.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    /// What a call may lead to whose URL a target has told: the target's own host,
    /// and addresses.
    host: String,
    allowed_hosts: Arc<[String]>,
    run: RunId,
    /// The calls of the native wire.
    pub slack: Slack,
    /// Who is who at a described target; `None` on the native wire.
    pub people: Option<People>,
}

/// How a client reaches the target.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// Where it is.
    pub address: &'a Address,
    /// The addresses of its host, in the order in which they are tried.
    pub resolved: &'a [SocketAddr],
    /// Whose certificates are believed.
    pub trust: &'a Trust,
    /// The address that connections leave from.
    pub source: Option<IpAddr>,
    /// Hosts that the user allowed by name.
    pub allowed_hosts: &'a [String],
}

/// A complete answer.
pub struct ApiAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u64>,
    /// `name: value`, a line each; empty on the native wire.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl ApiAnswer {
    /// As profiles read it.
    pub fn as_http(&self) -> HttpAnswer<'_> {
        HttpAnswer { status: self.status, headers: &self.headers, body: &self.body }
    }
}

impl Api {
    /// A client of its own connections to the given resolved addresses. It
    /// follows no redirect, repeats nothing and uses no proxy.
    pub fn new(way: &Way<'_>, run: RunId) -> reqwest::Result<Self> {
        let Way { address, resolved, trust, source, allowed_hosts } = *way;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .tls_backend_preconfigured(trust.client_config())
            .resolve_to_addrs(&address.host, resolved)
            .tcp_nodelay(true)
            .local_address(source)
            .pool_max_idle_per_host(64)
            .build()?;
        let (base, host, allowed_hosts) = (address.origin(), address.host.clone(), allowed_hosts.into());
        Ok(Self { client, base, host, allowed_hosts, run, slack: Slack::new(address), people: None })
    }

    /// The same, for the users and channels of a described target.
    pub fn of(self, cast: Option<&Arc<Cast>>) -> Self {
        Self { people: cast.map(|cast| People::new(cast.clone())), ..self }
    }

    /// Makes one call as a user. An error is in words.
    pub async fn call(&self, user: UserId, call: Call, timeout: Duration) -> Result<ApiAnswer, String> {
        self.call_with(&token(self.run, user), call, timeout).await
    }

    /// Makes one call as a user, and once more with a new token where that is what
    /// was wrong. An error is in words.
    pub async fn call_renewing(
        &self,
        user: UserId,
        call: impl Fn() -> Result<Call, String>,
        timeout: Duration,
    ) -> Result<ApiAnswer, String> {
        let renews = self.people.as_ref().is_some_and(|people| !people.cast.described.login.is_empty());
        self.renew(user, false, timeout).await?;
        let answer = self.call(user, call()?, timeout).await?;
        if !renews || answer.status != 401 {
            return Ok(answer);
        }
        self.renew(user, true, timeout).await?;
        self.call(user, call()?, timeout).await
    }

    /// Makes one call as the app whose bot a user is. An error is in words.
    pub async fn call_as_app(&self, user: UserId, call: Call, timeout: Duration) -> Result<ApiAnswer, String> {
        self.call_with(&app_token(self.run, user), call, timeout).await
    }

    async fn call_with(&self, token: &str, call: Call, timeout: Duration) -> Result<ApiAnswer, String> {
        let url = if call.path.starts_with('/') { format!("{}{}", self.base, call.path) } else { call.path };
        self.permit(&url)?;
        let mut request = self.client.request(call.method, url).timeout(timeout).body(call.body);
        if call.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(in_words)?;
        let headers = if call.bearer { String::new() } else { header_lines(response.headers()) };
        let status = response.status().as_u16();
        let retry_after_s = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(in_words)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(format!("an answer of more than {MAX_BODY_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(ApiAnswer { status, retry_after_s, headers, body })
    }

    /// A whole URL may come from the target's own answers.
    fn permit(&self, url: &str) -> Result<(), String> {
        if url.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(());
        }
        let parsed = Url::parse(url).map_err(|error| format!("a call leads to no URL ({error})"))?;
        match parsed.host() {
            Some(Host::Domain(name)) if name.eq_ignore_ascii_case(&self.host) => Ok(()),
            Some(Host::Ipv4(ip)) if ip.to_string() == self.host => Ok(()),
            Some(Host::Ipv4(ip)) => permit_named(ip.into(), &self.allowed_hosts).map_err(|error| error.to_string()),
            Some(Host::Ipv6(ip)) => permit_named(ip.into(), &self.allowed_hosts).map_err(|error| error.to_string()),
            host => {
                let host = host.map_or_else(String::new, |host| format!(" {host}"));
                Err(format!("a call leads to another host{host} than the target's"))
            }
        }
    }

    /// Whether the target takes a connection, whatever it answers. An error is in
    /// words.
    pub async fn reach(&self, address: &Address) -> Result<(), String> {
        let call = Call::get(format!("{}/", address.prefix));
        self.call(UserId(0), call, Duration::from_secs(5)).await.map(|_| ())
    }

    /// Renews the token of a user, where it is due or where `now` says so: once
    /// for all who wait. An error is in words.
    pub async fn renew(&self, user: UserId, now: bool, timeout: Duration) -> Result<(), String> {
        let Some(people) = self.people.as_ref().filter(|people| !people.cast.described.login.is_empty()) else {
            return Ok(());
        };
        let person = people.person(user);
        if !now && person.renew_at.is_none_or(|renew_at| std::time::Instant::now() < renew_at) {
            return Ok(());
        }
        people.renew(user, &person, |call| self.call(user, call, timeout)).await
    }
}

/// `name: value`, a line each.
pub fn header_lines(headers: &HeaderMap) -> String {
    headers.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        lines
    })
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
    let spoken = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
    let hint = hint(cause).or(spoken.then_some("; if that is a port for TLS, write https")).unwrap_or_default();
    format!("{cause}{hint}")
}
