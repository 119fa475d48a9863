//! Faults that delay, limit and cut what they let through.

use super::harness::{Bench, bytes, expect, expect_nothing, only, ping, rest, send, within};
use posthaste::faults::{Direction, Effect, Ending, Scope};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn latency(delay: Duration, jitter: Duration, direction: Direction) -> Effect {
    Effect::Latency { delay, jitter, seed: 1, direction }
}

#[tokio::test]
async fn latency_delays_each_way() {
    let bench = Bench::new().await;
    let (mut one, mut other) = (bench.pair(1).await, bench.pair(2).await);
    bench.proxy.begin(0, latency(ms(60), ms(0), Direction::Both), only(1));
    let started = Instant::now();
    ping(&mut one).await;
    assert!(started.elapsed() >= ms(120), "{:?}", started.elapsed());
    bench.until_touched(0, |touched| touched.held_bytes == 2).await;
    // A hundred round trips of the other in less than the delay, even on a
    // busy machine, were it not for the delay.
    let started = Instant::now();
    for _ in 0..100 {
        ping(&mut other).await;
    }
    assert!(started.elapsed() < ms(6000), "{:?}", started.elapsed());
    assert_eq!(bench.proxy.touched(0).connections, 1);
}

#[tokio::test]
async fn latency_of_one_direction() {
    let bench = Bench::new().await;
    for (direction, delayed_first) in [(Direction::ToTarget, true), (Direction::FromTarget, false)] {
        let (mut client, mut server) = bench.pair(1).await;
        bench.proxy.begin(0, latency(ms(300), ms(0), direction), only(1));
        let (slow, fast) = if delayed_first { (&mut client, &mut server) } else { (&mut server, &mut client) };
        send(slow, b"slow").await;
        send(fast, b"fast").await;
        expect(slow, b"fast").await;
        let early = fast.try_read(&mut [0; 8]).map_err(|error| error.kind());
        assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "{direction:?}");
        expect(fast, b"slow").await;
    }
}

#[tokio::test]
async fn jitter_keeps_the_order_and_an_end_waits_for_its_turn() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    bench.proxy.begin(0, latency(ms(1), ms(20), Direction::Both), Scope::All);
    let sent = bytes(1, 700_000);
    let writes = async {
        for (number, piece) in sent.chunks(7_000).enumerate() {
            client.write_all(piece).await.unwrap();
            if number % 10 == 0 {
                tokio::time::sleep(ms(1)).await;
            }
        }
        client.shutdown().await.unwrap();
    };
    let ((), (arrived, end)) = within(async { tokio::join!(writes, rest(&mut server)) }).await;
    assert!(arrived == sent, "{} bytes, or others", arrived.len());
    assert_eq!(end, None);
    bench.until_touched(0, |touched| touched.held_bytes == 700_000).await;
}

#[tokio::test]
async fn what_a_latency_held_flows_on_at_its_end() {
    let bench = Bench::new().await;
    let mut one = bench.pair(1).await;
    bench.proxy.begin(0, latency(Duration::MAX, ms(0), Direction::Both), only(1));
    send(&mut one.0, b"late").await;
    bench.until_touched(0, |touched| touched.held_bytes == 4).await;
    bench.proxy.end(0);
    expect(&mut one.1, b"late").await;
    ping(&mut one).await;
}

#[tokio::test]
async fn bandwidth_limits_each_way() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    bench.proxy.begin(0, Effect::Bandwidth { bytes_per_s: 200_000 }, only(1));
    let (there, back) = (bytes(1, 60_000), bytes(2, 60_000));
    let started = Instant::now();
    send(&mut client, &there).await;
    send(&mut server, &back).await;
    tokio::join!(expect(&mut server, &there), expect(&mut client, &back));
    let took = started.elapsed();
    // 60,000 bytes less 20 ms worth take 280 ms; both at once, not 560.
    assert!((ms(270)..ms(540)).contains(&took), "{took:?}");
    bench.until_touched(0, |touched| touched.held_bytes == 120_000).await;
    send(&mut client, &there).await;
    bench.proxy.end(0);
    expect(&mut server, &there).await;
}

#[tokio::test]
async fn slices_arrive_one_by_one() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    bench.proxy.begin(0, Effect::Slice { bytes: 3, pause: ms(5) }, only(1));
    let sent = bytes(1, 30);
    let started = Instant::now();
    send(&mut client, &sent).await;
    let mut read = Vec::new();
    let mut reads = 0;
    while read.len() < sent.len() {
        within(server.read_buf(&mut read)).await.unwrap();
        reads += 1;
    }
    assert_eq!(read, sent);
    assert!(started.elapsed() >= ms(45), "{:?}", started.elapsed());
    assert!(reads >= 3, "{reads} reads for ten pieces, 5 ms apart");
    bench.proxy.begin(0, Effect::Slice { bytes: 1, pause: ms(0) }, only(1));
    let sent = bytes(2, 20_000);
    send(&mut server, &sent).await;
    expect(&mut client, &sent).await;
    bench.until_touched(0, |touched| touched.held_bytes == 20_030).await;
}

#[tokio::test]
async fn effects_add_up() {
    let bench = Bench::new().await;
    let (mut one, mut other) = (bench.pair(1).await, bench.pair(2).await);
    bench.proxy.begin(0, latency(ms(30), ms(0), Direction::Both), only(1));
    bench.proxy.begin(1, latency(ms(30), ms(0), Direction::Both), Scope::All);
    bench.proxy.begin(2, Effect::Slice { bytes: 1, pause: ms(2) }, only(1));
    let started = Instant::now();
    let sent = bytes(1, 10);
    send(&mut one.0, &sent).await;
    expect(&mut one.1, &sent).await;
    assert!(started.elapsed() >= ms(78), "{:?}", started.elapsed());
    let hold = Effect::Blackhole { direction: Direction::Both, new_flows_too: false, lost: false, end: Ending::Heal };
    bench.proxy.begin(3, hold, only(1));
    send(&mut one.0, &sent).await;
    expect_nothing(&one.1, &mut other).await;
    for fault in [0, 2, 3] {
        bench.proxy.end(fault);
    }
    let started = Instant::now();
    expect(&mut one.1, &sent).await;
    ping(&mut one).await;
    assert!(started.elapsed() >= ms(60), "{:?}", started.elapsed());
}
