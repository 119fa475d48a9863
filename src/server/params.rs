//! The parameters of a call: query, form, JSON or multipart, as Slack's
//! clients send them.

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart};
use axum::http::{HeaderMap, Request, header};
use serde_json::Value;

/// Names and values; the first of a name counts. Values that are no text
/// in JSON (numbers, booleans, blocks) are kept as their JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

/// The body is not what its content type says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl Params {
    /// The value of a name; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// Takes the value of a name out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let found = self.0.iter_mut().find(|(known, _)| known == name)?;
        Some(std::mem::take(&mut found.1)).filter(|value| !value.is_empty())
    }

    /// A flag: `1` and `true` are true, as the clients write booleans.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "true" | "True"))
    }

    /// Reads query and body of a call.
    pub(super) async fn read(query: Option<&str>, headers: &HeaderMap, body: Bytes) -> Result<Self, Malformed> {
        let mut params = Self::default();
        if let Some(query) = query {
            params.add_form(query.as_bytes());
        }
        if body.is_empty() {
            return Ok(params);
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            params.add_json(&body)?;
        } else if kind.starts_with("multipart/form-data") {
            params.add_multipart(headers, body).await?;
        } else {
            params.add_form(&body);
        }
        Ok(params)
    }

    fn add_form(&mut self, form: &[u8]) {
        let pairs = url::form_urlencoded::parse(form);
        self.0.extend(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())));
    }

    fn add_json(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let fields: serde_json::Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| Malformed("invalid_json"))?;
        self.0.extend(fields.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Null => None,
            other => Some((name, other.to_string())),
        }));
        Ok(())
    }

    async fn add_multipart(&mut self, headers: &HeaderMap, body: Bytes) -> Result<(), Malformed> {
        const WRONG: Malformed = Malformed("invalid_form_data");
        let mut request = Request::new(axum::body::Body::from(body));
        *request.headers_mut() = headers.clone();
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| WRONG)?;
        while let Some(part) = parts.next_field().await.map_err(|_| WRONG)? {
            let name = part.name().unwrap_or_default().to_owned();
            // Whatever charset a part names: clients of Slack's API say UTF-8.
            let value = part.bytes().await.map_err(|_| WRONG)?;
            self.0.push((name, String::from_utf8_lossy(&value).into_owned()));
        }
        Ok(())
    }
}

/// The bearer token of a header, or the parameter `token`.
pub(super) fn token<'a>(headers: &'a HeaderMap, params: &'a Params) -> Option<&'a str> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    bearer.or_else(|| params.get("token")).filter(|token| !token.is_empty())
}
