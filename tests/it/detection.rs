//! The detection matrix: whole runs against a server with one planted defect.
//! The findings that it must cause have the count that follows from the
//! server's own log, and no other finding of class zero is there.
//!
//! Rows without a defect are the controls: a correct server under the same
//! faults and settings has nothing found.
//!
//! Not here: `blocking-fanout`, which costs time and loses nothing. The
//! server's own tests have it.

use super::run::Run;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs at once: they wait most of the time.
const AT_ONCE: usize = 4;

/// Runs of a row until its defect has done harm.
const TRIES: usize = 3;

/// What a finding must count. It may be nothing where the bug did no harm in a
/// run; over all seeds of a row it may not.
#[derive(Clone, Copy, Debug)]
enum Count {
    Exactly(usize),
    /// The log notes more than a client can tell.
    UpTo(usize),
    /// Off by a few: the server is killed between a commit and its note, and a
    /// commit of a busy machine has many messages.
    Near(usize),
    Any,
}
use Count::{Any, Exactly, Near, UpTo};

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
    /// As the command line has it; empty for a correct server.
    defect: &'static str,
    with: &'static [&'static str],
    /// And with many changes and hints.
    changes: bool,
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
const OVER_SOCKETS: &[&str] = &["--set", "churn.share_per_minute=10", "--set", "send.design=ws"];
/// A lost acknowledgement is a lost socket here.
const ACKED_OVER_SOCKETS: &[&str] =
    &["--set", "churn.share_per_minute=10", "--set", "send.design=ws-ack", "--lose-ack", "20"];
/// Members leave private channels too, and are invited again.
const PRIVATE: &[&str] = &[
    "--set",
    "churn.share_per_minute=0",
    "--set",
    "population.private_share=0.5",
    "--set",
    "population.senders=30",
    "--set",
    "members.churn_per_minute=20",
    "--set",
    "members.away={min=\"1200ms\",max=\"2s\"}",
];
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
const SOME_PUSHES: &[&str] = &[
    "--set",
    "churn.share_per_minute=60",
    "--set",
    "churn.away={min=\"100ms\",max=\"600ms\"}",
    "--defect",
    "drop-live=20",
];

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

