//! Whether posthaste measures what it says it does: reported latencies against
//! the stamps of a server that answers after a known delay, a stall against
//! what arithmetic says of it, and how much load can be measured at all.

use crate::ledger::{AccuracyFact, RungFact, ShortCheck, StallFact};
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A median may be off by so much in any case, in µs: two wake-ups of a
/// process and the kernel's loopback stand between the clocks.
const ALLOWED_US: u64 = 200;
/// And by such a share of the truth.
const ALLOWED_SHARE: f64 = 0.02;
/// The p99 behind a stall may be off by such a share.
const STALL_SHARE: f64 = 0.1;

/// One latency under a known delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Accuracy {
    /// "ack" or "delivery".
    pub latency: String,
    /// The delay that the server was given, in µs.
    pub delay_us: u64,
    /// Messages a second.
    pub rate_per_s: f64,
    /// Subscribers, each with a connection of its own.
    pub subscribers: u32,
    /// Samples.
    pub samples: u64,
    /// The server's own median in µs.
    pub truth_us: u64,
    /// The reported median in µs.
    pub reported_us: u64,
    /// Reported less true, in µs.
    pub error_us: i64,
    /// What it may be either way, in µs.
    pub allowed_us: u64,
    /// Whether it is no more than that, of as many samples as were stamped.
    pub passed: bool,
}

/// A stall of the server, seen through latencies that count from the intended
/// time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Stall {
    /// How long it stood still, in µs.
    pub stall_us: u64,
    /// Length of the load in µs.
    pub load_us: u64,
    /// Messages a second.
    pub rate_per_s: f64,
    /// What p99 must be, in µs.
    pub expected_us: u64,
    /// The reported p99 of `ack` in µs.
    pub ack_p99_us: u64,
    /// The reported p99 of `delivery` in µs.
    pub delivery_p99_us: u64,
    /// The p99 of `service` in µs: what a tool reports that stamps a message
    /// when it gets round to it.
    pub service_p99_us: u64,
    /// Whether both are within a tenth of it.
    pub passed: bool,
}

/// The highest rates at which latencies were believable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Ceiling {
    /// Messages a second; 0 where none was.
    pub sends_per_s: f64,
    /// Deliveries a second meanwhile.
    pub deliveries_per_s: f64,
    /// What ended the climb, in words; `None` where nothing did.
    pub held_by: Option<String>,
    /// Messages a second that were wanted, where a workload was named.
    pub wanted_per_s: Option<f64>,
    /// Whether as many were measured; null where none were wanted.
    pub passed: Option<bool>,
}

/// A whole self-check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SelfCheck {
    /// Known delays.
    pub accuracy: Vec<Accuracy>,
    /// A known stall.
    pub stall: Stall,
    /// How far the rate can rise.
    pub ceiling: Ceiling,
    /// What could not be checked as it should be, in words.
    pub notes: Vec<String>,
    /// Whether everything passed.
    pub passed: bool,
}

/// The short check before a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ShortSelfCheck {
    /// Whether the medians were exact; null where it was skipped.
    pub passed: Option<bool>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped_because: Option<String>,
    /// Known delays.
    pub accuracy: Vec<Accuracy>,
}

/// What a median may be off by, in µs.
pub fn allowed_us(truth_us: u64) -> u64 {
    ALLOWED_US.max((truth_us as f64 * ALLOWED_SHARE) as u64)
}

/// p99 of a latency that counts from the intended time, where the server stood
/// still once. The intended times are spread evenly over the load; those of the
/// stall wait until its end and behind each other, so the wait falls from the
/// length of the stall to zero over stall ÷ (1 − λ/μ). A hundredth of all waits
/// longer than this.
pub fn stall_p99_us(stall_us: u64, load_us: u64, rate_per_s: f64, drain_per_s: f64) -> u64 {
    let hundredth_us = 0.01 * load_us as f64;
    (stall_us as f64 - hundredth_us * (1.0 - rate_per_s / drain_per_s)).max(0.0) as u64
}

/// Judges one median.
pub fn accuracy(fact: &AccuracyFact) -> Accuracy {
    let (error_us, allowed_us) =
        (fact.reported_p50_us as i64 - fact.stamped_p50_us as i64, allowed_us(fact.stamped_p50_us));
    Accuracy {
        latency: fact.latency.name().to_owned(),
        delay_us: fact.delay_us,
        rate_per_s: fact.rate_per_s,
        subscribers: fact.subscribers,
        samples: fact.samples,
        truth_us: fact.stamped_p50_us,
        reported_us: fact.reported_p50_us,
        error_us,
        allowed_us,
        passed: error_us.unsigned_abs() <= allowed_us && fact.samples > 0 && fact.samples == fact.stamped,
    }
}

