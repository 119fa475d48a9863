//! What a worker notices of itself during the load: whether its event loop
//! stalls, how much of a core it uses, and how long something lies in a socket
//! until it is read.

use super::clock::{RunClock, thread_cpu_us};
use super::shard::Shard;
use crate::ledger::{WorkerFigures, new_histogram};
use std::cell::RefCell;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The canary's tick: the grain of tokio's timer.
const TICK_US: u64 = 1_000;
/// How often something is put into a socket.
const LOOK_US: u64 = 10_000;
const SECOND_US: u64 = 1_000_000;

/// The watching tasks of a worker.
pub struct Watch {
    canary: JoinHandle<()>,
    reading: JoinHandle<()>,
}

impl Watch {
    /// Ends them.
    pub fn end(self) {
        self.canary.abort();
        self.reading.abort();
    }
}

/// Begins to watch the calling worker.
pub fn watch(shard: &Rc<Shard>, figures: &Rc<RefCell<WorkerFigures>>) -> io::Result<Watch> {
    let clock = shard.shared.clock;
    let unread_us = shard.plan().measurement.receive_wait_p99_us;
    Ok(Watch {
        canary: tokio::task::spawn_local(tick(shard.clone(), figures.clone())),
        reading: tokio::task::spawn_local(read_stamps(stamps(clock)?, clock, unread_us, figures.clone())),
    })
}

/// Ticks every millisecond; its drift shows stalls of the event loop.
async fn tick(shard: Rc<Shard>, figures: Rc<RefCell<WorkerFigures>>) {
    let limits = shard.plan().measurement;
    let clock = shard.shared.clock;
    let (mut second_us, mut cpu_us) = (clock.now_us(), thread_cpu_us());
    loop {
        let expected_us = clock.now_us() + TICK_US;
        clock.sleep_until(expected_us).await;
        let now_us = clock.now_us();
        let drift_us = now_us.saturating_sub(expected_us);
        let mut figures = figures.borrow_mut();
        let (ticks, late) = ticks_due(drift_us, limits.canary_late_us);
        figures.canary_ticks += ticks;
        figures.canary_late += late;
        figures.canary_worst_us = figures.canary_worst_us.max(drift_us);
        if late > 0 {
            note_second(&mut figures.late_at_us, now_us);
        }
        if now_us >= second_us + SECOND_US {
            let used_us = thread_cpu_us() - cpu_us;
            if used_us as f64 > limits.worker_cpu_share * (now_us - second_us) as f64 {
                figures.busy_at_us.push(second_us);
            }
            (second_us, cpu_us) = (now_us, cpu_us + used_us);
        }
    }
}

/// The ticks that one woke up for, and how many of them are too late: those that
/// fell due while the loop stood still count as if each had been waited for.
/// Otherwise a second of standing still would be one tick of many.
fn ticks_due(drift_us: u64, late_us: u64) -> (u64, u64) {
    (1 + drift_us / TICK_US, drift_us.saturating_sub(late_us).div_ceil(TICK_US))
}

/// Notes an instant, if its second is not noted yet.
fn note_second(seconds: &mut Vec<u64>, now_us: u64) {
    if seconds.last().is_none_or(|last| now_us >= last + SECOND_US) {
        seconds.push(now_us);
    }
}

/// What is put there.
struct Stamp {
    at_us: u64,
    /// How many before it found no room.
    unsaid: u64,
}

impl Stamp {
    fn to_bytes(&self) -> [u8; 16] {
        ((u128::from(self.at_us) << 64) | u128::from(self.unsaid)).to_ne_bytes()
    }

    fn of(bytes: [u8; 16]) -> Self {
        let both = u128::from_ne_bytes(bytes);
        Self { at_us: (both >> 64) as u64, unsaid: both as u64 }
    }
}

/// A socket into which a thread of its own puts the time every now and then. What
/// lies in it waits as what the target sends does: for the same reactor, in the
/// same event loop. The thread ends with the socket.
fn stamps(clock: RunClock) -> io::Result<tokio::net::UnixDatagram> {
    let (ours, theirs) = UnixDatagram::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    std::thread::Builder::new().name("stamps".to_owned()).spawn(move || {
        let mut unsaid = 0;
        loop {
            std::thread::sleep(Duration::from_micros(LOOK_US));
            match theirs.send(&Stamp { at_us: clock.now_us(), unsaid }.to_bytes()) {
                // Full: nothing of it is read.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => unsaid += 1,
                Err(_) => return,
                Ok(_) => unsaid = 0,
            }
        }
    })?;
    tokio::net::UnixDatagram::from_std(ours)
}

