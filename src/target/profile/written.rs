//! A target profile as it is written: the shape of the TOML, and of the JSON
//! Schema that editors are given. What the keys mean is in
//! `profiles/targets/README.md`.

use super::request::{RequestWritten, SignatureWritten};
use super::source::{SourcesWritten, WantedWritten};
use super::value::PositionFormat;
use crate::model::KeyFormat;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Texts by their names.
pub type Texts = BTreeMap<String, String>;
/// Sources by the variables that they give a value.
pub type Captures = BTreeMap<String, SourcesWritten>;
/// Wanted values by their sources.
pub type When = BTreeMap<String, WantedWritten>;

/// Declares a table of which a request is a part: serde's `flatten` would let
/// unknown keys pass.
macro_rules! with_request {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
            /// "METHOD /path".
            pub request: Option<String>,
            /// Pairs of the query.
            #[serde(default)]
            pub query: Texts,
            /// Headers.
            #[serde(default)]
            pub headers: Texts,
            /// A body of JSON; its texts are templates.
            #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
            pub json: Option<toml::Table>,
            /// A body of form fields.
            pub form: Option<Texts>,
            /// A body as it is.
            pub body: Option<String>,
            /// An HMAC over the rest.
            pub signature: Option<SignatureWritten>,
        }

        impl $name {
            /// The request of it.
            pub fn request(&self) -> RequestWritten {
                RequestWritten {
                    request: self.request.clone(),
                    query: self.query.clone(),
                    headers: self.headers.clone(),
                    json: self.json.clone(),
                    form: self.form.clone(),
                    body: self.body.clone(),
                    signature: self.signature.clone(),
                }
            }
        }
    };
}

/// A whole profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "posthaste target profile")]
pub struct Written {
    /// Its name.
    pub name: String,
    /// One line for a list of profiles.
    #[serde(default)]
    pub description: String,
    /// The server and version that it was written for.
    #[serde(default)]
    pub server: String,
    /// The server and version on which it was tried.
    pub tried: Option<String>,
    /// "slack" for the native wire; left out where the profile describes one.
    pub wire: Option<WireWritten>,
    /// Of the native wire: answers that prove that nothing happened.
    pub refusals: Option<RefusalsWritten>,
    /// What the user may give, or must.
    #[serde(default)]
    pub variables: BTreeMap<String, VariableWritten>,
    /// Users from a file.
    #[serde(default)]
    pub users: UsersWritten,
    /// How users, channels and memberships come to be.
    #[serde(default)]
    #[schemars(with = "Vec<StepWritten>")]
    pub setup: Vec<Spanned<StepWritten>>,
    /// How a user comes to a token.
    #[serde(default)]
    #[schemars(with = "Vec<StepWritten>")]
    pub login: Vec<Spanned<StepWritten>>,
    /// What a client fetches at every connect.
    #[serde(default)]
    #[schemars(with = "Vec<StepWritten>")]
    pub boot: Vec<Spanned<StepWritten>>,
    /// How a user joins a channel.
    #[serde(default)]
    #[schemars(with = "Vec<StepWritten>")]
    pub join: Vec<Spanned<StepWritten>>,
    /// How a user leaves a channel.
    #[serde(default)]
    #[schemars(with = "Vec<StepWritten>")]
    pub leave: Vec<Spanned<StepWritten>>,
    /// What removes it all again.
    #[serde(default)]
    #[schemars(with = "Vec<StepWritten>")]
    pub cleanup: Vec<Spanned<StepWritten>>,
    /// Is the target there?
    #[schemars(with = "Option<StepWritten>")]
    pub greet: Option<Spanned<StepWritten>>,
    /// How a message is sent.
    #[schemars(with = "Option<SendWritten>")]
    pub send: Option<Spanned<SendWritten>>,
    /// How others hear of it.
    #[schemars(with = "Option<ReceiveWritten>")]
    pub receive: Option<Spanned<ReceiveWritten>>,
    /// The truth.
    #[schemars(with = "Option<HistoryWritten>")]
    pub history: Option<Spanned<HistoryWritten>>,
    /// What the target promises.
    pub capabilities: CapabilitiesWritten,
    /// The idempotency key.
    #[serde(default)]
    pub key: KeyWritten,
}

/// The wires that posthaste speaks by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WireWritten {
    /// Slack's, with everything that the reference server has.
    Slack,
}

/// Answers of the native wire that prove that nothing happened.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusalsWritten {
    /// HTTP statuses.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// Values of `error`.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// A variable that the user may give.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum VariableWritten {
    /// With a default.
    Default(String),
    /// A secret, or one that must be given.
    From(VariableFrom),
}

