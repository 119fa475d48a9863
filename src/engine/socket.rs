//! A subscriber's socket: asked for by `rtm.connect`, or by an app's
//! `apps.connections.open`, opened, bounded.

use super::dial;
use super::handshake::shake;
use super::path::{Destination, Purpose};
use super::shard::Shard;
use super::stream::HttpStream;
use super::tls::{ByteStream, server_name};
use super::web_socket::{Received, WebSocket};
use crate::model::{Position, UserId};
use crate::plan::ReceiveDesign;
use crate::target::{parse_socket_url, permit_named};
use futures_util::Stream;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use url::{Host, Url};

/// What a subscriber holds.
pub enum Socket {
    /// A WebSocket.
    Ws(Box<WebSocket<ByteStream>>),
    /// Events over HTTP.
    Stream(Box<HttpStream>),
    /// Several, each for one channel: they live and die together.
    Lanes(Box<Lanes>),
}

/// Connections for one channel each.
pub struct Lanes {
    lanes: Vec<Socket>,
    next: usize,
    /// Which of them the last frame came over.
    pub last: usize,
}

impl Stream for Socket {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Socket::Ws(socket) => socket.poll_each(task, &mut |received| {
                ControlFlow::Break(match received {
                    Received::Text(text) => Some(Ok(Message::text(text))),
                    Received::Message(message) => Some(Ok(message)),
                    Received::End(error) => error.map(Err),
                })
            }),
            Socket::Stream(stream) => stream.poll_frame(task).map(|frame| frame.map(|text| Ok(Message::text(text)))),
            Socket::Lanes(lanes) => lanes.poll_next(task),
        }
    }
}

impl Lanes {
    fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Message, tungstenite::Error>>> {
        let count = self.lanes.len();
        for step in 0..count {
            let at = (self.next + step) % count;
            if let Poll::Ready(frame) = Pin::new(&mut self.lanes[at]).poll_next(task) {
                // Everybody gets a turn.
                (self.next, self.last) = ((at + 1) % count, at);
                return Poll::Ready(frame);
            }
        }
        Poll::Pending
    }
}

impl Socket {
    /// Hands over what comes, until nothing is there or `take` breaks off.
    pub fn poll_each<B>(
        &mut self,
        task: &mut Context<'_>,
        take: &mut impl FnMut(Received<'_>) -> ControlFlow<B>,
    ) -> Poll<B> {
        if let Socket::Ws(socket) = self {
            return socket.poll_each(task, take);
        }
        loop {
            let frame = std::task::ready!(Pin::new(&mut *self).poll_next(task));
            if let ControlFlow::Break(broken) = take(frame.into()) {
                return Poll::Ready(broken);
            }
        }
    }

    /// Looks at what a read will look at.
    #[inline]
    pub fn touch(&self) -> bool {
        matches!(self, Socket::Ws(socket) if socket.touch())
    }

    /// Several as one.
    pub fn lanes(lanes: Vec<Socket>) -> Self {
        Socket::Lanes(Box::new(Lanes { lanes, next: 0, last: 0 }))
    }

    /// Its own address; the first one's of several.
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Socket::Ws(socket) => socket.stream().carrier().local_addr().ok(),
            Socket::Stream(stream) => Some(stream.local),
            Socket::Lanes(lanes) => lanes.lanes.first()?.local(),
        }
    }

    /// The one of several that the last frame came over, or this one itself.
    pub fn last_lane(&mut self) -> (usize, &mut Socket) {
        match self {
            Socket::Lanes(lanes) => (lanes.last, &mut lanes.lanes[lanes.last]),
            one => (0, one),
        }
    }

    /// The connections that it is made of.
    pub fn each(&mut self) -> &mut [Socket] {
        match self {
            Socket::Lanes(lanes) => &mut lanes.lanes,
            one => std::slice::from_mut(one),
        }
    }

    /// Ends it by a reset where that can be.
    pub fn reset(&self) {
        match self {
            Socket::Ws(socket) => _ = socket.stream().carrier().set_zero_linger(),
            Socket::Stream(_) => {}
            Socket::Lanes(lanes) => lanes.lanes.iter().for_each(Socket::reset),
        }
    }

    /// A slow reader reads on: it has a usual receive buffer from now on, where it
    /// holds the socket itself.
    pub fn widen(&self) {
        match self {
            Socket::Ws(socket) => dial::widen(socket.stream().carrier()),
            Socket::Stream(_) => {}
            Socket::Lanes(lanes) => lanes.lanes.iter().for_each(Socket::widen),
        }
    }

    /// Says goodbye where the transport knows that; whether an answer is to be
    /// waited for.
    pub async fn say_goodbye(&mut self) -> bool {
        match self {
            Socket::Ws(socket) => socket.close().await.is_ok(),
            Socket::Stream(_) | Socket::Lanes(_) => false,
        }
    }
}

