//! Who is in which channel, and who listens.

use super::delay::Delay;
use super::fill;
use super::frames::{self, Frame};
use super::requests::{Request, answer, upgraded};
use super::stamps::{NullStamps, Stamps};
use crate::server::ids;
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Frames that may wait for a socket; one that reads too slowly ends.
const QUEUE_FRAMES: usize = 4_096;

/// What a request asks for.
pub(super) enum Step {
    /// An answer, at once.
    Answer(Vec<u8>),
    /// A post: the answer, and what is pushed.
    Post { answer: Vec<u8>, push: Push },
    /// A socket: of a user, or of nobody who listens to one channel.
    Upgrade { answer: Vec<u8>, user: usize, channel: Option<usize> },
}

/// A frame for all who listen to a channel.
pub(super) struct Push {
    channel: usize,
    frame: Bytes,
}

#[derive(Deserialize)]
struct Post<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    client_msg_id: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    channel: &'a str,
    user: &'a str,
    text: &'a str,
    ts: &'a str,
    event_ts: &'a str,
    team: &'static str,
    client_msg_id: Option<&'a str>,
}

struct Channel {
    id: String,
    last_ts: u64,
    members: Vec<usize>,
    listeners: Vec<Rc<Listener>>,
}

/// All that the server knows.
pub(super) struct Hub {
    /// Waits before an acknowledgement.
    pub(super) ack: Delay,
    /// Waits before a push.
    pub(super) push: Delay,
    /// Of the URL of a socket.
    socket_scheme: &'static str,
    /// What was stamped.
    pub(super) stamps: RefCell<Stamps>,
    users: RefCell<HashMap<String, usize>>,
    ranks: RefCell<HashMap<String, usize>>,
    channels: RefCell<Vec<Channel>>,
    sockets: RefCell<BTreeMap<usize, Vec<Rc<Listener>>>>,
}

impl Hub {
    pub(super) fn new(ack: Delay, push: Delay, behind_tls: bool) -> Self {
        let socket_scheme = if behind_tls { "wss" } else { "ws" };
        Self {
            ack,
            push,
            socket_scheme,
            stamps: RefCell::new(Stamps::new()),
            users: RefCell::default(),
            ranks: RefCell::default(),
            channels: RefCell::default(),
            sockets: RefCell::default(),
        }
    }

    pub(super) fn stamped(&self) -> NullStamps {
        self.stamps.borrow().summary()
    }

    /// Takes a request.
    pub(super) fn take(&self, request: &Request<'_>) -> Step {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        if let Some(key) = request.socket_key {
            let channel = parameter(query.as_bytes(), "channel").map(|id| self.channel(&id));
            let user = parameter(query.as_bytes(), "ticket").and_then(|ticket| ticket.parse().ok());
            return Step::Upgrade { answer: upgraded(key), user: user.unwrap_or(usize::MAX), channel };
        }
        let method = path.strip_prefix("/api/").unwrap_or_default();
        if method == "chat.postMessage" {
            return self.post(request);
        }
        let user = self.user(request.token);
        let named = |name| parameter(request.body, name).or_else(|| parameter(query.as_bytes(), name));
        let known = || ids::user_id(user as i64 + 1);
        let body = match method {
            "auth.test" => json!({ "ok": true, "user_id": known(), "user": known(), "team_id": ids::TEAM_ID }),
            "conversations.create" => {
                let next = self.channels.borrow().len() as i64 + 1;
                let channel = self.channel(&ids::channel_id(next));
                self.join(user, channel);
                json!({ "ok": true, "channel": { "id": self.channels.borrow()[channel].id } })
            }
            "conversations.join" => match named("channel") {
                Some(id) => {
                    self.join(user, self.channel(&id));
                    json!({ "ok": true, "channel": { "id": id } })
                }
                None => json!({ "ok": false, "error": "channel_not_found" }),
            },
            "rtm.connect" => {
                json!({ "ok": true, "url": format!("{}://{}/rtm?ticket={user}", self.socket_scheme, request.host), "self": { "id": known() } })
            }
            _ => json!({ "ok": false, "error": "unknown_method" }),
        };
        Step::Answer(answer(&body.to_string()))
    }

    fn post(&self, request: &Request<'_>) -> Step {
        self.stamps.borrow_mut().posted();
        let Ok(post) = serde_json::from_slice::<Post<'_>>(request.body) else {
            return Step::Answer(answer(r#"{"ok":false,"error":"invalid_arguments"}"#));
        };
        let (user, channel) = (self.user(request.token), self.channel(&post.channel));
        let ts = ids::ts_text(self.next_ts(channel));
        let event = Event {
            r#type: "message",
            channel: &post.channel,
            user: &ids::user_id(user as i64 + 1),
            text: &post.text,
            ts: &ts,
            event_ts: &ts,
            team: ids::TEAM_ID,
            client_msg_id: post.client_msg_id.as_deref(),
        };
        // Texts and numbers only: nothing here can fail.
        let event = serde_json::to_string(&event).unwrap_or_default();
        let body = format!(r#"{{"ok":true,"ts":"{ts}","message":{event}}}"#);
        Step::Post { answer: answer(&body), push: Push { channel, frame: frames::text(&event) } }
    }

    /// Hands a frame to all who listen.
    pub(super) fn push(&self, push: &Push, read_at: Instant) {
        for listener in &self.channels.borrow()[push.channel].listeners {
            listener.write(&push.frame, Some(read_at), &self.stamps);
        }
    }

    /// A socket listens from now on, and is told so.
    pub(super) fn enter(&self, user: usize, channel: Option<usize>, listener: &Rc<Listener>) {
        self.sockets.borrow_mut().entry(user).or_default().push(listener.clone());
        for (rank, known) in self.channels.borrow_mut().iter_mut().enumerate() {
            if channel == Some(rank) || known.members.contains(&user) {
                known.listeners.push(listener.clone());
            }
        }
    }

    /// It does not any more.
    pub(super) fn leave(&self, user: usize, listener: &Rc<Listener>) {
        let others = |known: &Rc<Listener>| !Rc::ptr_eq(known, listener);
        if let Some(sockets) = self.sockets.borrow_mut().get_mut(&user) {
            sockets.retain(others);
        }
        self.channels.borrow_mut().iter_mut().for_each(|channel| channel.listeners.retain(others));
    }

    fn join(&self, user: usize, channel: usize) {
        let channel = &mut self.channels.borrow_mut()[channel];
        if !channel.members.contains(&user) {
            channel.members.push(user);
            channel.listeners.extend(self.sockets.borrow().get(&user).into_iter().flatten().cloned());
        }
    }

    fn user(&self, token: &str) -> usize {
        if let Some(user) = self.users.borrow().get(token) {
            return *user;
        }
        let mut users = self.users.borrow_mut();
        let next = users.len();
        *users.entry(token.to_owned()).or_insert(next)
    }

    fn channel(&self, id: &str) -> usize {
        if let Some(rank) = self.ranks.borrow().get(id) {
            return *rank;
        }
        let mut channels = self.channels.borrow_mut();
        channels.push(Channel { id: id.to_owned(), last_ts: 0, members: Vec::new(), listeners: Vec::new() });
        self.ranks.borrow_mut().insert(id.to_owned(), channels.len() - 1);
        channels.len() - 1
    }

    fn next_ts(&self, channel: usize) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as u64);
        let last_ts = &mut self.channels.borrow_mut()[channel].last_ts;
        *last_ts = now.max(*last_ts + 1);
        *last_ts
    }
}

