use super::check;
use crate::judge::{
    Correctness, Design, FindingClass, FindingSummary, LatencySummary, MatrixAbout, MatrixCell, MatrixSummary,
    MatrixTable, RunSummary, Verdict,
};
use crate::plan::{ReceiveDesign, SendDesign};
use std::collections::BTreeMap;

fn finding(count: u64, class: FindingClass) -> FindingSummary {
    FindingSummary {
        count,
        of: 100,
        of_what: "messages".to_owned(),
        class,
        checked: true,
        unchecked_because: None,
        split: BTreeMap::new(),
        span_us: None,
        examples: Vec::new(),
    }
}

fn summary(findings: &[(&str, u64, FindingClass)]) -> RunSummary {
    let found = findings.iter().map(|(name, count, class)| ((*name).to_owned(), finding(*count, *class)));
    let acked = LatencySummary { p99: Some(1_000), lower_bounds: vec!["p99".to_owned()], ..LatencySummary::default() };
    let shown = LatencySummary { p99: Some(20), ..LatencySummary::default() };
    let mut summary = check("a run", &[], |_| {});
    summary.correctness = Correctness { verdict: Verdict::Pass, reasons: Vec::new() };
    summary.findings = found.collect();
    summary.latency_us = [("ack".to_owned(), acked), ("shown".to_owned(), shown)].into();
    summary
}

#[test]
fn a_cell_counts_what_its_design_is_judged_by() {
    use FindingClass::{Info, Rate, Zero};
    let all = [
        ("silent_loss", 3, Info),
        ("acked_lost", 2, Zero),
        ("vanished", 1, Zero),
        ("store_duplicates", 5, Rate),
        ("phantom", 7, Zero),
        ("unknown_stored", 1, Info),
        ("unknown_absent", 1, Info),
        ("live_missed", 9, Rate),
    ];
    let cell = MatrixCell::of(Design::Send(SendDesign::Http), "crash", "cells/a/b", &summary(&all));
    let counts: Vec<(&str, u64)> = cell.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected =
        [("lost after ack", 3), ("lost silently", 3), ("never settled", 2), ("phantoms", 7), ("stored twice", 5)];
    assert_eq!(counts, expected);
    assert_eq!(cell.broken, ["acked_lost 2", "phantom 7", "vanished 1"]);
    assert_eq!((cell.latency_of.as_str(), cell.latency_us, cell.latency_at_least), ("ack p99", Some(1_000), true));
    let unacknowledged = MatrixCell::of(Design::Send(SendDesign::Ws), "crash", "", &summary(&all));
    assert_eq!((unacknowledged.latency_of.as_str(), unacknowledged.latency_us), ("shown p99", Some(20)));
}

#[test]
fn only_what_was_promised_can_be_broken() {
    use FindingClass::{Info, Rate, Zero};
    for (design, found, broken, reason) in [
        (SendDesign::Http, ("store_duplicates", 1, Zero), 1, "its key was recognised, or should have been"),
        (SendDesign::HttpNoKey, ("store_duplicates", 1, Rate), 0, "nobody can recognise a repetition"),
        (SendDesign::Ws, ("silent_loss", 1, Info), 0, "nothing is acknowledged"),
        (SendDesign::Ws, ("phantom", 1, Zero), 1, "it is stored before it is pushed"),
        (SendDesign::WsFanoutFirst, ("phantom", 1, Zero), 0, "it is pushed before it is stored"),
        (SendDesign::WsFanoutFirst, ("corrupt", 1, Zero), 1, "and whole all the same"),
        (SendDesign::WsAck, ("acked_lost", 0, Zero), 0, "nothing was found"),
    ] {
        let cell = MatrixCell::of(Design::Send(design), "clean", "", &summary(&[found]));
        assert_eq!(cell.broken.len(), broken, "{}: {reason}", design.name());
    }
}

#[test]
fn what_a_design_is_known_for_is_missed_where_it_does_not_show() {
    for (design, failure, count, missed) in [
        (SendDesign::Ws, "crash", 0, true),
        (SendDesign::Ws, "crash", 1, false),
        (SendDesign::Ws, "clean", 0, false),
        (SendDesign::Http, "crash", 0, false),
        (SendDesign::HttpNoKey, "ack lost", 1, true),
        (SendDesign::HttpNoKey, "crash", 0, false),
    ] {
        let cell =
            MatrixCell::of(Design::Send(design), failure, "", &summary(&[("silent_loss", count, FindingClass::Info)]));
        assert_eq!(cell.expected_and_absent.is_some(), missed, "{} × {failure}, {count}", design.name());
    }
}

