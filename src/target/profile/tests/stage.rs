//! One user, channel, connection and message, so that a profile can be played
//! without a run.

use super::super::{
    ChannelScope, Connection, Described, MessageScope, RunValues, Scope, TargetProfile, UserScope, Values, Variable,
    set,
};
use crate::model::{ChannelId, KeyCodec, KeyLayout, MessageKey, MessageRef, RunId, SizeRange, TextCodec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The run of all of them.
const RUN: RunId = RunId(0x0011_2233_4455_66aa);
/// The message of all of them.
pub const MESSAGE: MessageRef = MessageRef { channel: ChannelId(2), index: 9 };
const INTENDED_US: u64 = 55;

/// Who and what the templates of a profile refer to.
pub struct Stage {
    pub profile: TargetProfile,
    pub described: Arc<Described>,
    pub texts: TextCodec,
    pub key: MessageKey,
    /// The key as the target is told it.
    pub told: String,
    /// The text of the message.
    pub text: String,
    pub connection: Connection,
    run: RunValues,
    user: Values,
    owner: Values,
    channel: Values,
    channels: Option<String>,
    /// Names that a run makes by itself, and what a recorded exchange has for
    /// them.
    renamed: Vec<(String, String)>,
}

/// The text of a profile that has these sections, and of the others as little as
/// it may.
pub fn profile(sections: &str) -> String {
    let rest = [
        ("[send]", "\n[send]\nrequest = 'POST /send'\n[[send.answer]]\nstatus = 200\neffect = 'ok'\n"),
        ("[receive]", "\n[receive]\ntransport = 'none'\n"),
        (
            "[capabilities]",
            "\n[capabilities]\ndedup = true\nsender_order = true\nlive_order = true\nread_after_ack = true\n\
             explicit_membership = true\nown_push = true\nlag = '1s'\n",
        ),
    ];
    let missing = rest.iter().filter(|(section, _)| !sections.contains(section)).map(|(_, text)| *text);
    format!("name = 't'\n{sections}{}", missing.collect::<String>())
}

impl Stage {
    /// Of a profile that has these sections, with values.
    pub fn of(sections: &str, values: &[(&str, &str)]) -> Self {
        let profile = TargetProfile::parse(&profile(sections), "t").unwrap_or_else(|error| panic!("{error}"));
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::new(profile, &values)
    }

    /// With values by the names of their variables.
    pub fn new(profile: TargetProfile, values: &BTreeMap<String, String>) -> Self {
        let described = profile.described.clone().expect("a profile without a wire of its own");
        let keys = KeyCodec::new(RUN, KeyLayout { channel_bits: 20 }).in_format(profile.key_format);
        let texts = TextCodec::new(keys, SizeRange { min: 90, max: 90 });
        let key = texts.keys().encode(MESSAGE, INTENDED_US);
        let run = RunValues {
            id: RUN.to_string(),
            url: "http://127.0.0.1:8080".to_owned(),
            host: "127.0.0.1:8080".to_owned(),
            names: described.names.clone(),
            ..RunValues::default()
        };
        let mut stage = Self {
            told: profile.key_format.write(key),
            text: texts.render(key),
            profile,
            described,
            texts,
            key,
            connection: Connection::default(),
            run,
            user: Values::new(),
            owner: Values::new(),
            channel: Values::new(),
            channels: None,
            renamed: Vec::new(),
        };
        for (name, value) in values {
            stage.give(name, value);
        }
        stage
    }

    fn give(&mut self, name: &str, value: &str) {
        let variable = self.described.names.variable(name).unwrap_or_else(|error| panic!("[values]: {error}"));
        match variable {
            Variable::Given(slot) => set(&mut self.run.given, slot, value),
            Variable::Run(slot) => set(&mut self.run.captured, slot, value),
            Variable::User(slot) => set(&mut self.user, slot, value),
            Variable::Owner(slot) => set(&mut self.owner, slot, value),
            Variable::Channel(slot) => set(&mut self.channel, slot, value),
            Variable::Conn(slot) => set(&mut self.connection.values, slot, value),
            Variable::Channels => self.channels = Some(value.to_owned()),
            _ => {
                let own = self.scope().value(variable).unwrap_or_else(|| panic!("[values]: {name} is never asked for"));
                self.renamed.push((own.into_owned(), value.to_owned()));
            }
        }
    }

    /// What every template may refer to.
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            run: Some(&self.run),
            user: Some(UserScope { index: 0, values: &self.user }),
            owner: Some(UserScope { index: 1, values: &self.owner }),
            channel: Some(ChannelScope { index: 0, values: &self.channel }),
            channels: self.channels.as_deref(),
            connection: Some(&self.connection),
            ..Scope::default()
        }
    }

    /// The same with the message.
    pub fn message_scope(&self) -> Scope<'_> {
        let message = MessageScope { key: &self.told, text: &self.text, reference: 5 };
        Scope { message: Some(message), ..self.scope() }
    }

    /// What a frame comes to; captures stay in the connection.
    pub fn take<'f>(&mut self, frame: &'f str) -> Vec<super::super::Deed<'f>> {
        let mut connection = std::mem::take(&mut self.connection);
        let deeds = self.described.receive.rules.read(frame, &self.scope(), &mut connection, &self.texts);
        self.connection = connection;
        deeds
    }

    /// The target's id of the channel.
    pub fn channel_id(&self) -> String {
        self.scope().value(Variable::Channel(super::super::CHANNEL_ID)).unwrap_or_default().into_owned()
    }

    /// What was captured for the connection, by the names of the variables.
    pub fn captured(&self) -> BTreeMap<String, String> {
        let named = self.described.names.conn.iter().zip(&self.connection.values);
        named.filter_map(|(name, value)| Some((format!("conn.{name}"), value.as_deref()?.to_owned()))).collect()
    }

    /// A rendered text, with the names of the recorded exchange for those that
    /// the run makes.
    pub fn as_recorded(&self, rendered: &str) -> String {
        self.renamed.iter().fold(rendered.to_owned(), |text, (own, recorded)| {
            let mut encoded = String::new();
            super::super::template::percent_encode(own, &mut encoded);
            text.replace(own, recorded).replace(&encoded, recorded)
        })
    }
}
