//! Without a fault, the proxy does not show.

use super::harness::{Bench, bytes, expect, expect_reset, expect_rest, ping, send, within};
use posthaste::model::Random;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Writes in pieces: many of one byte, some larger than any buffer.
async fn write_in_pieces(sink: &mut (impl AsyncWrite + Unpin), bytes: &[u8], seed: u64) {
    let mut random = Random::new(seed, "pieces");
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = [1, 1, 7, 1_500, 70_000, 300_000][random.below(6) as usize];
        let (piece, after) = rest.split_at(most.min(rest.len()));
        sink.write_all(piece).await.unwrap();
        rest = after;
    }
    sink.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_exact_both_ways_at_once() {
    let bench = Bench::new().await;
    let (there, back) = (bytes(1, 6_000_000), bytes(2, 5_000_000));
    let (client, server) = bench.pair(None).await;
    let (mut client_reads, mut client_writes) = client.into_split();
    let (mut server_reads, mut server_writes) = server.into_split();
    let (mut arrived, mut returned) = (Vec::new(), Vec::new());
    within(async {
        tokio::join!(
            write_in_pieces(&mut client_writes, &there, 3),
            write_in_pieces(&mut server_writes, &back, 4),
            async { server_reads.read_to_end(&mut arrived).await.unwrap() },
            async { client_reads.read_to_end(&mut returned).await.unwrap() },
        )
    })
    .await;
    assert!(arrived == there && returned == back, "other bytes than were sent");
    drop((client_reads, client_writes, server_reads, server_writes));
    bench.until_none_is_open().await;
    let counters = bench.proxy.counters();
    assert_eq!((counters.bytes_to_target, counters.bytes_from_target), (6_000_000, 5_000_000));
}

#[tokio::test]
async fn a_half_close_is_carried_over_each_way() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(None).await;
    send(&mut client, b"all I say").await;
    client.shutdown().await.unwrap();
    expect_rest(&mut server, b"all I say").await;
    let answer = bytes(1, 1_000_000);
    let (_, ()) = tokio::join!(send(&mut server, &answer), expect(&mut client, &answer));
    drop(server);
    expect_rest(&mut client, b"").await;

    let (mut client, mut server) = bench.pair(None).await;
    server.shutdown().await.unwrap();
    expect_rest(&mut client, b"").await;
    let request = bytes(2, 1_000_000);
    let (_, ()) = tokio::join!(send(&mut client, &request), expect(&mut server, &request));
    drop(client);
    expect_rest(&mut server, b"").await;
    drop(server);
    bench.until_none_is_open().await;
}

#[tokio::test]
async fn a_reset_is_carried_over_each_way() {
    let bench = Bench::new().await;
    let (client, mut server) = bench.pair(None).await;
    client.set_zero_linger().unwrap();
    drop(client);
    expect_reset(&mut server).await;

    let (mut client, server) = bench.pair(None).await;
    server.set_zero_linger().unwrap();
    drop(server);
    expect_reset(&mut client).await;
    bench.until_none_is_open().await;
}

#[tokio::test]
async fn what_a_target_said_before_it_went_arrives() {
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(None).await;
    let answer = bytes(1, 40_000);
    send(&mut server, &answer).await;
    // It leaves a request unread, for which its kernel resets.
    send(&mut client, b"more").await;
    within(server.peek(&mut [0])).await.unwrap();
    drop(server);
    expect(&mut client, &answer).await;
    expect_reset(&mut client).await;
}

#[tokio::test]
async fn who_does_not_read_holds_the_other_up() {
    const MANY: usize = 256 << 20;
    let bench = Bench::new().await;
    let (mut client, mut server) = bench.pair(None).await;
    let piece = bytes(1, 1 << 20);
    let mut sent = 0;
    while sent < MANY {
        match tokio::time::timeout(Duration::from_millis(500), client.write(&piece[sent % piece.len()..])).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => break,
        }
    }
    // Four socket buffers, of 6 MiB at most, and one of the proxy's.
    assert!(sent < MANY / 4, "{sent} bytes were taken, and nobody reads them");
    client.shutdown().await.unwrap();
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let got = within(server.read(&mut buffer)).await.unwrap();
        if got == 0 {
            break;
        }
        for byte in &buffer[..got] {
            assert_eq!(*byte, piece[read % piece.len()]);
            read += 1;
        }
    }
    assert_eq!(read, sent);
}

#[tokio::test]
async fn dropping_it_ends_everything() {
    let bench = Bench::new().await;
    let mut pairs = Vec::new();
    for _ in 0..10 {
        let mut pair = bench.pair(None).await;
        ping(&mut pair).await;
        pairs.push(pair);
    }
    let address = bench.proxy.address();
    drop(bench.proxy);
    for (client, server) in &mut pairs {
        expect_rest(client, b"").await;
        expect_rest(server, b"").await;
    }
    let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
