//! The integration tests: one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod browser;
mod capacity;
mod changes;
mod closed_loop;
mod cluster;
mod compare;
mod detection;
mod faults;
mod history;
mod http2;
mod independent;
mod matrix;
mod otlp;
mod proxy;
mod real_servers;
mod receive;
mod report;
mod run;
mod safety;
mod sdk;
mod self_check;
mod server;
mod standins;
mod targets;
mod tidy;
mod tls;
mod trace;
