//! HTTP/2 for the sends of one user: several attempts at once over one
//! connection.
//!
//! The library's bare streams, for the reason that [`http`](super::http) gives.
//! What an attempt without an answer may have done is decided by the protocol:
//! a stream that the target has refused, or that lies above the last one of its
//! GOAWAY, was not processed (RFC 9113, 6.8 and 8.7), and every other one may
//! have been.

use super::api::header_lines;
use super::dial::dial;
use super::http::{BoxError, HttpAnswer, MAX_ANSWER_BYTES};
use super::path::{Destination, Purpose};
use super::shard::Shard;
use super::stamp::{Awaiting, FirstByte, Stamped};
use crate::model::UserId;
use crate::target::Call;
use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, StreamId};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING,
};
use hyper::{Request, StatusCode};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;

/// No list of headers of an answer is longer.
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// How often, and after which time each, it is looked whether a target has said
/// its greeting.
const SETTLE_LOOKS: u32 = 10;
const SETTLE_PAUSE: Duration = Duration::from_millis(10);

/// An open connection; dropping it closes it and writes nothing more.
pub struct StreamConnection {
    /// Its own address.
    pub local: SocketAddr,
    streams: Streams,
    driver: JoinHandle<()>,
}

/// The requests of a connection.
struct Streams {
    requests: SendRequest<Bytes>,
    awaiting: Awaiting,
    heard: Rc<Heard>,
}

struct StreamAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// The target has not processed the request, by the rules of the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the target has refused the stream: {0}")]
pub struct Refused(h2::Error);

impl StreamConnection {
    /// Connects; a target without TLS is taken to speak HTTP/2 from the first
    /// byte. `settled`: nothing comes back any more before there is a request.
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
        let stream = shard.tls.wrap_http2(carrier, to.name.clone()).await?;
        let (streams, driver) = Streams::open(stream, awaiting).await?;
        let opened = Self { local, streams, driver };
        if settled {
            opened.settle().await;
        }
        Ok(opened)
    }

    /// Whether the target takes no further request over it.
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished() || self.streams.heard.last_stream.get().is_some()
    }

    /// Writes nothing more, whoever else uses it.
    pub fn break_off(&self) {
        self.driver.abort();
    }

    /// How often something was read so far.
    pub fn reads(&self) -> u64 {
        self.streams.heard.reads.get()
    }

    /// Sends one request and reads the whole answer; [`Refused`] where it was
    /// certainly not processed.
    pub async fn exchange(
        &self,
        call: &Call,
        origin: &str,
        bearer: &HeaderValue,
        first_byte: &FirstByte,
    ) -> Result<HttpAnswer, BoxError> {
        let whole = if call.path.starts_with('/') { format!("{origin}{}", call.path) } else { call.path.clone() };
        let mut request = Request::builder().method(call.method.clone()).uri(whole);
        if call.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(())?;
        // What HTTP/1.1 says in these is said by frames.
        for name in [HOST, CONNECTION, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
        request.headers_mut().insert(CONTENT_LENGTH, call.body.len().into());
        let answer = self.streams.exchange(request, Bytes::from(call.body.clone()), first_byte).await?;
        let StreamAnswer { status, headers, body } = answer;
        Ok(HttpAnswer {
            status: status.as_u16(),
            retry_after: headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned),
            headers: if call.bearer { String::new() } else { header_lines(&headers) },
            body,
            // Headers are compressed, and a body comes in frames.
            length: 0,
        })
    }

    /// Waits, for a while, until the target's own greeting has come.
    async fn settle(&self) {
        for _ in 0..SETTLE_LOOKS {
            if self.reads() > 0 {
                break;
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
        tokio::time::sleep(SETTLE_PAUSE).await;
    }
}

impl Drop for StreamConnection {
    fn drop(&mut self) {
        self.break_off();
    }
}

impl Streams {
    /// Greets over a stream of bytes; whoever awaits its first byte is stamped
    /// by what carries the stream.
    async fn open<S>(stream: S, awaiting: Awaiting) -> io::Result<(Self, JoinHandle<()>)>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let heard = Rc::new(Heard::default());
        let stream = Listening { stream, heard: heard.clone(), frames: Frames::default() };
        let mut builder = Builder::new();
        builder.enable_push(false).max_header_list_size(MAX_HEADER_BYTES);
        let (requests, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        // An error of the connection reaches the requests that are in flight.
        let driver = tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok((Self { requests, awaiting, heard }, driver))
    }

    /// Sends one request and reads the whole answer; [`Refused`] where it was
    /// certainly not processed. Its first byte counts as written by the first
    /// write of the connection after its frames were handed over.
    async fn exchange(
        &self,
        request: Request<()>,
        body: Bytes,
        first_byte: &FirstByte,
    ) -> Result<StreamAnswer, BoxError> {
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut sending) = requests.send_request(request, body.is_empty())?;
        self.awaiting.begin(first_byte);
        let id = response.stream_id();
        let answered = async {
            if !body.is_empty() {
                sending.send_data(body, true)?;
            }
            read(response).await
        };
        answered.await.map_err(|error| match error {
            Failure::Protocol(error) if self.was_refused(&error, id) => Refused(error).into(),
            Failure::Protocol(error) | Failure::Begun(error) => error.into(),
            Failure::TooLong => format!("an answer of more than {MAX_ANSWER_BYTES} bytes").into(),
        })
    }

    fn was_refused(&self, error: &h2::Error, id: StreamId) -> bool {
        let reset = error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
        reset || self.heard.last_stream.get().is_some_and(|last| u32::from(id) > last)
    }
}

