//! The rows of a page, and the request for one of them.

use super::request::Request;
use super::send::At;
use super::source::{Conditions, Document, Sources, SourcesWritten, parse_pointer};
use super::step::{HttpAnswer, Reader};
use super::trie::Item;
use super::variables::Names;
use super::written::{HistoryWritten, RowWritten};
use crate::model::{Position, TextCodec};
use crate::target::history::Named;
use crate::target::{PageError, Row};

/// Where the parts of a row stand.
#[derive(Clone, Debug)]
pub struct Fields {
    /// Reads what they stand in.
    pub reader: Reader,
    /// The target's id.
    pub id: Option<Sources>,
    /// Where a row stands.
    pub position: Option<At>,
    conditions: Conditions,
    /// The level of the rows; `None` where the document is one.
    level: Option<u16>,
    text: Sources,
    key: Option<Sources>,
    channel: Option<Sources>,
}

/// A row as it came: pages are counted and continued by all rows, also by those
/// that are no messages.
pub struct PageRow {
    /// The target's id.
    pub id: Box<str>,
    /// The target's id of the channel, where rows have one.
    pub channel: Option<Box<str>>,
    /// Where it stands.
    pub position: Option<Position>,
    /// What it says, if it is a message.
    pub message: Option<Row>,
}

/// A request for one message by its id.
#[derive(Clone, Debug)]
pub struct PointRequest {
    /// The request.
    pub request: Request,
    missing: Vec<u16>,
    fields: Fields,
}

impl Fields {
    /// Compiles them; an error is in words.
    pub fn compile(written: &HistoryWritten, rows: Option<&str>) -> Result<Self, String> {
        let mut reader = Reader::default();
        let path = rows.filter(|rows| !rows.is_empty()).map(|rows| {
            parse_pointer(rows).ok_or_else(|| format!("rows = {rows:?} must be a path such as \"/messages/*\""))
        });
        let path = path.transpose()?;
        let mut compiler = match &path {
            Some(path) => reader.items(path),
            None => reader.compiler(),
        };
        let level = path.is_some().then_some(compiler.level);
        let mut optional =
            |sources: &Option<SourcesWritten>| sources.as_ref().map(|sources| compiler.sources(sources)).transpose();
        let (id, key, channel) = (optional(&written.id)?, optional(&written.key)?, optional(&written.channel)?);
        let text = optional(&written.text)?.ok_or("history needs text: where does the text of a row stand?")?;
        let position = written.position.as_ref().map(|written| At::compile(&mut compiler, written)).transpose()?;
        let conditions = Conditions::compile(&mut compiler, &written.when, &written.exists, &written.absent)?;
        Ok(Self { level, conditions, id, position, text, key, channel, reader })
    }

    /// The rows of a document, as it has them.
    pub fn rows(&self, document: &Document<'_>, texts: &TextCodec) -> Vec<PageRow> {
        let Some(level) = self.level else { return vec![self.row(document, None, texts)] };
        let rows = document.read.items.iter().filter(|item| item.level == level);
        rows.map(|item| self.row(document, Some(item), texts)).collect()
    }

    fn row(&self, document: &Document<'_>, item: Option<&Item<'_>>, texts: &TextCodec) -> PageRow {
        let position = self.position.as_ref().and_then(|at| at.read(document, item));
        let id = self.id.as_ref().and_then(|id| id.text(document, item)).map(|id| Box::<str>::from(&*id));
        let id = id.or_else(|| Some(position?.0.to_string().into())).unwrap_or_default();
        let text = self.text.text(document, item).filter(|_| self.conditions.hold(document, item));
        let message = text.map(|text| {
            let echoed = self.key.as_ref().and_then(|key| key.text(document, item));
            let named = Named::read(texts, &text, echoed.as_deref());
            Row {
                server_id: id.clone(),
                position: position.unwrap_or(Position(0)),
                message: named.message,
                intended_wrapped_us: named.intended_wrapped_us,
                intact: named.intact,
                version: named.version,
                reactions: Vec::new(),
                altered: (named.intact == Some(false)).then(|| text.as_ref().into()),
                foreign: named.foreign.then(|| text.into_owned()),
            }
        });
        let channel = self.channel.as_ref().and_then(|channel| channel.text(document, item));
        PageRow { id, channel: channel.map(|channel| Box::from(&*channel)), position, message }
    }
}

impl PointRequest {
    /// Compiles it; an error is in words.
    pub fn compile(written: &RowWritten, history: &HistoryWritten, names: &Names) -> Result<Self, String> {
        let request = Request::compile(&written.request(), names)?;
        Ok(Self {
            request,
            missing: written.missing.clone().unwrap_or_else(|| vec![404]),
            fields: Fields::compile(history, written.rows.as_deref())?,
        })
    }

    /// The row of an answer; `None` where there is none.
    pub fn read(&self, answer: HttpAnswer<'_>, id: &str, texts: &TextCodec) -> Result<Option<Row>, PageError> {
        if self.missing.contains(&answer.status) {
            return Ok(None);
        }
        if !(200..300).contains(&answer.status) {
            return Err(PageError(format!("HTTP {}", answer.status)));
        }
        let document = self.fields.reader.read(answer);
        let rows = self.fields.rows(&document, texts).into_iter();
        Ok(rows.filter_map(|row| row.message).find(|row| *row.server_id == *id))
    }
}
