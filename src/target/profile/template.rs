//! Templates: literal text and variables, compiled when the profile is loaded.

use super::scope::Scope;
use super::variables::{Names, Variable};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A compiled template.
#[derive(Clone, Debug, Default)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    Literal(Box<str>),
    Value(Value),
}

#[derive(Clone, Debug)]
struct Value {
    variable: Variable,
    filters: Vec<Filter>,
    escape: Escape,
}

#[derive(Clone, Debug)]
enum Filter {
    Json,
    UrlEncode,
    Base64,
    Base64Url,
    Md5(Encoding),
    Sha256(Encoding),
    Sha512(Encoding),
    Hmac(Algorithm, Variable, Encoding),
    /// Basic authentication, with the value of another variable as the name.
    Basic(Variable),
    /// A whole number, and so much more.
    Add(i64),
    Int,
    Upper,
    Lower,
    Or(Box<str>),
}

const FILTERS: &str = "json, urlencode, base64, base64url, md5, sha256, sha512, hmac_sha256(NAME), hmac_sha512(NAME), \
                       basic(NAME), add(NUMBER), int, upper, lower and or(TEXT)";

/// How the bytes of a digest are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// In hexadecimal.
    #[default]
    Hex,
    /// In base64.
    Base64,
    /// In base64 for URLs, without padding.
    Base64url,
}

/// What signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[default]
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
}

/// What becomes of a value by where the template stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// Nothing.
    #[default]
    No,
    /// Percent-encoded, as a part of a path.
    Url,
    /// As inside of a JSON string.
    Json,
}

/// Why a template has no text: a variable without a value, or one that is not
/// what a filter needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

impl Template {
    /// Compiles a text; an error is in words.
    pub fn compile(text: &str, names: &Names, escape: Escape) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some(begin) = rest.find("{{") {
            if begin > 0 {
                segments.push(Segment::literal(&rest[..begin], escape));
            }
            let inner = &rest[begin + 2..];
            let end = inner.find("}}").ok_or_else(|| format!("{text:?}: \"{{{{\" without \"}}}}\""))?;
            segments.push(Segment::Value(value(&inner[..end], names, escape)?));
            rest = &inner[end + 2..];
        }
        if !rest.is_empty() {
            segments.push(Segment::literal(rest, escape));
        }
        Ok(Self { segments })
    }

    /// Whether it is one variable and nothing else, and that has no value.
    pub fn is_left_out(&self, scope: &Scope<'_>) -> bool {
        match &self.segments[..] {
            [Segment::Value(value)] if !value.filters.iter().any(|filter| matches!(filter, Filter::Or(_))) => {
                !scope.has(value.variable)
            }
            _ => false,
        }
    }

    /// Whether the template is `{{x|int}}`: a number where it stands in JSON.
    pub fn is_number(&self) -> bool {
        matches!(&self.segments[..], [Segment::Value(value)] if matches!(value.filters.last(), Some(Filter::Int)))
    }

    /// Whether a variable of a kind stands in it.
    pub fn uses(&self, wanted: impl Fn(Variable) -> bool) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(_) => false,
            Segment::Value(value) => {
                wanted(value.variable)
                    || value
                        .filters
                        .iter()
                        .any(|filter| matches!(filter, Filter::Hmac(_, key, _) | Filter::Basic(key) if wanted(*key)))
            }
        })
    }

    /// Appends its text.
    pub fn render_into(&self, out: &mut String, scope: &Scope<'_>) -> Result<(), RenderError> {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Value(value) => value.render_into(out, scope)?,
            }
        }
        Ok(())
    }

    /// Its text.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        let mut out = String::new();
        self.render_into(&mut out, scope)?;
        Ok(out)
    }
}

impl Segment {
    /// Literal text of JSON is escaped as what stands in it; that of a path is one
    /// already.
    fn literal(text: &str, escape: Escape) -> Self {
        let mut literal = String::with_capacity(text.len());
        match escape {
            Escape::Json => escape_json(text, &mut literal),
            Escape::No | Escape::Url => literal.push_str(text),
        }
        Segment::Literal(literal.into())
    }
}

fn value(text: &str, names: &Names, escape: Escape) -> Result<Value, String> {
    let mut parts = text.split('|').map(str::trim);
    let variable = names.variable(parts.next().unwrap_or_default())?;
    let filters = parts.map(|part| filter(part, names)).collect::<Result<_, _>>()?;
    Ok(Value { variable, filters, escape })
}

