//! Reads the keys of a profile's tables: every value has a range and a
//! default, every error the place of its value, and every value an origin.

use super::Origin;
use super::error::{Place, ProfileError, Source};
use super::tree::{Node, Value};
use super::units::{parse_duration, parse_percent};
use crate::plan::Range;
use crate::plan::near::nearest;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A profile that is being read.
pub(super) struct Reading<'a> {
    pub source: Source<'a>,
    pub root: &'a Node,
    origins: RefCell<BTreeMap<String, Origin>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(source: Source<'a>, root: &'a Node) -> Self {
        Self { source, root, origins: RefCell::default() }
    }

    /// The top-level table.
    pub(super) fn keys(&'a self, known: &'static [&'static str]) -> Result<Keys<'a>, ProfileError> {
        Keys::open(self, String::new(), Some(self.root), Place::Text(0), known)
    }

    /// An error at the value under a path, or at the start of the nearest
    /// table around it that was written.
    pub(super) fn error(&self, path: &str, message: impl Into<String>) -> ProfileError {
        let mut path = path;
        loop {
            match (self.root.at(path), path.rsplit_once('.')) {
                (Some(node), _) => return self.source.error(node.place, message),
                (None, Some((around, _))) => path = around,
                (None, None) => return self.source.error(Place::Text(0), message),
            }
        }
    }

    /// Notes where a value of the plan comes from.
    pub(super) fn note(&self, path: String, origin: Origin) {
        self.origins.borrow_mut().insert(path, origin);
    }

    /// Gives a value that has an origin another one.
    pub(super) fn renote(&self, path: &str, by: &Node) {
        if let Some(origin) = self.origins.borrow_mut().get_mut(path) {
            *origin = self.origin_of(by);
        }
    }

    /// Where the value under a path came from; forgets it.
    pub(super) fn take_origin(&self, path: &str) -> Origin {
        self.origins.borrow_mut().remove(path).unwrap_or(Origin::Default)
    }

    /// Where all values came from.
    pub(super) fn into_origins(self) -> BTreeMap<String, Origin> {
        self.origins.into_inner()
    }

    /// The origin of what was written.
    pub(super) fn origin_of(&self, node: &Node) -> Origin {
        match node.flag() {
            Some(rank) => Origin::Flag(self.source.overrides[rank].origin.clone()),
            None => Origin::Profile,
        }
    }
}

/// One table of a profile, with all its keys known.
pub(super) struct Keys<'a> {
    reading: &'a Reading<'a>,
    path: String,
    node: Option<&'a Node>,
    /// Where a missing key is reported.
    place: Place,
}

