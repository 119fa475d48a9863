//! All paths that a profile reads from one kind of document, as one trie: a
//! document is walked once, what no path leads to is skipped, and nothing is
//! looked up by name afterwards.
//!
//! A *level* is the document, or what a star stands for: every element of
//! `/rooms/*/events/*` is an item with slots of its own.

use super::value::Value;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object, or an element of an array by its index.
    Name(Box<str>),
    /// Every member or element.
    Star,
    /// Into the JSON that a string holds.
    Json,
}

/// The paths, compiled.
#[derive(Clone, Debug)]
pub struct Trie {
    nodes: Vec<Node>,
    /// How many slots each level has; the first is the document itself.
    slots: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    names: Vec<(Box<str>, u32)>,
    star: Option<u32>,
    json: Option<u32>,
    /// The slots that hold what stands here: level and number.
    leaves: Vec<(u16, u16)>,
    /// The level whose items begin here.
    level: Option<u16>,
}

/// What a document has at the paths.
#[derive(Debug, Default)]
pub struct Read<'a> {
    /// What the document itself has, by slot.
    pub root: Slots<'a>,
    /// The items of the other levels, in the order of their ends.
    pub items: Vec<Item<'a>>,
}

/// Values by slot.
pub type Slots<'a> = Vec<Option<Value<'a>>>;

/// What a star stands for.
#[derive(Debug)]
pub struct Item<'a> {
    pub level: u16,
    /// The keys or indices of its stars.
    pub stars: Vec<Cow<'a, str>>,
    pub slots: Slots<'a>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], slots: vec![0] }
    }
}

/// The level of the document itself.
pub const ROOT: u16 = 0;

/// How many stars a path has.
pub fn stars(path: &[Step]) -> usize {
    path.iter().filter(|step| **step == Step::Star).count()
}

impl Trie {
    /// The level of the items at a path with stars.
    pub fn level(&mut self, path: &[Step]) -> u16 {
        let node = self.node(0, path);
        if let Some(level) = self.nodes[node as usize].level {
            return level;
        }
        let level = self.slots.len() as u16;
        self.slots.push(0);
        self.nodes[node as usize].level = Some(level);
        level
    }

    /// The slot of a path that begins at a level.
    pub fn slot(&mut self, level: u16, path: &[Step]) -> u16 {
        let top = self.nodes.iter().position(|node| node.level == Some(level)).unwrap_or(0);
        let node = self.node(top as u32, path) as usize;
        if let Some((_, slot)) = self.nodes[node].leaves.iter().find(|(of, _)| *of == level) {
            return *slot;
        }
        let slot = self.slots[level as usize] as u16;
        self.slots[level as usize] += 1;
        self.nodes[node].leaves.push((level, slot));
        slot
    }

    fn node(&mut self, from: u32, path: &[Step]) -> u32 {
        path.iter().fold(from, |at, step| {
            let node = &self.nodes[at as usize];
            let known = match step {
                Step::Name(name) => node.names.iter().find(|(known, _)| known == name).map(|(_, child)| *child),
                Step::Star => node.star,
                Step::Json => node.json,
            };
            known.unwrap_or_else(|| {
                let child = self.nodes.len() as u32;
                self.nodes.push(Node::default());
                let node = &mut self.nodes[at as usize];
                match step {
                    Step::Name(name) => node.names.push((name.clone(), child)),
                    Step::Star => node.star = Some(child),
                    Step::Json => node.json = Some(child),
                }
                child
            })
        })
    }

    /// Reads a document; `None` where it is no JSON.
    pub fn read<'a>(&self, document: &'a str) -> Option<Read<'a>> {
        let mut walk = Walk::new(self);
        walk.read(0, document)?;
        Some(Read { root: walk.root, items: walk.items })
    }

    /// What a document that has nothing reads as.
    pub fn nothing(&self) -> Read<'static> {
        Read { root: self.empty(ROOT), items: Vec::new() }
    }

    fn empty<'a>(&self, level: u16) -> Slots<'a> {
        (0..self.slots[level as usize]).map(|_| None).collect()
    }
}

/// One walk through a document.
struct Walk<'t, 'a> {
    trie: &'t Trie,
    root: Slots<'a>,
    /// The other levels that are open here, the innermost last.
    open: Vec<(u16, Slots<'a>)>,
    stars: Vec<Cow<'a, str>>,
    items: Vec<Item<'a>>,
}

impl<'t, 'a> Walk<'t, 'a> {
    fn new(trie: &'t Trie) -> Self {
        Self { trie, root: trie.empty(ROOT), open: Vec::new(), stars: Vec::new(), items: Vec::new() }
    }

