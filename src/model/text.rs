//! The text of a message: a literal, the run id and the key, then filler made
//! from the key, so that a receiver recognises and verifies it without a
//! lookup.

use super::ids::MessageRef;
use super::key::{KeyCodec, MessageKey};
use super::random::mix;
use serde::{Deserialize, Serialize};

const LITERAL: &str = "posthaste:";
/// Literal, run id, separator, key, separator.
const HEAD_BYTES: usize = LITERAL.len() + 16 + 1 + 36 + 1;

/// Length of the text of messages in bytes, uniform between both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeRange {
    /// The shortest text in bytes.
    pub min: u32,
    /// The longest text in bytes.
    pub max: u32,
}

impl SizeRange {
    /// The least number of bytes that hold the identity of a message.
    pub const SMALLEST: u32 = HEAD_BYTES as u32 + 1;
}

/// What a text says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageText {
    /// Not a message of this run: no literal with this run's id.
    Unrelated,
    /// Carries this run's id and a key that the run cannot have made.
    Foreign,
    /// A message of this run.
    Message {
        /// Its key.
        key: MessageKey,
        /// Which message the key names.
        message: MessageRef,
        /// The key's intended time in µs after the start of the load, modulo
        /// 2³⁶.
        intended_wrapped_us: u64,
        /// Whether the whole text is one that the key's generator produces.
        intact: bool,
        /// Which one: 0 is the text as it was sent, every further one an edit.
        /// 0 where it is not intact.
        version: u32,
    },
}

/// Renders and recognises the texts of one run.
#[derive(Clone, Debug)]
pub struct TextCodec {
    keys: KeyCodec,
    size: SizeRange,
    prefix: String,
    /// Edits of one message at most.
    edits: u32,
}

impl TextCodec {
    /// The codec of a run; texts have the given size.
    pub fn new(keys: KeyCodec, size: SizeRange) -> Self {
        let prefix = format!("{LITERAL}{}", keys.run());
        Self { keys, size, prefix, edits: 0 }
    }

    /// The same texts, where a message may be edited so often.
    pub fn with_edits(self, edits: u32) -> Self {
        Self { edits, ..self }
    }

    /// The codec of the keys.
    pub fn keys(&self) -> &KeyCodec {
        &self.keys
    }

    /// What every text of the run begins with: a search for it rejects frames
    /// of others before they are parsed.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The text of a message. ASCII, without trailing blanks.
    pub fn render(&self, key: MessageKey) -> String {
        self.render_version(key, 0)
    }

    /// The text that an edit gives a message; version 0 is the text as sent.
    pub fn render_version(&self, key: MessageKey, version: u32) -> String {
        let seed = mix(key.0.as_u128() as u64 ^ (key.0.as_u128() >> 64) as u64);
        let seed = if version == 0 { seed } else { mix(seed.wrapping_add(version.into())) };
        let span = u64::from(self.size.max.saturating_sub(self.size.min)) + 1;
        let length = self.size.min.max(SizeRange::SMALLEST) as usize + (mix(seed) % span) as usize;
        let mut text = vec![b' '; length];
        let (head, filler) = text.split_at_mut(HEAD_BYTES);
        let (prefix, key_at) = (self.prefix.as_bytes(), self.prefix.len() + 1);
        head[..prefix.len()].copy_from_slice(prefix);
        head[prefix.len()] = b':';
        key.0.as_hyphenated().encode_lower(&mut head[key_at..]);
        fill(filler, seed);
        String::from_utf8(text).expect("letters, digits, blanks and hyphens are ASCII")
    }

    /// Reads a text that a target delivered.
    pub fn read(&self, text: &str) -> MessageText {
        // Not only at the start: a target may wrap what it is given.
        let Some((_, rest)) = text.split_once(self.prefix.as_str()) else {
            return MessageText::Unrelated;
        };
        let key = rest.get(1..37).and_then(MessageKey::parse);
        let Some((key, Ok((message, intended_wrapped_us)))) = key.map(|key| (key, self.keys.decode(key))) else {
            return MessageText::Foreign;
        };
        let version = (0..=self.edits).find(|version| self.render_version(key, *version) == text);
        let (intact, version) = (version.is_some(), version.unwrap_or(0));
        MessageText::Message { key, message, intended_wrapped_us, intact, version }
    }
}

