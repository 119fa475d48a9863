//! Figures that are no findings: hints, what the target used, the messages that
//! waited longest.

use super::history::History;
use crate::judge::HintCounts;
use crate::ledger::{HintFigures, TargetFigures, WorkerFigures};
use crate::model::MessageRef;
use crate::plan::{Actions, Hints, Trace, TraceSample};

/// Two workers, whose users did everything; in the second, half as often.
fn hinting(hints: Hints, actions: Actions) -> History {
    let mut h = History::new();
    (h.plan.hints, h.plan.actions) = (hints, actions);
    let worker = |times: u64| WorkerFigures {
        hints: HintFigures {
            typing_sent: 2 * times,
            typing_expected: 8 * times,
            typing_shown: 6 * times,
            presence_asked: 10 * times,
            presence_told: 5 * times,
            actions_asked: 4 * times,
            actions_answered: times,
        },
        ..WorkerFigures::default()
    };
    h.record.generator.workers = vec![worker(2), worker(1)];
    h
}

#[test]
fn hints_are_counted_of_those_that_the_workload_has() {
    let typing = Hints { typing_per_user_per_minute: 0.5, presence_per_user_per_minute: 0.0 };
    let presence = Hints { typing_per_user_per_minute: 0.0, presence_per_user_per_minute: 0.5 };
    let clicks = Actions { commands_per_user_per_minute: 0.0, clicks_per_user_per_minute: 0.5 };
    let counts =
        |sent, expected, delivered, share| HintCounts { sent, expected, delivered, delivered_share: Some(share) };
    for (hints, actions, kind, expected) in [
        (typing, Actions::default(), "typing", counts(6, 24, 18, 0.75)),
        (presence, Actions::default(), "presence", counts(30, 30, 15, 0.5)),
        (Hints::default(), clicks, "action", counts(12, 12, 3, 0.25)),
    ] {
        let found = hinting(hints, actions).judge().hints;
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(kind.to_owned(), expected)]);
    }
    assert!(hinting(Hints::default(), Actions::default()).judge().hints.is_empty(), "none was asked for");
    let mut silent = hinting(typing, Actions::default());
    silent.record.generator.workers.clear();
    assert_eq!(silent.judge().hints["typing"], HintCounts::default(), "a share of nothing is not known");
}

#[test]
fn what_the_target_used_is_told_in_seconds() {
    let mut h = History::new();
    h.record.target = Some(TargetFigures { window_us: 2_500_000, cpu_us: 1_500_000, ..TargetFigures::default() });
    let process = h.judge().target_process.expect("it was observed");
    assert_eq!((process.seconds, process.cpu_s), (2.5, 1.5));
}

#[test]
fn the_wait_in_sockets_is_of_the_worker_where_it_is_longest() {
    let mut h = History::new();
    let worker = |receive_looks, receive_wait_p99_us| WorkerFigures {
        receive_looks,
        receive_wait_p99_us,
        ..WorkerFigures::default()
    };
    h.record.generator.workers = vec![worker(368, 20), worker(400, 30), worker(367, 90)];
    assert_eq!(h.judge().generator.receive_wait_p99_us, Some(30), "too few looks say nothing");
}

#[test]
fn the_slowest_messages_are_named() {
    let mut h = History::new();
    // Each waited a ms longer than the one before it, and two as long as the last.
    for rank in 0..60 {
        h.send(7, 0, 1_000 + rank).acked(1_000 + 2 * rank + 1, rank);
    }
    h.send(7, 0, 2_000).attempts(3).acked(2_060, 90);
    h.send(7, 1, 1_500).unknown(1_560);
    h.send(7, 1, 3_000).rejected(9_000);
    let slowest = h.judge().slowest;
    let named: Vec<(u32, u32, u64)> = slowest.iter().map(|it| (it.channel, it.index, it.ack_us)).collect();
    let expected = [(0, 59, 60_000), (1, 0, 60_000), (0, 60, 60_000)]
        .into_iter()
        .chain((42..59).rev().map(|index| (0, index, 1_000 * u64::from(index) + 1_000)));
    assert_eq!(named, expected.collect::<Vec<_>>(), "the slowest first; of equals, the earlier");
    let states: Vec<(bool, u32)> = slowest[..3].iter().map(|it| (it.at_least, it.attempts)).collect();
    assert_eq!(states, [(false, 1), (true, 1), (false, 3)], "what was never acknowledged waited at least so long");
    assert_eq!((slowest[1].sender, slowest[1].intended_us, &slowest[1].trace), (7, 1_500_000, &None));
}

#[test]
fn a_traced_message_is_linked() {
    let mut h = History::new();
    let message: MessageRef = h.said(1, 0, 1_000);
    assert_eq!(message.index, 0);
    h.plan.trace = Trace { sample: Some(TraceSample::Slow), url: Some("https://traces/{trace_id}".to_owned()) };
    let link = h.judge().slowest.remove(0).trace.expect("it is traced");
    assert!(link.sampled && link.url.is_some_and(|url| url == format!("https://traces/{}", link.id)));
}
