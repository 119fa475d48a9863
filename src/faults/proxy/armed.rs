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

#[cfg(test)]
mod tests {
    use super::super::effect::DropAnswer;
    use super::super::registry::Registry;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Armed with a give-up after 100 ms, and when that was.
    fn armed(at: CutAt) -> (Armed, Instant) {
        let registry = Arc::new(Registry::default());
        let client = ([127, 0, 0, 1], 1).into();
        registry.drop_answer(0, client, DropAnswer { at, give_up: 100 * MS });
        let arming = registry.enter(client).control.orders().arming.expect("it was armed");
        let since = arming.since;
        (Armed::new(arming), since)
    }

    #[test]
    fn a_request_may_pause_before_the_cut_unless_it_is_written() {
        let (mut armed, start) = armed(CutAt::FirstByte);
        armed.request_forwarded(start);
        assert_eq!(armed.filter(10), 0);
        let soon = start + QUIET - MS;
        assert!(!armed.cuts(true, false, soon));
        assert_eq!(armed.wake_at(soon), start + QUIET);
        armed.request_forwarded(soon);
        assert!(!armed.cuts(true, false, start + QUIET), "more of the request has come");
        assert!(armed.cuts(true, false, soon + QUIET));
        assert!(!armed.cuts(false, false, soon + QUIET), "the target does not have it yet");
        assert_eq!(armed.wake_at(soon + QUIET), start + 100 * MS, "only a write by the socket is awaited");
        armed.written(Some(soon));
        assert!(armed.cuts(true, false, soon), "no more of the request comes");
    }

    #[test]
    fn it_is_cut_some_time_after_the_request_or_at_the_give_up() {
        let (mut armed, start) = armed(CutAt::AfterWritten(20 * MS));
        armed.request_forwarded(start);
        assert_eq!(armed.filter(10), 0);
        assert!(!armed.cuts(true, false, start + 99 * MS), "the client has not said that it has written");
        armed.written(Some(start + 10 * MS));
        assert_eq!(armed.wake_at(start + 10 * MS), start + 30 * MS);
        assert!(!armed.cuts(true, false, start + 29 * MS));
        assert!(armed.cuts(true, false, start + 30 * MS));
        assert!(!armed.cuts(false, false, start + 99 * MS));
        assert!(armed.cuts(false, false, start + 100 * MS));
    }

    #[test]
    fn an_answer_is_cut_after_exactly_so_many_bytes() {
        let (mut armed, start) = armed(CutAt::After(10));
        armed.request_forwarded(start);
        armed.written(Some(start));
        assert_eq!((armed.filter(4), armed.filter(6)), (4, 6));
        assert!(!armed.is_spent() && !armed.cuts(true, true, start), "the answer may be whole");
        assert_eq!((armed.filter(5), armed.filter(5)), (0, 0));
        assert!(armed.is_spent() && armed.cuts(true, false, start));
    }
}