/// tungstenite's default is 128 KiB a connection. It is shown what it needs to see
/// of a connection, and few frames are for it.
const READ_BUFFER_BYTES: usize = 64;
/// How long a frame may wait for room in the socket.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);
/// No chat event is larger; a larger frame ends the connection.
const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// Opens a socket for a user within the plan's time-out; `last_event` is what
/// the target is told that the client saw last. An error is in words.
pub async fn open(shard: &Shard, user: UserId, last_event: Option<Position>) -> Result<Socket, String> {
    let timeout = Duration::from_micros(shard.plan().connect.timeout_us);
    let opening = async {
        let slack = &shard.api.slack;
        let (method, answer) = match shard.plan().receive.design {
            ReceiveDesign::SocketMode => {
                ("apps.connections.open", shard.api.call_as_app(user, slack.open_app_connection(), timeout).await?)
            }
            _ => ("rtm.connect", shard.api.call(user, slack.rtm_connect(last_event), timeout).await?),
        };
        let url = parse_socket_url(answer.status, &answer.body).map_err(|said| format!("{method}: {said}"))?;
        let to = destination_of(shard, user, &url)?;
        let stream = dial::open(shard, user, Purpose::Socket, &to).await;
        let stream = stream.map_err(|error| note_exhaustion(shard, error))?;
        let socket = shake(&url, stream, config()).await.map_err(|error| format!("handshake: {error}"))?;
        Ok(Socket::Ws(socket.into()))
    };
    tokio::time::timeout(timeout, opening).await.unwrap_or_else(|_| Err("no connection in time".to_owned()))
}

/// The bounds of a WebSocket.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(64 * 1024)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
}

/// Writes a frame; false where the connection is broken, or has had no room for
/// a while. Over HTTP, nothing is written.
pub async fn write(socket: &mut Socket, frame: Message) -> bool {
    let Socket::Ws(socket) = socket else { return true };
    matches!(tokio::time::timeout(WRITE_PATIENCE, socket.send(frame)).await, Ok(Ok(())))
}

/// Where a socket URL leads: the target's own host, or another address that
/// load may go to.
pub fn destination_of(shard: &Shard, user: UserId, url: &str) -> Result<Destination, String> {
    let path = &shard.shared.path;
    let parsed = Url::parse(url).map_err(|error| format!("the socket URL is no URL ({error})"))?;
    let tls = match parsed.scheme() {
        "ws" | "http" => false,
        "wss" | "https" => true,
        scheme => return Err(format!("the socket URL has the scheme {scheme}; ws, wss, http and https are supported")),
    };
    let port = parsed.port_or_known_default().ok_or("the socket URL has no port")?;
    let own = path.target_of(user).address.ip();
    let ip: IpAddr = match parsed.host() {
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.into(),
        Some(Host::Domain(name)) if name.eq_ignore_ascii_case(&shard.shared.address.host) => own,
        // The same machine by its other name.
        Some(Host::Domain("localhost")) if own.is_loopback() => own,
        host => {
            let host = host.map_or_else(String::new, |host| format!(" {host}"));
            return Err(format!("the socket URL leads to another host{host} than the target's"));
        }
    };
    if !path.resolved().iter().any(|resolved| resolved.ip() == ip) {
        permit_named(ip, &shard.shared.allowed_hosts).map_err(|error| error.to_string())?;
    }
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let name = tls.then(|| server_name(host)).transpose().map_err(|error| error.to_string())?;
    Ok(Destination { address: SocketAddr::new(ip, port), name })
}

/// A connection that was refused for this machine's own limits is counted so.
pub fn note_exhaustion(shard: &Shard, error: std::io::Error) -> String {
    if super::http::is_exhaustion(&error) {
        shard.count(|counters| counters.exhausted += 1);
    }
    error.to_string()
}
