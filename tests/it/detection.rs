//! The detection matrix: whole runs against a server with one planted defect.
//! The findings that it must cause have the count that follows from the
//! server's own log, and no other finding of class zero is there.
//!
//! Not here: `drop-socket-sends`, because the generator does not send over
//! sockets yet, and `blocking-fanout`, which costs time and no message, and only
//! once the kernel's buffers are full. The server's own tests have both.

use super::run::Run;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs at once: they wait most of the time.
const AT_ONCE: usize = 4;

/// Runs of a row until its defect has shown.
const TRIES: usize = 3;

/// What a finding must count.
#[derive(Clone, Copy, Debug)]
enum Count {
    Exactly(usize),
    /// More than nothing: the log notes more than a client can tell.
    UpTo(usize),
    Any,
}
use Count::{Any, Exactly, UpTo};

/// The instances that the server noted.
struct Log(Vec<Value>);

impl Log {
    fn lines(&self) -> usize {
        self.0.len()
    }

    /// Distinct messages.
    fn messages(&self) -> usize {
        self.0.iter().map(|line| line["client_msg_id"].to_string()).collect::<BTreeSet<_>>().len()
    }

    /// Distinct messages and who did not get them.
    fn pairs(&self) -> usize {
        let pair = |line: &Value| (line["client_msg_id"].to_string(), line["user"].to_string());
        self.0.iter().map(pair).collect::<BTreeSet<_>>().len()
    }

    /// Those of the pages of catch-ups.
    fn caught_up(&self) -> Self {
        Self(self.0.iter().filter(|line| line["limit"] == CATCH_UP_ROWS).cloned().collect())
    }

    /// Those of the pages of final reads.
    fn finally_read(&self) -> Self {
        Self(self.0.iter().filter(|line| line["limit"] != CATCH_UP_ROWS).cloned().collect())
    }
}

/// A row of the matrix.
struct Row {
    defect: &'static str,
    with: &'static [&'static str],
    expected: fn(&Log) -> Vec<(&'static str, Count)>,
}

const CATCH_UP_ROWS: u64 = 10;
/// Small pages, told apart by their sizes.
const PAGES: [&str; 4] = ["--set", "catch_up.page_size=10", "--set", "drain.page_sizes=[20,13]"];
const STEADY: &[&str] = &["--set", "churn.share_per_minute=0"];
const CHURN: &[&str] = &["--set", "churn.share_per_minute=10"];
const MUCH_CHURN: &[&str] =
    &["--set", "churn.share_per_minute=60", "--set", "churn.away={min=\"100ms\",max=\"600ms\"}"];
const LOST_ACKS: &[&str] = &["--set", "churn.share_per_minute=10", "--lose-ack", "20"];
const LEAVING: &[&str] = &[
    "--set",
    "churn.share_per_minute=0",
    "--set",
    "population.senders=30",
    "--set",
    "members.churn_per_minute=20",
    "--set",
    "members.away={min=\"1200ms\",max=\"2s\"}",
];
const NO_RETRY: &[&str] = &["--set", "churn.share_per_minute=10", "--set", "send.attempts=1"];
const FEW_RETRIES: &[&str] = &["--set", "churn.share_per_minute=10", "--set", "send.attempts=2"];
/// Nothing comes live: what the log says of history is all there is.
const NO_PUSHES: &[&str] = &["--set", "churn.share_per_minute=0", "--defect", "drop-live=1"];
const SOME_PUSHES: &[&str] = &["--set", "churn.share_per_minute=10", "--defect", "drop-live=20"];

const HEDGE: &[&str] = &["--set", "faults=[{kind=\"hedge\",at=\"0s\",share=0.3}]"];
const HANDOFF: &[&str] =
    &["--set", "churn.share_per_minute=0", "--set", "faults=[{kind=\"handoff\",at=\"600ms\",share=0.5}]"];
const CRASHES: &[&str] = &[
    "--set",
    "send.attempts=8",
    "--lose-ack",
    "3",
    "--set",
    "faults=[{kind=\"crash\",at=\"700ms\"},{kind=\"crash\",at=\"1200ms\"},{kind=\"crash\",at=\"1700ms\"}]",
];

