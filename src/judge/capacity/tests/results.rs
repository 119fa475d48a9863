//! What hand-written probes come to.

use super::{probe, settings};
use crate::judge::ThresholdOutcome;
use crate::judge::capacity::{
    CapacityAbout, CapacityProbe, CapacitySummary, CapacityVerdict, Ending, Outcome, Purpose, SearchSettings, concluded,
};
use CapacityVerdict::{Found, Inconclusive, Incorrect, Interrupted, NoneHolds, Unconfirmed, Unfinished};
use Outcome::{Failed, GeneratorLimit, Held, Unclear};
use Purpose::{Bisect, Coarse, CostOfPosts, Hold, Overload};

fn made(probes: &[(Purpose, f64, Outcome)]) -> Vec<CapacityProbe> {
    let probes = (1..).zip(probes);
    probes.map(|(number, (purpose, load, outcome))| probe(&settings(), number, *purpose, *load, *outcome)).collect()
}

fn finished(probes: Vec<CapacityProbe>) -> CapacitySummary {
    concluded(CapacityAbout::default(), settings(), probes, None, Ending::Finished)
}

/// 100 held, 150 failed twice, 100 was held three times.
fn confirmed() -> Vec<CapacityProbe> {
    made(&[
        (Coarse, 100.0, Held),
        (Coarse, 150.0, Failed),
        (Coarse, 150.0, Failed),
        (Hold, 100.0, Held),
        (Hold, 100.0, Held),
        (Hold, 100.0, Held),
        (Overload, 100.0, Held),
    ])
}

#[test]
fn a_search_ends_in_one_way() {
    use Ending::{Finished, UnderWay};
    let lossy = [confirmed(), made(&[(Hold, 100.0, Outcome::Incorrect)])].concat();
    for (probes, ending, verdict, code) in [
        (confirmed(), Finished, Found, 0),
        (confirmed(), UnderWay, Unfinished, 3),
        (confirmed(), Ending::Interrupted, Interrupted, 130),
        (confirmed()[..5].to_vec(), Finished, Unconfirmed, 3),
        (confirmed()[1..3].to_vec(), Finished, NoneHolds, 99),
        (Vec::new(), Finished, Inconclusive, 3),
        (made(&[(Coarse, 100.0, Unclear)]), Finished, Inconclusive, 3),
        (lossy.clone(), Finished, Incorrect, 97),
        (lossy, UnderWay, Incorrect, 97),
    ] {
        let summary = concluded(CapacityAbout::default(), settings(), probes, None, ending);
        assert_eq!((summary.verdict, summary.exit_code), (verdict, code), "{ending:?}");
    }
}

#[test]
fn a_result_is_a_lower_bound_unless_the_target_ended_the_search() {
    for (more, at_least, reason) in [
        (&[(Coarse, 150.0, Failed), (Coarse, 150.0, Failed)][..], false, "the next load failed"),
        (&[], true, "nothing failed"),
        (&[(Coarse, 150.0, GeneratorLimit), (Coarse, 150.0, GeneratorLimit)], true, "the generator could not"),
        (
            &[
                (Coarse, 225.0, Failed),
                (Coarse, 225.0, Failed),
                (Bisect, 180.0, GeneratorLimit),
                (Bisect, 180.0, Unclear),
            ],
            true,
            "the generator could not at a load below the one that failed",
        ),
        (
            &[
                (Coarse, 225.0, GeneratorLimit),
                (Coarse, 225.0, GeneratorLimit),
                (Bisect, 180.0, Failed),
                (Bisect, 180.0, Failed),
            ],
            false,
            "the target could not at a load below that",
        ),
        (
            &[
                (Coarse, 150.0, Failed),
                (Coarse, 150.0, Failed),
                (Coarse, 150.0, GeneratorLimit),
                (Coarse, 150.0, GeneratorLimit),
            ],
            false,
            "neither could: the target failed",
        ),
    ] {
        let result = finished(made(&[&[(Coarse, 100.0, Held)][..], more].concat())).result.unwrap();
        assert_eq!((result.load, result.at_least), (100.0, at_least), "{reason}");
    }
}

