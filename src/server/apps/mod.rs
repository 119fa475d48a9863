//! Apps: programs that are told what happens in the channels of their bots, and
//! asked when a user commands or clicks.
//!
//! Any token `xapp-NAME` is an app, and its bot is the user who bears
//! `xoxb-NAME`. An app is known from its first connection or subscription on,
//! also after a restart. It is told every event of the channels that its bot is
//! a member of, the bot's own included: over Socket Mode (`relay`), or by POST
//! once it has subscribed a URL (`endpoint`).
//!
//! What is still to be told lives in memory: a killed server forgets it, one
//! that ends in order keeps it for the next.

pub(super) mod endpoint;
pub(super) mod poster;
pub(super) mod questions;
pub(super) mod relay;
pub(super) mod socket;

use super::defects::Defects;
use super::directory::User;
use super::ids::{self, TEAM_ID};
use super::options::AppOptions;
use super::sync::{lock, read, write};
use axum::extract::ws::Utf8Bytes;
use endpoint::Endpoint;
use poster::Poster;
use relay::Relay;
use reqwest::Url;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use uuid::Uuid;

/// What every app's token begins with.
pub(super) const APP_TOKEN: &str = "xapp-";
/// What payloads carry for apps that check no signature.
pub(super) const VERIFICATION_TOKEN: &str = "posthaste";
/// How often overdue envelopes are looked for.
const TICK_MIN: Duration = Duration::from_millis(5);
const TICK_MAX: Duration = Duration::from_millis(250);

/// Something that happened in a channel, to be told to one app.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// `Ev…`, the same over all tries.
    pub(super) id: Box<str>,
    /// `event_ts` in µs.
    pub(super) ts: u64,
    /// What sockets get.
    pub(super) frame: Utf8Bytes,
}

impl Event {
    pub(super) fn new(ts: u64, frame: &Utf8Bytes) -> Self {
        Self { id: Self::new_id(), ts, frame: frame.clone() }
    }

    fn new_id() -> Box<str> {
        format!("Ev{:X}", Uuid::new_v4().simple()).into()
    }
}

/// Who an app is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// `A…`
    pub(super) app: Box<str>,
    /// `U…`
    pub(super) bot: Box<str>,
    /// Row of the bot.
    pub(super) number: i64,
}

impl Identity {
    /// The JSON that tells an event.
    fn callback(&self, event: &Event) -> String {
        let (Self { app, bot, .. }, id, seconds) = (self, &event.id, event.ts / 1_000_000);
        // The one field that the event has beyond the frame.
        let frame = event.frame.strip_suffix('}').unwrap_or(&event.frame);
        let kind = if frame.starts_with(r#"{"type":"message""#) { r#","channel_type":"channel"}"# } else { "}" };
        format!(
            r#"{{"token":"{VERIFICATION_TOKEN}","team_id":"{TEAM_ID}","api_app_id":"{app}","event":{frame}{kind},"type":"event_callback","event_id":"{id}","event_time":{seconds},"authorizations":[{{"enterprise_id":null,"team_id":"{TEAM_ID}","user_id":"{bot}","is_bot":true,"is_enterprise_install":false}}],"is_ext_shared_channel":false,"event_context":"{id}"}}"#
        )
    }
}

/// An app.
#[derive(Debug)]
pub(super) struct App {
    pub(super) identity: Identity,
    pub(super) relay: Relay,
    endpoint: RwLock<Option<Arc<Endpoint>>>,
}

impl App {
    /// Tells it an event of a channel.
    pub(super) fn tell(&self, event: Event) {
        match self.endpoint() {
            Some(endpoint) => endpoint.offer(event),
            None => self.relay.offer_event(event),
        }
    }

    /// Where it is told by POST; without it, over Socket Mode.
    pub(super) fn endpoint(&self) -> Option<Arc<Endpoint>> {
        read(&self.endpoint).clone()
    }
}

/// The token of an app's bot.
pub(super) fn bot_token(app_token: &str) -> Option<String> {
    app_token.strip_prefix(APP_TOKEN).filter(|name| !name.is_empty()).map(|name| format!("xoxb-{name}"))
}

/// The apps of one server, by the rows of their bots.
#[derive(Debug)]
pub(super) struct Apps {
    options: AppOptions,
    pub(super) poster: Arc<Poster>,
    known: Mutex<BTreeMap<i64, Arc<App>>>,
}

impl Apps {
    pub(super) fn new(options: &AppOptions, defects: Arc<Defects>) -> Self {
        Self { options: options.clone(), poster: Arc::new(Poster::new(options, defects)), known: Mutex::default() }
    }

    pub(super) fn options(&self) -> &AppOptions {
        &self.options
    }

    /// The app of a bot, where it is known.
    pub(super) fn of(&self, bot: i64) -> Option<Arc<App>> {
        lock(&self.known).get(&bot).cloned()
    }

    /// Enters the app of a bot, or finds it, and sets its URL where one is
    /// given (`Some(None)`: none). Its events still have to be led to it.
    pub(super) fn enter(&self, bot: &User, url: Option<Option<Url>>) -> Arc<App> {
        let mut known = lock(&self.known);
        let app = known.entry(bot.number).or_insert_with(|| {
            let app = ids::app_id(bot.number).into();
            let identity = Identity { app, bot: bot.id.clone(), number: bot.number };
            let relay = Relay::new(identity.clone(), self.options.answer_within);
            Arc::new(App { identity, relay, endpoint: RwLock::default() })
        });
        if let Some(url) = url {
            let endpoint = url.map(|url| Endpoint::new(app.identity.clone(), url, self.poster.clone()));
            *write(&app.endpoint) = endpoint.map(Arc::new);
        }
        app.clone()
    }

    /// Looks for what is overdue, for ever.
    pub(super) async fn expire(self: Arc<Self>) {
        let mut ticks = tokio::time::interval((self.options.answer_within / 20).clamp(TICK_MIN, TICK_MAX));
        loop {
            ticks.tick().await;
            self.all().iter().for_each(|app| app.relay.expire());
        }
    }

    /// Every app.
    pub(super) fn all(&self) -> Vec<Arc<App>> {
        lock(&self.known).values().cloned().collect()
    }

    /// Starts no further POST, lets those under way end, and gives what was not
    /// told, with the rows of the bots.
    pub(super) async fn untold(&self) -> Vec<(i64, Event)> {
        // All at once: each may have to wait for an app that does not answer.
        let of_each = self.all().into_iter().map(|app| async move {
            let mut events = app.relay.take_events();
            if let Some(endpoint) = app.endpoint() {
                events.extend(endpoint.close().await);
            }
            events.into_iter().map(|event| (app.identity.number, event)).collect::<Vec<_>>()
        });
        futures_util::future::join_all(of_each).await.into_iter().flatten().collect()
    }
}