/// Reads the stamps, and notes how old they are.
async fn read_stamps(
    socket: tokio::net::UnixDatagram,
    clock: RunClock,
    unread_us: u64,
    figures: Rc<RefCell<WorkerFigures>>,
) {
    let mut waits = new_histogram();
    let mut bytes = [0; 16];
    while socket.recv(&mut bytes).await.is_ok() {
        let now_us = clock.now_us();
        let stamp = Stamp::of(bytes);
        let wait_us = now_us.saturating_sub(stamp.at_us);
        // No wait is longer than an hour. Those for which there was no room would
        // have waited longer than this one, each by a look more.
        (0..=stamp.unsaid).for_each(|looks| waits.saturating_record(wait_us + looks * LOOK_US));
        let mut figures = figures.borrow_mut();
        figures.receive_looks += 1 + stamp.unsaid;
        figures.receive_wait_worst_us = figures.receive_wait_worst_us.max(wait_us);
        figures.receive_wait_p99_us = waits.value_at_quantile(0.99);
        if wait_us > unread_us {
            note_second(&mut figures.unread_at_us, now_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::LocalSet;

    /// What is noted while the event loop is blocked for a while, and is not.
    fn noted(blocked: Duration) -> WorkerFigures {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let (clock, figures) = (RunClock::start(), Rc::new(RefCell::new(WorkerFigures::default())));
            let reading =
                tokio::task::spawn_local(read_stamps(stamps(clock).unwrap(), clock, 200_000, figures.clone()));
            while figures.borrow().receive_looks < 5 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            std::thread::sleep(blocked);
            let before = figures.borrow().receive_looks;
            while figures.borrow().receive_looks == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The first stamp for which there is room again.
            tokio::time::sleep(Duration::from_millis(50)).await;
            reading.abort();
            figures.borrow().clone()
        })
    }

    #[test]
    fn what_lies_unread_while_the_event_loop_is_blocked_is_seen() {
        let figures = noted(Duration::from_millis(500));
        assert!(figures.receive_wait_worst_us >= 400_000, "{figures:?}");
        assert!(figures.receive_wait_p99_us >= 400_000, "{figures:?}");
        assert_eq!(figures.unread_at_us.len(), 1, "{figures:?}");
        // The thread of the stamps may sleep too long, and they are read late all
        // the same only if this thread does.
        let idle = noted(Duration::ZERO);
        assert!(idle.receive_wait_worst_us < figures.receive_wait_worst_us, "{idle:?}");
    }

    #[test]
    fn every_tick_that_fell_due_counts() {
        for (drift_us, expected) in [
            (0, (1, 0)),
            (999, (1, 0)),
            (10_000, (11, 0)),
            (10_001, (11, 1)),
            (11_000, (12, 1)),
            (11_001, (12, 2)),
            (1_000_000, (1_001, 990)),
        ] {
            assert_eq!(ticks_due(drift_us, 10_000), expected, "{drift_us}");
        }
    }

    #[test]
    fn looks_for_which_there_was_no_room_count() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let figures = LocalSet::new().block_on(&runtime, async {
            let (clock, figures) = (RunClock::start(), Rc::new(RefCell::new(WorkerFigures::default())));
            let (ours, theirs) = tokio::net::UnixDatagram::pair().unwrap();
            // A second of standing still, and none of it fitted in.
            theirs.send(&Stamp { at_us: clock.now_us(), unsaid: 99 }.to_bytes()).await.unwrap();
            drop(theirs);
            let reading = read_stamps(ours, clock, 200_000, figures.clone());
            let _ = tokio::time::timeout(Duration::from_millis(50), reading).await;
            figures.borrow().clone()
        });
        assert_eq!(figures.receive_looks, 100);
        assert!((900_000..1_200_000).contains(&figures.receive_wait_p99_us), "{figures:?}");
    }

    #[test]
    fn a_second_is_noted_once() {
        let mut seconds = Vec::new();
        for now_us in [5, 900_000, 1_000_004, 1_000_005, 1_500_000, 9_000_000] {
            note_second(&mut seconds, now_us);
        }
        assert_eq!(seconds, [5, 1_000_005, 9_000_000]);
    }
}
