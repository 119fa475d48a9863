//! How a described target is sent messages, and what its answers mean.

use super::request::Request;
use super::source::{Conditions, Document, Found, Sources, SourcesWritten};
use super::step::{HttpAnswer, Reader, Statuses};
use super::template::{Escape, Template};
use super::value::{PositionFormat, Value};
use super::variables::Names;
use super::written::{AnswerWritten, EffectWritten, PositionWritten, RetryWritten, SendWritten, Unit, VerifyWritten};
use crate::model::{KeyFormat, MessageKey, Position};
use crate::target::{Classified, Effect, Retry};

/// An id of a message is not longer.
const MAX_ID_BYTES: usize = 256;
/// A target that asks for more patience is not waited for.
const MAX_WAIT_US: f64 = 86_400e6;

/// How messages are sent, compiled.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Over HTTP.
    pub request: Option<Request>,
    /// Over the socket.
    pub frame: Option<Template>,
    /// Looks for a message in doubt.
    pub verify: Option<Verify>,
    reader: Reader,
    id: Option<Sources>,
    position: Option<At>,
    key: Option<Sources>,
    reference: Option<Sources>,
    answers: Vec<AnswerRow>,
}

/// Where a position stands, and how it is written.
#[derive(Clone, Debug)]
pub struct At {
    sources: Sources,
    /// How it is written.
    pub format: PositionFormat,
}

/// A request that looks for a message.
#[derive(Clone, Debug)]
pub struct Verify {
    /// The request.
    pub request: Request,
    reader: Reader,
    found: Conditions,
    id: Option<Sources>,
    position: Option<At>,
}

#[derive(Clone, Debug)]
struct AnswerRow {
    /// Any, where nothing is said.
    statuses: Option<Statuses>,
    conditions: Conditions,
    effect: EffectWritten,
    retry: RetryWritten,
    after: Option<Sources>,
    unit: Unit,
    refresh: bool,
}

impl At {
    /// Compiles a position.
    pub fn compile(compiler: &mut super::source::Compiler<'_>, written: &PositionWritten) -> Result<Self, String> {
        let (sources, format) = match written {
            PositionWritten::At(sources) => (sources, PositionFormat::Int),
            PositionWritten::Formatted(formatted) => (&formatted.at, formatted.format),
        };
        Ok(Self { sources: compiler.sources(sources)?, format })
    }

    /// Reads it.
    pub fn read(&self, document: &Document<'_>, item: Option<&super::trie::Item<'_>>) -> Option<Position> {
        match self.sources.find(document, item)? {
            Found::Value(value) => self.format.read(value),
            other => self.format.read(&Value::Text(other.text()?)),
        }
    }
}

impl Sending {
    /// Compiles it; `renews` where there are steps that renew a token. An error
    /// is in words.
    pub fn compile(written: &SendWritten, names: &Names, renews: bool) -> Result<Self, String> {
        let request = written.request.is_some().then(|| Request::compile(&written.request(), names)).transpose()?;
        let frame = written.socket.as_ref().map(|socket| Template::compile(&socket.frame, names, Escape::No));
        let frame = frame.transpose()?;
        if request.is_none() && frame.is_none() {
            return Err("send needs request = \"METHOD /path\", or a [send.socket] with a frame".to_owned());
        }
        let mut reader = Reader::default();
        let mut compiler = reader.compiler();
        let mut optional =
            |sources: &Option<SourcesWritten>| sources.as_ref().map(|sources| compiler.sources(sources)).transpose();
        let (id, key) = (optional(&written.id)?, optional(&written.key)?);
        let reference = optional(&written.reference)?;
        let position = written.position.as_ref().map(|written| At::compile(&mut compiler, written)).transpose()?;
        let rows = written.answer.iter().map(|row| AnswerRow::compile(&mut compiler, row.get_ref()));
        let mut answers = rows.collect::<Result<Vec<_>, _>>()?;
        if renews {
            answers.push(AnswerRow::unauthorised());
        }
        if request.is_some() && !answers.iter().any(|row| row.effect == EffectWritten::Ok) {
            return Err(
                "no [[send.answer]] has effect = \"ok\": which answer says that a message is stored?".to_owned()
            );
        }
        let verify = written.verify.as_ref().map(|verify| Verify::compile(verify, names)).transpose()?;
        Ok(Self { request, frame, verify, reader, id, position, key, reference, answers })
    }

    /// What an answer to a message with a key means.
    pub fn classify(&self, answer: HttpAnswer<'_>, key: MessageKey, format: KeyFormat) -> Classified {
        self.classify_document(&self.reader.read(answer), Some((key, format)))
    }

    /// Whether an answer may say that a message was only taken on.
    pub fn confirms_later(&self) -> bool {
        self.answers.iter().any(|row| row.effect == EffectWritten::Pending)
    }

    /// What the frame will call the message that says what became of it, where the
    /// answer to it says that it was only taken on.
    pub fn awaited(&self, answer: HttpAnswer<'_>, told: Option<&str>) -> Option<String> {
        if !self.confirms_later() {
            return None;
        }
        let document = self.reader.read(answer);
        let row = self.answers.iter().find(|row| row.matches(&document))?;
        let named = match &self.reference {
            Some(reference) => reference.text(&document, None).map(|named| named.into_owned()),
            None => told.map(str::to_owned),
        };
        named.filter(|_| row.effect == EffectWritten::Pending)
    }