    /// Reads a whole document from a node on.
    fn read(&mut self, node: u32, document: &'a str) -> Option<()> {
        let mut json = serde_json::Deserializer::from_str(document);
        Seed { walk: self, node }.deserialize(&mut json).ok()?;
        json.end().ok()
    }

    /// Keeps a value where a path leads to it: the first of two members with one
    /// name counts.
    fn note(&mut self, node: &Node, value: Value<'a>) {
        match &node.leaves[..] {
            [] => {}
            [(ROOT, slot)] => _ = self.root[*slot as usize].get_or_insert(value),
            leaves => {
                for (level, slot) in leaves {
                    let of_level = self.open.iter_mut().rev().find(|(open, _)| open == level);
                    let slots = of_level.map_or(&mut self.root, |(_, slots)| slots);
                    slots[*slot as usize].get_or_insert_with(|| value.clone());
                }
            }
        }
    }

    /// An element that one path leads to by its name, and another by a star.
    fn read_twice(&mut self, named: u32, star: u32, key: Cow<'a, str>, element: &'a str) {
        let _ = self.read(named, element);
        self.stars.push(key);
        let _ = self.read(star, element);
        self.stars.pop();
    }

    /// Into the JSON that a string holds.
    fn hop(&mut self, inside: u32, text: &str) {
        let trie = self.trie;
        let mut walk = Walk::new(trie);
        walk.open = self.open.iter().map(|(level, _)| (*level, trie.empty(*level))).collect();
        walk.stars = self.stars.iter().map(|star| Cow::Owned(star.to_string())).collect();
        if walk.read(inside, text).is_none() {
            return;
        }
        let mine = std::iter::once(&mut self.root).chain(self.open.iter_mut().map(|(_, slots)| slots));
        let theirs = std::iter::once(walk.root).chain(walk.open.into_iter().map(|(_, slots)| slots));
        for (mine, theirs) in mine.zip(theirs) {
            for (slot, value) in mine.iter_mut().zip(theirs) {
                if let Some(value) = value {
                    slot.get_or_insert_with(|| value.into_owned());
                }
            }
        }
        let owned = |slots: Slots<'_>| slots.into_iter().map(|value| value.map(Value::into_owned)).collect();
        self.items.extend(walk.items.into_iter().map(|Item { level, stars, slots }| Item {
            level,
            stars: stars.into_iter().map(|star| Cow::Owned(star.into_owned())).collect(),
            slots: owned(slots),
        }));
    }
}

/// A value below a node.
struct Seed<'w, 't, 'a> {
    walk: &'w mut Walk<'t, 'a>,
    node: u32,
}

impl<'t, 'a> Seed<'_, 't, 'a> {
    fn node(&self) -> &'t Node {
        let trie = self.walk.trie;
        &trie.nodes[self.node as usize]
    }

    fn note(&mut self, value: Value<'a>) -> &'t Node {
        let node = self.node();
        self.walk.note(node, value);
        node
    }
}

impl<'a> DeserializeSeed<'a> for Seed<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        let Seed { walk, node } = self;
        let level = walk.trie.nodes[node as usize].level;
        if let Some(level) = level {
            walk.open.push((level, walk.trie.empty(level)));
        }
        deserializer.deserialize_any(Seed { walk: &mut *walk, node })?;
        if level.is_some()
            && let Some((level, slots)) = walk.open.pop()
        {
            walk.items.push(Item { level, stars: walk.stars.clone(), slots });
        }
        Ok(())
    }
}

