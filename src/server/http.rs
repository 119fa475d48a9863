//! Connections: accepting them, routing their requests, ending them.

use super::answer::{self, ApiError};
use super::api::{self, LoseAnswer};
use super::ids;
use super::params::{Malformed, Params};
use super::rtm;
use super::shared::{Bearer, Shared};
use super::socket;
use super::{app_api, apps};
use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use http_body_util::{BodyExt, Limited};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

/// Largest body of a request, in bytes.
const BODY_BYTES: usize = 1024 * 1024;
/// Largest head of a request that hyper keeps, and its read buffer.
const HEAD_BYTES: usize = 64 * 1024;
/// A socket's read buffer: tungstenite's own default is 128 KiB.
const SOCKET_READ_BYTES: usize = 4 * 1024;
/// Bytes that tungstenite gathers before it writes without being asked to.
const SOCKET_WRITE_BYTES: usize = 32 * 1024;
/// How long a connection may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The routes.
pub(super) fn router(server: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/{method}", any(call))
        .route("/rtm", get(open_socket))
        .route("/link", get(open_socket))
        .route("/response/{id}", any(respond))
        .with_state(server)
}

async fn call(State(server): State<Arc<Shared>>, Path(method): Path<String>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    match Limited::new(body, BODY_BYTES).collect().await {
        Ok(body) => api::answer(server, &method, head.uri.query(), &head.headers, body.to_bytes()).await,
        Err(_) => {
            answer::with_status(StatusCode::PAYLOAD_TOO_LARGE, r#"{"ok":false,"error":"request_too_large"}"#.to_owned())
        }
    }
}

async fn respond(State(server): State<Arc<Shared>>, Path(id): Path<String>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES).collect().await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match Params::read(head.uri.query(), &head.headers, body.to_bytes()).await {
        Ok(params) => app_api::respond(&server, &id, &params).await,
        Err(Malformed(name)) => answer::error(ApiError(name)),
    }
}

#[derive(serde::Deserialize)]
struct Ticket {
    ticket: String,
    last_event: Option<String>,
}

async fn open_socket(
    State(server): State<Arc<Shared>>,
    Query(Ticket { ticket, last_event }): Query<Ticket>,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    // The ticket and the memberships may be another server's of the store.
    server.catch_up().await;
    let Some(bearer) = server.redeem_ticket(&ticket) else {
        return (StatusCode::FORBIDDEN, "the ticket is used, stale or unknown; call rtm.connect again").into_response();
    };
    let last_event = last_event.as_deref().and_then(ids::parse_ts);
    let frame_bytes = match bearer {
        Bearer::User(_) => rtm::FRAME_BYTES,
        Bearer::App(..) => apps::socket::FRAME_BYTES,
    };
    upgrade
        .read_buffer_size(SOCKET_READ_BYTES)
        .write_buffer_size(SOCKET_WRITE_BYTES)
        .max_message_size(frame_bytes)
        .max_frame_size(frame_bytes)
        .on_upgrade(move |stream| async move {
            match bearer {
                Bearer::User(user) => socket::serve(stream, user, last_event, server).await,
                Bearer::App(app, bot) => apps::socket::serve(stream, bot, app, server).await,
            }
        })
}

/// Accepts until `stop` changes. Each connection holds a clone of `alive`
/// until it has ended.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stop: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    let stopped = stop.clone();
    let mut stopping = pin!(stop.changed());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopping => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (tls, router, stopped, alive) = (tls.clone(), router.clone(), stopped.clone(), alive.clone());
                tokio::spawn(async move {
                    greet(stream, tls, router, stopped).await;
                    drop(alive);
                });
            }
            // Out of descriptors, mostly: a closed connection gives one back.
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Serves a connection, after its handshake where there is one.
async fn greet(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, stop: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("no TCP_NODELAY: {error}");
    }
    let Some(tls) = tls else { return serve(stream, router, stop).await };
    match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, router, stop).await,
        Ok(Err(error)) => tracing::debug!("no handshake of TLS: {error}"),
        Err(_) => tracing::debug!("no handshake of TLS in time"),
    }
}

async fn serve<S>(stream: S, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<_>| {
        name_host(&mut request);
        let answer = router.call(request);
        async move {
            let response = answer.await.unwrap_or_else(|never| match never {});
            match response.extensions().get::<LoseAnswer>() {
                // hyper closes the connection, and nothing of the answer leaves.
                Some(LoseAnswer) => Err(io::Error::other("a lost answer")),
                None => Ok(response),
            }
        }
    });
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES);
    http.http2().timer(TokioTimer::new()).max_header_list_size(HEAD_BYTES as u32);
    let mut connection = pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection broke: {error}");
    }
}

/// HTTP/2 has the host in another place.
fn name_host<B>(request: &mut Request<B>) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
}