fn filter(text: &str, names: &Names) -> Result<Filter, String> {
    let (name, argument) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix(')')),
        None => (text, None),
    };
    Ok(match (name, argument) {
        ("json", None) => Filter::Json,
        ("urlencode", None) => Filter::UrlEncode,
        ("base64", None) => Filter::Base64,
        ("base64url", None) => Filter::Base64Url,
        ("md5", written) => Filter::Md5(encoding(written)?),
        ("sha256", written) => Filter::Sha256(encoding(written)?),
        ("sha512", written) => Filter::Sha512(encoding(written)?),
        ("hmac_sha256" | "hmac_sha512", Some(arguments)) => {
            let (key, written) = arguments.split_once(',').map_or((arguments, None), |(key, how)| (key, Some(how)));
            let algorithm = if name == "hmac_sha256" { Algorithm::HmacSha256 } else { Algorithm::HmacSha512 };
            Filter::Hmac(algorithm, names.variable(key.trim())?, encoding(written)?)
        }
        ("basic", Some(name)) => Filter::Basic(names.variable(name.trim())?),
        ("add", Some(number)) => {
            Filter::Add(number.trim().parse().map_err(|_| format!("{text:?}: {number:?} is no whole number"))?)
        }
        ("int", None) => Filter::Int,
        ("upper", None) => Filter::Upper,
        ("lower", None) => Filter::Lower,
        ("or", Some(text)) => Filter::Or(text.trim_matches(['"', '\'']).into()),
        _ => return Err(format!("{text:?} is no filter; there are {FILTERS}")),
    })
}

fn encoding(written: Option<&str>) -> Result<Encoding, String> {
    Ok(match written.map(str::trim) {
        None | Some("hex") => Encoding::Hex,
        Some("base64") => Encoding::Base64,
        Some("base64url") => Encoding::Base64url,
        Some(other) => return Err(format!("{other:?} is no encoding; there are hex, base64 and base64url")),
    })
}

impl Encoding {
    fn write(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex(bytes),
            Self::Base64 => BASE64.encode(bytes),
            Self::Base64url => BASE64_URL.encode(bytes),
        }
    }
}

impl Value {
    fn render_into(&self, out: &mut String, scope: &Scope<'_>) -> Result<(), RenderError> {
        let mut text = scope.value(self.variable);
        for filter in &self.filters {
            text = match (text, filter) {
                (None, Filter::Or(default)) => Some(Cow::Borrowed(&**default)),
                (None, _) => None,
                (Some(text), filter) => Some(filter.apply(text, scope)?),
            };
        }
        let Some(text) = text else { return Err(scope.missing(self.variable)) };
        match self.escape {
            Escape::No => out.push_str(&text),
            Escape::Url => percent_encode(&text, out),
            Escape::Json => escape_json(&text, out),
        }
        Ok(())
    }
}

impl Filter {
    fn apply<'a>(&self, text: Cow<'a, str>, scope: &Scope<'_>) -> Result<Cow<'a, str>, RenderError> {
        let own = match self {
            Filter::Or(_) => return Ok(text),
            Filter::Json => {
                let mut quoted = String::with_capacity(text.len() + 2);
                quoted.push('"');
                escape_json(&text, &mut quoted);
                quoted.push('"');
                quoted
            }
            Filter::UrlEncode => {
                let mut encoded = String::with_capacity(text.len());
                percent_encode(&text, &mut encoded);
                encoded
            }
            Filter::Base64 => BASE64.encode(text.as_bytes()),
            Filter::Base64Url => BASE64_URL.encode(text.as_bytes()),
            Filter::Md5(encoding) => encoding.write(&Md5::digest(text.as_bytes())),
            Filter::Sha256(encoding) => encoding.write(&Sha256::digest(text.as_bytes())),
            Filter::Sha512(encoding) => encoding.write(&Sha512::digest(text.as_bytes())),
            Filter::Hmac(algorithm, key, encoding) => {
                let secret = scope.value(*key).ok_or_else(|| scope.missing(*key))?;
                algorithm.sign(&secret, &text, *encoding)
            }
            Filter::Basic(name) => {
                let name = scope.value(*name).ok_or_else(|| scope.missing(*name))?;
                BASE64.encode(format!("{name}:{text}"))
            }
            Filter::Add(more) => (whole(&text)? + i128::from(*more)).to_string(),
            Filter::Int => whole(&text)?.to_string(),
            Filter::Upper => text.to_uppercase(),
            Filter::Lower => text.to_lowercase(),
        };
        Ok(own.into())
    }
}

fn whole(text: &str) -> Result<i128, RenderError> {
    let digits = text.trim();
    digits.parse().map_err(|_| RenderError(format!("{digits:?} is no whole number")))
}

impl Algorithm {
    /// Signs a text.
    pub fn sign(self, secret: &str, text: &str, encoding: Encoding) -> String {
        const ANY: &str = "a key of any length will do";
        match self {
            Self::HmacSha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect(ANY);
                mac.update(text.as_bytes());
                encoding.write(&mac.finalize().into_bytes())
            }
            Self::HmacSha512 => {
                let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect(ANY);
                mac.update(text.as_bytes());
                encoding.write(&mac.finalize().into_bytes())
            }
        }
    }
}

/// What base64 of either alphabet, padded or not, encodes.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.trim().trim_end_matches('=').chars().map(of_urls).collect();
    BASE64_URL.decode(text).ok()
}

fn of_urls(letter: char) -> char {
    match letter {
        '+' => '-',
        '/' => '_',
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// All but the unreserved characters of RFC 3986.
pub fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

/// What stands between the quotes of a JSON string.
pub fn escape_json(text: &str, out: &mut String) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escaped);
        if escaped.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
}
