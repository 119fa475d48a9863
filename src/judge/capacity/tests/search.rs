//! The next probe, from probes written by hand.

use super::{probe, settings};
use crate::judge::capacity::{
    BaseLoad, CapacityProbe, Find, Outcome, Purpose, SearchSettings, Step, next, seconds_left,
};
use Outcome::{Failed, GeneratorLimit, Held, Incorrect, Interrupted, NoRun, Unclear};
use Purpose::{Bisect, Coarse, CostOfPosts, CostOfSockets, Hold, Overload};

/// What was probed: purpose, load, outcome; what is next; and why.
type Row<'r> = (&'r [(Purpose, f64, Outcome)], Option<(Purpose, f64)>, &'r str);

fn made(settings: &SearchSettings, probes: &[(Purpose, f64, Outcome)]) -> Vec<CapacityProbe> {
    let probes = (1..).zip(probes);
    probes.map(|(number, (purpose, load, outcome))| probe(settings, number, *purpose, *load, *outcome)).collect()
}

fn check(settings: &SearchSettings, rows: &[Row]) {
    for (probes, expected, reason) in rows {
        let step = expected.map_or(Step::Done, |(purpose, load)| Step::Probe { purpose, load });
        assert_eq!(next(settings, &made(settings, probes)), step, "{reason}");
    }
}

/// A search that has time for everything.
fn patient() -> SearchSettings {
    SearchSettings { budget_s: 1e6, ..settings() }
}

#[test]
fn up_until_it_fails_and_then_between() {
    check(
        &patient(),
        &[
            (&[], Some((Coarse, 100.0)), "the start"),
            (&[(Coarse, 100.0, Held)], Some((Coarse, 150.0)), "half as much again"),
            (&[(Coarse, 100.0, Held), (Coarse, 150.0, Failed)], Some((Coarse, 150.0)), "it may have been a stall"),
            (
                &[(Coarse, 100.0, Held), (Coarse, 150.0, Failed), (Coarse, 150.0, Held)],
                Some((Coarse, 225.0)),
                "it was one",
            ),
            (
                &[(Coarse, 100.0, Held), (Coarse, 150.0, Failed), (Coarse, 150.0, Failed)],
                Some((Bisect, 122.5)),
                "the geometric middle, to three digits behind the first",
            ),
            (
                &[(Coarse, 100.0, Held), (Coarse, 150.0, Unclear), (Coarse, 150.0, GeneratorLimit)],
                Some((Bisect, 122.5)),
                "what says nothing twice must not be reached either",
            ),
            (
                &[(Coarse, 100.0, Held), (Coarse, 150.0, Unclear), (Coarse, 150.0, Failed)],
                Some((Coarse, 150.0)),
                "one of each is neither",
            ),
            (
                &[(Coarse, 100.0, Held), (Coarse, 150.0, Failed), (Coarse, 150.0, Held), (Coarse, 150.0, Failed)],
                Some((Bisect, 122.5)),
                "what failed twice is not held, though it held in between",
            ),
            (&[(Coarse, 100.0, Failed), (Coarse, 100.0, Failed)], Some((Coarse, 66.67)), "down by the same step"),
            (
                &[(Coarse, 100.0, Held), (Bisect, 106.0, Failed), (Bisect, 106.0, Failed)],
                Some((Bisect, 103.0)),
                "more than 5 % lie between",
            ),
            (
                &[(Coarse, 100.0, Held), (Bisect, 105.0, Failed), (Bisect, 105.0, Failed)],
                Some((Hold, 100.0)),
                "no more than 5 % do",
            ),
        ],
    );
}

#[test]
fn what_ends_a_search() {
    check(
        &patient(),
        &[
            (&[(Coarse, 100.0, NoRun)], Some((Coarse, 100.0)), "a run that left nothing is made again"),
            (&[(Coarse, 100.0, NoRun), (Coarse, 100.0, NoRun)], None, "and not a third time"),
            (
                &[(Coarse, 100.0, NoRun), (Coarse, 100.0, Held), (Coarse, 150.0, NoRun)],
                Some((Coarse, 150.0)),
                "one behind the other alone counts",
            ),
            (&[(Coarse, 100.0, Incorrect), (Coarse, 100.0, Held)], None, "what loses messages has no capacity"),
            (&[(Coarse, 1.0, Failed), (Coarse, 1.0, Failed)], None, "there is no load below one"),
        ],
    );
}

