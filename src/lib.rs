//! posthaste: a load generator and delivery-correctness benchmark for chat and
//! messaging servers.
//!
//! Virtual users post over HTTP with idempotency keys and hold WebSocket
//! subscribers. The push is a hint and history is the truth; the ledger notes
//! what happened to every message, and the judge says what was lost,
//! duplicated or invented.
//!
//! ```text
//! main, cli, commands -> study              wiring, and what drives several runs
//! ------------------------------------------------------------------
//! engine -> target, faults | server | results | report | cluster    edges
//! ------------------------------------------------------------------
//! judge -> ledger -> plan -> model          pure: no sockets, files, clock, printing
//! ```
//!
//! Imports go down only (`tests/it/tidy.rs` proves it), and the edges do not
//! know each other: the engine records and never judges; the server shares
//! nothing with the judge that tests it.

pub mod cli;
pub mod commands;
pub mod engine;
pub mod exit_code;
pub mod faults;
pub mod judge;
pub mod ledger;
pub mod model;
pub mod plan;
pub mod report;
pub mod results;
pub mod server;
pub mod study;
pub mod target;
