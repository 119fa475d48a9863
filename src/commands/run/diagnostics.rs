//! What posthaste says of itself during a run: `run.log`, and panics.

use crate::commands::log;
use crate::results::{RunFolder, private_file};
use anyhow::Context;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::filter::LevelFilter;

/// Panics that are kept word for word.
const KEPT: usize = 8;

/// Sends the log to `run.log`: what matters, or what `RUST_LOG` asks for.
pub fn log_to(folder: &RunFolder) -> anyhow::Result<()> {
    let file = private_file(&folder.file("run.log")).context("run.log")?;
    log::log_to(Mutex::new(file), false, LevelFilter::INFO);
    Ok(())
}

/// The panics of this process since it began to count.
#[derive(Clone, Debug, Default)]
pub struct Panics {
    seen: Arc<Mutex<(usize, Vec<String>)>>,
}

/// Notes every panic from now on: one that ends a single task of a worker
/// would otherwise pass unseen, and the ledger lack what the task should have
/// written.
pub fn count_panics() -> Panics {
    let panics = Panics::default();
    let (seen, before) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(String::new, |location| format!(" at {location}"));
        let words = format!("{}{place}", words_of(panic));
        tracing::error!("a panic: {words}");
        let mut seen = seen.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0 += 1;
        if seen.1.len() < KEPT {
            seen.1.push(words);
        }
        drop(seen);
        before(panic);
    }));
    panics
}

fn words_of<'p>(panic: &'p PanicHookInfo<'_>) -> &'p str {
    let payload = panic.payload();
    let words = payload.downcast_ref::<&str>().copied();
    words.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason")
}

impl Panics {
    /// What they mean for the run, in words.
    pub fn failures(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failures: Vec<String> =
            seen.1.iter().map(|words| format!("a task of posthaste failed: {words}")).collect();
        if seen.0 > failures.len() {
            failures.push(format!("{} tasks of posthaste failed in all", seen.0));
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_task_is_a_failure_of_the_run() {
        let panics = count_panics();
        assert!(panics.failures().is_empty());
        for _ in 0..KEPT + 1 {
            assert!(std::thread::spawn(|| panic!("by the test")).join().is_err());
        }
        let failures = panics.failures();
        let of_the_test = failures.iter().filter(|failure| failure.contains("by the test at src/"));
        assert_eq!(of_the_test.count(), KEPT, "{failures:?}");
        assert!(failures.iter().any(|failure| failure.contains("in all")), "{failures:?}");
    }
}
