//! What an answer to a send means, on two axes: did it have an effect, and may
//! it be tried again. When in doubt, indeterminate.

use super::plain_json::Plain;
use super::profile::{HttpAnswer, TargetProfile};
use super::slack::parse_ts;
use crate::model::{MessageKey, Position};
use serde::Deserialize;
use std::borrow::Cow;

/// A complete HTTP answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// Value of `Retry-After`, if there is one.
    pub retry_after: Option<&'a str>,
    /// `name: value`, a line each; only described targets have them.
    pub headers: &'a str,
    /// The whole body.
    pub body: &'a [u8],
}

/// What an attempt did to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The target's declared acknowledgement.
    Acknowledged {
        /// The target's id of the message.
        server_id: Box<str>,
        /// Where the id stands in the channel.
        position: Option<Position>,
    },
    /// It was written, and nobody acknowledges it.
    Written,
    /// Provably nothing happened.
    None,
    /// It may have been stored.
    Indeterminate,
}

/// Whether an attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would be refused again.
    No,
    /// After the client's own back-off.
    Backoff,
    /// Not before this wait in µs, which the target asked for.
    After(u64),
    /// At once, after the user's token was renewed.
    Renewed,
}

/// An attempt, classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What it did.
    pub effect: Effect,
    /// Whether it may be repeated.
    pub retry: Retry,
}

/// A text that is only copied where it has escapes: in an `Option`, a `Cow` always
/// is.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An answer of `chat.postMessage`.
#[derive(Debug, PartialEq, Deserialize)]
struct Posted<'a> {
    ok: bool,
    #[serde(borrow, default)]
    error: Option<Text<'a>>,
    #[serde(borrow, default)]
    ts: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Echo<'a>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Echo<'a> {
    #[serde(borrow, default)]
    client_msg_id: Option<Text<'a>>,
}

impl<'a> Posted<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        Self::read_plain(body).or_else(|| serde_json::from_slice(body).ok())
    }

    /// `None` for what is no answer, and for what is only not written plainly.
    fn read_plain(body: &'a [u8]) -> Option<Self> {
        // What is said twice is for the library too.
        fn once<T>(said: &mut Option<T>, value: T) -> Option<()> {
            said.is_none().then(|| *said = Some(value))
        }
        let text = |text| Text(Cow::Borrowed(text));
        let (mut ok, mut posted) = (None, Posted { ok: false, error: None, ts: None, message: None });
        let mut json = Plain::of(body)?;
        json.object(|json, name| match name {
            "ok" => once(&mut ok, json.truth()?),
            "error" => once(&mut posted.error, text(json.text()?)),
            "ts" => once(&mut posted.ts, text(json.text()?)),
            "message" if posted.message.is_none() => {
                let echo = posted.message.insert(Echo { client_msg_id: None });
                json.object(|json, name| match name {
                    "client_msg_id" => once(&mut echo.client_msg_id, text(json.text()?)),
                    _ => json.skip(),
                })
            }
            "message" => None,
            _ => json.skip(),
        })?;
        json.end()?;
        Some(Posted { ok: ok?, ..posted })
    }
}

/// An answer over the socket.
#[derive(Deserialize)]
struct Replied<'a> {
    ok: bool,
    #[serde(borrow, default)]
    error: Option<ReplyError<'a>>,
    #[serde(borrow, default)]
    ts: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ReplyError<'a> {
    #[serde(borrow, default)]
    msg: Option<Cow<'a, str>>,
}

