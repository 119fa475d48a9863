//! A future that shares a task with a busy one.
//!
//! A task is polled as a whole. A subscriber's also waits for a timer, the phase
//! of the run, errands and ends of absences: to ask all these after each frame
//! took locks and a tenth of the time of a delivery.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a future only when that was woken itself, not whenever its task was.
pub struct Apart<F> {
    future: F,
    bell: Option<Arc<Bell>>,
}

/// What the future wakes: it notes so, and wakes the task.
struct Bell {
    rung: AtomicBool,
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<F: Future + Unpin> Apart<F> {
    /// A future that was not polled yet.
    pub fn new(future: F) -> Self {
        Self { future, bell: None }
    }

    /// Looks at what a poll will look at.
    #[inline]
    pub fn touch(&self) -> bool {
        self.bell.as_ref().is_some_and(|bell| bell.rung.load(Ordering::Relaxed))
    }

    /// Polls it if it was woken, or for the first time in this task.
    #[inline]
    pub fn poll(&mut self, task: &mut Context<'_>) -> Poll<F::Output> {
        match &self.bell {
            Some(bell) if bell.task.will_wake(task.waker()) => {
                // Before the poll: what rings during it is heard at the next one.
                if !bell.rung.swap(false, Ordering::AcqRel) {
                    return Poll::Pending;
                }
            }
            _ => self.bell = Some(Arc::new(Bell { rung: false.into(), task: task.waker().clone() })),
        }
        let Some(bell) = &self.bell else { return Poll::Pending };
        let waker = Waker::from(bell.clone());
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_when_it_was_woken_and_not_otherwise() {
        let (polls, own) = (Cell::new(0), RefCell::new(None::<Waker>));
        let mut apart = Apart::new(Box::pin(std::future::poll_fn(|task| {
            polls.set(polls.get() + 1);
            own.replace(Some(task.waker().clone()));
            if polls.get() == 4 { Poll::Ready(()) } else { Poll::Pending }
        })));
        let woken = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        let tasks = woken.clone().map(Waker::from);
        let mut poll = |task: usize| apart.poll(&mut Context::from_waker(&tasks[task])).is_ready();
        let ring = || own.borrow().as_ref().unwrap().wake_by_ref();
        assert!(!poll(0) && polls.get() == 1, "the first time");
        assert!(!poll(0) && polls.get() == 1, "nobody woke it");
        ring();
        assert_eq!(woken[0].0.load(Ordering::Relaxed), 1, "its task was told");
        assert!(!poll(0) && polls.get() == 2);
        assert!(!poll(1) && polls.get() == 3, "in another task it must be told who waits");
        assert!(!poll(1) && polls.get() == 3);
        ring();
        assert_eq!(woken[1].0.load(Ordering::Relaxed), 1);
        assert!(poll(1));
    }
}
