//! Answers of the set-up and history calls, parsed.

use super::slack::{expect_ok, parse_ts};
use crate::model::{MessageRef, MessageText, Position, TextCodec};
use serde::Deserialize;

/// One page of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// Its rows by ascending position.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

/// One row of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The target's id.
    pub server_id: Box<str>,
    /// Where it stands.
    pub position: Position,
    /// What its echoed key or its text names.
    pub message: Option<MessageRef>,
    /// The named message's intended time in µs after the start of the load,
    /// modulo 2³⁶.
    pub intended_wrapped_us: u64,
    /// Whether its text is what the message's generator produces; `None` if no
    /// message is named.
    pub intact: Option<bool>,
    /// Which of the message's texts it is: 0 as sent, else the ordinal of an
    /// edit.
    pub version: u32,
    /// The names of the reactions to it.
    pub reactions: Vec<Box<str>>,
    /// A text with the run's id and a key that the run cannot have made.
    pub foreign: Option<String>,
    /// The text of a message of the run that is not what it should be.
    pub altered: Option<Box<str>>,
}

/// A page that cannot be used, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PageError(pub String);

#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    response_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    ts: String,
    /// A message of blocks alone has none.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    client_msg_id: Option<String>,
    #[serde(default)]
    reactions: Vec<Reaction>,
}

#[derive(Deserialize)]
struct Reaction {
    name: Box<str>,
}

/// What a text and an echoed key say together. The echoed key names the
/// message, or else the text does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub message: Option<MessageRef>,
    pub intended_wrapped_us: u64,
    pub intact: Option<bool>,
    pub version: u32,
    pub foreign: bool,
}

impl Named {
    pub(crate) fn read(texts: &TextCodec, text: &str, echoed_key: Option<&str>) -> Self {
        let echoed =
            echoed_key.and_then(|echo| texts.keys().format().read(echo)).map(|key| (key, texts.keys().decode(key)));
        let read = texts.read(text);
        if let Some((key, Ok((message, intended_wrapped_us)))) = echoed {
            let version = match read {
                MessageText::Message { key: named, intact: true, version, .. } if named == key => Some(version),
                _ => None,
            };
            return Self {
                message: Some(message),
                intended_wrapped_us,
                intact: Some(version.is_some()),
                version: version.unwrap_or(0),
                foreign: false,
            };
        }
        match read {
            MessageText::Message { message, intended_wrapped_us, intact, version, .. } => {
                Self { message: Some(message), intended_wrapped_us, intact: Some(intact), version, foreign: false }
            }
            MessageText::Foreign => {
                Self { message: None, intended_wrapped_us: 0, intact: None, version: 0, foreign: true }
            }
            // A key that is not the run's, without the run's text, is of
            // another client or run.
            MessageText::Unrelated => {
                Self { message: None, intended_wrapped_us: 0, intact: None, version: 0, foreign: false }
            }
        }
    }
}

impl HistoryPage {
    /// Parses an answer of `conversations.history`.
    pub fn parse(status: u16, body: &[u8], texts: &TextCodec) -> Result<Self, PageError> {
        let page: Page = expect_ok(status, body).map_err(PageError)?;
        let mut rows = Vec::with_capacity(page.messages.len());
        for message in page.messages {
            let position = parse_ts(&message.ts)
                .ok_or_else(|| PageError("a row whose ts is not SECONDS.MICROSECONDS".to_owned()))?;
            let text = message.text.unwrap_or_default();
            let named = Named::read(texts, &text, message.client_msg_id.as_deref());
            rows.push(Row {
                server_id: message.ts.into(),
                position,
                message: named.message,
                intended_wrapped_us: named.intended_wrapped_us,
                intact: named.intact,
                version: named.version,
                reactions: message.reactions.into_iter().map(|reaction| reaction.name).collect(),
                altered: (named.intact == Some(false)).then(|| text.as_str().into()),
                foreign: named.foreign.then_some(text),
            });
        }
        rows.sort_by_key(|row| row.position);
        let cursor =
            page.response_metadata.and_then(|metadata| metadata.next_cursor).filter(|cursor| !cursor.is_empty());
        if page.has_more && cursor.is_none() {
            return Err(PageError("has_more without a next_cursor".to_owned()));
        }
        Ok(Self { rows, next_cursor: cursor })
    }
}

/// The socket URL of an answer of `rtm.connect`, or what the target said.
pub fn parse_socket_url(status: u16, body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Connect {
        url: String,
    }
    expect_ok::<Connect>(status, body).map(|connect| connect.url)
}

/// The channel id of an answer of `conversations.create`, or what the target
/// said.
pub fn parse_created_channel(status: u16, body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Created {
        channel: Channel,
    }
    #[derive(Deserialize)]
    struct Channel {
        id: String,
    }
    expect_ok::<Created>(status, body).map(|created| created.channel.id)
}

/// The id of the calling user in an answer of `auth.test`, or what the target
/// said.
pub fn parse_user_id(status: u16, body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Caller {
        user_id: String,
    }
    expect_ok::<Caller>(status, body).map(|caller| caller.user_id)
}

/// Whether an answer of `conversations.invite` says that the user is a member
/// now, or what the target said. One whose answer was lost is one already.
pub fn parse_invited(status: u16, body: &[u8]) -> Result<(), String> {
    parse_done(status, body).or_else(|reason| if reason == "already_in_channel" { Ok(()) } else { Err(reason) })
}

