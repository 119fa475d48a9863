//! How the history of a described target is read.

use super::request::Request;
use super::rows::{Fields, PageRow, PointRequest};
use super::scope::PageScope;
use super::source::Sources;
use super::step::{HttpAnswer, shown};
use super::variables::{Names, Variable};
use super::written::{By, HistoryWritten, Order, PageFormat, Until};
use crate::model::{Position, TextCodec};
use crate::target::{PageError, Row};

/// How history is read, compiled.
#[derive(Clone, Debug)]
pub struct History {
    /// The request of a page.
    pub request: Request,
    /// How the next page is found.
    pub by: By,
    /// Pages walk from the newest row to the oldest.
    pub backwards: bool,
    /// The largest page.
    pub size: u32,
    /// One message by its id.
    pub row: Option<PointRequest>,
    order: Order,
    format: PageFormat,
    inclusive: bool,
    until: Until,
    missing: Vec<u16>,
    fields: Fields,
    next: Option<Sources>,
    more: Option<Sources>,
    /// Whether the request asks for what is past the reader's cursor.
    bounded: bool,
}

/// What is read of a channel so far: what the next page is asked with.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Pages so far.
    pub pages: u32,
    /// Rows so far.
    pub rows: u64,
    /// Where the next page begins.
    pub cursor: Option<String>,
    /// The newest row that the reader knew before.
    pub after: Option<Known>,
    /// The newest row that it has read since, where pages go on from there.
    pub newest: Option<Known>,
    /// The ids of the rows that a page which begins at a position shows again.
    pub edge: Vec<Box<str>>,
}

/// What a page was asked for.
#[derive(Clone, Copy, Debug)]
pub struct AskedPage<'a> {
    /// The target's id of the channel.
    pub channel_id: &'a str,
    /// Rows at most.
    pub size: u32,
}

