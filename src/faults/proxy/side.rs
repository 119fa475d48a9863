//! What the faults in force do to one direction of one connection.
//!
//! Time comes in as an argument; nothing here waits or does I/O.

use super::effect::{Effect, Way};
use super::registry::Order;
use super::tally::Mark;
use crate::model::Random;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much a delayed direction may have under way.
const DELAYED_BYTES: usize = 256 * 1024;
/// What a bandwidth limit lets through at once after a silence, and the least
/// that it waits for where more is wanted; the second bounds the wake-ups.
const BURST_S: f64 = 0.020;
const PORTION_S: f64 = 0.010;

/// The faults in force on one direction. The default is none.
#[derive(Debug, Default)]
pub(super) struct Side {
    holds: Vec<Arc<Mark>>,
    losses: Vec<Arc<Mark>>,
    delays: Vec<Delay>,
    buckets: Vec<Bucket>,
    slices: Vec<Slice>,
    next_piece_at: Option<Instant>,
    /// Keeps an end back, as a loss does.
    pub keeps_end: bool,
    /// When it is worth looking again, if nothing else happens.
    pub wake_at: Option<Instant>,
}

#[derive(Debug)]
struct Delay {
    mark: Arc<Mark>,
    delay: Duration,
    jitter: Duration,
    random: Random,
}

#[derive(Debug)]
struct Bucket {
    mark: Arc<Mark>,
    bytes_per_s: f64,
    bytes: f64,
    filled_at: Instant,
}

#[derive(Debug)]
struct Slice {
    mark: Arc<Mark>,
    bytes: usize,
    pause: Duration,
}

impl Side {
    /// Takes on what is newly in `orders`, and lets go of what no longer is.
    pub fn adopt(&mut self, orders: &[Order], label: Option<u64>, way: Way, now: Instant) {
        let stays = |mark: &Arc<Mark>| orders.iter().any(|order| Arc::ptr_eq(&order.mark, mark));
        self.holds.retain(stays);
        self.losses.retain(stays);
        self.delays.retain(|delay| stays(&delay.mark));
        self.buckets.retain(|bucket| stays(&bucket.mark));
        self.slices.retain(|slice| stays(&slice.mark));
        for order in orders {
            if !self.has(&order.mark) {
                self.take_on(order, label, way, now);
            }
        }
    }

    fn has(&self, mark: &Arc<Mark>) -> bool {
        let marks = self.holds.iter().chain(&self.losses);
        let marks = marks.chain(self.delays.iter().map(|delay| &delay.mark));
        let marks = marks.chain(self.buckets.iter().map(|bucket| &bucket.mark));
        marks.chain(self.slices.iter().map(|slice| &slice.mark)).any(|own| Arc::ptr_eq(own, mark))
    }

    fn take_on(&mut self, order: &Order, label: Option<u64>, way: Way, now: Instant) {
        let mark = Arc::clone(&order.mark);
        match *order.effect() {
            Effect::Blackhole { direction, lost, .. } if direction.covers(way) => {
                if lost { &mut self.losses } else { &mut self.holds }.push(mark);
            }
            Effect::Latency { delay, jitter, seed, direction } if direction.covers(way) => {
                let random = Random::new(seed, if way == Way::Up { "delay-up" } else { "delay-down" });
                self.delays.push(Delay { mark, delay, jitter, random: random.split(label.unwrap_or(u64::MAX)) });
            }
            Effect::Bandwidth { bytes_per_s } => {
                let bytes_per_s = bytes_per_s.max(1) as f64;
                self.buckets.push(Bucket { mark, bytes_per_s, bytes: 0.0, filled_at: now });
            }
            Effect::Slice { bytes, pause } => self.slices.push(Slice { mark, bytes: bytes.max(1), pause }),
            _ => {}
        }
    }

    /// Everything read from now on is thrown away.
    pub fn lose(&mut self, mark: &Arc<Mark>) {
        self.losses.push(Arc::clone(mark));
    }

    /// Nothing is read and nothing is written.
    pub fn holds(&self) -> bool {
        !self.holds.is_empty()
    }