const CLIENT_FAULTS: &[&str] = &[
    "--set",
    "churn.share_per_minute=10",
    "--set",
    "faults=[{kind=\"disconnect\",at=\"600ms\",for=\"100ms\"},{kind=\"slow-reader\",at=\"900ms\",for=\"500ms\",share=0.2}]",
];
/// One change of most messages: what the log says is what can be told.
const ONE_CHANGE: &[&str] = &[
    "--set",
    "churn.share_per_minute=10",
    "--set",
    "changes.share=0.8",
    "--set",
    "changes.per_message=1",
    "--set",
    "changes.after={min=\"50ms\",max=\"400ms\"}",
];
/// Changes behind changes, and hints beside them.
const MANY_CHANGES: [&str; 10] = [
    "--set",
    "changes.share=0.8",
    "--set",
    "changes.per_message={min=2,max=6}",
    "--set",
    "changes.after={min=\"20ms\",max=\"200ms\"}",
    "--set",
    "hints.typing_per_user_per_minute=60",
    "--set",
    "hints.presence_per_user_per_minute=60",
];
/// No reply is a message of the log.
const NO_REPLIES: &[&str] = &["--set", "churn.share_per_minute=0", "--set", "changes.reply=0"];
const OVER_ACKED_SOCKETS: &[&str] = &["--set", "churn.share_per_minute=10", "--set", "send.design=ws-ack"];
const DROPPED_ACKS: &[&str] = &[
    "--set",
    "churn.share_per_minute=10",
    "--set",
    "send.timeout=1s",
    "--set",
    "faults=[{kind=\"drop-ack\",at=\"0s\",share=0.1}]",
];
const RETRIES: &[&str] = &["--set", "churn.share_per_minute=10", "--set", "send.attempts=4"];
const NOTHING: fn(&Log) -> Vec<(&'static str, Count)> = |_| Vec::new();

const MATRIX: &[Row] = &[
    Row { defect: "", with: MUCH_CHURN, changes: false, expected: NOTHING },
    Row { defect: "", with: LOST_ACKS, changes: false, expected: NOTHING },
    Row { defect: "", with: LEAVING, changes: false, expected: NOTHING },
    Row { defect: "", with: PRIVATE, changes: false, expected: NOTHING },
    Row { defect: "", with: HEDGE, changes: false, expected: NOTHING },
    Row { defect: "", with: HANDOFF, changes: false, expected: NOTHING },
    Row { defect: "", with: CRASHES, changes: false, expected: NOTHING },
    Row { defect: "", with: CLIENT_FAULTS, changes: false, expected: NOTHING },
    Row { defect: "", with: OVER_SOCKETS, changes: false, expected: NOTHING },
    Row { defect: "", with: ACKED_OVER_SOCKETS, changes: false, expected: NOTHING },
    Row {
        defect: "drop-socket-sends=20",
        with: OVER_SOCKETS,
        changes: false,
        expected: |log| vec![("silent_loss", Exactly(log.lines()))],
    },
    Row { defect: "store-then-500=50", with: RETRIES, changes: false, expected: NOTHING },
    Row {
        defect: "ack-before-persist=50",
        with: CHURN,
        changes: false,
        expected: |log| vec![("acked_lost", Exactly(log.lines()))],
    },
    Row {
        defect: "no-dedup",
        with: LOST_ACKS,
        changes: false,
        expected: |log| vec![("store_duplicates", Exactly(log.lines()))],
    },
    Row {
        defect: "dedup-in-memory",
        with: LOST_ACKS,
        changes: false,
        expected: |log| vec![("store_duplicates", Exactly(log.lines()))],
    },
    Row {
        defect: "dedup-in-memory=100000",
        with: CRASHES,
        changes: false,
        expected: |log| vec![("store_duplicates", Near(log.lines()))],
    },
    Row {
        defect: "dedup-race",
        with: HEDGE,
        changes: false,
        expected: |log| vec![("store_duplicates", Exactly(log.lines()))],
    },
    Row {
        defect: "dedup-truncated-key",
        with: CHURN,
        changes: false,
        expected: |log| vec![("acked_lost", Exactly(log.messages())), ("ack_identity", Exactly(log.messages()))],
    },
    Row {
        defect: "key-before-insert=50",
        with: CHURN,
        changes: false,
        expected: |log| vec![("acked_lost", Exactly(log.lines()))],
    },
    Row {
        defect: "new-id-on-retry",
        with: LOST_ACKS,
        changes: false,
        expected: |log| vec![("ack_identity", Exactly(log.messages()))],
    },
    Row {
        defect: "fanout-before-persist=50",
        with: FEW_RETRIES,
        changes: false,
        expected: |log| vec![("phantom", Exactly(log.messages()))],
    },
    Row {
        defect: "store-rejected=50",
        with: CHURN,
        changes: false,
        expected: |log| vec![("rejected_stored", Exactly(log.lines()))],
    },
    Row {
        defect: "store-then-500=50",
        with: NO_RETRY,
        changes: false,
        expected: |log| vec![("unknown_stored", Exactly(log.lines()))],
    },
    Row { defect: "mangle=50", with: CHURN, changes: false, expected: |log| vec![("corrupt", Exactly(log.lines()))] },
    Row {
        defect: "vanish=10",
        with: CHURN,
        changes: false,
        expected: |log| vec![("vanished", Exactly(log.messages()))],
    },
    // A catch-up that is cut off by a disconnect is read again.
    Row { defect: "late-commit=3", with: CHURN, changes: false, expected: |log| vec![("unhealed", UpTo(log.pairs()))] },
    Row {
        defect: "late-position=20",
        with: STEADY,
        changes: false,
        expected: |log| vec![("sender_order", Exactly(log.lines())), ("live_reordered", Any)],
    },
    Row {
        defect: "cursor-skip",
        with: CHURN,
        changes: false,
        expected: |log| {
            vec![("unhealed", UpTo(log.caught_up().pairs())), ("page_anomaly", Exactly(log.finally_read().messages()))]
        },
    },
    Row {
        defect: "cursor-skip",
        with: NO_PUSHES,
        changes: false,
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
        changes: false,
        expected: |log| vec![("page_anomaly", Exactly(log.finally_read().lines()))],
    },
    Row {
        defect: "tied-timestamps",
        with: CHURN,
        changes: false,
        expected: |log| {
            vec![("unhealed", UpTo(log.caught_up().pairs())), ("page_anomaly", Exactly(log.finally_read().messages()))]
        },
    },
    Row {
        defect: "tied-timestamps",
        with: NO_PUSHES,
        changes: false,
        expected: |log| {
            vec![
                ("unhealed", Exactly(log.caught_up().pairs())),
                ("page_anomaly", Exactly(log.finally_read().messages())),
            ]
        },
    },
    Row {
        defect: "history-cap",
        with: MUCH_CHURN,
        changes: false,
        expected: |log| vec![("unhealed", UpTo(log.pairs()))],
    },
    Row {
        defect: "stale-history",
        with: CHURN,
        changes: false,
        expected: |log| vec![("stale_read", UpTo(log.pairs()))],
    },
    Row { defect: "endless-cursor", with: SOME_PUSHES, changes: false, expected: |_| vec![("page_anomaly", Any)] },
    Row {
        defect: "drop-live=50",
        with: STEADY,
        changes: false,
        expected: |log| vec![("live_missed", Exactly(log.lines()))],
    },
    Row {
        defect: "subscribe-gap",
        with: CHURN,
        changes: false,
        expected: |log| vec![("live_missed", UpTo(log.lines()))],
    },
    Row {
        defect: "lost-unsubscribe",
        with: MUCH_CHURN,
        changes: false,
        expected: |log| vec![("live_missed", UpTo(log.lines()))],
    },
    // A push between the loss of the subscription and its note is not noted.
    Row {
        defect: "lost-unsubscribe",
        with: HANDOFF,
        changes: false,
        expected: |log| vec![("live_missed", Near(log.lines()))],
    },
    Row {
        defect: "double-fanout=50",
        with: STEADY,
        changes: false,
        expected: |log| vec![("live_duplicates", Exactly(log.lines()))],
    },
    Row {
        defect: "racing-fanout=50",
        with: STEADY,
        changes: false,
        expected: |log| vec![("live_reordered", Exactly(log.lines()))],
    },
    Row {
        defect: "keeps-listening",
        with: LEAVING,
        changes: false,
        expected: |log| vec![("leaked", UpTo(log.pairs()))],
    },
    Row { defect: "open-private", with: PRIVATE, changes: false, expected: |_| vec![("leaked", Any)] },
    Row {
        defect: "wrong-channel=20",
        with: CHURN,
        changes: false,
        expected: |log| vec![("leaked", Exactly(log.pairs()))],
    },
    Row { defect: "", with: MUCH_CHURN, changes: true, expected: NOTHING },
    Row { defect: "", with: LOST_ACKS, changes: true, expected: NOTHING },
    Row { defect: "", with: CRASHES, changes: true, expected: NOTHING },
    Row { defect: "", with: DROPPED_ACKS, changes: true, expected: NOTHING },
    Row { defect: "", with: LEAVING, changes: true, expected: NOTHING },
    Row { defect: "", with: OVER_ACKED_SOCKETS, changes: true, expected: NOTHING },
    Row {
        defect: "edit-lost=5",
        with: ONE_CHANGE,
        changes: false,
        expected: |log| vec![("edit_lost", Exactly(log.lines()))],
    },
    // An edit that another one follows cannot be told to have been lost.
    Row { defect: "edit-lost=5", with: CHURN, changes: true, expected: |log| vec![("edit_lost", UpTo(log.lines()))] },
    Row {
        defect: "delete-resurrected=3",
        with: ONE_CHANGE,
        changes: false,
        expected: |log| vec![("delete_resurrected", Exactly(log.lines()))],
    },
    Row {
        defect: "delete-resurrected=3",
        with: MUCH_CHURN,
        changes: true,
        expected: |log| vec![("delete_resurrected", Exactly(log.lines()))],
    },
    Row {
        defect: "orphan-reply=3",
        with: ONE_CHANGE,
        changes: false,
        expected: |log| vec![("orphan_reply", Exactly(log.lines()))],
    },
    // Of a message that is deleted later, nobody says where its replies are.
    Row {
        defect: "orphan-reply=3",
        with: CHURN,
        changes: true,
        expected: |log| vec![("orphan_reply", UpTo(log.lines()))],
    },
    // Of two copies one is deleted, or a reply is the one.
    Row {
        defect: "no-dedup",
        with: LOST_ACKS,
        changes: true,
        expected: |log| vec![("store_duplicates", UpTo(log.lines()))],
    },
    // What was mangled in the store is whole again once it is edited.
    Row { defect: "mangle=50", with: STEADY, changes: true, expected: |log| vec![("corrupt", UpTo(log.lines()))] },
    Row {
        defect: "ack-before-persist=50",
        with: NO_REPLIES,
        changes: true,
        expected: |log| vec![("acked_lost", Exactly(log.lines()))],
    },
];

/// What a run of a row came to.
#[derive(Default)]
struct Outcome {
    /// Count in the log and in the run of each named finding.
    counts: BTreeMap<String, (Option<usize>, usize)>,
    /// Whether the server noted anything.
    shown: bool,
    wrong: Vec<String>,
}

impl Outcome {
    /// Whether the defect caused what it must cause. A control causes nothing
    /// and has to show.
    fn is_harm(&self) -> bool {
        self.shown && (self.counts.is_empty() || self.counts.values().any(|(_, count)| *count > 0))
    }
}

impl Row {
    fn run(&self, seed: u64) -> Outcome {
        let seed = seed.to_string();
        let name = self.defect.split('=').next().unwrap();
        let defect: &[&str] = if self.defect.is_empty() { &[] } else { &["--defect", self.defect] };
        let changes: &[&str] = if self.changes { &MANY_CHANGES } else { &[] };
        let args = [&["--seed", &seed][..], defect, &PAGES, changes, self.with].concat();
        let mut outcome = self.judge(&Run::short(&args), name, &seed);
        // A machine that stalls for a second leaves out disconnects, and with
        // them what a defect needs to show; and what is drawn may be what does
        // no harm. Such a run says nothing.
        for _ in 1..TRIES {
            if name.is_empty() || outcome.is_harm() || !outcome.wrong.is_empty() {
                break;
            }
            outcome = self.judge(&Run::short(&args), name, &seed);
        }
        outcome
    }

    fn judge(&self, run: &Run, name: &str, seed: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let mut wrong = |what: String| {
            outcome.wrong.push(format!("{:?} {:?} {}, seed {seed}: {what}", self.defect, self.with, self.changes));
        };
        let Some(findings) = run.summary["findings"].as_object() else {
            wrong(format!("no summary: {}", run.stderr));
            return outcome;
        };
        let log = Log(if name.is_empty() { Vec::new() } else { run.defects(name) });
        outcome.shown = log.lines() > 0;
        let expected: BTreeMap<&str, Count> = (self.expected)(&log).into_iter().collect();
        let is_violation = |finding: &Value| finding["class"] == "zero" && finding["count"] != 0;
        let violated = expected.keys().any(|finding| is_violation(&findings[*finding]));
        let reasons = &run.summary["correctness"]["reasons"];
        if (run.code == 97) != violated {
            wrong(format!("the exit code is {}: {reasons}", run.code));
        }
        for (finding, found) in findings {
            let count = found["count"].as_u64().unwrap() as usize;
            let right = match expected.get(finding.as_str()) {
                Some(Exactly(noted)) => count == *noted,
                Some(UpTo(noted)) => count <= *noted,
                Some(Near(noted)) => count.abs_diff(*noted) <= 3 + noted / 5,
                Some(Any) => true,
                None => count == 0 || (found["class"] != "zero" && finding != "silent_loss"),
            };
            if !right {
                let (noted, examples) = (expected.get(finding.as_str()), &found["examples"][0]);
                wrong(format!("{finding} is {count}, must be {noted:?}, such as {examples}"));
            }
        }
        for (finding, noted) in expected {
            let noted = match noted {
                Exactly(noted) | UpTo(noted) | Near(noted) => Some(noted),
                Any => None,
            };
            let count = findings[finding]["count"].as_u64().unwrap() as usize;
            outcome.counts.insert(finding.to_owned(), (noted, count));
        }
        outcome
    }
}

/// The ranks of the rows to run: all, or those that POSTHASTE_ROWS names by a
/// part of their defect, or by `changes`.
fn chosen() -> Vec<usize> {
    let wanted = std::env::var("POSTHASTE_ROWS").unwrap_or_default();
    let is_chosen = |row: &Row| row.defect.contains(&wanted) || (wanted == "changes" && row.changes);
    let chosen: Vec<usize> = (0..MATRIX.len()).filter(|rank| is_chosen(&MATRIX[*rank])).collect();
    assert!(!chosen.is_empty(), "no row is called {wanted:?}");
    chosen
}

/// Runs every row with every seed, a few at once: the outcomes of each row.
fn outcomes(seeds: std::ops::Range<u64>) -> Vec<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let found: Vec<Mutex<Vec<Outcome>>> = MATRIX.iter().map(|_| Mutex::default()).collect();
    let rows = chosen();
    let all: Vec<(u64, usize)> = seeds.flat_map(|seed| rows.iter().map(move |row| (seed, *row))).collect();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((seed, row)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = MATRIX[*row].run(*seed);
                    found[*row].lock().unwrap().push(outcome);
                }
            });
        }
    });
    found.into_iter().map(|row| row.into_inner().unwrap()).collect()
}

