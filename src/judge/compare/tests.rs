use super::*;
use crate::model::Random;
use std::collections::BTreeMap;

fn reading(value: f64) -> Reading {
    Reading { value, at_least: false }
}

fn pairs(metric: &str, ratios: &[f64]) -> Vec<PairRow> {
    let pair = |ratio: &f64| PairRow {
        values: BTreeMap::from([(metric.to_owned(), (reading(1_000.0), reading(1_000.0 * ratio)))]),
        ..PairRow::default()
    };
    ratios.iter().map(pair).collect()
}

fn gate(metric: &str, margin: f64) -> Gate {
    Gate { metric: metric.to_owned(), margin }
}

/// A standard normal number (Box and Muller).
fn normal(random: &mut Random) -> f64 {
    let radius = (2.0 * random.exponential()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

/// A whole comparison of builds whose runs stray by `noise` around a ratio:
/// the decision, and after how many pairs.
fn simulated(random: &mut Random, gates: &[Gate], ratio: f64, noise: f64) -> (Decision, usize) {
    let mut pairs: Vec<PairRow> = Vec::new();
    for look in looks(20) {
        while pairs.len() < look {
            let values = gates.iter().map(|gate| {
                let [a, b] = [0.0, 0.0].map(|_: f64| (normal(random) * noise).exp());
                (gate.metric.clone(), (reading(a), reading(b * ratio)))
            });
            pairs.push(PairRow { values: values.collect(), ..PairRow::default() });
        }
        let (_, decision) = decide(gates, &pairs);
        if decision != Decision::Open {
            return (decision, look);
        }
    }
    (Decision::Open, 20)
}

#[test]
fn equal_builds_raise_no_alarm_and_a_great_difference_is_seen() {
    const TRIES: usize = 600;
    let gates = default_gates().into_iter().take(3).collect::<Vec<_>>();
    let mut random = Random::new(42, "compare");
    let mut count = |gates: &[Gate], ratio: f64, noise: f64, wanted: Decision, within: usize| {
        let tries = (0..TRIES).map(|_| simulated(&mut random, gates, ratio, noise));
        tries.filter(|(decision, after)| *decision == wanted && *after <= within).count()
    };
    // 12 % of noise in every run, the worst that was seen on shared machines.
    let alarms = count(&gates, 1.0, 0.12, Decision::Regression, 20);
    assert!(alarms * 100 < TRIES, "{alarms} false alarms");
    // At the margin itself the chance is at most that of all looks.
    let at_margin = count(&gates[..1], 1.10, 0.05, Decision::Regression, 20);
    assert!(at_margin as f64 <= 0.08 * TRIES as f64, "{at_margin} at the margin");
    let passed = count(&gates, 1.0, 0.03, Decision::NoRegression, 20);
    assert!(passed * 100 > TRIES * 97, "{passed} of equal builds pass on a quiet machine");
    // 30 % worse, 6 % of noise in a run: seen within 12 pairs.
    let seen = count(&gates, 1.30, 0.06, Decision::Regression, 12);
    assert!(seen * 100 > TRIES * 97, "{seen} of {TRIES} seen");
    let seen_in_noise = count(&gates[..1], 1.30, 0.12, Decision::Regression, 20);
    assert!(seen_in_noise * 100 > TRIES * 80, "{seen_in_noise} of {TRIES} seen in noise");
}

#[test]
fn a_rate_is_worse_when_it_is_less() {
    let (outcomes, decision) = decide(&[gate("rates.achieved_per_s", 0.03)], &pairs("rates.achieved_per_s", &[0.9; 8]));
    assert_eq!(decision, Decision::Regression);
    for end in [outcomes[0].ratio, outcomes[0].low, outcomes[0].high] {
        assert!((end.unwrap() - 0.9).abs() < 1e-9, "{end:?}");
    }
    let (_, decision) = decide(&[gate("rates.achieved_per_s", 0.03)], &pairs("rates.achieved_per_s", &[1.2; 8]));
    assert_eq!(decision, Decision::NoRegression);
}

#[test]
fn what_is_only_a_lower_bound_never_passes_and_no_base_is_one() {
    let gates = [gate("ack.p99", 0.10)];
    let mut rows = pairs("ack.p99", &[1.0; 12]);
    assert_eq!(decide(&gates, &rows).1, Decision::NoRegression);
    rows[3].values.get_mut("ack.p99").unwrap().1.at_least = true;
    assert_eq!(decide(&gates, &rows).1, Decision::Open, "B may be worse than it looks");
    let stalled =
        |rows: &mut Vec<PairRow>| rows.iter_mut().for_each(|row| row.not_valid_because = Some("a stall".to_owned()));
    let mut noisy = pairs("ack.p99", &[1.0; 12]);
    stalled(&mut noisy);
    assert_eq!(decide(&gates, &noisy).1, Decision::Open, "the generator's own delays hide a difference");
    let mut rows = pairs("ack.p99", &[2.0; 8]);
    stalled(&mut rows);
    assert_eq!(decide(&gates, &rows).1, Decision::Regression);
    rows[3].values.get_mut("ack.p99").unwrap().0.at_least = true;
    let (outcomes, decision) = decide(&gates, &rows);
    assert_eq!((outcomes[0].pairs, decision), (7, Decision::Regression), "1/128 is below 0.05/3");
    assert_eq!(decide(&gates, &[]).1, Decision::Open);
    assert_eq!(decide(&[], &rows).1, Decision::Open);
}

#[test]
fn more_gates_need_more_evidence() {
    let four: Vec<Gate> = ["ack.p50", "ack.p99", "delivery.p50", "delivery.p99"].map(|name| gate(name, 0.1)).into();
    let mut rows = pairs("ack.p99", &[1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.05]);
    assert_eq!(decide(&four[1..2], &rows).1, Decision::Regression);
    assert_eq!(decide(&four, &rows).1, Decision::Open, "one of four by chance");
    rows[7] = rows[0].clone();
    let (outcomes, decision) = decide(&four, &rows);
    assert_eq!(decision, Decision::Regression, "1/256 is below 0.05/3/4");
    let verdicts: Vec<&str> = outcomes.iter().map(|outcome| outcome.verdict.as_str()).collect();
    assert_eq!(verdicts, ["open", "regression", "open", "open"]);
    // The second is held against a third of the chance, not against a quarter.
    for row in &mut rows {
        row.values.insert("ack.p50".to_owned(), row.values["ack.p99"]);
    }
    rows.iter_mut().take(1).for_each(|row| _ = row.values.remove("ack.p50"));
    let two = [gate("ack.p50", 0.1), gate("ack.p99", 0.1)];
    let (outcomes, _) = decide(&two, &rows);
    assert_eq!(
        [&*outcomes[0].verdict, &*outcomes[1].verdict],
        ["regression"; 2],
        "1/128 is below 0.05/3 once one is settled"
    );
}

#[test]
fn noise_is_the_further_end() {
    let outcome = |ratios: &[f64]| decide(&[gate("ack.p99", 0.1)], &pairs("ack.p99", ratios)).0.remove(0);
    let strayed = noise(&outcome(&[0.8, 1.0, 1.1, 1.05, 0.95, 1.0, 0.9, 1.02])).unwrap();
    assert!((0.05..0.15).contains(&strayed), "{strayed}");
    assert_eq!(noise(&outcome(&[1.0, 1.0])), None);
    let ends = |low, high| GateOutcome { low: Some(low), high: Some(high), ..outcome(&[1.0]) };
    for (low, high, strayed, reason) in [
        (0.8, 1.1, 0.25, "the lower end, as a ratio"),
        (0.95, 1.2, 0.2, "the upper end"),
        (1.1, 1.2, 0.2, "both above"),
        (0.5, 0.8, 1.0, "both below"),
    ] {
        let found = noise(&ends(low, high)).unwrap();
        assert!((found - strayed).abs() < 1e-12, "{reason}: {found}");
    }
}

#[test]
fn the_last_look_is_at_all_pairs() {
    for (most, expected) in [(20, vec![8, 12, 20]), (12, vec![8, 12]), (13, vec![8, 12, 13]), (8, vec![8])] {
        assert_eq!(looks(most), expected);
    }
}

#[test]
fn gates_are_written_as_metrics_with_a_margin() {
    for (text, metric, margin) in [
        ("ack.p99", "ack.p99", 0.10),
        ("ack.p50", "ack.p50", 0.05),
        ("target.cpu_per_message", "target.cpu_per_message", 0.05),
        ("delivery.p99.9=25%", "delivery.p99.9", 0.25),
        ("rates.delivered_per_s = 3 %", "rates.delivered_per_s", 0.03),
    ] {
        assert_eq!(parse_gate(text), Ok(gate(metric, margin)), "{text}");
    }
    for (text, error) in [
        ("ack.p98", "unknown metric \"ack.p98\"; did you mean ack.p90, ack.p95, ack.p99?"),
        ("ack.p95", "ack.p95 is in no summary; take p90 or p99"),
        ("ack.p99=0.1", "ack.p99=0.1: the margin is a percentage, such as ack.p99=10%"),
        (
            "ack.count",
            "ack.count is no latency, rate or cost: a comparison takes ack.p99, rates.achieved_per_s, \
             target.cpu_per_message, …",
        ),
        ("ack.p99=0%", "ack.p99=0%: the margin is between 0.1% and 1000%"),
        (
            "findings.acked_lost",
            "findings.acked_lost is no latency, rate or cost; findings are never a matter of statistics: one \
             alone fails a build",
        ),
    ] {
        assert_eq!(parse_gate(text), Err(error.to_owned()), "{text}");
    }
}
