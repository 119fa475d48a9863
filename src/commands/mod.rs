//! One file a command: wiring, and nothing else. Only here are the terminal,
//! the environment and profiles on disk touched.

pub mod capacity;
pub mod check;
pub mod compare;
pub mod judge;
pub mod manual;
pub mod matrix;
pub mod profiles;
pub mod report;
pub mod run;
pub mod serve;
mod signals;

/// Words for the person at the terminal.
#[allow(clippy::print_stderr, reason = "stderr is where a command speaks; stdout has its result alone")]
fn complain(words: &str) {
    eprintln!("posthaste: {words}");
}
