//! `posthaste report` on folders as `run` leaves them.

use assert_cmd::Command;
use posthaste::judge::RunSummary;
use posthaste::ledger::{
    ConnectionEnd, FinalRead, HistoryRow, Latencies, Ledger, LedgerEncoder, RowText, RunRecord, SendRow, SubscriberLog,
};
use posthaste::model::{ChannelId, LatencyKind, MessageRef, Position, SendState, UserId};
use posthaste::results::{Checkpoints, LatencyLog, RunFolder};
use std::fs;
use std::path::Path;
use std::time::SystemTime;
use tempfile::TempDir;

const RUN: &str = "20261124-031502-k7q2";

/// One sender, one subscriber, one channel, ten seconds.
const PLAN: &str = r#"
name = "steady"
seed = 42
thresholds = ["findings.acked_lost == 0"]

[population]
users = 2
channels = 1
senders = 1
subscribers = 1
members = 2

[arrival]
process = "constant"
rate = 1
duration = "10s"

[message]
size = { min = 80, max = 400 }

[send]
attempts = 1
timeout = "1s"

[drain]
quiet = "1s"
deadline = "10s"
page_sizes = [10, 7]

[resolved]
target = "slack"

[resolved.capabilities]
dedup = true
sender_order = true
live_order = true
read_after_ack = true
explicit_membership = true
own_push = true
lag_us = 0
"#;

fn message(index: u32) -> MessageRef {
    MessageRef { channel: ChannelId(0), index }
}

fn sent(index: u32) -> SendRow {
    let at_us = 1_000_000 * u64::from(index + 1);
    SendRow {
        first_byte_us: Some(at_us + 100),
        acknowledged_us: Some(at_us + 5_000),
        last_attempt_us: Some(at_us + 5_000),
        attempts: 1,
        state: SendState::Acknowledged,
        server_id: Some(format!("id-{index}").into()),
        position: Some(Position(u64::from(index) + 1)),
        ..SendRow::intended(message(index), UserId(0), at_us)
    }
}

fn final_read(number: u32, stored: u32) -> FinalRead {
    let row = |index| HistoryRow {
        server_id: format!("id-{index}").into(),
        position: Position(u64::from(index) + 1),
        message: Some(message(index)),
        text: RowText::Intact,
    };
    let written_us = 20_000_000 + 2_000_000 * u64::from(number);
    FinalRead {
        number,
        channel: ChannelId(0),
        written_us,
        ended_us: written_us + 1_000,
        failure: None,
        rows: (0..stored).map(row).collect(),
        repeated: Vec::new(),
        stuck_pages: 0,
        foreign: Vec::new(),
        truncated_before: None,
        reactions: Vec::new(),
    }
}

/// Three messages acknowledged, of which `stored` stand in history.
fn ledger(stored: u32) -> Ledger {
    let mut log = SubscriberLog::new(UserId(1), [ChannelId(0)]);
    log.connected(10);
    for index in 0..stored {
        log.pushed(message(index), Some(Position(u64::from(index) + 1)), 1_000_000 * u64::from(index + 1) + 9_000);
    }
    log.disconnected(20_000_000, ConnectionEnd::RunEnd);
    Ledger {
        sends: (0..3).map(sent).collect(),
        subscribers: vec![log],
        final_reads: vec![final_read(1, stored), final_read(2, stored)],
        ..Ledger::default()
    }
}

fn record() -> RunRecord {
    RunRecord {
        run_id: RUN.to_owned(),
        run_number: 7,
        started_at: "2026-11-24T03:15:02Z".to_owned(),
        url: "http://127.0.0.1:8065".to_owned(),
        load_end_us: 10_000_000,
        ended_us: 30_000_000,
        scheduled: 3,
        ..RunRecord::default()
    }
}

