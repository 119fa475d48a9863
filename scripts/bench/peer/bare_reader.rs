//! The least that a receiver of pushes can cost: sockets, one epoll, one `read` for
//! each readiness, and nothing that looks at what came. What posthaste spends on a
//! delivered frame is held against it.
//!
//! ```text
//! cargo run --release --example bare-reader -- URL [subscribers] [messages/s] [seconds]
//! ```
//!
//! It makes one channel at a running `posthaste serve`, has that many members
//! subscribe, and posts from a thread whose CPU is not counted. The last line is
//! JSON: frames, CPU of the reading thread in ns for each, resident bytes for each
//! subscriber.
#![allow(clippy::print_stdout, missing_docs)]

use mio::{Events, Interest, Poll, Token};
use nix::time::{ClockId, clock_gettime};
use posthaste::model::{ChannelId, KeyCodec, KeyLayout, MessageRef, RunId, SizeRange, TextCodec};
use posthaste::target::{Address, Call, Slack};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: bare-reader URL [subscribers] [messages/s] [seconds]")?;
    let mut number = |default: f64| arguments.next().map_or(Ok(default), |text| text.parse::<f64>());
    let (subscribers, rate, seconds) = (number(2_000.0)? as usize, number(25.0)?, number(10.0)?);
    let target = Arc::new(Target::new(&url)?);
    let mut line = Line::open(&target)?;
    let channel = target.make_channel(&mut line, subscribers)?;
    let before_bytes = resident_bytes()?;
    let mut reader = Reader::open(&target, &mut line, subscribers)?;
    reader.read_until(Instant::now() + Duration::from_millis(500), || false)?;
    let bytes = resident_bytes()?.saturating_sub(before_bytes) / subscribers;

    let posting = Arc::new(AtomicBool::new(true));
    let (cpu_before, bytes_before) = (thread_cpu(), reader.bytes);
    let sender = {
        let (target, posting) = (target.clone(), posting.clone());
        std::thread::spawn(move || {
            let sent = target.post(&mut line, &channel, rate, seconds);
            posting.store(false, Ordering::Relaxed);
            sent
        })
    };
    let far = Instant::now() + Duration::from_secs_f64(seconds * 2.0);
    reader.read_until(far, || !posting.load(Ordering::Relaxed))?;
    reader.read_until(Instant::now() + Duration::from_millis(500), || false)?;
    let cpu = thread_cpu() - cpu_before;
    let frames = sender.join().map_err(|_| "the sender panicked")?? * subscribers as u64;
    let (read, ns) = (reader.bytes - bytes_before, cpu.as_nanos() as u64 / frames.max(1));
    let Reader { reads, waits, .. } = reader;
    println!(
        r#"{{"frames":{frames},"bytes":{read},"reads":{reads},"waits":{waits},"ns_per_frame":{ns},"rss_bytes_per_subscriber":{bytes}}}"#
    );
    Ok(())
}

/// The reference server, and one run's names for it.
struct Target {
    address: Address,
    slack: Slack,
    run: RunId,
    texts: TextCodec,
}

impl Target {
    fn new(url: &str) -> Outcome<Self> {
        let address = Address::parse(url)?;
        let run = RunId(clock_gettime(ClockId::CLOCK_REALTIME)?.tv_nsec() as u64 ^ u64::from(std::process::id()) << 40);
        let keys = KeyCodec::new(run, KeyLayout { channel_bits: 20 });
        let texts = TextCodec::new(keys, SizeRange { min: 80, max: 400 });
        Ok(Self { slack: Slack::new(&address), address, run, texts })
    }

    fn make_channel(&self, line: &mut Line, members: usize) -> Outcome<String> {
        let answer = line.call(self, 0, &self.slack.create_channel(&format!("posthaste-{}", self.run), false))?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        let channel = answer["channel"]["id"].as_str().ok_or("no channel")?.to_owned();
        for member in 1..members {
            line.call(self, member, &self.slack.join_channel(&channel))?;
        }
        Ok(channel)
    }

