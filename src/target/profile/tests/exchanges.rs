//! `tests/exchanges/*.toml`: what servers were asked and what they said, played
//! through the code that talks to a live target.

use super::super::{Deed, TargetProfile, built_in_targets};
use super::recorded::{Came, Exchange, Expected, Play, RecordedFrame, files_of, open};
use super::stage::{MESSAGE, Stage};
use crate::model::Position;
use crate::target::{Call, Classified, Effect, Frame, Retry, Row};

/// What is different from what an exchange demands.
fn differences(stage: &Stage, exchange: &Exchange, call: Option<&Call>, came: &Came) -> Vec<String> {
    let mut found = Vec::new();
    let mut same = |what: &str, is: String, expected: String| {
        if is != expected {
            found.push(format!("{what} is {is}, expected {expected}"));
        }
    };
    if let Some(call) = call {
        let body = String::from_utf8_lossy(&call.body);
        if let Some(expected) = &exchange.request {
            same("request", stage.as_recorded(&format!("{} {}", call.method, call.path)), expected.clone());
        }
        for (name, expected) in &exchange.request_headers {
            let header = call.headers.iter().find(|(found, _)| found.as_str().eq_ignore_ascii_case(name));
            let value = header.map_or("missing", |(_, value)| value.to_str().unwrap_or_default());
            same(name, stage.as_recorded(value), expected.clone());
        }
        if let Some(expected) = &exchange.request_body {
            same("request_body", as_json(&stage.as_recorded(&body)), as_json(expected));
        }
    }
    let expected = &exchange.expect;
    match came {
        Came::Nothing => {}
        Came::Classified(Classified { effect, retry }) => {
            check_effect(effect, expected, &mut same);
            check_retry(*retry, expected, &mut same);
        }
        Came::Verified(found) => {
            check_effect(found.as_ref().unwrap_or(&Effect::Indeterminate), expected, &mut same);
        }
        Came::Page(Ok(page)) => {
            check_rows(&page.rows.iter().collect::<Vec<_>>(), expected, &mut same);
            same("next", format!("{:?}", page.next), format!("{:?}", expected.next));
        }
        Came::Row(Ok(row)) => check_rows(&row.iter().collect::<Vec<_>>(), expected, &mut same),
        Came::Page(Err(error)) | Came::Row(Err(error)) => same("the page", error.clone(), "readable".to_owned()),
        Came::Captured(captured) => match (captured, expected.fails) {
            (Err(_), Some(true)) => {}
            (Ok(_), Some(true)) => same("the step", "done".to_owned(), "failed".to_owned()),
            (Err(error), _) => same("the step", error.clone(), "done".to_owned()),
            (Ok(captured), _) => {
                let wanted = expected.captured.clone().unwrap_or_default();
                same("captured", format!("{captured:?}"), format!("{wanted:?}"));
            }
        },
    }
    found
}

type Same<'s> = &'s mut dyn FnMut(&str, String, String);

fn check_effect(effect: &Effect, expected: &Expected, same: Same<'_>) {
    // A duplicate is an acknowledgement too.
    let wanted = expected.effect.as_deref().map(|effect| if effect == "duplicate" { "ok" } else { effect });
    let is = match effect {
        Effect::Acknowledged { .. } => "ok",
        Effect::None => "none",
        Effect::Indeterminate => "indeterminate",
        Effect::Written => "written",
    };
    same("effect", is.to_owned(), wanted.unwrap_or("missing").to_owned());
    if let Effect::Acknowledged { server_id, position } = effect {
        same("id", server_id.to_string(), expected.id.clone().unwrap_or_default());
        if expected.position.is_some() {
            same("position", format!("{position:?}"), format!("{:?}", expected.position.map(Position)));
        }
    }
}

fn check_retry(retry: Retry, expected: &Expected, same: Same<'_>) {
    let refresh = expected.refresh == Some(true);
    same("refresh", (retry == Retry::Renewed).to_string(), refresh.to_string());
    let Some(wanted) = &expected.retry else { return };
    let is = match retry {
        Retry::No => toml::Value::from("no"),
        Retry::Backoff => toml::Value::from("backoff"),
        Retry::After(us) => toml::Value::from((us / 1_000) as i64),
        Retry::Renewed => toml::Value::from("refresh"),
    };
    same("retry", is.to_string(), wanted.to_string());
}

