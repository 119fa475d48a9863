//! Slack's calls, rendered. Everything is a POST; sends carry JSON, everything
//! else a form, as the published SDKs do.

use super::address::Address;
use super::call::Call;
use crate::model::Position;
use hyper::header::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;

/// Slack's wire at an address.
#[derive(Clone, Debug)]
pub struct Slack {
    prefix: String,
}

#[derive(Serialize)]
struct Post<'a> {
    channel: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
}

impl Post<'_> {
    /// The same as serde writes: this is made for every message.
    fn to_json(&self) -> Vec<u8> {
        const PUNCTUATION: usize = 128;
        let mut body = Vec::with_capacity(self.text.len() + PUNCTUATION);
        let fields = [
            (r#"{"channel":"#, Some(self.channel)),
            (r#","text":"#, Some(self.text)),
            (r#","client_msg_id":"#, self.client_msg_id),
            (r#","thread_ts":"#, self.thread_ts),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                body.extend_from_slice(name.as_bytes());
                push_json(&mut body, value);
            }
        }
        body.push(b'}');
        body
    }
}

/// Appends a text as JSON. What posthaste says itself needs no escapes: to look at it
/// byte by byte was more than half of what the body of a message cost.
fn push_json(out: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    // Without a way out of it, so that many bytes can be looked at at once.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a text serialises, and a vector takes it");
    }
}

/// A message as a frame of the socket.
#[derive(Serialize)]
struct SocketPost<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    post: Post<'a>,
}

static FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
static JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

impl Slack {
    /// The wire of a target at an address.
    pub fn new(address: &Address) -> Self {
        Self { prefix: format!("{}/api/", address.prefix) }
    }

    /// `chat.postMessage` with the key, if there is one, as `client_msg_id`: in
    /// the format in which the target is told it.
    pub fn post_message(&self, channel: &str, client_msg_id: Option<&str>, text: &str) -> Call {
        self.json("chat.postMessage", &Post { channel, text, client_msg_id, thread_ts: None })
    }

    /// A message as a frame of the socket. With an id, the target answers it;
    /// with a key, it recognises a repetition.
    pub fn socket_message(&self, id: Option<u64>, channel: &str, client_msg_id: Option<&str>, text: &str) -> String {
        let post = Post { channel, text, client_msg_id, thread_ts: None };
        serde_json::to_string(&SocketPost { id, kind: "message", post }).expect("strings serialise")
    }

    /// `chat.postMessage` as a reply to a message, by the target's id.
    pub fn reply(&self, channel: &str, parent: &str, client_msg_id: Option<&str>, text: &str) -> Call {
        self.json("chat.postMessage", &Post { channel, text, client_msg_id, thread_ts: Some(parent) })
    }

    /// `auth.test`: is the target there, and does it know the user?
    pub fn auth_test(&self) -> Call {
        self.form("auth.test", &[])
    }

    /// `conversations.create`.
    pub fn create_channel(&self, name: &str, private: bool) -> Call {
        let fields = [("name", name), ("is_private", "true")];
        self.form("conversations.create", if private { &fields } else { &fields[..1] })
    }

    /// `conversations.invite` of one user, by the target's id.
    pub fn invite(&self, channel: &str, user_id: &str) -> Call {
        self.form("conversations.invite", &[("channel", channel), ("users", user_id)])
    }

    /// `conversations.join`.
    pub fn join_channel(&self, channel: &str) -> Call {
        self.form("conversations.join", &[("channel", channel)])
    }

    /// `conversations.leave`.
    pub fn leave_channel(&self, channel: &str) -> Call {
        self.form("conversations.leave", &[("channel", channel)])
    }

    /// `rtm.connect`: a single-use socket URL. With the position of the last
    /// event that the client saw, events behind it are replayed where the target
    /// does that.
    pub fn rtm_connect(&self, last_event: Option<Position>) -> Call {
        let last_event = last_event.map(format_ts);
        let fields: Vec<_> = last_event.iter().map(|ts| ("last_event", ts.as_str())).collect();
        self.form("rtm.connect", &fields)
    }

    /// `apps.connections.open`, with the token of the app: a single-use URL of a
    /// Socket Mode connection.
    pub fn open_app_connection(&self) -> Call {
        self.form("apps.connections.open", &[])
    }

    /// `posthaste.apps.subscribe`, with the token of the app: events are posted to
    /// the URL from now on. A call of the reference server; at Slack, it is a
    /// page.
    pub fn subscribe_app(&self, url: &str) -> Call {
        self.form("posthaste.apps.subscribe", &[("url", url)])
    }

    /// `conversations.history` of everything past a position (exclusive; from
    /// the start with `None`), page by page towards the newest.
    pub fn history(&self, channel: &str, after: Option<Position>, limit: u32, cursor: Option<&str>) -> Call {
        let oldest = after.map_or_else(|| "0".to_owned(), format_ts);
        let limit = limit.to_string();
        let mut fields = vec![("channel", channel), ("oldest", oldest.as_str()), ("limit", limit.as_str())];
        if let Some(cursor) = cursor {
            fields.push(("cursor", cursor));
        }
        self.form("conversations.history", &fields)
    }

