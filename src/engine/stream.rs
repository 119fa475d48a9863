//! Events that come over HTTP: server-sent events, lines of JSON, and answers of
//! long polls. A task reads them; the subscriber takes them one by one, as it
//! takes the frames of a WebSocket.

use super::api::header_lines;
use super::http::{BoxError, HttpConnection};
use super::path::{Destination, Purpose};
use super::shard::Shard;
use crate::model::UserId;
use crate::target::{Call, Transport};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// No event is longer: a longer one ends the stream.
const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// One stream of events; dropping it ends it.
pub struct HttpStream {
    /// Its own address.
    pub local: SocketAddr,
    frames: mpsc::Receiver<String>,
    polls: Option<mpsc::UnboundedSender<(Call, Duration)>>,
    task: JoinHandle<()>,
}

impl Drop for HttpStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HttpStream {
    /// Opens a stream towards an address. For a long poll, `call` is the first
    /// one. An error is in words.
    pub async fn open(
        shard: &Rc<Shard>,
        user: UserId,
        to: Destination,
        call: Call,
        transport: Transport,
        poll_timeout: Duration,
    ) -> Result<Self, String> {
        let mut line = Line::open(shard, user, to).await?;
        let local = line.connection.local;
        // Who does not take what comes, feels it: nothing is read ahead.
        let (sender, frames) = mpsc::channel(1);
        if transport == Transport::LongPoll {
            let (polls, asked) = mpsc::unbounded_channel();
            let _ = polls.send((call, Duration::ZERO));
            let task = tokio::task::spawn_local(poll(line, asked, sender, poll_timeout));
            return Ok(Self { local, frames, polls: Some(polls), task });
        }
        let path = call.path.split('?').next().unwrap_or_default().to_owned();
        let response = line.connection.request(call, None).await.map_err(in_words)?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("HTTP {} to {path}", status.as_u16()));
        }
        let events: Box<dyn Events> = match transport {
            Transport::Sse => Box::new(ServerSent::default()),
            _ => Box::new(Lines),
        };
        let task = tokio::task::spawn_local(read(line, response.into_body(), events, sender));
        Ok(Self { local, frames, polls: None, task })
    }

    /// Polls for the next event, as `Stream::poll_next` does.
    pub fn poll_frame(&mut self, task: &mut std::task::Context<'_>) -> std::task::Poll<Option<String>> {
        self.frames.poll_recv(task)
    }

    /// Whether it is asked again after every answer.
    pub fn is_polled(&self) -> bool {
        self.polls.is_some()
    }

    /// Asks again, after a wait.
    pub fn ask(&self, call: Call, after: Duration) {
        if let Some(polls) = &self.polls {
            // A stream that has ended is noticed by its frames.
            let _ = polls.send((call, after));
        }
    }
}

/// A connection, and how to open it again.
struct Line {
    connection: HttpConnection,
    shard: Rc<Shard>,
    user: UserId,
    to: Destination,
}

impl Line {
    async fn open(shard: &Rc<Shard>, user: UserId, to: Destination) -> Result<Self, String> {
        let opened = HttpConnection::open(shard, user, Purpose::Socket, &to, false).await;
        let connection = opened.map_err(|error| super::socket::note_exhaustion(shard, error))?;
        Ok(Self { connection, shard: shard.clone(), user, to })
    }
}

/// Answers, one after the other, until one does not come.
async fn poll(
    mut line: Line,
    mut asked: mpsc::UnboundedReceiver<(Call, Duration)>,
    frames: mpsc::Sender<String>,
    patience: Duration,
) {
    while let Some((call, after)) = asked.recv().await {
        if !after.is_zero() {
            sleep(after).await;
        }
        // A server may close a connection between two polls.
        if line.connection.is_closed() {
            match Line::open(&line.shard, line.user, line.to.clone()).await {
                Ok(opened) => line = opened,
                Err(_) => return,
            }
        }
        let Ok(Ok(frame)) = timeout(patience, answer(&mut line.connection, call)).await else { return };
        if frames.send(frame).await.is_err() {
            return;
        }
    }
}

