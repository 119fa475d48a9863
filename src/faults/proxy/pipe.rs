//! One direction of one connection: read here, write there.

use super::armed::Armed;
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
    /// Read before new orders were seen that may concern it.
    fresh: Option<Box<[u8]>>,
    /// Seen at the source, and not yet passed on.
    end: Option<End>,
    pub state: State,
    /// Bytes written so far.
    pub forwarded: u64,
}

/// What holds for one direction.
pub(super) struct Rules<'a> {
    /// Whether the other direction has ended, so that both sockets are closed
    /// as soon as this one has.
    pub is_last: bool,
    /// Whether orders have come that are not among these rules.
    pub are_old: &'a dyn Fn() -> bool,
    /// The faults in force, if any.
    pub side: Option<&'a mut Side>,
    /// The answer that is to be lost, if any.
    pub armed: Option<&'a mut Armed>,
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
        Self { backlog: None, fresh: None, end: None, state: State::Open, forwarded: 0 }
    }

    /// Whether nothing that was read waits to be written.
    pub fn is_empty(&self) -> bool {
        self.backlog.is_none() && self.fresh.is_none()
    }

    /// Whether the source has ended, and the sink does not know.
    pub fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// Does at most one write and one read. False: there is nothing to do
    /// until the task is woken, by a socket or, with faults, at the `wake_at`
    /// of the side.
    pub fn step(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut TcpStream,
        sink: &mut TcpStream,
        rules: &mut Rules<'_>,
    ) -> bool {
        if self.state != State::Open {
            return false;
        }
        if let Some(bytes) = self.fresh.take() {
            self.admit(cx, sink, rules, &bytes);
            return true;
        }
        let wrote = self.backlog.is_some() && self.write(cx, sink, rules);
        if self.state == State::Open && self.backlog.is_none() && self.pass_on_end(cx, sink, rules) {
            return true;
        }
        let waiting = self.backlog.as_ref().map_or(0, |backlog| backlog.bytes);
        let may_read = rules.side.as_ref().map_or(waiting == 0, |side| side.may_read(waiting));
        let may_read = may_read && self.state == State::Open && self.end.is_none();
        wrote | (may_read && self.read(cx, source, sink, rules).is_ready())
    }

    /// How many bytes wait, here or unread in the kernel, as far as one
    /// buffer shows; an end that waits counts as something, too.
    pub fn waiting(&self, cx: &mut Context<'_>, source: &mut TcpStream) -> Option<usize> {
        let here = self.fresh.as_ref().map_or(0, |bytes| bytes.len())
            + self.backlog.as_ref().map_or(0, |backlog| backlog.bytes_left());
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
        rules: &mut Rules<'_>,
    ) -> Poll<()> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut target = ReadBuf::new(buffer);
            match ready!(Pin::new(source).poll_read(cx, &mut target)) {
                Ok(()) if target.filled().is_empty() => self.end = Some(End::Fin),
                Ok(()) if (rules.are_old)() => self.fresh = Some(target.filled().into()),
                Ok(()) => self.admit(cx, sink, rules, target.filled()),
                Err(_) => self.end = Some(End::Reset),
            }
            Poll::Ready(())
        })
    }

    /// Takes in what was read.
    fn admit(&mut self, cx: &mut Context<'_>, sink: &mut TcpStream, rules: &mut Rules<'_>, read: &[u8]) {
        let goes_on = match &mut rules.armed {
            Some(armed) => &read[..armed.filter(read.len())],
            None => read,
        };
        match &mut rules.side {
            _ if goes_on.is_empty() => {}
            Some(side) if side.loses() => side.count_lost(goes_on.len()),
            Some(side) if side.holds() || !side.is_direct() => {
                let due = side.due(goes_on.len(), Instant::now());
                self.keep(goes_on, due);
            }
            _ if self.backlog.is_some() => self.keep(goes_on, Instant::now()),
            _ => self.write_directly(cx, sink, goes_on),
        }
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
        backlog.bytes += bytes.len() + CHUNK_BYTES;
        backlog.chunks.push_back(Chunk { bytes: bytes.into(), written: 0, due });
    }

    /// Writes of the first waiting chunk what may be written.
    fn write(&mut self, cx: &mut Context<'_>, sink: &mut TcpStream, rules: &mut Rules<'_>) -> bool {
        let Some(backlog) = &mut self.backlog else { return false };
        let Some(chunk) = backlog.chunks.front_mut() else { return false };
        let mut bytes = chunk.left();
        let now = Instant::now();
        if let Some(side) = &mut rules.side {
            if side.loses() {
                side.count_lost(backlog.bytes_left());
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
        if let Some(side) = &mut rules.side {
            side.wrote(written, now);
        }
        true
    }

    /// Tells the sink that the source has ended, once all is written; a
    /// blackhole keeps that back as well.
    fn pass_on_end(&mut self, cx: &mut Context<'_>, sink: &mut TcpStream, rules: &Rules<'_>) -> bool {
        if rules.side.as_ref().is_some_and(|side| side.keeps_end()) {
            return false;
        }
        self.state = match self.end {
            None => return false,
            Some(End::Reset) => State::Reset,
            // The close says it, and saves a call.
            Some(End::Fin) if rules.is_last => State::Finished,
            Some(End::Fin) => match Pin::new(sink).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => State::Finished,
                Poll::Ready(Err(_)) => State::Broken,
                Poll::Pending => return false,
            },
        };
        true
    }
}

impl Backlog {
    fn bytes_left(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.left().len()).sum()
    }
}

impl Chunk {
    fn left(&self) -> &[u8] {
        &self.bytes[self.written..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (one, two) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), two.unwrap().0)
    }

    /// Steps until something is done.
    async fn step(pipe: &mut Pipe, ends: &mut (TcpStream, TcpStream), are_old: bool) {
        poll_fn(|cx| {
            let mut rules = Rules { is_last: false, are_old: &|| are_old, side: None, armed: None };
            let done = pipe.step(cx, &mut ends.0, &mut ends.1, &mut rules);
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_read_under_old_rules_waits_for_the_new_ones() {
        let ((mut client, source), (sink, mut server)) = (pair().await, pair().await);
        let (mut pipe, mut ends) = (Pipe::new(), (source, sink));
        client.write_all(b"held").await.unwrap();
        step(&mut pipe, &mut ends, true).await;
        assert_eq!((pipe.forwarded, pipe.is_empty()), (0, false));
        step(&mut pipe, &mut ends, false).await;
        assert_eq!((pipe.forwarded, pipe.is_empty()), (4, true));
        client.write_all(b", not held").await.unwrap();
        step(&mut pipe, &mut ends, false).await;
        let mut read = [0; 14];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"held, not held");
    }
}
