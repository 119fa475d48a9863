//! Between a user as a sender and the same user as a subscriber: frames that
//! wait for the socket, and answers that come back over it.

use super::stamp::FirstByte;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use tokio::sync::{Notify, oneshot};

/// A frame that waits to be written.
pub struct Outgoing {
    /// The frame.
    pub frame: String,
    /// Stamped before the write: a write that fails may still have had an
    /// effect.
    pub first_byte: FirstByte,
    /// Is told once the frame was written; dropped where it was not.
    pub written: oneshot::Sender<()>,
}

/// What the subscriber is to do for the sender.
pub enum Errand {
    /// Write a frame.
    Write(Outgoing),
    /// Give the socket up: an acknowledgement did not come in time.
    GiveUp,
}

/// One user's outbox. It lives as long as the user; sockets come and go.
#[derive(Default)]
pub struct Outbox {
    queue: RefCell<VecDeque<Outgoing>>,
    answers: RefCell<HashMap<u64, oneshot::Sender<Box<str>>>>,
    last_id: Cell<u64>,
    /// The socket's own address, while there is a confirmed one.
    local: Cell<Option<SocketAddr>>,
    suspected: Cell<bool>,
    wanted: Notify,
    opened: Notify,
}

impl Outbox {
    /// Whether the user has a confirmed socket.
    pub fn is_open(&self) -> bool {
        self.local.get().is_some()
    }

    /// The socket's own address, while there is a confirmed one.
    pub fn local(&self) -> Option<SocketAddr> {
        self.local.get()
    }

    /// Returns once the user has a confirmed socket.
    pub async fn wait_until_open(&self) {
        while !self.is_open() {
            self.opened.notified().await;
        }
    }

    /// A number for a frame whose answer is waited for, and the answer; an
    /// error where the socket ended before it came.
    pub fn expect_answer(&self) -> (u64, oneshot::Receiver<Box<str>>) {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let (answer, coming) = oneshot::channel();
        self.answers.borrow_mut().insert(id, answer);
        (id, coming)
    }

    /// Nobody waits for the answer any longer.
    pub fn forget(&self, id: u64) {
        self.answers.borrow_mut().remove(&id);
    }

    /// Hands a frame to the socket.
    pub fn submit(&self, outgoing: Outgoing) {
        self.queue.borrow_mut().push_back(outgoing);
        self.wanted.notify_one();
    }

    /// The acknowledgement did not come in time: the socket may be half-open.
    pub fn suspect(&self) {
        self.suspected.set(true);
        self.wanted.notify_one();
    }

    /// The subscriber has a confirmed socket.
    pub fn open(&self, local: Option<SocketAddr>) {
        self.suspected.set(false);
        self.local.set(local);
        self.opened.notify_one();
    }

    /// The socket has ended: what was not written stays unwritten, and no
    /// answer comes.
    pub fn close(&self) {
        self.local.set(None);
        self.queue.borrow_mut().clear();
        self.answers.borrow_mut().clear();
    }

    /// What the subscriber is to do next.
    pub async fn next(&self) -> Errand {
        loop {
            if self.suspected.take() {
                return Errand::GiveUp;
            }
            // Whoever does not wait any longer has given up.
            while let Some(outgoing) = { self.queue.borrow_mut().pop_front() } {
                if !outgoing.written.is_closed() {
                    return Errand::Write(outgoing);
                }
            }
            self.wanted.notified().await;
        }
    }

    /// An answer came over the socket.
    pub fn answer(&self, id: u64, text: &str) {
        if let Some(answer) = self.answers.borrow_mut().remove(&id) {
            // Whoever does not wait any longer has given up.
            let _ = answer.send(text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn outgoing(frame: &str) -> (Outgoing, oneshot::Receiver<()>) {
        let (written, is_written) = oneshot::channel();
        (Outgoing { frame: frame.to_owned(), first_byte: FirstByte::default(), written }, is_written)
    }

    fn next(outbox: &Outbox) -> Option<Errand> {
        outbox.next().now_or_never()
    }

    #[test]
    fn frames_leave_in_order_and_what_was_given_up_does_not() {
        let outbox = Outbox::default();
        let (first, _waits) = outgoing("1");
        let (second, given_up) = outgoing("2");
        let (third, _waits_too) = outgoing("3");
        drop(given_up);
        [first, second, third].into_iter().for_each(|one| outbox.submit(one));
        for expected in ["1", "3"] {
            assert!(matches!(next(&outbox), Some(Errand::Write(one)) if one.frame == expected));
        }
        assert!(next(&outbox).is_none());
    }

    #[test]
    fn an_answer_reaches_who_waits_for_it() {
        let outbox = Outbox::default();
        let ((first, mut to_first), (second, mut to_second)) = (outbox.expect_answer(), outbox.expect_answer());
        outbox.answer(second, "b");
        outbox.answer(99, "nobody waits for it");
        assert_eq!(to_second.try_recv().as_deref(), Ok("b"));
        outbox.forget(first);
        assert!(matches!(to_first.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }

    #[test]
    fn the_end_of_the_socket_ends_what_waits_for_it() {
        let outbox = Outbox::default();
        outbox.open(Some(SocketAddr::from(([127, 0, 0, 1], 1))));
        assert!(outbox.is_open() && outbox.wait_until_open().now_or_never().is_some());
        let (waiting, mut is_written) = outgoing("1");
        outbox.submit(waiting);
        let (_, mut answer) = outbox.expect_answer();
        outbox.close();
        assert!(!outbox.is_open() && outbox.wait_until_open().now_or_never().is_none());
        assert!(is_written.try_recv() == Err(oneshot::error::TryRecvError::Closed));
        assert!(answer.try_recv() == Err(oneshot::error::TryRecvError::Closed));
        assert!(next(&outbox).is_none(), "the frame does not leave over the next socket");
    }

    #[test]
    fn a_suspicion_goes_first_and_ends_with_the_socket() {
        let outbox = Outbox::default();
        outbox.suspect();
        assert!(matches!(next(&outbox), Some(Errand::GiveUp)));
        outbox.suspect();
        outbox.open(None);
        assert!(next(&outbox).is_none(), "it was about the socket before");
    }
}
