//! JSON as servers write it for machines: without blanks, and without anything
//! escaped. Such an answer is read here, for less CPU time; whatever is not of this
//! kind is left to the library, and what is read here it would read alike.

use memchr::memchr;

/// A place in a document.
pub(super) struct Plain<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Plain<'a> {
    /// The start of a document in which a quotation mark always ends a text or begins
    /// one.
    pub fn of(body: &'a [u8]) -> Option<Self> {
        // Without a way out of it, so that many bytes can be looked at at once.
        let is_plain = |byte: u8| (b' '..0x80).contains(&byte) & (byte != b'\\');
        let all_plain = body.iter().fold(true, |all, byte| all & is_plain(*byte));
        let text = std::str::from_utf8(body).ok().filter(|_| all_plain)?;
        Some(Self { text, at: 0 })
    }

    /// Reads an object: each member's value is read by `value`, which is told its name.
    pub fn object(&mut self, mut value: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        loop {
            let name = self.text()?;
            self.take(b':')?;
            value(self, name)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    /// Reads a text.
    pub fn text(&mut self) -> Option<&'a str> {
        // Most texts are shorter than what it takes to look for the end of a long one.
        const SHORT: usize = 16;
        self.take(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let (short, long) = rest.split_at(rest.len().min(SHORT));
        let length = short.iter().position(|byte| *byte == b'"');
        let length = length.or_else(|| memchr(b'"', long).map(|length| short.len() + length))?;
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length + 1;
        Some(text)
    }

    /// Reads `true` or `false`.
    pub fn truth(&mut self) -> Option<bool> {
        match self.word("true") {
            Some(()) => Some(true),
            None => self.word("false").map(|()| false),
        }
    }

    /// Passes over a text, a truth or nothing at all; an object, an array or a number is
    /// for the library.
    pub fn skip(&mut self) -> Option<()> {
        match self.text.as_bytes().get(self.at)? {
            b'"' => self.text().map(|_| ()),
            b'n' => self.word("null"),
            _ => self.truth().map(|_| ()),
        }
    }

    /// The end of the document.
    pub fn end(&self) -> Option<()> {
        (self.at == self.text.len()).then_some(())
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        if *self.text.as_bytes().get(self.at)? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(())
    }
}
