//! A WebSocket as a client: its bytes are read into one buffer for all sockets of
//! a worker, and whole texts are taken where they lie.
//!
//! Nearly all that a subscriber receives is unmasked, unfragmented text. That is
//! cut here; every other frame, and every one that is wrong, goes as it is to the
//! library, which knows the rest of RFC 6455 and does all the writing. The library
//! alone costs a kilobyte a socket for a buffer of its own, two wakers between the
//! socket and its task, and a copy of each frame.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;
/// What stays of a buffer between two frames.
const KEPT_BYTES: usize = 1024;

thread_local! {
    /// What sockets of this thread read into; taken while it is used.
    static READ: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// An open WebSocket.
// In C's order: what every frame needs stands first, in two cache lines.
#[repr(C, align(64))]
pub struct WebSocket<S> {
    /// Bytes that were read and not taken yet.
    ahead: Vec<u8>,
    stream: S,
    /// The library has something to write that found no room.
    unflushed: bool,
    /// A message in pieces has begun, or somebody has said goodbye: the library is
    /// to see everything.
    in_pieces: bool,
    leaving: bool,
    state: State,
    /// Bytes that a frame may have.
    most: u32,
    /// How many of them the library may read: whole frames, unless the stream has
    /// ended.
    given: usize,
    library: WebSocketContext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// No more bytes come.
    Ended,
    /// The end was told.
    Over,
}

/// What a socket gives.
#[derive(Debug)]
pub enum Received<'a> {
    /// A text.
    Text(&'a str),
    /// Anything else, and texts that came in pieces.
    Message(Message),
    /// No more comes; an error, unless both sides have said goodbye.
    End(Option<Error>),
}

impl From<Option<Result<Message, Error>>> for Received<'_> {
    fn from(next: Option<Result<Message, Error>>) -> Self {
        match next {
            Some(Ok(message)) => Self::Message(message),
            Some(Err(error)) => Self::End(Some(error)),
            None => Self::End(None),
        }
    }
}

