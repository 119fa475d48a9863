//! One file a command: wiring, and nothing else. Only here are the terminal,
//! the environment and profiles on disk touched.

pub mod profiles;
