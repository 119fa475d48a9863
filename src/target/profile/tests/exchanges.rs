//! `tests/exchanges/*.toml`: what servers were asked and what they said, played
//! through the code that talks to a live target.

use super::super::{
    AskedPage, Deed, DescribedPage, HttpAnswer, Known, Progress, Request, Step, TargetProfile, Template,
    built_in_targets,
};
use super::stage::{MESSAGE, Stage};
use crate::model::Position;
use crate::target::{Call, Classified, Effect, Frame, Retry, Row, Scope};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Exchanges that a profile misunderstands: soketi answers 200 to what it refuses.
const MISUNDERSTOOD: &[&str] = &[
    "pusher.captured.toml: exchange 3 (send): effect is ok, expected none",
    "pusher.captured.toml: exchange 4 (send): effect is ok, expected none",
    "pusher.captured.toml: exchange 6 (send): effect is ok, expected none",
    "pusher.captured.toml: exchange 7 (send): effect is ok, expected none",
    "pusher.captured.toml: exchange 8 (send): effect is ok, expected none",
];

/// A file of exchanges.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    source: String,
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    #[serde(default)]
    pub exchange: Vec<Exchange>,
    #[serde(default)]
    pub frame: Vec<RecordedFrame>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub of: String,
    after: Option<After>,
    cursor: Option<String>,
    pub request: Option<String>,
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    pub request_body: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    #[serde(default)]
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    id: String,
    position: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    effect: Option<String>,
    retry: Option<toml::Value>,
    refresh: Option<bool>,
    id: Option<String>,
    position: Option<u64>,
    ids: Option<Vec<String>>,
    messages: Option<usize>,
    next: Option<String>,
    captured: Option<BTreeMap<String, String>>,
    /// A step that fails.
    fails: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedFrame {
    text: String,
    expect: Vec<String>,
    #[serde(default)]
    send: Vec<String>,
    #[serde(default)]
    captured: BTreeMap<String, String>,
    /// Of the message in it.
    position: Option<u64>,
}

/// What an answer came to.
#[derive(Debug)]
pub enum Came {
    /// There was none.
    Nothing,
    Classified(Classified),
    Verified(Option<Effect>),
    Page(Result<DescribedPage, String>),
    Row(Result<Option<Row>, String>),
    Captured(Result<BTreeMap<String, String>, String>),
}

/// The files of a profile, by their names.
pub fn files_of(profile: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exchanges");
    let names = [format!("{profile}.toml"), format!("{profile}.captured.toml")];
    names
        .into_iter()
        .filter_map(|name| Some((name.clone(), std::fs::read_to_string(folder.join(name)).ok()?)))
        .collect()
}

/// A stage for a file, and what stands in it.
pub fn open(profile: TargetProfile, text: &str) -> (Stage, Recorded) {
    let known = Stage::new(profile.clone(), &BTreeMap::new());
    let recorded: Recorded =
        toml::from_str(&text.replace("@TEXT@", &known.text).replace("@KEY@", &known.told)).unwrap();
    assert!(!recorded.source.is_empty());
    (Stage::new(profile, &recorded.values), recorded)
}

/// One walk through a file: the pages of history that were read so far.
#[derive(Default)]
pub struct Play {
    progress: Progress,
}

impl Play {
    /// The request of an exchange, as it is rendered, and what its answer comes
    /// to. An error is in words.
    pub fn exchange(&mut self, stage: &Stage, exchange: &Exchange) -> Result<(Option<Call>, Came), String> {
        let described = &stage.described;
        let answered = exchange.status.is_some();
        let headers: String = exchange.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let body = exchange.body.as_deref().unwrap_or_default();
        let answer =
            HttpAnswer { status: exchange.status.unwrap_or_default(), headers: &headers, body: body.as_bytes() };
        let (section, rank) = exchange.of.split_once('.').unwrap_or((&exchange.of, ""));
        let render =
            |request: &Request, scope: &Scope<'_>| request.render(scope, "").map_err(|error| error.to_string());
        let missing = || format!("the profile has no {}", exchange.of);
        match (section, rank) {
            ("send", "") => {
                let call = described.send.request.as_ref().map(|request| render(request, &stage.message_scope()));
                let classified = match (answered, &exchange.body) {
                    (true, _) => Came::Classified(described.send.classify(answer, stage.key, stage.profile.key_format)),
                    (false, Some(reply)) => Came::Classified(described.send.classify_reply(reply)),
                    (false, None) => Came::Nothing,
                };
                Ok((call.transpose()?, classified))
            }
            ("send", "verify") => {
                let verify = described.send.verify.as_ref().ok_or_else(missing)?;
                Ok((Some(render(&verify.request, &stage.message_scope())?), Came::Verified(verify.read(answer))))
            }
            ("receive", "") => Ok((Some(render(&described.receive.open_request, &stage.scope())?), Came::Nothing)),
            ("receive", "resume") => {
                let resume = described.receive.resume.as_ref().ok_or_else(missing)?;
                Ok((Some(render(&resume.open_request, &stage.scope())?), Came::Nothing))
            }
            ("receive", _) | ("send", _) => {
                let frame = frame(stage, &exchange.of).ok_or_else(missing)?;
                let frame = frame.render(&stage.message_scope()).map_err(|error| error.to_string())?;
                Ok((Some(Call { body: frame.into_bytes(), ..Call::get(String::new()) }), Came::Nothing))
            }
            ("history", "") => self.page(stage, exchange, answer),
            ("history", "row") => {
                let point = described.history.as_ref().and_then(|history| history.row.as_ref()).ok_or_else(missing)?;
                let id = exchange.cursor.as_deref().ok_or("cursor is missing: which row?")?;
                let call = render(&point.request, &Scope { row_id: Some(id), ..stage.scope() })?;
                Ok((Some(call), Came::Row(point.read(answer, id, &stage.texts).map_err(|error| error.to_string()))))
            }
            _ => {
                let step = step(stage, section, rank).ok_or_else(missing)?;
                let call = render(&step.request, &stage.scope())?;
                Ok((Some(call), if answered { Came::Captured(captured(stage, step, answer)) } else { Came::Nothing }))
            }
        }
    }