impl<'a> Keys<'a> {
    fn open(
        reading: &'a Reading<'a>,
        path: String,
        node: Option<&'a Node>,
        around: Place,
        known: &'static [&'static str],
    ) -> Result<Self, ProfileError> {
        let place = node.map_or(around, |node| node.place);
        let keys = Self { reading, path, node, place };
        match node.map(|node| &node.value) {
            None => Ok(keys),
            Some(Value::Table(entries)) => match entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
                None => Ok(keys),
                Some(entry) => Err(reading.source.error(entry.key_place, keys.unknown(&entry.key, known))),
            },
            Some(_) => Err(keys.wrong_type("", node, "a table")),
        }
    }

    /// A table inside this one; all defaults where it is missing.
    pub(super) fn table(&self, key: &str, known: &'static [&'static str]) -> Result<Keys<'a>, ProfileError> {
        Self::open(self.reading, self.path_of(key), self.node(key), self.place, known)
    }

    /// The tables of an array of tables; `None` where it is missing.
    pub(super) fn tables(
        &self,
        key: &str,
        known: &'static [&'static str],
    ) -> Result<Option<Vec<Keys<'a>>>, ProfileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let Value::Array(items) = &node.value else {
            return Err(self.wrong_type(key, Some(node), "an array of tables"));
        };
        let open = |(rank, item): (usize, &'a Node)| {
            Self::open(self.reading, self.path_of(&format!("{key}.{rank}")), Some(item), item.place, known)
        };
        items.iter().enumerate().map(open).collect::<Result<_, _>>().map(Some)
    }

    /// What stands under a key.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        self.node.and_then(|node| node.get(key))
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// A value; without a default it must be given.
    pub(super) fn value<T>(
        &self,
        key: &str,
        default: Option<T>,
        parse: impl Fn(&Node) -> Result<T, String>,
    ) -> Result<T, ProfileError> {
        let Some(node) = self.node(key) else {
            let default = default.ok_or_else(|| self.missing(key))?;
            self.reading.note(self.path_of(key), Origin::Default);
            return Ok(default);
        };
        self.reading.note(self.path_of(key), self.reading.origin_of(node));
        parse(node).map_err(|why| self.reading.source.error(node.place, format!("{} {why}", self.path_of(key))))
    }

    /// A whole number within a range.
    pub(super) fn whole<T>(&self, key: &str, range: RangeInclusive<T>, default: Option<T>) -> Result<T, ProfileError>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        self.value(key, default, |node| whole(node, &range))
    }

    /// A number, or the least and the greatest of a range: `50`, or
    /// `{ min = 10, max = 50 }`.
    pub(super) fn range(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        default: Range<u32>,
    ) -> Result<Range<u32>, ProfileError> {
        self.ends(key, default, &|node: &Node| whole(node, &range))
    }

    /// A duration, or the least and the greatest.
    pub(super) fn times(
        &self,
        key: &str,
        range: RangeInclusive<&str>,
        default: Range<u64>,
    ) -> Result<Range<u64>, ProfileError> {
        self.ends(key, default, &|node: &Node| duration(node, &range))
    }

    fn ends<T: Copy + PartialOrd>(
        &self,
        key: &str,
        default: Range<T>,
        parse: &impl Fn(&Node) -> Result<T, String>,
    ) -> Result<Range<T>, ProfileError> {
        let Some(node @ Node { value: Value::Table(_), .. }) = self.node(key) else {
            return self.value(key, Some(default), |node| parse(node).map(|both| Range { min: both, max: both }));
        };
        let inner = self.table(key, &["min", "max"])?;
        let ends = Range { min: inner.value("min", None, parse)?, max: inner.value("max", None, parse)? };
        for end in ["min", "max"] {
            self.reading.take_origin(&inner.path_of(end));
        }
        self.reading.note(self.path_of(key), self.reading.origin_of(node));
        if ends.min > ends.max {
            return Err(self
                .reading
                .source
                .error(node.place, format!("{} has a min above its max", self.path_of(key))));
        }
        Ok(ends)
    }

    /// A duration in µs; the range is written as a duration is.
    pub(super) fn time(
        &self,
        key: &str,
        range: RangeInclusive<&str>,
        default: Option<&str>,
    ) -> Result<u64, ProfileError> {
        self.value(key, default.map(constant), |node| duration(node, &range))
    }

    /// A number within a range, such as a rate.
    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<f64>,
        default: Option<f64>,
    ) -> Result<f64, ProfileError> {
        self.value(key, default, |node| match node.value {
            Value::Real(number) => within(number, &range),
            Value::Whole(number) => within(number as f64, &range),
            _ => Err(format!("must be a number, not {}", node.kind())),
        })
    }

    /// A share: a number, or a string with a per cent sign.
    pub(super) fn share(&self, key: &str, range: RangeInclusive<f64>, default: f64) -> Result<f64, ProfileError> {
        self.value(key, Some(default), |node| match &node.value {
            Value::Real(number) => within(*number, &range),
            Value::Whole(number) => within(*number as f64, &range),
            Value::Text(text) => match parse_percent(text) {
                Some(share) => within(share, &range),
                None => Err(format!("must be a share such as 0.1 or \"10%\", not {}", node.kind())),
            },
            _ => Err(format!("must be a share such as 0.1 or \"10%\", not {}", node.kind())),
        })
    }

    /// A string.
    pub(super) fn text(&self, key: &str, default: Option<&str>) -> Result<String, ProfileError> {
        self.value(key, default.map(str::to_owned), |node| match &node.value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(format!("must be a string, not {}", node.kind())),
        })
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], default: Option<T>) -> Result<T, ProfileError> {
        self.value(key, default, |node| word(node, words))
    }

    /// The error that a key is missing, at the table that lacks it.
    pub(super) fn missing(&self, key: &str) -> ProfileError {
        let message = match self.path.as_str() {
            "" => format!("missing key {key:?}"),
            _ => format!("missing key {key:?} in {}", self.name()),
        };
        self.reading.source.error(self.place, message)
    }

    /// The error that a key must not stand here, at its value.
    pub(super) fn refuse(&self, key: &str, why: &str) -> ProfileError {
        let place = self.node(key).map_or(self.place, |node| node.place);
        self.reading.source.error(place, format!("{} {why}", self.path_of(key)))
    }

    fn wrong_type(&self, key: &str, node: Option<&Node>, expected: &str) -> ProfileError {
        let found = node.map_or_else(String::new, Node::kind);
        let place = node.map_or(self.place, |node| node.place);
        self.reading.source.error(place, format!("{} must be {expected}, not {found}", self.path_of(key)))
    }

    fn unknown(&self, key: &str, known: &[&str]) -> String {
        let within = if self.path.is_empty() { String::new() } else { format!(" in {}", self.name()) };
        match nearest(key, known.iter().copied(), 1).first() {
            Some(near) => format!("unknown key {key:?}{within}; did you mean {near:?}?"),
            None => format!("unknown key {key:?}{within}; keys are {}", known.join(", ")),
        }
    }

    /// The table's header as written.
    fn name(&self) -> String {
        match self.path.rsplit_once('.') {
            Some((array, rank)) if rank.parse::<usize>().is_ok() => format!("[[{array}]]"),
            _ => format!("[{}]", self.path),
        }
    }
}

