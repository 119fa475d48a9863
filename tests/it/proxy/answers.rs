//! Answers that are lost: the target has the request, the client an RST.

use super::harness::{Bench, bytes, expect, expect_nothing, expect_reset, expect_rest, only, ping, rest, send, within};
use posthaste::faults::{CutAt, Direction, DropAnswer, Effect, Ending, Touched};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NEVER: Duration = Duration::MAX;
const SOON: Duration = Duration::from_millis(50);

fn arm(bench: &Bench, client: &TcpStream, at: CutAt, give_up: Duration) -> Instant {
    let now = Instant::now();
    bench.proxy.drop_answer(0, client.local_addr().unwrap(), DropAnswer { at, give_up });
    now
}

fn counted(touched: Touched) -> (u64, u64, u64) {
    (touched.in_scope, touched.connections, touched.discarded_bytes)
}

#[tokio::test]
async fn at_the_first_byte() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    ping(&mut (bench.pair(2).await)).await;
    arm(&bench, &client, CutAt::FirstByte, NEVER);
    // The answer comes before the target has read the request.
    let request = bytes(1, 200_000);
    send(&mut client, &request).await;
    expect(&mut server, &request[..1]).await;
    send(&mut server, b"an answer").await;
    expect_reset(&mut client).await;
    expect_rest(&mut server, &request[1..]).await;
    assert_eq!(counted(bench.proxy.touched(0)), (1, 1, 9));
}

#[tokio::test]
async fn a_target_that_goes_on_talking_is_not_reset() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    arm(&bench, &client, CutAt::FirstByte, NEVER);
    send(&mut client, b"request").await;
    expect(&mut server, b"request").await;
    let answer = bytes(1, 8_000_000);
    send(&mut server, &answer).await;
    expect_reset(&mut client).await;
    expect_rest(&mut server, b"").await;
    send(&mut server, b"one more").await;
    drop(server);
    bench.until_none_is_open().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_still_being_written_arrives_whole() {
    let bench = Bench::new().await;
    let (client, mut server) = bench.pair(1).await;
    arm(&bench, &client, CutAt::FirstByte, NEVER);
    // The target is slow, and answers while most of the request is to come.
    let request = bytes(1, 16 << 20);
    let (mut reads, mut writes) = client.into_split();
    let sent = request.clone();
    let writer = tokio::spawn(async move {
        writes.write_all(&sent).await.unwrap();
        writes
    });
    expect(&mut server, &request[..1]).await;
    send(&mut server, b"answer").await;
    let mut arrived = Vec::new();
    while within(server.read_buf(&mut arrived)).await.unwrap() > 0 {
        arrived.reserve(1 << 18);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(arrived == request[1..], "{} bytes of the request arrived", arrived.len());
    let read = within(reads.read_to_end(&mut Vec::new())).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(writer.await.unwrap());
}

#[tokio::test]
async fn after_some_bytes() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    arm(&bench, &client, CutAt::After(10), NEVER);
    send(&mut client, b"request").await;
    expect(&mut server, b"request").await;
    send(&mut server, b"0123").await;
    expect(&mut client, b"0123").await;
    send(&mut server, b"456789and the rest").await;
    assert_eq!(rest(&mut client).await, (b"456789".to_vec(), Some(ErrorKind::ConnectionReset)));
    expect_rest(&mut server, b"").await;
    assert_eq!(counted(bench.proxy.touched(0)), (1, 1, 12));
}

#[tokio::test]
async fn an_answer_that_is_too_short_to_be_cut_arrives() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    let armed_at = arm(&bench, &client, CutAt::After(10), SOON);
    send(&mut client, b"request").await;
    expect(&mut server, b"request").await;
    send(&mut server, b"0123456789").await;
    expect(&mut client, b"0123456789").await;
    expect_reset(&mut client).await;
    assert!(armed_at.elapsed() >= SOON);
    expect_rest(&mut server, b"").await;
    assert_eq!(counted(bench.proxy.touched(0)), (1, 0, 0));
}

