//! Frames of the socket, parsed.

use super::history::Named;
use crate::model::{MessageRef, Position, TextCodec};
use serde::Deserialize;
use std::borrow::Cow;

/// One frame that the target sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The subscription is confirmed.
    Hello,
    /// The answer to the ping with this id.
    Pong(u64),
    /// The answer to the sent message with this id.
    Reply(u64),
    /// The target is about to close.
    Goodbye,
    /// A message of this run.
    Push(Push<'a>),
    /// A text with the run's id and a key that the run cannot have made.
    Foreign(Cow<'a, str>),
    /// Typing or presence: `Hint::parse` says which.
    Hint,
    /// Anything else, of no concern.
    Other,
    /// No JSON, or not the shape of an event.
    Garbage,
}

/// A pushed copy of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push<'a> {
    /// The target's id of the channel that the frame names; `None` where frames
    /// of this target name none.
    pub channel: Option<Cow<'a, str>>,
    /// Which message.
    pub message: MessageRef,
    /// Its intended time in µs after the start of the load, modulo 2³⁶.
    pub intended_wrapped_us: u64,
    /// Where it stands in its channel.
    pub position: Option<Position>,
    /// Whether its text is what the message's generator produces.
    pub intact: bool,
}

impl Push<'_> {
    /// The same, of its own.
    pub fn into_owned(self) -> Push<'static> {
        let Push { channel, message, intended_wrapped_us, position, intact } = self;
        Push {
            channel: channel.map(|channel| channel.into_owned().into()),
            message,
            intended_wrapped_us,
            position,
            intact,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    subtype: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    client_msg_id: Option<Cow<'a, str>>,
    #[serde(default)]
    reply_to: Option<u64>,
}

/// The target's id of the channel of which a frame says that it has changed;
/// `None` where it says nothing of the kind. What else it says is not looked at.
pub fn changed_channel(frame: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Change<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        channel: Cow<'a, str>,
    }
    let change = serde_json::from_str::<Change<'_>>(frame).ok()?;
    (change.kind == "message").then_some(change.channel)
}

impl<'a> Frame<'a> {
    /// Reads one text frame.
    pub fn parse(text: &'a str, texts: &TextCodec) -> Self {
        let Ok(event) = serde_json::from_str::<Event<'a>>(text) else {
            return Frame::Garbage;
        };
        Self::of_event(event, texts)
    }

    pub(super) fn of_event(event: Event<'a>, texts: &TextCodec) -> Self {
        match event.kind.as_deref() {
            Some("message") if event.subtype.is_none() => Self::message(event, texts),
            Some("hello") => Frame::Hello,
            Some("pong") => event.reply_to.map_or(Frame::Other, Frame::Pong),
            Some("goodbye") => Frame::Goodbye,
            Some("user_typing" | "presence_change") => Frame::Hint,
            None => event.reply_to.map_or(Frame::Other, Frame::Reply),
            _ => Frame::Other,
        }
    }

    fn message(event: Event<'a>, texts: &TextCodec) -> Self {
        let text = event.text.unwrap_or_default();
        let named = Named::read(texts, &text, event.client_msg_id.as_deref());
        let Some(message) = named.message else {
            return if named.foreign { Frame::Foreign(text) } else { Frame::Other };
        };
        Frame::Push(Push {
            channel: Some(event.channel.unwrap_or_default()),
            message,
            intended_wrapped_us: named.intended_wrapped_us,
            position: event.ts.as_deref().and_then(super::slack::parse_ts),
            intact: named.intact == Some(true),
        })
    }

    /// The client's own ping.
    pub fn ping(id: u64) -> String {
        format!(r#"{{"id":{id},"type":"ping"}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, KeyCodec, KeyLayout, RunId, SizeRange};

    #[test]
    fn a_change_is_that_of_a_channel() {
        for (frame, channel) in [
            (r#"{"type":"message","channel":"C9","text":"anything"}"#, Some("C9")),
            (r#"{"type":"message","subtype":"message_changed","channel":"C9"}"#, Some("C9")),
            (r#"{"type":"user_typing","channel":"C9"}"#, None),
            (r#"{"type":"message"}"#, None),
            (r#"{"type":"hello"}"#, None),
            ("hello", None),
        ] {
            assert_eq!(changed_channel(frame).as_deref(), channel, "{frame}");
        }
    }

    #[test]
    fn frames_are_told_apart() {
        let keys = KeyCodec::new(RunId(7), KeyLayout { channel_bits: 20 });
        let texts = TextCodec::new(keys, SizeRange { min: 90, max: 90 });
        let message = MessageRef { channel: ChannelId(2), index: 9 };
        let key = texts.keys().encode(message, 55);
        let event = |text: &str| {
            format!(
                r#"{{"type":"message","channel":"C9","user":"U1","text":"{text}","ts":"1700000001.000002","client_msg_id":"{key}"}}"#
            )
        };
        let push = |intact| {
            Frame::Push(Push {
                channel: Some("C9".into()),
                message,
                intended_wrapped_us: 55,
                position: Some(Position(1_700_000_001_000_002)),
                intact,
            })
        };
        let text = texts.render(key);
        let edited = event(&text).replace("\"user\"", "\"subtype\":\"message_changed\",\"user\"");
        let bad = format!("{}:0190c1a2-0000-8000-8000-000000000001", texts.prefix());
        let foreign = format!(r#"{{"type":"message","channel":"C9","text":"{bad}"}}"#);
        for (frame, expected) in [
            (event(&text).as_str(), push(true)),
            (event("x").as_str(), push(false)),
            (edited.as_str(), Frame::Other),
            (foreign.as_str(), Frame::Foreign(bad.as_str().into())),
            (r#"{"type":"hello"}"#, Frame::Hello),
            (r#"{"type":"pong","reply_to":3}"#, Frame::Pong(3)),
            (r#"{"type":"goodbye"}"#, Frame::Goodbye),
            (r#"{"type":"user_typing","channel":"C9","user":"U1"}"#, Frame::Hint),
            (r#"{"type":"presence_change","user":"U1","presence":"away"}"#, Frame::Hint),
            (r#"{"type":"reaction_added","user":"U1","reaction":"x"}"#, Frame::Other),
            (r#"{"ok":true,"reply_to":3,"ts":"1.000000"}"#, Frame::Reply(3)),
            (r#"{"ok":true,"ts":"1.000000"}"#, Frame::Other),
            (r#"{"type":"message","channel":"C9","text":"hi"}"#, Frame::Other),
            ("hello", Frame::Garbage),
            (r#"{"type":7}"#, Frame::Garbage),
        ] {
            assert_eq!(Frame::parse(frame, &texts), expected, "{frame}");
        }
        assert_eq!(Frame::ping(4), r#"{"id":4,"type":"ping"}"#);
    }
}
