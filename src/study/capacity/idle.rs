//! Time between probes, so that one does not pay for another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How it is known that a target is idle.
pub enum Idle<'a> {
    /// It is a new one for each probe.
    AlwaysNew,
    /// By its CPU time so far in µs.
    ByCpu(&'a dyn Fn() -> Option<u64>),
    /// It is not: it is given a fixed time.
    Unknown,
}

/// Less than this share of a core is idle.
const IDLE_CPU: f64 = 0.05;
const LOOK: Duration = Duration::from_millis(500);
/// A target that is never idle is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a target gets whose CPU time is not known.
const FIXED: Duration = Duration::from_secs(3);

impl Idle<'_> {
    /// Waits until the target is idle, or is not going to be, or the search is
    /// to stop.
    pub fn wait(&self, stop: &AtomicBool) {
        let start = Instant::now();
        let pause = |time: Duration| {
            let until = Instant::now() + time;
            while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        match self {
            Idle::AlwaysNew => {}
            Idle::Unknown => pause(FIXED),
            Idle::ByCpu(cpu_us) => {
                while start.elapsed() < PATIENCE && !stop.load(Ordering::Relaxed) {
                    let (before_us, before) = (cpu_us(), Instant::now());
                    pause(LOOK);
                    let Some(used_us) = cpu_us().zip(before_us).map(|(now, before)| now.saturating_sub(before)) else {
                        return pause(FIXED);
                    };
                    if used_us as f64 / 1e6 < IDLE_CPU * before.elapsed().as_secs_f64() {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_busy_target_is_waited_for() {
        let looks = Cell::new(0u64);
        // A whole core until the third look, then nothing.
        let cpu_us = || {
            looks.set(looks.get() + 1);
            Some(looks.get().min(4) * 500_000)
        };
        Idle::ByCpu(&cpu_us).wait(&AtomicBool::new(false));
        assert_eq!(looks.get(), 6, "two looks a round, and the third round was quiet");
        let stopped = AtomicBool::new(true);
        let start = Instant::now();
        Idle::Unknown.wait(&stopped);
        Idle::ByCpu(&|| Some(0)).wait(&stopped);
        assert!(start.elapsed() < Duration::from_secs(1), "an interrupted search does not wait");
    }
}
