//! A target is asked with a handful of messages: what does it do with a key
//! that comes again, with small pages, with odd texts, with what is wrong?
//!
//! The users are those of a run: set-up, subscribers and their logs are the
//! engine's own. Only the sends are made here, one by one, as each question
//! wants them. Facts only: what they say about promises is for `study`.

mod history;
mod say;
mod texts;

use super::shard::{Shard, Shared};
use super::share::share;
use super::subscriber::Subscriber;
use super::telemetry::Observer;
use super::worker::Phase;
use super::{EngineError, Job, Stop};
use crate::ledger::{Again, PostFact, ProbeFacts, RepeatFact, ResumeFact, ShownFact, SubscriberLog};
use crate::model::{ChannelId, MessageRef, UserId};
use crate::plan::{Act, Wish};
use crate::target::Row;
use say::Said;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::LocalSet;

/// A connection that is away for this long has missed something.
const AWAY_US: u64 = 2_500_000;
/// After how many seconds a key is used again, where the patience allows it.
const LATER_S: [u64; 4] = [5, 15, 35, 65];

/// What is asked beside what is always asked.
#[derive(Clone, Copy, Debug)]
pub struct ProbeOptions {
    /// How long is waited at most until a key is used again.
    pub patience: Duration,
    /// The target's own window, where it declares one.
    pub window: Option<Duration>,
    /// Messages with which a history's depth is looked for.
    pub burst: u32,
}

/// Asks a target; it is told how far it is by the observer.
pub fn probe(
    job: Job,
    options: ProbeOptions,
    observer: &mut dyn Observer,
    stop: watch::Receiver<Stop>,
) -> Result<ProbeFacts, EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let facts = LocalSet::new().block_on(&runtime, ask(job, options, observer, stop));
    runtime.shutdown_background();
    facts
}

async fn ask(
    job: Job,
    options: ProbeOptions,
    observer: &mut dyn Observer,
    mut stop: watch::Receiver<Stop>,
) -> Result<ProbeFacts, EngineError> {
    let (shared, _, _) = share(job, observer, stop.clone()).await?;
    let (phase, phases) = watch::channel(Phase::Connect);
    let prober = Prober::new(shared, options, phases)?;
    let facts = tokio::select! {
        facts = prober.ask_everything(&phase, observer) => facts,
        _ = stop.wait_for(|stop| *stop > Stop::No) => return Err(EngineError::Left),
    };
    phase.send_replace(Phase::End);
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(facts)
}

/// Who asks.
struct Prober {
    shard: Rc<Shard>,
    options: ProbeOptions,
    /// The subscribers' logs, with their users.
    logs: Vec<(UserId, Rc<RefCell<SubscriberLog>>)>,
    /// The next index of each channel.
    next: Vec<Cell<u32>>,
    resumes: bool,
}

/// A message that was sent, and whose key is used again later.
struct Kept {
    said: Said,
    again_s: u64,
}

/// The channel of most questions; the others are for those that must not see
/// each other's messages.
const MAIN: ChannelId = ChannelId(0);
const OTHER: ChannelId = ChannelId(1);
const PAGED: ChannelId = ChannelId(2);
const DEEP: ChannelId = ChannelId(3);

impl Prober {
    fn new(shared: Arc<Shared>, options: ProbeOptions, phases: watch::Receiver<Phase>) -> Result<Self, EngineError> {
        let api = shared.api().map_err(|error| EngineError::Internal(error.to_string()))?;
        let resumes = match &shared.target.described {
            Some(described) => described.receive.resume.is_some(),
            None => true,
        };
        let shard = Rc::new(Shard::new(shared, api));
        let roster = shard.shared.roster.clone();
        let mut logs = Vec::new();
        for user in roster.subscribers() {
            let log = Rc::new(RefCell::new(SubscriberLog::new(user, roster.channels(user).iter().copied())));
            shard.outboxes.borrow_mut().insert(user, Rc::default());
            let mut subscriber = Subscriber::new(shard.clone(), user, log.clone(), phases.clone());
            if resumes && roster.members(MAIN).get(1) == Some(&user) {
                let act = Act::Disconnect { reset: true, away_us: AWAY_US };
                subscriber.wish(Wish { at_us: 1_000_000, act, fault: None });
            }
            logs.push((user, log));
            tokio::task::spawn_local(subscriber.run(shard.now_us()));
        }
        let next = (0..shard.plan().population.channels).map(|_| Cell::new(0)).collect();
        Ok(Self { shard, options, logs, next, resumes })
    }