fn check(seeds: std::ops::Range<u64>) {
    let runs = seeds.end - seeds.start;
    let outcomes = outcomes(seeds);
    if let Some(path) = std::env::var_os("POSTHASTE_MATRIX") {
        write_tables(&PathBuf::from(path), runs, &outcomes);
    }
    let mut wrong: Vec<String> = outcomes.iter().flatten().flat_map(|outcome| outcome.wrong.clone()).collect();
    for (row, outcomes) in MATRIX.iter().zip(&outcomes).filter(|(_, outcomes)| !outcomes.is_empty()) {
        wrong.extend(never_caused(row, outcomes));
    }
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}

/// The findings of a row that none of its runs had: one run without harm is no
/// fault of anybody, all of them prove nothing.
fn never_caused(row: &Row, outcomes: &[Outcome]) -> Vec<String> {
    let named: BTreeSet<&String> = outcomes.iter().flat_map(|outcome| outcome.counts.keys()).collect();
    let is_caused = |finding: &str| outcomes.iter().any(|outcome| outcome.counts.get(finding).is_some_and(|c| c.1 > 0));
    let mut never: Vec<&str> = named.into_iter().map(String::as_str).filter(|finding| !is_caused(finding)).collect();
    if !row.defect.is_empty() && !outcomes.iter().any(|outcome| outcome.shown) {
        never = vec!["it at all"];
    }
    never
        .into_iter()
        .map(|what| format!("{:?} {:?} {}: no run had {what}", row.defect, row.with, row.changes))
        .collect()
}

