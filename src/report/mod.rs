//! A run summary for readers: terminal, Markdown, HTML; and the live progress.
//!
//! Renderers return strings; they must not know where these go.

mod annotations;
mod bench;
mod capacity;
mod chart;
mod check;
mod compare;
#[cfg(test)]
pub(crate) mod example_summary;
mod explain;
mod figures;
mod html;
mod junit;
mod markdown;
mod matrix;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod page;
mod phrases;
mod progress;
mod safe_text;
mod self_check;
mod terminal;
mod wrap;

pub use annotations::github_annotations;
pub use bench::bench;
pub use capacity::{
    capacity_csv, capacity_html, capacity_markdown, capacity_terminal, load_in_words, probe_in_words, purpose_in_words,
};
pub use check::{probed, target_in_words};
pub use compare::{pairs_html, pairs_markdown, pairs_so_far, pairs_terminal, two_runs, two_runs_html};
pub use explain::explain;
pub use figures::long_duration;
pub use html::{Figures, html};
pub use junit::junit;
pub use markdown::markdown;
pub use matrix::{matrix_html, matrix_markdown, matrix_terminal};
pub use metrics::{Metrics, Standing};
#[cfg(feature = "otlp")]
pub use otlp::{Window, otlp};
pub use progress::{Progress, ProgressMode, Snapshot};
pub use safe_text::printable;
pub use self_check::{self_checked, short_self_check};
pub use terminal::{Style, correctness, terminal};