impl TargetProfile {
    /// Classifies the answer, over the socket, to a message that was sent over
    /// it.
    pub fn classify_reply(&self, reply: &str) -> Classified {
        if let Some(described) = &self.described {
            return described.send.classify_reply(reply);
        }
        let Ok(replied) = serde_json::from_str::<Replied<'_>>(reply) else {
            return INDETERMINATE;
        };
        if !replied.ok {
            let error = replied.error.and_then(|error| error.msg).unwrap_or_default();
            if !self.refused_errors.iter().any(|listed| *listed == error) {
                return INDETERMINATE;
            }
            let retry = if error == "ratelimited" { Retry::Backoff } else { Retry::No };
            return Classified { effect: Effect::None, retry };
        }
        acknowledged(replied.ts)
    }

    /// Classifies the answer to an attempt that carried `key`.
    pub fn classify(&self, answer: Answer<'_>, key: MessageKey) -> Classified {
        if let Some(described) = &self.described {
            let answer = HttpAnswer { status: answer.status, headers: answer.headers, body: answer.body };
            return described.send.classify(answer, key, self.key_format);
        }
        if answer.status != 200 {
            return self.refusal(self.refused_statuses.contains(&answer.status), answer.status == 429, answer);
        }
        let Some(posted) = Posted::read(answer.body) else { return INDETERMINATE };
        if !posted.ok {
            let error = posted.error.unwrap_or_default().0;
            let refused = self.refused_errors.iter().any(|listed| *listed == error);
            return self.refusal(refused, error == "ratelimited", answer);
        }
        let echoed = posted.message.and_then(|message| message.client_msg_id);
        let echo_differs = echoed.is_some_and(|echo| !self.key_format.names(&echo.0, key));
        acknowledged(posted.ts.map(|ts| ts.0).filter(|_| !echo_differs))
    }

    /// What a frame will call the message that says what became of it, where the answer
    /// only says that the target has taken it on.
    pub fn awaited(&self, answer: Answer<'_>, told: Option<&str>) -> Option<String> {
        let answer = HttpAnswer { status: answer.status, headers: answer.headers, body: answer.body };
        self.described.as_ref()?.send.awaited(answer, told)
    }

    /// Classifies an answer that is no acknowledgement, whatever was asked.
    pub(super) fn classify_refusal(&self, answer: Answer<'_>) -> Classified {
        #[derive(Deserialize)]
        struct Refused<'a> {
            #[serde(borrow, default)]
            error: Option<Cow<'a, str>>,
        }
        if answer.status != 200 {
            return self.refusal(self.refused_statuses.contains(&answer.status), answer.status == 429, answer);
        }
        let error = serde_json::from_slice::<Refused<'_>>(answer.body).ok().and_then(|refused| refused.error);
        let error = error.unwrap_or_default();
        let refused = self.refused_errors.iter().any(|listed| *listed == error);
        self.refusal(refused, error == "ratelimited", answer)
    }

    fn refusal(&self, refused: bool, limited: bool, answer: Answer<'_>) -> Classified {
        if !refused {
            return Classified { effect: Effect::Indeterminate, retry: asked_wait(answer).unwrap_or(Retry::Backoff) };
        }
        let retry = if limited { asked_wait(answer).unwrap_or(Retry::Backoff) } else { Retry::No };
        Classified { effect: Effect::None, retry }
    }
}

/// An acknowledgement with a server id; one without is none.
fn acknowledged(ts: Option<Cow<'_, str>>) -> Classified {
    match ts {
        Some(ts) if !ts.is_empty() && ts.len() <= 128 => {
            let position = parse_ts(&ts);
            Classified { effect: Effect::Acknowledged { server_id: ts.into(), position }, retry: Retry::No }
        }
        _ => INDETERMINATE,
    }
}

const INDETERMINATE: Classified = Classified { effect: Effect::Indeterminate, retry: Retry::Backoff };

