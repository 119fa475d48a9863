//! What is done to the target from outside: to its process, and to
//! the connections to it.
//!
//! It must not know what a run is for: it kills, stops and starts what it is
//! given, and says when. Only a process that posthaste itself started is ever
//! touched.

mod process;
mod proxy;
mod replicas;

pub use process::{ProcessCommand, ServerProcess, SharedProcess};
pub use proxy::{CutAt, Direction, DropAnswer, Effect, Ending, FaultProxy, ProxyCounters, Scope, Touched};
pub use replicas::Replicas;
