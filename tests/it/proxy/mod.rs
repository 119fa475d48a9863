//! The fault proxy between a client and a target that the tests hold both.

mod balance;
mod effects;
mod harness;
mod transparent;
