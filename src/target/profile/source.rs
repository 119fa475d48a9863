//! Where a profile reads something from: a place in an answer or in a frame.

use super::hops::Hops;
use super::trie::{Item, ROOT, Read, Step, Trie};
use super::value::Value;
use regex::Regex;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::Cell;

/// A source as written, or several of which the first that is there counts.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(untagged)]
pub enum SourcesWritten {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// The sources of one value.
#[derive(Clone, Debug)]
pub struct Sources {
    first: Source,
    others: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    place: Place,
    hops: Hops,
}

#[derive(Clone, Debug)]
enum Place {
    /// A slot of the document, or of the item that is looked at.
    Root(u16),
    Item(u16),
    Star(usize),
    /// A slot of what so many of the item's stars stand for.
    Above {
        level: u16,
        stars: usize,
        slot: u16,
    },
    Header(Box<str>),
    Cookie(Box<str>),
    Status,
    Body,
    Digits,
    Pattern(Box<Regex>),
}

/// What was read of one answer or frame.
#[derive(Debug)]
pub struct Document<'a> {
    /// What its JSON has at the profile's paths.
    pub read: Read<'a>,
    /// HTTP status.
    pub status: Option<u16>,
    /// `name: value`, a line each.
    pub headers: &'a str,
    /// All of it, as text.
    pub body: &'a str,
    /// The digits of a prefixed frame.
    pub digits: &'a str,
    /// How many of them a rule's prefix has matched.
    pub matched: Cell<usize>,
    /// Whether the body is JSON.
    pub is_json: bool,
}

impl<'a> Document<'a> {
    /// A header's value by its name in any case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The value of a cookie that the answer sets.
    fn cookie(&self, name: &str) -> Option<&'a str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        let cookies = lines.filter(|(found, _)| found.trim().eq_ignore_ascii_case("set-cookie"));
        let mut pairs = cookies.filter_map(|(_, cookie)| cookie.split(';').next()?.split_once('='));
        pairs.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
    }
}

/// Compiles sources: their paths go into a trie.
pub struct Compiler<'t> {
    pub trie: &'t mut Trie,
    /// The level of the items that the sources are about.
    pub level: u16,
    /// The path of the items.
    pub path: &'t [Step],
}

impl Compiler<'_> {
    /// An error is in words.
    pub fn sources(&mut self, written: &SourcesWritten) -> Result<Sources, String> {
        match written {
            SourcesWritten::One(one) => self.one(one),
            SourcesWritten::Several(several) => {
                let (first, others) = several.split_first().ok_or("a list of sources must have one")?;
                let first = self.source(first)?;
                let others = others.iter().map(|one| self.source(one)).collect::<Result<_, _>>()?;
                Ok(Sources { first, others })
            }
        }
    }

    /// One source.
    pub fn one(&mut self, text: &str) -> Result<Sources, String> {
        Ok(Sources { first: self.source(text)?, others: Vec::new() })
    }

    fn source(&mut self, text: &str) -> Result<Source, String> {
        if let Some(pattern) = text.strip_prefix("regex:") {
            let regex = Regex::new(pattern).map_err(|error| format!("{text:?} is no pattern: {error}"))?;
            return Ok(Source { place: Place::Pattern(regex.into()), hops: Hops::default() });
        }
        let (place, hops) = Hops::split(text);
        let hops = Hops::compile(hops).map_err(|error| format!("{text:?}: {error}"))?;
        Ok(Source { place: self.place(place)?, hops })
    }

    fn place(&mut self, text: &str) -> Result<Place, String> {
        if let Some(name) = text.strip_prefix("header:") {
            return Ok(Place::Header(name.trim().into()));
        }
        if let Some(name) = text.strip_prefix("cookie:") {
            return Ok(Place::Cookie(name.trim().into()));
        }
        match text {
            "status" => return Ok(Place::Status),
            "body" => return Ok(Place::Body),
            "digits" => return Ok(Place::Digits),
            _ => {}
        }
        if let Some(star) = text.strip_prefix('*') {
            let (number, below) = star.split_at(star.find('/').unwrap_or(star.len()));
            let number: usize = number.parse().ok().filter(|number| *number > 0).ok_or_else(|| unknown(text))?;
            let stars = self.path.iter().enumerate().filter(|(_, step)| **step == Step::Star);
            let Some((at, _)) = stars.clone().nth(number - 1) else {
                return Err(format!("{text:?}: the path of the items has no star number {number}"));
            };
            if below.is_empty() {
                return Ok(Place::Star(number - 1));
            }
            let path = parse_pointer(below).filter(|path| !path.contains(&Step::Star)).ok_or_else(|| unknown(text))?;
            let level = self.trie.level(&self.path[..=at]);
            let slot = self.trie.slot(level, &path);
            return Ok(Place::Above { level, stars: number, slot });
        }
        let (level, pointer) = match text.strip_prefix('$') {
            Some(pointer) => (ROOT, pointer),
            None => (self.level, text),
        };
        if let Some(hop) = pointer.split('|').skip(1).find(|hop| !hop.starts_with("json")) {
            return Err(format!("{text:?}: |{hop}: there are |json, |base64 and |regex:PATTERN"));
        }
        let path = parse_pointer(pointer).ok_or_else(|| unknown(text))?;
        if path.contains(&Step::Star) {
            return Err(format!("{text:?} has a star: only each and rows may have one"));
        }
        let slot = self.trie.slot(level, &path);
        Ok(if level == ROOT { Place::Root(slot) } else { Place::Item(slot) })
    }
}

