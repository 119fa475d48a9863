//! A folder is written as `run` writes it, and read as `report` reads it.

use super::findings::safe_cell;
use super::*;
use crate::judge::capacity::CapacitySummary;
use crate::judge::compare::CompareSummary;
use crate::judge::{MatrixSummary, RunSummary};
use crate::ledger::{
    IntervalFigures, IntervalLatency, Latencies, Ledger, LedgerEncoder, LedgerPiece, RunRecord, SendRow,
};
use crate::model::{ChannelId, LatencyKind, MessageRef, UserId};
use crate::report::example_summary::{failed, passed};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn new_folder() -> (TempDir, RunFolder) {
    let results = TempDir::new().unwrap();
    let folder = RunFolder::create(results.path(), "20261124-031502-k7q2").unwrap();
    (results, folder)
}

fn text(folder: &RunFolder, name: &str) -> String {
    fs::read_to_string(folder.file(name)).unwrap()
}

fn row(index: u32) -> SendRow {
    SendRow::intended(MessageRef { channel: ChannelId(0), index }, UserId(0), u64::from(index))
}

/// A checkpoint, a piece for each row.
fn checkpoint(rows: &[SendRow]) -> Vec<LedgerPiece> {
    let mut encoder = LedgerEncoder::new();
    let mut pieces: Vec<_> = rows
        .iter()
        .map(|row| {
            encoder.encode_sends(std::slice::from_ref(row));
            encoder.take_piece()
        })
        .collect();
    pieces.push(encoder.last_piece());
    pieces
}

fn write_shard(folder: &RunFolder, shard: usize, pieces: &[LedgerPiece]) -> Result<(), ResultsError> {
    let mut checkpoints = Checkpoints::of(folder);
    pieces.iter().try_for_each(|piece| checkpoints.take(shard, piece))
}

fn latencies(ack_us: u64) -> Latencies {
    let mut latencies = Latencies::default();
    latencies.record(LatencyKind::Ack, ack_us);
    latencies.record(LatencyKind::HealMessage, 3_000_000);
    latencies
}

#[test]
fn ids_sort_by_time_and_are_told_apart() {
    let now: jiff::Timestamp = "2026-11-24T03:15:02.9Z".parse().unwrap();
    assert_eq!(new_run_id(now, 0), "20261124-031502-aaaa");
    assert_eq!(new_run_id(now, u64::MAX), "20261124-031502-9999");
    assert_ne!(new_run_id(now, 1 << 15), new_run_id(now, 0));
}

#[test]
fn latest_is_the_newest_run_and_every_file_is_its_owners_only() {
    let (results, first) = new_folder();
    let second = RunFolder::create(results.path(), "20261124-031503-aaaa").unwrap();
    let latest = results.path().join("latest");
    assert_eq!(fs::read_link(&latest).unwrap(), Path::new("20261124-031503-aaaa"), "relative: folders can be moved");
    assert!(RunFolder::create(results.path(), "20261124-031503-aaaa").unwrap_err().to_string().contains("aaaa"));

    write_everything(&second);
    let opened = RunFolder::open(&latest).unwrap();
    assert_eq!(opened, RunFolder::open(second.path()).unwrap());
    assert_ne!(opened, RunFolder::open(first.path()).unwrap());
    let mut files = 0;
    for folder in [second.path().to_owned(), second.file("ledger")] {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let is_file = entry.file_type().unwrap().is_file();
            assert!(!is_file || entry.metadata().unwrap().permissions().mode() & 0o777 == 0o600, "{entry:?}");
            assert!(!entry.file_name().to_str().unwrap().starts_with('.'), "left behind: {entry:?}");
            files += usize::from(is_file);
        }
    }
    assert_eq!(files, 10, "plan, env, summary and its text, findings, intervals, latencies, events, ledger, record");
}

fn write_everything(folder: &RunFolder) {
    folder.write_plan("seed = 42\n").unwrap();
    folder.write_environment(&Environment::here()).unwrap();
    folder.checkpoint_record(&RunRecord::default()).unwrap();
    IntervalLog::create(folder).unwrap().append(&IntervalFigures::default(), &latencies(5)).unwrap();
    LatencyLog::create(folder, START).unwrap().append(0, 1_000_000, &latencies(5)).unwrap();
    EventLog::create(folder).unwrap().append(1, "phase", serde_json::json!({})).unwrap();
    write_shard(folder, 0, &checkpoint(&[row(0)])).unwrap();
    folder.write_ledger(&Ledger { sends: vec![row(0)], ..Ledger::default() }, &RunRecord::default()).unwrap();
    folder.write_summary(&passed()).unwrap();
    folder.write_text("summary.txt", "text").unwrap();
}

