//! The fault proxy between a client and a target that the tests hold both.

mod answers;
mod balance;
mod effects;
mod harness;
mod protocols;
mod shaping;
mod transparent;
