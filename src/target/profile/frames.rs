//! What frames of a described target mean: the rules, in their order.

use super::scope::{Connection, Scope, set};
use super::send::At;
use super::source::{Compiler, Conditions, Document, Sources, SourcesWritten, parse_pointer};
use super::step::captures;
use super::template::{Escape, Template};
use super::trie::{Item, ROOT, Trie, stars};
use super::variables::{Names, Variable};
use super::written::{Codec, Do, RuleWritten, Transport};
use crate::model::TextCodec;
use crate::target::history::Named;
use crate::target::{Frame, Push};
use std::borrow::Cow;
use std::cell::Cell;

/// The rules, compiled.
#[derive(Clone, Debug)]
pub struct Rules {
    codec: Codec,
    /// Frames begin with header lines, whatever the codec.
    headed: bool,
    trie: Trie,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// The items that it looks at; the root where it looks at the frame.
    level: u16,
    conditions: Conditions,
    empty: bool,
    prefix: Option<Box<str>>,
    deed: Do,
    goes_on: bool,
    delivery: Option<Delivery>,
    channel: Option<Sources>,
    reference: Option<Sources>,
    captures: Vec<(Variable, Sources)>,
    send: Option<Template>,
    send_after_us: u64,
    send_share: f64,
    resume: bool,
    delay_us: u64,
}

#[derive(Clone, Debug)]
struct Delivery {
    text: Sources,
    position: Option<At>,
    key: Option<Sources>,
}

/// What a frame comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed<'f> {
    /// A message; `Frame::Push`, or what else its text is.
    Deliver(Frame<'f>),
    /// The channels can be subscribed to.
    Connected,
    /// A channel is confirmed; the target's id of it, where it says so.
    Subscribed(Option<String>),
    /// The subscription stands.
    Ready,
    /// It stands, and what was missed comes by itself.
    Resumed,
    /// What became of the message that is called so; the frame.
    Reply(String, String),
    /// The answer to a heartbeat.
    Pong,
    /// Live messages were dropped; in this channel, where it is known.
    Gap(Option<String>),
    /// Connect anew.
    Reconnect {
        /// Whether the connection is resumed.
        resume: bool,
        /// How long the client waits, in µs.
        delay_us: u64,
    },
    /// Give up.
    Fatal(String),
    /// A frame to be sent.
    Send {
        /// The frame.
        frame: String,
        /// How long after, in µs.
        after_us: u64,
        /// How often.
        share: f64,
    },
    /// No frame of the codec.
    Garbage,
    /// A rule's frame cannot be rendered.
    Broken(String),
}

impl Rules {
    /// Compiles the rules; an error is in words and names the rule's rank.
    pub fn compile(
        transport: Transport,
        codec: Codec,
        written: &[RuleWritten],
        names: &Names,
        time: &dyn Fn(&str) -> Result<u64, String>,
    ) -> Result<Self, (usize, String)> {
        let headed = matches!(transport, Transport::Sse | Transport::LongPoll) || codec == Codec::HeaderBody;
        let mut trie = Trie::default();
        let rules = written
            .iter()
            .enumerate()
            .map(|(rank, rule)| Rule::compile(rule, codec, &mut trie, names, time).map_err(|error| (rank, error)));
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self { codec, headed, trie, rules })
    }

    /// Whether a rule comes to this.
    pub fn have(&self, deed: Do) -> bool {
        self.rules.iter().any(|rule| rule.deed == deed)
    }

    /// Whether the rules that deliver say which channel a message is of.
    pub fn name_channels(&self) -> bool {
        self.rules.iter().filter(|rule| rule.deed == Do::Deliver).all(|rule| rule.channel.is_some())
    }

    /// What a frame comes to, in order. Captures go into the connection of the
    /// scope at once.
    pub fn read<'f>(
        &self,
        frame: &'f str,
        scope: &Scope<'_>,
        connection: &mut Connection,
        texts: &TextCodec,
    ) -> Vec<Deed<'f>> {
        // Most frames come to one deed.
        let mut deeds = Vec::with_capacity(1);
        let mut place = Place { scope, connection, texts, deeds: &mut deeds };
        let (headers, body) = self.split(frame);
        match self.codec {
            Codec::JsonLines => {
                let lines = body.lines().filter(|line| !line.trim().is_empty());
                lines.for_each(|line| self.read_one(headers, line, &mut place));
            }
            _ => self.read_one(headers, body, &mut place),
        }
        deeds
    }

    /// Whether a frame that is no JSON is none at all: an answer, or an event with
    /// headers, may have another body.
    fn wants_json(&self) -> bool {
        matches!(self.codec, Codec::Json | Codec::JsonLines) && !self.headed
    }

    fn split<'a>(&self, frame: &'a str) -> (&'a str, &'a str) {
        if !self.headed {
            return ("", frame);
        }
        let parts = frame.split_once("\n\n").or_else(|| frame.split_once("\r\n\r\n"));
        parts.unwrap_or(("", frame))
    }

    fn read_one<'f>(&self, headers: &'f str, body: &'f str, place: &mut Place<'_, 'f>) {
        let (digits, json) = match self.codec {
            Codec::Prefixed => body.split_at(body.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(body.len())),
            _ => ("", body),
        };
        let (read, is_json) = match self.trie.read(json) {
            Some(read) => (read, true),
            None if self.wants_json() && !json.trim().is_empty() => return place.deeds.push(Deed::Garbage),
            None => (self.trie.nothing(), false),
        };
        let mut document = Document { read, status: None, headers, body, digits, matched: Cell::new(0), is_json };
        document.status = document.header("status").and_then(|status| status.parse().ok());
        let frame = Looked { digits, json };
        let document = &document;
        let items = &document.read.items;
        let mut taken = vec![false; items.len()];
        let mut rules = &self.rules[..];
        while let Some(first) = rules.first() {
            let of_level = rules.iter().take_while(|rule| rule.level == first.level).count();
            let (now, later) = rules.split_at(of_level);
            rules = later;
            if first.level == ROOT {
                if frame.decide(now, document, None, place) {
                    return;
                }
                continue;
            }
            let items = items.iter().zip(&mut taken).filter(|(item, taken)| item.level == first.level && !**taken);
            for (item, taken) in items {
                *taken = frame.decide(now, document, Some(item), place);
            }
        }
    }
}