fn new_run(results: &Path) -> RunFolder {
    let folder = RunFolder::create(results, RUN).unwrap();
    folder.write_plan(PLAN).unwrap();
    folder.checkpoint_record(&record()).unwrap();
    let mut latencies = Latencies::default();
    (0..3).for_each(|_| latencies.record(LatencyKind::Ack, 5_000));
    LatencyLog::create(&folder, SystemTime::now()).unwrap().append(0, 1_000_000, &latencies).unwrap();
    folder
}

/// Runs in the folder above `results/`, as a user does.
fn report(above: &TempDir, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("posthaste").unwrap();
    let output = command.current_dir(above.path()).arg("report").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_run_that_lost_a_message_is_judged_again() {
    let above = TempDir::new().unwrap();
    let folder = new_run(&above.path().join("results"));
    folder.write_ledger(&ledger(2), &record()).unwrap();

    let (code, text, errors) = report(&above, &[]);
    assert_eq!((code, errors.as_str()), (97, ""), "{text}");
    assert!(
        text.contains("VERDICT  FAIL") && text.contains("1 of 3 acknowledged messages are not in history"),
        "{text}"
    );
    assert!(text.contains("id id-2") && !text.contains('\x1b'), "{text}");
    assert!(
        text.contains(&format!("\nresults/{RUN}/report.html\nnext: posthaste report results/{RUN} --format json\n")),
        "{text}"
    );
    assert!(folder.read_summary().unwrap_err().is_not_found(), "nothing is written unless asked for");

    let (code, json, _) = report(&above, &["--json"]);
    let summary: RunSummary = serde_json::from_str(&json).unwrap();
    assert_eq!((code, summary.exit_code, summary.findings["acked_lost"].count), (97, 97, 1));
    assert_eq!(report(&above, &["--format", "json"]).1, json);

    let (_, markdown, _) = report(&above, &["results/latest", "--format", "markdown", "--write"]);
    assert!(markdown.starts_with("### ❌ posthaste: fail\n"), "{markdown}");
    assert_eq!(folder.read_summary().unwrap(), summary);
    assert_eq!(fs::read_to_string(folder.file("summary.md")).unwrap(), markdown);
    assert_eq!(fs::read_to_string(folder.file("summary.txt")).unwrap(), text);
    assert!(fs::read_to_string(folder.file("findings.csv")).unwrap().contains("\nacked_lost,zero,"));
}

#[test]
fn a_killed_run_is_reported_and_proves_nothing() {
    let above = TempDir::new().unwrap();
    let folder = new_run(&above.path().join("results"));
    let mut encoder = LedgerEncoder::new();
    encoder.encode_sends(&ledger(3).sends);
    Checkpoints::of(&folder).take(0, &encoder.last_piece()).unwrap();
    let (code, text, _) = report(&above, &[&format!("results/{RUN}")]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("INCONCLUSIVE") && text.contains("killed during the run"), "{text}");
    assert!(text.contains("intended 3 = acknowledged 3") && text.contains("\n ? 5 of 25 findings checked"), "{text}");
    fs::remove_file(folder.file("latency.hlog")).unwrap();
    assert_eq!(report(&above, &[]).0, 3, "killed before its first second");
}

#[test]
fn what_is_no_run_is_named() {
    let above = TempDir::new().unwrap();
    let (code, text, errors) = report(&above, &[]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert_eq!(errors, "posthaste: cannot open results/latest: No such file or directory (os error 2)\n");
    assert_eq!(report(&above, &["--json", "--format", "text"]).0, 2);

    let folder = new_run(&above.path().join("results"));
    fs::write(folder.file("ledger/merged.bin"), "PHLEDGER").unwrap();
    let (code, _, errors) = report(&above, &[]);
    assert_eq!(code, 1);
    assert!(errors.ends_with("ledger/merged.bin: truncated after 0 records\n"), "{errors}");
    folder.write_plan("workload = 3").unwrap();
    let (code, _, errors) = report(&above, &[]);
    assert!(code == 1 && errors.contains("/plan.toml:1:1: not the plan of a run"), "{errors}");
}
