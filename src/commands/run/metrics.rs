//! `--prometheus ADDRESS`: the run's metrics over HTTP while it goes on.

use crate::report::Metrics;
use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;

/// What OpenMetrics calls its text.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` until the process ends, on a thread of its own. Returns
/// where: the port may be 0.
///
/// # Errors
/// What the system says, where the address cannot be had.
pub fn serve(address: SocketAddr, metrics: Metrics) -> anyhow::Result<SocketAddr> {
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
