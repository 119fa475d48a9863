//! Questions that take several runs. Each run is a process of its own
//! (`posthaste run`), so that one cannot disturb the figures of another; what
//! it found is read from its folder.

pub mod capacity;
pub mod matrix;
pub mod pairs;
pub mod self_check;

mod child;
pub mod launched;

pub use child::{Children, Ended, NoRun};
