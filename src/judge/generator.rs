//! The generator's own figures, as they stand in the summary.

use super::summary::{GeneratorSummary, WorkerSummary};
use super::{Input, measurement, self_check};
use crate::ledger::WorkerFigures;

/// The figures of a run.
pub(super) fn summary(input: &Input) -> GeneratorSummary {
    let figures = &input.record.generator;
    let worker = |worker: &WorkerFigures| WorkerSummary {
        cpu_fraction: measurement::cpu_fraction(worker),
        canary_late_share: measurement::late_share(worker),
        canary_worst_us: worker.canary_worst_us,
    };
    GeneratorSummary {
        cpu_fraction: measurement::share(figures.cpu_us, input.record.ended_us),
        rss_bytes: figures.rss_bytes,
        descriptors: figures.descriptors,
        lag_p99_us: measurement::lag_p99_us(input),
        exhausted: figures.exhausted,
        answer_bytes: figures.workers.iter().map(|worker| worker.answer_bytes).sum(),
        frame_bytes: figures.workers.iter().map(|worker| worker.frame_bytes).sum(),
        receive_wait_p99_us: measurement::receive_wait_p99_us(input),
        throttled: figures.throttled,
        self_check: input.record.self_check.as_ref().map(self_check::short),
        workers: figures.workers.iter().map(worker).collect(),
    }
}
