//! Before the first subscription: is the target there, and the run's channels
//! with their members.

use super::api::Api;
use super::cast::{Cast, Person, make};
use super::casting::Casting;
use super::directory::Directory;
use super::kept::Kept;
use super::telemetry::Observer;
use super::{CastingOptions, EngineError};
use crate::model::{ChannelId, RunId, UserId};
use crate::plan::{Roster, RunPlan, is_private};
use crate::target::{
    Address, CHANNEL_ID, Call, Described, RunValues, Scope, Values, Variable, parse_created_channel, parse_done,
    parse_invited, parse_user_id,
};
use futures_util::StreamExt;
use futures_util::stream;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls of the set-up under way at once.
const CONCURRENCY: usize = 64;
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries of one call; a set-up must not fail by one lost packet.
const TRIES: u32 = 3;
/// How long one call may be put off by a target that limits the rate.
const PATIENCE: Duration = Duration::from_secs(120);

/// The addresses of a target's host, each one permitted.
pub async fn resolve(address: &Address, allowed_hosts: &[String]) -> Result<Vec<SocketAddr>, EngineError> {
    let looked_up = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let resolved: Vec<SocketAddr> =
        looked_up.map_err(|error| EngineError::Unreachable(format!("{}: {error}", address.url())))?.collect();
    if resolved.is_empty() {
        return Err(EngineError::Unreachable(format!("{}: the name has no address", address.url())));
    }
    for socket in &resolved {
        address.permit(socket.ip(), allowed_hosts).map_err(EngineError::Address)?;
    }
    Ok(resolved)
}

/// Whether the target is there and speaks the wire: who a user is, or what the
/// profile asks first.
pub async fn greet(
    api: &Api,
    address: &Address,
    described: Option<&Described>,
    given: Option<&Values>,
) -> Result<(), EngineError> {
    let greeted = match described {
        None => {
            let answer = api.call(UserId(0), api.slack.auth_test(), CALL_TIMEOUT).await;
            let parsed = answer.and_then(|answer| parse_done(answer.status, &answer.body));
            parsed.map_err(|reason| format!("auth.test: {reason}"))
        }
        Some(Described { greet: Some(greet), .. }) => {
            let run = RunValues {
                url: address.url(),
                host: address.authority(),
                given: given.cloned().unwrap_or_default(),
                ..RunValues::default()
            };
            let scope = Scope { run: Some(&run), ..Scope::default() };
            make(greet, &scope, &address.prefix, |call| api.call(UserId(0), call, CALL_TIMEOUT)).await.map(|_| ())
        }
        Some(_) => api.reach(address).await,
    };
    greeted.map_err(|reason| EngineError::Unreachable(format!("{}: {reason}", address.url())))
}

fn values_of(given: &[String]) -> Values {
    given.iter().map(|value| Some(value.as_str().into())).collect()
}

/// What a set-up is asked for.
pub struct Asked<'a> {
    /// A client without users yet.
    pub api: &'a Api,
    /// Where the target is.
    pub address: &'a Address,
    /// Who is in which channel.
    pub roster: &'a Roster,
    /// The plan.
    pub plan: &'a RunPlan,
    /// The run's 64 bits.
    pub run: RunId,
}