async fn answer(connection: &mut HttpConnection, call: Call) -> Result<String, BoxError> {
    let response = connection.request(call, None).await?;
    let mut frame = format!("status: {}\n{}\n", response.status().as_u16(), header_lines(response.headers()));
    let body = http_body_util::Limited::new(response.into_body(), MAX_EVENT_BYTES);
    let body = connection.until(body.collect()).await?.to_bytes();
    frame.push_str(&String::from_utf8_lossy(&body));
    Ok(frame)
}

/// Events until the stream ends.
async fn read(mut line: Line, mut body: Incoming, mut events: Box<dyn Events>, frames: mpsc::Sender<String>) {
    let mut rest = Vec::new();
    while let Some(Ok(frame)) = line.connection.until(body.frame()).await {
        let Ok(chunk) = frame.into_data() else { continue };
        for event in split(&mut rest, &chunk, &mut *events) {
            if frames.send(event).await.is_err() {
                return;
            }
        }
        if rest.len() > MAX_EVENT_BYTES || events.held_bytes() > MAX_EVENT_BYTES {
            return;
        }
    }
}

/// The events of whole lines; what is left of the last one stays in `rest`.
fn split(rest: &mut Vec<u8>, chunk: &Bytes, events: &mut dyn Events) -> Vec<String> {
    rest.extend_from_slice(chunk);
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let lines = String::from_utf8_lossy(&rest[..end]).into_owned();
    rest.drain(..=end);
    let lines = lines.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.filter_map(|line| events.line(line)).collect()
}

/// What makes events of lines.
trait Events {
    /// Takes a line; the event that it completes.
    fn line(&mut self, line: &str) -> Option<String>;
    /// Bytes of an event that is not complete.
    fn held_bytes(&self) -> usize {
        0
    }
}

/// A line, an event.
struct Lines;

impl Events for Lines {
    fn line(&mut self, line: &str) -> Option<String> {
        (!line.trim().is_empty()).then(|| line.to_owned())
    }
}

/// Server-sent events, by the HTML standard's "event stream interpretation":
/// a frame is the id and the name as header lines, an empty line, and the data.
#[derive(Default)]
struct ServerSent {
    id: String,
    name: String,
    data: Option<String>,
}

impl Events for ServerSent {
    fn line(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = self.data.take()?;
            return Some(format!("id: {}\nevent: {name}\n\n{data}", self.id));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // An id with a NUL is ignored, by the standard.
            "id" if !value.contains('\0') => self.id = value.to_owned(),
            "event" => self.name = value.to_owned(),
            _ => {}
        }
        None
    }

    fn held_bytes(&self) -> usize {
        self.data.as_ref().map_or(0, String::len)
    }
}

fn in_words(error: BoxError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(events: &mut dyn Events, chunks: &[&str]) -> Vec<String> {
        let mut rest = Vec::new();
        chunks.iter().flat_map(|chunk| split(&mut rest, &Bytes::from(chunk.to_string()), events)).collect()
    }

    #[test]
    fn events_are_put_together_whatever_the_chunks() {
        let stream = ": hello\r\nid: 1\nevent: message\ndata: a\ndata:b\n\nid: 2\ndata: {}\n\n\nevent: ping\n\ndata: é\n\ndata: cut";
        let expected = ["id: 1\nevent: message\n\na\nb", "id: 2\nevent: \n\n{}", "id: 2\nevent: \n\né"];
        assert_eq!(events(&mut ServerSent::default(), &[stream]), expected);
        let bytes: Vec<String> = stream.chars().map(String::from).collect();
        let chunks: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(events(&mut ServerSent::default(), &chunks), expected);
    }

    #[test]
    fn a_line_is_an_event() {
        assert_eq!(events(&mut Lines, &["{\"a\":", "1}\r\n\n{}\n{\"cut\""]), ["{\"a\":1}", "{}"]);
    }
}