/// Words of lower-case letters. The last byte is never a blank: servers trim.
fn fill(room: &mut [u8], seed: u64) {
    const LETTERS: &[u8; 32] = b"etaoinshrdlucmfwypvbgkjqxzetaoin";
    const BLOCK: usize = 12;
    const BLANK: usize = 7;
    // A block at a time: a text is made for each message, and again where one is
    // read.
    let words = |block: &mut [u8], word: u64| {
        let mut rest = word;
        for letter in block.iter_mut() {
            *letter = LETTERS[(rest & 31) as usize];
            rest >>= 5;
        }
        if block.len() > BLANK + 1 {
            block[BLANK] = b' ';
        }
    };
    let mut word = seed;
    let mut number = 0u64;
    let mut next = || {
        word = mix(word.wrapping_add(number));
        number += 1;
        word
    };
    let (blocks, last) = room.as_chunks_mut::<BLOCK>();
    for block in blocks {
        words(block, next());
    }
    if !last.is_empty() {
        words(last, next());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ChannelId, KeyLayout, RunId};
    use super::*;

    fn codec(run: u64, min: u32, max: u32) -> TextCodec {
        let keys = KeyCodec::new(RunId(run), KeyLayout { channel_bits: 20 });
        TextCodec::new(keys, SizeRange { min, max })
    }

    fn key(codec: &TextCodec, index: u32) -> MessageKey {
        codec.keys().encode(MessageRef { channel: ChannelId(4), index }, 77)
    }

    #[test]
    fn lengths_keep_their_range_and_ends_are_not_blank() {
        let codec = codec(1, 80, 400);
        let lengths: Vec<usize> = (0..2_000)
            .map(|index| {
                let text = codec.render(key(&codec, index));
                assert!(!text.ends_with(' ') && text.is_ascii());
                text.len()
            })
            .collect();
        assert!(lengths.iter().all(|length| (80..=400).contains(length)));
        assert!(lengths.iter().min() < Some(&90) && lengths.iter().max() > Some(&390));
    }

    /// A run that is judged again years later finds the texts that it sent.
    #[test]
    fn texts_are_for_ever_what_they_were() {
        let codec = codec(1, 80, 400);
        for index in 0..300 {
            let key = key(&codec, index);
            let mut word = mix(key.0.as_u128() as u64 ^ (key.0.as_u128() >> 64) as u64);
            let length = 80 + (mix(word) % 321) as usize;
            let mut text = format!("posthaste:0000000000000001:{key} ");
            for block in 0.. {
                word = mix(word.wrapping_add(block));
                let letter =
                    |at: usize| char::from(b"etaoinshrdlucmfwypvbgkjqxzetaoin"[(word >> (at * 5)) as usize & 31]);
                let room = (length - text.len()).min(12);
                text.extend((0..room).map(|at| if at == 7 && room > 8 { ' ' } else { letter(at) }));
                if text.len() == length {
                    break;
                }
            }
            assert_eq!(codec.render(key), text);
        }
    }

    #[test]
    fn every_change_of_a_text_is_told_apart() {
        let (codec, other) = (codec(1, 100, 100), codec(2, 100, 100));
        let text = codec.render(key(&codec, 5));
        let message = MessageRef { channel: ChannelId(4), index: 5 };
        let expect =
            |intact| MessageText::Message { key: key(&codec, 5), message, intended_wrapped_us: 77, intact, version: 0 };
        let mangled_key = text.replacen(":", ";", 2).replacen(";", ":", 1);
        for (changed, meaning, reason) in [
            (text.clone(), expect(true), "as sent"),
            (text[..99].to_owned(), expect(false), "truncated"),
            (text.replace('e', "E"), MessageText::Unrelated, "the literal itself is changed"),
            (format!("{text} "), expect(false), "longer"),
            (format!("<p>{text}</p>"), expect(false), "wrapped"),
            (text[..50].to_owned(), MessageText::Foreign, "cut within the key"),
            (mangled_key, expect(false), "separator changed"),
            ("hello".to_owned(), MessageText::Unrelated, "of somebody else"),
            (other.render(key(&codec, 5)), MessageText::Unrelated, "of another run"),
        ] {
            assert_eq!(codec.read(&changed), meaning, "{reason}");
        }
    }

    #[test]
    fn an_edited_text_tells_which_edit_it_is() {
        let codec = codec(1, 80, 400).with_edits(3);
        let texts: Vec<String> = (0..=4).map(|version| codec.render_version(key(&codec, 5), version)).collect();
        assert_eq!(texts[0], codec.render(key(&codec, 5)));
        let version_of = |text: &str| match codec.read(text) {
            MessageText::Message { intact: true, version, .. } => Some(version),
            _ => None,
        };
        for (number, text) in (0..).zip(&texts) {
            let expected = (number <= 3).then_some(number);
            assert_eq!(version_of(text), expected, "an edit that the run does not make is none of its texts");
            assert!((80..=400).contains(&text.len()) && !text.ends_with(' '));
        }
        assert_eq!(version_of(&texts[2][..79]), None, "cut");
    }
}
