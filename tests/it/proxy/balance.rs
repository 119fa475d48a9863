//! Several upstreams, and those that refuse.

use super::harness::{expect_reset, ping, within};
use posthaste::faults::FaultProxy;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn upstreams_take_turns() {
    let (one, first) = listener().await;
    let (two, second) = listener().await;
    let proxy = FaultProxy::start(vec![first, second]).unwrap();
    for _ in 0..3 {
        for upstream in [&one, &two] {
            let client = TcpStream::connect(proxy.address()).await.unwrap();
            let (server, _) = within(upstream.accept()).await.unwrap();
            ping(&mut (client, server)).await;
        }
    }
}

#[tokio::test]
async fn an_upstream_that_refuses_is_passed_over() {
    let (gone, first) = listener().await;
    let (two, second) = listener().await;
    drop(gone);
    let proxy = FaultProxy::start(vec![first, second]).unwrap();
    for _ in 0..4 {
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        let (server, _) = within(two.accept()).await.unwrap();
        ping(&mut (client, server)).await;
    }
    assert_eq!(proxy.counters().refused, 0);
}

#[tokio::test]
async fn where_all_refuse_the_client_is_reset() {
    let (gone, first) = listener().await;
    let (also, second) = listener().await;
    drop((gone, also));
    let proxy = FaultProxy::start(vec![first, second]).unwrap();
    // The reset may be there before the client has looked at its new socket.
    match TcpStream::connect(proxy.address()).await {
        Ok(mut client) => expect_reset(&mut client).await,
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert_eq!((proxy.counters().accepted, proxy.counters().refused), (1, 1));
}

#[test]
fn a_proxy_needs_an_upstream() {
    let error = FaultProxy::start(Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
