//! The highest load that keeps an objective: what one run says of a load, which
//! load to try next, and what all of them come to.
//!
//! It must not know how runs are made; it reads their summaries. The search is
//! a function of its history alone, so that it can be tested without a run and
//! resumed from a file.
//!
//! | file | what it defines |
//! | --- | --- |
//! | `summary` | the contents of `capacity.json` |
//! | `lengths` | how long probes take under a budget |
//! | `outcome` | whether a run kept the objective, or why it says nothing |
//! | `search` | the next probe |
//! | `result` | what the probes come to |
//! | `recovery` | when a target was itself again after an overload |
//! | `usl`, `cost`, `least_squares` | the scaling curve; what a message costs |

mod cost;
mod least_squares;
mod lengths;
mod outcome;
mod recovery;
mod result;
mod search;
mod summary;
mod usl;

pub use lengths::{Lengths, Phase, overhead_s};
pub use outcome::{Measured, probe_of};
pub use recovery::{Second, recovery};
pub use result::{Ending, concluded};
pub use search::{Step, next, seconds_left};
pub use summary::{
    BaseLoad, CapacityAbout, CapacityProbe, CapacityResult, CapacitySummary, CapacityVerdict, Cost, Egress, EgressCost,
    Find, GeneratorCeiling, Outcome, Purpose, Recovery, SearchSettings, SlowestOf, TargetUse, Usl,
};

#[cfg(test)]
mod tests;
