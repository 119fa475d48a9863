//! How the prober sends, and what is answered.

use super::Prober;
use crate::engine::api::ApiAnswer;
use crate::engine::chat::Outgoing;
use crate::engine::outbox;
use crate::engine::stamp::FirstByte;
use crate::ledger::{AnswerFact, RefusalFact};
use crate::model::{ChannelId, MessageKey, MessageRef, UserId};
use crate::target::{Answer, CHANNEL_ID, Call, Effect, MessageScope, Scope, Values, set};
use std::time::Duration;
use tokio::sync::oneshot;

/// No more of an answer is kept.
const SAID_CHARACTERS: usize = 120;

/// A message that was sent, and what was answered.
pub(super) struct Said {
    pub message: MessageRef,
    pub key: MessageKey,
    pub sent_at_us: u64,
    pub answered_at_us: u64,
    /// How long the answer took.
    pub answered_us: u64,
    pub answer: AnswerFact,
}

impl Prober {
    /// A new message.
    pub(super) async fn say(&self, user: UserId, channel: ChannelId) -> Said {
        let message = self.next(channel);
        self.say_as(user, channel, message, None).await
    }

    /// A message, or the same one again: then with the key that it had.
    pub(super) async fn say_as(
        &self,
        user: UserId,
        channel: ChannelId,
        message: MessageRef,
        again: Option<&Said>,
    ) -> Said {
        let key = again.map_or_else(|| self.key_of(message), |again| again.key);
        let text = self.shard.shared.texts.render(key);
        self.say_with(user, MessageRef { channel, ..message }, &key, &text).await
    }

    /// Any text under any key.
    pub(super) async fn say_with(&self, user: UserId, message: MessageRef, key: &MessageKey, text: &str) -> Said {
        let channel = message.channel;
        let shared = &self.shard.shared;
        let told = shared.target.key_format.write(*key);
        let channel_id = shared.directory.id(channel);
        let outgoing = Outgoing { user, channel, channel_id, told: Some(&told), text };
        let sent_at_us = self.shard.now_us();
        let answer = match self.speaks_over_socket() {
            true => self.over_socket(&outgoing).await,
            false => {
                let call = || self.shard.api.post(&outgoing, shared.target.key_format);
                let answered = self.shard.api.call_renewing(user, call, self.timeout()).await;
                self.answered(user, answered, *key).await
            }
        };
        let answered_at_us = self.shard.now_us();
        let key = *key;
        Said { message, key, sent_at_us, answered_at_us, answered_us: answered_at_us - sent_at_us, answer }
    }

    pub(super) fn key_of(&self, message: MessageRef) -> MessageKey {
        let since_us = self.shard.now_us().saturating_sub(self.shard.load_start_us.get());
        self.shard.shared.texts.keys().encode(message, since_us)
    }

    /// The key of a message that is sent now, and its text.
    pub(super) fn key_and_text(&self, message: MessageRef) -> (MessageKey, String) {
        let key = self.key_of(message);
        (key, self.shard.shared.texts.render(key))
    }

    fn speaks_over_socket(&self) -> bool {
        self.shard.shared.target.described.as_ref().is_some_and(|described| described.send.request.is_none())
    }

    fn timeout(&self) -> Duration {
        Duration::from_micros(self.shard.plan().send.timeout_us)
    }

    async fn answered(&self, user: UserId, answered: Result<ApiAnswer, String>, key: MessageKey) -> AnswerFact {
        let answered = match answered {
            Ok(answered) => answered,
            Err(said) => return AnswerFact { meaning: "no answer".to_owned(), said, ..AnswerFact::default() },
        };
        let retry_after = answered.retry_after_s.map(|seconds| seconds.to_string());
        let answer = Answer {
            status: answered.status,
            retry_after: retry_after.as_deref(),
            headers: &answered.headers,
            body: &answered.body,
        };
        let target = &self.shard.shared.target;
        if let Some(named) = target.awaited(answer, Some(&target.key_format.write(key)))
            && let Some(outbox) = self.shard.outbox(user)
            && let Ok(Ok(said)) = tokio::time::timeout(self.timeout(), outbox.expect_outcome(&named)).await
        {
            return fact(target.classify_reply(&said).effect, Some(answered.status), &said);
        }
        let classified = target.classify(answer, key);
        fact(classified.effect, Some(answered.status), &String::from_utf8_lossy(&answered.body))
    }