/// What rules are asked about a frame, beside what it has at their paths.
struct Looked<'a> {
    digits: &'a str,
    json: &'a str,
}

impl<'a> Looked<'a> {
    /// Nothing, or an object with nothing in it.
    fn is_empty(&self) -> bool {
        let json = self.json.trim();
        let inside = json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        inside.unwrap_or(json).trim().is_empty()
    }

    /// Follows the rules that match; whether one of them is the last.
    fn decide(
        &self,
        rules: &[Rule],
        document: &Document<'a>,
        item: Option<&Item<'a>>,
        place: &mut Place<'_, 'a>,
    ) -> bool {
        for rule in rules {
            let behind = match &rule.prefix {
                Some(prefix) => self.digits.strip_prefix(&**prefix),
                None => Some(self.digits),
            };
            let Some(behind) = behind.filter(|_| !rule.empty || self.is_empty()) else { continue };
            document.matched.set(self.digits.len() - behind.len());
            if rule.conditions.hold(document, item) {
                rule.follow(document, item, place);
                if !rule.goes_on {
                    return true;
                }
            }
        }
        false
    }
}

/// To whom a frame has come, and what it comes to.
struct Place<'p, 'f> {
    scope: &'p Scope<'p>,
    connection: &'p mut Connection,
    texts: &'p TextCodec,
    deeds: &'p mut Vec<Deed<'f>>,
}

impl Rule {
    fn compile(
        written: &RuleWritten,
        codec: Codec,
        trie: &mut Trie,
        names: &Names,
        time: &dyn Fn(&str) -> Result<u64, String>,
    ) -> Result<Self, String> {
        check(written, codec)?;
        let path = written.each.as_deref().map(|each| {
            let path = parse_pointer(each).filter(|path| stars(path) > 0);
            path.ok_or_else(|| format!("each = {each:?} must be a path with a star, such as \"/events/*\""))
        });
        let path = path.transpose()?.unwrap_or_default();
        let level = match &written.each {
            None => ROOT,
            Some(_) => trie.level(&path),
        };
        let mut compiler = Compiler { trie, level, path: &path };
        let conditions = Conditions::compile(&mut compiler, &written.when, &written.exists, &written.absent)?;
        let captures = captures(&mut compiler, &written.capture, names)?;
        if captures.iter().any(|(variable, _)| !matches!(variable, Variable::Conn(_))) {
            return Err("a rule captures into conn.NAME".to_owned());
        }
        let mut optional =
            |sources: &Option<SourcesWritten>| sources.as_ref().map(|sources| compiler.sources(sources)).transpose();
        let (text, key) = (optional(&written.text)?, optional(&written.key)?);
        let (channel, reference) = (optional(&written.channel)?, optional(&written.reference)?);
        let position = written.position.as_ref().map(|written| At::compile(&mut compiler, written)).transpose()?;
        let delivery = match (written.deed, text) {
            (Do::Deliver, Some(text)) => Some(Delivery { text, position, key }),
            (Do::Deliver, None) => return Err("do = \"deliver\" needs text: where does the text stand?".to_owned()),
            _ => None,
        };
        let optional_time = |text: &Option<String>| text.as_deref().map_or(Ok(0), time);
        Ok(Self {
            level,
            conditions,
            empty: written.empty,
            prefix: written.prefix.as_deref().map(Box::from),
            deed: written.deed,
            goes_on: written.goes_on,
            delivery,
            channel,
            reference,
            captures,
            send: written.send.as_deref().map(|frame| Template::compile(frame, names, Escape::No)).transpose()?,
            send_after_us: optional_time(&written.send_after)?,
            send_share: written.send_share.unwrap_or(1.0),
            resume: written.resume,
            delay_us: optional_time(&written.delay)?,
        })
    }

