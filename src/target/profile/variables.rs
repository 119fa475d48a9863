//! The variables of a profile: their names while it is compiled, their places
//! afterwards. `scope` has their values.

use crate::plan::near::nearest;

/// A variable, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// What the user gave, by slot.
    Given(u16),
    /// Captured once, by slot.
    Run(u16),
    /// Of the user, by slot.
    User(u16),
    /// Of who created the channel, by slot.
    Owner(u16),
    /// Of the channel, by slot.
    Channel(u16),
    /// Of the connection, by slot.
    Conn(u16),
    /// `run.id`.
    RunId,
    /// `user.name`.
    UserName,
    /// `user.index`.
    UserIndex,
    /// `user.password`.
    UserPassword,
    /// `owner.name`.
    OwnerName,
    /// `owner.index`.
    OwnerIndex,
    /// `owner.password`.
    OwnerPassword,
    /// `channel.name`.
    ChannelName,
    /// `channel.index`.
    ChannelIndex,
    /// The ids of all channels of the user, joined.
    Channels,
    /// Numbers the frames of a connection.
    ConnNumber,
    /// `message.key`.
    Key,
    /// `message.text`.
    Text,
    /// `message.ref`.
    Ref,
    /// `page.cursor`.
    Cursor,
    /// `page.size`.
    PageSize,
    /// `page.number`.
    PageNumber,
    /// `page.offset`.
    PageOffset,
    /// `after.id`.
    AfterId,
    /// `after.position`.
    AfterPosition,
    /// `row.id`.
    RowId,
    /// `now.s`.
    NowS,
    /// `now.ms`.
    NowMs,
    /// `now.iso`.
    NowIso,
    /// `random.uuid`.
    Uuid,
    /// `target.url`.
    TargetUrl,
    /// `target.host`.
    TargetHost,
    /// `request.method`.
    Method,
    /// `request.path`.
    Path,
    /// `request.query`.
    Query,
    /// `request.body`.
    Body,
    /// `request.signature`.
    Signature,
}

const FIXED: [(&str, Variable); 32] = [
    ("run.id", Variable::RunId),
    ("user.name", Variable::UserName),
    ("user.index", Variable::UserIndex),
    ("user.password", Variable::UserPassword),
    ("owner.name", Variable::OwnerName),
    ("owner.index", Variable::OwnerIndex),
    ("owner.password", Variable::OwnerPassword),
    ("channel.name", Variable::ChannelName),
    ("channel.index", Variable::ChannelIndex),
    ("channels", Variable::Channels),
    ("conn.number", Variable::ConnNumber),
    ("message.key", Variable::Key),
    ("message.text", Variable::Text),
    ("message.ref", Variable::Ref),
    ("page.cursor", Variable::Cursor),
    ("page.size", Variable::PageSize),
    ("page.number", Variable::PageNumber),
    ("page.offset", Variable::PageOffset),
    ("after.id", Variable::AfterId),
    ("after.position", Variable::AfterPosition),
    ("row.id", Variable::RowId),
    ("now.s", Variable::NowS),
    ("now.ms", Variable::NowMs),
    ("now.iso", Variable::NowIso),
    ("random.uuid", Variable::Uuid),
    ("target.url", Variable::TargetUrl),
    ("target.host", Variable::TargetHost),
    ("request.method", Variable::Method),
    ("request.path", Variable::Path),
    ("request.query", Variable::Query),
    ("request.body", Variable::Body),
    ("request.signature", Variable::Signature),
];

/// The names in each scope, in the order of their slots.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Given by the user.
    pub given: Vec<String>,
    /// Captured once.
    pub run: Vec<String>,
    /// Captured for a user, or columns of a file of users.
    pub user: Vec<String>,
    /// Captured for a channel.
    pub channel: Vec<String>,
    /// Captured for a connection.
    pub conn: Vec<String>,
}

/// The variable of a slot.
type OfSlot = fn(u16) -> Variable;

impl Names {
    /// The variable of a name; an error is in words.
    pub fn variable(&self, name: &str) -> Result<Variable, String> {
        if let Some((_, variable)) = FIXED.iter().find(|(fixed, _)| *fixed == name) {
            return Ok(*variable);
        }
        if let Some((scope, short)) = name.split_once('.')
            && let Some((names, of)) = self.scope(scope)
            && let Some(slot) = names.iter().position(|known| known == short)
        {
            return Ok(of(slot as u16));
        }
        let all = self.all();
        let near = nearest(name, all.iter().map(String::as_str), 2);
        Err(match &near[..] {
            [] => format!("there is no variable {name}; a step, a rule or [variables] must give it a value"),
            near => format!("there is no variable {name}; did you mean {}?", near.join(" or ")),
        })
    }

    /// The variable that a capture gives a value, made where there is none yet.
    pub fn captured(&mut self, name: &str) -> Result<Variable, String> {
        let (scope, short) = name.split_once('.').unwrap_or((name, ""));
        if FIXED.iter().any(|(fixed, _)| *fixed == name) {
            return Err(format!("{name} has a value of its own; capture into another name"));
        }
        let well_formed = !short.is_empty()
            && short.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let (names, of): (_, OfSlot) = match scope {
            "run" => (&mut self.run, Variable::Run),
            "user" => (&mut self.user, Variable::User),
            "channel" => (&mut self.channel, Variable::Channel),
            "conn" => (&mut self.conn, Variable::Conn),
            _ => return Err(format!("{name:?}: captures go into run.NAME, user.NAME, channel.NAME or conn.NAME")),
        };
        if !well_formed {
            return Err(format!("{name}: a name is made of lower-case letters, digits and underscores"));
        }
        let slot = names.iter().position(|known| known == short).unwrap_or_else(|| {
            names.push(short.to_owned());
            names.len() - 1
        });
        Ok(of(slot as u16))
    }

    fn scope(&self, scope: &str) -> Option<(&Vec<String>, OfSlot)> {
        Some(match scope {
            "var" => (&self.given, Variable::Given),
            "run" => (&self.run, Variable::Run),
            "user" => (&self.user, Variable::User),
            "owner" => (&self.user, Variable::Owner),
            "channel" => (&self.channel, Variable::Channel),
            "conn" => (&self.conn, Variable::Conn),
            _ => return None,
        })
    }

    fn all(&self) -> Vec<String> {
        let captured = ["var", "run", "user", "owner", "channel", "conn"].into_iter().flat_map(|scope| {
            let names = self.scope(scope).map(|(names, _)| names.as_slice()).unwrap_or_default();
            names.iter().map(move |name| format!("{scope}.{name}"))
        });
        FIXED.iter().map(|(name, _)| (*name).to_owned()).chain(captured).collect()
    }

    /// The name of a variable, for errors.
    pub fn name(&self, variable: Variable) -> String {
        let named = |scope: &str, names: &[String], slot: u16| {
            format!("{scope}.{}", names.get(slot as usize).map_or("?", String::as_str))
        };
        match variable {
            Variable::Given(slot) => named("var", &self.given, slot),
            Variable::Run(slot) => named("run", &self.run, slot),
            Variable::User(slot) => named("user", &self.user, slot),
            Variable::Owner(slot) => named("owner", &self.user, slot),
            Variable::Channel(slot) => named("channel", &self.channel, slot),
            Variable::Conn(slot) => named("conn", &self.conn, slot),
            fixed => FIXED.iter().find(|(_, of)| *of == fixed).map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }
}

/// The slot of `channel.id`: always the first.
pub const CHANNEL_ID: u16 = 0;