#[test]
fn errors_name_the_path() {
    let (results, folder) = new_folder();
    let file = results.path().join("file");
    fs::write(&file, "").unwrap();
    let blocked = RunFolder::create(&file, "run").unwrap_err().to_string();
    assert!(blocked.starts_with("cannot create ") && blocked.contains("/file"), "{blocked}");
    let missing = RunFolder::open(&results.path().join("nothing")).unwrap_err();
    assert!(missing.is_not_found() && missing.to_string().contains("/nothing"), "{missing}");
    let other = RunFolder::open(results.path()).unwrap_err().to_string();
    assert!(other.contains("not the folder of a run"), "{other}");
    assert!(folder.read_summary().unwrap_err().is_not_found());
    fs::write(folder.file("summary.json"), "{}").unwrap();
    let malformed = folder.read_summary().unwrap_err().to_string();
    assert!(malformed.contains("summary.json: missing field"), "{malformed}");
    fs::remove_dir(folder.file("ledger")).unwrap();
    let unwritable = write_shard(&folder, 0, &checkpoint(&[])).unwrap_err().to_string();
    assert!(unwritable.contains("ledger/shard-0.bin: No such file"), "{unwritable}");
    let latest = results.path().join("latest");
    fs::remove_file(&latest).unwrap();
    fs::create_dir(&latest).unwrap();
    assert!(RunFolder::create(results.path(), "b").unwrap_err().to_string().contains("replace the link"));
    assert!(!results.path().join(".latest-b").exists());
}

/// Of `summary.json` and of what the studies write.
fn schemas() -> [(&'static str, serde_json::Value); 4] {
    [
        ("summary", schemars::schema_for!(RunSummary).to_value()),
        ("compare", schemars::schema_for!(CompareSummary).to_value()),
        ("matrix", schemars::schema_for!(MatrixSummary).to_value()),
        ("capacity", schemars::schema_for!(CapacitySummary).to_value()),
    ]
}

#[test]
fn the_published_schemas_are_those_of_the_files() {
    for (name, schema) in schemas() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("results/{name}.schema.json"));
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("POSTHASTE_WRITE_SCHEMA").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == generated, "{name}.schema.json is old: test again with POSTHASTE_WRITE_SCHEMA=1");
    }
}

#[test]
fn a_summary_comes_back_and_keeps_the_schema() {
    let (_results, folder) = new_folder();
    let validator = jsonschema::validator_for(&schemas()[0].1).unwrap();
    for summary in [passed(), failed()] {
        folder.write_summary(&summary).unwrap();
        assert_eq!(folder.read_summary().unwrap(), summary);
        let mut written: serde_json::Value = serde_json::from_str(&text(&folder, "summary.json")).unwrap();
        assert!(validator.is_valid(&written), "{:?}", validator.iter_errors(&written).next());
        written["ledger"]["intended"] = "many".into();
        assert!(!validator.is_valid(&written));
    }
}

#[test]
fn findings_are_rows_without_formulas() {
    let (_results, folder) = new_folder();
    let mut summary: RunSummary = failed();
    summary.findings.get_mut("acked_lost").unwrap().examples.truncate(2);
    folder.write_summary(&summary).unwrap();
    let expected = "\
finding,class,key,channel,index,sender,subscriber,server_ids,intended_us,acknowledged_us,seen_us,note,trace_id,trace_url
acked_lost,zero,01890a5d-ac96-874b-8b5e-000000000000,3,17,4,,1700000000.000100,12300000,12400000,,in the middle of its sender's sequence,,
acked_lost,zero,01890a5d-ac96-874b-8b5e-000000000001,3,18,4,,'=1+1[2J<script>|,12300000,12400000,,in the middle of its sender's sequence,,
";
    assert_eq!(text(&folder, "findings.csv"), expected);
    assert_eq!(safe_cell("=1"), "'=1");
}

