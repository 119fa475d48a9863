//! What the orchestrator knows about the run as a whole.

use super::ShortCheck;
use serde::{Deserialize, Serialize};

/// How the run went, apart from its messages. Times are µs since the start of
/// the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the run and of its folder.
    pub run_id: String,
    /// The 64 bits that stand in every text.
    pub run_number: u64,
    /// Wall clock at the start of the run, RFC 3339 in UTC.
    pub started_at: String,
    /// Where the target was.
    pub url: String,
    /// Start of the schedule.
    pub load_start_us: u64,
    /// When the last message was intended, or intending stopped.
    pub load_end_us: u64,
    /// End of the run.
    pub ended_us: u64,
    /// Messages that the whole schedule intends.
    pub scheduled: u64,
    /// Whether a signal asked the run to end early.
    pub interrupted: bool,
    /// Why the run ended itself early, if it did.
    pub stopped: Option<String>,
    /// Whether the process ended before the run: the ledger is a checkpoint.
    pub killed: bool,
    /// What a reader must know about how the ledger was held.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How the drain went.
    pub drain: Drain,
    /// What became of each fault of the plan, by its rank.
    #[serde(default)]
    pub faults: Vec<FaultRecord>,
    /// The generator's own figures.
    pub generator: GeneratorFigures,
    /// What the target's process used, where it was observed.
    #[serde(default)]
    pub target: Option<TargetFigures>,
    /// The short check of posthaste itself before the run.
    #[serde(default)]
    pub self_check: Option<ShortCheck>,
}

/// What the target's process used from the first intended message until the
/// quiet time behind the last one was over: before its history was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFigures {
    /// What was observed: "process 4711".
    pub source: String,
    /// Length of that time in µs.
    pub window_us: u64,
    /// CPU time in µs.
    pub cpu_us: u64,
    /// Resident memory in bytes before the subscriptions; `None` where the
    /// source does not tell.
    pub rss_before_bytes: Option<u64>,
    /// With all subscriptions, before the first message.
    pub rss_connected_bytes: Option<u64>,
    /// The largest until the end of that time.
    pub rss_max_bytes: Option<u64>,
    /// Why nothing of all this is known, where it is not.
    pub failure: Option<String>,
}

/// How the drain went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// When it began; 0 if it did not.
    pub began_us: u64,
    /// When every subscriber had caught up, or the deadline passed.
    pub caught_up_us: Option<u64>,
    /// Each reason why a step of it is not complete.
    pub failures: Vec<String>,
}

/// What became of one fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// When it first touched something.
    pub fired_us: Option<u64>,
    /// When it had last ended for somebody.
    pub healed_us: Option<u64>,
    /// How many subscribers, messages or processes it touched.
    pub touched: u64,
}

impl FaultRecord {
    /// It touched something from one time to another.
    pub fn touch(&mut self, from_us: u64, to_us: u64) {
        self.merge(&FaultRecord { fired_us: Some(from_us), healed_us: Some(to_us), touched: 1 });
    }

    /// Adds what another worker saw of it.
    pub fn merge(&mut self, other: &FaultRecord) {
        self.fired_us = self.fired_us.into_iter().chain(other.fired_us).min();
        self.healed_us = self.healed_us.max(other.healed_us);
        self.touched += other.touched;
    }
}

/// The generator's own figures: they say whether latencies can be believed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorFigures {
    /// One entry for each worker thread.
    pub workers: Vec<WorkerFigures>,
    /// CPU time of the whole process in µs.
    pub cpu_us: u64,
    /// Largest resident memory in bytes.
    pub rss_bytes: u64,
    /// Most descriptors that were open at once.
    pub descriptors: u64,
    /// Values that no histogram could hold.
    pub histogram_errors: u64,
    /// Connections refused for want of descriptors or ports: the generator's
    /// fault.
    pub exhausted: u64,
    /// How long the machine slept during the run, in µs.
    pub suspended_us: u64,
    /// How often the cgroup held the process back during the load.
    pub throttled: u64,
    /// The largest step of the wall clock between two looks at it, in µs.
    #[serde(default)]
    pub stepped_us: u64,
    /// When something was wrong, in µs since the start of the run, by the second.
    #[serde(default)]
    pub bad: BadSeconds,
}

/// When something of the whole process was wrong: the seconds, each by an instant
/// in it in µs since the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BadSeconds {
    /// Sends left later than the plan allows, at the p99 of the second.
    pub lagging: Vec<u64>,
    /// The cgroup held the process back.
    pub throttled: Vec<u64>,
    /// The machine slept.
    pub suspended: Vec<u64>,
    /// The wall clock was set.
    pub stepped: Vec<u64>,
    /// Connections failed for want of descriptors or ports.
    pub exhausted: Vec<u64>,
}

