//! The reference server: its wire, its promises, and its planted defects.

mod api;
mod changes;
mod defects;
mod designs;
mod events_api;
pub mod harness;
mod hints;
mod hooks;
mod limits;
mod postgres;
mod process;
mod questions;
mod replay;
mod replicas;
mod socket_mode;
mod sockets;
