//! How a connection to the target is opened: from which address, past which
//! proxy, and with which name of TLS.

use super::path::{Destination, Purpose};
use super::shard::Shard;
use super::tls::ByteStream;
use crate::model::UserId;
use crate::plan::{Fault, FaultKind, touches_subscriber};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpSocket, TcpStream};

/// The least that Linux gives.
const SLOW_BUFFER_BYTES: u32 = 2304;

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