/// Where a variable comes from; from --var where nothing is said.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariableFrom {
    /// An environment variable.
    pub env: Option<String>,
    /// A file.
    pub file: Option<String>,
    /// For the error where it is missing.
    pub help: Option<String>,
}

/// Users from a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersWritten {
    /// The columns that --users-from must have: `user.COLUMN`.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// For whom a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Once.
    Run,
    /// For each user.
    User,
    /// For each channel, as its first member.
    Channel,
    /// For each further member of each channel.
    Membership,
}

/// Of which channels a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// Of private ones.
    Private,
    /// Of all others.
    Public,
}

with_request! {
    /// A step.
    StepWritten {
        /// For progress and errors.
        name: Option<String>,
        /// For whom it is made.
        per: Option<Per>,
        /// For which channels.
        only: Option<Only>,
        /// Statuses that mean done; any 2xx where nothing is said.
        #[serde(default)]
        expect: Vec<u16>,
        /// What a done one must say: what must be equal.
        #[serde(default)]
        when: When,
        /// What must be there.
        #[serde(default)]
        exists: Vec<String>,
        /// Further answers that mean done.
        #[serde(default)]
        also: Vec<AlsoWritten>,
        /// What is kept of the answer.
        #[serde(default)]
        capture: Captures,
        /// A token's lifetime in seconds.
        expires: Option<SourcesWritten>,
    }
}

/// A further answer that means done.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlsoWritten {
    /// Its status.
    pub status: StatusWritten,
    /// What it says.
    #[serde(default)]
    pub when: When,
}

/// Where a position stands, and how it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PositionWritten {
    /// With a format.
    Formatted(FormattedWritten),
    /// A number.
    At(SourcesWritten),
}

/// A position with a format.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormattedWritten {
    /// Where.
    pub at: SourcesWritten,
    /// How.
    #[serde(default)]
    pub format: PositionFormat,
}

with_request! {
    /// How a message is sent.
    SendWritten {
        /// The target's id of the message.
        id: Option<SourcesWritten>,
        /// Where it stands.
        position: Option<PositionWritten>,
        /// Where the answer echoes the key.
        key: Option<SourcesWritten>,
        /// What answers mean.
        #[serde(default)]
        #[schemars(with = "Vec<AnswerWritten>")]
        answer: Vec<Spanned<AnswerWritten>>,
        /// How a message in doubt is looked for.
        verify: Option<VerifyWritten>,
        /// Over the socket.
        socket: Option<SocketSendWritten>,
    }
}

/// A message as a frame of the socket.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocketSendWritten {
    /// The frame.
    pub frame: String,
}

with_request! {
    /// A request that looks for a message.
    VerifyWritten {
        /// What a found one looks like.
        #[serde(default)]
        found: FoundWritten,
        /// Its id.
        id: Option<SourcesWritten>,
        /// Where it stands.
        position: Option<PositionWritten>,
    }
}

/// Conditions on an answer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundWritten {
    /// What must be equal.
    #[serde(default)]
    pub when: When,
    /// What must be there.
    #[serde(default)]
    pub exists: Vec<String>,
}

/// A status, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StatusWritten {
    /// One.
    One(u16),
    /// A class of them: "5xx".
    Class(String),
    /// Several.
    Several(Vec<StatusWritten>),
}

/// What an attempt did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EffectWritten {
    /// It is stored.
    Ok,
    /// It was stored already.
    Duplicate,
    /// It is surely not stored.
    None,
    /// It may be stored.
    Indeterminate,
}

/// Whether it may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetryWritten {
    /// It would be refused again.
    No,
    /// After the client's own wait.
    Backoff,
    /// After the wait that the answer names.
    After,
}

/// How a wait is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// The second of the epoch at which it is over.
    Epoch,
}

/// What answers like this mean.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerWritten {
    /// Their status.
    pub status: Option<StatusWritten>,
    /// What must be equal.
    #[serde(default)]
    pub when: When,
    /// What must be there.
    #[serde(default)]
    pub exists: Vec<String>,
    /// What must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// What the attempt did.
    pub effect: EffectWritten,
    /// Whether it may be repeated.
    pub retry: Option<RetryWritten>,
    /// Where the wait stands.
    pub after: Option<SourcesWritten>,
    /// How it is written.
    #[serde(default)]
    pub unit: Unit,
    /// The token is to be renewed.
    #[serde(default)]
    pub refresh: bool,
}

/// How messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A WebSocket.
    Ws,
    /// Server-sent events.
    Sse,
    /// A line, an event.
    NdJson,
    /// An answer, a frame.
    LongPoll,
    /// History alone.
    None,
}

