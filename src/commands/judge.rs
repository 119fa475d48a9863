//! `posthaste judge`: the verdict on a history that anybody wrote.

use super::complain;
use super::report::stdout_style;
use crate::cli::JudgeArgs;
use crate::exit_code;
use crate::judge::{Example, FindingSummary, Input, RunSummary, TimedLatencies, Verdict, judge};
use crate::ledger::Latencies;
use crate::report::correctness;
use crate::results::{History, Names, read_history};
use anyhow::Context;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

/// Prints the verdict to stdout and returns its exit code, or
/// [`exit_code::USAGE`] where the file is no history.
pub fn run(args: &JudgeArgs) -> anyhow::Result<u8> {
    let history = match read(&args.file) {
        Ok(history) => history,
        Err(error) => {
            complain(&format!("{}: {error:#}", args.file.display()));
            return Ok(exit_code::USAGE);
        }
    };
    let latencies = Latencies::default();
    let History { plan, record, ledger, names } = &history;
    let mut summary = judge(&Input { plan, record, ledger, latencies: &latencies, timed: &TimedLatencies::default() });
    let examples = summary.findings.values_mut().flat_map(|finding| &mut finding.examples);
    examples.for_each(|example| use_key(example, names));
    let text = if args.json {
        serde_json::to_string_pretty(&machine_readable(&summary, names))? + "\n"
    } else {
        let examples = summary.findings.values_mut().flat_map(|finding| &mut finding.examples);
        examples.for_each(|example| use_names(example, names));
        correctness(&summary, &args.file.display().to_string(), stdout_style())
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(code(summary.correctness.verdict)),
    }
}

fn read(path: &Path) -> anyhow::Result<History> {
    if path == Path::new("-") {
        return Ok(read_history(io::stdin().lock())?);
    }
    Ok(read_history(BufReader::new(File::open(path)?))?)
}

fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => exit_code::PASS,
        Verdict::Inconclusive => exit_code::INCONCLUSIVE,
        Verdict::Fail => exit_code::INCORRECT,
    }
}

/// The file's own key, in place of the one that posthaste would have made.
fn use_key(example: &mut Example, names: &Names) {
    if let Some((channel, index)) = example.channel.zip(example.index) {
        example.key = names.key(channel, index).map(str::to_owned).or_else(|| example.key.take());
    }
}

/// For a reader: the names of the file, in place of numbers.
fn use_names(example: &mut Example, names: &Names) {
    let mut words = Vec::new();
    words.extend(example.channel.take().map(|channel| format!("channel {}", names.channel(channel))));
    words.extend(example.sender.take().map(|user| format!("sender {}", names.user(user))));
    words.extend(example.subscriber.take().map(|user| format!("subscriber {}", names.user(user))));
    words.extend((!example.note.is_empty()).then(|| example.note.clone()));
    example.index = None;
    example.note = words.join(" · ");
}

/// Verdict, counts and findings, with the names of the file.
fn machine_readable(summary: &RunSummary, names: &Names) -> Value {
    let named = |finding: &FindingSummary| {
        let mut value = json!(finding);
        for example in value["examples"].as_array_mut().into_iter().flatten() {
            for field in ["channel", "sender", "subscriber"] {
                let Some(number) = example[field].as_u64().map(|number| number as u32) else { continue };
                example[field] = if field == "channel" { names.channel(number) } else { names.user(number) }.into();
            }
        }
        value
    };
    let findings: serde_json::Map<String, Value> =
        summary.findings.iter().map(|(name, finding)| (name.clone(), named(finding))).collect();
    json!({
        "run_id": summary.run_id,
        "verdict": summary.correctness.verdict,
        "reasons": summary.correctness.reasons,
        "ledger": summary.ledger,
        "findings": findings,
    })
}
