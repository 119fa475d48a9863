//! When the first byte of an attempt was written to its socket: without one,
//! nothing happened.
//!
//! What TLS and HTTP/2 write of their own is none of it: an attempt awaits its
//! first byte from the moment on in which something of it was handed over.

use super::clock::RunClock;
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// When the first byte of one attempt was written, in µs since the start of the
/// run.
#[derive(Clone, Default)]
pub struct FirstByte(Rc<Moment>);

#[derive(Default)]
struct Moment {
    begun: Cell<bool>,
    at_us: Cell<Option<u64>>,
}

impl FirstByte {
    /// When it was written, if it was.
    pub fn get(&self) -> Option<u64> {
        self.0.at_us.get()
    }

    /// It is being written.
    pub fn stamp(&self, at_us: u64) {
        self.0.at_us.set(Some(at_us));
    }
}

/// The attempts of a connection of which something was handed over, and no byte
/// written.
#[derive(Clone, Default)]
pub struct Awaiting(Rc<RefCell<Vec<FirstByte>>>);

impl Awaiting {
    /// Something of an attempt is handed over; only the first time counts.
    pub fn begin(&self, first_byte: &FirstByte) {
        if !first_byte.0.begun.replace(true) {
            self.0.borrow_mut().push(first_byte.clone());
        }
    }
}

/// A socket that stamps.
pub struct Stamped {
    stream: TcpStream,
    clock: RunClock,
    awaiting: Awaiting,
}

impl Stamped {
    /// Over a socket that is open.
    pub fn new(stream: TcpStream, clock: RunClock, awaiting: Awaiting) -> Self {
        Self { stream, clock, awaiting }
    }

    /// Only a first byte needs a look at the clock. It is from before the write:
    /// a thread that is held up between the write and the look would call a
    /// message younger than it is, and find pushes missing that came before a
    /// subscription.
    fn now_us(&self) -> Option<u64> {
        (!self.awaiting.0.borrow().is_empty()).then(|| self.clock.now_us())
    }

    fn stamp(&self, written: &Poll<io::Result<usize>>, before_us: Option<u64>) {
        if let (Poll::Ready(Ok(1..)), Some(before_us)) = (written, before_us) {
            self.awaiting.0.borrow_mut().drain(..).for_each(|first_byte| first_byte.stamp(before_us));
        }
    }
}

impl AsyncRead for Stamped {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let before_us = self.now_us();
        let written = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.stamp(&written, before_us);
        written
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
        let before_us = self.now_us();
        let written = Pin::new(&mut self.stream).poll_write_vectored(task, parts);
        self.stamp(&written, before_us);
        written
    }
}
