//! The message key: a UUIDv8 that says which message it is.
//!
//! 122 free bits (RFC 9562, section 5.8): stream and index (46, split by the
//! plan), intended time in µs modulo 2³⁶ (36), a run tag (16) and a check over
//! all of it, keyed by the run (24). They are permuted by a run-keyed Feistel
//! network, so that a server's unique index meets keys as scattered as those
//! of real clients; sequential keys would flatter it.

use super::ids::{ChannelId, MessageRef, RunId};
use super::key_format::{KeyFormat, around, free_bits};
use super::random::mix;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::{Uuid, Variant};

/// The identity of one intended message, and its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageKey(pub Uuid);

impl MessageKey {
    /// Parses the hyphenated or plain hexadecimal form.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.as_hyphenated(), out)
    }
}

/// Bits of stream and index together.
const PLACE_BITS: u32 = 46;
const TIME_BITS: u32 = 36;
const TAG_BITS: u32 = 16;
const CHECK_BITS: u32 = 24;
const HALF_BITS: u32 = 61;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
/// Rounds of the Feistel network: four make it indistinguishable from a random
/// permutation for anyone without the key (Luby and Rackoff, 1988).
const ROUNDS: u64 = 4;

/// How the 46 bits are split between channel and index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLayout {
    /// Bits of the channel; the index has the rest of 46.
    pub channel_bits: u32,
}

impl KeyLayout {
    /// 20 bits of channel and 26 of index unless more channels are needed;
    /// `None` where the plan does not fit at all.
    pub fn fitting(channels: u64, messages_per_channel: u64) -> Option<Self> {
        let bits = |count: u64| u64::BITS - count.saturating_sub(1).leading_zeros();
        let (channel, index) = (bits(channels), bits(messages_per_channel));
        if channel + index > PLACE_BITS || channel > 32 || index > 32 {
            return None;
        }
        let channel_bits = channel.max(20).min(PLACE_BITS - index);
        Some(Self { channel_bits })
    }

    /// How many indices a channel has.
    pub fn indices(self) -> u64 {
        1 << (PLACE_BITS - self.channel_bits).min(u32::BITS)
    }
}

/// Why a key is not one of this run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The check or the run tag does not match: no key that this run made.
    Foreign,
}

/// Makes and reads the keys of one run.
#[derive(Clone, Debug)]
pub struct KeyCodec {
    run: RunId,
    layout: KeyLayout,
    round_keys: [u64; ROUNDS as usize],
    format: KeyFormat,
}

impl KeyCodec {
    /// The codec of a run. The same run and layout make the same keys.
    pub fn new(run: RunId, layout: KeyLayout) -> Self {
        let round_key = |round: usize| mix(run.0 ^ mix(0x6b65_7973 + round as u64));
        Self { run, layout, round_keys: std::array::from_fn(round_key), format: KeyFormat::default() }
    }

    /// The same keys for a target that wants them in a format.
    pub fn in_format(self, format: KeyFormat) -> Self {
        Self { format, ..self }
    }

    /// How the target is told the keys.
    pub fn format(&self) -> KeyFormat {
        self.format
    }

    /// The run whose keys these are.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The key of a message that the schedule intends at `intended_us` after
    /// the start of the load.
    pub fn encode(&self, message: MessageRef, intended_us: u64) -> MessageKey {
        let index_bits = PLACE_BITS - self.layout.channel_bits;
        debug_assert!(u64::from(message.channel.0) >> self.layout.channel_bits == 0);
        debug_assert!(u64::from(message.index) >> index_bits == 0);
        let place = (u64::from(message.channel.0) << index_bits) | u64::from(message.index);
        let time = intended_us & ((1 << TIME_BITS) - 1);
        let check = self.check(place, time);
        let bits = (u128::from(place) << (TIME_BITS + TAG_BITS + CHECK_BITS))
            | (u128::from(time) << (TAG_BITS + CHECK_BITS))
            | (u128::from(self.tag()) << CHECK_BITS)
            | u128::from(check);
        MessageKey(around(self.permute(bits)))
    }

