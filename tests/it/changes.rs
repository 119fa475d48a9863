//! Whole runs that change messages, hint at things, and ask apps.

use super::run::Run;
use assert_cmd::Command;
use serde_json::Value;

const CHANGES: [&str; 6] = [
    "--set",
    "changes.share=0.5",
    "--set",
    "changes.per_message={min=1,max=4}",
    "--set",
    "changes.after={min=\"20ms\",max=\"300ms\"}",
];
const HINTS: [&str; 4] =
    ["--set", "hints.typing_per_user_per_minute=60", "--set", "hints.presence_per_user_per_minute=60"];
const KINDS: [&str; 4] = ["edit", "delete", "react", "reply"];

fn posthaste(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_posthaste")).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_correct_server_keeps_every_change_and_the_run_is_judged_the_same_from_its_files() {
    let run = Run::short(&[&CHANGES[..], &HINTS, &["--set", "churn.share_per_minute=10"]].concat());
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    for kind in KINDS {
        let counts = &run.summary["changes"][kind];
        assert!(number(&counts["intended"]) > 10 && counts["intended"] == counts["acknowledged"], "{kind}: {counts}");
    }
    assert_eq!(run.ledger("intended"), run.ledger("acknowledged"));
    let deleted = number(&run.summary["changes"]["delete"]["acknowledged"]);
    assert_eq!(run.ledger("stored"), run.ledger("acknowledged") - deleted);
    for (finding, of) in [("edit_lost", 20), ("delete_resurrected", 10), ("orphan_reply", 10)] {
        let finding = &run.summary["findings"][finding];
        assert!(finding["checked"] == true && number(&finding["of"]) > of, "{finding}");
    }
    let latency = |kind: &str| number(&run.summary["latency_us"][kind]["count"]);
    assert!(latency("change") > 40 && latency("typing") > 100 && latency("presence") > 20);
    for kind in ["typing", "presence"] {
        let hints = &run.summary["hints"][kind];
        assert!(number(&hints["sent"]) > 20 && hints["delivered_share"].as_f64().unwrap() > 0.5, "{kind}: {hints}");
    }

    let folder = run.folder();
    let (code, again, _) = posthaste(&["report", "--json", folder.to_str().unwrap()]);
    assert_eq!((code, serde_json::from_str::<Value>(&again).unwrap()), (0, run.summary.clone()));
    let text = std::fs::read_to_string(folder.join("summary.txt")).unwrap();
    assert!(text.contains("\nCHANGES ") && text.contains("\nHINTS "), "{text}");
}

#[test]
fn lost_changes_are_told_by_a_history_too() {
    let defects = ["--defect", "edit-lost=3", "--defect", "delete-resurrected=3", "--defect", "orphan-reply=3"];
    let run = Run::short(&[&CHANGES[..], &defects].concat());
    assert_eq!(run.code, 97, "{}", run.stderr);
    run.only(&["edit_lost", "delete_resurrected", "orphan_reply"]);
    let file = run.folder().join("history.ndjson");
    let (file, folder) = (file.to_str().unwrap(), run.folder());
    posthaste(&["report", "--json", "--history", file, folder.to_str().unwrap()]);
    let (code, verdict, errors) = posthaste(&["judge", "--json", file]);
    assert_eq!(code, 97, "{errors}");
    let verdict: Value = serde_json::from_str(&verdict).unwrap();
    for finding in ["edit_lost", "delete_resurrected", "orphan_reply", "acked_lost", "corrupt", "vanished"] {
        for field in ["count", "of", "checked", "split"] {
            let (told, judged) = (&verdict["findings"][finding][field], &run.summary["findings"][finding][field]);
            assert_eq!(told, judged, "{finding}: {field}");
        }
    }
    assert_eq!(verdict["ledger"], run.summary["ledger"]);
}

