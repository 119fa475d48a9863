//! What the faults in force do to one direction of one connection.
//!
//! Time comes in as an argument; nothing here waits or does I/O.

use super::effect::{Effect, Way};
use super::registry::Order;
use super::tally::Mark;
use crate::model::Random;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much a delayed direction may have under way.
const DELAYED_BYTES: usize = 256 * 1024;
/// What a bandwidth limit lets through at once after a silence, and the least
/// that it waits for where more is wanted; the second bounds the wake-ups.
const BURST_S: f64 = 0.020;
const PORTION_S: f64 = 0.010;

/// A time after an instant, however long.
pub(super) fn later(at: Instant, time: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(100 * 365 * 86_400);
    at + time.min(YEARS)
}

/// The faults in force on one direction. The default is none.
#[derive(Debug, Default)]
pub(super) struct Side {
    holds: Vec<Arc<Mark>>,
    losses: Vec<Arc<Mark>>,
    delays: Vec<Delay>,
    buckets: Vec<Bucket>,
    slices: Vec<Slice>,
    next_piece_at: Option<Instant>,
    /// Keeps an end back, as a loss does.
    pub keeps_end: bool,
    /// When it is worth looking again, if nothing else happens.
    pub wake_at: Option<Instant>,
}

#[derive(Debug)]
struct Delay {
    mark: Arc<Mark>,
    delay: Duration,
    jitter: Duration,
    random: Random,
}

#[derive(Debug)]
struct Bucket {
    mark: Arc<Mark>,
    bytes_per_s: f64,
    bytes: f64,
    filled_at: Instant,
}

#[derive(Debug)]
struct Slice {
    mark: Arc<Mark>,
    bytes: usize,
    pause: Duration,
}

impl Side {
    /// Takes on what is newly in `orders`, and lets go of what no longer is.
    pub fn adopt(&mut self, orders: &[Order], label: Option<u64>, way: Way, now: Instant) {
        let stays = |mark: &Arc<Mark>| orders.iter().any(|order| Arc::ptr_eq(&order.mark, mark));
        self.holds.retain(stays);
        self.losses.retain(stays);
        self.delays.retain(|delay| stays(&delay.mark));
        self.buckets.retain(|bucket| stays(&bucket.mark));
        self.slices.retain(|slice| stays(&slice.mark));
        for order in orders {
            if !self.has(&order.mark) {
                self.take_on(order, label, way, now);
            }
        }
    }

    fn has(&self, mark: &Arc<Mark>) -> bool {
        let marks = self.holds.iter().chain(&self.losses);
        let marks = marks.chain(self.delays.iter().map(|delay| &delay.mark));
        let marks = marks.chain(self.buckets.iter().map(|bucket| &bucket.mark));
        marks.chain(self.slices.iter().map(|slice| &slice.mark)).any(|own| Arc::ptr_eq(own, mark))
    }

    fn take_on(&mut self, order: &Order, label: Option<u64>, way: Way, now: Instant) {
        let mark = Arc::clone(&order.mark);
        match *order.effect() {
            Effect::Blackhole { direction, lost, .. } if direction.covers(way) => {
                if lost { &mut self.losses } else { &mut self.holds }.push(mark);
            }
            Effect::Latency { delay, jitter, seed, direction } if direction.covers(way) => {
                let random = Random::new(seed, if way == Way::Up { "delay-up" } else { "delay-down" });
                self.delays.push(Delay { mark, delay, jitter, random: random.split(label.unwrap_or(u64::MAX)) });
            }
            Effect::Bandwidth { bytes_per_s } => {
                let bytes_per_s = bytes_per_s.max(1) as f64;
                self.buckets.push(Bucket { mark, bytes_per_s, bytes: 0.0, filled_at: now });
            }
            Effect::Slice { bytes, pause } => self.slices.push(Slice { mark, bytes: bytes.max(1), pause }),
            _ => {}
        }
    }

    /// Everything read from now on is thrown away.
    pub fn lose(&mut self, mark: &Arc<Mark>) {
        self.losses.push(Arc::clone(mark));
    }

    /// Nothing is read and nothing is written.
    pub fn holds(&self) -> bool {
        !self.holds.is_empty()
    }

    /// The blackholes that hold and are not in `orders` any more.
    pub fn holds_ended<'a>(&'a self, orders: &'a [Order]) -> impl Iterator<Item = &'a Arc<Mark>> {
        let gone = |mark: &&Arc<Mark>| !orders.iter().any(|order| Arc::ptr_eq(&order.mark, *mark));
        self.holds.iter().filter(gone)
    }

    /// Whether a blackhole that holds has not yet shown.
    pub fn holds_unseen(&self) -> bool {
        self.holds.iter().any(|mark| !mark.has_shown())
    }