    fn follow<'f>(&self, document: &Document<'f>, item: Option<&Item<'f>>, place: &mut Place<'_, 'f>) {
        for (variable, sources) in &self.captures {
            if let (Variable::Conn(slot), Some(value)) = (variable, sources.text(document, item)) {
                set(&mut place.connection.values, *slot, &value);
            }
        }
        if let Some(frame) = &self.send {
            let rendered = frame.render(&Scope { connection: Some(place.connection), ..*place.scope });
            place.deeds.push(match rendered {
                Ok(frame) => Deed::Send { frame, after_us: self.send_after_us, share: self.send_share },
                Err(error) => Deed::Broken(error.to_string()),
            });
        }
        let channel = self.channel.as_ref().and_then(|channel| channel.find(document, item)?.document_text());
        let deed = match self.deed {
            Do::Ignore => return,
            Do::Deliver => match &self.delivery {
                Some(delivery) => Deed::Deliver(delivery.read(document, item, channel, place.texts)),
                None => return,
            },
            Do::Connected => Deed::Connected,
            Do::Subscribed => Deed::Subscribed(channel.map(Cow::into_owned)),
            Do::Ready => Deed::Ready,
            Do::Resumed => Deed::Resumed,
            Do::Reply => {
                let reference = self.reference.as_ref().and_then(|reference| reference.text(document, item));
                match reference {
                    Some(reference) => {
                        let json = document.body.trim_start_matches(|letter: char| letter.is_ascii_digit());
                        Deed::Reply(reference.into_owned(), json.to_owned())
                    }
                    None => return,
                }
            }
            Do::Pong => Deed::Pong,
            Do::Gap => Deed::Gap(channel.map(Cow::into_owned)),
            Do::Reconnect => Deed::Reconnect { resume: self.resume, delay_us: self.delay_us },
            Do::Fatal => Deed::Fatal(super::step::shown(document.body)),
        };
        place.deeds.push(deed);
    }
}

/// What a rule needs beside what it reads.
fn check(written: &RuleWritten, codec: Codec) -> Result<(), String> {
    if written.deed == Do::Reply && written.reference.is_none() {
        return Err("do = \"reply\" needs ref: which message is answered?".to_owned());
    }
    let digits = |prefix: &str| !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    match &written.prefix {
        Some(prefix) if codec != Codec::Prefixed => {
            return Err(format!("prefix = {prefix:?} is for codec = \"prefixed\""));
        }
        Some(prefix) if !digits(prefix) => return Err(format!("prefix = {prefix:?} must be digits")),
        _ => {}
    }
    match written.send_share {
        Some(share) if !(0.0..=1.0).contains(&share) => Err(format!("send_share = {share} must be from 0 to 1")),
        _ => Ok(()),
    }
}

impl Delivery {
    fn read<'f>(
        &self,
        document: &Document<'f>,
        item: Option<&Item<'f>>,
        channel: Option<Cow<'f, str>>,
        texts: &TextCodec,
    ) -> Frame<'f> {
        let Some(text) = self.text.text(document, item) else { return Frame::Other };
        let echoed = self.key.as_ref().and_then(|key| key.text(document, item));
        let named = Named::read(texts, &text, echoed.as_deref());
        let Some(message) = named.message else {
            return if named.foreign { Frame::Foreign(text.into_owned().into()) } else { Frame::Other };
        };
        Frame::Push(Push {
            channel,
            message,
            intended_wrapped_us: named.intended_wrapped_us,
            position: self.position.as_ref().and_then(|at| at.read(document, item)),
            intact: named.intact == Some(true),
        })
    }
}
