//! The exit codes of the `posthaste` command: a documented interface.
//!
//! Where several apply, the first of [`USAGE`], [`INTERNAL`], [`UNREACHABLE`],
//! [`INCORRECT`], [`INTERRUPTED`], [`INCONCLUSIVE`], [`THRESHOLD`] counts.

/// The run passed, or the command did what it was asked to do.
pub const PASS: u8 = 0;
/// posthaste itself failed.
pub const INTERNAL: u8 = 1;
/// A flag, a profile or a threshold is wrong; nothing was sent.
pub const USAGE: u8 = 2;
/// The run proves nothing: no final read, an unresolved delivery, or a
/// measurement that a latency threshold needed and that is not valid.
pub const INCONCLUSIVE: u8 = 3;
/// The target could not be reached; nothing was measured.
pub const UNREACHABLE: u8 = 5;
/// A finding of class zero is above zero. Holds even where the measurement is
/// not valid.
pub const INCORRECT: u8 = 97;
/// A threshold of the workload is broken.
pub const THRESHOLD: u8 = 99;
/// The run was interrupted by a signal.
pub const INTERRUPTED: u8 = 130;