    pub fn mark_held(&self) {
        self.holds.iter().for_each(|mark| mark.showed());
    }

    /// What is read is thrown away.
    pub fn loses(&self) -> bool {
        !self.losses.is_empty()
    }

    /// An end is not passed on.
    pub fn keeps_end(&self) -> bool {
        self.keeps_end || self.holds() || self.loses()
    }

    pub fn count_lost(&self, bytes: usize) {
        if let Some(mark) = self.losses.first() {
            mark.discarded(bytes);
        }
    }

    /// Whether what is read may be written on the spot.
    pub fn is_direct(&self) -> bool {
        self.delays.is_empty() && self.buckets.is_empty() && self.slices.is_empty()
    }

    /// Whether more may be read while so many bytes wait.
    pub fn may_read(&self, waiting: usize) -> bool {
        !self.holds() && (waiting == 0 || (!self.delays.is_empty() && waiting < DELAYED_BYTES))
    }

    /// When a chunk that was read now is due.
    pub fn due(&mut self, bytes: usize, now: Instant) -> Instant {
        let mut due = now;
        for delay in &mut self.delays {
            let jitter = u64::try_from(delay.jitter.as_micros()).unwrap_or(u64::MAX);
            due = later(due, delay.delay.saturating_add(Duration::from_micros(delay.random.between(0, jitter))));
            delay.mark.held(bytes);
        }
        due
    }

    /// How many of `left` bytes, due at `due`, may be written now. Where it is
    /// none, `wake_at` says when to ask again, if time alone changes it.
    pub fn allow(&mut self, left: usize, due: Instant, now: Instant) -> usize {
        if self.holds() {
            return 0;
        }
        let waits_for = if self.delays.is_empty() { None } else { Some(due) };
        if let Some(at) = waits_for.max(self.next_piece_at).filter(|at| *at > now) {
            self.wake(at);
            return 0;
        }
        let mut allowed = self.slices.iter().map(|slice| slice.bytes).min().unwrap_or(left).min(left);
        let mut wake_at = None;
        for bucket in &mut self.buckets {
            match bucket.allow(allowed, now) {
                Ok(bytes) => allowed = bytes,
                Err(at) => wake_at = wake_at.max(Some(at)),
            }
        }
        if let Some(at) = wake_at {
            self.wake(at);
            return 0;
        }
        allowed
    }

    /// So many bytes were written.
    pub fn wrote(&mut self, bytes: usize, now: Instant) {
        for bucket in &mut self.buckets {
            bucket.bytes -= bytes as f64;
            bucket.mark.held(bytes);
        }
        for slice in &self.slices {
            slice.mark.held(bytes);
        }
        let pause = self.slices.iter().map(|slice| slice.pause).max();
        self.next_piece_at = pause.filter(|pause| !pause.is_zero()).map(|pause| later(now, pause));
    }

    pub fn wake(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }
}

