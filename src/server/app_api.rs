//! The methods of apps: opening a connection, subscribing a URL; and those of
//! users that ask an app something.
//!
//! - `apps.connections.open` (app token) → `url` of a Socket Mode connection.
//! - `posthaste.apps.subscribe` (app token; `url`, or none for Socket Mode) →
//!   `app_id`, `bot_user_id`: events and questions are posted to the URL from
//!   now on, if it answers the challenge.
//! - `chat.command` (user token; `channel`, `command`, `text`) and
//!   `posthaste.interact` (`channel`, `ts` of the message, `action_id`,
//!   `value`) → `trigger_id` once the app has answered in time. Both ask the app
//!   whose bot is a member of the channel: the one whose bot wrote the message
//!   clicked on, else that of the first bot, or the one named by `app` (`A…`).
//!   What the app says has been pushed by then: to the sockets of the user as a
//!   message that is stored nowhere (`is_ephemeral`, `subtype`), or, if it is
//!   for all, as a message of the bot. A caller may choose the `trigger_id`.

use super::answer::{self, ApiError};
use super::api::{Answered, Call, check_post, unknown_method};
use super::apps::questions::{self, Asker, Claim, QuestionKind, Reply};
use super::apps::relay::CONNECTIONS;
use super::apps::{App, poster};
use super::channel::Channel;
use super::ids::{self, TEAM_ID};
use super::params::Params;
use super::rows;
use super::shared::Shared;
use super::tickets::Holder;
use super::write::{Answer, Write};
use super::writer::next_ts;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Longest `trigger_id` that a caller may choose, in bytes.
const TRIGGER_BYTES: usize = 255;

/// Whether a method is called with the token of an app.
pub(super) fn is_of_apps(method: &str) -> bool {
    method.starts_with("apps.") || method.starts_with("posthaste.apps.")
}

/// A call that an app makes with its own token.
pub(super) async fn call(
    server: &Arc<Shared>,
    method: &str,
    token: &str,
    headers: &HeaderMap,
    params: &Params,
) -> Answered {
    let (app, bot) = server.app(token).await?;
    match method {
        // What an app has not acknowledged waits in one server's memory.
        "apps.connections.open" if server.following.is_some() => Err(ApiError("not_supported_with_replicas")),
        "apps.connections.open" if app.relay.connections() >= CONNECTIONS => Err(ApiError("too_many_websockets")),
        "apps.connections.open" => {
            let ticket = server.tickets.issue(Holder::App(bot.number));
            Ok(answer::ok(&json!({ "ok": true, "url": server.url("ws", headers, &format!("link?ticket={ticket}")) })))
        }
        "posthaste.apps.subscribe" => {
            let url = match params.get("url") {
                Some(url) => Some(poster::near_url(url).ok_or(ApiError("invalid_url"))?),
                None => None,
            };
            if let Some(url) = &url {
                server.apps.poster.verify(url).await?;
            }
            let app = server.write(|answer| Write::App { bot, url: Some(url), answer }).await?;
            let (app_id, bot) = (&app.identity.app, &app.identity.bot);
            Ok(answer::ok(&json!({ "ok": true, "app_id": app_id, "bot_user_id": bot })))
        }
        _ => Ok(unknown_method()),
    }
}

impl Call {
    /// `chat.command`
    pub(super) async fn command(mut self, headers: &HeaderMap) -> Answered {
        let (asker, app) = self.asker(None)?;
        let command = self.params.take("command").ok_or(ApiError("invalid_arguments"))?;
        let text = self.params.take("text").unwrap_or_default();
        let response_url = self.response_url(&asker, &app, headers);
        let question = questions::command(&app.identity, &asker, &command, &text, &response_url);
        self.ask(QuestionKind::SlashCommand, question, asker, &app).await
    }

    /// `posthaste.interact`
    pub(super) async fn interact(mut self, headers: &HeaderMap) -> Answered {
        const MISSING: ApiError = ApiError("message_not_found");
        let channel = self.channel()?;
        let ts = self.params.get("ts").and_then(ids::parse_ts).ok_or(MISSING)?;
        let number = channel.number;
        let row = self.server.readers.read(move |database| rows::find(database, number, ts)).await?.ok_or(MISSING)?;
        let (asker, app) = self.asker(Some(row.user))?;
        let action = self.params.take("action_id").ok_or(ApiError("invalid_arguments"))?;
        let value = self.params.take("value").unwrap_or_default();
        let response_url = self.response_url(&asker, &app, headers);
        let question = questions::click(&app.identity, &asker, &row.to_json(), (&action, &value), &response_url);
        self.ask(QuestionKind::Interactive, question, asker, &app).await
    }