#[test]
fn holds_confirm_it_or_lower_it() {
    let holds = [(Coarse, 100.0, Held), (Coarse, 105.0, Failed), (Coarse, 105.0, Failed)];
    let with = |more: &[(Purpose, f64, Outcome)]| [&holds[..], more].concat();
    for (more, expected, reason) in [
        (&[(Hold, 100.0, Held), (Hold, 100.0, Held)][..], Some((Hold, 100.0)), "two of three"),
        (&[(Hold, 100.0, Held); 3], Some((Overload, 100.0)), "all three"),
        (&[(Hold, 100.0, Failed)], Some((Hold, 96.0)), "4 % lower: a hold fails beyond doubt"),
        (&[(Hold, 100.0, Failed), (Hold, 96.0, Failed)], Some((Hold, 88.32)), "8 % lower"),
        (&[(Hold, 100.0, Failed), (Hold, 96.0, Failed), (Hold, 88.32, Failed)], Some((Hold, 74.19)), "16 % lower"),
        (
            &[(Hold, 100.0, Failed), (Hold, 96.0, Failed), (Hold, 88.32, Failed), (Hold, 74.19, Failed)],
            Some((Hold, 62.32)),
            "and never more than that",
        ),
        (&[(Hold, 100.0, Unclear)], Some((Hold, 100.0)), "it said nothing"),
        (&[(Hold, 100.0, Unclear), (Hold, 100.0, Unclear)], Some((Hold, 96.0)), "twice"),
        (&[(Hold, 100.0, Interrupted)], Some((Hold, 100.0)), "a hold that was interrupted is none"),
    ] {
        check(&patient(), &[(&with(more), expected, reason)]);
    }
}

#[test]
fn what_is_made_behind_the_holds() {
    let held =
        [&[(Coarse, 100.0, Held), (Coarse, 105.0, Failed), (Coarse, 105.0, Failed)][..], &[(Hold, 100.0, Held); 3]]
            .concat();
    let with = |more: &[(Purpose, f64, Outcome)]| [&held[..], more].concat();
    let over = (Overload, 100.0, Held);
    let watched = SearchSettings { observed: true, ..patient() };
    let base = |sends_over_sockets, subscribers| SearchSettings {
        base: BaseLoad { sends_over_sockets, subscribers, ..watched.base },
        ..watched.clone()
    };
    for (settings, more, expected, reason) in [
        (patient(), &[over][..], None, "the target is not observed"),
        (patient(), &[(Overload, 100.0, NoRun)], Some((Overload, 100.0)), "an overload that left nothing"),
        (patient(), &[(Overload, 100.0, Interrupted)], Some((Overload, 100.0)), "or was interrupted"),
        (watched.clone(), &[over], Some((CostOfPosts, 50.0)), "posts without deliveries, at half of it"),
        (watched.clone(), &[over, (CostOfPosts, 50.0, Held)], Some((CostOfSockets, 100.0)), "and idle sockets"),
        (watched.clone(), &[over, (CostOfPosts, 50.0, Held), (CostOfSockets, 100.0, Held)], None, "that is all"),
        (base(true, 200), &[over], Some((CostOfSockets, 100.0)), "no post without its socket"),
        (base(false, 0), &[over], None, "nobody is connected"),
    ] {
        check(&settings, &[(&with(more), expected, reason)]);
    }
}

#[test]
fn users_are_tried_whole_and_no_more_than_there_may_be() {
    let users = SearchSettings { find: Find::Users, start: 10.0, max: Some(20.0), ..patient() };
    check(
        &users,
        &[
            (&[], Some((Coarse, 10.0)), "the start"),
            (&[(Coarse, 10.0, Held)], Some((Coarse, 15.0)), "half as many again"),
            (&[(Coarse, 15.0, Held)], Some((Coarse, 20.0)), "23 would be too many"),
            (&[(Coarse, 20.0, Held)], Some((Hold, 20.0)), "as many as may be"),
            (&[(Coarse, 3.0, Failed), (Coarse, 3.0, Failed)], Some((Coarse, 2.0)), "two thirds"),
            (&[(Coarse, 1.0, Failed), (Coarse, 1.0, Failed)], None, "nobody is left"),
            (&[(Coarse, 2.0, Held), (Coarse, 3.0, Failed), (Coarse, 3.0, Failed)], Some((Hold, 2.0)), "none between"),
            (&[(Coarse, 10.0, Held), (Hold, 10.0, Failed)], Some((Hold, 9.0)), "one fewer at least"),
        ],
    );
}

