//! A step of a profile: a request, what its answer must be, and what is kept
//! of it.

use super::request::Request;
use super::scope::Scope;
use super::source::{Compiler, Conditions, Document, Sources, SourcesWritten};
use super::template::{Escape, RenderError, Template};
use super::trie::{ROOT, Trie};
use super::variables::{Names, Variable};
use super::written::{Captures, Only, Per, StatusWritten, StepWritten};
use std::cell::Cell;

/// No more of an answer stands in an error.
const SHOWN_CHARACTERS: usize = 200;

/// An HTTP answer, whatever was asked.
#[derive(Clone, Copy, Debug)]
pub struct HttpAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// `name: value`, a line each.
    pub headers: &'a str,
    /// The whole body.
    pub body: &'a [u8],
}

/// Statuses, as ranges.
#[derive(Clone, Debug, Default)]
pub struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    /// Compiles them; an error is in words.
    pub fn compile(written: &StatusWritten) -> Result<Self, String> {
        let mut statuses = Self::default();
        statuses.add(written)?;
        Ok(statuses)
    }

    /// One status.
    pub fn one(status: u16) -> Self {
        Self(vec![(status, status)])
    }

    fn add(&mut self, written: &StatusWritten) -> Result<(), String> {
        match written {
            StatusWritten::One(status) => self.0.push((*status, *status)),
            StatusWritten::Several(several) => several.iter().try_for_each(|status| self.add(status))?,
            StatusWritten::Class(class) => {
                let hundred = class.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
                let hundred = hundred.filter(|hundred| (1..=5).contains(hundred));
                let hundred =
                    hundred.ok_or_else(|| format!("status = {class:?} must be a number or a class such as \"5xx\""))?;
                self.0.push((hundred * 100, hundred * 100 + 99));
            }
        }
        Ok(())
    }

    /// Whether a status is one of them.
    pub fn have(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

/// Reads answers: the paths of what is wanted of them.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    trie: Trie,
}

impl Reader {
    /// Compiles what belongs to the document itself.
    pub fn compiler(&mut self) -> Compiler<'_> {
        Compiler { trie: &mut self.trie, level: ROOT, path: &[] }
    }

    /// Compiles what belongs to the items at a path.
    pub fn items<'t>(&'t mut self, path: &'t [super::trie::Step]) -> Compiler<'t> {
        let level = self.trie.level(path);
        Compiler { trie: &mut self.trie, level, path }
    }

    /// Reads an answer; one that is no JSON has no values, but a status,
    /// headers and text.
    pub fn read<'a>(&self, answer: HttpAnswer<'a>) -> Document<'a> {
        let body = std::str::from_utf8(answer.body).unwrap_or_default();
        Document { status: Some(answer.status), headers: answer.headers, ..self.read_text(body) }
    }

    /// Reads text alone.
    pub fn read_text<'a>(&self, text: &'a str) -> Document<'a> {
        let (read, is_json) = match self.trie.read(text) {
            Some(read) => (read, true),
            None => (self.trie.nothing(), false),
        };
        Document { read, status: None, headers: "", body: text, digits: "", matched: Cell::new(0), is_json }
    }
}

/// A step, compiled.
#[derive(Clone, Debug)]
pub struct Step {
    /// For progress and errors.
    pub name: String,
    /// For whom it is made, in set-up and clean-up.
    pub per: Per,
    /// For which channels.
    pub only: Option<Only>,
    /// The request; a step may do without, where it only makes something of what is
    /// known.
    pub request: Option<Request>,
    expect: Vec<u16>,
    conditions: Conditions,
    also: Vec<(Statuses, Conditions)>,
    captures: Vec<(Variable, Sources)>,
    sets: Vec<(Variable, Template)>,
    expires: Option<Sources>,
    reader: Reader,
}

/// What a step has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Values by their variables.
    pub values: Vec<(Variable, String)>,
    /// A token's lifetime in seconds.
    pub expires_s: Option<u64>,
}

