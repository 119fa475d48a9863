//! What a user asks of an app: a slash command, a click.
//!
//! Over Socket Mode it is an envelope, whose acknowledgement may carry the
//! answer; an app with a URL gets a form, and answers in the body. An answer is
//! a text, or JSON with `text` and `response_type` (`in_channel`, or
//! `ephemeral` if nothing is said). The app may also answer later, to the
//! `response_url` of the question.

use super::super::answer::ApiError;
use super::super::channel::Channel;
use super::super::directory::User;
use super::super::ids::TEAM_ID;
use super::super::sync::lock;
use super::super::tickets::Tickets;
use super::poster::PostError;
use super::{App, Identity, VERIFICATION_TOKEN};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How a question is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum QuestionKind {
    SlashCommand,
    Interactive,
}

impl QuestionKind {
    /// As the type of an envelope.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SlashCommand => "slash_commands",
            Self::Interactive => "interactive",
        }
    }
}

/// Who asks, where, and how the answers find back.
#[derive(Clone, Debug)]
pub(in super::super) struct Asker {
    pub(in super::super) user: Arc<User>,
    pub(in super::super) channel: Arc<Channel>,
    pub(in super::super) trigger_id: String,
}

/// What an app says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Reply {
    pub(in super::super) text: String,
    /// Whether everybody is to see it.
    pub(in super::super) in_channel: bool,
}

impl Reply {
    /// Reads an answer; one without a text says nothing.
    pub(in super::super) fn read(answer: &Value) -> Option<Self> {
        let text = match answer {
            Value::String(text) => text,
            fields => fields.get("text")?.as_str()?,
        };
        let in_channel = answer.get("response_type").is_some_and(|kind| kind == "in_channel");
        Some(Self { text: text.to_owned(), in_channel }).filter(|reply| !reply.text.is_empty())
    }

    fn read_body(body: &str) -> Option<Self> {
        match serde_json::from_str::<Map<String, Value>>(body) {
            Ok(fields) => Self::read(&fields.into()),
            Err(_) => Self::read(&body.trim().into()),
        }
    }
}

/// A slash command, as an app gets it.
pub(in super::super) fn command(app: &Identity, asker: &Asker, command: &str, text: &str, response_url: &str) -> Value {
    json!({
        "token": VERIFICATION_TOKEN,
        "team_id": TEAM_ID,
        "team_domain": "posthaste",
        "channel_id": asker.channel.id,
        "channel_name": asker.channel.name,
        "user_id": asker.user.id,
        "user_name": asker.user.id,
        "command": command,
        "text": text,
        "api_app_id": app.app,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": asker.trigger_id,
    })
}

/// A click on a button of a message (its row as history shows it), as an app
/// gets it.
pub(in super::super) fn click(
    app: &Identity,
    asker: &Asker,
    message: &Value,
    (action_id, value): (&str, &str),
    response_url: &str,
) -> Value {
    let (channel, user) = (&asker.channel, &asker.user.id);
    json!({
        "type": "block_actions",
        "user": { "id": user, "username": user, "name": user, "team_id": TEAM_ID },
        "api_app_id": app.app,
        "token": VERIFICATION_TOKEN,
        "container": {
            "type": "message",
            "message_ts": message["ts"],
            "channel_id": channel.id,
            "is_ephemeral": false,
        },
        "trigger_id": asker.trigger_id,
        "team": { "id": TEAM_ID, "domain": "posthaste" },
        "enterprise": null,
        "is_enterprise_install": false,
        "channel": { "id": channel.id, "name": channel.name },
        "message": message,
        "state": { "values": {} },
        "response_url": response_url,
        "actions": [{
            "type": "button",
            "block_id": "posthaste",
            "action_id": action_id,
            "value": value,
            "text": { "type": "plain_text", "text": action_id },
            "action_ts": super::super::ids::ts_text(super::super::writer::now_us()),
        }],
    })
}

