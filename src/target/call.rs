//! A request, ready to be sent.

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

/// One request to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query, behind the path of the target's URL.
    pub path: String,
    /// Headers beside `Host`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the bearer token that posthaste gives its users on the native
    /// wire goes with it.
    pub bearer: bool,
}

impl Call {
    /// A plain GET.
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: Vec::new(), bearer: false }
    }

    /// With a header, in whose place the profile may have one of its own.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        let name = HeaderName::from_static(name);
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.retain(|(given, _)| *given != name);
            self.headers.push((name, value));
        }
        self
    }

    /// A POST of the native wire.
    pub(super) fn post(path: String, content_type: &HeaderValue, body: Vec<u8>) -> Self {
        let headers = vec![(CONTENT_TYPE, content_type.clone())];
        Self { method: Method::POST, path, headers, body, bearer: true }
    }
}
