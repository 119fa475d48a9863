//! The search against servers that are formulas, and the fits against curves
//! that are known.

mod costs;
mod curves;
mod lengths;
mod results;
mod search;

use super::summary::TargetUse;
use super::*;
use crate::model::Random;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A search for a rate of 200 users, in ten minutes.
fn settings() -> SearchSettings {
    let base = BaseLoad {
        rate_per_s: 400.0,
        users: 200,
        channels: 20,
        senders: 200,
        subscribers: 200,
        connect_per_s: 500.0,
        sends_over_sockets: false,
    };
    let (lengths, shortened) = Lengths::within(600.0, overhead_s(&base));
    SearchSettings {
        find: Find::Rate,
        objective: vec!["delivery.p99 < 250ms".to_owned()],
        goodput: 0.97,
        start: 100.0,
        max: None,
        budget_s: 600.0,
        warm_up_s: lengths.warm_up_s,
        probe_s: lengths.probe_s,
        hold_s: lengths.hold_s,
        overload_s: lengths.overload_s,
        shortened,
        samples: 368,
        base,
        observed: false,
    }
}

/// Searches a target that is a function of purpose and load.
fn search(settings: &SearchSettings, mut target: impl FnMut(Purpose, f64) -> Outcome) -> CapacitySummary {
    let mut probes: Vec<CapacityProbe> = Vec::new();
    while let Step::Probe { purpose, load } = next(settings, &probes) {
        assert!(probes.len() < 200, "the search does not end: {:?}", probes.last());
        let outcome = target(purpose, load);
        probes.push(probe(settings, probes.len() as u32 + 1, purpose, load, outcome));
    }
    concluded(CapacityAbout::default(), settings.clone(), probes, None, Ending::Finished)
}

fn probe(settings: &SearchSettings, number: u32, purpose: Purpose, load: f64, outcome: Outcome) -> CapacityProbe {
    let seconds: f64 = settings.phases(purpose, load).iter().map(|phase| phase.seconds).sum();
    CapacityProbe {
        number,
        purpose,
        load,
        outcome,
        run: Some(format!("probes/{number}")),
        took_s: seconds + 5.0,
        achieved_per_s: load,
        goodput: Some(1.0),
        worker_cpu: 0.1,
        worker_cpu_limit: 0.85,
        ..CapacityProbe::default()
    }
}

fn below(ceiling: f64) -> impl FnMut(Purpose, f64) -> Outcome {
    move |_, load| if load <= ceiling { Outcome::Held } else { Outcome::Failed }
}

fn purposes(summary: &CapacitySummary, wanted: Purpose) -> usize {
    summary.probes.iter().filter(|probe| probe.purpose == wanted).count()
}

#[test]
fn a_known_ceiling_is_found_and_confirmed() {
    for ceiling in [37.0, 100.0, 101.0, 640.0, 3_150.0] {
        let summary = search(&settings(), below(ceiling));
        let result = summary.result.clone().unwrap();
        assert!(result.load <= ceiling && result.load >= ceiling * 0.95, "{ceiling}: {result:?}");
        assert!(result.failed.unwrap() > ceiling && !result.at_least, "{result:?}");
        assert_eq!((result.holds, summary.verdict, summary.exit_code), (3, CapacityVerdict::Found, 0), "{ceiling}");
        assert_eq!(purposes(&summary, Purpose::Overload), 1);
        let took_s: f64 = summary.probes.iter().map(|probe| probe.took_s).sum();
        assert!(took_s <= 600.0, "{ceiling}: {took_s}");
    }
}

#[test]
fn users_are_whole() {
    let base = BaseLoad { rate_per_s: 20_000.0, ..settings().base };
    let settings = SearchSettings { find: Find::Users, start: 10.0, base, ..settings() };
    for ceiling in [1.0, 2.0, 7.0, 11.0, 613.0] {
        let result = search(&settings, below(ceiling)).result.unwrap();
        assert!(result.load <= ceiling && result.load.fract() == 0.0, "{ceiling}: {result:?}");
        assert!(result.load >= (ceiling * 0.95).floor(), "{ceiling}: {result:?}");
    }
}

