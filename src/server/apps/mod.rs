//! Apps: programs that are told what happens in the channels of their bots.
//!
//! Any token `xapp-NAME` is an app, and its bot is the user who bears
//! `xoxb-NAME`. An app is known from its first connection or subscription on,
//! also after a restart. It is told every event of the channels that its bot is
//! a member of, the bot's own included, over Socket Mode (`relay`).
//!
//! What is still to be told lives in memory: a killed server forgets it.

pub(super) mod relay;
pub(super) mod socket;

use super::directory::User;
use super::ids::{self, TEAM_ID};
use super::options::AppOptions;
use super::sync::lock;
use relay::{Envelope, Kind, Relay};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// What every app's token begins with.
pub(super) const APP_TOKEN: &str = "xapp-";
/// What payloads carry for apps that check no signature.
const VERIFICATION_TOKEN: &str = "posthaste";

/// How often overdue envelopes are looked for.
const TICK_MIN: Duration = Duration::from_millis(5);
const TICK_MAX: Duration = Duration::from_millis(250);

/// An app.
#[derive(Debug)]
pub(super) struct App {
    /// `A…`
    pub(super) id: Box<str>,
    /// `U…`
    pub(super) bot_id: Box<str>,
    pub(super) relay: Relay,
}

impl App {
    /// Tells it an event of a channel: `event_ts` in µs, and the frame that
    /// sockets get.
    pub(super) fn tell(&self, event: u64, frame: &str) {
        let event_id = format!("Ev{:X}", Uuid::new_v4().simple());
        self.relay.offer(Envelope::new(Kind::EventsApi, self.callback(&event_id, event, frame)));
    }

    /// The JSON that tells an event.
    fn callback(&self, event_id: &str, event: u64, frame: &str) -> String {
        let (app, bot, seconds) = (&self.id, &self.bot_id, event / 1_000_000);
        // The one field that the event has beyond the frame.
        let frame = frame.strip_suffix('}').unwrap_or(frame);
        let kind = if frame.starts_with(r#"{"type":"message""#) { r#","channel_type":"channel"}"# } else { "}" };
        format!(
            r#"{{"token":"{VERIFICATION_TOKEN}","team_id":"{TEAM_ID}","api_app_id":"{app}","event":{frame}{kind},"type":"event_callback","event_id":"{event_id}","event_time":{seconds},"authorizations":[{{"enterprise_id":null,"team_id":"{TEAM_ID}","user_id":"{bot}","is_bot":true,"is_enterprise_install":false}}],"is_ext_shared_channel":false,"event_context":"{event_id}"}}"#
        )
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
    known: Mutex<BTreeMap<i64, Arc<App>>>,
}

impl Apps {
    pub(super) fn new(options: &AppOptions) -> Self {
        Self { options: options.clone(), known: Mutex::default() }
    }

    pub(super) fn options(&self) -> &AppOptions {
        &self.options
    }

    /// The app of a bot, where it is known.
    pub(super) fn of(&self, bot: &User) -> Option<Arc<App>> {
        lock(&self.known).get(&bot.number).cloned()
    }

    /// Enters the app of a bot, or finds it. Its events still have to be led to
    /// it.
    pub(super) fn enter(&self, bot: &User) -> Arc<App> {
        let mut known = lock(&self.known);
        let app = known.entry(bot.number).or_insert_with(|| {
            let app = App {
                id: ids::app_id(bot.number).into(),
                bot_id: bot.id.clone(),
                relay: Relay::new(self.options.answer_within),
            };
            Arc::new(app)
        });
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
}
