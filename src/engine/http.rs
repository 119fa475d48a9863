//! One user's HTTP connection for sends.
//!
//! hyper's bare connection, not a pooled client: a pool may repeat a request
//! that nobody counted, and shows neither when the first byte was written nor
//! on which connection; the ledger needs both.

use super::api::header_lines;
use super::dial::dial;
use super::path::{Destination, Purpose};
use super::shard::Shard;
use super::stamp::{Awaiting, FirstByte, Stamped};
use super::tls::ByteStream;
use crate::model::UserId;
use crate::target::Call;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An answer to a send is short; more is not read.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A complete answer.
pub struct HttpAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `name: value`, a line each; empty on the native wire.
    pub headers: String,
    /// The body.
    pub body: Bytes,
    /// Its length with the status line and the headers, in bytes; 0 where it is not
    /// known.
    pub length: u64,
}

/// An open connection; dropping it closes it and writes nothing more.
pub struct HttpConnection {
    /// Its own address.
    pub local: SocketAddr,
    /// What its requests say in `Host`.
    host: HeaderValue,
    requests: SendRequest<Full<Bytes>>,
    /// Of the attempt that is under way.
    current: Rc<RefCell<FirstByte>>,
    driver: Driver,
}

/// What reads and writes for a connection: polled by whoever waits for something
/// that comes over it. In a task of its own, each request would cost two turns of
/// the runtime more.
struct Driver(Option<Pin<Box<Carried>>>);

type Carried = Connection<TokioIo<Begun>, Full<Bytes>>;

impl Driver {
    /// Reads and writes what can be, and whether that was the end of it.
    fn poll(&mut self, task: &mut Context<'_>) -> bool {
        // An error of the connection reaches the request that is in flight.
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(task).is_ready()
        {
            self.0 = None;
        }
        self.0.is_none()
    }

    /// Waits for something that comes over the connection.
    async fn until<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        std::future::poll_fn(|task| {
            self.poll(task);
            if let Poll::Ready(come) = wait.as_mut().poll(task) {
                return Poll::Ready(come);
            }
            // Who waits may just have said that it has room for more of a body.
            self.poll(task);
            wait.as_mut().poll(task)
        })
        .await
    }
}

impl HttpConnection {
    /// Connects. `settled`: nothing comes back any more before there is a
    /// request.
    pub async fn open(
        shard: &Shard,
        user: UserId,
        purpose: Purpose,
        to: &Destination,
        settled: bool,
    ) -> io::Result<Self> {
        let stream = dial(shard, user, purpose, to).await?;
        let local = stream.local_addr()?;
        let awaiting = Awaiting::default();
        let carrier = Stamped::new(stream, shard.shared.clock, awaiting.clone());
        let mut stream = shard.tls.wrap(carrier, to.name.clone()).await?;
        if settled {
            stream.settle().await;
        }
        let current = Rc::<RefCell<FirstByte>>::default();
        let begun = Begun { stream, current: current.clone(), awaiting };
        let host = HeaderValue::try_from(shard.shared.address.authority()).map_err(io::Error::other)?;
        // A request is short: to copy it together costs less than to write its
        // pieces.
        let handshake = Builder::new().writev(false).handshake(TokioIo::new(begun));
        let (requests, connection) = handshake.await.map_err(io::Error::other)?;
        Ok(Self { local, host, requests, current, driver: Driver(Some(Box::pin(connection))) })
    }

    /// Whether the target has closed it.
    pub fn is_closed(&mut self) -> bool {
        self.poll_closed(&mut Context::from_waker(Waker::noop()))
    }

    /// The same; the task is woken when that changes.
    pub fn poll_closed(&mut self, task: &mut Context<'_>) -> bool {
        self.driver.poll(task) || self.requests.is_closed()
    }

    /// Sends one request and reads the whole answer; its first byte is stamped
    /// when it is written. `bearer` goes with calls that want it.
    pub async fn exchange(
        &mut self,
        call: &Call,
        bearer: &HeaderValue,
        first_byte: &FirstByte,
    ) -> Result<HttpAnswer, BoxError> {
        self.current.replace(first_byte.clone());
        let response = self.request(call, Some(bearer)).await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let headers = if call.bearer { String::new() } else { header_lines(response.headers()) };
        let head = head_bytes(&response);
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let body = self.driver.until(body.collect()).await?.to_bytes();
        let length = head + body.len() as u64;
        Ok(HttpAnswer { status, retry_after, headers, body, length })
    }

    /// Sends one request; the answer's body is still to be read.
    pub async fn request(
        &mut self,
        call: &Call,
        bearer: Option<&HeaderValue>,
    ) -> Result<hyper::Response<hyper::body::Incoming>, BoxError> {
        let mut request = Request::builder().method(call.method.clone()).uri(&call.path).header(HOST, &self.host);
        if let Some(bearer) = bearer.filter(|_| call.bearer) {
            request = request.header(AUTHORIZATION, bearer);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(call.body.clone())))?;
        self.driver.until(self.requests.ready()).await?;
        Ok(self.driver.until(self.requests.send_request(request)).await?)
    }

    /// Waits for something of an answer's body.
    pub async fn until<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.driver.until(wait).await
    }
}

/// Status line and headers as HTTP/1.1 writes them.
fn head_bytes(response: &hyper::Response<hyper::body::Incoming>) -> u64 {
    let reason = response.status().canonical_reason().unwrap_or_default();
    let lines = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    ("HTTP/1.1 200 \r\n\r\n".len() + reason.len() + lines.sum::<usize>()) as u64
}

/// Why a request has no answer; only whether a byte was written matters.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whether an error is this machine's own limit: descriptors or ports.
pub fn is_exhaustion(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let own_limits = [Errno::EMFILE, Errno::ENFILE, Errno::EADDRNOTAVAIL, Errno::ENOBUFS];
    error.raw_os_error().is_some_and(|code| own_limits.iter().any(|limit| *limit as i32 == code))
}

/// Between hyper and the encryption: notes that a request has begun, so that
/// what is written of it can be told from what TLS writes of its own.
struct Begun {
    stream: ByteStream<Stamped>,
    current: Rc<RefCell<FirstByte>>,
    awaiting: Awaiting,
}

impl AsyncRead for Begun {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl AsyncWrite for Begun {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.awaiting.begin(&self.current.borrow());
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.awaiting.begin(&self.current.borrow());
        Pin::new(&mut self.stream).poll_write_vectored(task, parts)
    }
}