    async fn over_socket(&self, outgoing: &Outgoing<'_>) -> AnswerFact {
        let none = |reason: &str| AnswerFact {
            meaning: "no answer".to_owned(),
            said: reason.to_owned(),
            ..AnswerFact::default()
        };
        let Some(outbox) = self.shard.outbox(outgoing.user) else { return none("the sender holds no socket") };
        let (id, answer) = outbox.expect_answer();
        let frame = match self.shard.api.socket_post(outgoing, Some(id), self.shard.shared.target.key_format) {
            Ok(frame) => frame,
            Err(reason) => return none(&reason),
        };
        let (written, _is_written) = oneshot::channel();
        outbox.submit(outbox::Outgoing { frame, first_byte: FirstByte::default(), written });
        let answered = tokio::time::timeout(self.timeout(), answer).await;
        outbox.forget(id);
        match answered {
            Ok(Ok(reply)) => fact(self.shard.shared.target.classify_reply(&reply).effect, None, &reply),
            _ => none("nothing came back over the socket"),
        }
    }

    /// What is refused: a token that nobody has, a channel that is not there.
    pub(super) async fn ask_what_is_wrong(&self) -> Vec<RefusalFact> {
        let mut facts = Vec::new();
        for what in ["a wrong token", "an unknown channel"] {
            let message = self.next(super::MAIN);
            let key = self.key_of(message);
            let Some(call) = self.wrong_call(what, &key) else { continue };
            let answered = match call {
                Ok(call) => self.post_once(call, key).await,
                Err(said) => AnswerFact { meaning: "no answer".to_owned(), said, ..AnswerFact::default() },
            };
            let rows = self.read_main().await;
            let stored = rows.map(|rows| rows.iter().any(|row| row.message == Some(message)));
            facts.push(RefusalFact { what: what.to_owned(), answer: answered, stored });
        }
        facts
    }

    /// Without renewing a token: that it is wrong is the point.
    async fn post_once(&self, call: Call, key: MessageKey) -> AnswerFact {
        let answered = self.shard.api.call(self.sender(), call, self.timeout()).await;
        self.answered(self.sender(), answered, key).await
    }

    /// `None` where the profile has nothing that could be wrong.
    fn wrong_call(&self, what: &str, key: &MessageKey) -> Option<Result<Call, String>> {
        let shared = &self.shard.shared;
        let (told, text) = (shared.target.key_format.write(*key), shared.texts.render(*key));
        let wrong_channel = what == "an unknown channel";
        let Some(people) = &self.shard.api.people else {
            let id = if wrong_channel { "CUNKNOWN0" } else { shared.directory.id(super::MAIN) };
            let call = self.shard.api.slack.post_message(id, Some(&told), &text);
            return Some(Ok(Call { bearer: wrong_channel, ..call }));
        };
        let request = people.cast.described.send.request.as_ref()?;
        let mut person = people.person(self.sender());
        let mut channel: Values = people.cast.channels.get(super::MAIN.0 as usize)?.clone();
        if wrong_channel {
            set(&mut channel, CHANNEL_ID, "posthaste-unknown-0");
        } else {
            let wrong = person.values.iter().map(|value| value.as_ref().map(|_| Box::from("posthaste-wrong")));
            let wrong: Values = wrong.collect();
            if wrong.iter().all(Option::is_none) {
                return None;
            }
            person.values = wrong.into();
        }
        let scope = people.cast.scope(self.sender(), &person, Some(super::MAIN));
        let scope = Scope {
            channel: scope.channel.map(|of| crate::target::ChannelScope { values: &channel, ..of }),
            message: Some(MessageScope { key: &told, text: &text, reference: 0 }),
            ..scope
        };
        Some(request.render(&scope, &people.cast.prefix).map_err(|error| error.to_string()))
    }
}

fn fact(effect: Effect, status: Option<u16>, said: &str) -> AnswerFact {
    let (meaning, id) = match effect {
        Effect::Acknowledged { server_id, .. } => ("acknowledged", Some(server_id.into_string())),
        Effect::Written => ("written", None),
        Effect::None => ("refused", None),
        Effect::Indeterminate => ("in doubt", None),
    };
    let said: String = said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let said = said.chars().take(SAID_CHARACTERS).collect();
    AnswerFact { meaning: meaning.to_owned(), status, id: id.filter(|id| !id.is_empty()), said }
}