impl App {
    /// Asks the app. Slack's errors: `operation_timeout` where it does not
    /// answer in time, `dispatch_failed` where it cannot be asked or answers
    /// with another status than 2xx.
    pub(in super::super) async fn ask(
        &self,
        kind: QuestionKind,
        question: Value,
        within: Duration,
    ) -> Result<Option<Reply>, ApiError> {
        const FAILED: ApiError = ApiError("dispatch_failed");
        const LATE: ApiError = ApiError("operation_timeout");
        if let Some(endpoint) = self.endpoint() {
            let answer = endpoint.ask(form(kind, &question)).await;
            return match answer {
                Ok(body) => Ok(Reply::read_body(&body)),
                Err(PostError::Timeout) => Err(LATE),
                Err(_) => Err(FAILED),
            };
        }
        if self.relay.connections() == 0 {
            return Err(FAILED);
        }
        match tokio::time::timeout(within, self.relay.ask(kind, question.to_string())).await {
            Ok(Ok(answer)) => Ok(answer.as_ref().and_then(Reply::read)),
            Ok(Err(_)) => Err(FAILED),
            Err(_) => Err(LATE),
        }
    }
}

/// The form of a question: its fields, or all of it as `payload`.
fn form(kind: QuestionKind, question: &Value) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    match (kind, question) {
        (QuestionKind::SlashCommand, Value::Object(fields)) => {
            form.extend_pairs(fields.iter().map(|(name, value)| (name, value.as_str().unwrap_or_default())));
        }
        _ => _ = form.append_pair("payload", &question.to_string()),
    }
    form.finish()
}

/// How long a `response_url` is good for, and how often on each server.
const RESPONSE_LIFE: Duration = Duration::from_secs(30 * 60);
const RESPONSES: u8 = 5;

/// What the last part of a `response_url` says, sealed: every server of the
/// store takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Claim {
    /// Rows of the user who asked, of the channel, and of the app's bot.
    pub(in super::super) user: i64,
    pub(in super::super) channel: i64,
    pub(in super::super) app: i64,
    pub(in super::super) trigger_id: String,
}

impl Claim {
    pub(in super::super) fn of(asker: &Asker, app: i64) -> Self {
        let (user, channel) = (asker.user.number, asker.channel.number);
        Self { user, channel, app, trigger_id: asker.trigger_id.clone() }
    }
}

/// How often each `response_url` was used, as long as it would be good.
#[derive(Debug, Default)]
pub(in super::super) struct Responses(Mutex<HashMap<Uuid, (Instant, u8)>>);

impl Responses {
    /// Opens one for the answers of an app.
    pub(in super::super) fn open(&self, tickets: &Tickets, claim: &Claim) -> String {
        let Claim { user, channel, app, trigger_id } = claim;
        // Whatever the caller chose, in letters that need no escape.
        let trigger: String = trigger_id.bytes().map(|byte| format!("{byte:02x}")).collect();
        tickets.sign(&format!("r.{user}.{channel}.{app}.{trigger}"), RESPONSE_LIFE)
    }

    /// Uses one: whom the answer is for, and which app answers. `None` where it
    /// is unknown, stale or used up.
    pub(in super::super) fn take(&self, tickets: &Tickets, id: &str) -> Option<Claim> {
        let (claim, nonce) = tickets.verify(id)?;
        let parts: Vec<&str> = claim.split('.').collect();
        let ["r", user, channel, app, trigger] = parts[..] else { return None };
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let trigger: Option<Vec<u8>> = trigger.as_bytes().chunks(2).map(byte).collect();
        let trigger_id = String::from_utf8(trigger?).ok()?;
        let mut used = lock(&self.0);
        // A table that is about to grow is rid of what is stale first.
        if used.len() == used.capacity() {
            used.retain(|_, (first, _)| first.elapsed() <= RESPONSE_LIFE);
        }
        let (_, count) = used.entry(nonce).or_insert((Instant::now(), 0));
        *count = count.checked_add(1).filter(|count| *count <= RESPONSES)?;
        let row = |text: &str| text.parse().ok();
        Some(Claim { user: row(user)?, channel: row(channel)?, app: row(app)?, trigger_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_text_or_json_with_one() {
        for (body, text, in_channel) in [
            ("", None, false),
            ("  \n", None, false),
            ("plain", Some("plain"), false),
            (r#"{"text":"x"}"#, Some("x"), false),
            (r#"{"text":"x","response_type":"ephemeral"}"#, Some("x"), false),
            (r#"{"text":"x","response_type":"in_channel"}"#, Some("x"), true),
            (r#"{"response_type":"in_channel"}"#, None, false),
            (r#"["no object"]"#, Some(r#"["no object"]"#), false),
        ] {
            let expected = text.map(|text| Reply { text: text.to_owned(), in_channel });
            assert_eq!(Reply::read_body(body), expected, "{body}");
        }
    }
}
