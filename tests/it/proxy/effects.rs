//! Faults that silence or end connections.

use super::harness::{Bench, bytes, expect, expect_nothing, expect_reset, expect_rest, only, ping, rest, send, within};
use posthaste::faults::{Direction, Effect, Ending, Scope, Touched};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

fn blackhole(direction: Direction, end: Ending) -> Effect {
    Effect::Blackhole { direction, new_flows_too: false, lost: false, end }
}

fn lossy(direction: Direction) -> Effect {
    Effect::Blackhole { direction, new_flows_too: false, lost: true, end: Ending::Heal }
}

#[tokio::test]
async fn a_blackhole_holds_both_ways_and_heals() {
    let bench = Bench::new().await;
    let mut black = bench.pair(1).await;
    let (mut other, mut unlabelled) = (bench.pair(2).await, bench.pair(None).await);
    ping(&mut black).await;
    let started = Instant::now();
    bench.proxy.begin(7, blackhole(Direction::Both, Ending::Heal), only(1));
    assert_eq!(bench.proxy.touched(7), Touched { in_scope: 1, ..Touched::default() });
    let (there, back) = (bytes(1, 30_000), bytes(2, 20_000));
    send(&mut black.0, &there).await;
    send(&mut black.1, &back).await;
    black.1.shutdown().await.unwrap();
    expect_nothing(&black.0, &mut other).await;
    expect_nothing(&black.1, &mut unlabelled).await;
    bench.proxy.end(7);
    expect(&mut black.1, &there).await;
    expect_rest(&mut black.0, &back).await;
    let touched = bench.proxy.touched(7);
    assert_eq!((touched.in_scope, touched.connections), (1, 1));
    assert_eq!((touched.held_bytes, touched.discarded_bytes), (50_000, 0));
    assert!(started < touched.first.unwrap() && touched.first <= touched.last);
}

#[tokio::test]
async fn a_blackhole_can_be_of_one_direction() {
    let bench = Bench::new().await;
    let (mut one, mut other) = (bench.pair(1).await, bench.pair(2).await);
    bench.proxy.begin(0, blackhole(Direction::ToTarget, Ending::Heal), only(1));
    send(&mut one.0, b"held").await;
    send(&mut one.1, b"not held").await;
    expect(&mut one.0, b"not held").await;
    expect_nothing(&one.1, &mut other).await;
    bench.proxy.begin(0, blackhole(Direction::FromTarget, Ending::Heal), only(1));
    expect(&mut one.1, b"held").await;
    send(&mut one.1, b"now held").await;
    send(&mut one.0, b"now not").await;
    expect(&mut one.1, b"now not").await;
    expect_nothing(&one.0, &mut other).await;
    bench.proxy.end(0);
    expect(&mut one.0, b"now held").await;
}

#[tokio::test]
async fn a_lossy_blackhole_leaves_a_hole() {
    let bench = Bench::new().await;
    let (mut one, mut other) = (bench.pair(1).await, bench.pair(2).await);
    bench.proxy.begin(0, lossy(Direction::FromTarget), only(1));
    send(&mut one.1, b"lost").await;
    send(&mut one.0, b"not lost").await;
    expect(&mut one.1, b"not lost").await;
    bench.until_touched(0, |touched| touched.discarded_bytes == 4).await;
    expect_nothing(&one.0, &mut other).await;
    bench.proxy.end(0);
    send(&mut one.1, b"after").await;
    expect(&mut one.0, b"after").await;
    assert_eq!(bench.proxy.touched(0).connections, 1);
}

#[tokio::test]
async fn a_lossy_blackhole_keeps_ends_back() {
    let bench = Bench::new().await;
    let (mut one, mut other) = (bench.pair(1).await, bench.pair(2).await);
    bench.proxy.begin(0, lossy(Direction::Both), only(1));
    send(&mut one.1, b"lost").await;
    one.1.shutdown().await.unwrap();
    bench.until_touched(0, |touched| touched.discarded_bytes == 4).await;
    expect_nothing(&one.0, &mut other).await;
    bench.proxy.end(0);
    expect_rest(&mut one.0, b"").await;
}

#[tokio::test]
async fn a_blackhole_holds_up_who_writes() {
    const MANY: usize = 128 << 20;
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    bench.proxy.begin(0, blackhole(Direction::Both, Ending::Heal), Scope::All);
    let piece = bytes(1, 1 << 16);
    let mut sent = 0;
    let mut write = async || {
        while sent < MANY {
            sent += client.write(&piece[sent % piece.len()..]).await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(500), write()).await.is_err(), "it was not held up");
    bench.proxy.end(0);
    client.shutdown().await.unwrap();
    let (read, end) = rest(&mut server).await;
    assert_eq!((read.len(), end), (sent, None));
    assert!(read.chunks(piece.len()).all(|chunk| chunk == &piece[..chunk.len()]), "other bytes than were sent");
}