/// Whether an answer says `"ok": true`, or what the target said.
pub fn parse_done(status: u16, body: &[u8]) -> Result<(), String> {
    expect_ok::<serde::de::IgnoredAny>(status, body).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, KeyCodec, KeyFormat, KeyLayout, RunId, SizeRange};

    fn texts() -> TextCodec {
        let keys = KeyCodec::new(RunId(7), KeyLayout { channel_bits: 20 });
        TextCodec::new(keys, SizeRange { min: 90, max: 90 })
    }

    #[test]
    fn rows_are_named_by_the_echoed_key_and_else_by_the_text() {
        let texts = texts();
        let message = |index| MessageRef { channel: ChannelId(2), index };
        let key = |index| texts.keys().encode(message(index), 4);
        let (text, echoed) = (texts.render(key(1)), key(1).to_string());
        let foreign = format!("{}:{}", texts.prefix(), "0190c1a2-0000-8000-8000-000000000001");
        let other = key(2).to_string();
        for (text, echoed, expected, reason) in [
            (text.as_str(), Some(echoed.as_str()), (Some(1), Some(true), false), "as sent"),
            (text.as_str(), None, (Some(1), Some(true), false), "no echo"),
            (&text[..80], Some(echoed.as_str()), (Some(1), Some(false), false), "altered"),
            (&text[..40], Some(echoed.as_str()), (Some(1), Some(false), false), "altered within the key"),
            ("gone", Some(echoed.as_str()), (Some(1), Some(false), false), "another text"),
            (text.as_str(), Some(other.as_str()), (Some(2), Some(false), false), "a text of another message"),
            (text.as_str(), Some("not a key"), (Some(1), Some(true), false), "a target's own id"),
            (foreign.as_str(), None, (None, None, true), "a key that the run cannot have made"),
            ("hello", None, (None, None, false), "of somebody else"),
        ] {
            let named = Named::read(&texts, text, echoed);
            let found = (named.message.map(|message| message.index), named.intact, named.foreign);
            assert_eq!(found, expected, "{reason}");
        }
    }

    #[test]
    fn an_echo_is_read_in_the_format_of_the_target() {
        let message = |index| MessageRef { channel: ChannelId(2), index };
        for format in KeyFormat::ALL {
            let texts = TextCodec::new(texts().keys().clone().in_format(format), SizeRange { min: 90, max: 90 });
            let key = |index| texts.keys().encode(message(index), 4);
            let named = |text: &str, echo: &str| {
                let named = Named::read(&texts, text, Some(echo));
                (named.message.map(|message| message.index), named.intact)
            };
            let text = texts.render(key(1));
            assert_eq!(named(&text, &format.write(key(1))), (Some(1), Some(true)), "{format:?}: as sent");
            let one_way = format == KeyFormat::Hash;
            let gone = if one_way { (None, None) } else { (Some(1), Some(false)) };
            assert_eq!(named("gone", &format.write(key(1))), gone, "{format:?}: known by its echo alone");
            let other = if one_way { (Some(1), Some(true)) } else { (Some(2), Some(false)) };
            assert_eq!(named(&text, &format.write(key(2))), other, "{format:?}: a text of another message");
        }
    }

    #[test]
    fn a_row_tells_its_edit_and_its_reactions() {
        let texts = texts().with_edits(2);
        let key = texts.keys().encode(MessageRef { channel: ChannelId(2), index: 1 }, 4);
        for (version, intact, shown) in [(0, Some(true), 0), (2, Some(true), 2), (3, Some(false), 0)] {
            let text = texts.render_version(key, version);
            for echo in [String::new(), format!(r#","client_msg_id":"{key}""#)] {
                let body = format!(
                    r#"{{"ok":true,"messages":[{{"ts":"1.000002","text":"{text}"{echo},"reactions":[{{"name":"a","count":1,"users":["U1"]}},{{"name":"b"}}]}}]}}"#
                );
                let page = HistoryPage::parse(200, body.as_bytes(), &texts).unwrap();
                let row = &page.rows[0];
                assert_eq!((row.intact, row.version), (intact, shown), "version {version}{echo}");
                assert_eq!(row.reactions, ["a".into(), "b".into()]);
            }
        }
    }

    #[test]
    fn pages_are_sorted_and_their_ends_are_clear() {
        let parse = |body: &str| HistoryPage::parse(200, body.as_bytes(), &texts());
        let body = r#"{"ok":true,"messages":[{"ts":"1700000002.000000","text":"b"},{"ts":"1700000001.000000","text":null}],"has_more":true,"response_metadata":{"next_cursor":"n"}}"#;
        let page = parse(body).unwrap();
        assert!(page.rows[0].position < page.rows[1].position);
        assert_eq!(page.next_cursor.as_deref(), Some("n"));
        assert_eq!(parse(r#"{"ok":true,"messages":[]}"#).unwrap().next_cursor, None);
        let empty_cursor = r#"{"ok":true,"messages":[],"response_metadata":{"next_cursor":""}}"#;
        assert_eq!(parse(empty_cursor).unwrap().next_cursor, None);
        for (body, reason) in [
            (r#"{"ok":true,"messages":[],"has_more":true}"#, "without a next_cursor"),
            (r#"{"ok":true,"messages":[{"ts":"yesterday"}]}"#, "ts"),
            (r#"{"ok":false,"error":"channel_not_found"}"#, "channel_not_found"),
            ("{", "no Slack answer"),
        ] {
            assert!(parse(body).unwrap_err().to_string().contains(reason), "{body}");
        }
    }
}