#[test]
fn the_seed_decides_the_changes_on_any_number_of_workers() {
    let intended = |workers: &str| {
        let run = Run::short(&[&CHANGES[..], &["--workers", workers]].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        KINDS.map(|kind| number(&run.summary["changes"][kind]["intended"]))
    };
    assert_eq!(intended("1"), intended("3"));
}

/// A correct server loses nothing under faults either: what it did not answer
/// is unknown.
#[test]
fn faults_leave_changes_unknown_and_nothing_lost() {
    for (fault, reason) in [
        ("faults=[{kind=\"crash\",at=\"700ms\"},{kind=\"crash\",at=\"1500ms\"}]", "a crash"),
        ("faults=[{kind=\"blackhole\",at=\"500ms\",for=\"800ms\",share=0.5,connections=\"posts\"}]", "half-open posts"),
        ("faults=[{kind=\"store-fail\",at=\"600ms\",for=\"300ms\"}]", "a store that fails"),
    ] {
        let settings = ["--set", fault, "--set", "send.timeout=1s", "--set", "send.attempts=2"];
        let run = Run::short(&[&CHANGES[..], &HINTS, &settings].concat());
        run.only(&[]);
        assert_ne!(run.code, 97, "{reason}: {}", run.stderr);
        let sums = KINDS.map(|kind| run.summary["changes"][kind].clone());
        let sum = |field: &str| sums.iter().map(|counts| number(&counts[field])).sum::<u64>();
        assert_eq!(
            sum("intended"),
            sum("acknowledged") + sum("rejected") + sum("unknown") + sum("unattempted"),
            "{reason}"
        );
        assert!(sum("attempts") > sum("acknowledged"), "{reason}: nothing was disturbed");
    }
}

#[test]
fn a_target_that_takes_no_changes_is_asked_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let (_, reference, _) = posthaste(&["profiles", "reference"]);
    let profile = folder.path().join("plain.toml");
    std::fs::write(&profile, reference.replace("changes = true", "changes = false")).unwrap();
    let run = Run::short(&[&CHANGES[..], &["--target", profile.to_str().unwrap()]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.summary["changes"].is_null());
    let finding = &run.summary["findings"]["edit_lost"];
    assert!(finding["checked"] == false && finding["unchecked_because"].as_str().unwrap().contains("does not declare"));
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_sent() {
    for (settings, says) in [
        (vec!["changes.share=2"], "changes.share must be from 0 to 1"),
        (vec!["changes.per_message=9"], "from 1 to 8"),
        (vec!["changes.shares=0.1"], "did you mean \"share\"?"),
        (
            vec!["changes.share=0.1", "changes.edit=0", "changes.delete=0", "changes.react=0", "changes.reply=0"],
            "weight",
        ),
        (vec!["changes.share=0.1", "send.design=ws"], "send.design = \"ws\" has none"),
        (
            vec!["hints.typing_per_user_per_minute=3", "receive.design=poll", "churn.share_per_minute=0"],
            "holds none that carries it",
        ),
        (vec!["hints.typing_per_user_per_minute=61"], "from 0 to 60"),
        (vec!["actions.commands_per_user_per_minute=1"], "receive.design = \"ws\" is none"),
    ] {
        let mut args = vec!["run", "--dry-run"];
        settings.iter().for_each(|setting| args.extend(["--set", setting]));
        let (code, _, errors) = posthaste(&args);
        assert!(code == 2 && errors.contains(says), "{settings:?}: {code} {errors}");
    }
    let (code, plan, _) = posthaste(&["run", "--dry-run", "--set", "changes.share=\"5%\"", "--set", "changes.edit=2"]);
    assert_eq!(code, 0);
    let section = plan.split("[changes]").nth(1).unwrap().split('[').next().unwrap();
    for line in ["share = 0.05 # --set", "per_message = { min = 1, max = 3 } # default", "edit = 2 # --set"] {
        assert!(section.contains(line), "{line}: {section}");
    }
    assert!(plan.contains("\n[hints]\ntyping_per_user_per_minute = 0 # default"), "{plan}");
}

/// User → server → app → server → user.
#[test]
fn commands_and_clicks_are_answered_by_the_app() {
    for design in ["socket-mode", "webhook"] {
        let settings = ["--set", &format!("receive.design={design}"), "--set", "churn.share_per_minute=0"];
        let actions =
            ["--set", "actions.commands_per_user_per_minute=60", "--set", "actions.clicks_per_user_per_minute=30"];
        let run = Run::short(&[&settings[..], &actions].concat());
        assert_eq!(run.code, 0, "{design}: {}\n{:#}", run.stderr, run.summary);
        run.only(&[]);
        let actions = &run.summary["hints"]["action"];
        assert!(number(&actions["sent"]) > 100, "{design}: {actions}");
        assert_eq!(actions["sent"], actions["delivered"], "{design}: a correct server asks its apps");
        let latency = number(&run.summary["latency_us"]["action"]["count"]);
        assert!(latency > 80 && latency <= number(&actions["delivered"]), "{design}: {latency}");
        assert!(run.summary["latency_us"]["action"]["p50"].as_u64() > Some(0));
    }
}
