//! Live progress on stderr: facts so far, never findings.
//!
//! It is given snapshots and asks nobody: the hot path does not know it.

use super::figures::{clock, count, duration, percent, whole_rate};
use super::safe_text::plain;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};

/// What is known of a run at one moment. Rates and quantiles are of the last
/// few seconds; `None` where there was no sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What is going on: "connecting", "warm-up", "steady", "drain", …
    pub phase: String,
    /// Since the phase began, in µs.
    pub phase_elapsed_us: u64,
    /// How long the phase takes in µs, where that is known.
    pub phase_length_us: Option<u64>,
    /// Messages that the schedule asks for, a second.
    pub offered_per_s: f64,
    /// Messages acknowledged, a second.
    pub achieved_per_s: f64,
    /// Live deliveries, a second.
    pub delivered_per_s: f64,
    /// Median of `ack` in µs.
    pub ack_p50_us: Option<u64>,
    /// p99 of `ack` in µs.
    pub ack_p99_us: Option<u64>,
    /// Median of `delivery` in µs.
    pub delivery_p50_us: Option<u64>,
    /// p99 of `delivery` in µs.
    pub delivery_p99_us: Option<u64>,
    /// p99 of `lag` in µs.
    pub lag_p99_us: Option<u64>,
    /// Messages being sent.
    pub in_flight: u64,
    /// Messages that wait for their user's earlier send.
    pub queued: u64,
    /// Messages that ended unknown, since the start.
    pub unknown: u64,
    /// Messages that subscribers first obtained from history.
    pub healed: u64,
    /// Subscribers that there are to be.
    pub subscribers: u64,
    /// Subscribers with a confirmed subscription.
    pub connected: u64,
    /// Subscribers that are trying to get one again.
    pub reconnecting: u64,
    /// CPU time of the generator over wall time, of one core.
    pub cpu_fraction: f64,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressMode {
    /// A bar and three lines that are redrawn four times a second.
    Live,
    /// One line every ten seconds: for files and CI.
    Lines,
    /// Nothing.
    Quiet,
}

impl ProgressMode {
    /// Quiet if asked, live where stderr is a terminal, else lines.
    pub fn of_stderr(quiet: bool) -> Self {
        match (quiet, io::stderr().is_terminal()) {
            (true, _) => ProgressMode::Quiet,
            (false, true) => ProgressMode::Live,
            (false, false) => ProgressMode::Lines,
        }
    }

    /// The least time between two pictures in µs.
    fn interval_us(self) -> u64 {
        match self {
            ProgressMode::Live => 250_000,
            ProgressMode::Lines => 10_000_000,
            ProgressMode::Quiet => u64::MAX,
        }
    }
}

/// Shows snapshots on stderr as they come.
#[derive(Debug)]
pub struct Progress {
    mode: ProgressMode,
    next_us: u64,
    phase: String,
    live: Option<Live>,
}

/// The parts of the live picture.
#[derive(Debug)]
struct Live {
    bars: MultiProgress,
    bar: ProgressBar,
    figures: ProgressBar,
}

impl Progress {
    /// Shows nothing before the first snapshot.
    pub fn new(mode: ProgressMode) -> Self {
        Self { mode, next_us: 0, phase: String::new(), live: None }
    }

    /// Shows a snapshot, unless the previous picture is too young. Cheap
    /// enough to be called at any rate; `now_us` is since the start of the
    /// run.
    pub fn update(&mut self, snapshot: &Snapshot, now_us: u64) {
        if !self.is_due(snapshot, now_us) {
            return;
        }
        match self.mode {
            ProgressMode::Live => self.live.get_or_insert_with(Live::new).show(snapshot, stderr_width()),
            ProgressMode::Lines => write_line(&plain_line(snapshot, now_us)),
            ProgressMode::Quiet => {}
        }
    }

    /// Shows how far a set-up is: `done` of `all` users, channels or memberships.
    pub fn setting_up(&mut self, what: &str, done: usize, all: usize) {
        match self.mode {
            ProgressMode::Live => self.live.get_or_insert_with(Live::new).show_setup(what, done, all),
            // A line a kind; a set-up that takes long has said which it is at.
            ProgressMode::Lines if done == all => write_line(&format!("set-up: {} {what}", count(all as u64))),
            ProgressMode::Lines | ProgressMode::Quiet => {}
        }
    }

