//! Recorded exchanges, and how one is played: `tests/exchanges/README.md` has
//! their format.

use super::super::{AskedPage, DescribedPage, HttpAnswer, Known, Progress, Request, Step, TargetProfile, Template};
use super::stage::Stage;
use crate::model::Position;
use crate::target::{Call, Classified, Effect, Row, Scope};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

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
    pub cursor: Option<String>,
    pub request: Option<String>,
    #[serde(default)]
    pub request_headers: BTreeMap<String, String>,
    pub request_body: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    #[serde(default)]
    pub expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    id: String,
    position: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub effect: Option<String>,
    pub retry: Option<toml::Value>,
    pub refresh: Option<bool>,
    pub id: Option<String>,
    pub position: Option<u64>,
    pub ids: Option<Vec<String>>,
    pub messages: Option<usize>,
    pub next: Option<String>,
    pub captured: Option<BTreeMap<String, String>>,
    /// A step that fails.
    pub fails: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedFrame {
    pub text: String,
    pub expect: Vec<String>,
    #[serde(default)]
    pub send: Vec<String>,
    #[serde(default)]
    pub captured: BTreeMap<String, String>,
    /// Of the message in it.
    pub position: Option<u64>,
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
                let request = step.request.as_ref().ok_or("a step without a request")?;
                let call = render(request, &stage.scope())?;
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
