//! What templates refer to: the values of variables, by whose they are.

use super::template::RenderError;
use super::variables::{CHANNEL_ID, Names, Variable};
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fmt;

/// Values by slot.
pub type Values = Vec<Option<Box<str>>>;

/// Sets a slot.
pub fn set(values: &mut Values, slot: u16, value: &str) {
    let slot = slot as usize;
    if values.len() <= slot {
        values.resize(slot + 1, None);
    }
    values[slot] = Some(value.into());
}

/// What is the same for all templates of a run. Secrets may be among the values,
/// which are not shown by `Debug`.
#[derive(Clone, Default)]
pub struct RunValues {
    /// The run's 16 hexadecimal digits.
    pub id: String,
    /// Base URL of the target.
    pub url: String,
    /// Its host, with the port.
    pub host: String,
    /// What the user gave.
    pub given: Values,
    /// What steps captured.
    pub captured: Values,
    /// For errors.
    pub names: Names,
}

impl fmt::Debug for RunValues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RunValues").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

/// A user, as templates see one.
#[derive(Clone, Copy, Debug)]
pub struct UserScope<'a> {
    /// Its number.
    pub index: u32,
    /// What was captured.
    pub values: &'a Values,
}

/// A channel, as templates see one.
#[derive(Clone, Copy, Debug)]
pub struct ChannelScope<'a> {
    /// Its number.
    pub index: u32,
    /// What was captured.
    pub values: &'a Values,
}

/// A connection, as templates see one.
#[derive(Debug, Default)]
pub struct Connection {
    /// What was captured.
    pub values: Values,
    /// Frames that were numbered so far.
    pub numbered: Cell<u64>,
}

/// A message, as templates see one.
#[derive(Clone, Copy, Debug)]
pub struct MessageScope<'a> {
    /// Its key, in the format of the target.
    pub key: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The number of the frame that sends it.
    pub reference: u64,
}

/// A page of history, as templates see one.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageScope<'a> {
    /// Where it begins.
    pub cursor: Option<&'a str>,
    /// Rows at most.
    pub size: u32,
    /// Its number from 0.
    pub number: u32,
    /// Rows of the pages before.
    pub offset: u64,
    /// The id of the newest row that is known.
    pub after_id: Option<&'a str>,
    /// Where that row stands, as the target writes it.
    pub after_position: Option<&'a str>,
}

/// A request, as its own headers and signature see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestScope<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, sorted.
    pub query: &'a str,
    /// The body.
    pub body: &'a str,
    /// Its signature, once there is one.
    pub signature: Option<&'a str>,
}

/// What is one for a whole request, however often it stands in it.
#[derive(Debug, Default)]
pub struct Moment {
    now: OnceCell<jiff::Timestamp>,
    uuid: OnceCell<uuid::Uuid>,
}

impl Moment {
    fn now(&self) -> jiff::Timestamp {
        *self.now.get_or_init(jiff::Timestamp::now)
    }

    fn uuid(&self) -> uuid::Uuid {
        *self.uuid.get_or_init(uuid::Uuid::new_v4)
    }
}

/// What a template may refer to.
#[derive(Clone, Copy, Default)]
pub struct Scope<'a> {
    /// What is the same for all.
    pub run: Option<&'a RunValues>,
    /// As whom.
    pub user: Option<UserScope<'a>>,
    /// Who created the channel.
    pub owner: Option<UserScope<'a>>,
    /// Where.
    pub channel: Option<ChannelScope<'a>>,
    /// The ids of all channels, joined.
    pub channels: Option<&'a str>,
    /// Over which connection.
    pub connection: Option<&'a Connection>,
    /// Which message.
    pub message: Option<MessageScope<'a>>,
    /// Which page of history.
    pub page: Option<PageScope<'a>>,
    /// Which message, by its id.
    pub row_id: Option<&'a str>,
    /// The request itself.
    pub request: Option<RequestScope<'a>>,
    /// When it is made; each use is a moment of its own without it.
    pub moment: Option<&'a Moment>,
}

