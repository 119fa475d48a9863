//! A run summary as text: terminal, Markdown; and the live progress.
//!
//! Renderers return strings; they must not know where these go.

mod capacity;
#[cfg(test)]
pub(crate) mod example_summary;
mod figures;
mod markdown;
mod matrix;
mod phrases;
mod progress;
mod safe_text;
mod terminal;
mod wrap;

pub use capacity::{
    capacity_csv, capacity_html, capacity_markdown, capacity_terminal, load_in_words, probe_in_words, purpose_in_words,
};
pub use markdown::markdown;
pub use matrix::{matrix_html, matrix_markdown, matrix_terminal};
pub use progress::{Progress, ProgressMode, Snapshot};
pub use terminal::{Style, correctness, terminal};