/// What a frame is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// JSON.
    #[default]
    Json,
    /// Several, a line each.
    JsonLines,
    /// Digits before JSON.
    Prefixed,
    /// Header lines, an empty line, a body.
    HeaderBody,
    /// Text that is no JSON.
    Text,
}

/// For what a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionPer {
    /// All channels of a user.
    #[default]
    User,
    /// One channel.
    Channel,
}

/// How others hear of messages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiveWritten {
    /// How they come.
    pub transport: Transport,
    /// What a frame is made of.
    #[serde(default)]
    pub codec: Codec,
    /// Where they come from.
    pub url: Option<String>,
    /// Pairs of the query.
    #[serde(default)]
    pub query: Texts,
    /// Headers of the handshake.
    #[serde(default)]
    pub headers: Texts,
    /// `Sec-WebSocket-Protocol`.
    pub protocol: Option<String>,
    /// For what a connection is.
    #[serde(default)]
    pub per: ConnectionPer,
    /// What stands between the ids of `{{channels}}`.
    pub join: Option<String>,
    /// Frames that the client sends first.
    #[serde(default)]
    pub open: Vec<String>,
    /// A frame for each channel.
    pub subscribe: Option<String>,
    /// How long an answer may take.
    pub timeout: Option<String>,
    /// "open" where the handshake, or what boot steps fetched, confirms the
    /// subscription.
    pub ready: Option<ReadyWritten>,
    /// What frames mean.
    #[serde(default)]
    #[schemars(with = "Vec<RuleWritten>")]
    pub rule: Vec<Spanned<RuleWritten>>,
    /// Signs of life.
    pub heartbeat: Option<HeartbeatWritten>,
    /// How a lost connection is resumed.
    pub resume: Option<ResumeWritten>,
    /// What close codes mean.
    #[serde(default)]
    pub close: Vec<CloseWritten>,
}

/// What confirms a subscription, beside rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadyWritten {
    /// That the connection is open.
    Open,
}

/// What a frame comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    /// A message.
    Deliver,
    /// The channels can be subscribed to.
    Connected,
    /// A channel is confirmed.
    Subscribed,
    /// The subscription stands.
    Ready,
    /// It stands, and what was missed comes by itself.
    Resumed,
    /// The answer to a sent message.
    Reply,
    /// The answer to a heartbeat.
    Pong,
    /// Live messages were dropped.
    Gap,
    /// Connect anew.
    Reconnect,
    /// Give up.
    Fatal,
    /// Nothing.
    #[default]
    Ignore,
}

/// What frames like this mean.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleWritten {
    /// Every element of this is looked at.
    pub each: Option<String>,
    /// What must be equal.
    #[serde(default)]
    pub when: When,
    /// What must be there.
    #[serde(default)]
    pub exists: Vec<String>,
    /// What must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Nothing, or an empty object.
    #[serde(default)]
    pub empty: bool,
    /// What a prefixed frame begins with.
    pub prefix: Option<String>,
    /// What it comes to.
    #[serde(default, rename = "do")]
    pub deed: Do,
    /// Later rules are looked at too.
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
    /// The text of a message.
    pub text: Option<SourcesWritten>,
    /// Its channel.
    pub channel: Option<SourcesWritten>,
    /// Where it stands.
    pub position: Option<PositionWritten>,
    /// Its key.
    pub key: Option<SourcesWritten>,
    /// Of a reply: which message it answers.
    #[serde(rename = "ref")]
    pub reference: Option<SourcesWritten>,
    /// What is kept.
    #[serde(default)]
    pub capture: Captures,
    /// What is answered.
    pub send: Option<String>,
    /// How long after.
    pub send_after: Option<String>,
    /// How often.
    pub send_share: Option<f64>,
    /// Of a reconnect: whether the connection is resumed.
    #[serde(default)]
    pub resume: bool,
    /// Of a reconnect: how long the client waits.
    pub delay: Option<String>,
}

/// Signs of life.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatWritten {
    /// The frame.
    pub frame: Option<String>,
    /// A ping of the WebSocket.
    #[serde(default)]
    pub control: bool,
    /// How often: "25s", or a captured variable in ms.
    pub every: Option<String>,
    /// Only where nothing else came.
    #[serde(default)]
    pub only_idle: bool,
}

/// How a lost connection is resumed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeWritten {
    /// What must have been captured.
    #[serde(default)]
    pub needs: Vec<String>,
    /// In place of that of `receive`.
    pub url: Option<String>,
    /// In place of that of `receive`.
    pub query: Option<Texts>,
    /// In place of those of `receive`.
    pub headers: Option<Texts>,
    /// In place of those of `receive`.
    pub open: Option<Vec<String>>,
}