/// The matrix as Markdown and CSV: for each row the sums over all runs.
fn write_tables(path: &Path, runs: u64, outcomes: &[Vec<Outcome>]) {
    let mut markdown = "| defect | with | findings: counted / in the server's log | runs | no harm | wrong |\n\
         | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let mut csv = "defect,with,finding,counted,in_log,relation,runs,harmless_runs,wrong_runs\n".to_owned();
    for (row, outcomes) in MATRIX.iter().zip(outcomes).filter(|(_, outcomes)| !outcomes.is_empty()) {
        let wrong = outcomes.iter().filter(|outcome| !outcome.wrong.is_empty()).count();
        let is_harmless = |outcome: &&Outcome| !row.defect.is_empty() && !outcome.is_harm();
        let harmless = outcomes.iter().filter(is_harmless).count();
        let changes: &[&str] = if row.changes { &["many changes"] } else { &[] };
        let with = row.with.iter().chain(changes).filter(|flag| **flag != "--set");
        let with = with.copied().collect::<Vec<_>>().join(" ");
        let defect = if row.defect.is_empty() { "(none)" } else { row.defect };
        let mut sums: BTreeMap<&str, (Option<usize>, usize)> = BTreeMap::new();
        for (finding, (noted, count)) in outcomes.iter().flat_map(|outcome| &outcome.counts) {
            let sum = sums.entry(finding).or_insert((Some(0), 0));
            *sum = (sum.0.zip(*noted).map(|(sum, noted)| sum + noted), sum.1 + count);
        }
        let mut cells = Vec::new();
        for (finding, (noted, count)) in sums {
            let relation = match noted {
                Some(noted) if noted == count => "=",
                Some(noted) if noted < count => "≈",
                Some(_) => "≤",
                None => "",
            };
            let log = noted.map_or("–".to_owned(), |noted| noted.to_string());
            cells.push(format!("{finding} {count} {relation} {log}"));
            writeln!(
                csv,
                "{defect},\"{}\",{finding},{count},{log},{relation},{runs},{harmless},{wrong}",
                with.replace('"', "\"\"")
            )
            .unwrap();
        }
        if cells.is_empty() {
            cells.push("nothing".to_owned());
            writeln!(csv, "{defect},\"{}\",,0,0,=,{runs},{harmless},{wrong}", with.replace('"', "\"\"")).unwrap();
        }
        writeln!(markdown, "| `{defect}` | `{with}` | {} | {runs} | {harmless} | {wrong} |", cells.join(", ")).unwrap();
    }
    fs::write(path.with_extension("md"), markdown).unwrap();
    fs::write(path.with_extension("csv"), csv).unwrap();
}

#[test]
fn each_defect_is_found_and_counted_and_nothing_else_is() {
    check(42..44);
}

#[test]
#[ignore = "takes a quarter of an hour; scripts/detection-matrix runs it"]
fn over_twenty_seeds_too() {
    check(1..21);
}