#[tokio::test]
async fn connections_that_are_opened_meanwhile() {
    let bench = Bench::new().await;
    let mut other = bench.pair(2).await;
    for new_flows_too in [false, true] {
        let effect = Effect::Blackhole { direction: Direction::Both, new_flows_too, lost: false, end: Ending::Heal };
        bench.proxy.begin(0, effect, only(1));
        let mut late = bench.pair(1).await;
        if new_flows_too {
            send(&mut late.0, b"held").await;
            expect_nothing(&late.1, &mut other).await;
            bench.proxy.end(0);
            expect(&mut late.1, b"held").await;
        }
        ping(&mut late).await;
        bench.proxy.end(0);
    }
}

#[tokio::test]
async fn a_blackhole_that_ends_with_a_close_or_a_reset() {
    let bench = Bench::new().await;
    let mut other = bench.pair(2).await;
    for (end, error) in [(Ending::Close, None), (Ending::Reset, Some(ErrorKind::ConnectionReset))] {
        let (mut client, mut server) = bench.pair(1).await;
        bench.proxy.begin(0, blackhole(Direction::Both, end), only(1));
        send(&mut client, b"never arrives").await;
        send(&mut server, b"nor does this").await;
        expect_nothing(&client, &mut other).await;
        bench.proxy.end(0);
        let (at_client, at_server) = tokio::join!(rest(&mut client), rest(&mut server));
        assert_eq!((at_client, at_server), ((Vec::new(), error), (Vec::new(), error)), "{end:?}");
        ping(&mut other).await;
    }
    assert_eq!(bench.proxy.touched(0).connections, 2);
    drop(other);
    bench.until_none_is_open().await;
}

#[tokio::test]
async fn an_idle_connection_is_evicted_for_good() {
    let bench = Bench::new().await;
    let (mut silent, mut chatty) = (bench.pair(1).await, bench.pair(1).await);
    let mut other = bench.pair(2).await;
    let after = Duration::from_millis(400);
    let begun = Instant::now();
    bench.proxy.begin(0, Effect::IdleEvict { after }, only(1));
    while bench.proxy.touched(0).connections == 0 {
        ping(&mut chatty).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(bench.proxy.touched(0).first.unwrap() - begun >= after);
    send(&mut silent.0, b"anybody there?").await;
    send(&mut silent.1, b"no").await;
    bench.until_touched(0, |touched| touched.discarded_bytes == 16).await;
    expect_nothing(&silent.0, &mut other).await;
    expect_nothing(&silent.1, &mut chatty).await;
    assert_eq!(bench.proxy.touched(0).connections, 1);
    bench.proxy.end(0);
    expect_reset(&mut silent.0).await;
    expect_reset(&mut silent.1).await;
    ping(&mut chatty).await;
    ping(&mut other).await;
}

#[tokio::test]
async fn a_disconnect_closes_or_resets_at_once() {
    let bench = Bench::new().await;
    let (mut other, mut unlabelled) = (bench.pair(2).await, bench.pair(None).await);
    for (reset, error) in [(false, None), (true, Some(ErrorKind::ConnectionReset))] {
        let (mut client, mut server) = bench.pair(1).await;
        ping(&mut (client, server)).await;
        (client, server) = bench.pair(1).await;
        bench.proxy.begin(0, Effect::Disconnect { reset }, only(1));
        let (at_client, at_server) = tokio::join!(rest(&mut client), rest(&mut server));
        assert_eq!((at_client, at_server), ((Vec::new(), error), (Vec::new(), error)));
        ping(&mut other).await;
        ping(&mut unlabelled).await;
    }
    let mut late = bench.pair(1).await;
    ping(&mut late).await;
    bench.proxy.begin(1, Effect::Disconnect { reset: true }, Scope::All);
    expect_reset(&mut unlabelled.0).await;
    expect_reset(&mut late.1).await;
    within(async { bench.until_none_is_open().await }).await;
}

#[tokio::test]
async fn a_close_is_no_reset_though_the_peers_talk() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    bench.proxy.begin(0, blackhole(Direction::Both, Ending::Close), Scope::All);
    send(&mut client, &bytes(1, 50_000)).await;
    send(&mut server, &bytes(2, 50_000)).await;
    bench.proxy.end(0);
    expect_rest(&mut client, b"").await;
    expect_rest(&mut server, b"").await;
    send(&mut client, b"one more").await;
    send(&mut server, b"one more").await;
    drop((client, server));
    bench.until_none_is_open().await;
}

#[tokio::test]
async fn what_was_held_arrives_though_the_other_way_has_broken() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    bench.proxy.begin(0, blackhole(Direction::FromTarget, Ending::Heal), Scope::All);
    send(&mut server, b"an answer").await;
    // A target that goes with something unread resets.
    send(&mut client, b"unread").await;
    within(server.peek(&mut [0])).await.unwrap();
    drop(server);
    send(&mut client, b"to nobody").await;
    bench.until_touched(0, |touched| touched.connections == 1).await;
    bench.proxy.end(0);
    expect(&mut client, b"an answer").await;
    let (more, _) = rest(&mut client).await;
    assert_eq!(more, b"");
    bench.until_none_is_open().await;
}