#[test]
fn intervals_are_rows_of_the_load_and_of_each_latency() {
    let (_results, folder) = new_folder();
    let mut log = IntervalLog::create(&folder).unwrap();
    let figures = IntervalFigures {
        at_us: 2_000_000,
        length_us: 500_000,
        phase: "=steady".to_owned(),
        intended: 10,
        attempted: 11,
        acknowledged: 9,
        rejected: 1,
        unknown: 2,
        retries: 3,
        delivered: 90,
        duplicates: 4,
        healed: 5,
        in_flight: 6,
        queued: 7,
        connected: 8,
        reconnecting: 12,
        cpu_us: 13,
        rss_bytes: 14,
    };
    log.append(&figures, &latencies(5_000)).unwrap();
    let expected = "\
at_s,phase,operation,count,per_s,p50_us,p90_us,p99_us,max_us,out_of_range,intended,attempted,acknowledged,rejected,\
unknown,retries,delivered,duplicates,healed,in_flight,queued,connected,reconnecting,cpu_us,rss_bytes,length_s
2.000,'=steady,load,10,20.0,,,,,0,10,11,9,1,2,3,90,4,5,6,7,8,12,13,14,0.500
2.000,'=steady,ack,1,2.0,5003,5003,5003,5003,,,,,,,,,,,,,,,,,
2.000,'=steady,heal_message,1,2.0,3000319,3000319,3000319,3000319,,,,,,,,,,,,,,,,,
";
    assert_eq!(text(&folder, "intervals.csv"), expected);

    let read = read_intervals(&folder.file("intervals.csv")).unwrap();
    let [interval] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(interval.figures, IntervalFigures { phase: "'=steady".to_owned(), ..figures });
    let value = |us| IntervalLatency { count: 1, p50_us: us, p90_us: us, p99_us: us, max_us: us };
    let latencies = [(LatencyKind::Ack, value(5_003)), (LatencyKind::HealMessage, value(3_000_319))];
    assert_eq!(interval.latencies, latencies.into());

    let mut damaged = expected.replace("2.000,'=steady,heal_message", "3.000,'=steady,load").into_bytes();
    fs::write(folder.file("intervals.csv"), &damaged).unwrap();
    let error = read_intervals(&folder.file("intervals.csv")).unwrap_err().to_string();
    assert!(error.ends_with("intervals.csv: line 4: length_s is \"\", not a number"), "{error}");
    damaged.pop();
    fs::write(folder.file("intervals.csv"), damaged).unwrap();
    let read = read_intervals(&folder.file("intervals.csv")).unwrap();
    assert_eq!(read[0].latencies.len(), 1, "the last line has no end, and counts as unfinished");
}

#[test]
fn latencies_of_all_intervals_come_back() {
    let (_results, folder) = new_folder();
    let mut log = LatencyLog::create(&folder, START + Duration::from_millis(1_500)).unwrap();
    let (mut all, mut interval) = (Latencies::default(), Latencies::default());
    for second in 0..4 {
        interval.clear();
        for kind in LatencyKind::ALL {
            for latency in [1, 77_777, 3_599_999_000] {
                interval.record(kind, latency + second * 1_000);
            }
        }
        log.append(second * 1_000_000, 1_000_000, &interval).unwrap();
        all.merge(&interval);
    }
    log.append(4_000_000, 1_000_000, &Latencies::default()).unwrap();
    let read = read_latencies(&folder.file("latency.hlog")).unwrap();
    for kind in LatencyKind::ALL {
        assert_eq!(read.histogram(kind), all.histogram(kind), "{}", kind.name());
    }
    let written = text(&folder, "latency.hlog");
    let expected = "\
#[Histogram log format version 1.3]
#[Values are microseconds, the Interval_Max too]
#[StartTime: 1.500 (seconds since epoch)]
#[BaseTime: 1.500 (seconds since epoch)]
\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"
Tag=ack,0.000,1.000,";
    assert_eq!(&written[..expected.len()], expected);
    assert_eq!(written.lines().count(), 5 + 4 * LatencyKind::ALL.len(), "an empty histogram has no line");
}

