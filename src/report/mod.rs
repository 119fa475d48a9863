//! A run summary as text: terminal, Markdown; and the live progress.
//!
//! Renderers return strings; they must not know where these go.

#[cfg(test)]
pub(crate) mod example_summary;
