//! How a connection to the target is opened: from which address, past which
//! proxy, and with which name of TLS.

use super::path::{Destination, Purpose};
use super::shard::Shard;
use super::tls::ByteStream;
use crate::model::UserId;
use crate::plan::{Fault, FaultKind, touches_subscriber};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};

/// The least that Linux gives.
const SLOW_BUFFER_BYTES: u32 = 2304;

/// Opens a connection, and has it said whose it is before its first byte.
pub async fn dial(shard: &Shard, user: UserId, purpose: Purpose, to: &Destination) -> io::Result<TcpStream> {
    let path = &shard.shared.path;
    let address = path.towards(to.address);
    let stream = match receive_buffer(shard, user, purpose) {
        None => TcpStream::connect(address).await?,
        Some(bytes) => connect_with_buffer(address, bytes).await?,
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

async fn connect_with_buffer(address: SocketAddr, bytes: u32) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(bytes)?;
    socket.connect(address).await
}
