//! What is done to messages after they were sent: the calls, their answers, and
//! how a reply and a reaction of the run are recognised.

use super::call::Call;
use super::classify::{Answer, Classified, Effect, Retry};
use super::history::PageError;
use super::profile::TargetProfile;
use super::slack::{Slack, expect_ok};
use crate::model::{KeyCodec, KeyLayout, MessageKey, MessageRef, RunId};
use serde::Deserialize;

/// What the name of each reaction of a run begins with.
const REACTION: &str = "posthaste-";

/// The keys and texts of replies. No reply is a message of the run: its key is
/// one that the run's own codec does not read, and its text has no identity.
#[derive(Clone, Debug)]
pub struct ReplyKeys(KeyCodec);

impl ReplyKeys {
    /// Those of a run, in the format of its own keys.
    pub fn new(keys: &KeyCodec, layout: KeyLayout) -> Self {
        Self(KeyCodec::new(RunId(!keys.run().0), layout).in_format(keys.format()))
    }

    /// The key of the reply that is the change of this ordinal.
    pub fn key(&self, parent: MessageRef, ordinal: u32) -> MessageKey {
        self.0.encode(parent, ordinal.into())
    }

    /// Its text.
    pub fn text(&self, parent: MessageRef, ordinal: u32) -> String {
        format!("reply {ordinal} to message {} of channel {}", parent.index, parent.channel)
    }
}

/// The name of the reaction that is the change of this ordinal.
pub fn reaction_name(ordinal: u32) -> String {
    format!("{REACTION}{ordinal}")
}

/// The ordinal of the change that a reaction's name tells; `None` for one that
/// is not the run's.
pub fn reaction_ordinal(name: &str) -> Option<u32> {
    name.strip_prefix(REACTION)?.parse().ok()
}

impl Slack {
    /// `chat.update`.
    pub fn edit(&self, channel: &str, server_id: &str, text: &str) -> Call {
        self.form("chat.update", &[("channel", channel), ("ts", server_id), ("text", text)])
    }

    /// `chat.delete`.
    pub fn delete(&self, channel: &str, server_id: &str) -> Call {
        self.form("chat.delete", &[("channel", channel), ("ts", server_id)])
    }

    /// `reactions.add`.
    pub fn react(&self, channel: &str, server_id: &str, name: &str) -> Call {
        self.form("reactions.add", &[("channel", channel), ("timestamp", server_id), ("name", name)])
    }

    /// `conversations.replies`: the thread of a message, page by page.
    pub fn thread(&self, channel: &str, server_id: &str, limit: u32, cursor: Option<&str>) -> Call {
        let limit = limit.to_string();
        let mut fields = vec![("channel", channel), ("ts", server_id), ("limit", limit.as_str())];
        fields.extend(cursor.map(|cursor| ("cursor", cursor)));
        self.form("conversations.replies", &fields)
    }
}

impl TargetProfile {
    /// Classifies the answer to an edit, a deletion or a reaction. The id that an
    /// acknowledgement carries is the message's own, and not told.
    ///
    /// A refusal such as `message_not_found` proves that this attempt did
    /// nothing; whether an earlier one did, it does not tell.
    pub fn classify_change(&self, answer: Answer<'_>) -> Classified {
        #[derive(Deserialize)]
        struct Head {
            ok: bool,
        }
        let done = answer.status == 200 && serde_json::from_slice::<Head>(answer.body).is_ok_and(|head| head.ok);
        if done {
            let effect = Effect::Acknowledged { server_id: Box::default(), position: None };
            return Classified { effect, retry: Retry::No };
        }
        self.classify_refusal(answer)
    }
}

/// One page of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadPage {
    /// The server ids of its rows but for the thread's own message.
    pub replies: Vec<Box<str>>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

