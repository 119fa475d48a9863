//! Between a user as a sender and the same user as a subscriber: frames that
//! wait for the socket, and answers that come back over it.

use super::stamp::FirstByte;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use tokio::sync::{Notify, oneshot};

/// So many outcomes are kept for who does not wait for them yet.
const MOST_EARLY: usize = 64;

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
    /// Of messages that were only taken on, by what the target calls them.
    outcomes: RefCell<HashMap<Box<str>, oneshot::Sender<Box<str>>>>,
    /// Outcomes that came before anybody waited for them.
    early: RefCell<VecDeque<(Box<str>, Box<str>)>>,
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

    /// What becomes of a message that the target calls so; an error where the socket
    /// ended before it was said.
    pub fn expect_outcome(&self, named: &str) -> oneshot::Receiver<Box<str>> {
        let (outcome, coming) = oneshot::channel();
        let mut early = self.early.borrow_mut();
        match early.iter().position(|(of, _)| **of == *named).and_then(|at| early.remove(at)) {
            Some((_, text)) => _ = outcome.send(text),
            None => _ = self.outcomes.borrow_mut().insert(named.into(), outcome),
        }
        coming
    }

    /// Nobody waits for the outcome any longer.
    pub fn forget_outcome(&self, named: &str) {
        self.outcomes.borrow_mut().remove(named);
    }

    /// A frame says what became of a message: the answer to one that left over the
    /// socket has the number of that as its name.
    pub fn say(&self, named: &str, text: &str) {
        if let Ok(number) = named.parse()
            && self.answers.borrow().contains_key(&number)
        {
            return self.answer(number, text);
        }
        match self.outcomes.borrow_mut().remove(named) {
            Some(outcome) => _ = outcome.send(text.into()),
            None => {
                let mut early = self.early.borrow_mut();
                early.push_back((named.into(), text.into()));
                if early.len() > MOST_EARLY {
                    early.pop_front();
                }
            }
        }
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
        self.outcomes.borrow_mut().clear();
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
    fn an_outcome_reaches_who_waits_for_it_and_who_comes_too_late() {
        let outbox = Outbox::default();
        let mut waits = outbox.expect_outcome("k1");
        outbox.say("k2", "b");
        outbox.say("k1", "a");
        assert_eq!(waits.try_recv().as_deref(), Ok("a"));
        assert_eq!(outbox.expect_outcome("k2").try_recv().as_deref(), Ok("b"));
        let (number, mut answer) = outbox.expect_answer();
        outbox.say(&number.to_string(), "c");
        assert_eq!(answer.try_recv().as_deref(), Ok("c"), "an answer over the socket");
        (0..100).for_each(|other| outbox.say(&format!("o{other}"), ""));
        assert_eq!(outbox.early.borrow().len(), MOST_EARLY);
        let _too_late = outbox.expect_outcome("k4");
        outbox.forget_outcome("k4");
        assert!(outbox.outcomes.borrow().is_empty());
        let mut cut_off = outbox.expect_outcome("k3");
        outbox.close();
        assert!(cut_off.try_recv() == Err(oneshot::error::TryRecvError::Closed));
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
