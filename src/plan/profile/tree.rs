//! A profile as written: its values, and where each of them stands.

use super::Override;
use super::error::{Place, ProfileError, Source};
use toml_edit::{Document, Item, TableLike, Value as TomlValue};

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

/// A value of a profile.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(Vec<Entry>),
    Array(Vec<Node>),
    Text(String),
    Whole(i64),
    Real(f64),
    Truth(bool),
    Date,
}

/// A key of a table, where it stands, and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

impl Node {
    /// Reads the text of a profile and puts the overrides in.
    pub(super) fn read(source: &Source<'_>) -> Result<Node, ProfileError> {
        let document = Document::parse(source.text).map_err(|error| {
            let byte = error.span().map_or(0, |span| span.start);
            source.error(Place::Text(byte), error.message().replace('\n', ", "))
        })?;
        let mut root = Node { place: Place::Text(0), value: table(document.as_table(), Placing::Spans(0)) };
        for (rank, one) in source.overrides.iter().enumerate() {
            root.put(one, Place::Flag(rank)).map_err(|why| source.error(Place::Flag(rank), why))?;
        }
        Ok(root)
    }

    /// The value under a key of a table.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The value under a path: keys, and ranks of arrays.
    pub(super) fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| match &node.value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => node.get(key),
        })
    }

    /// The place of the flag that gave the value or a part of it.
    pub(super) fn flag(&self) -> Option<usize> {
        let inside = || match &self.value {
            Value::Table(entries) => entries.iter().find_map(|entry| entry.node.flag()),
            Value::Array(items) => items.iter().find_map(Node::flag),
            _ => None,
        };
        match self.place {
            Place::Flag(rank) => Some(rank),
            Place::Text(_) => inside(),
        }
    }

    /// What the value is, in words.
    pub(super) fn kind(&self) -> String {
        match &self.value {
            Value::Table(_) => "a table".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Whole(number) => number.to_string(),
            Value::Real(number) => format!("{number:?}"),
            Value::Truth(truth) => truth.to_string(),
            Value::Date => "a date".to_owned(),
        }
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    fn put(&mut self, one: &Override, place: Place) -> Result<(), String> {
        let value = one.value.parse::<TomlValue>().unwrap_or_else(|_| TomlValue::from(one.value.as_str()));
        let mut node = self;
        let mut walked = String::new();
        let keys: Vec<&str> = one.path.split('.').map(str::trim).collect();
        for (depth, key) in keys.iter().enumerate() {
            node = node.child(key, place).map_err(|why| format!("{walked} {why}"))?;
            walked = keys[..=depth].join(".");
        }
        node.place = place;
        node.value = convert(&value, Placing::Fixed(place)).value;
        Ok(())
    }

    /// The node under a key or a rank, made where a table lacks it.
    fn child(&mut self, key: &str, place: Place) -> Result<&mut Node, String> {
        let kind = self.kind();
        match &mut self.value {
            Value::Table(entries) => {
                let at = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
                    let node = Node { place, value: Value::Table(Vec::new()) };
                    entries.push(Entry { key: key.to_owned(), key_place: place, node });
                    entries.len() - 1
                });
                Ok(&mut entries[at].node)
            }
            Value::Array(items) => {
                let length = items.len();
                let item = key.parse::<usize>().ok().and_then(|rank| items.get_mut(rank));
                item.ok_or_else(|| format!("is an array of {length}, which has no {key:?}; ranks count from 0"))
            }
            _ => Err(format!("is not a table, but {kind}")),
        }
    }
}

/// Which place a converted value gets.
#[derive(Clone, Copy)]
enum Placing {
    /// Its own, and where it has none, this byte.
    Spans(usize),
    /// This one.
    Fixed(Place),
}

impl Placing {
    fn place(self, span: Option<std::ops::Range<usize>>) -> Place {
        match self {
            Placing::Spans(outer) => Place::Text(span.map_or(outer, |span| span.start)),
            Placing::Fixed(place) => place,
        }
    }

    /// For what stands inside a value at this place.
    fn inside(self, place: Place) -> Self {
        match (self, place) {
            (Placing::Spans(_), Place::Text(byte)) => Placing::Spans(byte),
            _ => self,
        }
    }
}

fn table(table: &dyn TableLike, placing: Placing) -> Value {
    let entry = |(key, item): (&str, &Item)| {
        let key_place = placing.place(table.key(key).and_then(toml_edit::Key::span));
        let inside = placing.inside(key_place);
        let place = inside.place(item.span());
        let inside = inside.inside(place);
        let value = match item {
            Item::Value(value) => convert(value, inside).value,
            Item::Table(inner) => self::table(inner, inside),
            Item::ArrayOfTables(tables) => {
                let node = |inner: &toml_edit::Table| {
                    let place = inside.place(inner.span());
                    Node { place, value: self::table(inner, inside.inside(place)) }
                };
                Value::Array(tables.iter().map(node).collect())
            }
            Item::None => Value::Table(Vec::new()),
        };
        Entry { key: key.to_owned(), key_place, node: Node { place, value } }
    };
    Value::Table(table.iter().map(entry).collect())
}

fn convert(value: &TomlValue, placing: Placing) -> Node {
    let place = placing.place(value.span());
    let inside = placing.inside(place);
    let value = match value {
        TomlValue::String(text) => Value::Text(text.value().clone()),
        TomlValue::Integer(number) => Value::Whole(*number.value()),
        TomlValue::Float(number) => Value::Real(*number.value()),
        TomlValue::Boolean(truth) => Value::Truth(*truth.value()),
        TomlValue::Datetime(_) => Value::Date,
        TomlValue::Array(items) => Value::Array(items.iter().map(|item| convert(item, inside)).collect()),
        TomlValue::InlineTable(inner) => table(inner, inside),
    };
    Node { place, value }
}
