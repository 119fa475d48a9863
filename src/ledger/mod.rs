//! What happened to every message, exactly.
//!
//! A shard of a run writes here while it runs; shards merge into one ledger at
//! the end ([`Ledger::merge`] is the one merge function). The ledger holds
//! facts: it must not know what a violation is (that is `judge`'s), and it
//! never drops anything without counting it.

mod changes;
mod encode;
mod facts;
mod interval;
mod latency;
mod page_log;
mod probe;
mod reads;
mod record;
mod run_set;
mod self_check;
mod send_log;
mod sends;
mod subscriber;
mod window;

pub use changes::{ChangeRow, Reaction, ThreadRead};
pub use encode::{DecodeError, LedgerEncoder, LedgerPiece, decode_ledger};
pub use facts::{Facts, FirstSeen, Leak, Reordered};
pub use interval::{IntervalFigures, IntervalLatency, MeasuredInterval};
pub use latency::{Latencies, new_histogram};
pub use page_log::{NoSpill, PageLog, Spill};
pub use probe::{
    Again, AnswerFact, PagingFact, PostFact, ProbeFacts, RefusalFact, RepeatFact, ResumeFact, ShownFact, TextFact,
};
pub use reads::{FinalRead, HistoryRow, PageRecord, PointRead, RowText};
pub use record::{
    AppFigures, BadSeconds, Drain, FaultRecord, GeneratorFigures, HintFigures, RunRecord, TargetFigures, WorkerFigures,
};
pub use run_set::{Arrival, RunSet};
pub use self_check::{AccuracyFact, RungFact, ShortCheck, StallFact};
pub use send_log::{SendHead, SendLog};
pub use sends::SendRow;
pub use subscriber::{Absence, Connection, ConnectionEnd, SubscriberLog};
pub use window::{CatchUpKind, LiveArrival, StreamWindow};

/// Everything that one shard, or after merging the whole run, has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// One row for each intended message.
    pub sends: Vec<SendRow>,
    /// One log for each subscriber.
    pub subscribers: Vec<SubscriberLog>,
    /// The pages of history that subscribers read.
    pub pages: PageLog,
    /// The final reads of every channel.
    pub final_reads: Vec<FinalRead>,
    /// Reads of single messages that both final reads lack.
    pub point_reads: Vec<PointRead>,
    /// What was seen in frames and rows beside deliveries.
    pub facts: Facts,
    /// One row for each intended change of a message.
    pub changes: Vec<ChangeRow>,
    /// The threads of messages that were replied to.
    pub threads: Vec<ThreadRead>,
}

impl Ledger {
    /// Joins the ledgers of two shards. The order does not matter to the
    /// judge.
    pub fn merge(mut self, other: Ledger) -> Ledger {
        self.sends.extend(other.sends);
        self.subscribers.extend(other.subscribers);
        self.pages.append(other.pages);
        self.final_reads.extend(other.final_reads);
        self.point_reads.extend(other.point_reads);
        self.facts.merge(other.facts);
        self.changes.extend(other.changes);
        self.threads.extend(other.threads);
        self
    }
}
