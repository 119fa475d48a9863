//! What the ledger costs at scale: bytes and ns a delivery.
//!
//! ```text
//! cargo bench --bench ledger                 1,000 subscribers × 1,000,000 messages
//! cargo bench --bench ledger -- --full       10,000 × 1,000,000: some minutes
//! cargo bench --bench ledger -- 500 20000    so many
//! ```
//!
//! Deliveries come as a fan-out brings them: message by message, over all
//! subscribers, so that each finds its own log out of the nearest cache. Bytes
//! are what the allocator was asked for and did not get back, and the ledger's
//! own account stands beside them. Time is CPU time of the one thread, with
//! that of the driver in it, whose own share is measured on a run without a
//! ledger.
#![allow(clippy::print_stdout, missing_docs)]

use nix::time::{ClockId, clock_gettime};
use peak_alloc::PeakAlloc;
use posthaste::ledger::{
    CatchUpKind, ConnectionEnd, PageLog, PageRecord, SendLog, SendRow, StreamWindow, SubscriberLog,
};
use posthaste::model::{ChannelId, MessageRef, Position, Random, SendState, UserId};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MIB: f64 = (1 << 20) as f64;

fn main() {
    let full = std::env::args().any(|argument| argument == "--full");
    let sizes: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let default = if full { (10_000, 1_000_000) } else { (1_000, 1_000_000) };
    let (subscribers, messages) =
        if let [subscribers, messages] = sizes[..] { (subscribers, messages) } else { default };
    println!("{:<44} {:>13} {:>9} {:>9} {:>11}", "shape", "count", "MiB", "account", "ns each");
    for per_mille in [1, 10] {
        one_channel(&Load { subscribers, messages, missing_per_mille: per_mille });
    }
    many_channels(0);
    many_channels(40);
    sends(1_000_000);
    pages(1_000_000);
}

/// One channel that everybody is in.
struct Load {
    subscribers: u32,
    messages: u32,
    missing_per_mille: u32,
}

/// One subscriber of the driver: what it does next.
#[derive(Clone)]
struct Life {
    /// Everything before this index passes it by: it joined late or is away.
    from: u32,
    /// The index at which something happens.
    event: u32,
}

impl Load {
    /// One in this many messages is pushed again, or comes late.
    const AGAIN_PER_MILLE: u32 = 1;
    /// Outages in a million messages; a mean outage takes 5,000 messages.
    const OUTAGES_PER_MILLION: u32 = 2;

    /// Walks all deliveries in the order of the fan-out: `push` is told of
    /// each, `reconnect` of the end of each outage. Returns how many there
    /// were.
    fn drive(&self, mut push: impl FnMut(usize, u32), mut reconnect: impl FnMut(usize)) -> u64 {
        let mut random = Random::new(7, "ledger bench");
        let per_million = 1_000 * (self.missing_per_mille + Self::AGAIN_PER_MILLE) + Self::OUTAGES_PER_MILLION;
        let gap = move |random: &mut Random| 1 + (random.exponential() * 1e6 / f64::from(per_million)) as u32;
        let mut lives = Vec::with_capacity(self.subscribers as usize);
        for _ in 0..self.subscribers {
            // One in twenty joins late.
            let from = if random.below(20) == 0 { random.below(500_000) as u32 } else { 0 };
            lives.push(Life { from, event: from + gap(&mut random) });
        }
        let mut deliveries = 0;
        for index in 0..self.messages {
            for (rank, life) in lives.iter_mut().enumerate() {
                if index < life.from {
                    continue;
                }
                if index != life.event {
                    push(rank, index);
                    deliveries += 1;
                    continue;
                }
                life.event += gap(&mut random);
                let what = random.below(per_million.into()) as u32;
                if what < Self::OUTAGES_PER_MILLION {
                    life.from = index + (random.exponential() * 5_000.0) as u32;
                    life.event += life.from - index;
                    reconnect(rank);
                } else if what < Self::OUTAGES_PER_MILLION + 1_000 * Self::AGAIN_PER_MILLE {
                    // One of the last thousands: there already, or missing.
                    push(rank, index);
                    push(rank, index - random.below(u64::from(index).min(5_000)) as u32);
                    deliveries += 2;
                }
            }
        }
        deliveries
    }
}

