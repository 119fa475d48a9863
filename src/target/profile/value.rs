//! What stands at a place of an answer or a frame.

use crate::model::Position;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;

/// A JSON value without what is inside of it; null is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Negative(i64),
    Real(f64),
    Bool(bool),
    /// An object or an array; whether there is nothing in it.
    Nested {
        empty: bool,
    },
}

impl Value<'_> {
    /// As text; `None` for what is nested.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Whole(number) => number.to_string().into(),
            Value::Negative(number) => number.to_string().into(),
            Value::Real(number) => number.to_string().into(),
            Value::Bool(value) => if *value { "true" } else { "false" }.into(),
            Value::Nested { .. } => return None,
        })
    }

    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Whole(number) => Value::Whole(number),
            Value::Negative(number) => Value::Negative(number),
            Value::Real(number) => Value::Real(number),
            Value::Bool(value) => Value::Bool(value),
            Value::Nested { empty } => Value::Nested { empty },
        }
    }
}

/// How a target writes where a message stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PositionFormat {
    /// A number, or a text of digits.
    #[default]
    Int,
    /// Seconds and a fraction of up to six digits: `1700000000.000100`.
    Decimal,
    /// A date and a time, to the millisecond: `2026-11-24T10:00:00.123Z`.
    Iso,
    /// The same to the microsecond.
    IsoUs,
    /// A number and a counter, whatever stands between them: `1700000000:3`.
    Pair,
}

/// The counter of a pair takes so many bits.
const PAIR_BITS: u32 = 20;

impl PositionFormat {
    /// Reads a position; `None` for another shape.
    pub fn read(self, value: &Value<'_>) -> Option<Position> {
        match (self, value) {
            (Self::Int, Value::Whole(number)) => return Some(Position(*number)),
            (Self::Decimal, Value::Real(number)) if *number >= 0.0 && *number < 1e13 => {
                return Some(Position((number * 1e6).round() as u64));
            }
            (Self::Decimal, Value::Whole(number)) => return number.checked_mul(1_000_000).map(Position),
            _ => {}
        }
        let text = value.text()?;
        match self {
            Self::Int => digits(&text).map(Position),
            Self::Decimal => decimal(&text),
            Self::Iso => instant(&text).and_then(|at| u64::try_from(at.as_millisecond()).ok()).map(Position),
            Self::IsoUs => instant(&text).and_then(|at| u64::try_from(at.as_microsecond()).ok()).map(Position),
            Self::Pair => pair(&text),
        }
    }

    /// Writes a position as the target does.
    pub fn write(self, Position(position): Position) -> String {
        match self {
            Self::Int => position.to_string(),
            Self::Decimal => format!("{}.{:06}", position / 1_000_000, position % 1_000_000),
            Self::Iso => format!("{:.3}", jiff::Timestamp::from_millisecond(position as i64).unwrap_or_default()),
            Self::IsoUs => format!("{:.6}", jiff::Timestamp::from_microsecond(position as i64).unwrap_or_default()),
            Self::Pair => format!("{}:{}", position >> PAIR_BITS, position & ((1 << PAIR_BITS) - 1)),
        }
    }
}

fn instant(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn decimal(text: &str) -> Option<Position> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 6 {
        return None;
    }
    let micros = digits(fraction)? * 10u64.pow(6 - fraction.len() as u32);
    digits(seconds)?.checked_mul(1_000_000)?.checked_add(micros).map(Position)
}

fn pair(text: &str) -> Option<Position> {
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let counter = text[end..].trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let counter = digits(counter).filter(|counter| *counter < 1 << PAIR_BITS)?;
    digits(&text[..end]).filter(|high| *high < 1 << (64 - PAIR_BITS)).map(|high| Position(high << PAIR_BITS | counter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_and_written_as_the_target_has_them() {
        use PositionFormat::{Decimal, Int, Iso, IsoUs, Pair};
        let text = |text: &'static str| Value::Text(text.into());
        for (format, value, expected, written) in [
            (Int, Value::Whole(17), 17, "17"),
            (Int, text("1099511627776"), 1_099_511_627_776, "1099511627776"),
            (Decimal, text("1700000000.000100"), 1_700_000_000_000_100, "1700000000.000100"),
            (Decimal, text("1.5"), 1_500_000, "1.500000"),
            (Decimal, Value::Real(1.5), 1_500_000, "1.500000"),
            (Decimal, Value::Whole(2), 2_000_000, "2.000000"),
            (Iso, text("1970-01-01T00:00:01.25Z"), 1_250, "1970-01-01T00:00:01.250Z"),
            (IsoUs, text("1970-01-01T00:00:01.25Z"), 1_250_000, "1970-01-01T00:00:01.250000Z"),
            (Pair, text("7:3"), 7 << 20 | 3, "7:3"),
            (Pair, text("7-3"), 7 << 20 | 3, "7:3"),
        ] {
            assert_eq!(format.read(&value), Some(Position(expected)), "{format:?} {value:?}");
            assert_eq!(format.write(Position(expected)), written);
        }
        for (format, value) in [
            (Int, text("")),
            (Int, text("1a")),
            (Int, Value::Negative(-1)),
            (Decimal, text("1.0000001")),
            (Decimal, text("1.")),
            (Iso, text("yesterday")),
            (Pair, text("7")),
            (Pair, text("7:1048576")),
            (Pair, Value::Nested { empty: true }),
        ] {
            assert_eq!(format.read(&value), None, "{format:?} {value:?}");
        }
    }
}
