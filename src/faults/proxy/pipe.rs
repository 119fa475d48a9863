//! One direction of one connection: read here, write there.

use super::side::Side;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Of the one buffer that all connections of the thread read into.
const BUFFER_BYTES: usize = 64 * 1024;
/// What a waiting chunk is counted for on top of its bytes, so that many small
/// ones are bounded too.
const CHUNK_BYTES: usize = 64;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into());
}

/// One direction. It owns memory only while bytes wait to be written.
#[derive(Debug)]
pub(super) struct Pipe {
    backlog: Option<Box<Backlog>>,
    /// Seen at the source, and not yet passed on.
    end: Option<End>,
    pub state: State,
    /// Bytes written so far.
    pub forwarded: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There may be more.
    Open,
    /// The source has ended, and the sink was told.
    Finished,
    /// The source was reset, and the sink is to be.
    Reset,
    /// The sink takes no more.
    Broken,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Fin,
    Reset,
}

#[derive(Debug, Default)]
struct Backlog {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    written: usize,
    due: Instant,
}

impl Pipe {
    pub fn new() -> Self {
        Self { backlog: None, end: None, state: State::Open, forwarded: 0 }
    }

    /// Whether nothing that was read waits to be written.
    pub fn is_empty(&self) -> bool {
        self.backlog.is_none()
    }

    /// Whether the source has ended, and the sink does not know.
    pub fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// Does at most one write and one read. False: there is nothing to do
    /// until the task is woken, by a socket or, with a side, at its `wake_at`.
    ///
    /// `filter` is told how many bytes were read, and says how many of them,
    /// the first ones, go on.
    pub fn step(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
        mut side: Option<&mut Side>,
        filter: &mut dyn FnMut(usize) -> usize,
    ) -> bool {
        if self.state != State::Open {
            return false;
        }
        let wrote = self.backlog.is_some() && self.write(cx, sink, side.as_deref_mut());
        if self.state == State::Open && self.backlog.is_none() && self.pass_on_end(cx, sink, side.as_deref()) {
            return true;
        }
        let waiting = self.backlog.as_ref().map_or(0, |backlog| backlog.bytes);
        let may_read = side.as_ref().map_or(waiting == 0, |side| side.may_read(waiting));
        let got = self.state == State::Open
            && self.end.is_none()
            && may_read
            && self.read(cx, source, sink, side, filter).is_ready();
        wrote || got
    }

    /// How many bytes wait, here or unread in the kernel, as far as one
    /// buffer shows; an end that waits counts as something, too.
    pub fn waiting(&self, cx: &mut Context<'_>, source: &mut TcpStream) -> Option<usize> {
        let here: usize = self.backlog.iter().flat_map(|backlog| &backlog.chunks).map(|chunk| chunk.left().len()).sum();
        if self.end.is_some() {
            return Some(here);
        }
        let unread = BUFFER.with_borrow_mut(|buffer| source.poll_peek(cx, &mut ReadBuf::new(buffer)));
        match unread {
            Poll::Ready(unread) => Some(here + unread.unwrap_or(0)),
            Poll::Pending => (here > 0).then_some(here),
        }
    }

    fn read(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
        side: Option<&mut Side>,
        filter: &mut dyn FnMut(usize) -> usize,
    ) -> Poll<()> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut target = ReadBuf::new(buffer);
            let end = match ready!(Pin::new(source).poll_read(cx, &mut target)) {
                Ok(()) if target.filled().is_empty() => Some(End::Fin),
                Ok(()) => None,
                Err(_) => Some(End::Reset),
            };
            if end.is_some() {
                self.end = end;
                return Poll::Ready(());
            }
            let read = target.filled();
            let goes_on = &read[..filter(read.len())];
            match side {
                _ if goes_on.is_empty() => {}
                Some(side) if side.loses() => side.count_lost(goes_on.len()),
                Some(side) if !side.is_direct() => {
                    let now = Instant::now();
                    let due = side.due(goes_on.len(), now);
                    self.keep(goes_on, due);
                }
                _ => self.write_directly(cx, sink, goes_on),
            }
            Poll::Ready(())
        })
    }

    fn write_directly(&mut self, cx: &mut Context<'_>, sink: &mut TcpStream, bytes: &[u8]) {
        match Pin::new(sink).poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => {
                self.forwarded += written as u64;
                if written < bytes.len() {
                    self.keep(&bytes[written..], Instant::now());
                }
            }
            Poll::Ready(Err(_)) => self.state = State::Broken,
            Poll::Pending => self.keep(bytes, Instant::now()),
        }
    }

    fn keep(&mut self, bytes: &[u8], due: Instant) {
        let backlog = self.backlog.get_or_insert_default();
        // Jitter must not let a chunk overtake the one before it.
        let due = backlog.chunks.back().map_or(due, |last| last.due.max(due));
        backlog.bytes += bytes.len() + CHUNK_BYTES;
        backlog.chunks.push_back(Chunk { bytes: bytes.into(), written: 0, due });
    }

    /// Writes of the first waiting chunk what may be written.
    fn write(&mut self, cx: &mut Context<'_>, sink: &mut TcpStream, mut side: Option<&mut Side>) -> bool {
        let Some(backlog) = &mut self.backlog else { return false };
        let Some(chunk) = backlog.chunks.front_mut() else { return false };
        let mut bytes = chunk.left();
        let now = Instant::now();
        if let Some(side) = &mut side {
            if side.loses() {
                side.count_lost(backlog.chunks.iter().map(|chunk| chunk.left().len()).sum());
                self.backlog = None;
                return true;
            }
            bytes = &bytes[..side.allow(bytes.len(), chunk.due, now)];
            if bytes.is_empty() {
                return false;
            }
        }
        let written = match Pin::new(sink).poll_write(cx, bytes) {
            Poll::Pending => return false,
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(_)) => {
                self.state = State::Broken;
                self.backlog = None;
                return true;
            }
        };
        self.forwarded += written as u64;
        chunk.written += written;
        if chunk.left().is_empty() {
            backlog.bytes -= chunk.bytes.len() + CHUNK_BYTES;
            backlog.chunks.pop_front();
        }
        if backlog.chunks.is_empty() {
            self.backlog = None;
        }
        if let Some(side) = side {
            side.wrote(written, now);
        }
        true
    }

    /// Tells the sink that the source has ended, once all is written; a
    /// blackhole keeps that back as well.
    fn pass_on_end(&mut self, cx: &mut Context<'_>, sink: &mut TcpStream, side: Option<&Side>) -> bool {
        if side.is_some_and(Side::keeps_end) {
            return false;
        }
        self.state = match self.end {
            None => return false,
            Some(End::Reset) => State::Reset,
            Some(End::Fin) => match Pin::new(sink).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => State::Finished,
                Poll::Ready(Err(_)) => State::Broken,
                Poll::Pending => return false,
            },
        };
        true
    }
}

impl Chunk {
    fn left(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
}
