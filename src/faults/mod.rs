//! What is done to the target from outside: so far to its process.
//!
//! It must not know what a run is for: it kills, stops and starts what it is
//! given, and says when. Only a process that posthaste itself started is ever
//! touched.

mod process;

pub use process::{ProcessCommand, ServerProcess};
