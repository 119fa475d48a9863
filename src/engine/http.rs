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
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An answer to a send is short; more is not read.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A complete answer.
#[derive(Default)]
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
    /// Path and query of the last request, and the same parsed.
    said_to: (String, Uri),
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
            // What it waits for may have come already; and it may say that it has
            // room for more.
            if let Poll::Ready(come) = wait.as_mut().poll(task) {
                return Poll::Ready(come);
            }
            self.poll(task);
            wait.as_mut().poll(task)
        })
        .await
    }
}

/// How far an answer has come.
enum Coming {
    /// Its head is waited for.
    Head(Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>>>>),
    /// Its body is; most come in one piece, and what comes behind the first is put
    /// together at the end.
    Body(HttpAnswer, Incoming, Vec<u8>),
}

impl Coming {
    /// Takes what is there of it; an answer that ended before its end is an error.
    fn poll(&mut self, call_is_native: bool, task: &mut Context<'_>) -> Poll<Result<HttpAnswer, BoxError>> {
        loop {
            match self {
                Self::Head(response) => {
                    let response = ready!(response.as_mut().poll(task))?;
                    let answer = HttpAnswer::of_head(&response, call_is_native);
                    *self = Self::Body(answer, response.into_body(), Vec::new());
                }
                Self::Body(answer, body, rest) => {
                    if !body.is_end_stream()
                        && let Some(frame) = ready!(Pin::new(body).poll_frame(task))
                    {
                        let data = frame?.into_data().unwrap_or_default();
                        if answer.body.len() + rest.len() + data.len() > MAX_ANSWER_BYTES {
                            return Poll::Ready(Err("the answer is too long".into()));
                        }
                        match answer.body.is_empty() {
                            true => answer.body = data,
                            false => rest.extend_from_slice(&data),
                        }
                        continue;
                    }
                    if !rest.is_empty() {
                        answer.body = [&answer.body[..], rest].concat().into();
                    }
                    answer.length += answer.body.len() as u64;
                    return Poll::Ready(Ok(std::mem::take(answer)));
                }
            }
        }
    }
}

impl HttpAnswer {
    /// Without a body yet.
    fn of_head(response: &Response<Incoming>, call_is_native: bool) -> Self {
        let headers = response.headers();
        Self {
            status: response.status().as_u16(),
            retry_after: headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned),
            headers: if call_is_native { String::new() } else { header_lines(headers) },
            body: Bytes::new(),
            length: head_bytes(response),
        }
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
        let host = HeaderValue::try_from(shard.shared.address.authority()).map_err(io::Error::other)?;
        Self::over(stream, local, host, awaiting).await
    }

    async fn over(
        stream: ByteStream<Stamped>,
        local: SocketAddr,
        host: HeaderValue,
        awaiting: Awaiting,
    ) -> io::Result<Self> {
        let current = Rc::<RefCell<FirstByte>>::default();
        let begun = Begun { stream, current: current.clone(), awaiting };
        // A request is short: to copy it together costs less than to write its
        // pieces.
        let handshake = Builder::new().writev(false).handshake(TokioIo::new(begun));
        let (requests, connection) = handshake.await.map_err(io::Error::other)?;
        let said_to = ("/".to_owned(), Uri::default());
        let driver = Driver(Some(Box::pin(connection)));
        Ok(Self { local, host, requests, said_to, current, driver })
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
        call: Call,
        bearer: &HeaderValue,
        first_byte: &FirstByte,
    ) -> Result<HttpAnswer, BoxError> {
        self.current.replace(first_byte.clone());
        self.driver.until(self.requests.ready()).await?;
        let native = call.bearer;
        let request = self.request_of(call, Some(bearer))?;
        // On the heap, as what waits for it is moved as a whole, and often.
        let mut coming = Coming::Head(Box::pin(self.requests.send_request(request)));
        self.driver.until(std::future::poll_fn(|task| coming.poll(native, task))).await
    }

    /// Sends one request; the answer's body is still to be read.
    pub async fn request(&mut self, call: Call, bearer: Option<&HeaderValue>) -> Result<Response<Incoming>, BoxError> {
        self.driver.until(self.requests.ready()).await?;
        let request = self.request_of(call, bearer)?;
        Ok(self.driver.until(self.requests.send_request(request)).await?)
    }

    fn request_of(&mut self, call: Call, bearer: Option<&HeaderValue>) -> Result<Request<Full<Bytes>>, BoxError> {
        // A user says most to one place.
        if self.said_to.0 != call.path {
            self.said_to = (call.path.clone(), Uri::try_from(&call.path)?);
        }
        let mut request = Request::new(Full::new(Bytes::from(call.body)));
        *request.method_mut() = call.method;
        *request.uri_mut() = self.said_to.1.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if let Some(bearer) = bearer.filter(|_| call.bearer) {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        call.headers.into_iter().for_each(|(name, value)| _ = headers.append(name, value));
        Ok(request)
    }

    /// Waits for something of an answer's body.
    pub async fn until<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.driver.until(wait).await
    }
}

