//! Set-up of a described target: the profile's steps for the run, its users,
//! its channels and their members, several at a time.
//!
//! What the steps capture can be kept in a file as they go: a run that was cut
//! off goes on from there, and the next one uses the same users.

use super::EngineError;
use super::api::Api;
use super::cast::{Cast, Person, make};
use super::kept::{Kept, Line};
use crate::model::{ChannelId, UserId};
use crate::plan::{Roster, RunPlan, is_private};
use crate::target::{CHANNEL_ID, Described, Only, Per, RunValues, Scope, Step, UserScope, Values, Variable, set};
use futures_util::StreamExt;
use futures_util::stream;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Users, channels or members under way at once.
const CONCURRENCY: usize = 16;
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Tries of one step; a set-up must not fail by one lost packet.
const TRIES: u32 = 3;

/// Is told how far set-up is: what, how many are done, and of how many.
pub type OnProgress<'a> = &'a dyn Fn(&str, usize, usize);

/// Makes the users and channels of a run.
pub struct Casting<'a> {
    /// A client without users yet.
    pub api: &'a Api,
    /// The plan.
    pub plan: &'a RunPlan,
    /// Who is in which channel.
    pub roster: &'a Roster,
    /// Where what is captured is kept.
    pub kept: Option<&'a Kept>,
    /// Is told how far it is.
    pub progress: OnProgress<'a>,
}

/// Of what a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Subject {
    Run,
    User(UserId),
    Channel(ChannelId),
    Membership(ChannelId, UserId),
}