    /// `conversations.history` of the one row with a server id.
    pub fn history_at(&self, channel: &str, server_id: &str) -> Call {
        let fields =
            [("channel", channel), ("oldest", server_id), ("latest", server_id), ("inclusive", "1"), ("limit", "1")];
        self.form("conversations.history", &fields)
    }

    fn json(&self, method: &str, post: &Post<'_>) -> Call {
        Call::post([&self.prefix, method].concat(), &JSON, post.to_json())
    }

    pub(super) fn form(&self, method: &str, fields: &[(&str, &str)]) -> Call {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        Call::post(format!("{}{method}", self.prefix), &FORM, body)
    }
}

/// Reads the answer of a set-up call: its value, or what the target said, in
/// words.
pub(super) fn expect_ok<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        ok: bool,
        error: Option<String>,
    }
    if status != 200 {
        return Err(format!("HTTP {status}"));
    }
    let head: Head = serde_json::from_slice(body).map_err(|_| "an answer that is no Slack answer".to_owned())?;
    if !head.ok {
        return Err(clip(&head.error.unwrap_or_else(|| "no reason".to_owned())));
    }
    serde_json::from_slice(body).map_err(|error| format!("an answer without what was asked for ({error})"))
}

/// A target's text, short and without control characters.
fn clip(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(120).collect()
}

/// `1700000000.000100` as µs; `None` for another shape.
pub(super) fn parse_ts(ts: &str) -> Option<Position> {
    let (seconds, micros) = ts.as_bytes().split_at_checked(ts.len().checked_sub(7)?)?;
    let (b'.', micros) = micros.split_first()? else { return None };
    if seconds.is_empty() || seconds.len() > 12 {
        return None;
    }
    let mut position = 0;
    for digit in seconds.iter().chain(micros) {
        position = position * 10 + u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some(Position(position))
}

fn format_ts(position: Position) -> String {
    format!("{}.{:06}", position.0 / 1_000_000, position.0 % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_go_both_ways_and_nothing_else_is_one() {
        let position = Position(1_700_000_000_000_100);
        assert_eq!(parse_ts("1700000000.000100"), Some(position));
        assert_eq!(format_ts(position), "1700000000.000100");
        for wrong in ["", "1", "1.1", "1700000000.0001000", "a.000000", "1.00000a", "-1.000000", "9999999999999.000000"]
        {
            assert_eq!(parse_ts(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn calls_carry_prefix_and_escaped_fields() {
        let slack = Slack::new(&Address::parse("http://h:1/base").unwrap());
        let call = slack.history("C&1", Some(Position(5)), 10, Some("a=b"));
        assert_eq!(call.path, "/base/api/conversations.history");
        assert_eq!(call.body, b"channel=C%261&oldest=0.000005&limit=10&cursor=a%3Db");
        assert_eq!(slack.rtm_connect(None).body, b"");
        assert_eq!(slack.rtm_connect(Some(Position(7_000_002))).body, b"last_event=7.000002");
        assert_eq!(slack.create_channel("a", false).body, b"name=a");
        assert_eq!(slack.create_channel("a", true).body, b"name=a&is_private=true");
        assert_eq!(slack.invite("C1", "U2").body, b"channel=C1&users=U2");
        let key = "0190c1a2-0000-8000-8000-000000000001";
        let body = slack.post_message("C1", Some(key), "a \"b\"").body;
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"channel":"C1","text":"a \"b\"","client_msg_id":"0190c1a2-0000-8000-8000-000000000001"}"#
        );
        assert_eq!(slack.post_message("C1", None, "a").body, br#"{"channel":"C1","text":"a"}"#);
        for text in ["", "\u{0}\u{1f}", "\\", "a\"", "\u{7f}\u{80}é\u{2028}", "a\nb\tc", &"long and plain ".repeat(9)]
        {
            let post = Post { channel: text, text, client_msg_id: Some(text), thread_ts: Some("1.000001") };
            assert_eq!(post.to_json(), serde_json::to_vec(&post).unwrap(), "{text:?}");
        }
        let frame = slack.socket_message(None, "C1", None, "a");
        assert_eq!(frame, r#"{"type":"message","channel":"C1","text":"a"}"#);
        let frame = slack.socket_message(Some(7), "C1", Some(key), "a");
        assert_eq!(
            frame,
            r#"{"id":7,"type":"message","channel":"C1","text":"a","client_msg_id":"0190c1a2-0000-8000-8000-000000000001"}"#
        );
    }

    #[test]
    fn set_up_answers_are_values_or_reasons() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Url {
            url: String,
        }
        let read = |status, body: &str| expect_ok::<Url>(status, body.as_bytes());
        assert_eq!(read(200, r#"{"ok":true,"url":"ws://a"}"#), Ok(Url { url: "ws://a".into() }));
        assert_eq!(read(200, r#"{"ok":false,"error":"not\u001b_authed"}"#), Err("not_authed".into()));
        assert_eq!(read(503, ""), Err("HTTP 503".into()));
        assert!(read(200, "<html>").unwrap_err().contains("no Slack answer"));
        assert!(read(200, r#"{"ok":true}"#).unwrap_err().contains("without what was asked"));
    }
}