fn unknown(text: &str) -> String {
    format!(
        "{text:?} is no source; write a path such as \"/a/b\", or header:NAME, cookie:NAME, status, body, digits, *1, *1/a or regex:PATTERN"
    )
}

/// Parses `/a/*/b|json/c`; the empty text is the document itself. `None` for
/// another shape.
pub fn parse_pointer(text: &str) -> Option<Vec<Step>> {
    let mut path = Vec::new();
    for (rank, part) in text.split("|json").enumerate() {
        if rank > 0 {
            path.push(Step::Json);
        }
        if part.is_empty() {
            continue;
        }
        for step in part.strip_prefix('/')?.split('/') {
            path.push(match step {
                "*" => Step::Star,
                name => Step::Name(name.replace("~1", "/").replace("~0", "~").into()),
            });
        }
    }
    Some(path)
}

impl Sources {
    /// What stands at the first source that is there.
    pub fn find<'d, 'a>(&self, document: &'d Document<'a>, item: Option<&'d Item<'a>>) -> Option<Found<'d, 'a>> {
        match self.first.found(document, item) {
            None => self.others.iter().find_map(|source| source.found(document, item)),
            found => found,
        }
    }

    /// The same as text; `None` for what is nested.
    pub fn text<'d, 'a>(&self, document: &'d Document<'a>, item: Option<&'d Item<'a>>) -> Option<Cow<'d, str>> {
        self.find(document, item)?.text()
    }
}

/// What stands at a source.
#[derive(Clone, Debug)]
pub enum Found<'d, 'a> {
    /// A place in JSON.
    Value(&'d Value<'a>),
    /// Text beside it.
    Text(&'d str),
    /// What was made of either.
    Made(String),
    /// An HTTP status.
    Status(u16),
}

impl<'d, 'a> Found<'d, 'a> {
    /// As text; `None` for what is nested.
    pub fn text(self) -> Option<Cow<'d, str>> {
        match self {
            Found::Value(value) => value.text(),
            Found::Text(text) => Some(text.into()),
            Found::Made(text) => Some(text.into()),
            Found::Status(status) => Some(status.to_string().into()),
        }
    }

    /// The same, that outlives what was read of the document.
    pub fn document_text(self) -> Option<Cow<'a, str>> {
        match self {
            Found::Value(Value::Text(Cow::Borrowed(text))) => Some(Cow::Borrowed(text)),
            other => other.text().map(|text| Cow::Owned(text.into_owned())),
        }
    }

    fn is(&self, wanted: &str) -> bool {
        match self {
            Found::Value(Value::Text(text)) => **text == *wanted,
            other => other.clone().text().is_some_and(|text| *text == *wanted),
        }
    }
}