#[test]
fn the_exit_code_is_of_the_worst_that_counts() {
    let clean = || MatrixCell::of(Design::Send(SendDesign::Http), "clean", "r", &summary(&[]));
    let broken = || {
        MatrixCell::of(Design::Send(SendDesign::Http), "crash", "r", &summary(&[("acked_lost", 1, FindingClass::Zero)]))
    };
    let silent = || {
        let mut summary = summary(&[]);
        summary.correctness.verdict = Verdict::Inconclusive;
        summary.correctness.reasons = vec!["a fault never hit".to_owned()];
        MatrixCell::of(Design::Send(SendDesign::Http), "crash", "r", &summary)
    };
    let impossible = || MatrixCell::impossible("http", "crash", "needs a server that posthaste started");
    assert_eq!(silent().silent_because.as_deref(), Some("a fault never hit"));
    for (cells, interrupted, code) in [
        (vec![clean()], false, 0),
        (vec![clean(), impossible()], false, 0),
        (vec![clean(), silent()], false, 3),
        (vec![impossible()], false, 3),
        (vec![clean(), silent()], true, 130),
        (vec![clean(), silent(), broken()], true, 97),
    ] {
        let table = MatrixTable { name: "send".to_owned(), designs: Vec::new(), failures: Vec::new(), cells };
        let about = MatrixAbout { interrupted, ..MatrixAbout::default() };
        let matrix = MatrixSummary::new(about, vec![table]);
        assert_eq!((matrix.exit_code, matrix.about.interrupted), (code, interrupted));
        let speaks = matrix.tables[0].cells.iter().any(MatrixCell::speaks);
        assert_eq!(matrix.speaks(), speaks);
    }
}

#[test]
fn what_the_drain_alone_brought_was_never_received() {
    for (design, failure, by_drain, twice, broken, absent) in [
        (ReceiveDesign::Ws, "disconnect", 0, 0, 0, false),
        (ReceiveDesign::Ws, "disconnect", 4, 0, 1, false),
        (ReceiveDesign::WsTrusting, "disconnect", 4, 2, 0, false),
        (ReceiveDesign::WsTrusting, "disconnect", 0, 0, 0, true),
        (ReceiveDesign::Rtm, "disconnect", 0, 3, 0, false),
        (ReceiveDesign::Rtm, "long disconnect", 0, 3, 0, true),
        (ReceiveDesign::Rtm, "long disconnect", 1, 3, 0, false),
    ] {
        let found = [("healed", by_drain + 7, FindingClass::Info), ("live_duplicates", twice, FindingClass::Rate)];
        let mut summary = summary(&found);
        let healed = summary.findings.get_mut("healed").unwrap();
        healed.split = [("by_drain_only".to_owned(), by_drain), ("by_policy".to_owned(), 7)].into();
        let cell = MatrixCell::of(Design::Receive(design), failure, "", &summary);
        let count = |name: &str| cell.counts.get(name).copied().unwrap_or(0);
        let place = format!("{} × {failure}", design.name());
        assert_eq!((count("never received"), count("received twice")), (by_drain, twice), "{place}");
        assert_eq!((cell.broken.len(), cell.expected_and_absent.is_some()), (broken, absent), "{place}");
        assert_eq!(cell.latency_of, "delivery p99", "nothing healed");
    }
}

#[test]
fn what_no_catch_up_brought_was_never_received_either() {
    let mut summary = summary(&[("unhealed", 2, FindingClass::Rate), ("unresolved", 3, FindingClass::Info)]);
    for (healed, latency_of) in [(0, "delivery p99"), (1, "heal max")] {
        let latency = LatencySummary { count: healed, max: Some(70), p99: Some(60), ..LatencySummary::default() };
        summary.latency_us.insert("heal".to_owned(), latency);
        let cell = MatrixCell::of(Design::Receive(ReceiveDesign::Ws), "disconnect", "cells/c", &summary);
        assert_eq!((cell.counts["never received"], cell.latency_of.as_str()), (5, latency_of));
        assert_eq!(cell.latency_us, (healed > 0).then_some(70), "the longest of those that healed");
    }
}

#[test]
fn a_cell_without_a_run_keeps_its_place() {
    let cell = MatrixCell::without_run("ws-ack", "crash", "no answer");
    assert_eq!((cell.design.as_str(), cell.failure.as_str(), cell.impossible), ("ws-ack", "crash", false));
    assert_eq!((cell.silent_because.as_deref(), cell.speaks()), (Some("no answer"), false));
    let designs =
        [(Design::Send(SendDesign::WsAck), "send", "ws-ack"), (Design::Receive(ReceiveDesign::Rtm), "receive", "rtm")];
    for (design, table, name) in designs {
        assert_eq!((design.table(), design.name()), (table, name));
        assert_eq!(MatrixCell::of(design, "clean", "", &summary(&[])).design, name);
    }
}
