//! Progress of a search: a bar on a terminal, a line a probe elsewhere.

use crate::cli::CapacityArgs;
use crate::commands::complain;
use crate::judge::capacity::SearchSettings;
use crate::report::{load_in_words, probe_in_words, purpose_in_words};
use crate::study::capacity::ProbeEvent;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shows a search as it goes.
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    settings: SearchSettings,
    /// When the search is about to end.
    ends: Arc<Mutex<Instant>>,
}

impl Progress {
    pub fn new(args: &CapacityArgs, settings: &SearchSettings) -> Self {
        let quiet = args.quiet || args.json;
        let terminal = stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(1) };
        let look = ProgressStyle::with_template("{spinner} {elapsed_precise} · {left} · {wide_msg}");
        let ends = Arc::new(Mutex::new(Instant::now()));
        let of_look = ends.clone();
        let left = move |_: &ProgressState, out: &mut dyn Write| {
            let ends = *of_look.lock().unwrap_or_else(PoisonError::into_inner);
            // A bar that cannot be drawn shows when it is.
            let _ = out.write_str(&left(ends.saturating_duration_since(Instant::now()).as_secs_f64()));
        };
        bar.set_style(look.unwrap_or_else(|_| ProgressStyle::default_spinner()).with_key("left", left));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, lines: !quiet && !terminal, settings: settings.clone(), ends }
    }

    pub fn tell(&self, event: &ProbeEvent<'_>) {
        match event {
            ProbeEvent::Begins { number, purpose, load, length_s, left_s } => {
                let what = purpose_in_words(*purpose, &load_in_words(self.settings.find, *load));
                let ends = Instant::now() + Duration::from_secs_f64(left_s.max(0.0));
                *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
                self.bar.set_message(format!("probe {number}: {what}, {length_s:.0} s"));
            }
            ProbeEvent::Done(probe) => {
                let words = probe_in_words(&self.settings, probe);
                self.bar.println(&words);
                if self.lines {
                    complain(&words);
                }
            }
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn left(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("about {seconds:.0} s left"),
        seconds => format!("about {:.0} min left", seconds / 60.0),
    }
}
