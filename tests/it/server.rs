//! The reference server: its wire, its promises, and its planted defects.

mod api;
mod defects;
mod designs;
pub mod harness;
mod process;
mod replay;
mod socket_mode;
mod sockets;