#[test]
fn nothing_is_begun_that_does_not_fit_into_the_budget() {
    let base = settings();
    let load_s = |purpose| base.phases(purpose, 100.0).iter().map(|phase| phase.seconds).sum::<f64>() + 5.0;
    // What a probe took is spent, and what comes after the next must fit too.
    let coarse_s = base.phases(Coarse, 150.0).iter().map(|phase| phase.seconds).sum::<f64>() + 5.0;
    let needed_s = load_s(Coarse) + coarse_s + 3.0 * load_s(Hold) + load_s(Overload);
    for (budget_s, expected, reason) in [
        (needed_s + 0.01, Some((Coarse, 150.0)), "just enough"),
        (needed_s - 0.01, Some((Hold, 100.0)), "too little for what follows: it is confirmed"),
        (load_s(Coarse) + load_s(Hold) + 0.01, Some((Hold, 100.0)), "enough for one hold"),
        (load_s(Coarse) + load_s(Overload) + 0.01, Some((Overload, 100.0)), "enough for an overload alone"),
        (load_s(Coarse) + 0.01, None, "nothing is left"),
    ] {
        check(&SearchSettings { budget_s, ..base.clone() }, &[(&[(Coarse, 100.0, Held)], expected, reason)]);
    }
    // What may have met a stall is made again if only that fits.
    for (more, expected, reason) in [
        (&[Failed][..], Some((Coarse, 150.0)), "it failed once"),
        (&[Unclear], Some((Coarse, 150.0)), "it said nothing"),
        (&[GeneratorLimit], Some((Coarse, 150.0)), "nor did the generator"),
        (&[Unclear, Unclear], None, "twice"),
        (&[Failed, Failed], None, "it failed twice"),
        (&[Held], None, "it held"),
        (&[Failed, Interrupted], Some((Coarse, 150.0)), "it failed, and was then interrupted"),
        (&[Failed, Held, Interrupted], None, "it was interrupted behind one that held"),
    ] {
        let more = more.iter().map(|outcome| (Coarse, 150.0, *outcome));
        let probes: Vec<_> = std::iter::once((Coarse, 100.0, Held)).chain(more).collect();
        let budget_s = probes.len() as f64 * coarse_s + coarse_s + 0.01;
        check(&SearchSettings { budget_s, ..base.clone() }, &[(&probes, expected, reason)]);
    }
    let short = SearchSettings { budget_s: 1.0, ..base };
    check(&short, &[(&[], Some((Coarse, 100.0)), "the first is made in any case")]);
}

#[test]
fn the_time_that_is_left_is_that_of_the_probes_to_come() {
    // As if the second coarse step failed, which is then made once more.
    let to_come = [
        (Coarse, 100.0),
        (Coarse, 150.0),
        (Coarse, 150.0),
        (Bisect, 122.5),
        (Bisect, 135.6),
        (Bisect, 142.6),
        (Bisect, 146.3),
        (Hold, 146.3),
        (Hold, 146.3),
        (Hold, 146.3),
        (Overload, 146.3),
    ];
    let patient = patient();
    let takes_s = |(purpose, load): (Purpose, f64)| patient.takes_s(purpose, load, &[]);
    let all_s: f64 = to_come.map(takes_s).iter().sum();
    let left_s =
        |budget_s, probes: &[CapacityProbe]| seconds_left(&SearchSettings { budget_s, ..patient.clone() }, probes);
    let near = |one: f64, other: f64| (one - other).abs() < 1e-6;
    assert!(near(left_s(1e6, &[]), all_s), "{} {all_s}", left_s(1e6, &[]));
    assert!(near(left_s(all_s + 0.01, &[]), all_s), "just enough: {}", left_s(all_s + 0.01, &[]));
    let but_one_s = all_s - takes_s((Bisect, 146.3));
    assert!(near(left_s(all_s - 1.0, &[]), but_one_s), "the last halving does not fit: {}", left_s(all_s - 1.0, &[]));
    // What runs take beside their load is known from the first on.
    let mut first = made(&patient, &[(Coarse, 100.0, Held)]);
    first[0].took_s += 20.0;
    let rest_s: f64 = to_come[1..].iter().map(|step| takes_s(*step)).sum();
    let beside_s = patient.takes_s(Coarse, 100.0, &first) - takes_s((Coarse, 100.0));
    // Only the coarse steps that are still to come are counted, so that one more is held.
    assert!(left_s(1e6, &first) > rest_s + 10.0 * beside_s && beside_s > 20.0, "{}", left_s(1e6, &first));
}
