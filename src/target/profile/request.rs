//! A request of a profile, compiled: rendered in a fixed order (body, query,
//! signature, headers), so that each may refer to what came before it.

use super::json::Json;
use super::scope::{Moment, RequestScope, Scope};
use super::template::{Algorithm, Encoding, Escape, RenderError, Template, percent_encode};
use super::variables::{Names, Variable};
use crate::target::Call;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A request as written.
#[derive(Clone, Debug, Default)]
pub struct RequestWritten {
    pub request: Option<String>,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub json: Option<toml::Table>,
    pub form: Option<BTreeMap<String, String>>,
    pub body: Option<String>,
    pub signature: Option<SignatureWritten>,
}

/// A signature as written.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignatureWritten {
    /// "query.NAME" or "header.NAME"; left out where `{{request.signature}}` stands
    /// in a header.
    #[serde(rename = "in")]
    place: Option<String>,
    /// What is signed.
    of: String,
    /// The variable that has the secret.
    key: String,
    /// What signs.
    #[serde(default)]
    algorithm: Algorithm,
    /// How it is written.
    #[serde(default)]
    encoding: Encoding,
}

/// A request, compiled.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: Template,
    /// In the order of their names.
    query: Vec<Pair>,
    headers: Vec<(HeaderName, Pair)>,
    body: Body,
    signature: Option<Signature>,
}

#[derive(Clone, Debug)]
struct Pair {
    name: Box<str>,
    value: Template,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Json(Json),
    Form(Vec<Pair>),
    Text(Template),
}

#[derive(Clone, Debug)]
struct Signature {
    of: Template,
    key: Variable,
    algorithm: Algorithm,
    encoding: Encoding,
    /// The name of a pair of the query; `None` where it is a header.
    query: Option<Box<str>>,
    header: Option<HeaderName>,
}

impl Request {
    /// Compiles a request; an error is in words.
    pub fn compile(written: &RequestWritten, names: &Names) -> Result<Self, String> {
        let line = written.request.as_deref().unwrap_or_default();
        let (method, path) = line
            .split_once(' ')
            .ok_or_else(|| format!("request = {line:?} must be a method and a path, such as \"POST /api/messages\""))?;
        let method: Method =
            method.parse().map_err(|_| format!("request = {line:?} begins with {method:?}, which is no method"))?;
        let path = path.trim();
        if !path.starts_with('/') {
            return Err(format!("request = {line:?}: the path must begin with /; the host comes from --url"));
        }
        Ok(Self { method, ..Self::of(path, written, names)? })
    }

    /// The request for a stream: of a URL, or of a path; a GET where nothing is said.
    pub fn to(method: Option<&str>, url: &str, written: &RequestWritten, names: &Names) -> Result<Self, String> {
        let method = method.unwrap_or("GET");
        let method = method.parse().map_err(|_| format!("method = {method:?} is none"))?;
        Ok(Self { method, ..Self::of(url, written, names)? })
    }

    fn of(path: &str, written: &RequestWritten, names: &Names) -> Result<Self, String> {
        let escape = if path.starts_with('/') { Escape::Url } else { Escape::No };
        let headers = written.headers.iter().map(|(name, value)| {
            let header: HeaderName = name.parse().map_err(|_| format!("{name:?} is no name of a header"))?;
            Ok((header, Pair { name: name.as_str().into(), value: Template::compile(value, names, Escape::No)? }))
        });
        let request = Self {
            method: Method::GET,
            path: Template::compile(path, names, escape)?,
            query: pairs(&written.query, names)?,
            headers: headers.collect::<Result<_, String>>()?,
            body: Body::compile(written, names)?,
            signature: written.signature.as_ref().map(|signature| Signature::compile(signature, names)).transpose()?,
        };
        let shown = request.uses(|variable| variable == Variable::Signature);
        match &request.signature {
            None if shown => Err("request.signature has no value without signature = { of, key }".to_owned()),
            Some(Signature { query: None, header: None, .. }) if !shown => {
                Err("signature needs in, or {{request.signature}} in a header: where does it go?".to_owned())
            }
            _ => Ok(request),
        }
    }