impl<'a> Scope<'a> {
    /// The value of a variable, if it has one.
    pub fn value(&self, variable: Variable) -> Option<Cow<'a, str>> {
        let slot = |values: &'a Values, slot: u16| values.get(slot as usize)?.as_deref().map(Cow::Borrowed);
        let own = |text: String| Some(Cow::Owned(text));
        match variable {
            Variable::Given(at) => slot(&self.run?.given, at),
            Variable::Run(at) => slot(&self.run?.captured, at),
            Variable::User(at) => slot(self.user?.values, at),
            Variable::Owner(at) => slot(self.owner?.values, at),
            Variable::Channel(at) => match slot(self.channel?.values, at) {
                // A channel has an id from the beginning.
                None if at == CHANNEL_ID => own(self.channel_name()?),
                value => value,
            },
            Variable::Conn(at) => slot(&self.connection?.values, at),
            Variable::RunId => Some(Cow::Borrowed(&self.run?.id)),
            Variable::UserName => own(user_name(&self.run?.id, self.user?.index)),
            Variable::UserIndex => own(self.user?.index.to_string()),
            Variable::UserPassword => own(password(&self.run?.id, self.user?.index)),
            Variable::OwnerName => own(user_name(&self.run?.id, self.owner?.index)),
            Variable::OwnerPassword => own(password(&self.run?.id, self.owner?.index)),
            Variable::OwnerIndex => own(self.owner?.index.to_string()),
            Variable::ChannelName => own(self.channel_name()?),
            Variable::ChannelIndex => own(self.channel?.index.to_string()),
            Variable::Channels => self.channels.map(Cow::Borrowed),
            Variable::ConnNumber => {
                let numbered = &self.connection?.numbered;
                numbered.set(numbered.get() + 1);
                own(numbered.get().to_string())
            }
            Variable::Key => self.message.map(|message| Cow::Borrowed(message.key)),
            Variable::Text => self.message.map(|message| Cow::Borrowed(message.text)),
            Variable::Ref => own(self.message?.reference.to_string()),
            Variable::RowId => self.row_id.map(Cow::Borrowed),
            _ => self.other(variable),
        }
    }

    /// Whether a variable has a value; no frame is numbered by asking.
    pub fn has(&self, variable: Variable) -> bool {
        match variable {
            Variable::ConnNumber => self.connection.is_some(),
            _ => self.value(variable).is_some(),
        }
    }

    fn other(&self, variable: Variable) -> Option<Cow<'a, str>> {
        let own = |text: String| Some(Cow::Owned(text));
        match variable {
            Variable::Cursor => self.page?.cursor.map(Cow::Borrowed),
            Variable::PageSize => own(self.page?.size.to_string()),
            Variable::PageNumber => own(self.page?.number.to_string()),
            Variable::PageOffset => own(self.page?.offset.to_string()),
            Variable::AfterId => self.page?.after_id.map(Cow::Borrowed),
            Variable::AfterPosition => self.page?.after_position.map(Cow::Borrowed),
            Variable::NowS => own(self.now().as_second().to_string()),
            Variable::NowMs => own(self.now().as_millisecond().to_string()),
            Variable::NowIso => own(format!("{:.3}", self.now())),
            Variable::Uuid => own(self.moment.map_or_else(uuid::Uuid::new_v4, Moment::uuid).to_string()),
            Variable::TargetUrl => Some(Cow::Borrowed(&self.run?.url)),
            Variable::TargetHost => Some(Cow::Borrowed(&self.run?.host)),
            Variable::Method => Some(Cow::Borrowed(self.request?.method)),
            Variable::Path => Some(Cow::Borrowed(self.request?.path)),
            Variable::Query => Some(Cow::Borrowed(self.request?.query)),
            Variable::Body => Some(Cow::Borrowed(self.request?.body)),
            Variable::Signature => self.request?.signature.map(Cow::Borrowed),
            _ => None,
        }
    }

    fn now(&self) -> jiff::Timestamp {
        self.moment.map_or_else(jiff::Timestamp::now, Moment::now)
    }

    /// The same with what a step has brought so far.
    pub fn with<T>(&self, captured: &[(Variable, String)], then: impl FnOnce(&Scope<'_>) -> T) -> T {
        let of = |values: Option<&Values>| values.cloned().unwrap_or_default();
        let mut run = self.run.cloned().unwrap_or_default();
        let mut user = of(self.user.map(|user| user.values));
        let mut channel = of(self.channel.map(|channel| channel.values));
        let mut connection = Connection::default();
        if let Some(known) = self.connection {
            connection = Connection { values: known.values.clone(), numbered: Cell::new(known.numbered.get()) };
        }
        for (variable, value) in captured {
            match variable {
                Variable::Run(slot) => set(&mut run.captured, *slot, value),
                Variable::User(slot) => set(&mut user, *slot, value),
                Variable::Channel(slot) => set(&mut channel, *slot, value),
                Variable::Conn(slot) => set(&mut connection.values, *slot, value),
                _ => {}
            }
        }
        then(&Scope {
            run: Some(&run),
            user: self.user.map(|known| UserScope { values: &user, ..known }),
            channel: self.channel.map(|known| ChannelScope { values: &channel, ..known }),
            connection: Some(&connection),
            ..*self
        })
    }

    fn channel_name(&self) -> Option<String> {
        Some(channel_name(&self.run?.id, self.channel?.index))
    }

    /// The error that names a variable without a value.
    pub fn missing(&self, variable: Variable) -> RenderError {
        let name = self.run.map_or_else(String::new, |run| run.names.name(variable));
        RenderError(format!("{name} has no value here"))
    }
}

fn user_name(run: &str, index: u32) -> String {
    format!("ph-{run}-{index}")
}

fn channel_name(run: &str, index: u32) -> String {
    format!("phc-{run}-{index}")
}

/// Long, with letters of both cases, a digit and a sign, for servers that ask
/// for all of them.
fn password(run: &str, index: u32) -> String {
    format!("Ph-{run}-{index}!")
}
