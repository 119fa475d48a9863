//! A subscriber's life as one future: nearly all of it is reading.
//!
//! While a connection only needs to be read, what that takes lies close together in
//! the task. Everything else is a future in a box of its own, that is there while it
//! is needed: a task is as large as the largest thing that it waits for, and each
//! level of nested waiting is one more place in memory that every frame looks at.

use super::held::Held;
use super::{Subscriber, errands};
use crate::engine::apart::Apart;
use crate::engine::outbox::Errand;
use crate::engine::socket::Socket;
use crate::ledger::ConnectionEnd;
use std::ops::ControlFlow::{Break, Continue};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The life of a subscriber: until the run ends.
pub struct Life {
    now: Now,
}

#[expect(clippy::large_enum_variant, reason = "it is what nearly all of a life is, and a box would be one more place")]
enum Now {
    Reading(Reading),
    /// Anything else; what to read then, or nothing when the run ends.
    Busy(Pin<Box<dyn Future<Output = Option<Reading>>>>),
}

/// A connection that only needs to be read.
// In C's order: what every frame looks at stands close together.
#[repr(C)]
pub(super) struct Reading {
    socket: Socket,
    others: Apart<Pin<Box<dyn Future<Output = Other>>>>,
    subscriber: Subscriber,
    held: Held,
}

/// What ends reading, for a while or for good.
pub(super) enum Other {
    /// The connection ended.
    Frame(ConnectionEnd),
    AbsenceOver,
    Errand(Errand),
    Phase,
    Timer,
}

impl Life {
    /// A life that begins so.
    pub(super) fn new(begin: impl Future<Output = Option<Reading>> + 'static) -> Self {
        Self { now: Now::Busy(Box::pin(begin)) }
    }
}

impl Future for Life {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let now = &mut self.get_mut().now;
        loop {
            match now {
                Now::Reading(reading) => {
                    let other = ready!(reading.poll(task));
                    // Nobody sees this: the place must hold something.
                    let begun = std::mem::replace(now, Now::Busy(Box::pin(std::future::pending())));
                    let Now::Reading(Reading { socket, subscriber, held, .. }) = begun else { continue };
                    *now = Now::Busy(Box::pin(subscriber.interrupt(socket, held, other)));
                }
                Now::Busy(busy) => match ready!(busy.as_mut().poll(task)) {
                    Some(reading) => *now = Now::Reading(reading),
                    None => return Poll::Ready(()),
                },
            }
        }
    }
}

impl Reading {
    /// Reads from now on.
    pub(super) fn new(subscriber: Subscriber, socket: Socket, held: Held) -> Self {
        let timer = tokio::time::sleep_until(subscriber.shard.shared.clock.instant(subscriber.due_us(&held)));
        let (absences, outbox) = (subscriber.absences.clone(), subscriber.outbox.clone());
        let mut phase = held.phase.clone();
        let others = async move {
            tokio::select! {
                biased;
                () = absences.one_over() => Other::AbsenceOver,
                errand = errands::next(&outbox) => Other::Errand(errand),
                _ = phase.changed() => Other::Phase,
                () = timer => Other::Timer,
            }
        };
        Self { socket, others: Apart::new(Box::pin(others)), subscriber, held }
    }

    /// Looks at what a frame will need, far apart in memory: the processor fetches all
    /// of it at once, and beside the read. With 10,000 subscribers each of these places
    /// takes some 0.3 µs to come, and one after the other they were waited for.
    #[inline]
    fn touch(&self) {
        let log = self.subscriber.log.borrow();
        let window = log.windows.first().map(|window| window.channel);
        std::hint::black_box((self.socket.touch(), self.others.touch(), window, self.held.last_frame_us));
    }

    /// Takes frames until something else happens. Nothing but the socket is asked at
    /// each of them.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Other> {
        self.touch();
        let Self { socket, others, subscriber, held } = self;
        let ended = socket.poll_each(task, &mut |frame| match subscriber.take_next(frame, 0, held) {
            Ok(()) => Continue(()),
            Err(end) => Break(end),
        });
        match ended {
            Poll::Ready(end) => Poll::Ready(Other::Frame(end)),
            Poll::Pending => others.poll(task),
        }
    }
}
