//! What was done: counters of a fault and of the whole proxy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What one fault has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Connections that came under it, whether or not it showed on them.
    pub in_scope: u64,
    /// Connections on which it showed: at least one byte or FIN of theirs was
    /// held, delayed, cut or thrown away, or they were evicted, closed or
    /// reset. A lost answer counts where a byte of it was thrown away, or
    /// where the time ran out after the request was written.
    pub connections: u64,
    /// When it first showed.
    pub first: Option<Instant>,
    /// When it last showed.
    pub last: Option<Instant>,
    /// Bytes that it held back for a while: delayed, limited, sliced, or found
    /// waiting when a blackhole ended, of which at most 64 KiB a connection
    /// and direction are seen.
    pub held_bytes: u64,
    /// Bytes that it threw away.
    pub discarded_bytes: u64,
}

/// Counters of a whole proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounters {
    /// Connections of clients that still hold a descriptor.
    pub open: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Of those, how many found no upstream, and were reset.
    pub refused: u64,
    /// Bytes forwarded to the target.
    pub bytes_to_target: u64,
    /// Bytes forwarded from the target.
    pub bytes_from_target: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub open: AtomicU64,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub to_target: AtomicU64,
    pub from_target: AtomicU64,
}

impl Counters {
    pub fn read(&self) -> ProxyCounters {
        ProxyCounters {
            open: self.open.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            bytes_to_target: self.to_target.load(Relaxed),
            bytes_from_target: self.from_target.load(Relaxed),
        }
    }
}

/// The counters of one fault.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Touched>);

impl Tally {
    pub fn read(&self) -> Touched {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn came_under(&self) {
        self.change(|touched| touched.in_scope += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Touched)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One fault on one connection: counts the connection once.
#[derive(Debug)]
pub(super) struct Mark {
    tally: Arc<Tally>,
    showed: AtomicBool,
}

impl Mark {
    pub fn new(tally: Arc<Tally>) -> Self {
        Self { tally, showed: AtomicBool::new(false) }
    }

    pub fn showed(&self) {
        self.count(0, 0);
    }

    pub fn has_shown(&self) -> bool {
        self.showed.load(Relaxed)
    }

    pub fn held(&self, bytes: usize) {
        self.count(bytes, 0);
    }

    pub fn discarded(&self, bytes: usize) {
        self.count(0, bytes);
    }

    fn count(&self, held: usize, discarded: usize) {
        let now = Instant::now();
        let first_time = !self.showed.swap(true, Relaxed);
        self.tally.change(|touched| {
            touched.connections += u64::from(first_time);
            touched.first = touched.first.or(Some(now));
            touched.last = Some(now);
            touched.held_bytes += held as u64;
            touched.discarded_bytes += discarded as u64;
        });
    }
}