#[test]
fn a_cut_latency_log_loses_its_last_line_only_and_a_damaged_one_is_named() {
    let (_results, folder) = new_folder();
    let path = folder.file("latency.hlog");
    let mut log = LatencyLog::create(&folder, START).unwrap();
    log.append(0, 1_000_000, &latencies(5_000)).unwrap();
    log.append(1_000_000, 1_000_000, &latencies(7_000)).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let read = read_latencies(&path).unwrap();
    assert_eq!((read.histogram(LatencyKind::Ack).len(), read.histogram(LatencyKind::HealMessage).len()), (2, 1));
    for (from, to, expected) in [
        ("Tag=ack", "Tag=abc", "line 6: an unknown tag"),
        ("HISTF", "!!!!!", "line 6: not base64"),
        ("HISTFAAAA", "HISTFBBBB", "line 6: a damaged histogram"),
        ("Tag=ack,0.000", "Tag=ack,zero", "line 6: not a line of a histogram log"),
    ] {
        let text = String::from_utf8(whole.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let message = read_latencies(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.ends_with(expected), "{from} → {to}: {message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_latency_log_panics(place in 0usize..2_000, value: u8) {
        let (_results, folder) = new_folder();
        LatencyLog::create(&folder, START).unwrap().append(0, 1_000_000, &latencies(5_000)).unwrap();
        let path = folder.file("latency.hlog");
        let mut bytes = fs::read(&path).unwrap();
        let place = place % bytes.len();
        bytes[place] = value;
        fs::write(&path, &bytes).unwrap();
        let _ = read_latencies(&path);
    }
}

#[test]
fn events_come_back_up_to_the_last_whole_line() {
    let (_results, folder) = new_folder();
    let path = folder.file("events.ndjson");
    let mut log = EventLog::create(&folder).unwrap();
    log.append(5, "phase", serde_json::json!({"name": "a\nb"})).unwrap();
    log.append(9, "fault", serde_json::json!({})).unwrap();
    let whole = text(&folder, "events.ndjson");
    assert_eq!(whole.lines().next(), Some(r#"{"at_us":5,"kind":"phase","data":{"name":"a\nb"}}"#));
    assert_eq!(read_events(&path).unwrap().len(), 2);
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(read_events(&path).unwrap().len(), 1);
    fs::write(&path, "{}\n").unwrap();
    assert!(read_events(&path).unwrap_err().to_string().contains("line 1: missing field"));
}

#[test]
fn the_folder_of_a_killed_run_is_read() {
    let (_results, folder) = new_folder();
    let record = RunRecord { run_id: "r".to_owned(), ..RunRecord::default() };
    assert!(read_ledger(&folder).unwrap_err().is_not_found(), "killed before it began");
    folder.checkpoint_record(&record).unwrap();
    let killed = RunRecord { killed: true, ..record.clone() };
    assert_eq!(read_ledger(&folder).unwrap(), (Ledger::default(), killed.clone()), "killed before a checkpoint");
    write_shard(&folder, 0, &checkpoint(&[row(0)])).unwrap();
    write_shard(&folder, 0, &checkpoint(&[row(0), row(1)])).unwrap();
    write_shard(&folder, 1, &checkpoint(&[row(2)])).unwrap();
    // Killed within a checkpoint: the one before it stands, for each shard.
    let (cut, whole) = (checkpoint(&[row(7), row(8)]), checkpoint(&[row(2)]));
    let mut checkpoints = Checkpoints::of(&folder);
    checkpoints.take(0, &cut[1]).unwrap();
    for piece in 0..2 {
        checkpoints.take(0, &cut[piece]).unwrap();
        checkpoints.take(1, &whole[piece]).unwrap();
    }
    drop(checkpoints);
    let ledger = Ledger { sends: vec![row(0), row(1), row(2)], ..Ledger::default() };
    let opened = RunFolder::open(folder.path()).unwrap();
    assert_eq!(read_ledger(&opened).unwrap(), (ledger.clone(), killed));
    assert!(opened.read_summary().unwrap_err().is_not_found());

    fs::write(folder.file("ledger/shard-1.bin"), b"PHLEDGER\x03\0\0\0\x01").unwrap();
    let damaged = read_ledger(&folder).unwrap_err().to_string();
    assert!(damaged.ends_with("ledger/shard-1.bin: truncated after 0 records"), "{damaged}");

    folder.write_ledger(&ledger, &record).unwrap();
    assert_eq!(read_ledger(&folder).unwrap(), (ledger, record), "the end of a run replaces its checkpoints");
    assert!(!folder.file("ledger/shard-0.bin").exists());
}

#[test]
fn the_latencies_of_some_seconds_are_read_alone() {
    let (_results, folder) = new_folder();
    let mut log = LatencyLog::create(&folder, START).unwrap();
    for second in 0..3 {
        log.append(second * 1_000_000, 1_000_000, &latencies(1_000 * (second + 1))).unwrap();
    }
    let asked = std::cell::RefCell::new(Vec::new());
    let read = read_latencies_of(&folder.file("latency.hlog"), |kind, start_us, end_us| {
        asked.borrow_mut().push((kind, start_us, end_us));
        start_us == 1_000_000 && kind == LatencyKind::Ack
    });
    let read = read.unwrap();
    assert_eq!((read.histogram(LatencyKind::Ack).len(), read.histogram(LatencyKind::HealMessage).len()), (1, 0));
    assert!(read.histogram(LatencyKind::Ack).max().abs_diff(2_000) < 5);
    assert!(asked.borrow().contains(&(LatencyKind::HealMessage, 2_000_000, 3_000_000)), "{asked:?}");
}

#[test]
fn every_run_is_a_row_of_the_history() {
    let (results, folder) = new_folder();
    folder.append_to_history(&passed()).unwrap();
    let mut second = failed();
    second.workload = "=cmd".to_owned();
    folder.append_to_history(&second).unwrap();
    let text = fs::read_to_string(results.path().join("history.csv")).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows[0].starts_with("run_id,started_at,") && rows[1].contains(",pass,0,true,"), "{text}");
    assert!(rows[2].contains(",'=cmd,") && rows[2].contains(",fail,97,true,5260,5236,300050,5,"), "{text}");
}
