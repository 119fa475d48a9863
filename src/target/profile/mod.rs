//! A target profile: how a server is talked to, what it promises, and which
//! answers prove that nothing happened. `profiles/targets/README.md` describes
//! the language.
//!
//! It is compiled when it is loaded: `written` is its shape, `described` puts
//! together what the other modules compile. Nothing is looked up by a name
//! afterwards.

mod described;
mod frames;
mod hops;
mod json;
mod pages;
mod request;
mod rows;
mod scope;
mod send;
mod source;
mod step;
mod template;
mod trie;
mod value;
mod variables;
mod written;

pub use described::{Described, Every, GivenFrom, GivenVariable, Heartbeat, Receiving};
pub use frames::Deed;
pub use pages::{AskedPage, DescribedPage, History, Known, Progress};
pub use request::Request;
pub use scope::{ChannelScope, Connection, MessageScope, RunValues, Scope, UserScope, Values, set};
pub use send::Sending;
pub use step::{Captured, HttpAnswer, Step};
pub use template::Template;
pub use variables::{CHANNEL_ID, Names, Variable};
pub use written::{By, ConnectionPer, Do, KeyEcho, KeyScope, Only, Per, Transport};

use crate::model::KeyFormat;
use crate::plan::Capabilities;
use crate::plan::near::nearest;
use std::ops::Range;
use std::sync::Arc;
use written::{KeyWritten, Written};

/// The built-in target profiles: name and text.
pub fn built_in_targets() -> &'static [(&'static str, &'static str)] {
    &[
        ("reference", include_str!("../../../profiles/targets/reference.toml")),
        ("slack", include_str!("../../../profiles/targets/slack.toml")),
        ("mattermost", include_str!("../../../profiles/targets/mattermost.toml")),
        ("rocketchat", include_str!("../../../profiles/targets/rocketchat.toml")),
        ("matrix", include_str!("../../../profiles/targets/matrix.toml")),
        ("zulip", include_str!("../../../profiles/targets/zulip.toml")),
        ("centrifugo", include_str!("../../../profiles/targets/centrifugo.toml")),
        ("nchan", include_str!("../../../profiles/targets/nchan.toml")),
        ("ntfy", include_str!("../../../profiles/targets/ntfy.toml")),
        ("pusher", include_str!("../../../profiles/targets/pusher.toml")),
        ("phoenix", include_str!("../../../profiles/targets/phoenix.toml")),
        ("discord-gateway", include_str!("../../../profiles/targets/discord-gateway.toml")),
        ("socketio", include_str!("../../../profiles/targets/socketio.toml")),
        ("mercure", include_str!("../../../profiles/targets/mercure.toml")),
    ]
}

/// A target profile, valid.
#[derive(Clone, Debug)]
pub struct TargetProfile {
    /// Its name.
    pub name: String,
    /// One line for a list of profiles.
    pub description: String,
    /// The server and version that it was written for.
    pub server: String,
    /// The server and version on which it was tried.
    pub tried: Option<String>,
    /// What the target promises.
    pub capabilities: Capabilities,
    /// HTTP statuses that prove that nothing happened, on the native wire.
    pub refused_statuses: Vec<u16>,
    /// Values of `error` in an answer of the native wire that prove that nothing
    /// happened.
    pub refused_errors: Vec<String>,
    /// How the target is told the key of a message.
    pub key_format: KeyFormat,
    /// What it says about the key.
    pub key: KeyPromises,
    /// What the profile describes; `None` for the native wire.
    pub described: Option<Arc<Described>>,
}

/// What a target says about idempotency keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPromises {
    /// How long one is remembered, in µs.
    pub window_us: Option<u64>,
    /// Within what it is one message.
    pub scope: Option<KeyScope>,
    /// Who is shown it.
    pub echo: Vec<KeyEcho>,
}

/// A profile that cannot be used: where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

impl TargetProfile {
    /// Reads a profile; `name` stands in errors. Unknown keys are errors.
    pub fn parse(text: &str, name: &str) -> Result<Self, TargetError> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let words = with_suggestion(error.message());
            let at = error.span().map_or(0, |span| span.start);
            TargetError(format!("{name}:{}: {words}", locate(text, at)))
        })?;
        let error = |words: String| TargetError(format!("{name}: {words}"));
        let described = match (&written.wire, written.refusals.is_some()) {
            (Some(_), true) => None,
            (Some(_), false) => return Err(error("[refusals] is missing: wire = \"slack\" has it".to_owned())),
            (None, true) => return Err(error("[refusals] is for wire = \"slack\"; write [[send.answer]]".to_owned())),
            (None, false) => Some(Arc::new(Described::compile(&written, text, name)?)),
        };
        let capabilities = capabilities(&written, described.as_deref()).map_err(error)?;
        let refusals =
            written.refusals.unwrap_or(written::RefusalsWritten { statuses: Vec::new(), errors: Vec::new() });
        let key = promises(&written.key).map_err(error)?;
        Ok(Self {
            name: written.name,
            description: written.description,
            server: written.server,
            tried: written.tried,
            capabilities,
            refused_statuses: refusals.statuses,
            refused_errors: refusals.errors,
            key_format: written.key.format,
            key,
            described,
        })
    }
}