/// One of several words; the error lists them.
pub(super) fn word<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, String> {
    let names: Vec<String> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
    let Value::Text(text) = &node.value else {
        return Err(format!("must be {}, not {}", names.join(" or "), node.kind()));
    };
    match words.iter().find(|(name, _)| name == text) {
        Some((_, value)) => Ok(*value),
        None => Err(match nearest(text, words.iter().map(|(name, _)| *name), 1).first() {
            Some(near) => format!("must be {}, not {text:?}; did you mean {near:?}?", names.join(" or ")),
            None => format!("must be {}, not {text:?}", names.join(" or ")),
        }),
    }
}

fn whole<T>(node: &Node, range: &RangeInclusive<T>) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    let Value::Whole(number) = node.value else {
        return Err(format!("must be a whole number, not {}", node.kind()));
    };
    let fault = || format!("must be from {} to {}, not {number}", range.start(), range.end());
    let value = T::try_from(number).map_err(|_| fault())?;
    if range.contains(&value) { Ok(value) } else { Err(fault()) }
}

fn within(number: f64, range: &RangeInclusive<f64>) -> Result<f64, String> {
    if range.contains(&number) {
        return Ok(number);
    }
    Err(format!("must be from {} to {}, not {number}", range.start(), range.end()))
}

fn duration(node: &Node, range: &RangeInclusive<&str>) -> Result<u64, String> {
    let Value::Text(text) = &node.value else {
        return Err(format!("must be a duration such as \"10s\" or \"250ms\", not {}", node.kind()));
    };
    let duration_us = parse_duration(text).map_err(|why| format!("must be a duration: {why}"))?;
    if (constant(range.start())..=constant(range.end())).contains(&duration_us) {
        return Ok(duration_us);
    }
    Err(format!("must be from {} to {}, not {text}", range.start(), range.end()))
}

/// A duration of this module's own text.
pub(super) fn constant(text: &str) -> u64 {
    parse_duration(text).expect("durations in the source are valid")
}