impl Casting<'_> {
    /// Makes them; an error names the step and what the target said.
    pub async fn make(&self, mut cast: Cast) -> Result<Cast, EngineError> {
        let described = cast.described.clone();
        cast.users.resize_with(self.plan.population.users as usize, Person::default);
        cast.channels.resize_with(self.plan.population.channels as usize, Values::default);
        let (before, after) = described.setup.split_at(described.first_channel_step());
        self.steps(&mut cast, before, 0).await?;
        self.log_in(&mut cast, &described).await?;
        self.steps(&mut cast, after, before.len()).await?;
        for channel in &mut cast.channels {
            if channel.is_empty() {
                channel.push(None);
            }
        }
        Ok(cast)
    }

    /// Runs of steps for the same kind of subject: all steps of one subject, one
    /// after the other.
    async fn steps(&self, cast: &mut Cast, steps: &[Step], mut rank: usize) -> Result<(), EngineError> {
        for group in steps.chunk_by(|one, next| one.per == next.per) {
            let subjects = self.subjects(group[0].per);
            let what = match group[0].per {
                Per::Run => "run",
                Per::User => "users",
                Per::Channel => "channels",
                Per::Membership => "memberships",
            };
            self.each(cast, group, (what, rank), subjects).await?;
            rank += group.len();
        }
        Ok(())
    }

    fn subjects(&self, per: Per) -> Vec<Subject> {
        let channels = (0..self.plan.population.channels).map(ChannelId);
        match per {
            Per::Run => vec![Subject::Run],
            Per::User => (0..self.plan.population.users).map(|user| Subject::User(UserId(user))).collect(),
            Per::Channel => channels.map(Subject::Channel).collect(),
            Per::Membership => {
                let members = |channel| self.roster.members(channel).iter().skip(1);
                channels
                    .flat_map(|channel| members(channel).map(move |user| Subject::Membership(channel, *user)))
                    .collect()
            }
        }
    }

    async fn each(
        &self,
        cast: &mut Cast,
        steps: &[Step],
        (what, rank): (&str, usize),
        subjects: Vec<Subject>,
    ) -> Result<(), EngineError> {
        let all = subjects.len();
        let group = &format!("{what}, from step {}", rank + 1);
        let known = self.kept.map(Kept::done).unwrap_or_default();
        let open = subjects.into_iter().filter(|subject| !known.contains(&line_of(*subject, group).subject()));
        let now: &Cast = cast;
        let made = open.map(|subject| async move { self.one(now, steps, subject).await.map(|got| (subject, got)) });
        let mut made = stream::iter(made).buffer_unordered(CONCURRENCY);
        let mut got = Vec::new();
        while let Some(one) = made.next().await {
            let (subject, captured) = one?;
            if let Some(kept) = self.kept {
                kept.keep(&captured.line(subject, group, now))?;
            }
            got.push((subject, captured));
            (self.progress)(what, got.len(), all);
        }
        drop(made);
        for (subject, captured) in got {
            captured.into_cast(subject, cast);
        }
        Ok(())
    }

    /// All steps for one subject.
    async fn one(&self, cast: &Cast, steps: &[Step], subject: Subject) -> Result<Got, EngineError> {
        let mut got = Got::before(subject, cast);
        let (user, owner, channel) = self.people(subject);
        for step in steps {
            let private = channel.is_some_and(|channel| is_private(self.plan, channel));
            if step.only.is_some_and(|only| (only == Only::Private) != private) {
                continue;
            }
            let began = Instant::now();
            let mut tries = 0;
            let captured = loop {
                let person = match subject {
                    Subject::User(_) => got.person.clone(),
                    _ => user.and_then(|user| cast.users.get(user.0 as usize)).cloned().unwrap_or_default(),
                };
                // A step of the run sees what the one before it has captured.
                let run = match subject {
                    Subject::Run => Cow::Owned(RunValues { captured: got.run.clone(), ..cast.run.clone() }),
                    _ => Cow::Borrowed(&cast.run),
                };
                let scope = Scope { run: Some(&run), ..got.scope(cast, user, &person, owner, channel) };
                let asked = make(step, &scope, &cast.prefix, |call| {
                    self.api.call(user.unwrap_or(UserId(0)), call, CALL_TIMEOUT)
                });
                match asked.await {
                    Ok(captured) => break captured,
                    Err(reason) => {
                        tries += 1;
                        // A target that limits the rate gets patience, for a while.
                        let limited = reason.contains("HTTP 429") && began.elapsed() < Duration::from_secs(120);
                        if tries >= TRIES && !limited {
                            return Err(EngineError::Unreachable(format!("set-up: {reason}")));
                        }
                        tokio::time::sleep(Duration::from_millis(if limited { 1_000 } else { 300 })).await;
                    }
                }
            };
            got.person.take(&captured);
            for (variable, value) in &captured.values {
                match variable {
                    Variable::Channel(slot) => set(&mut got.channel, *slot, value),
                    Variable::Run(slot) => set(&mut got.run, *slot, value),
                    _ => {}
                }
            }
        }
        Ok(got)
    }

    /// As whom a step is made, who created the channel, and which channel it is.
    fn people(&self, subject: Subject) -> (Option<UserId>, Option<UserId>, Option<ChannelId>) {
        let first = |channel| self.roster.members(channel).first().copied();
        match subject {
            Subject::Run => (None, None, None),
            Subject::User(user) => (Some(user), None, None),
            Subject::Channel(channel) => (first(channel), first(channel), Some(channel)),
            Subject::Membership(channel, user) => (Some(user), first(channel), Some(channel)),
        }
    }

    async fn log_in(&self, cast: &mut Cast, described: &Arc<Described>) -> Result<(), EngineError> {
        if described.login.is_empty() {
            return Ok(());
        }
        // Tokens are short-lived: they are never kept.
        let subjects = self.subjects(Per::User);
        let all = subjects.len();
        let now: &Cast = cast;
        let made = subjects
            .into_iter()
            .map(|subject| async move { self.one(now, &described.login, subject).await.map(|got| (subject, got)) });
        let mut made = stream::iter(made).buffer_unordered(CONCURRENCY);
        let mut got = Vec::new();
        while let Some(one) = made.next().await {
            got.push(one?);
            (self.progress)("logins", got.len(), all);
        }
        drop(made);
        got.into_iter().for_each(|(subject, captured)| captured.into_cast(subject, cast));
        Ok(())
    }

    /// The clean-up steps, each as often as it can be; what fails is counted.
    pub async fn clean(&self, cast: &Cast) -> Vec<String> {
        let mut failures = Vec::new();
        for step in &cast.described.cleanup {
            let steps = std::slice::from_ref(step);
            let made = self.subjects(step.per).into_iter().map(|subject| self.one(cast, steps, subject));
            let results: Vec<_> = stream::iter(made).buffer_unordered(CONCURRENCY).collect().await;
            failures.extend(results.into_iter().filter_map(Result::err).map(|error| error.to_string()));
        }
        failures
    }
}

