//! How a connection to a described target is opened: what is fetched first, and
//! what the handshake says.

use super::Subscriber;
use super::described::Wired;
use crate::engine::cast::make;
use crate::engine::dial;
use crate::engine::handshake::shake;
use crate::engine::path::{Destination, Purpose};
use crate::engine::socket::{self, Socket};
use crate::engine::stream::HttpStream;
use crate::model::ChannelId;
use crate::plan::ReceiveDesign;
use crate::target::{Call, Connection, ConnectionPer, Described, Scope, Transport, Variable, set};
use std::time::Duration;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

/// What a connection is opened with.
pub(super) struct Opening<'a> {
    pub(super) subscriber: &'a Subscriber,
    pub(super) described: &'a Described,
    /// The ids of the channels of the connection, joined.
    pub(super) channels: String,
    pub(super) channel: Option<ChannelId>,
}

impl Opening<'_> {
    /// Renders with what the connection knows.
    pub(super) fn render<T>(&self, connection: &Connection, render: impl FnOnce(&Scope<'_>, &str) -> T) -> T {
        let people = self.subscriber.shard.api.people.as_ref().expect("a described target has people");
        let person = people.person(self.subscriber.user);
        let scope = Scope {
            connection: Some(connection),
            channels: Some(&self.channels),
            ..people.cast.scope(self.subscriber.user, &person, self.channel)
        };
        render(&scope, &people.cast.prefix)
    }

    pub(super) fn request(&self, connection: &Connection, resume: bool) -> Result<Call, String> {
        let receive = &self.described.receive;
        let request = match &receive.resume {
            Some(resuming) if resume => &resuming.open_request,
            _ => &receive.open_request,
        };
        self.render(connection, |scope, prefix| request.render(scope, prefix)).map_err(|error| error.to_string())
    }

    /// One connection.
    async fn open(&self, connection: &mut Connection, resume: bool) -> Result<Socket, String> {
        let shard = &self.subscriber.shard;
        let receive = &self.described.receive;
        let mut call = self.request(connection, resume)?;
        let user = self.subscriber.user;
        let (to, url) = self.address(&mut call)?;
        if receive.transport != Transport::Ws {
            let patience = Duration::from_micros(receive.poll_timeout_us);
            let stream = HttpStream::open(shard, user, to, call, receive.transport, patience).await?;
            return Ok(Socket::Stream(stream.into()));
        }
        let stream = dial::open(shard, user, Purpose::Socket, &to).await;
        let stream = stream.map_err(|error| socket::note_exhaustion(shard, error))?;
        let mut request = url.into_client_request().map_err(|error| format!("the socket URL: {error}"))?;
        if let Some(protocol) = &receive.protocol {
            let value = HeaderValue::from_str(protocol).map_err(|error| error.to_string())?;
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        for (name, value) in call.headers {
            request.headers_mut().insert(name, value);
        }
        let socket = shake(request, stream, socket::config()).await.map_err(|error| format!("handshake: {error}"))?;
        Ok(Socket::Ws(socket.into()))
    }

    /// Where a call leads, and its URL; a whole URL leads to an address that load
    /// may go to, and is made a path.
    pub(super) fn address(&self, call: &mut Call) -> Result<(Destination, String), String> {
        let (shard, user) = (&self.subscriber.shard, self.subscriber.user);
        if call.path.starts_with('/') {
            let url = format!("{}{}", shard.shared.address.socket_origin(), call.path);
            return Ok((shard.shared.path.target_of(user), url));
        }
        let url = call.path.clone();
        let to = socket::destination_of(shard, user, &url)?;
        let parsed = url::Url::parse(&url).map_err(|error| error.to_string())?;
        call.path = parsed[url::Position::BeforePath..].to_owned();
        Ok((to, url))
    }
}

impl Subscriber {
    /// Opens a connection within the plan's time-out: boot steps, handshake. An
    /// error is in words.
    pub(super) async fn open_described(&mut self) -> Result<Socket, String> {
        let timeout = Duration::from_micros(self.shard.plan().connect.timeout_us);
        let Some(mut wired) = self.wired.take() else { return Err("no described target".to_owned()) };
        wired.wait_us = 0;
        let opening = async {
            match self.open_with(&mut wired).await {
                // A token that ran out is renewed, once.
                Err(reason) if reason.contains("401") => {
                    self.shard.api.renew(self.user, true, timeout).await?;
                    self.open_with(&mut wired).await
                }
                opened => opened,
            }
        };
        let opened = tokio::time::timeout(timeout, opening).await;
        if !matches!(opened, Ok(Ok(_))) {
            wired.resumable = false;
        }
        self.wired = Some(wired);
        opened.unwrap_or_else(|_| Err("no connection in time".to_owned()))
    }

    async fn open_with(&self, wired: &mut Wired) -> Result<Socket, String> {
        let described = wired.described.clone();
        let channels: Vec<ChannelId> = self.log.borrow().channels().collect();
        let resume = self.may_resume(wired);
        wired.resumes = resume;
        let lanes = if described.receive.per == ConnectionPer::Channel { channels.len() } else { 1 };
        if !resume {
            wired.connections.clear();
            wired.connections.resize_with(lanes, Connection::default);
            self.boot(wired).await?;
        }
        wired.unconfirmed = channels.iter().copied().collect();
        (wired.confirmations, wired.idle) = (0, false);
        wired.outgoing.clear();
        let ids = |channels: &[ChannelId]| {
            let ids: Vec<&str> = channels.iter().map(|channel| self.shard.shared.directory.id(*channel)).collect();
            ids.join(&described.receive.join)
        };
        if described.receive.per == ConnectionPer::User {
            let all = Opening { subscriber: self, described: &described, channels: ids(&channels), channel: None };
            return all.open(&mut wired.connections[0], resume).await;
        }
        let mut sockets = Vec::with_capacity(channels.len());
        for (channel, connection) in channels.iter().zip(&mut wired.connections) {
            let one = Opening {
                subscriber: self,
                described: &described,
                channels: ids(&[*channel]),
                channel: Some(*channel),
            };
            sockets.push(one.open(connection, resume).await?);
        }
        Ok(Socket::lanes(sockets))
    }

    /// The ids of all channels of the user, joined as the profile wants it.
    pub(super) fn joined_ids(&self, described: &Described) -> String {
        let channels: Vec<ChannelId> = self.log.borrow().channels().collect();
        let ids: Vec<&str> = channels.iter().map(|channel| self.shard.shared.directory.id(*channel)).collect();
        ids.join(&described.receive.join)
    }

    /// Whether the next connection goes on where the last one ended.
    pub(super) fn may_resume(&self, wired: &Wired) -> bool {
        let Some(resume) = &wired.described.receive.resume else { return false };
        let known = |connection: &Connection| {
            resume.needs.iter().all(|variable| match variable {
                Variable::Conn(slot) => connection.values.get(*slot as usize).is_some_and(Option::is_some),
                _ => true,
            })
        };
        self.shard.plan().receive.design == ReceiveDesign::Rtm
            && self.connected_before
            && wired.resumable
            && !wired.connections.is_empty()
            && wired.connections.iter().all(known)
    }

    /// What a real client fetches at every connect.
    async fn boot(&self, wired: &mut Wired) -> Result<(), String> {
        let timeout = Duration::from_micros(self.shard.plan().connect.timeout_us);
        self.shard.api.renew(self.user, false, timeout).await?;
        let Some(people) = &self.shard.api.people else { return Ok(()) };
        let channels = self.joined_ids(&wired.described);
        for step in &wired.described.boot {
            let mut renewed = false;
            let captured = loop {
                let person = people.person(self.user);
                let scope = Scope {
                    connection: wired.connections.first(),
                    channels: Some(&channels),
                    ..people.cast.scope(self.user, &person, None)
                };
                let asked =
                    make(step, &scope, &people.cast.prefix, |call| self.shard.api.call(self.user, call, timeout));
                match asked.await {
                    Err(reason) if reason.contains("HTTP 401") && !renewed => {
                        renewed = true;
                        self.shard.api.renew(self.user, true, timeout).await?;
                    }
                    other => break other?,
                }
            };
            for (variable, value) in captured.values {
                if let Variable::Conn(slot) = variable {
                    wired.connections.iter_mut().for_each(|connection| set(&mut connection.values, slot, &value));
                }
            }
        }
        Ok(())
    }
}