/// What stands at the begin of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// A whole message of text: where its payload begins and ends.
    Text(usize, usize),
    /// Another frame, up to here: a piece of a message, and whether more of it
    /// follow.
    Data(usize, bool),
    /// A ping, a pong or a goodbye: it may stand between the pieces of a message.
    Control(usize),
    /// Not all of a frame; how long it will be, if that is known.
    Part(usize),
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A socket behind its handshake, with what was read behind that already.
    pub fn new(stream: S, ahead: Vec<u8>, config: WebSocketConfig) -> Self {
        Self {
            ahead,
            stream,
            unflushed: false,
            in_pieces: false,
            leaving: false,
            state: State::Open,
            most: config.max_frame_size.and_then(|most| most.try_into().ok()).unwrap_or(u32::MAX),
            given: 0,
            library: WebSocketContext::new(Role::Client, Some(config)),
        }
    }

    /// What it is made over.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Looks at what a read will look at.
    #[inline]
    pub fn touch(&self) -> bool {
        self.ahead.is_empty() & self.takes_texts()
    }

    /// Hands over what comes, until nothing is there or `take` breaks off. Behind an
    /// [`Received::End`] there are only ends.
    pub fn poll_each<B>(
        &mut self,
        task: &mut Context<'_>,
        take: &mut impl FnMut(Received<'_>) -> ControlFlow<B>,
    ) -> Poll<B> {
        loop {
            if self.unflushed {
                self.flush(task);
            }
            if let Some(broken) = self.take_ahead(task, take) {
                return Poll::Ready(broken);
            }
            if self.state == State::Over {
                return broken(take(Received::End(None))).map_or(Poll::Pending, Poll::Ready);
            }
            let mut buffer = READ.take().unwrap_or_else(|| vec![0; READ_BYTES].into());
            let read = self.read_into(&mut buffer, task, take);
            READ.set(Some(buffer));
            match read {
                Poll::Ready(None) => {}
                Poll::Ready(Some(broken)) => return Poll::Ready(broken),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Reads once. Where nothing lies ahead, texts are taken from the buffer.
    fn read_into<B>(
        &mut self,
        buffer: &mut [u8],
        task: &mut Context<'_>,
        take: &mut impl FnMut(Received<'_>) -> ControlFlow<B>,
    ) -> Poll<Option<B>> {
        let mut read = ReadBuf::new(buffer);
        let result = std::task::ready!(Pin::new(&mut self.stream).poll_read(task, &mut read));
        let bytes = read.filled();
        if let Err(error) = result {
            self.state = State::Over;
            return Poll::Ready(broken(take(Received::End(Some(Error::Io(error))))));
        }
        if bytes.is_empty() {
            self.state = State::Ended;
            return Poll::Ready(None);
        }
        let mut at = 0;
        if self.ahead.is_empty() && self.takes_texts() {
            while let Some((text, end)) = text_of(&bytes[at..], self.most) {
                at += end;
                if let ControlFlow::Break(broken) = take(Received::Text(text)) {
                    self.ahead.extend_from_slice(&bytes[at..]);
                    return Poll::Ready(Some(broken));
                }
            }
        }
        self.ahead.extend_from_slice(&bytes[at..]);
        Poll::Ready(None)
    }

    /// Takes whole frames of what lies ahead.
    fn take_ahead<B>(
        &mut self,
        task: &mut Context<'_>,
        take: &mut impl FnMut(Received<'_>) -> ControlFlow<B>,
    ) -> Option<B> {
        let mut at = 0;
        while self.state != State::Over {
            let bytes = &self.ahead[at..];
            if self.takes_texts()
                && let Some((text, end)) = text_of(bytes, self.most)
            {
                at += end;
                if let ControlFlow::Break(broken) = take(Received::Text(text)) {
                    self.forget(at);
                    return Some(broken);
                }
                continue;
            }
            self.given = match cut(bytes, self.most) {
                _ if self.state == State::Ended => bytes.len(),
                Cut::Part(length) => {
                    let missing = length.saturating_sub(bytes.len());
                    self.forget(at);
                    self.ahead.reserve(missing);
                    return None;
                }
                Cut::Data(end, goes_on) => {
                    self.in_pieces = goes_on;
                    end
                }
                Cut::Text(_, end) | Cut::Control(end) => end,
            };
            self.forget(std::mem::take(&mut at));
            if let Some(broken) = self.give(task, take) {
                return Some(broken);
            }
        }
        None
    }

    /// Whether a text is one, whatever came before it.
    fn takes_texts(&self) -> bool {
        self.state == State::Open && !self.in_pieces && !self.leaving
    }

    /// Lets go of bytes that were taken.
    fn forget(&mut self, taken: usize) {
        self.ahead.drain(..taken);
        if self.ahead.is_empty() && self.ahead.capacity() > KEPT_BYTES {
            self.ahead = Vec::new();
        }
    }

    /// Has the library read what it is given.
    fn give<B>(&mut self, task: &mut Context<'_>, take: &mut impl FnMut(Received<'_>) -> ControlFlow<B>) -> Option<B> {
        loop {
            let received = self.with_library(task, |library, bridge| library.read(bridge));
            let received = match received {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Ok(message) => Received::Message(message),
                Err(error) => {
                    self.state = State::Over;
                    let is_end = matches!(error, Error::ConnectionClosed | Error::AlreadyClosed);
                    return broken(take(Received::End((!is_end).then_some(error))));
                }
            };
            self.leaving |= matches!(received, Received::Message(Message::Close(_)));
            // It has an answer to a ping, or to a goodbye.
            self.flush(task);
            if let ControlFlow::Break(broken) = take(received) {
                return Some(broken);
            }
        }
    }

    /// Writes what the library has to write. An error is told by the next read.
    fn flush(&mut self, task: &mut Context<'_>) {
        let flushed = self.with_library(task, |library, bridge| library.flush(bridge));
        self.unflushed = matches!(flushed, Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock);
    }

    /// Writes a message.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        let mut message = Some(message);
        std::future::poll_fn(|task| {
            if let Some(message) = message.take() {
                match self.with_library(task, |library, bridge| library.write(bridge, message)) {
                    // It is kept, and written by a flush.
                    Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(()) => {}
                }
            }
            self.poll_flush(task)
        })
        .await
    }

    /// Says goodbye; the other side's is still to be read.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.leaving = true;
        let mut said = false;
        std::future::poll_fn(|task| {
            if !std::mem::replace(&mut said, true) {
                match self.with_library(task, |library, bridge| library.close(bridge, None)) {
                    Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                    closed => return Poll::Ready(closed),
                }
            }
            self.poll_flush(task)
        })
        .await
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.with_library(task, |library, bridge| library.flush(bridge)) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            flushed => Poll::Ready(flushed),
        }
    }

    fn with_library<T>(
        &mut self,
        task: &mut Context<'_>,
        call: impl FnOnce(&mut WebSocketContext, &mut Bridge<'_, '_, S>) -> T,
    ) -> T {
        let (given, ended) = (&self.ahead[..self.given.min(self.ahead.len())], self.state == State::Ended);
        let mut bridge = Bridge { stream: &mut self.stream, task, given, ended };
        let called = call(&mut self.library, &mut bridge);
        let left = bridge.given.len();
        let taken = std::mem::replace(&mut self.given, left) - left;
        self.forget(taken);
        called
    }
}

/// The whole text at the begin of these bytes, and where it ends.
fn text_of(bytes: &[u8], most: u32) -> Option<(&str, usize)> {
    let Cut::Text(begin, end) = cut(bytes, most) else { return None };
    Some((std::str::from_utf8(&bytes[begin..end]).ok()?, end))
}

fn broken<B>(flow: ControlFlow<B>) -> Option<B> {
    match flow {
        ControlFlow::Break(broken) => Some(broken),
        ControlFlow::Continue(()) => None,
    }
}

/// What stands at the begin of these bytes (RFC 6455, section 5.2).
fn cut(bytes: &[u8], most: u32) -> Cut {
    const SHORT: u8 = 126;
    let &[first, second, ref rest @ ..] = bytes else { return Cut::Part(0) };
    let (short, masked) = (second & 0x7f, second & 0x80 != 0);
    let (head, payload) = match (short, rest) {
        (SHORT, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
        (SHORT.., _) => return Cut::Part(0),
        _ => (2, u64::from(short)),
    };
    let head = if masked { head + 4 } else { head };
    if payload > u64::from(most) {
        // The library says so, once it knows its length.
        return if bytes.len() < head { Cut::Part(head) } else { Cut::Data(head, true) };
    }
    let end = head + payload as usize;
    if bytes.len() < end {
        return Cut::Part(end);
    }
    match (first, masked) {
        (0x81, false) => Cut::Text(head, end),
        _ if first & 0x08 != 0 => Cut::Control(end),
        _ => Cut::Data(end, first & 0x80 == 0),
    }
}

/// The stream as the library sees it: it reads what it is given, and writes.
struct Bridge<'a, 'task, S> {
    stream: &'a mut S,
    task: &'a mut Context<'task>,
    given: &'a [u8],
    ended: bool,
}

impl<S> Read for Bridge<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.given.read(buffer)? {
            0 if !self.ended => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }
}

impl<S: AsyncWrite + Unpin> Write for Bridge<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.stream).poll_write(self.task, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match Pin::new(&mut *self.stream).poll_flush(self.task) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

#[cfg(test)]
mod tests;
