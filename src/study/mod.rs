//! Questions that take several runs. Each run is a process of its own
//! (`posthaste run`), so that one cannot disturb the figures of another; what
//! it found is read from its folder.

pub mod capacity;
pub mod matrix;

mod child;

pub use child::{Children, Ended, NoRun};