#[test]
fn a_hold_that_fails_lowers_the_load() {
    let summary = search(&settings(), |purpose, load| match purpose {
        Purpose::Hold if load > 900.0 => Outcome::Failed,
        _ if load > 1_000.0 => Outcome::Failed,
        _ => Outcome::Held,
    });
    let result = summary.result.clone().unwrap();
    assert!(result.load <= 900.0 && result.load > 900.0 * 0.95, "{result:?}");
    assert_eq!(result.holds, 3);
    let holds: Vec<f64> =
        summary.probes.iter().filter(|probe| probe.purpose == Purpose::Hold).map(|probe| probe.load).collect();
    assert!(holds[0] > 900.0 && holds.windows(2).all(|pair| pair[1] <= pair[0]), "{holds:?}");
    let far = search(&SearchSettings { budget_s: 3_000.0, ..settings() }, |purpose, load| match purpose {
        Purpose::Hold if load > 500.0 => Outcome::Failed,
        _ if load > 1_000.0 => Outcome::Failed,
        _ => Outcome::Held,
    });
    let result = far.result.clone().unwrap();
    assert!(result.holds == 3 && result.load > 400.0, "steps grow: {result:?}");
    assert!(purposes(&far, Purpose::Hold) <= 9, "{}", purposes(&far, Purpose::Hold));
}

#[test]
fn what_the_generator_cannot_is_no_failure() {
    let summary = search(&settings(), |_, load| if load > 500.0 { Outcome::GeneratorLimit } else { Outcome::Held });
    let result = summary.result.clone().unwrap();
    assert!(result.at_least && result.failed.is_none() && result.load > 475.0, "{result:?}");
    assert!(summary.notes.iter().any(|note| note.contains("generator")), "{:?}", summary.notes);
    let at = |load: f64| summary.probes.iter().filter(|probe| probe.load == load).count();
    let limited = summary.probes.iter().find(|probe| probe.outcome == Outcome::GeneratorLimit).unwrap();
    assert_eq!(at(limited.load), 2, "it is tried once more, and not a third time");
    let mut stumbles = 0;
    let once = search(&settings(), |_, load| {
        stumbles += 1;
        if stumbles == 3 { Outcome::Unclear } else { below(640.0)(Purpose::Coarse, load) }
    });
    let result = once.result.unwrap();
    assert!(!result.at_least && result.load > 608.0, "a probe that said nothing once: {result:?}");
}

#[test]
fn one_stall_decides_nothing_and_two_do() {
    for (stalls, least, most, reason) in
        [(1, 608.0, 640.0, "once: it is tried again, and held"), (2, 200.0, 225.0, "twice: the latency is what limits")]
    {
        let settings = settings();
        let mut probes: Vec<CapacityProbe> = Vec::new();
        let mut left = stalls;
        while let Step::Probe { purpose, load } = next(&settings, &probes) {
            let number = probes.len() as u32 + 1;
            let mut made = probe(&settings, number, purpose, load, below(640.0)(purpose, load));
            if load == 225.0 && left > 0 {
                left -= 1;
                made.outcome = Outcome::Failed;
            }
            probes.push(made);
        }
        let result = concluded(CapacityAbout::default(), settings, probes, None, Ending::Finished).result.unwrap();
        assert!(result.load >= least && result.load <= most, "{reason}: {result:?}");
    }
}

#[test]
fn nothing_holds_or_all_does_or_messages_are_lost() {
    let none = search(&settings(), |_, _| Outcome::Failed);
    assert_eq!((none.result, none.verdict, none.exit_code), (None, CapacityVerdict::NoneHolds, 99));
    let all = search(&SearchSettings { max: Some(400.0), ..settings() }, |_, _| Outcome::Held);
    let result = all.result.unwrap();
    assert!((result.load, result.at_least, result.holds) == (400.0, true, 3), "{result:?}");
    let lossy = search(&settings(), |_, load| if load > 200.0 { Outcome::Incorrect } else { Outcome::Held });
    assert_eq!((lossy.verdict, lossy.exit_code), (CapacityVerdict::Incorrect, 97));
    assert_eq!(lossy.probes.last().map(|probe| probe.outcome), Some(Outcome::Incorrect), "nothing follows it");
    let gone = search(&settings(), |_, _| Outcome::NoRun);
    assert_eq!((gone.verdict, gone.probes.len()), (CapacityVerdict::Inconclusive, 2));
}

