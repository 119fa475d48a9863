//! How a connection to the target is opened: from which address, past which
//! proxy, and with which name of TLS.

use super::path::{Destination, Purpose};
use super::shard::Shard;
use super::tls::ByteStream;
use crate::model::UserId;
use crate::plan::{Fault, FaultKind, touches_subscriber};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpSocket, TcpStream};

/// The receive buffer of a reader that will stop; the kernel doubles it. With the
/// least that Linux gives, 2,304, segments were dropped while it still read.
const SLOW_BUFFER_BYTES: u32 = 8192;
/// The receive buffer once it reads on.
const USUAL_BUFFER_BYTES: usize = 64 * 1024;

/// Opens a connection, and has it said whose it is before its first byte.
pub async fn dial(shard: &Shard, user: UserId, purpose: Purpose, to: &Destination) -> io::Result<TcpStream> {
    let path = &shard.shared.path;
    let address = path.towards(to.address);
    let (source, buffer) = (shard.shared.sources.next(address), receive_buffer(shard, user, purpose));
    let stream = match (source, buffer) {
        (None, None) => TcpStream::connect(address).await?,
        _ => connect_from(source, buffer, address).await?,
    };
    stream.set_nodelay(true)?;
    path.label(stream.local_addr()?, user, purpose);
    Ok(stream)
}

/// The same, with the handshake of TLS where the destination wants one.
pub async fn open(shard: &Shard, user: UserId, purpose: Purpose, to: &Destination) -> io::Result<ByteStream> {
    let stream = dial(shard, user, purpose, to).await?;
    shard.tls.wrap(stream, to.name.clone()).await
}

/// Who will stop reading has a small receive buffer, so that the target soon
/// feels it.
fn receive_buffer(shard: &Shard, user: UserId, purpose: Purpose) -> Option<u32> {
    let slow = |(rank, fault): (usize, &Fault)| {
        fault.kind == FaultKind::SlowReader && touches_subscriber(shard.plan(), rank, user)
    };
    let is_slow = purpose == Purpose::Socket && shard.plan().faults.iter().enumerate().any(slow);
    is_slow.then_some(SLOW_BUFFER_BYTES)
}

/// Gives a socket with a small receive buffer a usual one. A slow reader that reads
/// on would stay slow otherwise: where its window is smaller than what the sender's
/// kernel has put together meanwhile, that kernel sends one window for each of its
/// probes, every 200 ms.
pub fn widen(stream: &TcpStream) {
    let is_small = getsockopt(stream, sockopt::RcvBuf).is_ok_and(|bytes| bytes < USUAL_BUFFER_BYTES);
    if is_small {
        // A socket that has ended is noticed where it is read.
        let _ = setsockopt(stream, sockopt::RcvBuf, &USUAL_BUFFER_BYTES);
    }
}

async fn connect_from(source: Option<IpAddr>, buffer: Option<u32>, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

/// Addresses of this machine that connections leave from in turn: a port may be
/// used once for each (source, target).
#[derive(Debug, Default)]
pub struct Sources {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    turn: AtomicUsize,
}

impl Sources {
    /// These; where there are none, the system chooses.
    pub fn new(addresses: Vec<IpAddr>) -> Self {
        let (v4, v6) = addresses.into_iter().partition(IpAddr::is_ipv4);
        Self { v4, v6, turn: AtomicUsize::new(0) }
    }

    /// The one for the next connection to an address.
    pub fn next(&self, to: SocketAddr) -> Option<IpAddr> {
        let addresses = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        if addresses.is_empty() {
            return None;
        }
        Some(addresses[self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_small_receive_buffer_is_widened_and_a_larger_one_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("its address");
        let bytes = |stream: &TcpStream| getsockopt(stream, sockopt::RcvBuf).expect("its receive buffer");
        let slow = connect_from(None, Some(SLOW_BUFFER_BYTES), address).await.expect("a connection");
        let large = connect_from(None, Some(100_000), address).await.expect("a connection");
        let before = (bytes(&slow), bytes(&large));
        assert_eq!(before.0, 2 * SLOW_BUFFER_BYTES as usize);
        widen(&slow);
        widen(&large);
        assert_eq!((bytes(&slow), bytes(&large)), (2 * USUAL_BUFFER_BYTES, before.1));
        assert_ne!(before.1, 2 * USUAL_BUFFER_BYTES, "widening would change it");
    }
}
