//! The proxy's thread: accepts, connects, and starts a task a connection.

use super::flow::{Flow, Parting};
use super::registry::{Place, Registry};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections that wait to be accepted; the kernel caps it by
/// `net.core.somaxconn`. A herd comes back at once.
const BACKLOG: u32 = 65_535;
/// How long a peer that was sent a FIN may take to end its own direction.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait where no connection can be accepted, for want of
/// descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Binds; to be called within the runtime.
pub(super) fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port of the caller's choice may have connections of an earlier owner.
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it: else the kernel would join small writes,
    // and delay them.
    socket.set_nodelay(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// Accepts until `stop`, connections to the upstreams in turn.
pub(super) async fn serve(
    listener: TcpListener,
    upstreams: Arc<[SocketAddr]>,
    registry: Arc<Registry>,
    stop: impl Future,
) {
    let wakes = Arc::clone(&registry);
    tokio::spawn(async move { wakes.wake_the_concerned().await });
    let mut stop = std::pin::pin!(stop);
    let mut turn = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, address)) => {
                registry.counters.accepted.fetch_add(1, Relaxed);
                let place = registry.enter(address);
                tokio::spawn(connection(client, place, Arc::clone(&registry), Arc::clone(&upstreams), turn));
                turn = (turn + 1) % upstreams.len();
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(
    client: TcpStream,
    place: Place,
    registry: Arc<Registry>,
    upstreams: Arc<[SocketAddr]>,
    turn: usize,
) {
    let _open = Open::new(&registry);
    let Some(server) = connect(&upstreams, turn).await else {
        registry.counters.refused.fetch_add(1, Relaxed);
        drop(place);
        return part(client, Parting::Reset).await;
    };
    let _ = server.set_nodelay(true);
    let mut flow = Flow::new(client, server);
    let partings = flow.run(&place, &registry.counters).await;
    drop(place);
    tokio::join!(part(flow.client, partings.client), part(flow.server, partings.server));
}

/// The first upstream that accepts, beginning with the one whose turn it is.
/// How long one may be silent is the kernel's to say: a timer for each
/// connection costs a system call to wake the thread that sets it.
async fn connect(upstreams: &[SocketAddr], turn: usize) -> Option<TcpStream> {
    for upstream in upstreams.iter().cycle().skip(turn).take(upstreams.len()) {
        if let Ok(server) = TcpStream::connect(upstream).await {
            return Some(server);
        }
    }
    None
}

async fn part(mut stream: TcpStream, parting: Parting) {
    match parting {
        Parting::Leave => {}
        Parting::Reset => {
            let _ = stream.set_zero_linger();
        }
        Parting::Close => {
            let _ = stream.shutdown().await;
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, discard(&stream)).await;
        }
    }
}

/// Reads until the peer ends: unread bytes would turn the FIN into an RST.
async fn discard(stream: &TcpStream) {
    while stream.readable().await.is_ok() {
        // Not held over an await: it would be part of every task.
        match stream.try_read(&mut [0; 4096]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Counts a connection as open while it lives.
struct Open<'a>(&'a Registry);

impl<'a> Open<'a> {
    fn new(registry: &'a Registry) -> Self {
        registry.counters.open.fetch_add(1, Relaxed);
        Self(registry)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counters.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn small_writes_are_not_delayed_for_the_client() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(accepted.nodelay().unwrap());
    }
}