#[test]
fn the_figures_are_of_the_probes_that_it_rests_on() {
    let threshold = |expr: &str, value| ThresholdOutcome {
        expr: expr.to_owned(),
        value,
        shown: String::new(),
        passed: value.map(|_| true),
    };
    let with = |probe: &mut CapacityProbe, p99_us: f64, goodput, lag_us| {
        probe.thresholds = vec![
            threshold("errors.share < 1%", Some(0.0)),
            threshold("ack.p99 < 1s", Some(2.0)),
            threshold("delivery.p99 < 250ms", Some(p99_us)),
        ];
        (probe.goodput, probe.lag_p99_us) = (Some(goodput), Some(lag_us));
    };
    let mut probes = confirmed();
    for (probe, (p99_us, goodput, lag_us)) in probes.iter_mut().zip([
        (1e3, 0.5, 9_999),
        (3e5, 0.5, 9_999),
        (3e5, 0.5, 9_999),
        (7e4, 0.99, 20),
        (5e4, 0.98, 30),
        (6e4, 1.0, 10),
        (1e3, 0.5, 9_999),
    ]) {
        with(probe, p99_us, goodput, lag_us);
    }
    let result = finished(probes.clone()).result.unwrap();
    assert_eq!((result.limit.as_deref(), result.values), (Some("delivery.p99 < 250ms"), Some((5e4, 7e4))));
    assert_eq!((result.goodput, result.lag_p99_us, result.probes), (Some(0.98), Some(30), vec![4, 5, 6]));
    // Without a hold it rests on what held at the load; without a broken latency,
    // the first of the objective stands for all.
    probes.truncate(3);
    probes[1].thresholds[2].value = Some(1e3);
    probes.push(CapacityProbe { load: 90.0, number: 4, ..probes[0].clone() });
    let result = finished(probes).result.unwrap();
    assert_eq!((result.limit.as_deref(), result.values), (Some("ack.p99 < 1s"), Some((2.0, 2.0))));
    assert_eq!((result.goodput, result.probes, result.holds), (Some(0.5), vec![1], 0));
}

#[test]
fn what_limits_is_the_latency_that_broke_at_the_load_that_failed() {
    let threshold = |expr: &str, value: f64| ThresholdOutcome {
        expr: expr.to_owned(),
        value: Some(value),
        shown: String::new(),
        passed: None,
    };
    let mut probes = made(&[
        (Coarse, 100.0, Held),
        (Coarse, 225.0, Failed),
        (Coarse, 225.0, Failed),
        (Bisect, 150.0, Unclear),
        (Bisect, 150.0, Failed),
        (Bisect, 150.0, Failed),
    ]);
    for (probe, [ack_us, delivery_us]) in
        probes.iter_mut().zip([[1e3, 1e3], [9e6, 1e3], [9e6, 1e3], [9e6, 1e3], [1e3, 9e6], [1e3, 9e6]])
    {
        probe.thresholds = vec![
            threshold("ack.count >= 100", 1.0),
            threshold("ack.p99 < 1s", ack_us),
            threshold("delivery.p99 < 250ms", delivery_us),
        ];
    }
    let limit = |probes: &[CapacityProbe]| finished(probes.to_vec()).result.unwrap().limit;
    assert_eq!(limit(&probes).as_deref(), Some("delivery.p99 < 250ms"));
    assert_eq!(limit(&probes[..3]).as_deref(), Some("ack.p99 < 1s"), "at 225");
    assert_eq!(limit(&probes[..1]).as_deref(), Some("ack.p99 < 1s"), "a count is no latency");
}

#[test]
fn the_generators_ceiling_is_a_line_through_what_held() {
    let with_cpu = |of: fn(f64) -> f64| {
        let mut probes = made(&[
            (Coarse, 100.0, Held),
            (Coarse, 200.0, Held),
            (Coarse, 400.0, Held),
            (Coarse, 600.0, Failed),
            (Coarse, 600.0, Failed),
            (CostOfPosts, 200.0, Held),
            (Coarse, 300.0, Held),
        ]);
        probes.iter_mut().for_each(|probe| probe.worker_cpu = of(probe.load));
        probes[3].worker_cpu = 0.01;
        probes[5].worker_cpu = 0.8;
        probes[6].worker_cpu = 0.0;
        finished(probes)
    };
    let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
    let summary = with_cpu(|load| 0.05 + 0.001 * load);
    let ceiling = summary.generator.unwrap();
    assert!(near(ceiling.load, 800.0) && near(ceiling.share, 0.5) && near(ceiling.worker_cpu, 0.45), "{ceiling:?}");
    assert_eq!((ceiling.worker_cpu_limit, summary.result.unwrap().at_least), (0.85, false));
    let tight = with_cpu(|load| 0.05 + 0.0015 * load);
    assert!(tight.generator.is_some_and(|ceiling| near(ceiling.share, 0.75)), "{:?}", tight.generator);
    assert!(tight.result.unwrap().at_least, "the generator may have been what ended it");
    assert_eq!(with_cpu(|_| 0.2).generator, None, "what does not grow has no ceiling");
    assert_eq!(finished(made(&[(Coarse, 100.0, Failed)])).generator, None, "nothing held");
}

