//! How long probes take, how many users they have, and when a target was itself
//! again.

use super::{probe, settings};
use crate::judge::capacity::{
    BaseLoad, Find, Lengths, Outcome, Phase, Purpose, SearchSettings, Second, overhead_s, recovery,
};
use std::collections::BTreeMap;

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9 * other.abs().max(1.0)
}

#[test]
fn a_budget_is_shared_out_over_all_planned_runs() {
    // Sixteen probes, two for the cost, five holds and an overload, each with its
    // warm-up and 5 s beside its load.
    let all_s = 18.0 * (15.0 + 30.0) + 5.0 * (15.0 + 300.0) + 15.0 + 30.0 + 75.0;
    let share = (1_000.0 - 24.0 * 5.0) / all_s;
    let (lengths, shortened) = Lengths::within(1_000.0, 5.0);
    assert!(shortened && near(lengths.warm_up_s, 15.0 * share), "{lengths:?}");
    assert!(near(lengths.probe_s, 30.0 * share) && near(lengths.hold_s, 300.0 * share), "{lengths:?}");
    assert!(near(lengths.overload_s, 30.0 * share), "{lengths:?}");
    let (exact, shortened) = Lengths::within(all_s + 24.0 * 5.0, 5.0);
    assert_eq!((exact.hold_s, shortened), (300.0, false), "just enough");
}

#[test]
fn what_a_run_takes_beside_its_load() {
    let base = BaseLoad { users: 3_000, subscribers: 200, connect_per_s: 50.0, ..settings().base };
    assert_eq!(overhead_s(&base), 4.0 + 4.0 + 3.0);
    assert_eq!(overhead_s(&BaseLoad { connect_per_s: 0.5, ..base }), 4.0 + 200.0 + 3.0, "one a second at least");
    let settings = SearchSettings { base, ..settings() };
    let load_s = settings.warm_up_s + settings.hold_s;
    assert!(near(settings.takes_s(Purpose::Hold, 400.0, &[]), load_s + 11.0), "before there was a run");
    // Beside their load these took 2, 30, 4, 9 and 5 s; one that left no run is not one.
    let mut probes: Vec<_> = [2.0, 30.0, 4.0, 9.0, 5.0]
        .map(|over_s| {
            let mut made = probe(&settings, 1, Purpose::Coarse, 400.0, Outcome::Held);
            made.took_s += over_s - 5.0;
            made
        })
        .into();
    probes.push(probe(&settings, 6, Purpose::Coarse, 400.0, Outcome::NoRun));
    probes[5].run = None;
    assert!(near(settings.takes_s(Purpose::Hold, 400.0, &probes), load_s + 5.0), "the median of them");
}

#[test]
fn the_schedule_of_each_purpose() {
    let settings =
        SearchSettings { warm_up_s: 3.0, probe_s: 10.0, hold_s: 60.0, overload_s: 8.0, samples: 368, ..settings() };
    let phase = |is_warm_up, seconds, rate_per_s| Phase { is_warm_up, seconds, rate_per_s };
    for (purpose, load, expected, reason) in [
        (Purpose::Coarse, 100.0, vec![phase(true, 3.0, 100.0), phase(false, 10.0, 100.0)], "samples enough"),
        (Purpose::Bisect, 20.0, vec![phase(true, 3.0, 20.0), phase(false, 22.08, 20.0)], "a fifth more than it needs"),
        (Purpose::Coarse, 2.0, vec![phase(true, 3.0, 2.0), phase(false, 120.0, 2.0)], "and no longer than that"),
        (Purpose::Hold, 5.0, vec![phase(true, 3.0, 5.0), phase(false, 88.32, 5.0)], "a hold too"),
        (Purpose::CostOfPosts, 2.0, vec![phase(true, 3.0, 2.0), phase(false, 10.0, 2.0)], "no latency is asked for"),
        (Purpose::CostOfSockets, 50.0, vec![phase(true, 3.0, 1.0), phase(false, 10.0, 1.0)], "idle sockets"),
        (
            Purpose::Overload,
            100.0,
            vec![phase(true, 3.0, 80.0), phase(false, 8.0, 120.0), phase(false, 20.0, 80.0)],
            "a fifth above, and then watched",
        ),
    ] {
        let found = settings.phases(purpose, load);
        assert_eq!(found.len(), expected.len(), "{reason}");
        for (found, expected) in found.iter().zip(&expected) {
            let same = found.is_warm_up == expected.is_warm_up;
            let same = same && near(found.seconds, expected.seconds) && near(found.rate_per_s, expected.rate_per_s);
            assert!(same, "{reason}: {found:?}");
        }
    }
}