fn check_rows(rows: &[&Row], expected: &Expected, same: Same<'_>) {
    if let Some(ids) = &expected.ids {
        let found: Vec<&str> = rows.iter().map(|row| &*row.server_id).collect();
        same("ids", format!("{found:?}"), format!("{ids:?}"));
    }
    let messages = rows.iter().filter(|row| row.message == Some(MESSAGE) && row.intact == Some(true)).count();
    same("messages", messages.to_string(), expected.messages.unwrap_or_default().to_string());
}

/// JSON in one way of writing it, and other text as it is.
fn as_json(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    value.sort_all_objects();
    value.to_string()
}

fn word(deed: &Deed) -> &'static str {
    match deed {
        Deed::Deliver(_) => "deliver",
        Deed::Connected => "connected",
        Deed::Subscribed(_) => "subscribed",
        Deed::Ready => "ready",
        Deed::Resumed => "resumed",
        Deed::Reply(..) => "reply",
        Deed::Pong => "pong",
        Deed::Gap(_) => "gap",
        Deed::Reconnect { .. } => "reconnect",
        Deed::Fatal(_) => "fatal",
        Deed::Send { .. } => "send",
        Deed::Garbage => "garbage",
        Deed::Broken(_) => "broken",
    }
}

/// What is different from what a frame is to come to.
fn frame_differences(stage: &mut Stage, recorded: &RecordedFrame) -> Vec<String> {
    let deeds = stage.take(&recorded.text);
    let mut found = Vec::new();
    let words: Vec<&str> = deeds.iter().map(word).filter(|word| *word != "send").collect();
    let words = if words.is_empty() { vec!["ignore"] } else { words };
    if words != recorded.expect {
        found.push(format!("comes to {words:?}, expected {:?}: {deeds:?}", recorded.expect));
    }
    let sends = deeds.iter().filter_map(|deed| match deed {
        Deed::Send { frame, .. } => Some(as_json(frame)),
        _ => None,
    });
    let (sends, wanted): (Vec<_>, Vec<_>) =
        (sends.collect(), recorded.send.iter().map(|frame| as_json(frame)).collect());
    if sends != wanted {
        found.push(format!("sends {sends:?}, expected {wanted:?}"));
    }
    let captured = stage.captured();
    for (name, value) in &recorded.captured {
        if captured.get(name) != Some(value) {
            found.push(format!("{name} is {:?}, expected {value:?}", captured.get(name)));
        }
    }
    let pushes: Vec<_> = deeds
        .iter()
        .filter_map(|deed| match deed {
            Deed::Deliver(Frame::Push(push)) => Some(push),
            _ => None,
        })
        .collect();
    let texts = recorded.text.matches(&stage.text).count();
    if pushes.len() != texts || pushes.iter().any(|push| push.message != MESSAGE || !push.intact) {
        found.push(format!("delivers {pushes:?}, expected the message {texts} times"));
    }
    let position = recorded.position.map(Position);
    if pushes.iter().any(|push| push.position != position) {
        found.push(format!("delivers {pushes:?}, expected at {position:?}"));
    }
    let channel = stage.described.receive.rules.name_channels().then(|| stage.channel_id());
    if pushes.iter().any(|push| push.channel.as_deref() != channel.as_deref()) {
        found.push(format!("delivers {pushes:?}, expected in the channel {channel:?}"));
    }
    for deed in &deeds {
        if let Deed::Reply(number, text) = deed {
            let classified = stage.described.send.classify_reply(text);
            if number == "0" || classified.effect == Effect::Indeterminate {
                found.push(format!("the reply {number} means {classified:?}"));
            }
        }
    }
    found
}

#[test]
fn the_built_in_profiles_understand_what_was_recorded() {
    let mut wrong = Vec::new();
    for (name, text) in built_in_targets().iter().filter(|(name, _)| *name != "reference") {
        let files = files_of(name);
        assert!(!files.is_empty(), "{name}: there is no file of exchanges");
        for (file, recorded) in files {
            let (mut stage, recorded) = open(TargetProfile::parse(text, name).unwrap(), &recorded);
            let mut play = Play::default();
            for (rank, exchange) in (1..).zip(&recorded.exchange) {
                let found = match play.exchange(&stage, exchange) {
                    Ok((call, came)) => differences(&stage, exchange, call.as_ref(), &came),
                    Err(error) => vec![error],
                };
                wrong.extend(
                    found.into_iter().map(|found| format!("{file}: exchange {rank} ({}): {found}", exchange.of)),
                );
            }
            for (rank, frame) in (1..).zip(&recorded.frame) {
                let found = frame_differences(&mut stage, frame);
                wrong.extend(found.into_iter().map(|found| format!("{file}: frame {rank}: {found}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