enum Failure {
    Protocol(h2::Error),
    /// An answer had begun: whatever is said of the stream behind it, the request
    /// was processed.
    Begun(h2::Error),
    TooLong,
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        Self::Protocol(error)
    }
}

async fn read(response: ResponseFuture) -> Result<StreamAnswer, Failure> {
    let (head, mut body) = response.await?.into_parts();
    let mut whole = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(Failure::Begun)?;
        body.flow_control().release_capacity(chunk.len()).map_err(Failure::Begun)?;
        if whole.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Failure::TooLong);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(StreamAnswer { status: head.status, headers: head.headers, body: whole.into() })
}

/// What came from the target.
#[derive(Default)]
struct Heard {
    /// The last stream that it processes, once it has said GOAWAY.
    last_stream: Cell<Option<u32>>,
    reads: Cell<u64>,
}

/// Looks out for GOAWAY: the library's errors do not tell its last stream.
struct Listening<S> {
    stream: S,
    heard: Rc<Heard>,
    frames: Frames,
}

/// Where in the frames of a connection what is read stands.
#[derive(Default)]
struct Frames {
    /// The head of a frame, and of a GOAWAY the last stream.
    head: [u8; Frames::GOAWAY_BYTES],
    filled: usize,
    /// Bytes of the frame that are of no interest.
    skip: usize,
}

impl Frames {
    const HEAD_BYTES: usize = 9;
    const GOAWAY_BYTES: usize = Self::HEAD_BYTES + 4;
    const GOAWAY: u8 = 7;

    /// Takes what was read next; the last stream of the last GOAWAY in it.
    fn take(&mut self, mut bytes: &[u8]) -> Option<u32> {
        let mut last_stream = None;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                (self.skip, bytes) = (self.skip - skipped, &bytes[skipped..]);
                continue;
            }
            let wanted = if self.filled < Self::HEAD_BYTES { Self::HEAD_BYTES } else { Self::GOAWAY_BYTES };
            let taken = (wanted - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            let length = u32::from_be_bytes([0, self.head[0], self.head[1], self.head[2]]) as usize;
            if self.filled == Self::GOAWAY_BYTES {
                let [.., a, b, c, d] = self.head;
                last_stream = Some(u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff);
                (self.filled, self.skip) = (0, length - 4);
            } else if self.filled == Self::HEAD_BYTES && !(self.head[3] == Self::GOAWAY && length >= 8) {
                (self.filled, self.skip) = (0, length);
            }
        }
        last_stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(task, buffer);
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            let heard = self.heard.clone();
            heard.reads.set(heard.reads.get() + 1);
            // The last streams that a target names only become smaller.
            let last = self.frames.take(new).into_iter().chain(heard.last_stream.get()).min();
            heard.last_stream.set(last);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
        Pin::new(&mut self.stream).poll_write_vectored(task, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        on_stream(0, kind, payload)
    }

