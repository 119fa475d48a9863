//! When a run ends itself: a target that fails is not beaten on.

use super::{Connections, FAULT_JITTER_US, Fault, FaultKind, RunPlan, Touches};
use serde::{Deserialize, Serialize};

/// More failed sends than this, for longer than that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRule {
    /// The share of the sends that end in a second.
    pub failed_share: f64,
    /// For how long in µs; 0 is never.
    pub failed_for_us: u64,
}

impl Default for StopRule {
    fn default() -> Self {
        Self { failed_share: 0.5, failed_for_us: 10_000_000 }
    }
}

impl RunPlan {
    /// Whether a fault of the plan may have had sends fail between two times, in
    /// µs after the start of the load: while it lasts, and as long after it as
    /// an attempt may take. A deploy goes through all of the target's processes,
    /// one after another.
    pub fn excuses_failures(&self, from_us: u64, to_us: u64, processes: u64) -> bool {
        let touches_sends = |fault: &&Fault| match fault.kind.touches() {
            Touches::Subscribers => self.send.design.is_over_socket(),
            Touches::Connections => {
                self.send.design.is_over_socket() || fault.settings.connections != Connections::Sockets
            }
            Touches::Messages | Touches::Store | Touches::Process => true,
        };
        self.faults.iter().filter(touches_sends).any(|fault| {
            // A fault of messages without a length lasts until the end.
            let lasts_us = match (fault.kind, fault.kind.touches(), fault.for_us) {
                (FaultKind::Deploy, _, length_us) => (length_us + FAULT_JITTER_US) * processes.max(1),
                (_, Touches::Messages, 0) => u64::MAX / 2,
                (_, _, length_us) => length_us + fault.settings.stall_us + FAULT_JITTER_US,
            };
            let end_us = fault.at_us + lasts_us + self.send.timeout_us + self.send.backoff.max_us;
            fault.at_us <= to_us && from_us <= end_us
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    #[test]
    fn only_a_fault_that_sends_feel_excuses_them_and_only_while_it_may() {
        let mut of = example();
        of.send.timeout_us = 1_000_000;
        of.send.backoff.max_us = 0;
        assert!(!of.excuses_failures(0, u64::MAX, 1), "without a fault there is no excuse");
        let fault = |kind| Fault { kind, at_us: 5_000_000, for_us: 2_000_000, share: 1.0, settings: <_>::default() };
        of.faults = vec![fault(FaultKind::Crash)];
        for (from_s, to_s, excused) in [(3, 4, false), (4, 5, true), (6, 7, true), (8, 9, true), (9, 10, false)] {
            let said = of.excuses_failures(from_s * 1_000_000, to_s * 1_000_000, 3);
            assert_eq!(said, excused, "from {from_s} s to {to_s} s");
        }
        of.faults = vec![fault(FaultKind::Deploy)];
        let last_us = |processes| (2_000_000 + FAULT_JITTER_US) * processes + 5_000_000 + 1_000_000;
        for processes in [1, 3] {
            let said = |at_us| of.excuses_failures(at_us, at_us + 1, processes);
            assert!(said(last_us(processes)) && !said(last_us(processes) + 1), "a deploy of {processes}");
        }
        of.faults = vec![fault(FaultKind::Disconnect)];
        assert!(!of.excuses_failures(5_000_000, 6_000_000, 1), "posts do not feel it");
    }
}