#[test]
fn a_small_budget_is_kept_and_said() {
    for budget_s in [20.0, 60.0, 120.0, 300.0] {
        let (lengths, shortened) = Lengths::within(budget_s, 5.0);
        assert!(shortened);
        let Lengths { warm_up_s, probe_s, hold_s, overload_s } = lengths;
        let settings = SearchSettings { budget_s, warm_up_s, probe_s, hold_s, overload_s, shortened, ..settings() };
        let summary = search(&settings, below(640.0));
        let took_s: f64 = summary.probes.iter().map(|probe| probe.took_s).sum();
        assert!(took_s <= budget_s, "{budget_s}: {took_s}");
        assert!(summary.notes[0].contains("the budget of"), "{:?}", summary.notes);
        let complete = summary.result.as_ref().is_some_and(|result| result.holds == 3);
        assert_eq!(summary.verdict == CapacityVerdict::Found, complete, "{budget_s}");
        assert!(complete || summary.notes.len() > 1, "{budget_s}: {:?}", summary.notes);
    }
    let (lengths, shortened) = Lengths::within(7_200.0, 5.0);
    assert!(!shortened && lengths.hold_s == 300.0 && lengths.warm_up_s == 15.0);
}

#[test]
fn a_search_goes_on_where_it_was_interrupted() {
    let settings = settings();
    let whole = search(&settings, below(640.0));
    for cut in 0..whole.probes.len() {
        let mut part = whole.probes[..cut].to_vec();
        let Step::Probe { purpose, load } = next(&settings, &part) else { panic!("it was not at its end") };
        assert_eq!((purpose, load), (whole.probes[cut].purpose, whole.probes[cut].load));
        let mut interrupted = probe(&settings, 99, purpose, load, Outcome::Interrupted);
        interrupted.took_s = 0.0;
        part.push(interrupted);
        assert_eq!(next(&settings, &part), Step::Probe { purpose, load }, "what was interrupted is made again");
    }
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<CapacitySummary>(&text).unwrap(), whole, "as capacity.json keeps it");
}

#[test]
fn the_time_left_shrinks_and_ends() {
    let settings = settings();
    let whole = search(&settings, below(300.0));
    let left = |probes: &[CapacityProbe]| seconds_left(&settings, probes);
    assert!(left(&[]) > 100.0 && left(&[]) < 600.0, "{}", left(&[]));
    assert_eq!(left(&whole.probes), 0.0);
    let after_coarse = whole.probes.iter().position(|probe| probe.purpose == Purpose::Bisect).unwrap();
    assert!(left(&whole.probes[..after_coarse + 2]) < left(&whole.probes[..after_coarse]));
}

