//! `--otlp ENDPOINT`: the run's metrics, pushed to an OpenTelemetry collector while
//! it goes on.

use crate::commands::complain;
use crate::engine::Trust;
use crate::report::{Metrics, Window, otlp};
use anyhow::{Context, bail};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// Between two pushes: a run may last no longer than a few of them.
const PERIOD: Duration = Duration::from_secs(2);
/// A collector that does not answer holds the end of a run up no longer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Headers for the collector, such as a token, as all of OpenTelemetry takes them:
/// `name=value,name=value`.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Where a collector takes metrics, behind its endpoint.
const PATH: &str = "v1/metrics";

/// Pushes until it is ended.
pub struct Pushes {
    ends: Sender<()>,
    pushing: JoinHandle<Pushed>,
}

/// What came of the pushes.
#[derive(Default)]
struct Pushed {
    made: u64,
    failed: u64,
}

impl Pushes {
    /// Begins to push, on a thread of its own.
    ///
    /// # Errors
    /// An endpoint that is no web address; headers that are none.
    pub fn begin(endpoint: &str, metrics: Metrics, trust: &Trust) -> anyhow::Result<Self> {
        let url = address(endpoint)?;
        let headers = headers(std::env::var(HEADERS).ok().as_deref())?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(trust.client_config())
            .timeout(TIMEOUT)
            .default_headers(headers)
            .build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ends, told) = channel();
        let start_ns = now_ns();
        let push = move |pushed: &mut Pushed| {
            let body = otlp(&metrics, Window { start_ns, now_ns: now_ns() });
            pushed.made += 1;
            if let Err(error) = runtime.block_on(push(&client, &url, body)) {
                pushed.failed += 1;
                if pushed.failed == 1 {
                    complain(&format!("--otlp {url}: {error:#}; the run goes on, and so do the pushes"));
                }
            }
        };
        let pushing = std::thread::Builder::new().name("otlp".to_owned()).spawn(move || {
            let mut pushed = Pushed::default();
            while told.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                push(&mut pushed);
            }
            // What the run came to.
            push(&mut pushed);
            pushed
        });
        Ok(Self { ends, pushing: pushing.context("cannot start a thread for metrics")? })
    }

    /// Pushes once more, and says if the collector did not get everything.
    pub fn end(self) {
        drop(self.ends);
        if let Ok(Pushed { made, failed: failed @ 1.. }) = self.pushing.join() {
            complain(&format!("--otlp: {failed} of {made} pushes failed"));
        }
    }
}

async fn push(client: &reqwest::Client, url: &Url, body: Vec<u8>) -> anyhow::Result<()> {
    let sent = client.post(url.clone()).header(CONTENT_TYPE, "application/x-protobuf").body(body).send().await;
    // The address is said already.
    let answer = sent.map_err(reqwest::Error::without_url)?;
    if !answer.status().is_success() {
        bail!("the collector answers {}", answer.status());
    }
    Ok(())
}

/// Where metrics are posted to.
fn address(endpoint: &str) -> anyhow::Result<Url> {
    let wrong = || format!("--otlp {endpoint}: write the address of a collector, such as http://127.0.0.1:4318");
    let mut url = Url::parse(endpoint).with_context(wrong)?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!(wrong());
    }
    if !url.path().ends_with(PATH) {
        let path = format!("{}/{PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

/// The headers that the environment asks for. What they say stands in no message.
fn headers(given: Option<&str>) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in given.unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let parsed = pair.split_once('=').and_then(|(name, value)| {
            let name: HeaderName = name.trim().parse().ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let Some((name, value)) = parsed else { bail!("{HEADERS}: write name=value,name=value") };
        headers.insert(name, value);
    }
    Ok(headers)
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_where_a_collector_listens_or_the_whole_address() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/metrics"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/metrics"),
            ("http://127.0.0.1:9090/api/v1/otlp", "http://127.0.0.1:9090/api/v1/otlp/v1/metrics"),
            ("http://127.0.0.1:4318/v1/metrics", "http://127.0.0.1:4318/v1/metrics"),
        ] {
            assert_eq!(address(endpoint).unwrap().as_str(), expected);
        }
        for wrong in ["127.0.0.1:4318", "", "ftp://127.0.0.1/"] {
            assert!(address(wrong).unwrap_err().to_string().contains("such as http://127.0.0.1:4318"), "{wrong}");
        }
    }

    #[test]
    fn headers_are_pairs_and_a_wrong_one_is_not_repeated() {
        let given = headers(Some("authorization=Bearer a=b, x-scope = 7 ")).unwrap();
        assert_eq!(
            (&given["authorization"], &given["x-scope"]),
            (&"Bearer a=b".parse().unwrap(), &"7".parse().unwrap())
        );
        assert!(headers(None).unwrap().is_empty());
        let wrong = headers(Some("secret")).unwrap_err().to_string();
        assert!(!wrong.contains("secret"), "{wrong}");
    }
}
