//! One monotonic clock for the whole process, and a precise sleep on it.

use std::io;
use std::time::{Duration, Instant};

/// The clock of a run: µs since its start.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    start: Instant,
    #[cfg(target_os = "linux")]
    start_monotonic: Duration,
}

impl RunClock {
    /// A run that starts now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(target_os = "linux")]
            start_monotonic: read_clock(nix::time::ClockId::CLOCK_MONOTONIC),
        }
    }

    /// µs since the start of the run.
    pub fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// µs since the start of the run at an instant.
    pub fn us_at(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.start).as_micros() as u64
    }

    /// The instant of a time of the run.
    pub fn instant(&self, at_us: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + Duration::from_micros(at_us))
    }

    /// Sleeps until a time of the run, with tokio's grain of 1 ms.
    pub async fn sleep_until(&self, at_us: u64) {
        tokio::time::sleep_until(self.instant(at_us)).await;
    }
}

/// CPU time of the calling thread in µs.
pub fn thread_cpu_us() -> u64 {
    read_clock(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).as_micros() as u64
}

/// How long the machine has slept since it booted, in µs; 0 where the system
/// does not say.
pub fn suspended_us() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let since_boot = read_clock(nix::time::ClockId::CLOCK_BOOTTIME);
        let awake = read_clock(nix::time::ClockId::CLOCK_MONOTONIC);
        since_boot.saturating_sub(awake).as_micros() as u64
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// The wall clock less the time since the machine booted, in µs: it changes when
/// the clock is set, and by less than a millisecond a second while it is slewed.
/// `None` where the system does not say.
pub fn wall_offset_us() -> Option<i64> {
    #[cfg(target_os = "linux")]
    {
        let since_boot = read_clock(nix::time::ClockId::CLOCK_BOOTTIME).as_micros() as i64;
        Some(read_clock(nix::time::ClockId::CLOCK_REALTIME).as_micros() as i64 - since_boot)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

fn read_clock(id: nix::time::ClockId) -> Duration {
    id.now().map(Duration::from).unwrap_or_default()
}

/// A timer with the kernel's precision.
///
/// tokio's timer wakes on the next whole millisecond: sends would be late by
/// half a millisecond on average, and that lateness is the generator's own. A
/// timerfd with an absolute deadline is late by tens of µs.
pub struct PreciseTimer {
    #[cfg(target_os = "linux")]
    timer: tokio::io::unix::AsyncFd<KernelTimer>,
    clock: RunClock,
    /// When it last woke anybody.
    #[cfg(target_os = "linux")]
    woke_us: std::cell::Cell<u64>,
    /// What is due within this time of the last in µs is done together.
    #[cfg(target_os = "linux")]
    grain_us: u64,
    /// How late the kernel usually wakes.
    #[cfg(target_os = "linux")]
    head_start: HeadStart,
}

/// So much earlier than it is due a wake-up is asked for: as late as half of them come.
/// A core that sleeps takes tens of µs to wake, each time.
#[cfg(target_os = "linux")]
struct HeadStart {
    us: std::cell::Cell<f64>,
    most_us: f64,
}

#[cfg(target_os = "linux")]
impl HeadStart {
    const MOST_US: f64 = 100.0;
    /// What comes early is waited for on the core: of its time so much at most.
    const CORE_SHARE: f64 = 0.05;
    /// The share of the wake-ups that may come before they are due.
    const EARLY_SHARE: f64 = 0.5;

    /// Nothing was learnt yet; of a timer that wakes somebody so often a second.
    fn new(per_s: f64) -> Self {
        let each_us = 1e6 / per_s.max(1.0);
        Self { us: 0.0.into(), most_us: Self::MOST_US.min(Self::CORE_SHARE * each_us) }
    }

    fn us(&self) -> u64 {
        self.us.get() as u64
    }

    /// A wake-up came so late in µs. A quantile is where steps up and steps down, by
    /// its share, cancel out.
    fn learn(&self, late_us: u64) {
        let step = if late_us as f64 > self.us.get() { Self::EARLY_SHARE } else { Self::EARLY_SHARE - 1.0 };
        self.us.set((self.us.get() + step).clamp(0.0, self.most_us));
    }
}

/// A kernel timer costs 1 to 2 µs each time it is set, in a virtual machine, and more
/// to be woken by it. Where that is seldom, punctual is better than cheap.
#[cfg(target_os = "linux")]
fn grain_us(per_s: f64) -> u64 {
    if per_s > 5_000.0 { 50 } else { 0 }
}

impl PreciseTimer {
    /// A timer on the clock of a run that wakes somebody so often a second; belongs to
    /// the runtime that calls.
    #[cfg_attr(
        target_os = "linux",
        expect(
            deprecated,
            reason = "the newer call is unsafe; what it warns of, a descriptor that is closed while registered, cannot happen to a timer that owns its own"
        )
    )]
    pub fn new(clock: RunClock, per_s: f64) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            use nix::sys::timerfd::{ClockId, TimerFd, TimerFlags};
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let timer = tokio::io::unix::AsyncFd::new(KernelTimer(timer))?;
            Ok(Self {
                timer,
                clock,
                woke_us: std::cell::Cell::new(0),
                grain_us: grain_us(per_s),
                head_start: HeadStart::new(per_s),
            })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = per_s;
            Ok(Self { clock })
        }
    }

    /// Sleeps until a time of the run, or a little longer where it is busy and has just
    /// woken somebody; returns at once if it has passed.
    #[cfg(target_os = "linux")]
    pub async fn sleep_until(&self, at_us: u64) -> io::Result<()> {
        use nix::sys::time::TimeSpec;
        use nix::sys::timerfd::{Expiration, TimerSetTimeFlags};
        if self.clock.now_us() >= at_us {
            return Ok(());
        }
        let at_us = at_us.max(self.woke_us.get() + self.grain_us);
        let wake_us = at_us - self.head_start.us().min(at_us);
        if self.clock.now_us() < wake_us {
            let deadline = self.clock.start_monotonic + Duration::from_micros(wake_us);
            let expiration = Expiration::OneShot(TimeSpec::from_duration(deadline));
            self.timer.get_ref().0.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            loop {
                let mut ready = self.timer.readable().await?;
                // Setting the timer again has made an old expiry unreadable, so a
                // wake-up without an expiry is possible and not an error.
                ready.clear_ready();
                if let Some(late_us) = self.clock.now_us().checked_sub(wake_us) {
                    self.head_start.learn(late_us);
                    break;
                }
            }
        }
        // Nothing leaves before its time; whoever else has something to do, does it.
        while self.clock.now_us() < at_us {
            tokio::task::yield_now().await;
        }
        self.woke_us.set(self.clock.now_us());
        Ok(())
    }

    /// Sleeps until a time of the run; returns at once if it has passed.
    #[cfg(not(target_os = "linux"))]
    pub async fn sleep_until(&self, at_us: u64) -> io::Result<()> {
        self.clock.sleep_until(at_us).await;
        Ok(())
    }
}

