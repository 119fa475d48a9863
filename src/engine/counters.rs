//! What a worker counts while a run goes on: for its progress and its metrics, never
//! for the judge.

/// Counts of one worker since the start; the last ones are levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages intended.
    pub intended: u64,
    /// Messages finished as acknowledged.
    pub acknowledged: u64,
    /// Messages finished as written.
    pub written: u64,
    /// Messages finished as rejected.
    pub rejected: u64,
    /// Messages finished as unknown.
    pub unknown: u64,
    /// Messages finished as unattempted.
    pub unattempted: u64,
    /// Attempts.
    pub attempts: u64,
    /// Attempts after the first of each message.
    pub retries: u64,
    /// Failed messages whose user tapped to retry.
    pub taps: u64,
    /// Attempts that may have had an effect and were not acknowledged.
    pub indeterminate: u64,
    /// First live copies.
    pub delivered: u64,
    /// Further live copies.
    pub duplicates: u64,
    /// Bytes of the answers to attempts.
    pub answer_bytes: u64,
    /// Bytes of the frames that subscribers were sent.
    pub frame_bytes: u64,
    /// Frames that were neither JSON nor text of a sensible size.
    pub garbage_frames: u64,
    /// Connections lost that the workload did not ask for.
    pub lost_connections: u64,
    /// Disconnects that the workload asked for.
    pub chosen_disconnects: u64,
    /// Catch-ups begun.
    pub catch_ups: u64,
    /// Catch-ups that ended without reaching the end of the history.
    pub failed_catch_ups: u64,
    /// Messages first obtained from history.
    pub healed: u64,
    /// Connections refused for want of descriptors or ports.
    pub exhausted: u64,
    /// Subscribers that have been connected at least once.
    pub ever_connected: u64,
    /// Subscribers that have finished the drain.
    pub drained: u64,
    /// Level: messages waiting or in flight.
    pub pending: u64,
    /// Level: attempts in flight.
    pub in_flight: u64,
    /// Level: subscribers connected.
    pub connected: u64,
    /// Level: whether the worker still intends messages, 0 or 1.
    pub intending: u64,
}

impl Counters {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Counters) {
        let mut other = *other;
        for (field, more) in self.fields_mut().into_iter().zip(other.fields_mut()) {
            *field += *more;
        }
    }

    /// What was added since an earlier state; the levels as they are now.
    pub fn since(&self, earlier: &Counters) -> Counters {
        let mut difference = *self;
        let mut earlier = Counters { pending: 0, in_flight: 0, connected: 0, intending: 0, ..*earlier };
        for (field, before) in difference.fields_mut().into_iter().zip(earlier.fields_mut()) {
            *field -= *before;
        }
        difference
    }

    fn fields_mut(&mut self) -> [&mut u64; 27] {
        [
            &mut self.intended,
            &mut self.acknowledged,
            &mut self.written,
            &mut self.rejected,
            &mut self.unknown,
            &mut self.unattempted,
            &mut self.attempts,
            &mut self.retries,
            &mut self.taps,
            &mut self.indeterminate,
            &mut self.delivered,
            &mut self.duplicates,
            &mut self.answer_bytes,
            &mut self.frame_bytes,
            &mut self.garbage_frames,
            &mut self.lost_connections,
            &mut self.chosen_disconnects,
            &mut self.catch_ups,
            &mut self.failed_catch_ups,
            &mut self.healed,
            &mut self.exhausted,
            &mut self.ever_connected,
            &mut self.drained,
            &mut self.pending,
            &mut self.in_flight,
            &mut self.connected,
            &mut self.intending,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_counters_adds_every_field() {
        let mut ones = Counters::default();
        for field in ones.fields_mut() {
            *field = 1;
        }
        let mut sum = ones;
        sum.add(&ones);
        assert!(sum.fields_mut().iter().all(|field| **field == 2));
        let fields = size_of::<Counters>() / size_of::<u64>();
        assert_eq!(fields, sum.fields_mut().len(), "a field is missing in the list");
    }
}
