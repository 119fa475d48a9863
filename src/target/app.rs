//! What an app is told, parsed: envelopes of Socket Mode, and the callbacks that
//! they carry or that are posted to the app's URL.

use super::push::{Event, Frame};
use crate::model::TextCodec;
use serde::Deserialize;
use std::borrow::Cow;

/// One frame of a Socket Mode connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppFrame<'a> {
    /// The connection is confirmed.
    Hello,
    /// Something that is sent again until it is acknowledged.
    Envelope(Envelope<'a>),
    /// The connection ends soon: the app is to open another one.
    Refresh,
    /// Anything else, of no concern.
    Other,
    /// No JSON, or not the shape of a frame.
    Garbage,
}

/// An envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What an acknowledgement names.
    pub id: Cow<'a, str>,
    /// How often it was sent before.
    pub attempt: u32,
    /// What it tells.
    pub callback: Callback<'a>,
}

/// What an app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback<'a> {
    /// Something happened in a channel.
    Event {
        /// The same over all tries.
        id: Cow<'a, str>,
        /// What happened.
        frame: Frame<'a>,
    },
    /// The app is to prove that the URL is its own by saying this.
    Challenge(Cow<'a, str>),
    /// A user asks the app something: a slash command, or a click.
    Question,
    /// Anything else, which is acknowledged and of no concern.
    Other,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    envelope_id: Option<Cow<'a, str>>,
    #[serde(default)]
    retry_attempt: u32,
    #[serde(borrow, default)]
    payload: Option<Payload<'a>>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    challenge: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event: Option<Event<'a>>,
}

impl<'a> AppFrame<'a> {
    /// Reads one text frame.
    pub fn parse(text: &'a str, texts: &TextCodec) -> Self {
        let Ok(told) = serde_json::from_str::<Told<'a>>(text) else {
            return AppFrame::Garbage;
        };
        if let Some(id) = told.envelope_id {
            let callback = match told.kind.as_deref() {
                Some("slash_commands" | "interactive") => Callback::Question,
                _ => told.payload.map_or(Callback::Other, |payload| payload.read(texts)),
            };
            return AppFrame::Envelope(Envelope { id, attempt: told.retry_attempt, callback });
        }
        match (told.kind.as_deref(), told.reason.as_deref()) {
            (Some("hello"), _) => AppFrame::Hello,
            (Some("disconnect"), Some("warning" | "refresh_requested")) => AppFrame::Refresh,
            _ => AppFrame::Other,
        }
    }
}

impl<'a> Callback<'a> {
    /// Reads the body of a POST; `None` where it is no JSON of that shape.
    pub fn parse(body: &'a str, texts: &TextCodec) -> Option<Self> {
        serde_json::from_str::<Payload<'a>>(body).ok().map(|payload| payload.read(texts))
    }
}

impl<'a> Payload<'a> {
    fn read(self, texts: &TextCodec) -> Callback<'a> {
        match (self.kind.as_deref(), self.challenge, self.event_id, self.event) {
            (Some("url_verification"), Some(challenge), ..) => Callback::Challenge(challenge),
            (Some("event_callback"), _, Some(id), Some(event)) => {
                Callback::Event { id, frame: Frame::of_event(event, texts) }
            }
            _ => Callback::Other,
        }
    }
}

/// What posthaste's apps answer to every question.
pub fn said() -> serde_json::Value {
    serde_json::json!({ "response_type": "ephemeral", "text": "pong" })
}

/// The acknowledgement of an envelope that asks something, with the answer.
pub fn answer(envelope_id: &str) -> String {
    serde_json::json!({ "envelope_id": envelope_id, "payload": said() }).to_string()
}

/// The acknowledgement of an envelope.
pub fn acknowledgement(envelope_id: &str) -> String {
    serde_json::json!({ "envelope_id": envelope_id }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, KeyCodec, KeyLayout, MessageRef, RunId, SizeRange};

    #[test]
    fn what_an_app_is_told_is_told_apart() {
        let keys = KeyCodec::new(RunId(7), KeyLayout { channel_bits: 20 });
        let texts = TextCodec::new(keys, SizeRange { min: 90, max: 90 });
        let message = MessageRef { channel: ChannelId(2), index: 9 };
        let text = texts.render(texts.keys().encode(message, 55));
        let event = format!(
            r#"{{"type":"event_callback","event_id":"Ev1","event":{{"type":"message","channel":"C9","text":"{text}","ts":"1.000002"}}}}"#
        );
        let is_the_event = |callback: &Callback<'_>| match callback {
            Callback::Event { id, frame: Frame::Push(push) } => id == "Ev1" && push.message == message && push.intact,
            _ => false,
        };
        assert!(is_the_event(&Callback::parse(&event, &texts).unwrap()));
        let frame = format!(
            r#"{{"envelope_id":"e-1","type":"events_api","payload":{event},"retry_attempt":2,"retry_reason":""}}"#
        );
        let AppFrame::Envelope(envelope) = AppFrame::parse(&frame, &texts) else { panic!("{frame}") };
        assert!((&*envelope.id, envelope.attempt) == ("e-1", 2) && is_the_event(&envelope.callback));
        let question =
            |id: &'static str| AppFrame::Envelope(Envelope { id: id.into(), attempt: 0, callback: Callback::Question });
        for (frame, expected) in [
            (r#"{"type":"hello","num_connections":1}"#, AppFrame::Hello),
            (r#"{"type":"disconnect","reason":"warning"}"#, AppFrame::Refresh),
            (r#"{"type":"disconnect","reason":"refresh_requested"}"#, AppFrame::Refresh),
            (r#"{"type":"disconnect","reason":"link_disabled"}"#, AppFrame::Other),
            (r#"{"envelope_id":"e-2","type":"slash_commands","payload":{"command":"/x"}}"#, question("e-2")),
            (r#"{"envelope_id":"e-3","type":"interactive","payload":{"type":"block_actions"}}"#, question("e-3")),
            ("hello", AppFrame::Garbage),
        ] {
            assert_eq!(AppFrame::parse(frame, &texts), expected, "{frame}");
        }
        let challenge = r#"{"type":"url_verification","challenge":"abc"}"#;
        assert_eq!(Callback::parse(challenge, &texts), Some(Callback::Challenge("abc".into())));
        assert_eq!(Callback::parse("payload=%7B%7D", &texts), None);
        assert_eq!(acknowledgement("e-1"), r#"{"envelope_id":"e-1"}"#);
        let answered: serde_json::Value = serde_json::from_str(&answer("e-1")).unwrap();
        assert_eq!((&answered["envelope_id"], &answered["payload"]), (&"e-1".into(), &said()));
    }
}