fn capabilities(written: &Written, described: Option<&Described>) -> Result<Capabilities, String> {
    let promised = &written.capabilities;
    let lag_us = described::time_us(&promised.lag).map_err(|words| format!("capabilities.lag: {words}"))?;
    if described.is_some() && promised.changes {
        return Err(
            "capabilities.changes: only wire = \"slack\" has edits, deletions, reactions and replies".to_owned()
        );
    }
    if described.is_some() && promised.history.is_some() {
        return Err("capabilities.history: only wire = \"slack\" says it so; write [history]".to_owned());
    }
    let names_channels = described.is_none_or(|described| described.receive.rules.name_channels());
    let confirmed = described.is_none_or(|described| described.receive.is_confirmed());
    if promised.confirmed_subscription == Some(true) && !confirmed {
        return Err(
            "capabilities.confirmed_subscription: no rule says subscribed or ready, and receive.ready is not \"open\""
                .to_owned(),
        );
    }
    Ok(Capabilities {
        dedup: promised.dedup,
        sender_order: promised.sender_order,
        live_order: promised.live_order,
        read_after_ack: promised.read_after_ack,
        explicit_membership: promised.explicit_membership && names_channels,
        own_push: promised.own_push,
        changes: promised.changes,
        positions: promised.positions,
        history: described.map_or(promised.history != Some(false), |described| described.history.is_some()),
        depth: promised.depth,
        confirmed_subscription: promised.confirmed_subscription.unwrap_or(confirmed),
        lag_us,
    })
}

fn promises(written: &KeyWritten) -> Result<KeyPromises, String> {
    let window_us = written.window.as_deref().map(described::time_us).transpose();
    let window_us = window_us.map_err(|words| format!("key.window: {words}"))?;
    Ok(KeyPromises { window_us, scope: written.scope, echo: written.echo.clone() })
}

/// JSON Schema of target profiles, for editors.
pub const SCHEMA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/target.schema.json"));

/// `line:column` of a byte.
fn locate(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = at - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    format!("{line}:{column}")
}

/// `line:column` within a table: where what the error names stands in it, or else
/// where it begins.
fn place(text: &str, span: Range<usize>, words: &str) -> String {
    let table = &text[span.start..table_end(text, &span)];
    // What comes behind is advice.
    let words = words.split("; ").next().unwrap_or_default();
    let quoted = words.split('"').skip(1).step_by(2).filter(|quoted| !quoted.is_empty());
    let dotted = words.split([' ', ':', ',']).filter(|word| word.contains('.') && !word.contains(['"', '[']));
    let found = quoted.chain(dotted).find_map(|name| find_word(table, name));
    locate(text, span.start + found.unwrap_or(0))
}

/// Where a table ends: with the next one that is no part of it. The span of one
/// that has a header is that alone.
fn table_end(text: &str, span: &Range<usize>) -> usize {
    let header = text[span.start..].lines().next().unwrap_or_default();
    if !header.starts_with('[') {
        return span.end;
    }
    let inside = format!("{}.", header.trim_matches(['[', ']']));
    let is_next = |at: &usize| {
        let rest = text[at + 1..].trim_start_matches(' ');
        rest.starts_with('[') && !rest.trim_start_matches('[').starts_with(&inside)
    };
    let mut newlines = text[span.end..].match_indices('\n').map(|(at, _)| span.end + at);
    newlines.find(is_next).unwrap_or(text.len())
}

/// Where a name stands that is not a part of a longer one.
fn find_word(text: &str, name: &str) -> Option<usize> {
    let joins = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let mut places = text.match_indices(name).map(|(at, _)| at);
    places.find(|at| !joins(text[..*at].chars().next_back()) && !joins(text[at + name.len()..].chars().next()))
}

/// A message about an unknown key or value, with the known one that is nearest.
fn with_suggestion(message: &str) -> String {
    let what = match message {
        _ if message.starts_with("unknown field") => "key",
        _ if message.starts_with("unknown variant") => "value",
        _ => return message.to_owned(),
    };
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let Some((unknown, known)) = quoted.split_first() else { return message.to_owned() };
    match nearest(unknown, known.iter().copied(), 1)[..] {
        [near] => format!("unknown {what} `{unknown}`; did you mean `{near}`?"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