/// What a close code means.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseWritten {
    /// The codes.
    pub code: Vec<u16>,
    /// What they come to: fatal or reconnect.
    #[serde(rename = "do")]
    pub deed: Do,
    /// Whether the connection is resumed.
    #[serde(default)]
    pub resume: bool,
}

/// How the next page is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The answer names it.
    NextCursor,
    /// By the id of the oldest row.
    BeforeId,
    /// By the id of the newest row.
    AfterId,
    /// By the position of the newest row.
    SinceTime,
    /// By how many rows there were.
    Offset,
    /// By how many pages there were.
    Page,
    /// A header names it.
    LinkHeader,
    /// One page is all.
    Once,
}

/// The order of the rows of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The newest is the last.
    OldestFirst,
    /// The newest is the first.
    NewestFirst,
    /// As their positions say.
    ByPosition,
}

/// When the last page was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// It has no row.
    Empty,
    /// It has fewer rows than were asked for.
    Short,
    /// It names no next one.
    NoNext,
}

/// What a page is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PageFormat {
    /// JSON.
    #[default]
    Json,
    /// A line, a row.
    NdJson,
}

with_request! {
    /// How history is read.
    HistoryWritten {
        /// How the next page is found.
        by: By,
        /// The order of the rows of a page.
        order: Order,
        /// What a page is made of.
        #[serde(default)]
        format: PageFormat,
        /// Where the rows stand.
        rows: Option<String>,
        /// Which rows are messages: what must be equal.
        #[serde(default)]
        when: When,
        /// What must be there.
        #[serde(default)]
        exists: Vec<String>,
        /// What must not be there.
        #[serde(default)]
        absent: Vec<String>,
        /// The target's id of a row.
        id: Option<SourcesWritten>,
        /// Where it stands.
        position: Option<PositionWritten>,
        /// Its text.
        text: Option<SourcesWritten>,
        /// Its key.
        key: Option<SourcesWritten>,
        /// Its channel.
        channel: Option<SourcesWritten>,
        /// Where the next cursor stands.
        next: Option<SourcesWritten>,
        /// Whether there is a next page.
        more: Option<SourcesWritten>,
        /// Pages walk from the newest row to the oldest.
        #[serde(default)]
        backwards: bool,
        /// A page begins with the row that was asked from.
        #[serde(default)]
        inclusive: bool,
        /// The largest page.
        size: Option<u32>,
        /// When the last page was read.
        until: Option<Until>,
        /// Statuses that mean an empty channel.
        #[serde(default)]
        missing: Vec<u16>,
        /// One message by its id.
        row: Option<RowWritten>,
    }
}

with_request! {
    /// A request for one message.
    RowWritten {
        /// Where it stands in the answer; the whole answer where nothing is said.
        rows: Option<String>,
        /// Statuses that mean that there is none.
        #[serde(default)]
        missing: Vec<u16>,
    }
}

/// What the target promises.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapabilitiesWritten {
    /// One key, one message.
    pub dedup: bool,
    /// Stored in the order of the acknowledgements.
    pub sender_order: bool,
    /// Pushed in the order of the positions.
    pub live_order: bool,
    /// A read that begins after the acknowledgement shows the message.
    pub read_after_ack: bool,
    /// Only members receive a channel.
    pub explicit_membership: bool,
    /// The sender's own connection receives the message.
    pub own_push: bool,
    /// Edits, deletions, reactions, replies.
    #[serde(default)]
    pub changes: bool,
    /// Longest time from acknowledgement to push and visibility.
    pub lag: String,
    /// What positions are good for.
    #[serde(default)]
    pub positions: crate::plan::Positions,
    /// How many messages of a channel history keeps.
    pub depth: Option<u64>,
    /// Something confirms a subscription.
    pub confirmed_subscription: Option<bool>,
}

/// The idempotency key, as the server treats it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyWritten {
    /// Its shape.
    #[serde(default)]
    #[schemars(with = "String")]
    pub format: KeyFormat,
    /// How long it is remembered.
    pub window: Option<String>,
    /// Within what a key is one message.
    pub scope: Option<KeyScope>,
    /// Who is shown it.
    #[serde(default)]
    pub echo: Vec<KeyEcho>,
}

/// Within what a key is one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyScope {
    /// A channel.
    Channel,
    /// What one user sends.
    User,
    /// The whole server.
    Server,
}

/// Who is shown a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyEcho {
    /// Who sent it, in the answer.
    Sender,
    /// Who hears of it.
    Event,
    /// Who reads history.
    History,
}
