//! One answer that is to be lost: decides what of it goes on, and when the
//! connection is cut. Time comes in as an argument.

use super::effect::CutAt;
use super::registry::Arming;
use super::side::later;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client may pause in its request, where it does not say when it
/// has written it.
const QUIET: Duration = Duration::from_millis(5);

/// An arming on a connection, and how far it has come.
#[derive(Debug)]
pub(super) struct Armed {
    pub arming: Arc<Arming>,
    /// When a byte to the target was last forwarded since it was armed.
    request_at: Option<Instant>,
    written_at: Option<Instant>,
    forwarded: u64,
    discarded: u64,
    /// All is decided; what the client wrote is still on its way.
    fired: bool,
}

impl Armed {
    pub fn new(arming: Arc<Arming>) -> Self {
        Self { arming, request_at: None, written_at: None, forwarded: 0, discarded: 0, fired: false }
    }

    pub fn request_forwarded(&mut self, now: Instant) {
        self.request_at = Some(now);
    }

    pub fn written(&mut self, at: Option<Instant>) {
        self.written_at = at;
    }

    /// So many bytes came back: how many of them, the first ones, go on.
    pub fn filter(&mut self, bytes: usize) -> usize {
        let goes_on = match self.arming.how.at {
            CutAt::After(most) if !self.fired => {
                usize::try_from(most - self.forwarded).map_or(bytes, |left| left.min(bytes))
            }
            _ => 0,
        };
        self.forwarded += goes_on as u64;
        let discarded = bytes - goes_on;
        if discarded == 0 {
            return goes_on;
        }
        self.discarded += discarded as u64;
        self.fired |= match self.arming.how.at {
            CutAt::FirstByte => self.request_at.is_some(),
            CutAt::After(_) => true,
            CutAt::AfterWritten(_) => false,
        };
        if self.request_at.is_some() {
            self.arming.mark.discarded(discarded);
        }
        goes_on
    }

    /// Whether the connection is to be cut now. `drained`: all that the client
    /// has written is with the target. `target_ended`: no more comes back.
    pub fn cuts(&mut self, drained: bool, target_ended: bool, now: Instant) -> bool {
        if now >= self.give_up_at() {
            self.ran_out();
            return true;
        }
        if !self.fired && self.cut_at().is_some_and(|at| now >= at) {
            self.fired = true;
            self.ran_out();
        }
        self.fired |= target_ended && self.is_spent();
        self.fired && drained && self.quiet_at().is_none_or(|at| now >= at)
    }

    /// When [`Armed::cuts`] is to be asked again, after `now`.
    pub fn wake_at(&self, now: Instant) -> Instant {
        let next = if self.fired { self.quiet_at() } else { self.cut_at() };
        let give_up_at = self.give_up_at();
        next.filter(|at| *at > now).map_or(give_up_at, |at| at.min(give_up_at))
    }

    /// Whether something is already missing, so that the connection cannot go
    /// on.
    pub fn is_spent(&self) -> bool {
        self.discarded > 0
    }

    fn cut_at(&self) -> Option<Instant> {
        match self.arming.how.at {
            CutAt::AfterWritten(time) => self.written_at.map(|at| later(at, time)),
            _ => None,
        }
    }

    /// Before this the request may still be coming.
    fn quiet_at(&self) -> Option<Instant> {
        if self.written_at.is_some() { None } else { self.request_at.map(|at| at + QUIET) }
    }

    fn give_up_at(&self) -> Instant {
        later(self.arming.since, self.arming.how.give_up)
    }

    /// The time is over: the answer counts as lost where there was a request,
    /// unless it has arrived at least in part.
    fn ran_out(&self) {
        if (self.request_at.is_some() || self.written_at.is_some()) && self.forwarded == 0 {
            self.arming.mark.showed();
        }
    }
}
