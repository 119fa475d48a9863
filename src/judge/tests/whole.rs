//! What holds for every history.

use super::history::History;
use crate::judge::{Input, judge};
use crate::ledger::{FirstSeen, Ledger};
use crate::model::{MessageRef, Random};

/// A run with a bit of everything, drawn from a seed.
fn mixed(seed: u64) -> History {
    let mut random = Random::new(seed, "history");
    let mut history = History::new();
    history.plan.capabilities.own_push = random.below(2) == 0;
    for user in 0..6 {
        history.member(user, &[0, 1, 2]);
        history.connected(user, random.below(3_000));
    }
    let mut messages: Vec<MessageRef> = Vec::new();
    for at_ms in (1_000..40_000).step_by(250) {
        let (user, channel) = (random.below(4) as u32, random.below(3) as u32);
        let sending = history.send(user, channel, at_ms).attempts(1 + random.below(3) as u32);
        let message = match random.below(8) {
            0 => sending.unknown(at_ms + 100),
            1 => sending.rejected(at_ms + 100),
            2 => sending.written(at_ms),
            3 if random.below(4) == 0 => sending.unattempted(),
            _ => sending.acked(at_ms + 1 + random.below(2_000), at_ms + random.below(3)),
        };
        if random.below(10) > 0 {
            history.stored(message, at_ms + random.below(3));
        }
        if random.below(12) == 0 {
            history.stored_in(1 + random.below(2) as u32, message, at_ms + 1_000);
        }
        for user in 0..6 {
            for _ in 0..[1, 1, 1, 1, 1, 1, 0, 2][random.below(8) as usize] {
                let position = (random.below(2) == 0).then_some(at_ms);
                history.pushed_as(user, message, position);
            }
        }
        if random.below(20) == 0 {
            let user = random.below(6) as u32;
            history.disconnected(user, at_ms + 200);
            history.connected(user, at_ms + 2_000);
            read(&mut history, &mut random, user, at_ms + 2_100, &messages);
        }
        if random.below(40) == 0 {
            history.altered(message, 1);
            history.leaked(5, message, None);
        }
        messages.push(message);
    }
    history
}

/// A catch-up of every channel that skips a message now and then.
fn read(history: &mut History, random: &mut Random, user: u32, at_ms: u64, messages: &[MessageRef]) {
    for channel in 0..3 {
        let known: Vec<MessageRef> = messages
            .iter()
            .copied()
            .filter(|message| message.channel.0 == channel && history.is_stored(*message) && random.below(9) > 0)
            .collect();
        history.page(user, channel, at_ms).shows(&known).end();
    }
}

#[test]
fn every_history_adds_up() {
    for seed in 0..40 {
        let summary = mixed(seed).judge();
        let ledger = &summary.ledger;
        let ends = ledger.acknowledged + ledger.rejected + ledger.unknown + ledger.written + ledger.unattempted;
        assert_eq!(ledger.intended, ends, "seed {seed}");
        let ends = ledger.live_deliveries + ledger.healed + ledger.unhealed + ledger.unresolved;
        assert_eq!(ledger.entitled_deliveries, ends, "seed {seed}");
        let reasons = &summary.correctness.reasons;
        assert!(!reasons.iter().any(|reason| reason.contains("does not add up")), "seed {seed}: {reasons:?}");
        for (name, finding) in &summary.findings {
            assert!(finding.examples.len() <= 20, "seed {seed}: {name}");
            assert!(finding.count == 0 || !finding.examples.is_empty(), "seed {seed}: {name} has no example");
            assert_eq!(finding.span_us.is_some(), finding.count > 0, "seed {seed}: {name}");
            // An anomaly counts rows, stuck pages and order, and one of them
            // can be more than once at fault.
            let bounded = finding.count <= finding.of || name == "store_duplicates";
            assert!(bounded, "seed {seed}: {} of {} {name}", finding.count, finding.of);
        }
    }
}

#[test]
fn shards_merge_to_the_same_judgement_in_any_order() {
    for seed in 0..10 {
        let history = mixed(seed);
        let (plan, whole) = history.finished();
        let judged = |ledger: &Ledger| {
            judge(&Input {
                plan: &plan,
                record: &history.record,
                ledger,
                latencies: &history.latencies,
                timed: &history.timed,
            })
        };
        let expected = judged(&whole);
        for shards in [2u64, 3, 7] {
            let mut random = Random::new(seed, "shards").split(shards);
            let mut parts: Vec<Ledger> = (0..shards).map(|_| Ledger::default()).collect();
            let mut any = || random.below(shards) as usize;
            whole.sends.iter().for_each(|row| parts[any()].sends.push(row.clone()));
            whole.subscribers.iter().for_each(|log| parts[any()].subscribers.push(log.clone()));
            whole.pages.iter().for_each(|page| parts[any()].pages.push(page.clone()));
            whole.final_reads.iter().for_each(|read| parts[any()].final_reads.push(read.clone()));
            let facts = &whole.facts;
            facts.altered.iter().for_each(|(message, seen)| parts[any()].facts.altered(*message, *seen));
            facts.leaked.iter().for_each(|((user, message), leak)| parts[any()].facts.leaked(*user, *message, *leak));
            facts.reordered.iter().for_each(|reordered| parts[any()].facts.reordered.push(*reordered));
            let merged = parts.into_iter().rev().fold(Ledger::default(), Ledger::merge);
            assert_eq!(judged(&merged), expected, "seed {seed}, {shards} shards");
        }
    }
}

#[test]
fn deleting_one_acknowledged_row_adds_exactly_one_loss() {
    for seed in 0..20 {
        let mut history = mixed(seed);
        let before = history.judge().findings["acked_lost"].count;
        let message = history.send(9, 2, 50_000).acked(50_010, 50_000);
        assert_eq!(history.judge().findings["acked_lost"].count, before + 1, "seed {seed}");
        history.stored(message, 50_000);
        assert_eq!(history.judge().findings["acked_lost"].count, before, "seed {seed}");
    }
}

#[test]
fn a_further_final_read_or_sighting_never_adds_a_loss() {
    for seed in 0..10 {
        let mut history = mixed(seed);
        let before = history.judge().findings["acked_lost"].count;
        history.final_read(3, 100_000, 100_100);
        let message = history.ledger.sends[0].message;
        history.ledger.facts.altered(message, FirstSeen { at_us: 5, subscriber: None });
        assert!(history.judge().findings["acked_lost"].count <= before, "seed {seed}");
    }
}
