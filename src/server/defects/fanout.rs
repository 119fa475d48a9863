//! Bugs of the fan-out: pushes that are missing, doubled, late, out of order,
//! or where they do not belong.

use super::super::directory::Directory;
use super::super::options::ReplayWindow;
use super::super::publisher::event;
use super::super::socket::Socket;
use super::super::sync::lock;
use super::super::write::Post;
use super::{Defect, Defects, Instance};
use axum::extract::ws::Utf8Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a push waits to be overtaken: `racing-fanout`.
const RACE: Duration = Duration::from_millis(100);

/// A push that waits for the next one of its channel to overtake it.
struct Slow {
    socket: Arc<Socket>,
    channel: i64,
    event: Utf8Bytes,
    instance: Instance,
}

/// One message to push.
struct Message {
    post: Arc<Post>,
    ts: u64,
    event: Utf8Bytes,
}

impl Message {
    fn instance(&self, defect: Defect, socket: &Socket) -> Instance {
        Instance::new(defect.name(), &self.post, self.ts).to(&socket.user.id)
    }
}

/// A fan-out that has defects.
pub(crate) struct FaultyFanout {
    directory: Arc<Directory>,
    defects: Arc<Defects>,
    replay: ReplayWindow,
    slow: Arc<Mutex<Vec<Slow>>>,
    /// `blocking-fanout`: the queue of each channel.
    channels: HashMap<i64, mpsc::UnboundedSender<Message>>,
}

impl FaultyFanout {
    pub(crate) fn new(directory: Arc<Directory>, defects: Arc<Defects>, replay: ReplayWindow) -> Self {
        Self { directory, defects, replay, slow: Arc::default(), channels: HashMap::new() }
    }

    /// Whether a member that leaves now goes on listening.
    pub(crate) fn goes_on_listening(&self) -> bool {
        self.defects.due(Defect::KeepsListening)
    }

    /// Hands a message to the sockets of its channel, and to others.
    pub(crate) fn push(&mut self, post: &Arc<Post>, ts: u64) {
        let message = Message { post: post.clone(), ts, event: event(post, ts) };
        let mut outlet = post.channel.outlet();
        outlet.keep(ts, &message.event, &self.replay);
        if self.defects.has(Defect::BlockingFanout) {
            let defects = &self.defects;
            let channel = self.channels.entry(post.channel.number).or_insert_with(|| fan_out(defects.clone()));
            // The task ends after its queue.
            let _ = channel.send(message);
            return;
        }
        if self.defects.has(Defect::KeepsListening) {
            let left = outlet.sockets.iter().filter(|socket| !post.channel.has_member(socket.user.number));
            left.for_each(|socket| self.defects.note(&message.instance(Defect::KeepsListening, socket)));
        }
        self.defects.deaf.note_missed(&self.defects, post, ts, &outlet.sockets);
        outlet.sockets.iter().for_each(|socket| self.push_to(socket, &message));
        drop(outlet);
        if self.defects.due(Defect::WrongChannel) {
            self.push_to_stranger(&message);
        }
    }

    fn push_to(&self, socket: &Arc<Socket>, message: &Message) {
        if self.defects.due(Defect::DropLive) {
            return self.defects.note(&message.instance(Defect::DropLive, socket));
        }
        let overtaken = self.take_slow(socket, message.post.channel.number);
        if overtaken.is_none() && self.defects.due(Defect::RacingFanout) {
            return self.slow_down(socket, message);
        }
        socket.push(&message.event);
        if let Some(overtaken) = overtaken {
            socket.push(&overtaken.event);
            self.defects.note(&overtaken.instance);
        }
        if self.defects.due(Defect::DoubleFanout) {
            socket.push(&message.event);
            self.defects.note(&message.instance(Defect::DoubleFanout, socket));
        }
    }

    fn take_slow(&self, socket: &Arc<Socket>, channel: i64) -> Option<Slow> {
        let mut slow = lock(&self.slow);
        let found = slow.iter().position(|slow| slow.channel == channel && Arc::ptr_eq(&slow.socket, socket))?;
        Some(slow.swap_remove(found))
    }

    fn slow_down(&self, socket: &Arc<Socket>, message: &Message) {
        let (channel, event) = (message.post.channel.number, message.event.clone());
        let instance = message.instance(Defect::RacingFanout, socket);
        lock(&self.slow).push(Slow { socket: socket.clone(), channel, event, instance });
        let (all, ts, socket) = (self.slow.clone(), message.ts, socket.clone());
        tokio::spawn(async move {
            tokio::time::sleep(RACE).await;
            // Pushed under the lock: nothing overtakes it here.
            let mut all = lock(&all);
            let is_it = |slow: &Slow| slow.instance.ts == Some(ts) && Arc::ptr_eq(&slow.socket, &socket);
            if let Some(found) = all.iter().position(|slow| slow.channel == channel && is_it(slow)) {
                socket.push(&all.swap_remove(found).event);
            }
        });
    }

    /// As when two channels share a place in a table of routes.
    fn push_to_stranger(&self, message: &Message) {
        let channel = &message.post.channel;
        let mut strangers = self.directory.sockets();
        strangers.retain(|socket| socket.is_open() && !channel.has_member(socket.user.number));
        if let Some(socket) = strangers.get(message.ts as usize % strangers.len().max(1)) {
            socket.push(&message.event);
            self.defects.note(&message.instance(Defect::WrongChannel, socket));
        }
    }
}

/// A task that pushes the messages of one channel, one after the other.
fn fan_out(defects: Arc<Defects>) -> mpsc::UnboundedSender<Message> {
    let (queue, mut messages) = mpsc::unbounded_channel::<Message>();
    tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            let sockets = message.post.channel.outlet().sockets.clone();
            for socket in sockets {
                if socket.is_full() && defects.due(Defect::BlockingFanout) {
                    defects.note(&message.instance(Defect::BlockingFanout, &socket));
                    socket.push_and_wait(&message.event).await;
                } else {
                    socket.push(&message.event);
                }
            }
        }
    });
    queue
}