/// nix's timer, with the trait that tokio asks for.
#[cfg(target_os = "linux")]
struct KernelTimer(nix::sys::timerfd::TimerFd);

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for KernelTimer {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsFd;
        self.0.as_fd().as_raw_fd()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for KernelTimer {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_head_start_is_what_half_of_the_wake_ups_are_late_by() {
        let head_start = HeadStart::new(100.0);
        let mut random = crate::model::Random::new(7, "late");
        for _ in 0..20_000 {
            head_start.learn(random.between(30, 129));
        }
        assert!((68..=92).contains(&head_start.us()), "half of 30 to 129: {}", head_start.us());
        (0..200).for_each(|_| head_start.learn(0));
        assert_eq!(head_start.us(), 0, "a core that is awake needs none");
        (0..10_000).for_each(|_| head_start.learn(5_000));
        assert_eq!(head_start.us(), 100, "no wake-up is asked for much too early");
        for (per_s, most_us) in [(0.0, 100), (1_000.0, 50), (20_000.0, 2)] {
            let head_start = HeadStart::new(per_s);
            (0..10_000).for_each(|_| head_start.learn(5_000));
            assert_eq!(head_start.us(), most_us, "at {per_s} a second a twentieth of the core is waited for");
        }
    }

    #[test]
    fn the_precise_timer_never_fires_early_and_can_be_reused() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let clock = RunClock::start();
            for per_s in [10.0, 10_000.0] {
                let timer = PreciseTimer::new(clock, per_s).unwrap();
                for wait_us in [300, 1, 2_500, 0, 700].repeat(40) {
                    let at_us = clock.now_us() + wait_us;
                    timer.sleep_until(at_us).await.unwrap();
                    assert!(clock.now_us() >= at_us);
                }
            }
        });
    }
}