/// What the steps of one subject have brought so far.
struct Got {
    person: Person,
    channel: Values,
    run: Values,
}

impl Got {
    fn before(subject: Subject, cast: &Cast) -> Self {
        let mut got = Self { person: Person::default(), channel: Values::default(), run: cast.run.captured.clone() };
        match subject {
            Subject::User(user) => got.person = cast.users.get(user.0 as usize).cloned().unwrap_or_default(),
            Subject::Channel(channel) | Subject::Membership(channel, _) => {
                got.channel = cast.channels.get(channel.0 as usize).cloned().unwrap_or_default();
            }
            Subject::Run => {}
        }
        got
    }

    fn scope<'a>(
        &'a self,
        cast: &'a Cast,
        user: Option<UserId>,
        person: &'a Person,
        owner: Option<UserId>,
        channel: Option<ChannelId>,
    ) -> Scope<'a> {
        let owner = owner.and_then(|owner| Some((owner, cast.users.get(owner.0 as usize)?)));
        Scope {
            run: Some(&cast.run),
            user: user.map(|user| UserScope { index: user.0, values: &person.values }),
            owner: owner.map(|(owner, person)| UserScope { index: owner.0, values: &person.values }),
            channel: channel.map(|channel| crate::target::ChannelScope { index: channel.0, values: &self.channel }),
            ..Scope::default()
        }
    }

    fn into_cast(self, subject: Subject, cast: &mut Cast) {
        match subject {
            Subject::Run => cast.run.captured = self.run,
            Subject::User(user) => cast.users[user.0 as usize] = self.person,
            Subject::Channel(channel) => cast.channels[channel.0 as usize] = self.channel,
            // What a member captures of a channel is the channel's.
            Subject::Membership(channel, _) => {
                let known = &mut cast.channels[channel.0 as usize];
                known.resize(known.len().max(self.channel.len()).max(usize::from(CHANNEL_ID) + 1), None);
                for (slot, value) in self.channel.into_iter().enumerate() {
                    known[slot] = value.or(known[slot].take());
                }
            }
        }
    }

    fn line(&self, subject: Subject, what: &str, cast: &Cast) -> Line {
        let names = &cast.run.names;
        let named = |names: &[String], values: &Values| {
            let values =
                names.iter().zip(values).filter_map(|(name, value)| Some((name.clone(), value.as_deref()?.to_owned())));
            values.collect()
        };
        let values = match subject {
            Subject::Run => named(&names.run, &self.run),
            Subject::User(_) => named(&names.user, &self.person.values),
            Subject::Channel(_) | Subject::Membership(..) => named(&names.channel, &self.channel),
        };
        Line { values, ..line_of(subject, what) }
    }
}

fn line_of(subject: Subject, what: &str) -> Line {
    let (user, channel) = match subject {
        Subject::Run => (None, None),
        Subject::User(user) => (Some(user.0), None),
        Subject::Channel(channel) => (None, Some(channel.0)),
        Subject::Membership(channel, user) => (Some(user.0), Some(channel.0)),
    };
    Line { what: what.to_owned(), user, channel, values: BTreeMap::new() }
}