#[test]
fn the_curve_is_of_what_held_or_failed() {
    let mut probes = made(&[1.0, 2.0, 3.0, 4.0, 5.0].map(|n| (Coarse, n * 100.0, Held)));
    probes.extend(made(&[
        (Coarse, 600.0, Failed),
        (Coarse, 600.0, Failed),
        (Overload, 700.0, Held),
        (Coarse, 800.0, Unclear),
    ]));
    assert_eq!(finished(probes.clone()).usl.not_identifiable, None, "six levels");
    probes.remove(0);
    let said = finished(probes).usl.not_identifiable;
    assert_eq!(said.as_deref(), Some("not identifiable: 5 of 6 levels"), "an overload is none, nor what says nothing");
}

#[test]
fn what_a_reader_must_know_is_noted() {
    let whole = SearchSettings { shortened: false, ..settings() };
    let notes = |settings: &SearchSettings, probes: &[(Purpose, f64, Outcome)]| {
        concluded(CapacityAbout::default(), settings.clone(), made(probes), None, Ending::Finished).notes
    };
    let holds = [(Hold, 100.0, Held); 3];
    let with = |more: &[(Purpose, f64, Outcome)]| [&[(Coarse, 100.0, Held)][..], more, &holds].concat();
    let up_to = |max| SearchSettings { max: Some(max), ..whole.clone() };
    let failed = |load| [(Bisect, load, Failed); 2];
    for (settings, probes, expected) in [
        (&whole, with(&failed(105.0)), &[][..]),
        (&whole, with(&failed(106.0)), &[]),
        (&whole, with(&failed(107.0)), &["what lies between 100 and 107 was not tried"]),
        (&whole, with(&[]), &["no load failed twice before the budget was used up"]),
        (&up_to(100.0), with(&[]), &["no load failed up to --max"]),
        (&up_to(101.0), with(&[]), &["no load failed twice before the budget was used up"]),
        (
            &whole,
            with(&[(Coarse, 150.0, GeneratorLimit); 2]),
            &["no load failed: what stopped the search was the generator"],
        ),
        (
            &whole,
            vec![(Coarse, 150.0, Held), (Hold, 150.0, Failed), (Hold, 144.0, Held)],
            &["150 and more was kept by short probes, and not through a hold", "1 of 3 holds: the budget was used up"],
        ),
        (&whole, vec![(Coarse, 100.0, Failed)], &[]),
    ] {
        let found = notes(settings, &probes);
        let same =
            found.len() == expected.len() && found.iter().zip(expected).all(|(one, start)| one.starts_with(start));
        assert!(same, "{found:?} and not {expected:?}");
    }
    let about = CapacityAbout { run_args: vec!["--insecure".to_owned()], ..CapacityAbout::default() };
    let noted = concluded(about, settings(), Vec::new(), None, Ending::Finished).notes;
    assert!(
        noted.len() == 2 && noted[0].contains("--insecure") && noted[1].contains("the budget of 600 s"),
        "{noted:?}"
    );
}

#[test]
fn what_was_observed_is_named() {
    for (url, source) in [(None, "the built-in server"), (Some("http://chat".to_owned()), "the target's process")] {
        let mut probes = confirmed();
        let used = crate::judge::capacity::TargetUse { cpu_s: 1.0, posts: 10, ..Default::default() };
        probes[3].target = Some(used);
        let about = CapacityAbout { url, ..CapacityAbout::default() };
        let cost = concluded(about, settings(), probes, None, Ending::Finished).cost.unwrap();
        assert_eq!((cost.source.as_str(), cost.probes), (source, vec![4]));
    }
}