impl Bucket {
    /// How many of `wanted` bytes may pass, or when to ask again.
    fn allow(&mut self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.bytes = (self.bytes + passed * self.bytes_per_s).min((self.bytes_per_s * BURST_S).max(1.0));
        let least = (self.bytes_per_s * PORTION_S).ceil().max(1.0).min(wanted as f64);
        // The clock counts in ns: what is a billionth of a byte short is there.
        if self.bytes + 1e-6 >= least {
            return Ok(wanted.min((self.bytes + 1e-6) as usize));
        }
        Err(now + Duration::from_secs_f64((least - self.bytes) / self.bytes_per_s) + Duration::from_nanos(1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::effect::{Direction, Ending, Scope};
    use super::super::registry::Registry;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn orders(effects: &[Effect]) -> Vec<Order> {
        let registry = Arc::new(Registry::default());
        let place = registry.enter(([127, 0, 0, 1], 1).into());
        for (fault, effect) in effects.iter().enumerate() {
            registry.begin(fault, effect.clone(), Scope::All);
        }
        place.control.orders().effects
    }

    fn side(effects: &[Effect], label: u64, way: Way, now: Instant) -> Side {
        let mut side = Side::default();
        side.adopt(&orders(effects), Some(label), way, now);
        side
    }

    /// Writes all that is allowed until `end`; bytes, and how often it waited.
    fn run(side: &mut Side, mut now: Instant, end: Instant) -> (usize, u32) {
        let (mut bytes, mut waits) = (0, 0);
        while now < end {
            side.wake_at = None;
            let allowed = side.allow(1 << 20, now, now);
            side.wrote(allowed, now);
            bytes += allowed;
            if allowed == 0 {
                let at = side.wake_at.expect("only time is missing");
                assert!(at > now, "it would be asked again at once");
                now = at;
                waits += 1;
            }
        }
        (bytes, waits)
    }

    #[test]
    fn a_bandwidth_is_kept_and_does_not_wake_all_the_time() {
        let now = Instant::now();
        for rate in [1, 10, 999, 64_000, 10_000_000] {
            let mut side = side(&[Effect::Bandwidth { bytes_per_s: rate }], 1, Way::Up, now);
            let (bytes, waits) = run(&mut side, now, now + 10 * SECOND);
            let exact = 10 * rate;
            let least = exact - (exact / 100).max(1);
            assert!((least..=exact).contains(&(bytes as u64)), "{bytes} bytes at {rate} a second");
            assert!(waits <= 1_001, "{waits} waits at {rate} a second");
            // After a silence: 20 ms worth, no more.
            let (bytes, _) = run(&mut side, now + 100 * SECOND, now + 100 * SECOND + Duration::from_nanos(1));
            assert!(bytes as u64 <= (rate / 50).max(1), "{bytes} bytes at once at {rate} a second");
        }
    }

    #[test]
    fn the_lowest_rate_and_the_smallest_slice_win() {
        let now = Instant::now();
        let rates = [900, 300, 500].map(|bytes_per_s| Effect::Bandwidth { bytes_per_s });
        let (bytes, _) = run(&mut side(&rates, 1, Way::Up, now), now, now + 10 * SECOND);
        assert!((2_970..=3_000).contains(&bytes), "{bytes}");
        let slices = [(5, 0), (2, 100), (0, 10)];
        let slices = slices.map(|(bytes, ms)| Effect::Slice { bytes, pause: Duration::from_millis(ms) });
        assert_eq!(run(&mut side(&slices[..2], 1, Way::Down, now), now, now + SECOND), (20, 10));
        assert_eq!(run(&mut side(&slices, 1, Way::Down, now), now, now + SECOND), (10, 10));
    }

    #[test]
    fn delays_are_drawn_by_seed_label_and_way() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let latency = |seed| Effect::Latency { delay: ms(10), jitter: ms(5), seed, direction: Direction::Both };
        let draws = |seed, label, way| -> Vec<Instant> {
            let mut side = side(&[latency(seed)], label, way, now);
            (0..100).map(|_| side.due(1, now)).collect()
        };
        let one = draws(1, 1, Way::Up);
        assert!(one.iter().all(|due| (ms(10)..=ms(15)).contains(&(*due - now))));
        assert!(one.iter().any(|due| *due - now < ms(11)) && one.iter().any(|due| *due - now > ms(14)));
        assert_eq!(one, draws(1, 1, Way::Up));
        for other in [draws(2, 1, Way::Up), draws(1, 2, Way::Up), draws(1, 1, Way::Down)] {
            assert_ne!(one, other);
        }
        let mut side = side(&[latency(1), latency(1)], 1, Way::Up, now);
        let due = side.due(1, now);
        assert!(due - now >= ms(20), "delays are added");
        assert_eq!((side.allow(5, due, now), side.wake_at), (0, Some(due)));
        assert_eq!(side.allow(5, due, due), 5);
    }

    #[test]
    fn a_blackhole_stops_its_direction_alone() {
        let now = Instant::now();
        for (direction, up, down) in
            [(Direction::Both, true, true), (Direction::ToTarget, true, false), (Direction::FromTarget, false, true)]
        {
            for lost in [false, true] {
                let effect = Effect::Blackhole { direction, new_flows_too: true, lost, end: Ending::Heal };
                for (way, black) in [(Way::Up, up), (Way::Down, down)] {
                    let mut side = side(std::slice::from_ref(&effect), 1, way, now);
                    let expected = if lost { (false, black) } else { (black, false) };
                    assert_eq!((side.holds(), side.loses()), expected);
                    assert_eq!(side.keeps_end(), black);
                    assert_eq!(side.may_read(0), !side.holds());
                    assert_eq!(side.allow(1, now, now) == 0, side.holds());
                    side.adopt(&[], Some(1), way, now);
                    assert!(!side.keeps_end() && side.may_read(0));
                }
            }
        }
    }

    #[test]
    fn what_stays_in_force_keeps_its_state() {
        let now = Instant::now();
        let orders = orders(&[Effect::Bandwidth { bytes_per_s: 100 }, Effect::Bandwidth { bytes_per_s: 1_000 }]);
        let mut side = Side::default();
        side.adopt(&orders, None, Way::Up, now);
        let later = now + SECOND;
        let allowed = side.allow(1_000, now, later);
        side.wrote(allowed, later);
        side.adopt(&orders[..1], None, Way::Up, later);
        assert_eq!((allowed, side.allow(1_000, now, later)), (2, 0));
        side.adopt(&[], None, Way::Up, later);
        assert_eq!(side.allow(1_000, now, later), 1_000);
        assert!(side.is_direct());
    }
}
