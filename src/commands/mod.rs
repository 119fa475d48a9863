//! One file a command: wiring, and nothing else. Only here are the terminal,
//! the environment and profiles on disk touched.

pub mod capacity;
pub mod check;
pub mod compare;
pub mod judge;
mod log;
pub mod manual;
pub mod matrix;
pub mod profiles;
pub mod report;
pub mod run;
mod self_check;
pub mod serve;
mod signals;
mod store;

use crate::report::printable;

/// Words for the person at the terminal. A target's own words may be among them:
/// nothing that moves the cursor passes, and no more than a screen of it.
#[allow(clippy::print_stderr, reason = "stderr is where a command speaks; stdout has its result alone")]
pub fn complain(words: &str) {
    eprintln!("posthaste: {}", printable(words));
}