fn one_channel(load: &Load) {
    let before = ALLOCATOR.current_usage();
    let channel = ChannelId(0);
    let log = |user| {
        let mut log = SubscriberLog::new(UserId(user), [channel]);
        log.connected(0);
        log
    };
    let logs: Vec<SubscriberLog> = (0..load.subscribers).map(log).collect();
    let logs = std::cell::RefCell::new(logs);
    let began_us = cpu_us();
    let mut first = 0;
    let deliveries = load.drive(
        |rank, index| {
            let message = MessageRef { channel, index };
            let arrival = logs.borrow_mut()[rank].pushed(message, Some(Position(index.into())), index.into());
            first += u64::from(arrival.is_some_and(|arrival| arrival.first));
        },
        |rank| {
            let log = &mut logs.borrow_mut()[rank];
            log.disconnected(1, ConnectionEnd::Lost);
            log.connected(2);
        },
    );
    let with_ledger_us = cpu_us() - began_us;
    let bytes = ALLOCATOR.current_usage() - before;
    let logs = logs.into_inner();
    check(&logs, deliveries, first);

    let began_us = cpu_us();
    let mut sum = 0;
    let again = load.drive(|rank, index| sum += rank as u64 ^ u64::from(index), |_| {});
    let driver_us = cpu_us() - began_us;
    assert_eq!(std::hint::black_box((again, sum)).0, deliveries);

    let Load { subscribers, messages, missing_per_mille } = load;
    let name = format!("{subscribers} x {messages}, {:.1} % missing", f64::from(*missing_per_mille) / 10.0);
    let ns = 1e3 * with_ledger_us as f64 / deliveries as f64;
    let driver_ns = 1e3 * driver_us as f64 / deliveries as f64;
    report(&name, deliveries, bytes, accounted(&logs), &format!("{ns:.2}, of which the driver {driver_ns:.2}"));
}

/// 10,000 users × 50 of 5,000 channels of 100 members each, all of which get
/// the given number of messages, 1 % missing.
fn many_channels(messages: u32) {
    const USERS: u32 = 10_000;
    const CHANNELS: u32 = 5_000;
    let before = ALLOCATOR.current_usage();
    // User u is in the channels of its residue class modulo 100.
    let channels = |user: u32| (0..CHANNELS).filter(move |channel| channel % 100 == user % 100).map(ChannelId);
    let mut logs: Vec<SubscriberLog> =
        (0..USERS).map(|user| SubscriberLog::new(UserId(user), channels(user))).collect();
    let mut random = Random::new(7, "sparse");
    let began_us = cpu_us();
    let (mut deliveries, mut first) = (0, 0);
    for index in 0..messages {
        for channel in (0..CHANNELS).map(ChannelId) {
            let mut missing = random.below(100);
            for member in 0..USERS / 100 {
                if u64::from(member) == missing {
                    missing = u64::from(member) + 1 + random.below(199);
                    continue;
                }
                let log = &mut logs[(channel.0 % 100 + member * 100) as usize];
                let arrival = log.pushed(MessageRef { channel, index }, Some(Position(index.into())), index.into());
                first += u64::from(arrival.is_some_and(|arrival| arrival.first));
                deliveries += 1;
            }
        }
    }
    let ns = 1e3 * (cpu_us() - began_us) as f64 / f64::max(deliveries as f64, 1.0);
    let bytes = ALLOCATOR.current_usage() - before;
    check(&logs, deliveries, first);
    let name = format!("10000 users x 50 channels, {messages} messages each");
    report(&name, deliveries, bytes, accounted(&logs), &format!("{ns:.2}"));
}

