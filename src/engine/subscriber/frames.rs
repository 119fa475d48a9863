//! What a frame means for the subscriber's log.

use super::Subscriber;
use crate::engine::hints;
use crate::engine::recent::ReadPush;
use crate::engine::shard::Shard;
use crate::engine::web_socket::Received;
use crate::ledger::{FirstSeen, Leak, Reordered};
use crate::model::{LatencyKind, unwrap_intended_us};
use crate::plan::CatchUpCursor;
use crate::target::{Frame, Push, changed_channel};

impl Subscriber {
    pub(super) fn take_text(&mut self, text: &str, now_us: u64) {
        if let Some(fetches) = &mut self.fetches
            && let Some(channel) = changed_channel(text)
        {
            if let Some(channel) = self.shard.shared.directory.channel(&channel) {
                fetches.want(channel);
            }
            return;
        }
        if self.app.is_some() {
            return self.take_app_frame(text, now_us);
        }
        let known = self.shard.recent.borrow().get(text);
        if let Some(push) = known {
            return self.take_read_push(&push, now_us);
        }
        let shared = self.shard.shared.clone();
        match Frame::parse(text, &shared.texts) {
            Frame::Push(push) => {
                let push = self.read(&push);
                self.shard.recent.borrow_mut().keep(text, push);
                self.take_read_push(&push, now_us);
            }
            Frame::Reply(id) => {
                if let Some(outbox) = &self.outbox {
                    outbox.answer(id, text);
                }
            }
            Frame::Hint => hints::shown(&self.shard, self.user, text, now_us),
            event => self.take_event(event, now_us),
        }
    }

    /// Takes what a frame tells that asks nothing back.
    pub(super) fn take_event(&mut self, frame: Frame<'_>, now_us: u64) {
        match frame {
            Frame::Push(push) => self.take_push(&push, now_us),
            Frame::Foreign(text) => {
                let seen = FirstSeen { at_us: now_us, subscriber: Some(self.user) };
                self.shard.facts.borrow_mut().foreign(&text, seen);
            }
            Frame::Garbage => self.shard.count(|counters| counters.garbage_frames += 1),
            Frame::Hello | Frame::Pong(_) | Frame::Goodbye | Frame::Reply(_) | Frame::Hint | Frame::Other => {}
        }
    }

    pub(super) fn take_push(&mut self, push: &Push<'_>, now_us: u64) {
        self.take_read_push(&self.read(push), now_us);
    }

    fn read(&self, push: &Push<'_>) -> ReadPush {
        let Push { message, intended_wrapped_us, position, intact, .. } = *push;
        // Where frames name no channel, it is the message's own.
        let under = match &push.channel {
            Some(channel) => self.shard.shared.directory.channel(channel),
            None => Some(message.channel),
        };
        ReadPush { message, intended_wrapped_us, position, intact, under }
    }

    fn take_read_push(&mut self, push: &ReadPush, now_us: u64) {
        self.last_event = self.last_event.max(push.position);
        let shard = &self.shard;
        let message = push.message;
        if !push.intact {
            let seen = FirstSeen { at_us: now_us, subscriber: Some(self.user) };
            shard.facts.borrow_mut().altered(message, seen);
        }
        let under = push.under;
        let mut log = self.log.borrow_mut();
        let arrival = (under == Some(message.channel)).then(|| log.pushed(message, push.position, now_us)).flatten();
        let Some(arrival) = arrival else {
            shard.facts.borrow_mut().leaked(self.user, message, Leak { at_us: now_us, under });
            return;
        };
        if !arrival.first {
            shard.count(|counters| counters.duplicates += 1);
            return;
        }
        if let (CatchUpCursor::Seen, Some(window)) = (shard.plan().catch_up.cursor, log.window_mut(message.channel)) {
            window.cursor = window.cursor.max(push.position);
        }
        let load_start_us = shard.load_start_us.get();
        let since_load_us = now_us.saturating_sub(load_start_us);
        let intended_us = load_start_us + unwrap_intended_us(push.intended_wrapped_us, since_load_us);
        shard.count(|counters| counters.delivered += 1);
        shard.record_of_message(LatencyKind::Delivery, intended_us, now_us.saturating_sub(intended_us));
        if let Some(ahead) = arrival.behind {
            let reordered = Reordered { subscriber: self.user, message, ahead, at_us: now_us };
            shard.facts.borrow_mut().reordered.push(reordered);
        }
    }
}

/// Counts what the target sent.
pub(super) fn count_bytes(shard: &Shard, frame: &Received<'_>) {
    let length = match frame {
        Received::Text(text) => text.len(),
        Received::Message(message) => message.len(),
        Received::End(_) => return,
    };
    shard.count(|counters| counters.frame_bytes += frame_bytes(length));
}

/// A payload with the head that a server's frame has (RFC 6455, section 5.2).
fn frame_bytes(payload: usize) -> u64 {
    let head = match payload {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    head + payload as u64
}