    /// Renders it behind the path of the target's URL.
    pub fn render(&self, scope: &Scope<'_>, prefix: &str) -> Result<Call, RenderError> {
        let moment = Moment::default();
        let scope = &Scope { moment: Some(&moment), ..*scope };
        let body = self.body.render(scope)?;
        let mut path = prefix.to_owned();
        self.path.render_into(&mut path, scope)?;
        let mut request =
            RequestScope { method: self.method.as_str(), path: &path, query: "", body: &body.1, signature: None };
        let mut query = render_pairs(&self.query, &Scope { request: Some(request), ..*scope })?;
        let sorted = joined(&query);
        request.query = &sorted;
        let signed = match &self.signature {
            Some(signature) => Some(signature.sign(&Scope { request: Some(request), ..*scope })?),
            None => None,
        };
        request.signature = signed.as_deref();
        let scope = Scope { request: Some(request), ..*scope };
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        let typed = self.headers.iter().any(|(name, _)| *name == CONTENT_TYPE);
        if let Some(content_type) = body.0.filter(|_| !typed) {
            headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        }
        for (name, pair) in &self.headers {
            if !pair.value.is_left_out(&scope) {
                headers.push((name.clone(), header_value(name, &pair.value.render(&scope)?)?));
            }
        }
        if let (Some(signature), Some(signed)) = (&self.signature, &signed) {
            if let Some(name) = &signature.header {
                headers.push((name.clone(), header_value(name, signed)?));
            }
            if let Some(name) = &signature.query {
                query.push((name.to_string(), signed.clone()));
            }
        }
        let query = joined(&query);
        if !query.is_empty() {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&query);
        }
        Ok(Call { method: self.method.clone(), path, headers, body: body.1.into_bytes(), bearer: false })
    }

    /// Whether a variable of a kind stands in it.
    pub fn uses(&self, wanted: impl Fn(Variable) -> bool + Copy) -> bool {
        let in_pairs = |pairs: &[Pair]| pairs.iter().any(|pair| pair.value.uses(wanted));
        self.path.uses(wanted)
            || in_pairs(&self.query)
            || self.headers.iter().any(|(_, pair)| pair.value.uses(wanted))
            || self.signature.iter().any(|signature| wanted(signature.key) || signature.of.uses(wanted))
            || match &self.body {
                Body::None => false,
                Body::Json(json) => json.any(&|template| template.uses(wanted)),
                Body::Form(fields) => in_pairs(fields),
                Body::Text(text) => text.uses(wanted),
            }
    }
}

impl Body {
    fn compile(written: &RequestWritten, names: &Names) -> Result<Self, String> {
        match (&written.json, &written.form, &written.body) {
            (None, None, None) => Ok(Body::None),
            (Some(json), None, None) => Json::object(json, names).map(Body::Json),
            (None, Some(form), None) => pairs(form, names).map(Body::Form),
            (None, None, Some(text)) => Template::compile(text, names, Escape::No).map(Body::Text),
            _ => Err("a request has one body: json, form or body".to_owned()),
        }
    }

    fn render(&self, scope: &Scope<'_>) -> Result<(Option<&'static str>, String), RenderError> {
        let mut out = String::new();
        let content_type = match self {
            Body::None => return Ok((None, out)),
            Body::Json(json) => {
                json.render_into(&mut out, scope)?;
                "application/json"
            }
            Body::Form(fields) => {
                out = joined(&render_pairs(fields, scope)?);
                "application/x-www-form-urlencoded"
            }
            Body::Text(text) => {
                text.render_into(&mut out, scope)?;
                "text/plain; charset=utf-8"
            }
        };
        Ok((Some(content_type), out))
    }
}

impl Signature {
    fn compile(written: &SignatureWritten, names: &Names) -> Result<Self, String> {
        let (query, header) = match written.place.as_deref().map(|place| (place, place.split_once('.'))) {
            None => (None, None),
            Some((_, Some(("query", name)))) => (Some(name.into()), None),
            Some((_, Some(("header", name)))) => {
                (None, Some(name.parse().map_err(|_| format!("{name:?} is no name of a header"))?))
            }
            Some((place, _)) => return Err(format!("signature.in = {place:?} must be query.NAME or header.NAME")),
        };
        let of = Template::compile(&written.of, names, Escape::No)?;
        let SignatureWritten { algorithm, encoding, .. } = *written;
        Ok(Self { of, key: names.variable(&written.key)?, algorithm, encoding, query, header })
    }

    fn sign(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        let secret = scope.value(self.key).ok_or_else(|| scope.missing(self.key))?;
        Ok(self.algorithm.sign(&secret, &self.of.render(scope)?, self.encoding))
    }
}

fn pairs(written: &BTreeMap<String, String>, names: &Names) -> Result<Vec<Pair>, String> {
    let pair = |(name, value): (&String, &String)| {
        Ok(Pair { name: name.as_str().into(), value: Template::compile(value, names, Escape::No)? })
    };
    written.iter().map(pair).collect()
}

fn render_pairs(pairs: &[Pair], scope: &Scope<'_>) -> Result<Vec<(String, String)>, RenderError> {
    let kept = pairs.iter().filter(|pair| !pair.value.is_left_out(scope));
    kept.map(|pair| Ok((pair.name.to_string(), pair.value.render(scope)?))).collect()
}

fn joined(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        percent_encode(name, &mut out);
        out.push('=');
        percent_encode(value, &mut out);
    }
    out
}

fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, RenderError> {
    HeaderValue::from_str(value)
        .map_err(|_| RenderError(format!("the header {name} has characters that none may have")))
}
