//! The name under which a target's tracing knows a message, and the header that
//! tells it: W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context/>).

use super::key::MessageKey;
use super::random::mix;
use std::fmt;

/// The header.
pub const TRACEPARENT: &str = "traceparent";

/// Bits by which a share of the traces is drawn: the last seven bytes of an id are
/// its random ones (Trace Context, level 2), and samplers behind the target draw by
/// the same.
const DRAWN_BITS: u32 = 56;

/// The trace of a message: the 128 bits of its key, so that whoever has one has the
/// other. A key is no UUID of zeros, which a trace id must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

impl TraceId {
    /// The trace of a message.
    pub fn of(key: MessageKey) -> Self {
        Self(key.0.as_u128())
    }

    /// Whether it is among a share of all traces: the upper end of what is drawn, so
    /// that a smaller share is a part of a larger one.
    pub fn is_within(self, share: f64) -> bool {
        let drawn = (self.0 as u64) & ((1 << DRAWN_BITS) - 1);
        let all = (1u64 << DRAWN_BITS) as f64;
        drawn as f64 >= all * (1.0 - share)
    }

    /// The value of the header for one attempt, by its number: each is a span of its
    /// own.
    pub fn traceparent(self, attempt: u64, is_sampled: bool) -> String {
        let span = mix((self.0 >> 64) as u64 ^ mix(self.0 as u64 ^ mix(attempt))).max(1);
        format!("00-{self}-{span:016x}-{:02x}", u8::from(is_sampled))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, KeyCodec, KeyLayout, MessageRef, RunId};
    use std::collections::HashSet;

    fn ids(count: u32) -> Vec<TraceId> {
        let codec = KeyCodec::new(RunId(7), KeyLayout { channel_bits: 20 });
        let message = |index| MessageRef { channel: ChannelId(index % 10), index };
        (0..count).map(|index| TraceId::of(codec.encode(message(index), index.into()))).collect()
    }

    #[test]
    fn a_trace_is_its_key_and_each_attempt_a_span() {
        let key = MessageKey::parse("0190c1a2-0000-8000-8000-00000000000f").unwrap();
        let trace = TraceId::of(key);
        assert_eq!(trace.to_string(), "0190c1a2000080008000".to_owned() + "00000000000f");
        let header = trace.traceparent(0, true);
        let parts: Vec<&str> = header.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[2].len(), parts[3]), ("00", trace.to_string().as_str(), 16, "01"));
        assert!(trace.traceparent(0, false).ends_with("-00"));
        assert_eq!(header, trace.traceparent(0, true), "the same attempt is the same span");
        let spans: HashSet<String> = ids(50)
            .iter()
            .flat_map(|id| (0..4).map(|attempt| id.traceparent(attempt, true)[36..52].to_owned()))
            .collect();
        assert_eq!(spans.len(), 200);
        assert!(!spans.contains("0000000000000000"));
    }

    #[test]
    fn a_share_of_the_traces_is_drawn_and_a_smaller_one_is_part_of_it() {
        let ids = ids(10_000);
        let within = |share: f64| ids.iter().filter(|id| id.is_within(share)).count();
        assert_eq!((within(0.0), within(1.0)), (0, 10_000));
        assert!((900..1_100).contains(&within(0.1)), "{}", within(0.1));
        assert!(ids.iter().all(|id| !id.is_within(0.01) || id.is_within(0.1)));
    }
}
