//! The reference server: its wire, its promises, and its planted defects.

mod api;
mod defects;
pub mod harness;
mod process;
mod sockets;
