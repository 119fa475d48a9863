//! What all connections of one server share.

use super::answer::ApiError;
use super::apps::questions::Responses;
use super::apps::{self, App, Apps};
use super::database::Place;
use super::defects::Defects;
use super::directory::{Directory, User};
use super::follower::Following;
use super::hints::Watchers;
use super::options::{Options, ReplayWindow};
use super::readers::Readers;
use super::socket::Push;
use super::sync::lock;
use super::tickets::{Holder, Tickets};
use super::write::{Failure, Write};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Who may open a socket with a ticket.
#[derive(Clone, Debug)]
pub(super) enum Bearer {
    User(Arc<User>),
    /// An app, and its bot.
    App(Arc<App>, Arc<User>),
}

/// What all connections of one server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: Arc<Directory>,
    pub(super) apps: Arc<Apps>,
    pub(super) responses: Responses,
    pub(super) watchers: Watchers,
    pub(super) tickets: Tickets,
    /// Where other servers use the same store.
    pub(super) following: Option<Arc<Following>>,
    pub(super) readers: Arc<Readers>,
    pub(super) defects: Arc<Defects>,
    /// Whether it is spoken to over TLS.
    pub(super) tls: bool,
    /// Whether what comes over a socket is pushed before it is stored.
    pub(super) fanout_first: bool,
    pub(super) replay: ReplayWindow,
    /// CPU time spent on each event that a socket is sent.
    pub(super) burn_delivery: Duration,
    writes: mpsc::Sender<Write>,
    /// Each live socket holds a clone; none is left here once the server ends.
    sockets_alive: Mutex<Option<mpsc::Sender<()>>>,
    overflows: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        options: &Options,
        directory: Arc<Directory>,
        apps: Arc<Apps>,
        defects: Arc<Defects>,
        (tickets, following): (Tickets, Option<Arc<Following>>),
        writes: mpsc::Sender<Write>,
        sockets_alive: mpsc::Sender<()>,
    ) -> Self {
        Self {
            directory,
            apps,
            responses: Responses::default(),
            watchers: Watchers::default(),
            tickets,
            following,
            readers: Arc::new(Readers::new(Place::of(options))),
            tls: options.certificate.is_some(),
            fanout_first: options.fanout_first,
            replay: options.replay,
            burn_delivery: options.limits.burn_delivery,
            defects,
            writes,
            sockets_alive: Mutex::new(Some(sockets_alive)),
            overflows: AtomicU64::new(0),
        }
    }

    /// A URL of this server, as whoever asked has called it.
    pub(super) fn url(&self, scheme: &str, headers: &HeaderMap, path: &str) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
        format!("{scheme}{}://{host}/{path}", if self.tls { "s" } else { "" })
    }

    /// Queues a write; its answer comes after the commit.
    pub(super) fn submit(&self, write: Write) -> Result<(), Failure> {
        self.writes.try_send(write).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Failure::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Failure::Internal,
        })
    }

    /// Queues a write and waits for its answer.
    pub(super) async fn write<T>(
        &self,
        write: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Write,
    ) -> Result<T, Failure> {
        let (answer, result) = oneshot::channel();
        self.submit(write(answer))?;
        result.await.unwrap_or(Err(Failure::Internal))
    }

    /// The user of a token, entered at the token's first use.
    pub(super) async fn user(&self, token: &str) -> Result<Arc<User>, Failure> {
        match self.directory.user_by_token(token) {
            Some(user) => Ok(user),
            None => self.write(|answer| Write::User { token: token.into(), answer }).await,
        }
    }

    /// The app of a token and its bot, entered at the token's first use.
    pub(super) async fn app(&self, token: &str) -> Result<(Arc<App>, Arc<User>), ApiError> {
        let bot = apps::bot_token(token).ok_or(ApiError("not_allowed_token_type"))?;
        let bot = self.user(&bot).await?;
        let app = match self.apps.of(bot.number) {
            Some(app) => app,
            None => self.write(|answer| Write::App { bot: bot.clone(), url: None, answer }).await?,
        };
        Ok((app, bot))
    }

    /// The bearer of a ticket, once.
    pub(super) fn redeem_ticket(&self, ticket: &str) -> Option<Bearer> {
        let user = |number| self.directory.user_in_row(number);
        match self.tickets.redeem(ticket)? {
            Holder::User(number) => user(number).map(Bearer::User),
            Holder::App(number) => Some(Bearer::App(self.apps.of(number)?, user(number)?)),
        }
    }

    /// Returns when everything is known here that any server of the store had
    /// committed before.
    pub(super) async fn catch_up(&self) {
        if let Some(following) = &self.following {
            following.catch_up().await;
        }
    }

    /// What a live socket holds, so that its end can be awaited; `None` once
    /// the server ends.
    pub(super) fn enter_socket(&self) -> Option<mpsc::Sender<()>> {
        lock(&self.sockets_alive).clone()
    }

    /// Says goodbye to all sockets. One that opens later says it to itself.
    pub(super) fn end_sockets(&self) {
        lock(&self.sockets_alive).take();
        let of_apps = self.apps.all().into_iter().flat_map(|app| app.relay.sockets());
        self.directory.sockets().into_iter().chain(of_apps).for_each(|socket| socket.send(Push::Goodbye));
    }

    pub(super) fn stopping(&self) -> bool {
        lock(&self.sockets_alive).is_none()
    }

    /// Tells the writer to end behind all that is queued.
    pub(super) async fn end_writes(&self) {
        // A writer that has ended already has nothing to be told.
        let _ = self.writes.send(Write::End).await;
    }

    /// Counts a socket that was closed because it read too slowly, and gives
    /// the count.
    pub(super) fn count_overflow(&self) -> u64 {
        self.overflows.fetch_add(1, Ordering::Relaxed) + 1
    }
}
