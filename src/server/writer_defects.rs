//! The writer's own defects: acknowledging what is not stored, pushing before
//! storing, forgetting keys, losing answers.

use super::defects::{Defect, Defects, Instance};
use super::publisher::Notice;
use super::store;
use super::writer::{Failure, Post, Stored, next_ts, row, store_post};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Channel, user and key of a message.
type Identity = (i64, i64, Box<str>);

/// A writer that has defects.
pub(super) struct Faulty {
    defects: Arc<Defects>,
    publisher: mpsc::Sender<Notice>,
    /// Messages that the store does not have and never will: what their
    /// retries are told, so that an instance stays one.
    lies: HashMap<Identity, Result<u64, Failure>>,
    /// Instances of the open transaction: defect, post, position.
    open: Vec<(&'static str, Arc<Post>, u64)>,
}

impl Faulty {
    pub(super) fn new(defects: Arc<Defects>, publisher: mpsc::Sender<Notice>) -> Self {
        Self { defects, publisher, lies: HashMap::new(), open: Vec::new() }
    }

    /// Notes the instances of a batch; those of a failed one did not happen.
    pub(super) fn end_of_batch(&mut self, committed: bool) {
        for (defect, post, ts) in self.open.drain(..).filter(|_| committed) {
            self.defects.note(&Instance {
                defect,
                client_msg_id: post.key.as_deref(),
                channel: &post.channel.id,
                user: None,
                ts,
            });
        }
    }

    pub(super) fn store_post(
        &mut self,
        database: &Connection,
        post: &Arc<Post>,
    ) -> rusqlite::Result<Result<Stored, Failure>> {
        let identity = post.key.clone().map(|key| (post.channel.number, post.user.number, key));
        if let Some(lie) = identity.as_ref().and_then(|identity| self.lies.get(identity)) {
            return Ok(lie.map(|ts| Stored { ts, repeats: None, push: false, lose_answer: false }));
        }
        let first = match post.key.as_deref() {
            Some(key) => store::find_message(database, post.channel.number, post.user.number, key)?,
            None => None,
        };
        let stored = match first {
            None => match self.store_new(database, post, identity)? {
                Ok(stored) => stored,
                failed => return Ok(failed),
            },
            Some(_) if self.defects.due(Defect::NoDedup) => {
                let ts = next_ts(&post.channel);
                store::add_message(database, &row(post, ts))?;
                self.open.push((Defect::NoDedup.name(), post.clone(), ts));
                Stored { ts, repeats: None, push: true, lose_answer: false }
            }
            Some((ts, text)) => Stored { ts, repeats: Some(text.into()), push: false, lose_answer: false },
        };
        let lose_answer = stored.repeats.is_none() && self.defects.lose_ack_due();
        if lose_answer {
            self.open.push(("lose-ack", post.clone(), stored.ts));
        }
        Ok(Ok(Stored { lose_answer, ..stored }))
    }

    fn store_new(
        &mut self,
        database: &Connection,
        post: &Arc<Post>,
        identity: Option<Identity>,
    ) -> rusqlite::Result<Result<Stored, Failure>> {
        if self.defects.due(Defect::AckBeforePersist) {
            let ts = next_ts(&post.channel);
            self.lies.extend(identity.map(|identity| (identity, Ok(ts))));
            self.open.push((Defect::AckBeforePersist.name(), post.clone(), ts));
            return Ok(Ok(Stored { ts, repeats: None, push: false, lose_answer: false }));
        }
        if !self.defects.has(Defect::FanoutBeforePersist) {
            return store_post(database, post).map(Ok);
        }
        let ts = next_ts(&post.channel);
        // A publisher that is gone has no sockets left either.
        let _ = self.publisher.blocking_send(Notice::Early(post.clone(), ts));
        if self.defects.due(Defect::FanoutBeforePersist) {
            self.lies.extend(identity.map(|identity| (identity, Err(Failure::Internal))));
            self.open.push((Defect::FanoutBeforePersist.name(), post.clone(), ts));
            return Ok(Err(Failure::Internal));
        }
        store::add_message(database, &row(post, ts))?;
        Ok(Ok(Stored { ts, repeats: None, push: false, lose_answer: false }))
    }
}