/// A row that a reader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: Box<str>,
    /// Where it stands.
    pub position: Option<Position>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedPage {
    /// Its rows from the oldest to the newest; what the reader knew before is
    /// left out.
    pub rows: Vec<Row>,
    /// Whether each row has a position of the target's.
    pub positioned: bool,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

impl History {
    /// Compiles it; an error is in words.
    pub fn compile(written: &HistoryWritten, names: &Names) -> Result<Self, String> {
        let request = Request::compile(&written.request(), names)?;
        let mut fields = Fields::compile(written, written.rows.as_deref())?;
        let mut compiler = fields.reader.compiler();
        let next = written.next.as_ref().map(|next| compiler.sources(next)).transpose()?;
        let more = written.more.as_ref().map(|more| compiler.sources(more)).transpose()?;
        if written.by == By::NextCursor && next.is_none() {
            return Err("history.by = \"next-cursor\" needs next: where does the cursor stand?".to_owned());
        }
        let needs_id = matches!(written.by, By::AfterId | By::BeforeId) && fields.id.is_none();
        if needs_id || written.by == By::SinceTime && fields.position.is_none() {
            return Err("history.by pages by the rows: it needs their id (or, since-time, their position)".to_owned());
        }
        let counts = matches!(written.by, By::Once | By::Offset | By::Page) && written.order == Order::OldestFirst;
        if fields.id.is_none() && fields.position.is_none() && !counts {
            return Err("history needs id (or position): what tells one row from another? Only pages that are \
                        counted from the oldest row do without"
                .to_owned());
        }
        if written.order == Order::ByPosition && fields.position.is_none() {
            return Err("history.order = \"by-position\" needs position".to_owned());
        }
        let from_known = matches!(written.by, By::AfterId | By::SinceTime);
        let moves = |variable: Variable| match variable {
            Variable::Cursor | Variable::PageNumber | Variable::PageOffset => true,
            Variable::AfterId | Variable::AfterPosition => from_known,
            _ => false,
        };
        if !matches!(written.by, By::LinkHeader | By::Once) && !request.uses(moves) {
            return Err("history: the request never says where a page begins; put {{page.cursor}} into it".to_owned());
        }
        let usual = match written.by {
            By::NextCursor | By::LinkHeader | By::Once => Until::NoNext,
            By::BeforeId | By::AfterId | By::SinceTime | By::Offset | By::Page => Until::Empty,
        };
        let asks_after = |variable: Variable| matches!(variable, Variable::AfterId | Variable::AfterPosition);
        let forwards_from_known = matches!(written.by, By::AfterId | By::SinceTime);
        Ok(Self {
            bounded: forwards_from_known || request.uses(asks_after),
            request,
            by: written.by,
            backwards: written.backwards || written.by == By::BeforeId,
            size: written.size.unwrap_or(200).max(1),
            row: written.row.as_ref().map(|row| PointRequest::compile(row, written, names)).transpose()?,
            order: written.order,
            format: written.format,
            inclusive: written.inclusive,
            until: written.until.unwrap_or(usual),
            missing: written.missing.clone(),
            fields,
            next,
            more,
        })
    }

    /// Whether a row is told from another by what the target says of it. A rank
    /// is not that: where the oldest rows are forgotten, others take it over.
    pub fn names_rows(&self) -> bool {
        self.fields.id.is_some() || self.fields.position.is_some()
    }

    /// Whether pages are counted from the newest row: each new row moves them.
    pub fn moves(&self) -> bool {
        self.backwards && matches!(self.by, By::Offset | By::Page)
    }

    /// The format of positions in requests.
    pub fn write_position(&self, position: Position) -> String {
        self.fields.position.as_ref().map_or_else(|| position.0.to_string(), |at| at.format.write(position))
    }

    /// Where the newest row stands that the reader knows by now, as the target
    /// writes it.
    pub fn after_position(&self, progress: &Progress) -> Option<String> {
        let known = progress.newest.as_ref().or(progress.after.as_ref())?;
        Some(self.write_position(known.position?))
    }

    /// What the request of the next page refers to.
    pub fn page_scope<'s>(&self, progress: &'s Progress, after_position: Option<&'s str>, size: u32) -> PageScope<'s> {
        let known = progress.newest.as_ref().or(progress.after.as_ref());
        let begins_with_known = progress.cursor.is_none() && self.by == By::AfterId;
        PageScope {
            cursor: progress
                .cursor
                .as_deref()
                .or(known.filter(|_| begins_with_known).map(|known| &*known.id))
                .or(after_position.filter(|_| progress.cursor.is_none() && self.by == By::SinceTime)),
            size,
            number: progress.pages,
            offset: progress.rows,
            after_id: known.map(|known| &*known.id),
            after_position,
        }
    }

    /// Reads an answer, and moves on.
    pub fn read(
        &self,
        answer: HttpAnswer<'_>,
        progress: &mut Progress,
        asked: AskedPage<'_>,
        texts: &TextCodec,
    ) -> Result<DescribedPage, PageError> {
        if self.missing.contains(&answer.status) {
            progress.pages += 1;
            return Ok(DescribedPage { rows: Vec::new(), positioned: true, next: None });
        }
        let Answered { mut rows, next, more } = self.answered(answer, texts)?;
        let counted = rows.len();
        self.put_in_order(&mut rows, progress, asked.channel_id);
        let oldest = rows.first().map(|row| row.id.clone());
        let newest = rows.last().map(|row| (row.id.clone(), row.position));
        if let (By::AfterId | By::SinceTime, Some((id, position))) = (self.by, &newest) {
            progress.newest = Some(Known { id: id.clone(), position: *position });
        }
        let edge = match (self.by, &newest) {
            (By::SinceTime, Some((_, newest))) if self.inclusive => {
                rows.iter().filter(|row| row.position == *newest).map(|row| row.id.clone()).collect()
            }
            _ => Vec::new(),
        };
        let reached = self.drop_known(&mut rows, progress);
        progress.edge = edge;
        progress.pages += 1;
        progress.rows += counted as u64;
        let found = match self.by {
            By::NextCursor | By::LinkHeader => next,
            By::BeforeId => oldest.map(String::from),
            By::AfterId => newest.map(|(id, _)| id.into()),
            By::SinceTime => newest.and_then(|(_, position)| Some(self.write_position(position?))),
            By::Offset => Some(progress.rows.to_string()),
            By::Page => Some(progress.pages.to_string()),
            By::Once => None,
        };
        let fresh = rows.len();
        let over = match self.until {
            Until::Empty => counted == 0 || (self.inclusive && fresh == 0),
            Until::Short => counted < asked.size as usize,
            // A page that is counted has always a next one.
            Until::NoNext => counted == 0 && matches!(self.by, By::Offset | By::Page),
        };
        let ended = reached || over || more == Some(false);
        let next = found.filter(|cursor| !ended && !cursor.is_empty());
        progress.cursor.clone_from(&next);
        let positioned = self.fields.position.is_some() && rows.iter().all(|row| row.position.is_some());
        Ok(DescribedPage { rows: rows.into_iter().filter_map(|row| row.message).collect(), positioned, next })
    }

    fn answered(&self, answer: HttpAnswer<'_>, texts: &TextCodec) -> Result<Answered, PageError> {
        if !(200..300).contains(&answer.status) {
            let body = std::str::from_utf8(answer.body).unwrap_or_default();
            return Err(PageError(format!("HTTP {}: {}", answer.status, shown(body))));
        }
        match self.format {
            PageFormat::Json => self.read_json(answer, texts),
            PageFormat::NdJson => Ok(Answered { rows: self.read_lines(answer, texts)?, next: None, more: None }),
        }
    }

    /// From the oldest row to the newest; rows of other channels are no messages of
    /// this one.
    fn put_in_order(&self, rows: &mut [PageRow], progress: &Progress, channel_id: &str) {
        for row in rows.iter_mut() {
            if row.channel.as_deref().is_some_and(|channel| *channel != *channel_id) {
                row.message = None;
            }
        }
        match self.order {
            Order::OldestFirst => {}
            Order::NewestFirst => rows.reverse(),
            Order::ByPosition => rows.sort_by_key(|row| row.position),
        }
        // What has no id is known by its rank in the channel.
        for (row, rank) in rows.iter_mut().zip(progress.rows + 1..).filter(|(row, _)| row.id.is_empty()) {
            row.id = format!("#{rank}").into();
            let id = row.id.clone();
            row.message.iter_mut().for_each(|message| message.server_id = id.clone());
        }
    }

    /// Leaves out what the reader knew, and everything older; whether that is
    /// where a walk to the oldest row ends.
    fn drop_known(&self, rows: &mut Vec<PageRow>, progress: &Progress) -> bool {
        if let (true, Some(cursor)) = (self.inclusive, &progress.cursor) {
            rows.retain(|row| *row.id != **cursor && !progress.edge.contains(&row.id));
        }
        let Some(known) = &progress.after else { return false };
        let counted = rows.len();
        // Rows that are sorted here have no order within one position.
        let ordered = self.order != Order::ByPosition;
        match rows.iter().rposition(|row| row.id == known.id).filter(|_| ordered) {
            Some(last) => drop(rows.drain(..=last)),
            None => rows.retain(|row| {
                let older = row.position.zip(known.position).is_some_and(|(position, known)| position < known);
                row.id != known.id && !older
            }),
        }
        rows.len() < counted && (self.backwards || (!self.bounded && self.order == Order::NewestFirst))
    }

    fn read_json(&self, answer: HttpAnswer<'_>, texts: &TextCodec) -> Result<Answered, PageError> {
        let document = self.fields.reader.read(answer);
        if !document.is_json {
            return Err(PageError(format!("an answer that is no JSON: {}", shown(document.body))));
        }
        let rows = self.fields.rows(&document, texts);
        let next = match self.by {
            By::LinkHeader => document.header("link").and_then(next_link),
            _ => self.next.as_ref().and_then(|next| next.text(&document, None)).map(|next| next.into_owned()),
        };
        let more = self.more.as_ref().and_then(|more| more.text(&document, None));
        let more = more.map(|more| !matches!(&*more, "false" | "0" | ""));
        Ok(Answered { rows, next, more })
    }

    fn read_lines(&self, answer: HttpAnswer<'_>, texts: &TextCodec) -> Result<Vec<PageRow>, PageError> {
        let body = std::str::from_utf8(answer.body).map_err(|_| PageError("an answer that is no text".to_owned()))?;
        let mut rows = Vec::new();
        for line in body.lines().filter(|line| !line.trim().is_empty()) {
            let document = self.fields.reader.read(HttpAnswer { body: line.as_bytes(), ..answer });
            if !document.is_json {
                return Err(PageError(format!("a line that is no JSON: {}", shown(line))));
            }
            rows.extend(self.fields.rows(&document, texts));
        }
        Ok(rows)
    }
}

/// What an answer has.
struct Answered {
    rows: Vec<PageRow>,
    next: Option<String>,
    more: Option<bool>,
}

/// The path that `rel="next"` of a `Link` header leads to. Where it is a whole URL,
/// its host is left out: a target does not send a reader elsewhere.
fn next_link(header: &str) -> Option<String> {
    // A URL may have commas; what comes behind one link and before the next has
    // none of its `<`.
    let mut links = header.split('<').skip(1).filter_map(|link| link.split_once('>'));
    let (link, _) = links.find(|(_, rest)| rest.contains("rel=\"next\"") || rest.contains("rel=next"))?;
    match link.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|path| rest[path..].to_owned()),
        None => Some(link.to_owned()),
    }
}