/// What subscribers did as apps, beside processing each event once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppFigures {
    /// Copies of events that an app knew by their `event_id`, and dropped. They
    /// are no live duplicates: those are copies that it could not tell.
    pub recognised: u64,
    /// Events that an app failed to take, as the workload asked.
    pub failed: u64,
    /// How often an app died over an event, as the workload asked.
    pub crashes: u64,
    /// Events that it had acknowledged, and lost when it died.
    pub lost: u64,
    /// Requests that were not signed, or not in time, and dropped.
    pub unverified: u64,
}

/// What became of what nobody keeps: a figure, never a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HintFigures {
    /// How often a user typed, and its socket took it.
    pub typing_sent: u64,
    /// To how many other subscribers of the channel that was of interest,
    /// whether they were connected or not.
    pub typing_expected: u64,
    /// To how many it was shown.
    pub typing_shown: u64,
    /// How often a user asked whether another one is there.
    pub presence_asked: u64,
    /// How often it was told.
    pub presence_told: u64,
    /// Slash commands and clicks.
    pub actions_asked: u64,
    /// Of these, answered by the app.
    pub actions_answered: u64,
}

impl HintFigures {
    /// Adds another worker's.
    pub fn add(&mut self, other: &HintFigures) {
        self.typing_sent += other.typing_sent;
        self.typing_expected += other.typing_expected;
        self.typing_shown += other.typing_shown;
        self.presence_asked += other.presence_asked;
        self.presence_told += other.presence_told;
        self.actions_asked += other.actions_asked;
        self.actions_answered += other.actions_answered;
    }
}

/// Figures of one worker thread, of the time of the load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerFigures {
    /// CPU time of the thread in µs.
    pub cpu_us: u64,
    /// Wall time in µs.
    pub wall_us: u64,
    /// Ticks of the canary.
    pub canary_ticks: u64,
    /// Ticks that came later than the plan allows.
    pub canary_late: u64,
    /// The latest tick in µs.
    pub canary_worst_us: u64,
    /// When ticks came late: once for each second, in µs since the start of the
    /// run.
    #[serde(default)]
    pub late_at_us: Vec<u64>,
    /// When the thread used more of a core than the plan allows, likewise.
    #[serde(default)]
    pub busy_at_us: Vec<u64>,
    /// How often it was looked how long something lies in a socket of the worker
    /// until it is read.
    #[serde(default)]
    pub receive_looks: u64,
    /// p99 of that time in µs.
    #[serde(default)]
    pub receive_wait_p99_us: u64,
    /// The longest in µs.
    #[serde(default)]
    pub receive_wait_worst_us: u64,
    /// When it was longer than the plan allows, by the second.
    #[serde(default)]
    pub unread_at_us: Vec<u64>,
    /// How often its users tapped a failed message.
    #[serde(default)]
    pub taps: u64,
    /// Bytes of the answers to its attempts.
    #[serde(default)]
    pub answer_bytes: u64,
    /// Bytes of the frames that its subscribers were sent.
    #[serde(default)]
    pub frame_bytes: u64,
    /// What its subscribers did as apps.
    #[serde(default)]
    pub apps: AppFigures,
    /// What became of its users' hints and questions.
    #[serde(default)]
    pub hints: HintFigures,
    /// What its users saw of each fault of the plan, by its rank.
    #[serde(default)]
    pub faults: Vec<FaultRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fault_touched_adds_up() {
        let mut record = FaultRecord::default();
        for (from_us, to_us) in [(20, 30), (10, 15), (25, 40)] {
            record.touch(from_us, to_us);
        }
        let whole = FaultRecord { fired_us: Some(10), healed_us: Some(40), touched: 3 };
        assert_eq!(record, whole);
        record.merge(&FaultRecord::default());
        assert_eq!(record, whole, "a worker that saw nothing of it");
        let mut other = FaultRecord::default();
        other.merge(&record);
        assert_eq!(other, whole);
    }

    #[test]
    fn hints_of_workers_add_up() {
        let worker = |times: u64| HintFigures {
            typing_sent: times,
            typing_expected: 2 * times,
            typing_shown: 3 * times,
            presence_asked: 4 * times,
            presence_told: 5 * times,
            actions_asked: 6 * times,
            actions_answered: 7 * times,
        };
        let mut sum = HintFigures::default();
        sum.add(&worker(2));
        sum.add(&worker(3));
        assert_eq!(sum, worker(5));
    }
}
