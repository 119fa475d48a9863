//! Where a worker's apps are posted to: one listener on loopback, one path an
//! app. It answers challenges, drops what is not signed, and hands every other
//! request to its app, which says how to answer.

use super::app::{Answer, Asker};
use super::shard::Shard;
use crate::model::UserId;
use crate::target::{Callback, is_signed, said};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// No event is longer.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Requests that wait for one app; further ones wait for room.
const WAITING: usize = 64;
/// After a refused connection, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// The listener of one worker, and the apps behind it.
pub struct Endpoint {
    address: SocketAddr,
    apps: RefCell<HashMap<UserId, mpsc::Sender<Posted>>>,
}

/// A request that was signed and is no challenge.
pub struct Posted {
    /// The body.
    pub body: String,
    /// How often it was posted before.
    pub attempt: u32,
    /// Who waits for the answer.
    pub asker: Asker,
}

impl Endpoint {
    /// Listens until the worker ends.
    pub async fn start(shard: &Rc<Shard>) -> io::Result<Rc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = Rc::new(Self { address: listener.local_addr()?, apps: RefCell::default() });
        tokio::task::spawn_local(accept(listener, endpoint.clone(), shard.clone()));
        Ok(endpoint)
    }

    /// The URL of a user's app.
    pub fn url(&self, user: UserId) -> String {
        format!("http://{}/events/{}", self.address, user.0)
    }

    /// What is posted to a user's app, from now on.
    pub fn open(&self, user: UserId) -> mpsc::Receiver<Posted> {
        let (sender, posted) = mpsc::channel(WAITING);
        self.apps.borrow_mut().insert(user, sender);
        posted
    }

    fn app(&self, path: &str) -> Option<mpsc::Sender<Posted>> {
        let user = path.strip_prefix("/events/")?.parse().ok()?;
        self.apps.borrow().get(&UserId(user)).cloned()
    }
}

async fn accept(listener: TcpListener, endpoint: Rc<Endpoint>, shard: Rc<Shard>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (endpoint, shard) = (endpoint.clone(), shard.clone());
        let service = service_fn(move |request| answer(request, endpoint.clone(), shard.clone()));
        tokio::task::spawn_local(async move {
            // A connection that is cut is meant to be.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Answers a request; an error cuts its connection.
async fn answer(
    request: Request<Incoming>,
    endpoint: Rc<Endpoint>,
    shard: Rc<Shard>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let Some(app) = endpoint.app(head.uri.path()) else { return Ok(status(StatusCode::NOT_FOUND)) };
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(io::Error::other)?.to_bytes();
    if !verifies(&shard.shared.signing_secret, &head.headers, &body) {
        shard.count_app(|figures| figures.unverified += 1);
        return Ok(status(StatusCode::UNAUTHORIZED));
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    if let Some(Callback::Challenge(challenge)) = challenge(&body, &shard) {
        let said = serde_json::json!({ "challenge": challenge }).to_string();
        return Ok(Response::new(Full::new(said.into())));
    }
    let attempt = header(&head.headers, "x-slack-retry-num").parse().unwrap_or(0);
    let (asker, answered) = oneshot::channel();
    // An app that has ended answers nothing.
    let _ = app.send(Posted { body, attempt, asker: Asker::Request(asker) }).await;
    match answered.await {
        Ok(Answer::Taken) => Ok(status(StatusCode::OK)),
        Ok(Answer::Said) => Ok(Response::new(Full::new(said().to_string().into()))),
        Ok(Answer::Refused) => Ok(status(StatusCode::INTERNAL_SERVER_ERROR)),
        Ok(Answer::Cut) | Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

fn challenge<'b>(body: &'b str, shard: &Shard) -> Option<Callback<'b>> {
    // Events are read by their app, once.
    body.contains("\"url_verification\"").then(|| Callback::parse(body, &shard.shared.texts)).flatten()
}

fn verifies(secret: &str, headers: &HeaderMap<HeaderValue>, body: &[u8]) -> bool {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (stamp, signature) = (header(headers, "x-slack-request-timestamp"), header(headers, "x-slack-signature"));
    is_signed(secret, stamp, signature, body, now_s)
}

fn header<'h>(headers: &'h HeaderMap<HeaderValue>, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