    /// What an answer over the socket means.
    pub fn classify_reply(&self, frame: &str) -> Classified {
        self.classify_document(&self.reader.read_text(frame), None)
    }

    fn classify_document(&self, document: &Document<'_>, key: Option<(MessageKey, KeyFormat)>) -> Classified {
        let Some(row) = self.answers.iter().find(|row| row.matches(document)) else { return INDETERMINATE };
        let retry = row.retry(document);
        let effect = match row.effect {
            EffectWritten::None => Effect::None,
            EffectWritten::Indeterminate | EffectWritten::Pending => Effect::Indeterminate,
            EffectWritten::Ok | EffectWritten::Duplicate => {
                let echo = self.key.as_ref().and_then(|echo| echo.text(document, None));
                if let (Some(echo), Some((key, format))) = (echo, key)
                    && !format.names(&echo, key)
                {
                    return INDETERMINATE;
                }
                let id = self.id.as_ref().map(|id| id.text(document, None));
                match (id, row.effect) {
                    // An acknowledgement without the id that belongs to it is none.
                    (Some(None), EffectWritten::Ok) => return INDETERMINATE,
                    (Some(Some(id)), _) if id.is_empty() || id.len() > MAX_ID_BYTES => return INDETERMINATE,
                    (id, _) => Effect::Acknowledged {
                        server_id: id.flatten().unwrap_or_default().as_ref().into(),
                        position: self.position.as_ref().and_then(|position| position.read(document, None)),
                    },
                }
            }
        };
        Classified { effect, retry }
    }
}

const INDETERMINATE: Classified = Classified { effect: Effect::Indeterminate, retry: Retry::Backoff };

impl AnswerRow {
    fn compile(compiler: &mut super::source::Compiler<'_>, written: &AnswerWritten) -> Result<Self, String> {
        let statuses = written.status.as_ref().map(Statuses::compile).transpose()?;
        let effect = written.effect;
        let usual = match effect {
            _ if written.after.is_some() => RetryWritten::After,
            EffectWritten::Indeterminate | EffectWritten::Pending => RetryWritten::Backoff,
            EffectWritten::Ok | EffectWritten::Duplicate | EffectWritten::None => RetryWritten::No,
        };
        if written.retry == Some(RetryWritten::After) && written.after.is_none() {
            return Err("retry = \"after\" needs after: where does the wait stand?".to_owned());
        }
        Ok(Self {
            statuses,
            conditions: Conditions::compile(compiler, &written.when, &written.exists, &written.absent)?,
            effect,
            retry: written.retry.unwrap_or(usual),
            after: written.after.as_ref().map(|after| compiler.sources(after)).transpose()?,
            unit: written.unit,
            refresh: written.refresh,
        })
    }

    /// What a 401 means where nothing is said about it and tokens are renewed.
    fn unauthorised() -> Self {
        Self {
            statuses: Some(Statuses::one(401)),
            conditions: Conditions::default(),
            effect: EffectWritten::None,
            retry: RetryWritten::Backoff,
            after: None,
            unit: Unit::S,
            refresh: true,
        }
    }

    fn matches(&self, document: &Document<'_>) -> bool {
        let status = match document.status {
            Some(status) => self.statuses.as_ref().is_none_or(|statuses| statuses.have(status)),
            // Over the socket there is none.
            None => self.statuses.is_none(),
        };
        status && self.conditions.hold(document, None)
    }

    fn retry(&self, document: &Document<'_>) -> Retry {
        if self.refresh {
            return Retry::Renewed;
        }
        match self.retry {
            RetryWritten::No => Retry::No,
            RetryWritten::Backoff => Retry::Backoff,
            RetryWritten::After => {
                let asked =
                    self.after.as_ref().and_then(|after| after.text(document, None)?.trim().parse::<f64>().ok());
                asked.map_or(Retry::Backoff, |asked| Retry::After(wait_us(asked, self.unit)))
            }
        }
    }
}

fn wait_us(asked: f64, unit: Unit) -> u64 {
    let us = match unit {
        Unit::S => asked * 1e6,
        Unit::Ms => asked * 1e3,
        Unit::Epoch => asked * 1e6 - jiff::Timestamp::now().as_microsecond() as f64,
    };
    us.clamp(0.0, MAX_WAIT_US) as u64
}

impl Verify {
    fn compile(written: &VerifyWritten, names: &Names) -> Result<Self, String> {
        let mut reader = Reader::default();
        let mut compiler = reader.compiler();
        let found = Conditions::compile(&mut compiler, &written.found.when, &written.found.exists, &[])?;
        if found.is_empty() {
            return Err(
                "send.verify needs found: what does the answer look like where the message is there?".to_owned()
            );
        }
        let id = written.id.as_ref().map(|id| compiler.sources(id)).transpose()?;
        let position = written.position.as_ref().map(|written| At::compile(&mut compiler, written)).transpose()?;
        Ok(Self { request: Request::compile(&written.request(), names)?, reader, found, id, position })
    }

    /// The message as acknowledged, if the answer shows it; absence proves
    /// nothing.
    pub fn read(&self, answer: HttpAnswer<'_>) -> Option<Effect> {
        let document = self.reader.read(answer);
        let found = (200..300).contains(&answer.status) && self.found.hold(&document, None);
        let id = self.id.as_ref().and_then(|id| id.text(&document, None)).unwrap_or_default();
        let position = self.position.as_ref().and_then(|position| position.read(&document, None));
        found.then(|| Effect::Acknowledged { server_id: id.as_ref().into(), position })
    }
}
