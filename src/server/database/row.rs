//! Values on their way into the store, and rows on their way out.

use super::Result;
use bytes::BytesMut;
use postgres::types::{FromSqlOwned, IsNull, ToSql, Type, to_sql_checked};
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};

/// A value of a column: all that the store has are numbers and texts.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Value<'a> {
    Null,
    Number(i64),
    Text(&'a str),
}

/// Parameters in their order, each of a type that [`Value`] is made of.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::server::database::Value::from($value)),*] };
}
pub(in super::super) use values;

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Positions and counts: none is above `i64::MAX`.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number as i64)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Number(number) => number.to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
        }
    }

    // Each value asks for itself.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A row that was found.
pub(in super::super) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a postgres::Row),
}

impl Row<'_> {
    /// A column by its place.
    pub(in super::super) fn get<T: FromSql + FromSqlOwned>(&self, index: usize) -> Result<T> {
        match self {
            Self::Sqlite(row) => Ok(row.get(index)?),
            Self::Postgres(row) => Ok(row.try_get(index)?),
        }
    }

    /// A position, or a count.
    pub(in super::super) fn unsigned(&self, index: usize) -> Result<u64> {
        self.get(index).map(i64::unsigned_abs)
    }
}
