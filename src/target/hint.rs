//! What users hint at over their sockets, and what they are shown of others.

use super::call::Call;
use super::slack::Slack;
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;

/// What a frame hints at. Users and channels are named by the target's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    /// Somebody types.
    Typing {
        /// Where.
        channel: Cow<'a, str>,
        /// Who.
        user: Cow<'a, str>,
    },
    /// Somebody is there, or is not.
    Presence {
        /// Who.
        user: Cow<'a, str>,
    },
}

impl<'a> Hint<'a> {
    /// Reads a frame; `None` where it hints at nothing.
    pub fn parse(text: &'a str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default)]
            channel: Option<Cow<'a, str>>,
            #[serde(borrow)]
            user: Cow<'a, str>,
        }
        let Event { kind, channel, user } = serde_json::from_str::<Event<'a>>(text).ok()?;
        match &*kind {
            "user_typing" => Some(Self::Typing { channel: channel?, user }),
            "presence_change" => Some(Self::Presence { user }),
            _ => None,
        }
    }
}

impl Slack {
    /// The frame that tells that the user types.
    pub fn typing(&self, channel: &str) -> String {
        json!({ "type": "typing", "channel": channel }).to_string()
    }

    /// The frame that asks whether a user is there.
    pub fn presence_query(&self, user_id: &str) -> String {
        json!({ "type": "presence_query", "ids": [user_id] }).to_string()
    }

    /// `chat.command`: a slash command for the app of a channel. A call of the
    /// reference server: at Slack, it is typed.
    pub fn command(&self, channel: &str, trigger_id: &str) -> Call {
        let fields = [("channel", channel), ("command", "/posthaste"), ("text", "ping"), ("trigger_id", trigger_id)];
        self.form("chat.command", &fields)
    }

    /// `posthaste.interact`: a click on a message. A call of the reference
    /// server too.
    pub fn click(&self, channel: &str, server_id: &str, trigger_id: &str) -> Call {
        let fields = [("channel", channel), ("ts", server_id), ("action_id", "ping"), ("trigger_id", trigger_id)];
        self.form("posthaste.interact", &fields)
    }
}

/// Whether an answer says that the app has answered the question of a
/// `trigger_id`.
pub fn answers_trigger(status: u16, body: &[u8], trigger_id: &str) -> bool {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow)]
        trigger_id: Cow<'a, str>,
    }
    super::parse_done(status, body).is_ok()
        && serde_json::from_slice::<Asked<'_>>(body).is_ok_and(|asked| asked.trigger_id == trigger_id)
}

#[cfg(test)]
mod tests {
    use super::super::Address;
    use super::*;

    #[test]
    fn frames_hint_at_typing_and_presence() {
        let typing = Hint::Typing { channel: "C1".into(), user: "U1".into() };
        for (frame, expected) in [
            (r#"{"type":"user_typing","channel":"C1","user":"U1"}"#, Some(typing)),
            (r#"{"type":"presence_change","user":"U2","presence":"away"}"#, Some(Hint::Presence { user: "U2".into() })),
            (r#"{"type":"user_typing","user":"U1"}"#, None),
            (r#"{"type":"presence_change","users":["U2"]}"#, None),
            (r#"{"type":"message","channel":"C1","user":"U1"}"#, None),
            ("hello", None),
        ] {
            assert_eq!(Hint::parse(frame), expected, "{frame}");
        }
    }

    #[test]
    fn an_app_has_answered_where_the_trigger_says_so() {
        for (status, body, answered) in [
            (200, r#"{"ok":true,"trigger_id":"t"}"#, true),
            (200, r#"{"ok":true,"trigger_id":"u"}"#, false),
            (200, r#"{"ok":true}"#, false),
            (200, r#"{"ok":false,"error":"operation_timeout"}"#, false),
            (500, r#"{"ok":true,"trigger_id":"t"}"#, false),
        ] {
            assert_eq!(answers_trigger(status, body.as_bytes(), "t"), answered, "{status} {body}");
        }
    }

    #[test]
    fn what_users_send_is_as_the_wire_has_it() {
        let slack = Slack::new(&Address::parse("http://h:1").unwrap());
        assert_eq!(slack.typing("C1"), r#"{"type":"typing","channel":"C1"}"#);
        assert_eq!(slack.presence_query("U1"), r#"{"type":"presence_query","ids":["U1"]}"#);
        assert_eq!(slack.command("C1", "t").body, b"channel=C1&command=%2Fposthaste&text=ping&trigger_id=t");
        assert_eq!(slack.click("C1", "1.000002", "t").body, b"channel=C1&ts=1.000002&action_id=ping&trigger_id=t");
    }
}