#[tokio::test]
async fn some_time_after_the_request_was_written() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    let mut other = bench.pair(2).await;
    arm(&bench, &client, CutAt::AfterWritten(SOON), NEVER);
    send(&mut server, b"a push").await;
    expect_nothing(&client, &mut other).await;
    assert_eq!(counted(bench.proxy.touched(0)), (1, 0, 0));
    send(&mut client, b"request").await;
    expect(&mut server, b"request").await;
    send(&mut server, b"an answer").await;
    expect_nothing(&client, &mut other).await;
    let written_at = Instant::now();
    bench.proxy.written(client.local_addr().unwrap());
    expect_reset(&mut client).await;
    assert!(written_at.elapsed() >= SOON);
    expect_rest(&mut server, b"").await;
    assert_eq!(counted(bench.proxy.touched(0)), (1, 1, 9));
    ping(&mut other).await;
}

#[tokio::test]
async fn no_answer_counts_only_after_a_request() {
    for (written, count) in [(true, 1), (false, 0)] {
        let bench = Bench::new().await;
        let (mut client, mut server) = bench.pair(1).await;
        let mut other = bench.pair(2).await;
        let armed_at = arm(&bench, &client, CutAt::FirstByte, SOON);
        send(&mut server, b"a push").await;
        expect_nothing(&client, &mut other).await;
        if written {
            send(&mut client, b"request").await;
            expect(&mut server, b"request").await;
        }
        expect_reset(&mut client).await;
        assert!(armed_at.elapsed() >= SOON);
        expect_rest(&mut server, b"").await;
        assert_eq!(counted(bench.proxy.touched(0)), (1, count, 0), "{written}");
    }
}

#[tokio::test]
async fn a_target_that_answers_and_closes_does_not_close_the_client() {
    for at in [CutAt::FirstByte, CutAt::After(0), CutAt::AfterWritten(NEVER)] {
        let bench = Bench::new().await;
        let (mut client, mut server) = bench.pair(1).await;
        arm(&bench, &client, at, NEVER);
        send(&mut client, b"request").await;
        expect(&mut server, b"request").await;
        send(&mut server, b"an answer").await;
        server.shutdown().await.unwrap();
        expect_reset(&mut client).await;
        expect_rest(&mut server, b"").await;
        assert_eq!(counted(bench.proxy.touched(0)), (1, 1, 9), "{at:?}");
    }
}

#[tokio::test]
async fn a_target_that_closes_without_an_answer_is_seen_to() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    arm(&bench, &client, CutAt::FirstByte, NEVER);
    send(&mut client, b"request").await;
    expect(&mut server, b"request").await;
    drop(server);
    expect_rest(&mut client, b"").await;
    assert_eq!(counted(bench.proxy.touched(0)), (1, 0, 0));
}

#[tokio::test]
async fn the_end_of_the_fault_disarms() {
    let bench = Bench::new().await;
    let (mut one, mut two) = (bench.pair(1).await, bench.pair(2).await);
    arm(&bench, &one.0, CutAt::FirstByte, NEVER);
    arm(&bench, &two.0, CutAt::AfterWritten(NEVER), NEVER);
    send(&mut two.0, b"request").await;
    expect(&mut two.1, b"request").await;
    send(&mut two.1, b"an answer").await;
    bench.until_touched(0, |touched| touched.discarded_bytes == 9).await;
    bench.proxy.end(0);
    ping(&mut one).await;
    // Nobody could make sense of what follows a hole.
    expect_reset(&mut two.0).await;
    expect_rest(&mut two.1, b"").await;
    assert_eq!(counted(bench.proxy.touched(0)), (2, 1, 9));
}

#[tokio::test]
async fn a_second_arming_on_one_connection_replaces_the_first() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    arm(&bench, &client, CutAt::FirstByte, SOON);
    let armed_at = arm(&bench, &client, CutAt::FirstByte, 4 * SOON);
    send(&mut client, b"request").await;
    expect(&mut server, b"request").await;
    expect_reset(&mut client).await;
    assert!(armed_at.elapsed() >= 4 * SOON);
    assert_eq!(counted(bench.proxy.touched(0)), (2, 1, 0));
}

#[tokio::test]
async fn a_held_request_is_cut_when_the_time_is_over() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(1).await;
    let hold =
        Effect::Blackhole { direction: Direction::ToTarget, new_flows_too: false, lost: false, end: Ending::Heal };
    bench.proxy.begin(1, hold, only(1));
    arm(&bench, &client, CutAt::FirstByte, SOON);
    send(&mut client, b"request").await;
    expect_reset(&mut client).await;
    expect_rest(&mut server, b"").await;
    assert_eq!(counted(bench.proxy.touched(0)), (1, 0, 0));
}