/// Messages that are intended, tried and acknowledged with an id that its
/// position spells, and the same with an opaque one of 44 characters.
fn sends(messages: u32) {
    for (name, opaque) in [("sends, ids as positions spell them", false), ("sends, opaque ids", true)] {
        let before = ALLOCATOR.current_usage();
        let began_us = cpu_us();
        let mut log = SendLog::default();
        for index in 0..messages {
            let intended_us = u64::from(index) * 1_000;
            let message = MessageRef { channel: ChannelId(index % 100), index: index / 100 };
            let rank = log.push(SendRow::intended(message, UserId(index % 10_000), intended_us));
            let position = 1_700_000_000_000_000 + intended_us;
            let server_id = match opaque {
                false => format!("{}.{:06}", position / 1_000_000, position % 1_000_000),
                true => format!("${position:043}"),
            };
            log.update(rank, |row| {
                (row.attempts, row.state) = (1, SendState::Acknowledged);
                row.first_byte_us = Some(intended_us + 40);
                row.acknowledged_us = Some(intended_us + 2_000);
                row.last_attempt_us = row.acknowledged_us;
                row.position = (!opaque).then_some(Position(position));
                row.server_id = Some(server_id.into());
            });
        }
        let ns = 1e3 * (cpu_us() - began_us) as f64 / f64::from(messages);
        let bytes = ALLOCATOR.current_usage() - before;
        let each = bytes as f64 / f64::from(messages);
        report(name, messages.into(), bytes, log.heap_bytes(), &format!("{ns:.2}, {each:.1} bytes each"));
    }
}

/// Pages of 100 messages each.
fn pages(count: u32) {
    let before = ALLOCATOR.current_usage();
    let began_us = cpu_us();
    let mut log = PageLog::default();
    for number in 0..count {
        let position = |index: u32| Some(Position(1_700_000_000_000_000 + u64::from(index) * 1_000));
        log.push(PageRecord {
            reader: UserId(number % 10_000),
            channel: ChannelId(number % 100),
            kind: CatchUpKind::Policy,
            written_us: 60_000_000 + u64::from(number) * 100,
            after: position(number),
            lowest: position(number + 1),
            highest: position(number + 100),
            messages: (number + 1..number + 101).collect(),
            unrecognised: Vec::new(),
            open_end: number % 10 == 9,
            repeated_rows: 0,
            stuck: false,
        });
    }
    let ns = 1e3 * (cpu_us() - began_us) as f64 / f64::from(count);
    let bytes = ALLOCATOR.current_usage() - before;
    let each = bytes as f64 / f64::from(count);
    report("pages", count.into(), bytes, log.heap_bytes(), &format!("{ns:.2}, {each:.1} bytes each"));
}

/// What the logs hold is what was pushed.
fn check(logs: &[SubscriberLog], deliveries: u64, first: u64) {
    let windows = || logs.iter().flat_map(|log| &log.windows);
    let live: u64 = windows().map(|window| window.live().len()).sum();
    let again = |window: &StreamWindow| window.duplicates_same_connection() + window.duplicates_across_reconnect();
    assert_eq!(live, first);
    assert_eq!(live + windows().map(again).sum::<u64>(), deliveries);
    assert_eq!(logs.iter().map(|log| log.message_frames).sum::<u64>(), deliveries);
}

fn accounted(logs: &[SubscriberLog]) -> usize {
    size_of_val(logs) + logs.iter().map(SubscriberLog::heap_bytes).sum::<usize>()
}

fn report(name: &str, count: u64, bytes: usize, account: usize, ns: &str) {
    let (bytes, account) = (bytes as f64 / MIB, account as f64 / MIB);
    println!("{name:<44} {count:>13} {bytes:>9.1} {account:>9.1} {ns:>11}");
}

fn cpu_us() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has the clock");
    time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000
}
