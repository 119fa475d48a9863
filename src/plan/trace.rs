//! Which messages a target's tracing is to follow, and where its traces are
//! looked at.

use crate::model::{MessageKey, TraceId};
use serde::{Deserialize, Serialize};

/// What stands in a template for the id of the trace.
pub const TRACE_ID: &str = "{trace_id}";

/// What the target's tracing is told of the messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Which traces are to be kept; without it nothing is told.
    pub sample: Option<TraceSample>,
    /// Where a trace is looked at: an address with [`TRACE_ID`] in it.
    pub url: Option<String>,
}

/// Which traces are to be kept. All messages have one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceSample {
    /// All: which messages are slow is known when they are over.
    Slow,
    /// A share of the messages.
    Share(f64),
}

impl Trace {
    /// Whether nothing is traced.
    pub fn is_off(&self) -> bool {
        self.sample.is_none()
    }

    /// The value of the header `traceparent` of an attempt of a message, by its
    /// number; `None` where nothing is traced.
    pub fn parent(&self, key: MessageKey, attempt: u64) -> Option<String> {
        let trace = self.of(key)?;
        Some(trace.traceparent(attempt, self.keeps(trace)))
    }

    /// The trace of a message, where messages are traced.
    pub fn of(&self, key: MessageKey) -> Option<TraceId> {
        self.sample.map(|_| TraceId::of(key))
    }

    /// Whether the target was asked to keep a trace.
    pub fn keeps(&self, trace: TraceId) -> bool {
        match self.sample {
            Some(TraceSample::Slow) => true,
            Some(TraceSample::Share(share)) => trace.is_within(share),
            None => false,
        }
    }

    /// Where a trace that was kept is looked at.
    pub fn link(&self, trace: TraceId) -> Option<String> {
        let template = self.url.as_ref().filter(|_| self.keeps(trace))?;
        Some(template.replace(TRACE_ID, &trace.to_string()))
    }

    /// Why a template of addresses is none; a page links to nothing but web
    /// addresses.
    pub fn check_url(template: &str) -> Result<(), String> {
        if !template.contains(TRACE_ID) {
            return Err(format!("has no {TRACE_ID}, in whose place the id of a trace stands"));
        }
        // Only what may stand in an address as it is: it is shown, linked and copied.
        let odd = |letter: &char| !letter.is_ascii_graphic() || "<>\"`\\^|".contains(*letter);
        if let Some(letter) = template.chars().find(odd) {
            return Err(format!("has a {letter:?}, which an address writes with a percent sign"));
        }
        let address =
            url::Url::parse(&template.replace(TRACE_ID, "0")).map_err(|why| format!("is no address: {why}"))?;
        match (address.scheme(), address.username(), address.password()) {
            ("http" | "https", "", None) => Ok(()),
            ("http" | "https", ..) => Err("must not have a user or a password: it stands in every report".to_owned()),
            (scheme, ..) => Err(format!("must begin with http:// or https://, not {scheme}:")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MessageKey {
        MessageKey::parse("0190c1a2-0000-8000-8000-00000000000f").unwrap()
    }

    #[test]
    fn slow_keeps_all_a_share_some_and_nothing_none() {
        let url = Some("https://traces.example/{trace_id}?x={trace_id}".to_owned());
        let trace = |sample| Trace { sample, url: url.clone() };
        let all = trace(Some(TraceSample::Slow));
        assert!(all.parent(key(), 0).unwrap().ends_with("-01"));
        let id = "0190c1a20000800080000000000000".to_owned() + "0f";
        assert_eq!(all.link(all.of(key()).unwrap()), Some(format!("https://traces.example/{id}?x={id}")));
        // The random part of this key is the least there is.
        let some = trace(Some(TraceSample::Share(0.5)));
        assert!(some.parent(key(), 0).unwrap().ends_with("-00"), "told, and not kept");
        assert_eq!(some.link(some.of(key()).unwrap()), None, "there is nothing to look at");
        assert_eq!(trace(None).parent(key(), 0), None);
        assert_eq!(trace(None).of(key()), None);
    }

    #[test]
    fn a_template_is_a_web_address() {
        for (template, is_one, reason) in [
            ("https://a.example/trace/{trace_id}", true, "in the path"),
            ("http://127.0.0.1:16686/search?traceID={trace_id}#x", true, "in the query"),
            ("https://a.example/#/t/{trace_id}", true, "in the fragment"),
            ("https://a.example/", false, "nowhere"),
            ("/trace/{trace_id}", false, "no host"),
            ("javascript:alert('{trace_id}')", false, "a script"),
            ("data:text/html,{trace_id}", false, "a page of its own"),
            ("https://a.example/<{trace_id}>", false, "markup"),
            ("https://a.example/a b{trace_id}", false, "a blank"),
            ("https://me:secret@a.example/{trace_id}", false, "a secret"),
        ] {
            assert_eq!(Trace::check_url(template).is_ok(), is_one, "{reason}");
        }
    }
}
