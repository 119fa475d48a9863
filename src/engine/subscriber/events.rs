//! What a subscriber does as an app with the events that it is told.

use super::{Parted, Subscriber, ended};
use crate::engine::app::{Answer, App, Asker, Delayed, EventId};
use crate::engine::socket::{self, Socket};
use crate::ledger::ConnectionEnd;
use crate::plan::{Acknowledges, Fate, app_fate};
use crate::target::{self, AppFrame, Callback, Frame, acknowledgement};
use tokio_tungstenite::tungstenite::Message;

impl Subscriber {
    /// Takes a frame of a Socket Mode connection.
    pub(super) fn take_app_frame(&mut self, text: &str, now_us: u64) {
        let shared = self.shard.shared.clone();
        match AppFrame::parse(text, &shared.texts) {
            AppFrame::Envelope(envelope) => {
                let asker = Asker::Envelope(envelope.id.into());
                self.take_callback(envelope.callback, envelope.attempt, asker, now_us);
            }
            AppFrame::Refresh => self.open_next(),
            AppFrame::Garbage => self.shard.count(|counters| counters.garbage_frames += 1),
            AppFrame::Hello | AppFrame::Other => {}
        }
    }

    /// Takes what the app is told, and answers as its manners are.
    pub(super) fn take_callback(&mut self, callback: Callback<'_>, attempt: u32, asker: Asker, now_us: u64) {
        let (id, frame) = match callback {
            Callback::Event { id, frame } => (id, frame),
            Callback::Question => return self.answer(Some(asker), Answer::Said),
            Callback::Challenge(_) | Callback::Other => return self.answer(Some(asker), Answer::Taken),
        };
        let id = EventId::of(&id);
        if self.app.as_ref().is_some_and(|app| app.known.has(id)) {
            self.shard.count_app(|figures| figures.recognised += 1);
            return self.answer(Some(asker), Answer::Taken);
        }
        let fate = match &frame {
            Frame::Push(push) if attempt == 0 => app_fate(self.shard.plan(), self.user, push.message),
            _ => Fate::Processed,
        };
        let mut asker = Some(asker);
        if fate == Fate::Failed {
            self.shard.count_app(|figures| figures.failed += 1);
            return self.answer(asker, Answer::Refused);
        }
        if self.shard.plan().receive.app.acknowledges == Acknowledges::Before {
            self.answer(asker.take(), Answer::Taken);
        }
        let delay_us = self.shard.plan().receive.app.delay_us;
        let Some(app) = &mut self.app else { return };
        match (fate, frame) {
            (Fate::Fatal, _) => return self.die(id, asker),
            (Fate::Delayed, Frame::Push(push)) => {
                app.known.remember(id);
                app.delayed.push_back(Delayed { due_us: now_us + delay_us, id, push: push.into_owned(), asker });
                return;
            }
            (_, frame) => {
                app.known.remember(id);
                // The acknowledgement did not arrive.
                let comes_again = app.lost.remove(&id);
                self.shard.count_app(|figures| figures.lost -= u64::from(comes_again));
                self.take_event(frame, now_us);
            }
        }
        self.answer(asker, Answer::Taken);
    }

    /// Processes what was delayed until now.
    pub(super) fn take_delayed(&mut self, now_us: u64) {
        while let Some(app) = self.app.as_mut().filter(|app| app.due_us() <= now_us) {
            let Some(Delayed { push, asker, .. }) = app.delayed.pop_front() else { return };
            self.take_push(&push, now_us);
            self.answer(asker, Answer::Taken);
        }
    }

    /// The app dies: what it has acknowledged and not processed is lost, what it
    /// has not acknowledged is sent again.
    fn die(&mut self, id: EventId, asker: Option<Asker>) {
        let Some(app) = &mut self.app else { return };
        let before = app.lost.len();
        app.lost.extend(asker.is_none().then_some(id));
        for delayed in app.delayed.drain(..) {
            app.known.forget(delayed.id);
            app.lost.extend(delayed.asker.is_none().then_some(delayed.id));
        }
        app.died = true;
        let lost = (app.lost.len() - before) as u64;
        self.shard.count_app(|figures| {
            figures.crashes += 1;
            figures.lost += lost;
        });
        self.answer(asker, Answer::Cut);
    }

    fn answer(&mut self, asker: Option<Asker>, answer: Answer) {
        match asker {
            Some(Asker::Envelope(id)) if answer == Answer::Taken => {
                self.app.iter_mut().for_each(|app| app.acknowledgements.push(acknowledgement(&id)));
            }
            Some(Asker::Envelope(id)) if answer == Answer::Said => {
                self.app.iter_mut().for_each(|app| app.acknowledgements.push(target::answer(&id)));
            }
            // Who does not wait any longer has given up.
            Some(Asker::Request(asker)) => _ = asker.send(answer),
            Some(Asker::Envelope(_)) | None => {}
        }
    }

    /// Writes what is acknowledged; how the connection is left, if it is.
    pub(super) async fn write_acknowledgements(&mut self, socket: &mut Socket) -> Option<Parted> {
        let app = self.app.as_mut()?;
        let died = std::mem::take(&mut app.died);
        for text in std::mem::take(&mut app.acknowledgements) {
            if !socket::write(socket, Message::text(text)).await {
                return Some(self.parted(ConnectionEnd::Lost, 0));
            }
        }
        died.then(|| self.parted(ConnectionEnd::ChosenReset, 0))
    }

    /// Opens the next connection, before the open one ends.
    fn open_next(&mut self) {
        let (shard, user) = (self.shard.clone(), self.user);
        if let Some(App { opening: opening @ None, next: None, .. }) = self.app.as_deref_mut() {
            *opening = Some(tokio::task::spawn_local(async move { socket::open(&shard, user, None).await }));
        }
    }

    /// The connection that was opened before the last one ended.
    pub(super) async fn opened_before(&mut self) -> Option<Socket> {
        let app = self.app.as_mut()?;
        if let Some(opening) = app.opening.take() {
            // It has a time-out of its own.
            tokio::select! {
                opened = opening => app.next = opened.ok().and_then(Result::ok),
                () = ended(self.phase.clone()) => {}
            }
        }
        app.next.take()
    }
}