/// Judges a stall.
pub fn stall(fact: &StallFact) -> Stall {
    let expected_us = stall_p99_us(fact.stall_us, fact.load_us, fact.rate_per_s, fact.drain_per_s);
    let is_near = |p99_us: u64| p99_us.abs_diff(expected_us) as f64 <= expected_us as f64 * STALL_SHARE;
    Stall {
        stall_us: fact.stall_us,
        load_us: fact.load_us,
        rate_per_s: fact.rate_per_s,
        expected_us,
        ack_p99_us: fact.ack_p99_us,
        delivery_p99_us: fact.delivery_p99_us,
        service_p99_us: fact.service_p99_us,
        passed: is_near(fact.ack_p99_us) && is_near(fact.delivery_p99_us),
    }
}

/// Judges a climb, from the lowest rate to the highest that was tried.
pub fn ceiling(rungs: &[RungFact], wanted_per_s: Option<f64>) -> Ceiling {
    let believed = rungs.iter().take_while(|rung| rung.reasons.is_empty()).count();
    let best = believed.checked_sub(1).map(|last| &rungs[last]);
    let sends_per_s = best.map_or(0.0, |rung| rung.achieved_per_s);
    let held_by = rungs.get(believed).map(|rung| {
        // A server without a core of its own holds the generator up.
        if rung.server_cpu > 0.9 && rung.server_cpu > rung.worker_cpu {
            return format!("the null server, which used {:.0} % of a core", rung.server_cpu * 100.0);
        }
        rung.reasons[0].clone()
    });
    Ceiling {
        sends_per_s,
        deliveries_per_s: best.map_or(0.0, |rung| rung.delivered_per_s),
        held_by,
        wanted_per_s,
        passed: wanted_per_s.map(|wanted| best.is_some_and(|rung| rung.rate_per_s >= wanted)),
    }
}

/// Puts a whole check together.
pub fn self_check(accuracy: Vec<Accuracy>, stall: Stall, ceiling: Ceiling, notes: Vec<String>) -> SelfCheck {
    let passed = accuracy.iter().all(|row| row.passed) && stall.passed && ceiling.passed != Some(false);
    SelfCheck { accuracy, stall, ceiling, notes, passed }
}

