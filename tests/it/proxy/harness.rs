//! Both ends of connections through a proxy.

use posthaste::faults::{FaultProxy, Scope, Touched};
use posthaste::model::Random;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy before a target that accepts when it is told to.
pub struct Bench {
    pub target: TcpListener,
    pub proxy: FaultProxy,
}

impl Bench {
    pub async fn new() -> Self {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::start(vec![target.local_addr().unwrap()]).unwrap();
        Self { target, proxy }
    }

    /// A connection: the client's end and the target's.
    pub async fn pair(&self, label: impl Into<Option<u64>>) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.address()).await.unwrap();
        if let Some(label) = label.into() {
            self.proxy.label(client.local_addr().unwrap(), label);
        }
        let (server, _) = within(self.target.accept()).await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        (client, server)
    }

    /// Waits until this holds for what a fault has touched.
    pub async fn until_touched(&self, fault: usize, holds: impl Fn(&Touched) -> bool) -> Touched {
        within(async {
            loop {
                let touched = self.proxy.touched(fault);
                if holds(&touched) {
                    return touched;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
    }

    /// Waits until the proxy holds no connection.
    pub async fn until_none_is_open(&self) {
        within(async {
            while self.proxy.counters().open > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

/// The connections of one label.
pub fn only(label: u64) -> Scope {
    Scope::Labels(Arc::new(move |other| other == label))
}

/// Fails where it takes too long.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it takes too long")
}

pub async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    within(stream.write_all(bytes)).await.unwrap();
}

/// Reads so many bytes and compares them.
pub async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    within(stream.read_exact(&mut read)).await.unwrap();
    assert!(read == bytes, "other bytes than were sent");
}

/// Reads to the end, and compares what came.
pub async fn expect_rest(stream: &mut TcpStream, bytes: &[u8]) {
    let (read, end) = rest(stream).await;
    assert!(read == bytes, "{} bytes for {}, or others", read.len(), bytes.len());
    assert_eq!(end, None, "no FIN");
}

/// What still comes, and the error that ends it, if it is not a FIN.
pub async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut read = Vec::new();
    let end = within(stream.read_to_end(&mut read)).await;
    (read, end.err().map(|error| error.kind()))
}

pub async fn expect_reset(stream: &mut TcpStream) {
    assert_eq!(rest(stream).await, (Vec::new(), Some(io::ErrorKind::ConnectionReset)));
}

/// A byte to the target, and one back.
pub async fn ping(pair: &mut (TcpStream, TcpStream)) {
    send(&mut pair.0, b"?").await;
    expect(&mut pair.1, b"?").await;
    send(&mut pair.1, b"!").await;
    expect(&mut pair.0, b"!").await;
}

/// Asserts that nothing has come. `other` is a connection through the same
/// proxy that no fault holds: the proxy's one thread saw what was sent before
/// its round trips.
pub async fn expect_nothing(stream: &TcpStream, other: &mut (TcpStream, TcpStream)) {
    for _ in 0..3 {
        ping(other).await;
    }
    let got = stream.try_read(&mut [0; 64]).map_err(|error| error.kind());
    assert_eq!(got, Err(io::ErrorKind::WouldBlock), "something has come");
}

pub fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut random = Random::new(seed, "bytes");
    (0..count).map(|_| random.next_u64() as u8).collect()
}
