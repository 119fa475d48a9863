//! The vocabulary that every other module shares: identities and times.
//!
//! It must not know how a message is sent, stored or judged.
//!
//! All instants are unsigned microseconds since the start of the run, on one
//! monotonic clock; their names end in `_us`.

mod ids;
mod key;
mod key_format;
mod names;
mod outcome;
mod random;
mod text;
mod trace;

pub use ids::{ChannelId, MessageRef, Position, RunId, UserId};
pub use key::{KeyCodec, KeyError, KeyLayout, MessageKey, unwrap_intended_us};
pub use key_format::KeyFormat;
pub use names::{FindingKind, LatencyKind};
pub use outcome::SendState;
pub use random::Random;
pub use text::{MessageText, SizeRange, TextCodec};
pub use trace::{TRACEPARENT, TraceId};
