//! What is made of a text that stands somewhere, before it is the value: a part of
//! it by a pattern, or what it encodes. `|json` alone is a matter of the trie; behind
//! one of these it is one of them.

use super::source::parse_pointer;
use super::template::from_base64;
use super::trie::{ROOT, Trie};
use regex::Regex;

/// The hops of a source, in their order.
#[derive(Clone, Debug, Default)]
pub struct Hops(Vec<Hop>);

#[derive(Clone, Debug)]
enum Hop {
    Base64,
    Pattern(Box<Regex>),
    /// A place in the JSON that the text is.
    Json(Box<Trie>, u16),
}

impl Hops {
    /// A source as written, in front of its first hop and from there on.
    pub fn split(text: &str) -> (&str, &str) {
        let is_pointer = text.is_empty() || text.starts_with(['/', '$', '|']);
        let first = match is_pointer {
            true => ["|base64", "|regex:"].iter().filter_map(|hop| text.find(hop)).min(),
            false => text.find('|'),
        };
        text.split_at(first.unwrap_or(text.len()))
    }

    /// Compiles `|base64|json/a|regex:PATTERN`; an error is in words.
    pub fn compile(mut rest: &str) -> Result<Self, String> {
        let mut hops = Vec::new();
        while let Some(hop) = rest.strip_prefix('|') {
            if let Some(pattern) = hop.strip_prefix("regex:") {
                let regex = Regex::new(pattern).map_err(|error| format!("{pattern:?} is no pattern: {error}"))?;
                hops.push(Hop::Pattern(regex.into()));
                return Ok(Self(hops));
            }
            let (this, behind) = hop.split_at(hop.find('|').unwrap_or(hop.len()));
            hops.push(match this.strip_prefix("json") {
                Some(pointer) => {
                    let path = parse_pointer(pointer).filter(|path| super::trie::stars(path) == 0);
                    let path = path.ok_or_else(|| format!("{pointer:?} is no path"))?;
                    let mut trie = Trie::default();
                    let slot = trie.slot(ROOT, &path);
                    Hop::Json(trie.into(), slot)
                }
                None if this == "base64" => Hop::Base64,
                None => return Err(format!("|{this}: there are |json, |base64 and |regex:PATTERN")),
            });
            rest = behind;
        }
        Ok(Self(hops))
    }

    /// Whether the text is the value as it stands.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they make of a text; `None` where one leads nowhere.
    pub fn follow(&self, text: &str) -> Option<String> {
        self.0.iter().try_fold(text.to_owned(), |text, hop| match hop {
            Hop::Base64 => String::from_utf8(from_base64(&text)?).ok(),
            Hop::Pattern(regex) => {
                let found = regex.captures(&text)?;
                Some(found.get(1).or_else(|| found.get(0))?.as_str().to_owned())
            }
            Hop::Json(trie, slot) => Some(trie.read(&text)?.root.get(*slot as usize)?.as_ref()?.text()?.into_owned()),
        })
    }
}
