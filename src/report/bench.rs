//! The summary as `bench.json`: what tools that keep a history of benchmarks
//! take, a list of figures of which less is better.

use crate::judge::RunSummary;
use crate::model::LatencyKind;
use serde_json::{Value, json};

/// `[{"name", "unit", "value"}, …]`, the "customSmallerIsBetter" of
/// github-action-benchmark. Latencies that are withheld or only lower bounds
/// are left out: a history keeps what was measured.
pub fn bench(summary: &RunSummary) -> String {
    let mut rows: Vec<Value> = Vec::new();
    let mut add = |name: &str, unit: &str, value: f64| {
        rows.push(json!({ "name": format!("{} · {name}", summary.workload), "unit": unit, "value": value }));
    };
    for kind in [LatencyKind::Ack, LatencyKind::Delivery, LatencyKind::Heal] {
        let Some(latency) = summary.latency_us.get(kind.name()).filter(|latency| !latency.withheld) else { continue };
        for (name, value) in [("p50", latency.p50), ("p99", latency.p99)] {
            let is_bound = latency.lower_bounds.iter().any(|bound| bound == name);
            if let Some(us) = value.filter(|_| !is_bound) {
                add(&format!("{} {name}", kind.name()), "ms", us as f64 / 1e3);
            }
        }
    }
    let ledger = &summary.ledger;
    let left = ledger.intended - ledger.unattempted;
    if left > 0 {
        add("errors", "%", (ledger.rejected + ledger.unknown) as f64 * 100.0 / left as f64);
    }
    let process = summary.target_process.as_ref().filter(|process| process.unknown_because.is_none());
    if let Some(process) = process.filter(|_| ledger.acknowledged + ledger.written > 0) {
        let us = process.cpu_s * 1e6 / (ledger.acknowledged + ledger.written) as f64;
        add("target CPU a message", "µs", us);
        process.rss_max_bytes.into_iter().for_each(|bytes| add("target memory", "MB", bytes as f64 / 1e6));
    }
    let findings = summary.findings.iter().filter(|(_, finding)| finding.checked);
    let zero = findings.filter(|(_, finding)| finding.class == crate::judge::FindingClass::Zero);
    add("findings of class zero", "count", zero.map(|(_, finding)| finding.count).sum::<u64>() as f64);
    serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_summary::{failed, inconclusive, passed};

    #[test]
    fn only_what_was_measured() {
        let names = |summary: &RunSummary| -> Vec<String> {
            let rows: Vec<Value> = serde_json::from_str(&bench(summary)).unwrap();
            rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
        };
        assert!(names(&passed()).contains(&"steady · ack p99".to_owned()), "{:?}", names(&passed()));
        assert_eq!(names(&inconclusive()), ["steady · errors", "steady · findings of class zero"]);
        let rows: Vec<Value> = serde_json::from_str(&bench(&failed())).unwrap();
        assert_eq!(rows.last().unwrap()["value"], 5.0);
    }
}