    /// Posts at a constant rate; how many there were.
    fn post(&self, line: &mut Line, channel: &str, rate: f64, seconds: f64) -> Outcome<u64> {
        let (began, count) = (Instant::now(), (rate * seconds) as u32);
        for index in 0..count {
            let at = began + Duration::from_secs_f64(f64::from(index) / rate);
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            let key = self.texts.keys().encode(MessageRef { channel: ChannelId(0), index }, 0);
            let text = self.texts.render(key);
            line.call(self, 0, &self.slack.post_message(channel, Some(&key.to_string()), &text))?;
        }
        Ok(count.into())
    }
}

/// A kept connection for calls.
struct Line(TcpStream);

impl Line {
    fn open(target: &Target) -> Outcome<Self> {
        let stream = TcpStream::connect(target.address.authority())?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    fn call(&mut self, target: &Target, user: usize, call: &Call) -> Outcome<Vec<u8>> {
        let (run, authority) = (target.run, target.address.authority());
        let mut request = format!(
            "{} {} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer xoxb-posthaste-{run}-{user}\r\ncontent-length: {}\r\n",
            call.method,
            call.path,
            call.body.len()
        );
        for (name, value) in &call.headers {
            request += &format!("{name}: {}\r\n", value.to_str()?);
        }
        request += "\r\n";
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(&call.body);
        self.0.write_all(&bytes)?;
        let (head, mut body) = read_head(&mut self.0)?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let have = body.len();
        body.resize(length.ok_or("an answer without a length")?, 0);
        self.0.read_exact(&mut body[have..])?;
        Ok(body)
    }
}

/// The head of an answer, and what came behind it.
fn read_head(stream: &mut TcpStream) -> Outcome<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, rest));
        }
        match stream.read(&mut some)? {
            0 => return Err("the connection was closed".into()),
            count => bytes.extend_from_slice(&some[..count]),
        }
    }
}

/// All sockets, and what was read from them.
struct Reader {
    poll: Poll,
    sockets: Vec<mio::net::TcpStream>,
    buffer: Vec<u8>,
    bytes: u64,
    reads: u64,
    waits: u64,
}

impl Reader {
    fn open(target: &Target, line: &mut Line, subscribers: usize) -> Outcome<Self> {
        let poll = Poll::new()?;
        let mut sockets = Vec::with_capacity(subscribers);
        for user in 0..subscribers {
            let answer = line.call(target, user, &target.slack.rtm_connect(None))?;
            let answer: serde_json::Value = serde_json::from_slice(&answer)?;
            let url = url::Url::parse(answer["url"].as_str().ok_or("no socket URL")?)?;
            let mut stream = TcpStream::connect(target.address.authority())?;
            stream.write_all(
                format!(
                    "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                    &url[url::Position::BeforePath..],
                    target.address.authority(),
                )
                .as_bytes(),
            )?;
            read_head(&mut stream)?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(user), Interest::READABLE)?;
            sockets.push(stream);
        }
        Ok(Self { poll, sockets, buffer: vec![0; 64 * 1024], bytes: 0, reads: 0, waits: 0 })
    }

    fn read_until(&mut self, end: Instant, over: impl Fn() -> bool) -> Outcome<()> {
        let mut ready = Events::with_capacity(1_024);
        while Instant::now() < end && !over() {
            self.poll.poll(&mut ready, Some(Duration::from_millis(50)))?;
            self.waits += 1;
            for event in &ready {
                // A buffer that is not filled has emptied the socket.
                match self.sockets[event.token().0].read(&mut self.buffer) {
                    Ok(0) => return Err("a subscription was closed".into()),
                    Ok(count) => self.bytes += count as u64,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
                self.reads += 1;
            }
        }
        Ok(())
    }
}

fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn resident_bytes() -> Outcome<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).ok_or("no resident pages")?.parse()?;
    Ok(pages * 4_096)
}
