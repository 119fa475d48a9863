//! Which parts of the built-in profiles the recorded exchanges exercise: where a
//! rule or an answer may mean something else and every exchange still comes to the
//! same, none exercises it.

use super::super::{Described, TargetProfile, Transport, built_in_targets};
use super::recorded::{files_of, open, transcript};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// What no exchange exercises.
const NOT_RECORDED: &[(&str, &[&str])] = &[];

/// Sections and steps, as exchanges name them.
fn sections(described: &Described) -> BTreeSet<String> {
    let mut sections = BTreeSet::from(["send".to_owned()]);
    let (receive, resume) = (&described.receive, described.receive.resume.as_ref());
    sections.extend((0..receive.open.len()).map(|rank| format!("receive.open.{rank}")));
    sections.extend((0..resume.map_or(0, |resume| resume.open.len())).map(|rank| format!("receive.resume.{rank}")));
    let steps = [
        ("setup", &described.setup),
        ("login", &described.login),
        ("boot", &described.boot),
        ("join", &described.join),
        ("leave", &described.leave),
        ("cleanup", &described.cleanup),
    ];
    for (section, steps) in steps {
        sections.extend((0..steps.len()).map(|rank| format!("{section}.{rank}")));
    }
    let history = described.history.as_ref();
    for (section, there) in [
        ("greet", described.greet.is_some()),
        ("send.verify", described.send.verify.is_some()),
        ("send.socket", described.send.frame.is_some()),
        ("receive", receive.transport != Transport::None),
        ("receive.resume", resume.is_some()),
        ("receive.subscribe", receive.subscribe.is_some()),
        ("receive.heartbeat", receive.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.frame.is_some())),
        ("history", history.is_some()),
        ("history.row", history.is_some_and(|history| history.row.is_some())),
    ] {
        if there {
            sections.insert(section.to_owned());
        }
    }
    sections
}

/// The rules and answers of a profile, by their names and where they stand.
fn rows(profile: &Table) -> Vec<(String, [&'static str; 2], usize)> {
    let mut found = Vec::new();
    for path in [["send", "answer"], ["receive", "rule"]] {
        let rows = profile[path[0]].get(path[1]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (rank, row) in rows.iter().enumerate() {
            let does = |key: &str| row.get(key).is_some();
            let deed = row.get("do").and_then(Value::as_str).unwrap_or("ignore");
            if path[0] == "send" || deed != "ignore" || does("send") || does("capture") {
                found.push((format!("{}.{} {}", path[0], path[1], rank + 1), path, rank));
            }
        }
    }
    found
}

/// The profile, where a row means something else.
fn altered(profile: &Table, [section, rows]: [&str; 2], rank: usize) -> String {
    let mut changed = profile.clone();
    let rows = changed[section][rows].as_array_mut().expect("rows are a list");
    let row = rows[rank].as_table_mut().expect("a row is a table");
    // What a profile cannot be without, where nothing matches it: there is a body
    // always.
    let unmatched = match section {
        "send" => {
            let other = if row["effect"].as_str() == Some("none") { "indeterminate" } else { "none" };
            row.insert("effect".to_owned(), other.into());
            row.insert("retry".to_owned(), if other == "none" { "no" } else { "backoff" }.into());
            row.insert("refresh".to_owned(), false.into());
            "effect = 'ok'\nabsent = ['body']"
        }
        _ => {
            let other = if row.get("do").and_then(Value::as_str) == Some("pong") { "ready" } else { "pong" };
            row.insert("do".to_owned(), other.into());
            "do = 'deliver'\ntext = '/text'\nabsent = ['body']"
        }
    };
    rows.push(toml::from_str(unmatched).unwrap());
    toml::to_string(&changed).unwrap()
}

fn not_recorded(name: &str, text: &str) -> Vec<String> {
    let profile: Table = toml::from_str(text).unwrap();
    let compiled = || TargetProfile::parse(text, name).unwrap();
    let files = files_of(name);
    let described = compiled().described.expect("a profile without a wire of its own");
    let mut missing = sections(&described);
    for (_, recorded) in &files {
        for exchange in open(compiled(), recorded).1.exchange {
            let over_the_socket = exchange.of == "send" && described.send.request.is_none();
            if exchange.request.is_some() || exchange.request_body.is_some() || over_the_socket {
                missing.remove(&exchange.of);
            }
        }
    }
    let play = |profile: &str| -> Vec<Vec<String>> {
        let parse = || TargetProfile::parse(profile, name).unwrap();
        files.iter().map(|(_, recorded)| transcript(parse(), recorded)).collect()
    };
    let whole = play(text);
    let unused = rows(&profile).into_iter().filter(|(_, path, rank)| play(&altered(&profile, *path, *rank)) == whole);
    missing.into_iter().chain(unused.map(|(row, ..)| row)).collect()
}

#[test]
fn all_of_a_profile_is_exercised_or_named_here() {
    let described = built_in_targets().iter().filter(|(name, _)| *name != "reference");
    let found: Vec<(&str, Vec<String>)> = described.map(|(name, text)| (*name, not_recorded(name, text))).collect();
    let found: Vec<_> = found.iter().filter(|(_, missing)| !missing.is_empty()).collect();
    let named: Vec<(&str, Vec<String>)> =
        NOT_RECORDED.iter().map(|(name, rows)| (*name, rows.iter().map(|row| row.to_string()).collect())).collect();
    let named: Vec<_> = named.iter().collect();
    assert_eq!(found, named, "found, and named as not recorded");
}