impl<'a> Visitor<'a> for Seed<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.note(Value::Bool(value));
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.note(Value::Whole(value));
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.note(u64::try_from(value).map_or(Value::Negative(value), Value::Whole));
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.note(Value::Real(value));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_borrowed_str<E>(mut self, text: &'a str) -> Result<(), E> {
        let node = self.note(Value::Text(Cow::Borrowed(text)));
        if let Some(inside) = node.json {
            self.walk.hop(inside, text);
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let node = self.node();
        if !node.leaves.is_empty() {
            self.walk.note(node, Value::Text(Cow::Owned(text.to_owned())));
        }
        if let Some(inside) = node.json {
            self.walk.hop(inside, text);
        }
        Ok(())
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let node = self.node();
        let mut empty = true;
        while let Some((key, child)) = map.next_key_seed(Key(node))? {
            empty = false;
            if let (Some(child), Some(star)) = (child, node.star) {
                let element: &'a RawValue = map.next_value()?;
                self.walk.read_twice(child, star, key.unwrap_or_default(), element.get());
            } else if let Some(child) = child {
                map.next_value_seed(Seed { walk: &mut *self.walk, node: child })?;
            } else if let Some(star) = node.star {
                self.walk.stars.push(key.unwrap_or_default());
                map.next_value_seed(Seed { walk: &mut *self.walk, node: star })?;
                self.walk.stars.pop();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        self.walk.note(node, Value::Nested { empty });
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut elements: S) -> Result<(), S::Error> {
        let node = self.node();
        let mut index = 0;
        loop {
            let named = node.names.iter().find(|(name, _)| is_index(name, index)).map(|(_, child)| *child);
            let more = if let (Some(child), Some(star)) = (named, node.star) {
                let element: Option<&'a RawValue> = elements.next_element()?;
                if let Some(element) = element {
                    self.walk.read_twice(child, star, index.to_string().into(), element.get());
                }
                element.is_some()
            } else if let Some(child) = named {
                elements.next_element_seed(Seed { walk: &mut *self.walk, node: child })?.is_some()
            } else if let Some(star) = node.star {
                self.walk.stars.push(index.to_string().into());
                let element = elements.next_element_seed(Seed { walk: &mut *self.walk, node: star });
                self.walk.stars.pop();
                element?.is_some()
            } else {
                elements.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
            index += 1;
        }
        self.walk.note(node, Value::Nested { empty: index == 0 });
        Ok(())
    }
}

fn is_index(name: &str, index: usize) -> bool {
    match name.as_bytes() {
        [digit] => usize::from(digit.wrapping_sub(b'0')) == index,
        _ => name.parse() == Ok(index),
    }
}

/// The key of a member: the child that it leads to; its text where a star takes it.
struct Key<'t>(&'t Node);

impl Key<'_> {
    fn child(&self, key: &str) -> Option<u32> {
        self.0.names.iter().find(|(name, _)| **name == *key).map(|(_, child)| *child)
    }
}

impl<'a> DeserializeSeed<'a> for Key<'_> {
    type Value = (Option<Cow<'a, str>>, Option<u32>);

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key<'_> {
    type Value = (Option<Cow<'a, str>>, Option<u32>);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Self::Value, E> {
        Ok((Some(Cow::Borrowed(key)), self.child(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let child = self.child(key);
        let kept = self.0.star.is_some().then(|| Cow::Owned(key.to_owned()));
        Ok((kept, child))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Step> {
        super::super::source::parse_pointer(text).unwrap()
    }

    fn texts(slots: &Slots<'_>) -> Vec<Option<String>> {
        slots.iter().map(|value| value.as_ref()?.text().map(Cow::into_owned)).collect()
    }

    #[test]
    fn one_walk_reads_every_path() {
        let mut trie = Trie::default();
        let paths =
            ["/type", "/data/post|json/id", "/data/post|json/n", "/list/1", "/list/10", "/missing", "/a~1b", "/o"];
        let slots: Vec<u16> = paths.iter().map(|text| trie.slot(ROOT, &path(text))).collect();
        assert_eq!(slots, (0..8).collect::<Vec<u16>>());
        assert_eq!(trie.slot(ROOT, &path("/type")), 0, "a path is one slot");
        let read = trie
            .read(r#"{"type":"x","data":{"post":"{\"id\":\"p\",\"n\":7,\"z\":[]}","q":[1]},"list":[0,1.5],"a/b":true,"o":{},"type":"y"}"#)
            .unwrap();
        let expected = [Some("x"), Some("p"), Some("7"), Some("1.5"), None, None, Some("true"), None];
        assert_eq!(texts(&read.root), expected.map(|text| text.map(str::to_owned)));
        assert_eq!(read.root[7], Some(Value::Nested { empty: true }));
        assert!(trie.read("{").is_none() && trie.read("{} {}").is_none());
        assert_eq!(texts(&trie.read(r#"{"data":{"post":"no JSON"}}"#).unwrap().root), vec![None; 8]);
    }

    #[test]
    fn what_is_nested_without_end_overflows_nothing() {
        let mut trie = Trie::default();
        let slot = usize::from(trie.slot(ROOT, &path("/a/b")));
        trie.level(&path("/list/*/x"));
        for open in ["[", "{\"a\":", "{\"list\":[", "{\"z\":["] {
            assert!(trie.read(&open.repeat(200_000)).is_none(), "{open}");
        }
        let deep = format!("{{\"z\":{}{},\"a\":{{\"b\":1}}}}", "[".repeat(200_000), "]".repeat(200_000));
        if let Some(read) = trie.read(&deep) {
            assert_eq!(read.root[slot], Some(Value::Whole(1)));
        }
    }

    #[test]
    fn stars_are_items_with_their_keys() {
        let mut trie = Trie::default();
        let events = trie.level(&path("/rooms/*/events/*"));
        let (id, room) = (trie.slot(events, &path("/id")), trie.level(&path("/rooms/*")));
        let limited = trie.slot(room, &path("/limited"));
        let next = trie.slot(ROOT, &path("/next"));
        let read = trie
            .read(r#"{"rooms":{"!a":{"limited":true,"events":[{"id":"1"},{"id":2}]},"!b":{"events":[{}]}},"next":"n"}"#)
            .unwrap();
        let seen: Vec<(u16, String, Option<String>)> = read
            .items
            .iter()
            .map(|item| {
                let slot = if item.level == events { id } else { limited };
                (item.level, item.stars.join(" "), texts(&item.slots)[slot as usize].clone())
            })
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [
                (events, "!a 0".to_owned(), some("1")),
                (events, "!a 1".to_owned(), some("2")),
                (room, "!a".to_owned(), some("true")),
                (events, "!b 0".to_owned(), None),
                (room, "!b".to_owned(), None),
            ]
        );
        assert_eq!(texts(&read.root)[next as usize].as_deref(), Some("n"));
    }

    #[test]
    fn items_may_stand_in_a_string_and_at_the_root() {
        let mut trie = Trie::default();
        let level = trie.level(&path("/d|json/*"));
        let slot = trie.slot(level, &path("/x"));
        let read = trie.read(r#"{"d":"[{\"x\":1},{\"x\":\"é\"}]"}"#).unwrap();
        let seen: Vec<_> = read.items.iter().map(|item| texts(&item.slots)[slot as usize].clone().unwrap()).collect();
        assert_eq!(seen, ["1", "é"]);
        let mut trie = Trie::default();
        let level = trie.level(&path("/*"));
        assert_eq!(trie.slot(level, &[]), 0);
        let first = trie.slot(ROOT, &path("/0"));
        let read = trie.read("[1,2]").unwrap();
        assert_eq!(read.items.len(), 2);
        assert_eq!(read.items[1].slots[0], Some(Value::Whole(2)));
        assert_eq!(read.root[first as usize], Some(Value::Whole(1)), "by its name, and by a star");
    }

    #[test]
    fn an_element_may_be_read_by_its_name_and_by_a_star() {
        let mut trie = Trie::default();
        let (kind, list) = (trie.slot(ROOT, &path("/0")), trie.slot(ROOT, &path("/1/0/n")));
        let inner = trie.level(&path("/1/*/x/*"));
        let (own, named) = (trie.slot(inner, &[]), trie.slot(ROOT, &path("/m/a|json/k")));
        let members = trie.level(&path("/m/*"));
        let of_member = trie.slot(members, &[]);
        let read = trie.read(r#"["k",[{"n":"\u00e9","x":[1,2]},{"x":[3]}]]"#).unwrap();
        let root = texts(&read.root);
        assert_eq!((root[kind as usize].as_deref(), root[list as usize].as_deref()), (Some("k"), Some("é")));
        let seen: Vec<_> =
            read.items.iter().map(|item| (item.stars.join(" "), item.slots[own as usize].clone())).collect();
        let whole = |number| Some(Value::Whole(number));
        let place = |text: &str| text.to_owned();
        assert_eq!(seen, [(place("0 0"), whole(1)), (place("0 1"), whole(2)), (place("1 0"), whole(3))]);
        let read = trie.read(r#"{"m":{"a":"{\"k\":7}","b":"c"}}"#).unwrap();
        assert_eq!(texts(&read.root)[named as usize].as_deref(), Some("7"));
        let seen: Vec<_> = read
            .items
            .iter()
            .map(|item| (item.stars.join(" "), texts(&item.slots)[of_member as usize].clone()))
            .collect();
        assert_eq!(seen, [(place("a"), Some(place("{\"k\":7}"))), (place("b"), Some(place("c")))]);
    }
}