impl Step {
    /// Compiles a step; an error is in words.
    pub fn compile(written: &StepWritten, names: &Names) -> Result<Self, String> {
        let computes = written.request.is_none() && !written.set.is_empty();
        let request = (!computes).then(|| Request::compile(&written.request(), names)).transpose()?;
        if computes && !written.capture.is_empty() {
            return Err("a step without a request has no answer to capture from".to_owned());
        }
        let sets = written
            .set
            .iter()
            .map(|(name, template)| Ok((names.variable(name)?, Template::compile(template, names, Escape::No)?)));
        let sets = in_their_order(sets.collect::<Result<_, String>>()?, names)?;
        let mut reader = Reader::default();
        let mut compiler = reader.compiler();
        let also = written.also.iter().map(|also| {
            Ok((Statuses::compile(&also.status)?, Conditions::compile(&mut compiler, &also.when, &[], &[])?))
        });
        let also = also.collect::<Result<_, String>>()?;
        let conditions = Conditions::compile(&mut compiler, &written.when, &written.exists, &[])?;
        let captures = captures(&mut compiler, &written.capture, names)?;
        let expires = written.expires.as_ref().map(|expires| compiler.sources(expires)).transpose()?;
        let line = written.request.clone().unwrap_or_else(|| "set".to_owned());
        Ok(Self {
            name: written.name.clone().unwrap_or(line),
            per: written.per.unwrap_or(Per::Run),
            only: written.only,
            request,
            expect: written.expect.clone(),
            conditions,
            also,
            captures,
            sets,
            expires,
            reader,
        })
    }

    /// What an answer brings, or what was wrong with it, in words. `known` says
    /// which variables have a value already: only those may be missing, and only
    /// of an answer that is listed in `also`.
    pub fn read(&self, answer: HttpAnswer<'_>, known: impl Fn(Variable) -> bool) -> Result<Captured, String> {
        let document = self.reader.read(answer);
        let done = match self.expect[..] {
            [] => (200..300).contains(&answer.status),
            _ => self.expect.contains(&answer.status),
        };
        let done = done && self.conditions.hold(&document, None);
        let also = self.also.iter().any(|(statuses, when)| statuses.have(answer.status) && when.hold(&document, None));
        if !done && !also {
            return Err(format!("{}: HTTP {}: {}", self.name, answer.status, shown(document.body)));
        }
        let mut captured = Captured::default();
        for (variable, sources) in &self.captures {
            match sources.text(&document, None) {
                Some(value) => captured.values.push((*variable, value.into_owned())),
                None if !done && known(*variable) => {}
                None => {
                    let body = shown(document.body);
                    return Err(format!("{}: the answer lacks what is to be captured of it: {body}", self.name));
                }
            }
        }
        captured.expires_s = self
            .expires
            .as_ref()
            .and_then(|expires| expires.text(&document, None)?.parse::<f64>().ok())
            .map(|s| s as u64);
        Ok(captured)
    }

    /// Adds what is made of what is known, each behind what it is made of.
    pub fn compute(&self, scope: &Scope<'_>, captured: &mut Captured) -> Result<(), RenderError> {
        for (variable, template) in &self.sets {
            let value = scope.with(&captured.values, |scope| template.render(scope))?;
            captured.values.push((*variable, value));
        }
        Ok(())
    }

    /// The variables that it gives a value.
    pub fn captures(&self) -> impl Iterator<Item = Variable> + '_ {
        let set = self.sets.iter().map(|(variable, _)| *variable);
        self.captures.iter().map(|(variable, _)| *variable).chain(set)
    }
}

/// What is made of something that is made too comes behind that.
fn in_their_order(mut sets: Vec<(Variable, Template)>, names: &Names) -> Result<Vec<(Variable, Template)>, String> {
    let mut ordered = Vec::with_capacity(sets.len());
    while !sets.is_empty() {
        let waits =
            |(_, template): &(Variable, Template)| sets.iter().any(|(other, _)| template.uses(|of| of == *other));
        let Some(at) = sets.iter().position(|set| !waits(set)) else {
            return Err(format!("set: {} is made of itself", names.name(sets[0].0)));
        };
        ordered.push(sets.remove(at));
    }
    Ok(ordered)
}

/// Compiles captures.
pub fn captures(
    compiler: &mut Compiler<'_>,
    written: &Captures,
    names: &Names,
) -> Result<Vec<(Variable, Sources)>, String> {
    let capture = |(name, sources): (&String, &SourcesWritten)| {
        Ok((names.variable(name)?, compiler.sources(sources).map_err(|error| format!("capture {name}: {error}"))?))
    };
    written.iter().map(capture).collect()
}

/// The beginning of a target's text, on one line and without control
/// characters.
pub fn shown(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let line = line.trim();
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "no text".to_owned(),
        None => line.to_owned(),
    }
}