    async fn ask_everything(&self, phase: &watch::Sender<Phase>, observer: &mut dyn Observer) -> ProbeFacts {
        let mut facts = ProbeFacts::default();
        let mut step = |name: &str| {
            let now_us = self.shard.now_us();
            observer.event(now_us, "phase", serde_json::json!({ "phase": name }));
        };
        step("connect");
        self.connect(&mut facts).await;
        let start_us = self.shard.now_us();
        self.shard.load_start_us.set(start_us);
        phase.send_replace(Phase::Load(start_us));
        let kept = self.send_for_later().await;
        if self.resumes {
            step("resume");
            facts.resumed = self.ask_for_resume().await;
        }
        step("send and receive");
        facts.first = Some(self.ask_once().await);
        step("the same key again");
        for again in [Again::Twice, Again::EightAtOnce, Again::OtherText, Again::OtherUser, Again::OtherChannel] {
            facts.repeats.push(self.ask_again(again).await);
        }
        step("texts");
        facts.texts = self.ask_texts().await;
        step("what is wrong");
        facts.refusals = self.ask_what_is_wrong().await;
        if self.shard.plan().capabilities.history {
            step("history in small pages");
            self.ask_pages(&mut facts).await;
            step("how deep history is");
            facts.kept = self.ask_depth().await;
        }
        for kept in kept {
            step(&format!("the same key after {} s", kept.again_s));
            facts.repeats.push(self.ask_later(kept).await);
        }
        facts.reordered = self.shard.facts.borrow().reordered.len() as u64;
        facts.trouble = facts.trouble.or_else(|| self.shard.trouble.take());
        facts
    }