/// A value of a query or a form.
fn parameter(form: &[u8], name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(form);
    pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
}

/// A frame that waits: how much of it is written, and when its post was read.
struct Waiting {
    frame: Bytes,
    written: usize,
    read_at: Option<Instant>,
}

/// A live socket.
pub(super) struct Listener {
    stream: Rc<TcpStream>,
    backlog: RefCell<VecDeque<Waiting>>,
    is_over: Cell<bool>,
    changed: Notify,
}

impl Listener {
    pub(super) fn new(stream: Rc<TcpStream>) -> Self {
        Self { stream, backlog: RefCell::default(), is_over: Cell::new(false), changed: Notify::new() }
    }

    /// Writes a frame at once, or as soon as there is room.
    fn write(&self, frame: &Bytes, read_at: Option<Instant>, stamps: &RefCell<Stamps>) {
        let mut backlog = self.backlog.borrow_mut();
        let written = if backlog.is_empty() { self.stream.try_write(frame).unwrap_or(0) } else { 0 };
        if written == frame.len() {
            read_at.iter().for_each(|read_at| stamps.borrow_mut().pushed(*read_at));
            return;
        }
        // A socket that broke is noticed by its reader.
        self.is_over.set(backlog.len() >= QUEUE_FRAMES);
        backlog.push_back(Waiting { frame: frame.clone(), written, read_at });
        self.changed.notify_one();
    }

    /// Writes what waits, as far as there is room.
    fn flush(&self, stamps: &RefCell<Stamps>) -> io::Result<()> {
        let mut backlog = self.backlog.borrow_mut();
        while let Some(first) = backlog.front_mut() {
            match self.stream.try_write(&first.frame[first.written..]) {
                Ok(written) => first.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if first.written == first.frame.len() {
                first.read_at.iter().for_each(|read_at| stamps.borrow_mut().pushed(*read_at));
                backlog.pop_front();
            }
        }
        Ok(())
    }

    /// Reads and writes until the socket ends.
    pub(super) async fn pump(&self, input: &mut BytesMut, stamps: &RefCell<Stamps>) -> io::Result<()> {
        self.write(&frames::text(r#"{"type":"hello"}"#), None, stamps);
        while !self.is_over.get() {
            while let Some(frame) = frames::take(input)? {
                match frame {
                    Frame::Text(text) => pong(&text).iter().for_each(|pong| self.write(pong, None, stamps)),
                    Frame::Ping(payload) => self.write(&frames::pong(&payload), None, stamps),
                    Frame::Close => return super::write(&self.stream, &frames::close()).await,
                    Frame::Other => {}
                }
            }
            self.flush(stamps)?;
            let waits = !self.backlog.borrow().is_empty();
            tokio::select! {
                more = fill(&self.stream, input) => if !more? { return Ok(()) },
                ready = self.stream.writable(), if waits => ready?,
                () = self.changed.notified() => {}
            }
            if input.is_empty() {
                // An idle socket holds no buffer.
                *input = BytesMut::new();
            }
        }
        Ok(())
    }
}

/// The answer to a client's ping.
fn pong(text: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Ping<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
        #[serde(default)]
        id: u64,
    }
    let ping = serde_json::from_slice::<Ping<'_>>(text).ok().filter(|ping| ping.r#type == "ping")?;
    Some(frames::text(&format!(r#"{{"type":"pong","reply_to":{}}}"#, ping.id)))
}