proptest! {
    #[test]
    fn a_noisy_ceiling_is_found_within_five_percent(ceiling in 20.0f64..5_000.0, seed: u64, start in 10.0f64..400.0) {
        let mut random = Random::new(seed, "noise");
        // A probe fails or holds up to one per cent beside the truth.
        let summary = search(&SearchSettings { start, budget_s: 3_000.0, ..settings() }, |_, load| {
            let noise = 1.0 + (random.unit() - 0.5) * 0.02;
            if load * noise <= ceiling { Outcome::Held } else { Outcome::Failed }
        });
        let result = summary.result.clone().expect("there is one");
        prop_assert!(result.load >= ceiling * 0.95 && result.load <= ceiling * 1.05, "{} for {ceiling}", result.load);
        prop_assert_eq!(result.holds, 3, "{:?}", summary.notes);
    }

    #[test]
    fn a_known_curve_is_fitted(lambda in 50.0f64..200.0, alpha in 0.0f64..0.3, beta in 0.0f64..0.01) {
        let curve = |n: f64| lambda * n / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0));
        let points: Vec<(f64, f64)> = [1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0].map(|n| (n * 100.0, curve(n))).to_vec();
        let fit = usl::fit(&points, Some(1_500.0));
        prop_assert!(fit.not_identifiable.is_none(), "{:?}", fit.not_identifiable);
        prop_assert!((fit.alpha - alpha).abs() < 1e-6 && (fit.beta - beta).abs() < 1e-6, "{} {}", fit.alpha, fit.beta);
        prop_assert!((fit.lambda / lambda - 1.0).abs() < 1e-6 && fit.error < 1e-6);
        let end = fit.curve.last().unwrap().0;
        prop_assert!((end - 2_400.0).abs() < 1e-6, "the curve ends at 1.5 times the highest load: {end}");
        prop_assert!(fit.peak.is_none_or(|peak| peak <= 2_400.0));
    }

    #[test]
    fn a_known_cost_is_fitted(post in 1e-5f64..1e-2, delivery in 0.0f64..1e-3, socket in 0.0f64..1e-5) {
        let summary = costs(&[(100.0, 20.0, 200.0), (200.0, 20.0, 200.0), (400.0, 20.0, 200.0), (200.0, 0.0, 0.0), (1.0, 20.0, 200.0)], [post, delivery, socket]);
        let cost = summary.unwrap();
        let close = |found: Option<f64>, truth: f64| (found.unwrap() - truth).abs() <= truth * 1e-6 + 1e-9;
        prop_assert!(close(cost.cpu_s_per_1000_posts, post * 1e3), "{cost:?}");
        prop_assert!(close(cost.cpu_s_per_10000_deliveries, delivery * 1e4), "{cost:?}");
        prop_assert!(close(cost.cpu_s_per_minute_of_1000_sockets, socket * 6e4), "{cost:?}");
    }
}

#[test]
fn a_curve_needs_six_levels_and_one_past_the_knee() {
    let points: Vec<(f64, f64)> = (1..=6).map(|n| (f64::from(n) * 100.0, f64::from(n) * 90.0)).collect();
    for (points, failed, said) in [
        (&points[..5], Some(500.0), "not identifiable: 5 of 6 levels"),
        (&points[..], None, "not identifiable: no level past the knee"),
        (&[points[0]; 9], Some(50.0), "not identifiable: 1 of 6 levels"),
    ] {
        assert_eq!(usl::fit(points, failed).not_identifiable.as_deref(), Some(said));
    }
    let fit = usl::fit(&points, Some(600.0));
    assert_eq!((fit.not_identifiable, fit.alpha, fit.beta), (None, 0.0, 0.0), "a line has no bend");
    // A curve that rises faster than its load would need negative coefficients.
    let steeper: Vec<(f64, f64)> = points.iter().map(|(load, _)| (*load, load.powf(1.2))).collect();
    let fit = usl::fit(&steeper, Some(600.0));
    assert!(fit.alpha >= 0.0 && fit.beta >= 0.0 && fit.error > 0.01, "{fit:?}");
}

/// The cost that probes of (posts a second, deliveries of each, sockets) tell.
fn costs(probes: &[(f64, f64, f64)], [post, delivery, socket]: [f64; 3]) -> Option<Cost> {
    let probe = |(rank, (rate, fan_out, sockets)): (usize, &(f64, f64, f64))| {
        let seconds = 10.0 + rank as f64;
        let posts = rate * seconds;
        let purpose = if *rate < 10.0 { Purpose::CostOfSockets } else { Purpose::Hold };
        let cpu_s = post * posts + delivery * posts * fan_out + socket * sockets * seconds;
        let target = Some(TargetUse {
            cpu_s,
            seconds,
            posts: posts as u64,
            deliveries: (posts * fan_out) as u64,
            sockets: *sockets as u64,
            rss_max_bytes: Some(1 << 26),
            rss_of_sockets_bytes: Some(6_000 * *sockets as u64),
        });
        let number = rank as u32 + 1;
        CapacityProbe { number, purpose, load: *rate, outcome: Outcome::Held, target, ..CapacityProbe::default() }
    };
    cost::fit(&probes.iter().enumerate().map(probe).collect::<Vec<_>>(), 300.0, "a server")
}

