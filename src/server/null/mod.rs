//! The null server: speaks enough of the wire to be sent to and listened to,
//! keeps nothing, and answers after a known delay. What a generator reports of
//! it is held against its own stamps: each is taken right behind the call of
//! the system that read or wrote.
//!
//! It is one thread that does as little as can be, so that it is not what is
//! measured. It has no history, knows no key, believes every token, and makes
//! every channel that it is asked for.

mod delay;
mod frames;
mod hub;
mod requests;
mod stamps;

pub use stamps::{NullStamps, StampedLatency};

use bytes::{Buf, BytesMut};
use delay::Delay;
use hub::{Hub, Listener, Step};
use requests::Request;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// Bytes that are read at once.
const READ_BYTES: usize = 4 * 1024;
/// No request of a generator is larger.
const REQUEST_BYTES: usize = 1024 * 1024;

/// How long a null server waits. Both delays begin when the request has been
/// read.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullOptions {
    /// Before a post is acknowledged.
    pub ack_delay: Duration,
    /// Before it is pushed.
    pub push_delay: Duration,
    /// Something before it ends TLS: its sockets are `wss`.
    pub behind_tls: bool,
}

/// Serves until `shutdown` is ready; what was stamped. Belongs on a
/// [`tokio::task::LocalSet`].
///
/// # Errors
/// What the system says of a thread that a delay needs.
pub async fn run(
    listener: TcpListener,
    options: NullOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<NullStamps> {
    let hub =
        Rc::new(Hub::new(Delay::start(options.ack_delay)?, Delay::start(options.push_delay)?, options.behind_tls));
    let accepting = spawn_local(accept(listener, hub.clone()));
    shutdown.await;
    accepting.abort();
    Ok(hub.stamped())
}

async fn accept(listener: TcpListener, hub: Rc<Hub>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let hub = hub.clone();
                spawn_local(async move {
                    if let Err(error) = serve(stream, hub).await {
                        tracing::debug!("a connection broke: {error}");
                    }
                });
            }
            // Out of descriptors, mostly: a closed connection gives one back.
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// One connection: requests, and a socket behind an upgrade.
async fn serve(stream: TcpStream, hub: Rc<Hub>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = Rc::new(stream);
    let mut input = BytesMut::new();
    let mut read_at = Instant::now();
    loop {
        let Some(request) = Request::parse(&input)? else {
            if input.len() > REQUEST_BYTES {
                return Err(io::Error::other("a request that is too large"));
            }
            if !fill(&stream, &mut input).await? {
                return Ok(());
            }
            read_at = Instant::now();
            continue;
        };
        let (step, length) = (hub.take(&request), request.length);
        input.advance(length);
        match step {
            Step::Answer(answer) => write(&stream, &answer).await?,
            Step::Post { answer, push } => {
                if hub.push.is_none() {
                    acknowledge(&stream, &hub, &answer, read_at).await?;
                    hub.push(&push, read_at);
                } else {
                    let hub_too = hub.clone();
                    spawn_local(async move {
                        hub_too.push.since(read_at).await;
                        hub_too.push(&push, read_at);
                    });
                    acknowledge(&stream, &hub, &answer, read_at).await?;
                }
            }
            Step::Upgrade { answer, user, channel } => {
                // Listening starts before the confirmation of it.
                let listener = Rc::new(Listener::new(stream.clone()));
                hub.enter(user, channel, &listener);
                let ended = match write(&stream, &answer).await {
                    Ok(()) => listener.pump(&mut input, &hub.stamps).await,
                    Err(error) => Err(error),
                };
                hub.leave(user, &listener);
                return ended;
            }
        }
    }
}

async fn acknowledge(stream: &TcpStream, hub: &Hub, answer: &[u8], read_at: Instant) -> io::Result<()> {
    hub.ack.since(read_at).await;
    write(stream, answer).await?;
    hub.stamps.borrow_mut().acknowledged(read_at);
    Ok(())
}

/// Reads what there is; false at the end.
async fn fill(stream: &TcpStream, input: &mut BytesMut) -> io::Result<bool> {
    loop {
        stream.readable().await?;
        input.reserve(READ_BYTES);
        match stream.try_read_buf(input) {
            Ok(read) => return Ok(read > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