    fn on_stream(stream: u8, kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, stream], payload].concat()
    }

    fn reset(stream: u8, reason: u32) -> Vec<u8> {
        on_stream(stream, 3, &reason.to_be_bytes())
    }

    /// The head of an answer, 200.
    fn answered(stream: u8) -> Vec<u8> {
        vec![0, 0, 1, 1, 4, 0, 0, 0, stream, 0x88]
    }

    fn goaway(last: u32, reason: u32) -> Vec<u8> {
        frame(7, &[last.to_be_bytes(), reason.to_be_bytes()].concat())
    }

    /// A server written by hand: takes so many requests, says its frames, and
    /// closes.
    async fn serve(mut stream: DuplexStream, requests: usize, says: Vec<u8>) {
        stream.write_all(&frame(4, &[])).await.unwrap();
        stream.read_exact(&mut [0; 24]).await.unwrap();
        let mut taken = 0;
        while taken < requests {
            let mut head = [0; Frames::HEAD_BYTES];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            taken += usize::from(head[3] == 1);
        }
        stream.write_all(&says).await.unwrap();
    }

    /// Whether each of two requests at once (the streams 1 and 3) counts as
    /// refused, by a server that says this and closes.
    async fn refused_by(says: Vec<u8>) -> [bool; 2] {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let serving = tokio::task::spawn_local(serve(theirs, 2, says));
        let (streams, _driver) = Streams::open(ours, Awaiting::default()).await.unwrap();
        let post = || async {
            let request = Request::post("http://h/").body(()).unwrap();
            let answer = streams.exchange(request, Bytes::from_static(b"x"), &FirstByte::default()).await;
            answer.map(|_| ()).unwrap_err().is::<Refused>()
        };
        let (first, second) = tokio::join!(post(), post());
        serving.await.unwrap();
        [first, second]
    }

    #[tokio::test]
    async fn only_what_the_protocol_says_was_not_processed_had_no_effect() {
        const REFUSED_STREAM: u32 = 7;
        const CANCEL: u32 = 8;
        let cases = [
            ("the end", vec![], [false, false]),
            ("one refused, the other cancelled", [reset(1, REFUSED_STREAM), reset(3, CANCEL)].concat(), [true, false]),
            ("the first is the last one", goaway(1, 0), [false, true]),
            ("none is processed", goaway(0, 2), [true, true]),
            ("an answer had begun", [answered(1), reset(1, REFUSED_STREAM)].concat(), [false, false]),
            ("both may be", goaway(3, 2), [false, false]),
            ("first a warning, then the last one", [goaway(0x7fff_ffff, 0), goaway(1, 0)].concat(), [false, true]),
        ];
        let local = tokio::task::LocalSet::new();
        for (what, says, refused) in cases {
            assert_eq!(local.run_until(refused_by(says)).await, refused, "{what}");
        }
    }

    #[test]
    fn a_goaway_is_found_however_the_bytes_are_cut() {
        let goaway = |last: u32| frame(7, &[&last.to_be_bytes()[..], &[0, 0, 0, 0], b"bye"].concat());
        let data = frame(0, &goaway(3));
        let all = [frame(4, &[]), data, goaway(0x8000_0005), frame(6, &[0; 8]), goaway(1)].concat();
        for size in 1..all.len() {
            let mut frames = Frames::default();
            let found: Vec<u32> = all.chunks(size).filter_map(|chunk| frames.take(chunk)).collect();
            assert_eq!(found.last(), Some(&1), "chunks of {size}");
            assert!(found.iter().all(|last| [5, 1].contains(last)), "what stands in data is none: {found:?}");
        }
        assert_eq!(Frames::default().take(&frame(7, b"short")), None, "no GOAWAY that the protocol knows");
    }
}