impl Asked<'_> {
    /// Greets the target, and makes the users and channels.
    pub async fn make(
        &self,
        described: Option<&Arc<Described>>,
        options: &CastingOptions,
        observer: &mut dyn Observer,
    ) -> Result<(Directory, Option<Arc<Cast>>), EngineError> {
        greet(self.api, self.address, described.map(|described| &**described), Some(&values_of(&options.given)))
            .await?;
        let Some(described) = described else {
            return Ok((create_channels(self.api, self.roster, self.plan, self.run).await?, None));
        };
        let kept = options.kept.as_deref().map(|path| {
            Kept::open(path, self.plan, &self.address.url(), &self.run.to_string()).map_err(EngineError::Casting)
        });
        let kept = kept.transpose()?;
        let cast = Arc::new(self.cast(described, options, kept.as_ref(), observer).await?);
        let scopes = (0..self.plan.population.channels).map(|rank| Scope {
            run: Some(&cast.run),
            channel: cast.channel(ChannelId(rank)),
            ..Scope::default()
        });
        let ids = scopes.map(|scope| scope.value(Variable::Channel(CHANNEL_ID)).unwrap_or_default().into_owned());
        Ok((Directory::new(ids.collect()), Some(cast)))
    }

    async fn cast(
        &self,
        described: &Arc<Described>,
        options: &CastingOptions,
        kept: Option<&Kept>,
        observer: &mut dyn Observer,
    ) -> Result<Cast, EngineError> {
        let run = RunValues {
            id: kept.map_or_else(|| self.run.to_string(), |kept| kept.names_id.clone()),
            url: self.address.url(),
            host: self.address.authority(),
            given: values_of(&options.given),
            captured: Vec::new(),
            names: described.names.clone(),
        };
        let columns = |row: &Vec<String>| Person {
            values: Arc::new(row.iter().map(|value| Some(value.as_str().into())).collect()),
            renew_at: None,
        };
        let users = options.users.iter().map(columns).collect();
        let prefix = self.address.prefix.clone();
        let mut cast = Cast { described: described.clone(), run, prefix, users, channels: Vec::new() };
        kept.iter().for_each(|kept| kept.fill(&mut cast, self.plan));
        let observer = RefCell::new(observer);
        let progress = |what: &str, done: usize, all: usize| observer.borrow_mut().setting_up(what, done, all);
        let casting = Casting { api: self.api, plan: self.plan, roster: self.roster, kept, progress: &progress };
        casting.make(cast).await
    }
}

/// Creates the channels, each by its first member, and joins the others; into
/// a private channel they are invited.
pub async fn create_channels(api: &Api, roster: &Roster, plan: &RunPlan, run: RunId) -> Result<Directory, EngineError> {
    let channels = plan.population.channels;
    let creating = (0..channels).map(|rank| {
        let creator = roster.members(ChannelId(rank)).first().copied().unwrap_or(UserId(0));
        let private = is_private(plan, ChannelId(rank));
        let call = api.slack.create_channel(&format!("posthaste-{run}-{rank}"), private);
        async move { insist(api, creator, "conversations.create", call, parse_created_channel).await }
    });
    let ids: Vec<Result<String, EngineError>> = stream::iter(creating).buffered(CONCURRENCY).collect().await;
    let directory = Directory::new(ids.into_iter().collect::<Result<_, _>>()?);
    let joining = (0..channels).map(ChannelId).flat_map(|channel| {
        let id = directory.id(channel);
        let private = is_private(plan, channel);
        let members = roster.members(channel);
        members.iter().skip(1).map(move |user| async move {
            if !private {
                return insist(api, *user, "conversations.join", api.slack.join_channel(id), parse_done).await;
            }
            let user_id = insist(api, *user, "auth.test", api.slack.auth_test(), parse_user_id).await?;
            let call = api.slack.invite(id, &user_id);
            insist(api, members[0], "conversations.invite", call, parse_invited).await
        })
    });
    let mut joined = stream::iter(joining).buffer_unordered(CONCURRENCY);
    while let Some(result) = joined.next().await {
        result?;
    }
    drop(joined);
    if !plan.hints.any() {
        return Ok(directory);
    }
    // Hints name users by the target's ids.
    let asking = (0..plan.population.users)
        .map(|user| async move { insist(api, UserId(user), "auth.test", api.slack.auth_test(), parse_user_id).await });
    let ids: Vec<Result<String, EngineError>> = stream::iter(asking).buffered(CONCURRENCY).collect().await;
    Ok(directory.with_users(ids.into_iter().collect::<Result<_, _>>()?))
}

async fn insist<T>(
    api: &Api,
    user: UserId,
    method: &str,
    call: Call,
    parse: impl Fn(u16, &[u8]) -> Result<T, String>,
) -> Result<T, EngineError> {
    let (mut tries, began) = (0, Instant::now());
    loop {
        let answer = api.call(user, call.clone(), CALL_TIMEOUT).await;
        let asked_s = answer.as_ref().ok().filter(|answer| answer.status == 429).map(|answer| answer.retry_after_s);
        match answer.and_then(|answer| parse(answer.status, &answer.body)) {
            Ok(value) => return Ok(value),
            // A target that asks for patience gets it, for a while.
            Err(_) if asked_s.is_some() && began.elapsed() < PATIENCE => {
                let wait_s = asked_s.flatten().unwrap_or(1).clamp(1, 30);
                tokio::time::sleep(Duration::from_secs(wait_s)).await;
            }
            Err(reason) => {
                tries += 1;
                if tries == TRIES {
                    return Err(EngineError::Unreachable(format!("{method}: {reason}")));
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