    /// Waits until every subscription stands, or the plan's patience is over.
    async fn connect(&self, facts: &mut ProbeFacts) {
        let all = self.logs.len() as u64;
        let until_us = self.shard.now_us() + self.shard.plan().connect.timeout_us;
        while self.shard.counters.borrow().ever_connected < all && self.shard.now_us() < until_us {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let connected = self.shard.counters.borrow().ever_connected as u32;
        facts.subscriptions = (connected, all as u32);
        if u64::from(connected) < all {
            facts.trouble = self.shard.trouble.take();
        }
        // What nothing confirms, stands a while later.
        let promised = &self.shard.plan().capabilities;
        if !promised.confirmed_subscription {
            tokio::time::sleep(Duration::from_micros(promised.lag_us.max(1_000_000))).await;
        }
    }

    /// Messages whose keys are used again when all else was asked.
    async fn send_for_later(&self) -> Vec<Kept> {
        let mut after: Vec<u64> =
            LATER_S.into_iter().filter(|seconds| *seconds <= self.options.patience.as_secs()).collect();
        let past = self.options.window.map(|window| window.as_secs() + window.as_secs().div_ceil(10).max(1));
        after.extend(past.filter(|past| *past <= self.options.patience.as_secs()));
        after.sort_unstable();
        after.dedup();
        let mut kept = Vec::new();
        for again_s in after {
            kept.push(Kept { said: self.say(self.sender(), MAIN).await, again_s });
        }
        kept
    }

    /// The first member of the main channel.
    fn sender(&self) -> UserId {
        self.shard.shared.roster.members(MAIN).first().copied().unwrap_or(UserId(0))
    }

    /// Another member of the main channel.
    fn other(&self) -> UserId {
        self.shard.shared.roster.members(MAIN).last().copied().unwrap_or(UserId(0))
    }

    /// A connection goes away, misses more messages than many a buffer holds, and comes
    /// back.
    async fn ask_for_resume(&self) -> Option<ResumeFact> {
        let begun_us = self.shard.load_start_us.get();
        let user = self.shard.shared.roster.members(MAIN).get(1).copied()?;
        // Who has seen nothing yet has nothing to go on from.
        self.say(self.sender(), MAIN).await;
        self.until(begun_us + 2_000_000).await;
        let mut missed = Vec::new();
        let back_us = begun_us + 1_000_000 + AWAY_US;
        while missed.len() < self.options.burst as usize && self.shard.now_us() < back_us - 300_000 {
            let said = self.say(self.sender(), MAIN).await;
            if said.answer.meaning == "acknowledged" {
                missed.push(said.message);
            }
        }
        self.until(back_us + 3_000_000).await;
        let log = &self.logs.iter().find(|(of, _)| *of == user)?.1;
        let pushed = missed.iter().filter(|message| is_live(log, **message)).count() as u32;
        let is_read = |message: &MessageRef| {
            let log = log.borrow();
            let window = log.window(message.channel);
            window.is_some_and(|window| window.is_obtained(message.index) && !window.is_live(message.index))
        };
        let read = missed.iter().filter(|message| is_read(message)).count() as u32;
        Some(ResumeFact { pushed, read, of: missed.len() as u32 })
    }

    async fn until(&self, at_us: u64) {
        self.shard.shared.clock.sleep_until(at_us).await;
    }

    /// One message: who gets it, how fast, and whether it is there at once.
    async fn ask_once(&self) -> PostFact {
        let sender = self.sender();
        let said = self.say(sender, MAIN).await;
        let is_shown = |rows: Vec<Row>| rows.iter().any(|row| row.message == Some(said.message));
        let members: Vec<_> = self.logs.iter().filter(|(user, _)| self.is_member(*user, MAIN)).collect();
        let others: Vec<_> = members.iter().filter(|(user, _)| *user != sender).collect();
        let pushed = async {
            let until_us = self.shard.now_us() + self.patience_us();
            loop {
                let shown = others.iter().filter(|(_, log)| is_live(log, said.message)).count();
                if shown == others.len() || self.shard.now_us() >= until_us {
                    return (shown, self.shard.now_us().saturating_sub(said.answered_at_us));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let (read, (shown, push_us)) = tokio::join!(self.read_main(), pushed);
        let read_after_answer = read.map(is_shown);
        // The sender's own may come a little later.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let own_push = members.iter().any(|(user, log)| *user == sender && is_live(log, said.message));
        let stored = self.read_main().await.map(is_shown);
        PostFact {
            answered_us: said.answered_us,
            answer: said.answer,
            pushed: ShownFact { shown: shown as u32, of: others.len() as u32 },
            push_us,
            own_push,
            read_after_answer,
            stored,
        }
    }

    fn is_member(&self, user: UserId, channel: ChannelId) -> bool {
        self.shard.shared.roster.members(channel).contains(&user)
    }

    /// How long a push or a row may take to come.
    fn patience_us(&self) -> u64 {
        2 * self.shard.plan().capabilities.lag_us + 1_000_000
    }

    /// The same key again, in one of the ways that need no waiting.
    async fn ask_again(&self, again: Again) -> RepeatFact {
        let pushed_before = self.pushes();
        let sender = self.sender();
        let (first, others, other) = match again {
            Again::EightAtOnce => {
                let message = self.next(MAIN);
                let (key, text) = self.key_and_text(message);
                let eight = (0..8).map(|_| self.say_with(sender, message, &key, &text));
                let mut said = futures_util::future::join_all(eight).await;
                // Whichever was the first: the others may be refused meanwhile.
                let first = said.iter().position(|said| said.answer.meaning == "acknowledged").unwrap_or(0);
                let first = said.remove(first);
                (first, said, None)
            }
            Again::OtherText | Again::OtherUser | Again::OtherChannel => {
                let first = self.say(sender, MAIN).await;
                let channel = if again == Again::OtherChannel { OTHER } else { MAIN };
                let user = match again {
                    Again::OtherUser => self.other(),
                    Again::OtherChannel => self.shard.shared.roster.members(OTHER).first().copied().unwrap_or(sender),
                    _ => sender,
                };
                // A message of its own under the key of the first.
                let other = self.next(channel);
                let (_, text) = self.key_and_text(other);
                let again = self.say_with(user, MessageRef { channel, ..first.message }, &first.key, &text).await;
                (first, vec![again], Some((channel, text)))
            }
            Again::Twice | Again::Later(_) => {
                let first = self.say(sender, MAIN).await;
                let second = self.say_as(sender, MAIN, first.message, Some(&first)).await;
                (first, vec![second], None)
            }
        };
        self.repeat_fact(again, first, others, other, pushed_before).await
    }

    async fn ask_later(&self, kept: Kept) -> RepeatFact {
        self.until(kept.said.sent_at_us + kept.again_s * 1_000_000).await;
        let pushed_before = self.pushes();
        let second = self.say_as(self.sender(), MAIN, kept.said.message, Some(&kept.said)).await;
        let mut fact = self.repeat_fact(Again::Later(kept.again_s), kept.said, vec![second], None, pushed_before).await;
        // The first one's pushes came long before.
        fact.pushes += 1.0;
        fact
    }

    async fn repeat_fact(
        &self,
        again: Again,
        first: Said,
        others: Vec<Said>,
        other: Option<(ChannelId, String)>,
        pushed_before: u64,
    ) -> RepeatFact {
        tokio::time::sleep(Duration::from_micros(self.shard.plan().capabilities.lag_us.clamp(500_000, 3_000_000)))
            .await;
        let pushed = self.pushes() - pushed_before;
        let members = self.logs.iter().filter(|(user, _)| self.is_member(*user, MAIN)).count().max(1);
        let (copies, other_copies) = self.count_rows(&first, other.as_ref()).await;
        RepeatFact {
            again,
            first: first.answer,
            others: others.into_iter().map(|said| said.answer).collect(),
            copies,
            other_copies,
            pushes: pushed as f64 / members as f64,
        }
    }

    /// First and further live copies so far.
    fn pushes(&self) -> u64 {
        let counters = self.shard.counters.borrow();
        counters.delivered + counters.duplicates
    }

    fn next(&self, channel: ChannelId) -> MessageRef {
        let next = &self.next[channel.0 as usize];
        let index = next.get();
        next.set(index + 1);
        MessageRef { channel, index }
    }
}

fn is_live(log: &Rc<RefCell<SubscriberLog>>, message: MessageRef) -> bool {
    log.borrow().window(message.channel).is_some_and(|window| window.live().contains(message.index))
}
