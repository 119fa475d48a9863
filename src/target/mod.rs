//! The chat API of a target: requests rendered, answers parsed and classified.
//! Wire formats stop here.
//!
//! It must not know who sends and why: it is given identities, and returns
//! bytes to send or facts that were read.

mod address;
mod app;
mod call;
mod change;
mod classify;
mod hint;
mod history;
mod plain_json;
mod profile;
mod push;
mod signature;
mod slack;

pub use address::{Address, AddressError, permit_named};
pub use app::{AppFrame, Callback, Envelope, acknowledgement, answer, said};
pub use call::Call;
pub use change::{ReplyKeys, ThreadPage, reaction_name, reaction_ordinal};
pub use classify::{Answer, Classified, Effect, Retry};
pub use hint::{Hint, answers_trigger};
pub use history::{
    HistoryPage, PageError, Row, parse_created_channel, parse_done, parse_invited, parse_socket_url, parse_user_id,
};
pub use profile::{
    AskedPage, By, CHANNEL_ID, Captured, ChannelScope, Connection, ConnectionPer, Deed, Described, DescribedPage, Do,
    Every, GivenFrom, GivenVariable, Heartbeat, History, HttpAnswer, KeyEcho, KeyPromises, KeyScope, Known,
    MessageScope, Names, Only, Per, Progress, Receiving, Request, RunValues, SCHEMA, Scope, Sending, Step, TargetError,
    TargetProfile, Template, Transport, UserScope, Values, Variable, built_in_targets, set,
};
pub use push::{Frame, Push, changed_channel};
pub use signature::is_signed;
pub use slack::Slack;