    fn page(
        &mut self,
        stage: &Stage,
        exchange: &Exchange,
        answer: HttpAnswer<'_>,
    ) -> Result<(Option<Call>, Came), String> {
        let history = stage.described.history.as_ref().ok_or("the profile has no [history]")?;
        let after = exchange.after.as_ref();
        if let Some(cursor) = &exchange.cursor {
            if self.progress.cursor.as_ref() != Some(cursor) {
                return Err(format!("no page before it ends with the cursor {cursor}"));
            }
        } else {
            let known = |after: &After| Known { id: (&*after.id).into(), position: after.position.map(Position) };
            self.progress = Progress { after: after.map(known), ..Progress::default() };
        }
        let position = self.progress.after.as_ref().and_then(|known| known.position);
        let position = position.map(|position| history.write_position(position));
        let page = history.page_scope(&self.progress, position.as_deref(), history.size);
        let scope = Scope { page: Some(page), ..stage.scope() };
        let call = history.request.render(&scope, "").map_err(|error| error.to_string())?;
        let (channel_id, size) = (&*stage.channel_id(), history.size);
        let asked = AskedPage { channel_id, size };
        let page = history.read(answer, &mut self.progress, asked, &stage.texts).map_err(|error| error.to_string());
        Ok((Some(call), Came::Page(page)))
    }
}

/// A frame that the client sends.
fn frame<'s>(stage: &'s Stage, of: &str) -> Option<&'s Template> {
    let (receive, send) = (&stage.described.receive, &stage.described.send);
    match of {
        "send.socket" => send.frame.as_ref(),
        "receive.subscribe" => receive.subscribe.as_ref(),
        "receive.heartbeat" => receive.heartbeat.as_ref()?.frame.as_ref(),
        _ => {
            let (section, rank) = of.rsplit_once('.')?;
            let frames = if section == "receive.open" { &receive.open } else { &receive.resume.as_ref()?.open };
            frames.get(rank.parse::<usize>().ok()?)
        }
    }
}

/// A step by the name of its section and its rank.
fn step<'s>(stage: &'s Stage, section: &str, rank: &str) -> Option<&'s Step> {
    let described = &stage.described;
    let steps = match section {
        "setup" => &described.setup,
        "login" => &described.login,
        "boot" => &described.boot,
        "join" => &described.join,
        "leave" => &described.leave,
        "cleanup" => &described.cleanup,
        "greet" => return described.greet.as_ref(),
        _ => return None,
    };
    steps.get(rank.parse::<usize>().ok()?)
}

fn captured(stage: &Stage, step: &Step, answer: HttpAnswer<'_>) -> Result<BTreeMap<String, String>, String> {
    let names = &stage.described.names;
    let captured = step.read(answer, |variable| stage.scope().value(variable).is_some())?;
    Ok(captured.values.into_iter().map(|(variable, value)| (names.name(variable), value)).collect())
}

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
            if *number == 0 || classified.effect == Effect::Indeterminate {
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
    for known in MISUNDERSTOOD {
        let at = wrong.iter().position(|found| found == known);
        wrong.remove(at.unwrap_or_else(|| panic!("understood by now: {known}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All that a file comes to, without the requests.
pub fn transcript(profile: TargetProfile, text: &str) -> Vec<String> {
    let (mut stage, recorded) = open(profile, text);
    let mut play = Play::default();
    let mut lines: Vec<String> = recorded
        .exchange
        .iter()
        .map(|exchange| format!("{:?}", play.exchange(&stage, exchange).map(|(_, came)| came)))
        .collect();
    for frame in &recorded.frame {
        let deeds = stage.take(&frame.text);
        lines.push(format!("{deeds:?} {:?}", stage.captured()));
    }
    lines
}
