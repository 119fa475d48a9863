//! The judge against a naive oracle: random histories, judged by both.
//!
//! `world` draws a history as plain facts and renders it to a ledger through
//! the interfaces that the engine uses. `naive` counts the findings from the
//! same facts by their definitions, with nested loops and no index, and shares
//! no code with the judge. A run draws more than 10⁵ events in all;
//! `PROPTEST_CASES` is another number of histories than 1,200.

mod changes;
mod naive;
mod world;

use crate::judge::{Input, judge};
use crate::ledger::Latencies;
use naive::Counts;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use world::World;

/// What proptest draws where nobody asked for another number.
const UNSET: u32 = 256;

#[test]
fn the_judge_counts_what_the_definitions_say() {
    let usual = Config::default();
    let cases = if usual.cases == UNSET { 1_200 } else { usual.cases };
    let max_shrink_iters = usual.max_shrink_iters.min(20_000);
    let config = Config { cases, failure_persistence: None, max_shrink_iters, ..usual };
    let (mut seen, mut events) = (Counts::new(), 0);
    let seen_so_far = std::cell::RefCell::new((&mut seen, &mut events));
    TestRunner::new(config)
        .run(&world::worlds(), |world| {
            let expected = naive::count(&world);
            let mut seen = seen_so_far.borrow_mut();
            *seen.1 += world.events();
            for (name, count) in &expected {
                *seen.0.entry(name).or_default() += count;
            }
            let found = judged(&world);
            let wrong: Vec<String> = expected
                .iter()
                .filter(|(name, count)| found[*name] != **count)
                .map(|(name, count)| format!("{name}: the judge says {} and the oracle {count}", found[*name]))
                .collect();
            prop_assert!(wrong.is_empty(), "{}", wrong.join("; "));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // An oracle that never sees a finding tests nothing.
    let never: Vec<_> = seen.iter().filter(|(_, count)| **count < u64::from(cases / 60)).collect();
    assert!(never.is_empty() && events > 90 * cases as usize, "hardly drawn: {never:?}; {events} events");
}

/// What the judge counts, under the names of the oracle.
fn judged(world: &World) -> Counts {
    let (plan, record, ledger) = world.render();
    let summary = judge(&Input {
        plan: &plan,
        record: &record,
        ledger: &ledger,
        latencies: &Latencies::default(),
        timed: &Default::default(),
    });
    let mut counts = Counts::new();
    for name in naive::FINDINGS {
        counts.insert(name, summary.findings[*name].count);
    }
    for (name, finding, part) in naive::PARTS {
        // A finding that cannot be checked has no parts.
        counts.insert(name, summary.findings[*finding].split.get(*part).copied().unwrap_or(0));
    }
    let ledger = &summary.ledger;
    for (name, count) in [
        ("intended", ledger.intended),
        ("acknowledged", ledger.acknowledged),
        ("rejected", ledger.rejected),
        ("unknown", ledger.unknown),
        ("written", ledger.written),
        ("unattempted", ledger.unattempted),
        ("stored", ledger.stored),
        ("entitled", ledger.entitled_deliveries),
        ("live", ledger.live_deliveries),
    ] {
        counts.insert(name, count);
    }
    counts
}
