//! The merged ledger in, findings, latency figures and a verdict out: pure.
//!
//! What a violation *is* stands here and nowhere else. It must not know how a
//! message was sent or which server it was sent to.

mod summary;

pub use summary::{
    Correctness, Example, FindingClass, FindingSummary, GeneratorSummary, LatencySummary, LedgerCounts, Measurement,
    Rates, RunSummary, ThresholdOutcome, TimeSpan, Verdict, WorkerSummary,
};
