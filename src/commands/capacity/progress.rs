//! Progress of a search: a bar on a terminal, a line a probe elsewhere.

use crate::cli::CapacityArgs;
use crate::commands::complain;
use crate::judge::capacity::SearchSettings;
use crate::report::{load_in_words, probe_in_words, purpose_in_words};
use crate::study::capacity::ProbeEvent;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// Shows a search as it goes.
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    settings: SearchSettings,
}

impl Progress {
    pub fn new(args: &CapacityArgs, settings: &SearchSettings) -> Self {
        let quiet = args.quiet || args.json;
        let terminal = stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(1) };
        let look = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}");
        bar.set_style(look.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, lines: !quiet && !terminal, settings: settings.clone() }
    }

    pub fn tell(&self, event: &ProbeEvent<'_>) {
        match event {
            ProbeEvent::Begins { number, purpose, load, length_s, left_s } => {
                let what = purpose_in_words(*purpose, &load_in_words(self.settings.find, *load));
                self.bar.set_message(format!("probe {number}: {what}, {length_s:.0} s · {}", left(*left_s)));
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