/// `Retry-After` in seconds; a date is not used by chat APIs and is ignored.
fn asked_wait(answer: Answer<'_>) -> Option<Retry> {
    let seconds: u64 = answer.retry_after?.trim().parse().ok()?;
    Some(Retry::After(seconds.min(86_400) * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::super::built_in_targets;
    use super::*;
    use crate::model::{ChannelId, KeyCodec, KeyFormat, KeyLayout, MessageRef, RunId};
    use proptest::prelude::*;

    /// Members of an answer, some of them wrong, some said twice.
    fn object(depth: u32) -> BoxedStrategy<String> {
        let name = prop_oneof![
            4 => prop::sample::select(&["ok", "error", "ts", "message", "client_msg_id"][..]).prop_map(str::to_owned),
            1 => "[a-z]{0,3}",
        ];
        let word =
            prop::sample::select(&["true", "false", "null", "7", "07", "-1.5e3", "[]", "{}", "tru", "nullx", ""][..]);
        let text = prop_oneof![8 => "[a-z0-9.]{0,20}", 1 => "[ -~\n\t\u{7f}é]{0,6}"];
        let mut value =
            prop_oneof![2 => word.prop_map(str::to_owned), 5 => text.prop_map(|text| format!("\"{text}\""))].boxed();
        if depth > 0 {
            value = prop_oneof![3 => value, 1 => object(depth - 1)].boxed();
        }
        let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        let members = prop::collection::vec(member, 0..6);
        members.prop_map(|members| format!("{{{}}}", members.join(","))).boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn what_is_written_plainly_is_read_as_the_library_reads_it(
            json in object(2),
            cut in prop_oneof![5 => Just(None), 1 => (0usize..80, any::<u8>()).prop_map(Some)],
        ) {
            let mut body = [br#"{"ok":true,"#, &json.as_bytes()[1..]].concat();
            if json == "{}" || json.contains("\"ok\":") {
                body = json.into_bytes();
            }
            if let Some((at, byte)) = cut && at < body.len() {
                body[at] = byte;
            }
            if let Some(posted) = Posted::read_plain(&body) {
                let read = serde_json::from_slice(&body);
                prop_assert_eq!(Some(posted), read.ok(), "{}", String::from_utf8_lossy(&body));
            }
        }
    }

    #[test]
    fn the_usual_answer_is_read_without_the_library() {
        let usual = br#"{"ok":true,"ts":"1.000002","message":{"type":"message","text":"a b","hidden":false,"client_msg_id":"k"}}"#;
        let posted = Posted::read_plain(usual).unwrap();
        assert_eq!(Some(posted), serde_json::from_slice(usual).ok());
        for (other, why) in [
            (r#"{"ok":true,"ts":"1.000002" }"#, "a blank"),
            (r#"{"ok":true,"ts":"1.00000\u0032"}"#, "an escape"),
            (r#"{"ok":true,"ts":"1.000002","message":{"blocks":[1]}}"#, "an array"),
        ] {
            assert_eq!(Posted::read_plain(other.as_bytes()), None, "{why}");
            assert_eq!(Posted::read(other.as_bytes()).unwrap().ts.unwrap().0, "1.000002", "{why}");
        }
        for wrong in
            [r#"{"ok":true,"ok":true}"#, r#"{"ts":"1","ts":"1","ok":true}"#, r#"{"ok":true}{"#, r#"{"ts":"1"}"#]
        {
            assert_eq!(Posted::read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn answers_over_the_socket() {
        let profile = TargetProfile::parse(built_in_targets()[0].1, "reference").unwrap();
        let stored =
            Effect::Acknowledged { server_id: "1700000001.000002".into(), position: parse_ts("1700000001.000002") };
        for (reply, effect, retry) in [
            (r#"{"ok":true,"reply_to":1,"ts":"1700000001.000002","text":"a"}"#, stored, Retry::No),
            (r#"{"ok":true,"reply_to":1}"#, Effect::Indeterminate, Retry::Backoff),
            (r#"{"ok":false,"reply_to":1,"error":{"code":2,"msg":"channel_not_found"}}"#, Effect::None, Retry::No),
            (r#"{"ok":false,"reply_to":1,"error":{"code":2,"msg":"ratelimited"}}"#, Effect::None, Retry::Backoff),
            (
                r#"{"ok":false,"reply_to":1,"error":{"code":1,"msg":"internal_error"}}"#,
                Effect::Indeterminate,
                Retry::Backoff,
            ),
            (r#"{"ok":false,"reply_to":1}"#, Effect::Indeterminate, Retry::Backoff),
            ("stored", Effect::Indeterminate, Retry::Backoff),
        ] {
            assert_eq!(profile.classify_reply(reply), Classified { effect, retry }, "{reply}");
        }
    }

    #[test]
    fn when_in_doubt_indeterminate() {
        let profile = TargetProfile::parse(built_in_targets()[0].1, "reference").unwrap();
        let key = MessageKey::parse("0190c1a2-0000-8000-8000-000000000001").unwrap();
        let acknowledged = || Effect::Acknowledged {
            server_id: "1700000000.000100".into(),
            position: Some(Position(1_700_000_000_000_100)),
        };
        let good = r#"{"ok":true,"channel":"C1","ts":"1700000000.000100","message":{"client_msg_id":"0190c1a2-0000-8000-8000-000000000001"}}"#;
        let other = good.replace("0001\"}", "0002\"}");
        for (status, retry_after, body, effect, retry, reason) in [
            (200, None, good, acknowledged(), Retry::No, "the acknowledgement"),
            (200, None, r#"{"ok":true,"ts":"1700000000.000100"}"#, acknowledged(), Retry::No, "no echo is fine"),
            (200, None, other.as_str(), Effect::Indeterminate, Retry::Backoff, "another key echoed"),
            (200, None, &good[..60], Effect::Indeterminate, Retry::Backoff, "truncated"),
            (200, None, "", Effect::Indeterminate, Retry::Backoff, "empty"),
            (200, None, "<html>", Effect::Indeterminate, Retry::Backoff, "garbage"),
            (200, None, r#"{"ok":true}"#, Effect::Indeterminate, Retry::Backoff, "no id"),
            (200, None, r#"{"ok":false,"error":"channel_not_found"}"#, Effect::None, Retry::No, "a listed refusal"),
            (200, None, r#"{"ok":false,"error":"internal_error"}"#, Effect::Indeterminate, Retry::Backoff, "unlisted"),
            (200, None, r#"{"ok":false}"#, Effect::Indeterminate, Retry::Backoff, "no reason"),
            (429, Some("3"), r#"{"ok":false,"error":"ratelimited"}"#, Effect::None, Retry::After(3_000_000), "limited"),
            (429, Some("soon"), "", Effect::None, Retry::Backoff, "limited, without a number"),
            (400, None, "", Effect::None, Retry::No, "a listed status"),
            (408, None, "", Effect::Indeterminate, Retry::Backoff, "a time-out says nothing"),
            (409, None, "", Effect::Indeterminate, Retry::Backoff, "a conflict says nothing"),
            (500, None, "", Effect::Indeterminate, Retry::Backoff, "a server error says nothing"),
            (503, Some("1"), "", Effect::Indeterminate, Retry::After(1_000_000), "and may ask for a wait"),
            (201, None, good, Effect::Indeterminate, Retry::Backoff, "an undeclared success"),
            (302, None, "", Effect::Indeterminate, Retry::Backoff, "a redirect is not followed"),
        ] {
            let classified = profile.classify(Answer { status, retry_after, headers: "", body: body.as_bytes() }, key);
            assert_eq!(classified, Classified { effect, retry }, "{reason}");
        }
    }

    #[test]
    fn an_echo_is_held_against_the_key_in_the_format_of_the_target() {
        let keys = KeyCodec::new(RunId(7), KeyLayout { channel_bits: 20 });
        let key = |index| keys.encode(MessageRef { channel: ChannelId(2), index }, 4);
        for format in KeyFormat::ALL {
            let profile = TargetProfile::parse(built_in_targets()[0].1, "reference").unwrap();
            let profile = TargetProfile { key_format: format, ..profile };
            for (echoed, acknowledged) in [(key(1), true), (key(2), false)] {
                let echo = format.write(echoed);
                let body = format!(r#"{{"ok":true,"ts":"1700000000.000100","message":{{"client_msg_id":"{echo}"}}}}"#);
                let answer = Answer { status: 200, retry_after: None, headers: "", body: body.as_bytes() };
                let effect = profile.classify(answer, key(1)).effect;
                assert_eq!(effect != Effect::Indeterminate, acknowledged, "{format:?}: {echo}");
            }
        }
    }
}
