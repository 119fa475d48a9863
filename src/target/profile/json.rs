//! JSON bodies: a table of the profile whose texts are templates.

use super::scope::Scope;
use super::template::{Escape, RenderError, Template, escape_json};
use super::variables::Names;
use std::fmt::Write as _;

/// A compiled JSON value.
#[derive(Clone, Debug)]
pub enum Json {
    /// What does not change.
    Literal(Box<str>),
    /// A text with variables.
    Text(Template),
    /// A number that a variable is.
    Number(Template),
    /// Members with their quoted keys.
    Object(Vec<(Box<str>, Json)>),
    Array(Vec<Json>),
}

impl Json {
    /// Compiles a value as written; an error is in words.
    pub fn compile(value: &toml::Value, names: &Names) -> Result<Self, String> {
        Ok(match value {
            toml::Value::String(text) if text.contains("{{") => {
                let template = Template::compile(text, names, Escape::Json)?;
                if template.is_number() { Json::Number(template) } else { Json::Text(template) }
            }
            toml::Value::String(text) => Json::Literal(quoted(text)),
            toml::Value::Integer(number) => Json::Literal(number.to_string().into()),
            toml::Value::Float(number) => Json::Literal(number.to_string().into()),
            toml::Value::Boolean(value) => Json::Literal(value.to_string().into()),
            toml::Value::Datetime(time) => Json::Literal(quoted(&time.to_string())),
            toml::Value::Array(elements) => {
                Json::Array(elements.iter().map(|element| Self::compile(element, names)).collect::<Result<_, _>>()?)
            }
            toml::Value::Table(table) => Self::object(table, names)?,
        })
    }

    /// Compiles a table.
    pub fn object(table: &toml::Table, names: &Names) -> Result<Self, String> {
        let member = |(key, value): (&String, &toml::Value)| Ok((quoted(key), Self::compile(value, names)?));
        table.iter().map(member).collect::<Result<_, String>>().map(Json::Object)
    }

    /// Appends the JSON. A member that is one variable without a value is left
    /// out.
    pub fn render_into(&self, out: &mut String, scope: &Scope<'_>) -> Result<(), RenderError> {
        match self {
            Json::Literal(text) => out.push_str(text),
            Json::Number(template) => template.render_into(out, scope)?,
            Json::Text(template) => {
                out.push('"');
                template.render_into(out, scope)?;
                out.push('"');
            }
            Json::Array(elements) => {
                out.push('[');
                for (rank, element) in elements.iter().enumerate() {
                    if rank > 0 {
                        out.push(',');
                    }
                    element.render_into(out, scope)?;
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                let mut first = true;
                for (key, value) in members.iter().filter(|(_, value)| !value.is_left_out(scope)) {
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    out.push_str(key);
                    out.push(':');
                    value.render_into(out, scope)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    /// Whether a template in it satisfies a condition.
    pub fn any(&self, wanted: &impl Fn(&Template) -> bool) -> bool {
        match self {
            Json::Literal(_) => false,
            Json::Text(template) | Json::Number(template) => wanted(template),
            Json::Array(elements) => elements.iter().any(|element| element.any(wanted)),
            Json::Object(members) => members.iter().any(|(_, value)| value.any(wanted)),
        }
    }

    fn is_left_out(&self, scope: &Scope<'_>) -> bool {
        match self {
            Json::Text(template) | Json::Number(template) => template.is_left_out(scope),
            _ => false,
        }
    }
}

fn quoted(text: &str) -> Box<str> {
    let mut out = String::new();
    out.push('"');
    escape_json(text, &mut out);
    let _ = out.write_char('"');
    out.into()
}