    /// The blackholes that hold and are not in `orders` any more.
    pub fn holds_ended<'a>(&'a self, orders: &'a [Order]) -> impl Iterator<Item = &'a Arc<Mark>> {
        let gone = |mark: &&Arc<Mark>| !orders.iter().any(|order| Arc::ptr_eq(&order.mark, *mark));
        self.holds.iter().filter(gone)
    }

    /// Whether a blackhole that holds has not yet shown.
    pub fn holds_unseen(&self) -> bool {
        self.holds.iter().any(|mark| !mark.has_shown())
    }

    pub fn mark_held(&self) {
        self.holds.iter().for_each(|mark| mark.showed());
    }

    /// What is read is thrown away.
    pub fn loses(&self) -> bool {
        !self.losses.is_empty()
    }

    /// An end is not passed on.
    pub fn keeps_end(&self) -> bool {
        self.keeps_end || self.holds() || self.loses()
    }

    pub fn count_lost(&self, bytes: usize) {
        if let Some(mark) = self.losses.first() {
            mark.discarded(bytes);
        }
    }

    /// Whether what is read may be written on the spot.
    pub fn is_direct(&self) -> bool {
        self.delays.is_empty() && self.buckets.is_empty() && self.slices.is_empty()
    }

    /// Whether more may be read while so many bytes wait.
    pub fn may_read(&self, waiting: usize) -> bool {
        !self.holds() && (waiting == 0 || (!self.delays.is_empty() && waiting < DELAYED_BYTES))
    }

    /// When a chunk that was read now is due.
    pub fn due(&mut self, bytes: usize, now: Instant) -> Instant {
        let mut due = now;
        for delay in &mut self.delays {
            let jitter = u64::try_from(delay.jitter.as_micros()).unwrap_or(u64::MAX);
            due += delay.delay + Duration::from_micros(delay.random.between(0, jitter));
            delay.mark.held(bytes);
        }
        due
    }

    /// How many of `left` bytes, due at `due`, may be written now. Where it is
    /// none, `wake_at` says when to ask again, if time alone changes it.
    pub fn allow(&mut self, left: usize, due: Instant, now: Instant) -> usize {
        if self.holds() {
            return 0;
        }
        let waits_for = if self.delays.is_empty() { None } else { Some(due) };
        if let Some(at) = waits_for.max(self.next_piece_at).filter(|at| *at > now) {
            self.wake(at);
            return 0;
        }
        let mut allowed = self.slices.iter().map(|slice| slice.bytes).min().unwrap_or(left).min(left);
        let mut wake_at = None;
        for bucket in &mut self.buckets {
            match bucket.allow(allowed, now) {
                Ok(bytes) => allowed = bytes,
                Err(at) => wake_at = wake_at.max(Some(at)),
            }
        }
        if let Some(at) = wake_at {
            self.wake(at);
            return 0;
        }
        allowed
    }

    /// So many bytes were written.
    pub fn wrote(&mut self, bytes: usize, now: Instant) {
        for bucket in &mut self.buckets {
            bucket.bytes -= bytes as f64;
            bucket.mark.held(bytes);
        }
        for slice in &self.slices {
            slice.mark.held(bytes);
        }
        let pause = self.slices.iter().map(|slice| slice.pause).max();
        self.next_piece_at = pause.filter(|pause| !pause.is_zero()).map(|pause| now + pause);
    }

    pub fn wake(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }
}

impl Bucket {
    /// How many of `wanted` bytes may pass, or when to ask again.
    fn allow(&mut self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.bytes = (self.bytes + passed * self.bytes_per_s).min((self.bytes_per_s * BURST_S).max(1.0));
        let least = (self.bytes_per_s * PORTION_S).max(1.0).min(wanted as f64);
        // The clock counts in ns: what is a billionth of a byte short is there.
        if self.bytes + 1e-6 >= least {
            return Ok(wanted.min((self.bytes + 1e-6) as usize));
        }
        Err(now + Duration::from_secs_f64((least - self.bytes) / self.bytes_per_s) + Duration::from_nanos(1))
    }
}