impl Source {
    fn found<'d, 'a>(&self, document: &'d Document<'a>, item: Option<&'d Item<'a>>) -> Option<Found<'d, 'a>> {
        let found = self.place.found(document, item)?;
        if self.hops.is_empty() { Some(found) } else { self.hops.follow(&found.text()?).map(Found::Made) }
    }
}

impl Place {
    fn found<'d, 'a>(&self, document: &'d Document<'a>, item: Option<&'d Item<'a>>) -> Option<Found<'d, 'a>> {
        match self {
            Place::Root(slot) => document.read.root.get(*slot as usize)?.as_ref().map(Found::Value),
            Place::Item(slot) => item?.slots.get(*slot as usize)?.as_ref().map(Found::Value),
            Place::Above { level, stars, slot } => {
                let of = item?.stars.get(..*stars)?;
                let above = document.read.items.iter().find(|above| above.level == *level && *above.stars == *of)?;
                above.slots.get(*slot as usize)?.as_ref().map(Found::Value)
            }
            Place::Star(number) => item?.stars.get(*number).map(|star| Found::Text(star)),
            Place::Cookie(name) => document.cookie(name).filter(|value| !value.is_empty()).map(Found::Text),
            Place::Header(name) => document.header(name).filter(|value| !value.is_empty()).map(Found::Text),
            Place::Status => document.status.map(Found::Status),
            Place::Body => Some(Found::Text(document.body)),
            Place::Digits => {
                document.digits.get(document.matched.get()..).filter(|digits| !digits.is_empty()).map(Found::Text)
            }
            Place::Pattern(regex) => {
                let found = regex.captures(document.body)?;
                found.get(1).or_else(|| found.get(0)).map(|group| Found::Text(group.as_str()))
            }
        }
    }
}

/// A value that a condition asks for, or several of which one must be it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(untagged)]
pub enum WantedWritten {
    /// A truth value.
    Bool(bool),
    /// A number.
    Whole(i64),
    /// A text.
    Text(String),
    /// One of several.
    Several(Vec<WantedWritten>),
}

impl WantedWritten {
    fn texts(&self) -> Vec<Box<str>> {
        match self {
            Self::Bool(value) => vec![value.to_string().into()],
            Self::Whole(number) => vec![number.to_string().into()],
            Self::Text(text) => vec![text.as_str().into()],
            Self::Several(several) => several.iter().flat_map(Self::texts).collect(),
        }
    }
}

/// What must hold; nothing holds always.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    equal: Vec<(Sources, Vec<Box<str>>)>,
    exist: Vec<Sources>,
    absent: Vec<Sources>,
}

impl Conditions {
    /// Compiles `when`, `exists` and `absent`. An error is in words.
    pub fn compile(
        compiler: &mut Compiler<'_>,
        when: &std::collections::BTreeMap<String, WantedWritten>,
        exists: &[String],
        absent: &[String],
    ) -> Result<Self, String> {
        let mut conditions = Self::default();
        for (source, wanted) in when {
            conditions.equal.push((compiler.one(source)?, wanted.texts()));
        }
        for source in exists {
            conditions.exist.push(compiler.one(source)?);
        }
        for source in absent {
            conditions.absent.push(compiler.one(source)?);
        }
        Ok(conditions)
    }

    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        self.equal.is_empty() && self.exist.is_empty() && self.absent.is_empty()
    }

    /// Whether all of them hold.
    pub fn hold(&self, document: &Document<'_>, item: Option<&Item<'_>>) -> bool {
        self.equal.iter().all(|(sources, wanted)| {
            let found = sources.find(document, item);
            found.is_some_and(|found| wanted.iter().any(|wanted| found.is(wanted)))
        }) && self.exist.iter().all(|sources| sources.find(document, item).is_some())
            && !self.absent.iter().any(|sources| sources.find(document, item).is_some())
    }
}