impl ThreadPage {
    /// Parses an answer of `conversations.replies` about a message. That there is
    /// no such thread is an empty page.
    pub fn parse(status: u16, body: &[u8], parent: &str) -> Result<Self, PageError> {
        #[derive(Deserialize)]
        struct Page {
            messages: Vec<Reply>,
            #[serde(default)]
            response_metadata: Option<Metadata>,
        }
        #[derive(Deserialize)]
        struct Reply {
            ts: Box<str>,
        }
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(default)]
            next_cursor: Option<String>,
        }
        let page = match expect_ok::<Page>(status, body) {
            Ok(page) => page,
            Err(reason) if ["thread_not_found", "message_not_found"].contains(&&*reason) => {
                Page { messages: Vec::new(), response_metadata: None }
            }
            Err(reason) => return Err(PageError(reason)),
        };
        let next_cursor = page.response_metadata.and_then(|metadata| metadata.next_cursor);
        let replies = page.messages.into_iter().map(|reply| reply.ts).filter(|ts| **ts != *parent).collect();
        Ok(Self { replies, next_cursor: next_cursor.filter(|cursor| !cursor.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Address, built_in_targets};
    use super::*;
    use crate::model::{ChannelId, KeyFormat, MessageText, SizeRange, TextCodec};

    #[test]
    fn a_reply_is_no_message_of_the_run() {
        let layout = KeyLayout { channel_bits: 20 };
        for format in KeyFormat::ALL {
            let keys = KeyCodec::new(RunId(7), layout).in_format(format);
            let texts = TextCodec::new(keys.clone(), SizeRange { min: 90, max: 90 }).with_edits(8);
            let replies = ReplyKeys::new(&keys, layout);
            let parent = |index| MessageRef { channel: ChannelId(2), index };
            for index in 0..1_000 {
                assert!(keys.decode(replies.key(parent(index), 1)).is_err());
                assert_ne!(replies.key(parent(index), 1), replies.key(parent(index), 2));
            }
            assert_eq!(texts.read(&replies.text(parent(1), 1)), MessageText::Unrelated);
        }
    }

    #[test]
    fn reactions_tell_their_ordinals() {
        assert_eq!(reaction_ordinal(&reaction_name(3)), Some(3));
        for name in ["eyes", "posthaste-", "posthaste-x", "3"] {
            assert_eq!(reaction_ordinal(name), None, "{name}");
        }
    }

    #[test]
    fn calls_name_the_message_as_the_method_wants_it() {
        let slack = Slack::new(&Address::parse("http://h:1/base").unwrap());
        for (call, path, body) in [
            (slack.edit("C1", "1.000002", "a b"), "chat.update", "channel=C1&ts=1.000002&text=a+b"),
            (slack.delete("C1", "1.000002"), "chat.delete", "channel=C1&ts=1.000002"),
            (slack.react("C1", "1.000002", "x"), "reactions.add", "channel=C1&timestamp=1.000002&name=x"),
            (
                slack.thread("C1", "1.000002", 9, Some("n")),
                "conversations.replies",
                "channel=C1&ts=1.000002&limit=9&cursor=n",
            ),
            (
                slack.reply("C1", "1.000002", Some("k"), "t"),
                "chat.postMessage",
                r#"{"channel":"C1","text":"t","client_msg_id":"k","thread_ts":"1.000002"}"#,
            ),
        ] {
            assert_eq!(
                (call.path, String::from_utf8(call.body).unwrap()),
                (format!("/base/api/{path}"), body.to_owned())
            );
        }
    }

    #[test]
    fn an_answer_to_a_change_is_an_acknowledgement_a_refusal_or_in_doubt() {
        let profile = TargetProfile::parse(built_in_targets()[0].1, "reference").unwrap();
        let done = || Effect::Acknowledged { server_id: Box::default(), position: None };
        for (status, retry_after, body, effect, retry, reason) in [
            (200, None, r#"{"ok":true,"channel":"C1","ts":"1.000002"}"#, done(), Retry::No, "an edit"),
            (200, None, r#"{"ok":true}"#, done(), Retry::No, "a reaction"),
            (200, None, r#"{"ok":tr"#, Effect::Indeterminate, Retry::Backoff, "truncated"),
            (200, None, r#"{"ok":false,"error":"message_not_found"}"#, Effect::None, Retry::No, "gone"),
            (200, None, r#"{"ok":false,"error":"already_reacted"}"#, Effect::None, Retry::No, "as an earlier try did"),
            (200, None, r#"{"ok":false,"error":"internal_error"}"#, Effect::Indeterminate, Retry::Backoff, "unlisted"),
            (429, Some("2"), "", Effect::None, Retry::After(2_000_000), "limited"),
            (500, None, "", Effect::Indeterminate, Retry::Backoff, "a server error says nothing"),
            (201, None, r#"{"ok":true}"#, Effect::Indeterminate, Retry::Backoff, "an undeclared success"),
        ] {
            let classified =
                profile.classify_change(Answer { status, retry_after, headers: "", body: body.as_bytes() });
            assert_eq!(classified, Classified { effect, retry }, "{reason}");
        }
    }

    #[test]
    fn a_thread_is_its_replies_and_one_that_is_not_there_is_empty() {
        let parse = |body: &str| ThreadPage::parse(200, body.as_bytes(), "1.000000");
        let page = parse(
            r#"{"ok":true,"messages":[{"ts":"1.000000"},{"ts":"2.000000"}],"response_metadata":{"next_cursor":"n"}}"#,
        );
        assert_eq!(page, Ok(ThreadPage { replies: vec!["2.000000".into()], next_cursor: Some("n".to_owned()) }));
        let none = Ok(ThreadPage { replies: Vec::new(), next_cursor: None });
        for error in ["thread_not_found", "message_not_found"] {
            assert_eq!(parse(&format!(r#"{{"ok":false,"error":"{error}"}}"#)), none);
        }
        assert_eq!(parse(r#"{"ok":true,"messages":[],"response_metadata":{"next_cursor":""}}"#), none);
        assert!(parse(r#"{"ok":false,"error":"internal_error"}"#).is_err());
    }
}
