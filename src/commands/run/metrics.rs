//! The run's metrics while it goes on: `--prometheus ADDRESS` has them scraped,
//! `--otlp ENDPOINT` pushes them.

use crate::cli::RunArgs;
use crate::commands::complain;
use crate::plan::RunPlan;
use crate::report::Metrics;
use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;

#[cfg(feature = "otlp")]
use super::{otlp::Pushes, trust::trust};

/// What OpenMetrics calls its text.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Metrics that somebody reads.
pub struct Told {
    /// To be kept up to date.
    pub metrics: Metrics,
    #[cfg(feature = "otlp")]
    pushes: Option<Pushes>,
}

impl Told {
    /// Begins to tell those that the flags name; `None` where they name nobody.
    ///
    /// # Errors
    /// What is wrong with a flag, in words.
    pub fn begin(args: &RunArgs, run_id: &str, plan: &RunPlan) -> anyhow::Result<Option<Self>> {
        if args.prometheus.is_none() && args.otlp.is_none() {
            return Ok(None);
        }
        let labels =
            [("run_id", run_id.to_owned()), ("workload", plan.workload.clone()), ("target", plan.target.clone())];
        let metrics = Metrics::new(labels);
        #[cfg(feature = "otlp")]
        let pushes = match &args.otlp {
            Some(endpoint) => Some(Pushes::begin(endpoint, metrics.clone(), &trust(&args.aim.reach, None)?)?),
            None => None,
        };
        #[cfg(not(feature = "otlp"))]
        if args.otlp.is_some() {
            anyhow::bail!(
                "--otlp: this posthaste was built without it; cargo build --release --features otlp builds one that \
                 has it, and --prometheus needs no other build"
            );
        }
        if let Some(address) = args.prometheus {
            let bound = serve(address, metrics.clone())?;
            complain(&format!("metrics at http://{bound}/metrics"));
        }
        Ok(Some(Self {
            metrics,
            #[cfg(feature = "otlp")]
            pushes,
        }))
    }

    /// The run is over: who is pushed to gets its last figures.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        self.pushes.into_iter().for_each(Pushes::end);
    }
}

/// Serves `/metrics` until the process ends, on a thread of its own. Returns
/// where: the port may be 0.
///
/// # Errors
/// What the system says, where the address cannot be had.
fn serve(address: SocketAddr, metrics: Metrics) -> anyhow::Result<SocketAddr> {
    let cannot = || format!("--prometheus {address}: cannot listen there");
    let listener = std::net::TcpListener::bind(address).with_context(cannot)?;
    listener.set_nonblocking(true).with_context(cannot)?;
    let bound = listener.local_addr().with_context(cannot)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let scrape = move || {
        let metrics = metrics.clone();
        async move {
            match metrics.text() {
                Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
                Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    };
    let serving = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, Router::new().route("/metrics", get(scrape))).await
        })
    });
    serving.context("cannot start a thread for metrics")?;
    Ok(bound)
}