/// Status line and headers as HTTP/1.1 writes them.
fn head_bytes(response: &Response<Incoming>) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::super::clock::RunClock;
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// Asks `times`, and is answered the same each time, in pieces of so many bytes.
    async fn answers(said: &'static [u8], piece: usize, times: usize) -> Vec<Result<HttpAnswer, String>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, local) = listener.accept().await.unwrap();
        theirs.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut asked = [0; 1024];
            for _ in 0..times {
                let Ok(1..) = theirs.read(&mut asked).await else { return };
                for piece in said.chunks(piece) {
                    let _ = theirs.write_all(piece).await;
                    tokio::task::yield_now().await;
                }
            }
        });
        let awaiting = Awaiting::default();
        let stream = ByteStream::Plain(Stamped::new(stream, RunClock::start(), awaiting.clone()));
        let host = HeaderValue::from_static("h");
        let mut connection = HttpConnection::over(stream, local, host.clone(), awaiting).await.unwrap();
        let mut all = Vec::new();
        for _ in 0..times {
            let first_byte = FirstByte::default();
            let exchange = connection.exchange(Call::get("/a?b".to_owned()), &host, &first_byte);
            let answer = tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("it comes");
            assert!(first_byte.get().is_some());
            all.push(answer.map_err(|error| error.to_string()));
        }
        all
    }

    #[tokio::test]
    async fn an_answer_is_put_together_whatever_the_pieces() {
        let long: &[u8] =
            Vec::leak([&b"HTTP/1.1 200 OK\r\ncontent-length: 65537\r\n\r\n"[..], &[b'x'; 65_537]].concat());
        for (said, body, why) in [
            (&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\":123}"[..], Some("{\"a\":123}"), "of a length"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Some(""), "of none"),
            (b"HTTP/1.1 204 No Content\r\n\r\n", Some(""), "without a body"),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                Some("abcde"),
                "in chunks",
            ),
            (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", Some("until the end"), "until it closes"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\":", None, "cut short"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", None, "without a last chunk"),
            (b"HTTP/1.1 200 OK\r\ncontent-len", None, "cut in its head"),
            (long, None, "too long"),
        ] {
            for piece in [1, 7, 70_000].into_iter().filter(|piece| said.len() / piece < 20_000) {
                let answer = answers(said, piece, 1).await.remove(0);
                assert_eq!(answer.is_ok(), body.is_some(), "{why}, by {piece}: {:?}", answer.err());
                let found = answer.as_ref().ok().map(|answer| std::str::from_utf8(&answer.body).unwrap());
                assert_eq!(found, body, "{why}, by {piece}");
            }
        }
    }

    #[tokio::test]
    async fn one_answer_follows_the_other_over_one_connection() {
        let said = b"HTTP/1.1 201 Created\r\nretry-after: 3\r\nx-a: b\r\ncontent-length: 5\r\n\r\nhello";
        for piece in [1, 1_000] {
            for answer in answers(said, piece, 20).await {
                let HttpAnswer { status, retry_after, headers, body, length } = answer.unwrap();
                assert_eq!((status, retry_after.as_deref(), &body[..]), (201, Some("3"), &b"hello"[..]));
                assert!(headers.contains("x-a: b"), "{headers}");
                assert_eq!(length, said.len() as u64);
            }
        }
    }
}