    /// The message of a key and its intended time in µs modulo 2³⁶.
    pub fn decode(&self, key: MessageKey) -> Result<(MessageRef, u64), KeyError> {
        if key.0.get_version_num() != 8 || key.0.get_variant() != Variant::RFC4122 {
            return Err(KeyError::Foreign);
        }
        let bits = self.restore(free_bits(key.0));
        let check = (bits as u64) & ((1 << CHECK_BITS) - 1);
        let tag = ((bits >> CHECK_BITS) as u64) & ((1 << TAG_BITS) - 1);
        let time = ((bits >> (CHECK_BITS + TAG_BITS)) as u64) & ((1 << TIME_BITS) - 1);
        let place = (bits >> (CHECK_BITS + TAG_BITS + TIME_BITS)) as u64;
        if tag != self.tag() || check != self.check(place, time) {
            return Err(KeyError::Foreign);
        }
        let index_bits = PLACE_BITS - self.layout.channel_bits;
        let channel = ChannelId((place >> index_bits) as u32);
        let index = (place & ((1 << index_bits) - 1)) as u32;
        Ok((MessageRef { channel, index }, time))
    }

    fn tag(&self) -> u64 {
        mix(self.run.0) >> (64 - TAG_BITS)
    }

    fn check(&self, place: u64, time: u64) -> u64 {
        mix(mix(place ^ self.run.0).wrapping_add(time)) >> (64 - CHECK_BITS)
    }

    fn permute(&self, bits: u128) -> u128 {
        let (mut left, mut right) = halves(bits);
        for key in self.round_keys {
            (left, right) = (right, left ^ (mix(right ^ key) & HALF_MASK));
        }
        join(left, right)
    }

    fn restore(&self, bits: u128) -> u128 {
        let (mut left, mut right) = halves(bits);
        for key in self.round_keys.iter().rev() {
            (left, right) = (right ^ (mix(left ^ key) & HALF_MASK), left);
        }
        join(left, right)
    }
}

/// Unwraps a time modulo 2³⁶ to the latest instant that is not after `now_us`.
///
/// ```
/// let wrapped = 5;
/// assert_eq!(posthaste::model::unwrap_intended_us(wrapped, 10), 5);
/// assert_eq!(posthaste::model::unwrap_intended_us(wrapped, (1 << 36) + 10), (1 << 36) + 5);
/// ```
pub fn unwrap_intended_us(wrapped_us: u64, now_us: u64) -> u64 {
    let span = 1u64 << TIME_BITS;
    let behind = now_us.wrapping_sub(wrapped_us) & (span - 1);
    // A frame cannot overtake its own intention: what looks like the future by
    // a rounding is the present.
    now_us.checked_sub(behind).unwrap_or(wrapped_us)
}

fn halves(bits: u128) -> (u64, u64) {
    ((bits >> HALF_BITS) as u64 & HALF_MASK, bits as u64 & HALF_MASK)
}

fn join(left: u64, right: u64) -> u128 {
    (u128::from(left) << HALF_BITS) | u128::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codec(run: u64) -> KeyCodec {
        KeyCodec::new(RunId(run), KeyLayout { channel_bits: 20 })
    }

    proptest! {
        #[test]
        fn a_key_gives_back_its_message(run: u64, channel in 0u32..1 << 20, index in 0u32..1 << 26, time: u64) {
            let message = MessageRef { channel: ChannelId(channel), index };
            let key = codec(run).encode(message, time);
            prop_assert_eq!(key.0.get_version_num(), 8);
            prop_assert_eq!(codec(run).decode(key), Ok((message, time % (1 << 36))));
            prop_assert_eq!(MessageKey::parse(&key.to_string()), Some(key));
        }

        #[test]
        fn a_flipped_bit_or_another_run_is_foreign(run: u64, index in 0u32..1 << 26, bit in 0u32..128) {
            let key = codec(run).encode(MessageRef { channel: ChannelId(3), index }, 9);
            let flipped = MessageKey(Uuid::from_u128(key.0.as_u128() ^ (1 << bit)));
            prop_assert_eq!(codec(run).decode(flipped), Err(KeyError::Foreign));
            prop_assert_eq!(codec(!run).decode(key), Err(KeyError::Foreign));
        }
    }

    #[test]
    fn neighbours_are_scattered() {
        let key = |index| codec(1).encode(MessageRef { channel: ChannelId(0), index }, 0).0.as_u128();
        let mut differing = 0;
        for index in 0..1_000 {
            differing += (key(index) ^ key(index + 1)).count_ones();
        }
        // 61 of 122 bits expected.
        assert!((58_000..64_000).contains(&differing), "{differing}");
    }

    #[test]
    fn layouts_fit_or_are_refused() {
        let bits = |channels, messages| KeyLayout::fitting(channels, messages).map(|layout| layout.channel_bits);
        assert_eq!(bits(20, 10_000), Some(20), "the usual split");
        assert_eq!(bits(1_100_000, 1_000), Some(21), "more channels than 20 bits");
        assert_eq!(bits(10, 1 << 30), Some(16), "a long index takes bits from the channel");
        assert_eq!(bits(1 << 24, 1 << 24), None, "too large");
    }
}