#[test]
fn what_grows_with_the_users() {
    let base =
        BaseLoad { rate_per_s: 400.0, users: 200, channels: 20, senders: 100, subscribers: 50, ..settings().base };
    let rate = SearchSettings { base, ..settings() };
    assert_eq!((rate.rate_of(130.0), rate.population_of(130.0)), (130.0, [200, 20, 100, 50]), "nothing with a rate");
    let users = SearchSettings { find: Find::Users, base, ..settings() };
    for (load, rate_per_s, population) in
        [(300.0, 600.0, [300, 30, 150, 75]), (10.0, 20.0, [10, 1, 5, 3]), (1.0, 2.0, [1, 1, 1, 0])]
    {
        assert_eq!((users.rate_of(load), users.population_of(load)), (rate_per_s, population), "{load} users");
    }
    let more = BaseLoad { senders: 300, subscribers: 300, ..users.base };
    let more = SearchSettings { base: more, ..users };
    assert_eq!(more.population_of(100.0), [100, 10, 100, 100], "no more than there are users");
}

#[test]
fn the_slowest_quantile_says_how_many_samples_are_needed() {
    for (objective, samples) in [
        (&["delivery.p50 < 1s"][..], 6),
        (&["delivery.max < 1s"], 6),
        (&["ack.p90 < 1s"], 36),
        (&["ack.p95 < 1s"], 72),
        (&["ack.p99 < 1s", "ack.p50 < 1s"], 368),
        (&["ack.p99.9 < 1s"], 3_688),
        (&["ack.p99.99 < 1s"], 36_887),
        (&["errors.share < 1%"], 100),
        (&[], 100),
    ] {
        let objective: Vec<String> = objective.iter().map(|expr| (*expr).to_owned()).collect();
        assert_eq!(SearchSettings::samples_of(&objective), samples, "{objective:?}");
    }
}

/// The recovery of an overload from 3 s to 7 s, which is watched until 17 s.
fn recovered(objective: &str, seconds: impl Iterator<Item = Second>) -> crate::judge::capacity::Recovery {
    let settings =
        SearchSettings { warm_up_s: 3.0, overload_s: 4.0, objective: vec![objective.to_owned()], ..settings() };
    let at = |(rank, second): (usize, Second)| Second { start_s: rank as f64, length_s: 1.0, ..second };
    recovery(&settings, 9, 100.0, &seconds.enumerate().map(at).collect::<Vec<_>>())
}

#[test]
fn only_whole_seconds_of_the_overload_say_what_was_achieved() {
    let acknowledged = |acknowledged| Second { acknowledged, ..Second::default() };
    let seconds = [1, 1, 1, 60, 70, 80, 90, 1_000, 1_000].map(acknowledged);
    assert_eq!(recovered("ack.p99 < 1s", seconds.into_iter()).achieved_per_s, 75.0);
    assert_eq!(recovered("ack.p99 < 1s", std::iter::empty()).achieved_per_s, 0.0, "there was none");
}

#[test]
fn each_quantile_of_a_second_is_held_against_its_own_threshold() {
    for (expr, after_s) in [
        ("ack.p50 < 15ms", Some(0.0)),
        ("ack.p90 < 15ms", None),
        ("ack.p90 < 25ms", Some(0.0)),
        ("ack.p95 < 25ms", None),
        ("ack.p99 < 35ms", Some(0.0)),
        ("ack.max < 35ms", None),
        ("ack.max < 45ms", Some(0.0)),
    ] {
        let latency_us = BTreeMap::from([("ack".to_owned(), [10_000, 20_000, 30_000, 40_000])]);
        let second = Second { latency_us, ..Second::default() };
        assert_eq!(recovered(expr, std::iter::repeat_n(second, 17)).recovered_after_s, after_s, "{expr}");
    }
}

#[test]
fn three_seconds_within_the_watch_must_keep_it() {
    let of = |backlogs: &[u64]| {
        let second = |backlog: &u64| Second { backlog: *backlog, ..Second::default() };
        recovered("errors.share < 1%", backlogs.iter().map(second)).recovered_after_s
    };
    // Before the overload at most 7 waited.
    let before = [0, 7, 0, 90, 90, 90, 90];
    let after = |backlogs: [u64; 12]| of(&[&before[..], &backlogs].concat());
    assert_eq!(after([90, 14, 14, 14, 90, 90, 90, 90, 90, 90, 90, 90]), Some(1.0), "twice as many");
    assert_eq!(after([90, 15, 15, 15, 90, 90, 90, 90, 90, 90, 90, 90]), None, "one more");
    assert_eq!(after([90, 90, 90, 90, 90, 90, 90, 0, 0, 0, 90, 90]), Some(7.0), "the last three that are watched");
    assert_eq!(after([90, 90, 90, 90, 90, 90, 90, 90, 0, 0, 0, 0]), None, "after that nobody looks");
    assert_eq!(of(&[0, 0, 0, 90, 90, 90, 90, 10, 10, 10]), Some(0.0), "ten are none");
    assert_eq!(of(&[0, 0, 0, 90, 90, 90, 90, 11, 11, 11]), None, "eleven are not");
}