#[test]
fn posts_and_deliveries_that_grow_together_are_not_told_apart() {
    let levels = [160.0, 200.0, 300.0, 400.0].map(|rate| (rate, 20.0, 200.0));
    let (alone, idle) = ((200.0, 0.0, 0.0), (1.0, 20.0, 200.0));
    let of = |more: &[(f64, f64, f64)]| costs(&[&levels, more].concat(), [1e-3, 1e-5, 1e-6]).unwrap();
    for (more, known) in [(&[][..], false), (&[idle], false), (&[alone], false), (&[alone, idle], true)] {
        let cost = of(more);
        assert_eq!(cost.unknown_because.is_none(), known, "{cost:?}");
        assert_eq!(cost.cpu_s_per_1000_posts.is_some(), known, "{cost:?}");
        assert_eq!(cost.rss_bytes_per_1000_sockets, Some(6_000_000));
    }
    assert_eq!(costs(&[], [1.0; 3]), None, "nothing was observed");
}

#[test]
fn what_a_target_sends_is_divided_by_what_it_is_for() {
    let probe = |purpose, posts, deliveries, frame_bytes| CapacityProbe {
        purpose,
        egress: Some(Egress { posts, answer_bytes: 300 * posts, deliveries, frame_bytes }),
        ..CapacityProbe::default()
    };
    let (hold, alone) = (probe(Purpose::Hold, 1_000, 20_000, 8_000_000), probe(Purpose::CostOfPosts, 3_000, 0, 0));
    let heartbeats = probe(Purpose::CostOfSockets, 10, 200, 90_000_000);
    let cost = cost::egress(&[hold.clone(), alone.clone(), heartbeats, CapacityProbe::default()]).unwrap();
    assert_eq!((cost.bytes_per_1000_posts, cost.bytes_per_10000_deliveries), (Some(300_000.0), Some(4_000_000.0)));
    assert_eq!(cost::egress(&[alone]).unwrap().bytes_per_10000_deliveries, None, "nobody was sent anything");
    assert_eq!(cost::egress(&[CapacityProbe::default()]), None);
}

#[test]
fn recovery_is_when_seconds_keep_the_objective_again() {
    let settings = SearchSettings { warm_up_s: 3.0, overload_s: 4.0, ..settings() };
    let second = |start_s: u64, p99_ms: u64| Second {
        start_s: start_s as f64,
        length_s: 1.0,
        acknowledged: 100,
        backlog: 0,
        latency_us: BTreeMap::from([("delivery".to_owned(), [1_000, 2_000, p99_ms * 1_000, p99_ms * 2_000])]),
    };
    let of = |p99_ms: &[u64]| {
        let seconds: Vec<Second> = p99_ms.iter().enumerate().map(|(rank, p99)| second(rank as u64, *p99)).collect();
        recovery(&settings, 9, 100.0, &seconds)
    };
    let back = of(&[5, 5, 5, 100, 300, 500, 700, 700, 400, 200, 100, 5, 5, 5, 5, 5, 5]);
    assert_eq!((back.recovered_after_s, back.achieved_per_s), (Some(2.0), 100.0));
    assert_eq!((back.overload, back.return_to, back.watched_s), (120.0, 80.0, 10.0));
    let never = of(&[5, 5, 5, 100, 300, 500, 700, 700, 400, 300, 300, 5, 5, 300, 300, 300, 300]);
    assert_eq!(never.recovered_after_s, None, "two good seconds are not enough");
    assert_eq!(of(&[5; 17]).recovered_after_s, Some(0.0), "it never suffered");
    let settings = SearchSettings { objective: vec!["errors.share < 1%".to_owned()], ..settings };
    let waits = |backlog| Second { backlog, ..second(0, 0) };
    let backlogs = [3, 3, 3, 50, 200, 300, 300, 200, 100, 5, 4, 3, 3, 3, 3, 3, 3];
    let seconds: Vec<Second> =
        backlogs.iter().enumerate().map(|(rank, backlog)| Second { start_s: rank as f64, ..waits(*backlog) }).collect();
    assert_eq!(recovery(&settings, 1, 100.0, &seconds).recovered_after_s, Some(2.0), "without a latency: what waits");
}