    /// Whether it is time for a picture; the next one is then an interval away.
    fn is_due(&mut self, snapshot: &Snapshot, now_us: u64) -> bool {
        // A new phase is news at once.
        if self.mode == ProgressMode::Quiet || now_us < self.next_us && snapshot.phase == self.phase {
            return false;
        }
        self.next_us = now_us.saturating_add(self.mode.interval_us());
        self.phase.clone_from(&snapshot.phase);
        true
    }

    /// Says something above the picture: a fault that began, a warning.
    pub fn note(&self, text: &str) {
        let text = plain(text, 500);
        match (&self.live, self.mode) {
            (_, ProgressMode::Quiet) => {}
            (Some(live), _) => drop(live.bars.println(text)),
            (None, _) => write_line(&text),
        }
    }

    /// Takes the picture away: the report comes next.
    pub fn finish(&mut self) {
        if let Some(live) = self.live.take() {
            // A terminal that is gone is no reason to fail a run.
            let _ = live.bars.clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Live {
    fn new() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = bars.add(ProgressBar::no_length());
        let figures = bars.add(ProgressBar::no_length());
        figures.set_style(style("{msg}"));
        Self { bars, bar, figures }
    }

    fn show_setup(&self, what: &str, done: usize, all: usize) {
        self.bar.set_style(style("{prefix:.bold} {wide_bar:.cyan/dim} {msg}").progress_chars("━╸─"));
        self.bar.set_prefix("set-up");
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(format!("{done} of {all} {what}"));
    }

    fn show(&self, snapshot: &Snapshot, width: usize) {
        let left = time_left(snapshot);
        match snapshot.phase_length_us {
            // A bar of a few characters says nothing.
            Some(length) if width >= 50 => {
                self.bar.set_style(style("{prefix:.bold} {wide_bar:.cyan/dim} {msg}").progress_chars("━╸─"));
                self.bar.set_length(length.max(1));
                self.bar.set_position(snapshot.phase_elapsed_us.min(length));
            }
            _ => self.bar.set_style(style("{prefix:.bold} {msg}")),
        }
        self.bar.set_prefix(plain(&snapshot.phase, 16));
        self.bar.set_message(left);
        self.figures.set_message(lines(snapshot, width).join("\n"));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constant and valid")
}

/// "2:31 of 5:00, 2:29 left", or how long a phase without an end has lasted.
fn time_left(snapshot: &Snapshot) -> String {
    let elapsed = snapshot.phase_elapsed_us;
    match snapshot.phase_length_us {
        None => clock(elapsed),
        Some(length) => {
            // What is left is the difference of what is shown.
            let left = (length / 1_000_000).saturating_sub(elapsed / 1_000_000) * 1_000_000;
            format!("{} of {}, {} left", clock(elapsed), clock(length), clock(left))
        }
    }
}

/// The three lines under the bar. What a line does not hold is left out from
/// its end: never half a number.
fn lines(snapshot: &Snapshot, width: usize) -> Vec<String> {
    [rates(snapshot), quantiles(snapshot), state(snapshot)].into_iter().map(|parts| fitting(&parts, width)).collect()
}

fn rates(snapshot: &Snapshot) -> Vec<String> {
    let mut parts = vec![
        format!("offered {}", whole_rate(snapshot.offered_per_s)),
        format!("achieved {}", whole_rate(snapshot.achieved_per_s)),
        format!("delivered {}", whole_rate(snapshot.delivered_per_s)),
        format!("CPU {}", percent((snapshot.cpu_fraction * 100.0).round() / 100.0)),
    ];
    if snapshot.queued > 0 {
        parts.push(format!("queued {}", count(snapshot.queued)));
    }
    parts
}

fn quantiles(snapshot: &Snapshot) -> Vec<String> {
    let pair = |name: &str, p50: Option<u64>, p99: Option<u64>| {
        let shown = |value: Option<u64>| value.map_or_else(|| "n/a".to_owned(), duration);
        format!("{name} {}, p99 {}", shown(p50), shown(p99))
    };
    let mut parts = vec![
        pair("ack", snapshot.ack_p50_us, snapshot.ack_p99_us),
        pair("delivery", snapshot.delivery_p50_us, snapshot.delivery_p99_us),
    ];
    parts.extend(snapshot.lag_p99_us.map(|lag| format!("lag p99 {}", duration(lag))));
    parts
}

fn state(snapshot: &Snapshot) -> Vec<String> {
    let mut parts = vec![format!("connected {}/{}", count(snapshot.connected), count(snapshot.subscribers))];
    if snapshot.reconnecting > 0 {
        parts.push(format!("reconnecting {}", count(snapshot.reconnecting)));
    }
    parts.push(format!("in flight {}", count(snapshot.in_flight)));
    if snapshot.unknown > 0 {
        parts.push(format!("unknown {}", count(snapshot.unknown)));
    }
    parts.push(format!("healed {}", count(snapshot.healed)));
    parts
}

/// As many parts as a line holds; the last column stays free, because some
/// terminals break the line there.
fn fitting(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let joint = if line.is_empty() { "" } else { " · " };
        if (line.chars().count() + joint.chars().count() + part.chars().count()) >= width {
            break;
        }
        line.push_str(joint);
        line.push_str(part);
    }
    line
}

fn plain_line(snapshot: &Snapshot, now_us: u64) -> String {
    let parts = [rates(snapshot), quantiles(snapshot), state(snapshot)].concat().join(" · ");
    format!("{} {} {} · {parts}", clock(now_us), plain(&snapshot.phase, 16), time_left(snapshot))
}

/// To stderr and not to stdout, which is for the report. A reader that went
/// away is no reason to fail a run.
fn write_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn stderr_width() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            phase: "steady".to_owned(),
            phase_elapsed_us: 151_900_000,
            phase_length_us: Some(300_000_000),
            offered_per_s: 2_000.0,
            achieved_per_s: 1_999.6,
            delivered_per_s: 100_018.2,
            ack_p50_us: Some(11_210),
            ack_p99_us: Some(88_100),
            delivery_p50_us: Some(19_700),
            delivery_p99_us: None,
            lag_p99_us: Some(400),
            in_flight: 12,
            queued: 3,
            unknown: 24,
            healed: 286,
            subscribers: 5_000,
            connected: 4_988,
            reconnecting: 12,
            cpu_fraction: 0.384,
        }
    }

    #[test]
    fn lines_hold_whole_figures_at_any_width() {
        let expected = [
            "offered 2,000/s · achieved 2,000/s · delivered 100,018/s · CPU 38 % · queued 3",
            "ack 11.2 ms, p99 88.1 ms · delivery 19.7 ms, p99 n/a · lag p99 400 µs",
            "connected 4,988/5,000 · reconnecting 12 · in flight 12 · unknown 24",
        ];
        assert_eq!(lines(&snapshot(), 80), expected);
        let expected = [
            "offered 2,000/s · achieved 2,000/s",
            "ack 11.2 ms, p99 88.1 ms",
            "connected 4,988/5,000 · reconnecting 12",
        ];
        assert_eq!(lines(&snapshot(), 40), expected);
        assert_eq!(lines(&snapshot(), 36)[0], expected[0], "34 characters and a free column");
        assert_eq!(lines(&snapshot(), 34)[0], "offered 2,000/s");
        assert_eq!(lines(&snapshot(), 3), ["", "", ""]);
    }

    #[test]
    fn one_line_says_it_all() {
        let expected = "\
            2:40 steady 2:31 of 5:00, 2:29 left · offered 2,000/s · achieved 2,000/s · delivered 100,018/s · \
            CPU 38 % · queued 3 · ack 11.2 ms, p99 88.1 ms · delivery 19.7 ms, p99 n/a · lag p99 400 µs · \
            connected 4,988/5,000 · reconnecting 12 · in flight 12 · unknown 24 · healed 286";
        assert_eq!(plain_line(&snapshot(), 160_000_000), expected);
    }

    #[test]
    fn a_picture_is_drawn_when_it_is_due_or_the_phase_is_new() {
        let phase = |phase: &str| Snapshot { phase: phase.to_owned(), ..snapshot() };
        let mut progress = Progress::new(ProgressMode::Lines);
        for (name, now_us, due, reason) in [
            ("warm-up", 5, true, "the first"),
            ("warm-up", 10_000_004, false, "too young"),
            ("steady", 10_000_004, true, "a new phase"),
            ("steady", 20_000_003, false, "ten seconds from the phase on"),
            ("steady", 20_000_004, true, "due"),
        ] {
            assert_eq!(progress.is_due(&phase(name), now_us), due, "{reason}");
        }
        assert!(!Progress::new(ProgressMode::Quiet).is_due(&phase("steady"), 5));
    }
}
