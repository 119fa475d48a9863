//! Who is who at a described target: what its templates refer to, and tokens
//! that are renewed.

use crate::model::{ChannelId, UserId};
use crate::target::{
    Call, Captured, ChannelScope, Described, RunValues, Scope, Step, UserScope, Values, Variable, set,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A token is renewed when so much of its lifetime is over.
const LIFETIME_SHARE: f64 = 0.8;

/// The users and channels of a run, as set-up has made them; immutable.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The profile.
    pub described: Arc<Described>,
    /// What is the same everywhere.
    pub run: RunValues,
    /// The path of the target's URL.
    pub prefix: String,
    /// What was captured for each user.
    pub users: Vec<Person>,
    /// What was captured for each channel.
    pub channels: Vec<Values>,
}

/// A user at the target. Tokens are among the values, and are not shown by
/// `Debug`.
#[derive(Clone, Default)]
pub struct Person {
    /// What was captured.
    pub values: Arc<Values>,
    /// When the token is to be renewed.
    pub renew_at: Option<Instant>,
}

impl fmt::Debug for Person {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Person").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Person {
    /// Takes what a step has brought that belongs to the user.
    pub fn take(&mut self, captured: &Captured) {
        let values = Arc::make_mut(&mut self.values);
        for (variable, value) in &captured.values {
            if let Variable::User(slot) = variable {
                set(values, *slot, value);
            }
        }
        if let Some(lifetime_s) = captured.expires_s {
            let usable = Duration::from_secs(lifetime_s).mul_f64(LIFETIME_SHARE);
            self.renew_at = Some(Instant::now() + usable);
        }
    }
}

impl Cast {
    /// A scope with a user, and a channel if there is one.
    pub fn scope<'a>(&'a self, user: UserId, person: &'a Person, channel: Option<ChannelId>) -> Scope<'a> {
        Scope {
            run: Some(&self.run),
            user: Some(UserScope { index: user.0, values: &person.values }),
            channel: channel.and_then(|channel| self.channel(channel)),
            ..Scope::default()
        }
    }

    /// A channel, as templates see it.
    pub fn channel(&self, channel: ChannelId) -> Option<ChannelScope<'_>> {
        Some(ChannelScope { index: channel.0, values: self.channels.get(channel.0 as usize)? })
    }
}

/// The users as one worker knows them: a token that it has renewed is its own.
#[derive(Clone)]
pub struct People {
    /// As set-up has made them.
    pub cast: Arc<Cast>,
    renewed: Arc<Mutex<HashMap<UserId, Person>>>,
    renewing: Arc<Mutex<HashMap<UserId, Arc<tokio::sync::Mutex<()>>>>>,
}

impl People {
    /// Nobody has renewed anything yet.
    pub fn new(cast: Arc<Cast>) -> Self {
        Self { cast, renewed: Arc::default(), renewing: Arc::default() }
    }

    /// A user, with the newest token.
    pub fn person(&self, user: UserId) -> Person {
        let renewed = self.renewed.lock().expect("nobody panics while holding it");
        renewed.get(&user).or_else(|| self.cast.users.get(user.0 as usize)).cloned().unwrap_or_default()
    }

    /// Renews a user's token by the profile's login steps, unless it was renewed
    /// since `stale` was read: once for all who wait. An error is in words.
    pub async fn renew<F>(&self, user: UserId, stale: &Person, ask: impl Fn(Call) -> F) -> Result<(), String>
    where
        F: Future<Output = Result<super::api::ApiAnswer, String>>,
    {
        let gate = self.renewing.lock().expect("nobody panics while holding it").entry(user).or_default().clone();
        let _turn = gate.lock().await;
        let mut person = self.person(user);
        if !Arc::ptr_eq(&person.values, &stale.values) {
            return Ok(());
        }
        person.renew_at = None;
        for step in &self.cast.described.login {
            let captured = make(step, &self.cast.scope(user, &person, None), &self.cast.prefix, &ask).await?;
            person.take(&captured);
        }
        self.renewed.lock().expect("nobody panics while holding it").insert(user, person);
        Ok(())
    }
}

/// Makes one step's call in a scope, reads the answer, and makes of it what the step says.
pub async fn make<F>(step: &Step, scope: &Scope<'_>, prefix: &str, ask: impl Fn(Call) -> F) -> Result<Captured, String>
where
    F: Future<Output = Result<super::api::ApiAnswer, String>>,
{
    let mut captured = Captured::default();
    if let Some(request) = &step.request {
        let call = request.render(scope, prefix).map_err(|error| format!("{}: {error}", step.name))?;
        let answer = ask(call).await.map_err(|error| format!("{}: {error}", step.name))?;
        captured = step.read(answer.as_http(), |variable| scope.value(variable).is_some())?;
    }
    step.compute(scope, &mut captured).map_err(|error| format!("{}: {error}", step.name))?;
    Ok(captured)
}