    /// Who asks, and which app.
    fn asker(&mut self, writer: Option<i64>) -> Result<(Asker, Arc<App>), ApiError> {
        let channel = self.channel()?;
        if !channel.has_member(self.user.number) {
            return Err(ApiError("not_in_channel"));
        }
        let app = app_in(&channel, self.params.get("app"), writer).ok_or(ApiError("app_not_found"))?;
        let chosen = self.params.take("trigger_id").filter(|id| id.len() <= TRIGGER_BYTES);
        let trigger_id = chosen.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        Ok((Asker { user: self.user.clone(), channel, trigger_id }, app))
    }

    fn response_url(&self, asker: &Asker, app: &Arc<App>, headers: &HeaderMap) -> String {
        let claim = Claim::of(asker, app.identity.number);
        let path = format!("response/{}", self.server.responses.open(&self.server.tickets, &claim));
        self.server.url("http", headers, &path)
    }

    async fn ask(self, kind: QuestionKind, question: Value, asker: Asker, app: &Arc<App>) -> Answered {
        let within = self.server.apps.options().answer_within;
        if let Some(reply) = app.ask(kind, question, within).await? {
            deliver(&self.server, &asker, app, reply).await?;
        }
        Ok(answer::ok(&json!({ "ok": true, "trigger_id": asker.trigger_id })))
    }
}

/// The app that is asked in a channel.
fn app_in(channel: &Channel, named: Option<&str>, writer: Option<i64>) -> Option<Arc<App>> {
    let outlet = channel.outlet();
    if let Some(id) = named {
        return outlet.apps.iter().find(|app| *app.identity.app == *id).cloned();
    }
    let is_writer = |app: &&Arc<App>| Some(app.identity.number) == writer;
    let of_writer = outlet.apps.iter().find(is_writer);
    of_writer.or_else(|| outlet.apps.iter().min_by_key(|app| app.identity.number)).cloned()
}

/// Hands what an app says to whom it is for.
async fn deliver(server: &Arc<Shared>, asker: &Asker, app: &App, reply: Reply) -> Result<(), ApiError> {
    if reply.in_channel {
        let bot = server.directory.user_by_id(&app.identity.bot).ok_or(ApiError("user_not_found"))?;
        let post = Arc::new(check_post(&bot, asker.channel.clone(), reply.text, None, None)?);
        server.write(|answer| Write::Post(post, Answer::Call(answer))).await?;
        return Ok(());
    }
    let ts = ids::ts_text(next_ts(&asker.channel));
    let frame = answer::text(&json!({
        "type": "message",
        "subtype": "bot_message",
        "is_ephemeral": true,
        "channel": asker.channel.id,
        "user": app.identity.bot,
        "text": reply.text,
        "ts": ts,
        "event_ts": ts,
        "team": TEAM_ID,
        "trigger_id": asker.trigger_id,
    }));
    let frame = frame.into();
    if server.following.is_some() {
        return Ok(server.submit(Write::Private { user: asker.user.clone(), frame })?);
    }
    server.directory.sockets_of(&asker.user).iter().for_each(|socket| socket.push(&frame));
    Ok(())
}

/// What an app says later, to a `response_url`.
pub(super) async fn respond(server: &Arc<Shared>, id: &str, params: &Params) -> Response<Body> {
    server.catch_up().await;
    let claim = server.responses.take(&server.tickets, id);
    let Some((asker, app)) = claim.and_then(|claim| asked(server, claim)) else {
        return answer::with_status(StatusCode::NOT_FOUND, r#"{"ok":false,"error":"used_url"}"#.to_owned());
    };
    let Some(text) = params.get("text").map(str::to_owned) else {
        return answer::error(ApiError("no_text"));
    };
    let reply = Reply { text, in_channel: params.get("response_type") == Some("in_channel") };
    match deliver(server, &asker, &app, reply).await {
        Ok(()) => answer::ok(&json!({ "ok": true })),
        Err(error) => answer::error(error),
    }
}

/// Who asked, and which app.
fn asked(server: &Shared, claim: Claim) -> Option<(Asker, Arc<App>)> {
    let (user, channel) = (server.directory.user_in_row(claim.user)?, server.directory.channel_in_row(claim.channel)?);
    Some((Asker { user, channel, trigger_id: claim.trigger_id }, server.apps.of(claim.app)?))
}