/// Judges the short check before a run.
pub fn short(check: &ShortCheck) -> ShortSelfCheck {
    let accuracy: Vec<Accuracy> = check.accuracy.iter().map(accuracy).collect();
    let passed = check.skipped.is_none().then(|| !accuracy.is_empty() && accuracy.iter().all(|row| row.passed));
    ShortSelfCheck { passed, skipped_because: check.skipped.clone(), accuracy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LatencyKind;

    fn fact(stamped_p50_us: u64, reported_p50_us: u64) -> AccuracyFact {
        AccuracyFact {
            latency: LatencyKind::Ack,
            delay_us: 0,
            rate_per_s: 1_000.0,
            subscribers: 40,
            samples: 1_000,
            stamped: 1_000,
            stamped_p50_us,
            reported_p50_us,
        }
    }

    #[test]
    fn a_median_is_exact_within_a_fifth_of_a_millisecond_or_two_hundredths() {
        for (stamped_us, reported_us, passed, reason) in [
            (0, 200, true, "0.2 ms in any case"),
            (0, 201, false, "more"),
            (9_000, 8_800, true, "either way"),
            (9_000, 8_799, false, "either way"),
            (100_000, 102_000, true, "two hundredths of 100 ms"),
            (100_000, 97_999, false, "more than that"),
        ] {
            let judged = accuracy(&fact(stamped_us, reported_us));
            assert_eq!(judged.passed, passed, "{reason}: {judged:?}");
        }
        let lost = AccuracyFact { samples: 999, ..fact(0, 0) };
        assert!(!accuracy(&lost).passed, "a median of other samples than were stamped");
        let none = AccuracyFact { samples: 0, stamped: 0, ..fact(0, 0) };
        assert!(!accuracy(&none).passed, "no samples prove nothing");
    }

    /// Every message of a load, one by one: intended evenly, served in order by a
    /// server that stands still once.
    fn simulated_p99_us(stall_us: u64, load_us: u64, rate_per_s: f64, drain_per_s: f64) -> u64 {
        let gap_us = 1e6 / rate_per_s;
        let (stall_from, stall_to) = (0.4 * load_us as f64, 0.4 * load_us as f64 + stall_us as f64);
        let mut free_us: f64 = 0.0;
        let mut waits: Vec<u64> = (0..(load_us as f64 / gap_us) as u64)
            .map(|rank| {
                let intended_us = rank as f64 * gap_us;
                let mut begins_us = free_us.max(intended_us);
                if (stall_from..stall_to).contains(&begins_us) {
                    begins_us = stall_to;
                }
                free_us = begins_us + 1e6 / drain_per_s;
                (free_us - intended_us) as u64
            })
            .collect();
        waits.sort_unstable();
        waits[(waits.len() as f64 * 0.99) as usize]
    }

    #[test]
    fn the_formula_of_the_stall_is_what_a_simulation_finds() {
        for (stall_us, load_us, rate_per_s, drain_per_s) in [
            (1_400_000, 20_000_000, 1_000.0, 1e9),
            (1_400_000, 20_000_000, 1_000.0, 4_000.0),
            (1_000_000, 8_000_000, 300.0, 600.0),
            (500_000, 10_000_000, 2_000.0, 2_500.0),
        ] {
            let formula_us = stall_p99_us(stall_us, load_us, rate_per_s, drain_per_s);
            let found_us = simulated_p99_us(stall_us, load_us, rate_per_s, drain_per_s);
            assert!(formula_us.abs_diff(found_us) < formula_us / 50, "{formula_us} {found_us}");
        }
        assert_eq!(stall_p99_us(50_000, 20_000_000, 100.0, 1e9), 0, "shorter than a hundredth of the load");
    }

    #[test]
    fn who_stamps_late_fails() {
        let fact = StallFact {
            stall_us: 1_400_000,
            load_us: 20_000_000,
            rate_per_s: 1_000.0,
            drain_per_s: 1e9,
            ack_p99_us: 1_200_000,
            delivery_p99_us: 1_310_000,
            service_p99_us: 300,
        };
        assert!(stall(&fact).passed);
        assert!(!stall(&StallFact { ack_p99_us: 12_000, ..fact.clone() }).passed);
        assert!(!stall(&StallFact { delivery_p99_us: 1_321_000, ..fact }).passed);
    }

    #[test]
    fn the_ceiling_is_the_last_rate_that_can_be_believed() {
        let rung = |rate_per_s: f64, reason: &str, server_cpu| RungFact {
            rate_per_s,
            achieved_per_s: rate_per_s,
            delivered_per_s: 2.0 * rate_per_s,
            reasons: Some(reason.to_owned()).filter(|reason| !reason.is_empty()).into_iter().collect(),
            worker_cpu: 0.8,
            server_cpu,
        };
        let climb = [rung(10.0, "", 0.1), rung(20.0, "", 0.2), rung(40.0, "lag", 0.4), rung(80.0, "", 0.8)];
        let found = ceiling(&climb, Some(20.0));
        assert_eq!((found.sends_per_s, found.deliveries_per_s), (20.0, 40.0));
        assert_eq!((found.held_by.as_deref(), found.passed), (Some("lag"), Some(true)));
        assert_eq!(ceiling(&climb, Some(21.0)).passed, Some(false));
        assert_eq!(ceiling(&climb[..2], None).held_by, None);
        let by_server = ceiling(&[rung(10.0, "lag", 0.95)], None);
        assert!(by_server.held_by.is_some_and(|words| words.contains("null server")));
        assert_eq!((by_server.sends_per_s, by_server.passed), (0.0, None));
        for (worker_cpu, server_cpu, reason) in [
            (0.8, 0.9, "the server had some of its core left"),
            (0.95, 0.95, "the worker used as much"),
            (0.99, 0.95, "the worker used more"),
        ] {
            let rung = RungFact { worker_cpu, ..rung(10.0, "lag", server_cpu) };
            assert_eq!(ceiling(&[rung], None).held_by.as_deref(), Some("lag"), "{reason}");
        }
    }

    #[test]
    fn a_whole_check_passes_where_all_of_it_does() {
        let passing = StallFact {
            stall_us: 1_400_000,
            load_us: 20_000_000,
            rate_per_s: 1_000.0,
            drain_per_s: 1e9,
            ack_p99_us: 1_200_000,
            delivery_p99_us: 1_200_000,
            service_p99_us: 300,
        };
        let failing = StallFact { ack_p99_us: 0, ..passing.clone() };
        for (accurate, stalled, wanted, passed, reason) in [
            (true, &passing, Some(true), true, "all of it"),
            (true, &passing, None, true, "no load was wanted"),
            (false, &passing, Some(true), false, "a median is off"),
            (true, &failing, Some(true), false, "the stall was not seen"),
            (true, &passing, Some(false), false, "the wanted load cannot be measured"),
        ] {
            let rows = vec![accuracy(&fact(0, 0)), accuracy(&fact(0, if accurate { 0 } else { 1_000 }))];
            let ceiling = Ceiling { passed: wanted, ..Ceiling::default() };
            assert_eq!(self_check(rows, stall(stalled), ceiling, Vec::new()).passed, passed, "{reason}");
        }
    }

    #[test]
    fn a_short_check_passes_fails_or_says_why_it_was_not_made() {
        let of = |accuracy: Vec<AccuracyFact>| short(&ShortCheck { accuracy, ..ShortCheck::default() });
        assert_eq!(of(vec![fact(0, 100)]).passed, Some(true));
        assert_eq!(of(vec![fact(0, 100), fact(0, 300)]).passed, Some(false));
        assert_eq!(of(Vec::new()).passed, Some(false));
        let skipped = short(&ShortCheck { skipped: Some("no".to_owned()), ..ShortCheck::default() });
        assert_eq!((skipped.passed, skipped.skipped_because.as_deref()), (None, Some("no")));
    }
}