const MATRIX: &[Row] = &[
    Row { defect: "ack-before-persist=50", with: CHURN, expected: |log| vec![("acked_lost", Exactly(log.lines()))] },
    Row { defect: "no-dedup", with: LOST_ACKS, expected: |log| vec![("store_duplicates", Exactly(log.lines()))] },
    Row {
        defect: "dedup-in-memory",
        with: LOST_ACKS,
        expected: |log| vec![("store_duplicates", Exactly(log.lines()))],
    },
    Row {
        defect: "dedup-in-memory=100000",
        with: CRASHES,
        expected: |log| vec![("store_duplicates", Exactly(log.lines()))],
    },
    Row { defect: "dedup-race", with: HEDGE, expected: |log| vec![("store_duplicates", Exactly(log.lines()))] },
    Row {
        defect: "dedup-truncated-key",
        with: CHURN,
        expected: |log| vec![("acked_lost", Exactly(log.messages())), ("ack_identity", Exactly(log.messages()))],
    },
    Row { defect: "key-before-insert=50", with: CHURN, expected: |log| vec![("acked_lost", Exactly(log.lines()))] },
    Row { defect: "new-id-on-retry", with: LOST_ACKS, expected: |log| vec![("ack_identity", Exactly(log.messages()))] },
    Row {
        defect: "fanout-before-persist=50",
        with: FEW_RETRIES,
        expected: |log| vec![("phantom", Exactly(log.messages()))],
    },
    Row { defect: "store-rejected=50", with: CHURN, expected: |log| vec![("rejected_stored", Exactly(log.lines()))] },
    Row { defect: "store-then-500=50", with: NO_RETRY, expected: |log| vec![("unknown_stored", Exactly(log.lines()))] },
    Row { defect: "mangle=50", with: CHURN, expected: |log| vec![("corrupt", Exactly(log.lines()))] },
    Row { defect: "vanish=10", with: CHURN, expected: |log| vec![("vanished", Exactly(log.messages()))] },
    Row { defect: "late-commit=3", with: CHURN, expected: |log| vec![("unhealed", Exactly(log.pairs()))] },
    Row {
        defect: "late-position=20",
        with: STEADY,
        expected: |log| vec![("sender_order", Exactly(log.lines())), ("live_reordered", Any)],
    },
    Row {
        defect: "cursor-skip",
        with: CHURN,
        expected: |log| {
            vec![("unhealed", UpTo(log.caught_up().pairs())), ("page_anomaly", Exactly(log.finally_read().messages()))]
        },
    },
    Row {
        defect: "cursor-skip",
        with: NO_PUSHES,
        expected: |log| {
            vec![
                ("unhealed", Exactly(log.caught_up().pairs())),
                ("page_anomaly", Exactly(log.finally_read().messages())),
            ]
        },
    },
    Row {
        defect: "cursor-inclusive",
        with: STEADY,
        expected: |log| vec![("page_anomaly", Exactly(log.finally_read().lines()))],
    },
    Row {
        defect: "tied-timestamps",
        with: CHURN,
        expected: |log| {
            vec![("unhealed", UpTo(log.caught_up().pairs())), ("page_anomaly", Exactly(log.finally_read().messages()))]
        },
    },
    Row {
        defect: "tied-timestamps",
        with: NO_PUSHES,
        expected: |log| {
            vec![
                ("unhealed", Exactly(log.caught_up().pairs())),
                ("page_anomaly", Exactly(log.finally_read().messages())),
            ]
        },
    },
    Row { defect: "history-cap", with: MUCH_CHURN, expected: |log| vec![("unhealed", UpTo(log.pairs()))] },
    Row { defect: "stale-history", with: CHURN, expected: |log| vec![("stale_read", UpTo(log.pairs()))] },
    Row { defect: "endless-cursor", with: SOME_PUSHES, expected: |_| vec![("page_anomaly", Any)] },
    Row { defect: "drop-live=50", with: STEADY, expected: |log| vec![("live_missed", Exactly(log.lines()))] },
    Row { defect: "subscribe-gap", with: CHURN, expected: |log| vec![("live_missed", UpTo(log.lines()))] },
    Row { defect: "lost-unsubscribe", with: MUCH_CHURN, expected: |log| vec![("live_missed", UpTo(log.lines()))] },
    Row { defect: "lost-unsubscribe", with: HANDOFF, expected: |log| vec![("live_missed", UpTo(log.lines()))] },
    Row { defect: "double-fanout=50", with: STEADY, expected: |log| vec![("live_duplicates", Exactly(log.lines()))] },
    Row { defect: "racing-fanout=50", with: STEADY, expected: |log| vec![("live_reordered", Exactly(log.lines()))] },
    Row { defect: "keeps-listening", with: LEAVING, expected: |log| vec![("leaked", UpTo(log.pairs()))] },
    Row { defect: "wrong-channel=20", with: CHURN, expected: |log| vec![("leaked", Exactly(log.pairs()))] },
];

impl Row {
    /// What is wrong with a run of this row.
    fn complaints(&self, seed: u64) -> Vec<String> {
        let seed = seed.to_string();
        let name = self.defect.split('=').next().unwrap();
        let args = [&["--seed", &seed, "--defect", self.defect][..], &PAGES, self.with].concat();
        // A machine that stalls for a second leaves out disconnects, and with
        // them what a defect needs to show. Such a run says nothing.
        let mut run = Run::short(&args);
        for _ in 1..TRIES {
            if run.summary["findings"].is_object() && run.defects(name).is_empty() {
                run = Run::short(&args);
            }
        }
        let told = |what: String| format!("{} {:?}, seed {seed}: {what}", self.defect, self.with);
        let Some(findings) = run.summary["findings"].as_object() else {
            return vec![told(format!("no summary: {}", run.stderr))];
        };
        let log = Log(run.defects(name));
        let expected: BTreeMap<&str, Count> = (self.expected)(&log).into_iter().collect();
        let mut wrong = Vec::new();
        if log.lines() == 0 {
            wrong.push(told(format!("it did not show in {TRIES} runs")));
        }
        for (finding, found) in findings {
            let count = found["count"].as_u64().unwrap() as usize;
            let right = match expected.get(finding.as_str()) {
                Some(Exactly(noted)) => count == *noted && count > 0,
                Some(UpTo(noted)) => (1..=*noted).contains(&count),
                Some(Any) => count > 0,
                None => count == 0 || found["class"] != "zero",
            };
            if !right {
                let (noted, examples) = (expected.get(finding.as_str()), &found["examples"][0]);
                wrong.push(told(format!("{finding} is {count}, must be {noted:?}, such as {examples}")));
            }
        }
        wrong
    }
}

/// Runs every row with every seed, a few at once.
fn complaints(seeds: std::ops::Range<u64>) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let all: Vec<(u64, &Row)> = seeds.flat_map(|seed| MATRIX.iter().map(move |row| (seed, row))).collect();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((seed, row)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = row.complaints(*seed);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

#[test]
fn each_defect_is_found_and_counted_and_nothing_else_is() {
    let wrong = complaints(42..43);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn over_twenty_seeds_too() {
    let wrong = complaints(1..21);
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}
