//! How a target is told the key. Not every server takes a UUID: what stands in
//! the idempotency field of a request, and is echoed, is the key in a format of
//! the target's profile. The text of a message carries the key itself.

use super::key::MessageKey;
use super::random::mix;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The shape of the idempotency field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFormat {
    /// The key as it is: a hyphenated UUIDv8.
    #[default]
    Uuid8,
    /// The same bits under the version number of a random UUID, for targets
    /// that check it.
    Uuid4Shaped,
    /// 32 hexadecimal digits.
    Hex,
    /// 24 digits of base 36, lower case: for targets that allow 25 characters.
    Base36,
    /// A decimal number below 2⁶³, for targets that want a number: one way.
    /// An echo of it says nothing, so that the text alone tells which message
    /// a row is. Two of a million messages share one with a probability of
    /// 5 · 10⁻⁸.
    Hash,
}

/// 36²⁴ > 2¹²², the free bits of a key.
const BASE36_DIGITS: usize = 24;

impl KeyFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Uuid8, Self::Uuid4Shaped, Self::Hex, Self::Base36, Self::Hash];

    /// What the target is given for a key.
    pub fn write(self, key: MessageKey) -> String {
        match self {
            Self::Uuid8 => key.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned(),
            Self::Uuid4Shaped => with_version(key.0, 4).as_hyphenated().to_string(),
            Self::Hex => key.0.as_simple().to_string(),
            Self::Base36 => to_base36(free_bits(key.0)),
            Self::Hash => hash(key).to_string(),
        }
    }

    /// The key that a target calls so; `None` for what is no key in this
    /// format, and for every hash.
    pub fn read(self, written: &str) -> Option<MessageKey> {
        match self {
            Self::Uuid8 | Self::Hex => MessageKey::parse(written),
            Self::Uuid4Shaped => {
                let key = MessageKey::parse(written)?;
                (key.0.get_version_num() == 4).then(|| MessageKey(with_version(key.0, 8)))
            }
            Self::Base36 => from_base36(written).map(|bits| MessageKey(around(bits))),
            Self::Hash => None,
        }
    }

    /// Whether an echo names this key. A target may write it in another way:
    /// in capitals, or a UUID without its hyphens.
    pub fn names(self, echo: &str, key: MessageKey) -> bool {
        match self {
            Self::Hash => echo == self.write(key),
            _ => self.read(echo) == Some(key),
        }
    }
}

fn with_version(uuid: Uuid, version: u128) -> Uuid {
    Uuid::from_u128(uuid.as_u128() & !(0xf << 76) | (version << 76))
}

/// The 122 bits beside version and variant.
pub(super) fn free_bits(uuid: Uuid) -> u128 {
    let bits = uuid.as_u128();
    ((bits >> 80) << 74) | (((bits >> 64) & 0xfff) << 62) | (bits & ((1 << 62) - 1))
}

/// A UUIDv8 around 122 bits.
pub(super) fn around(bits: u128) -> Uuid {
    let high = bits >> 74;
    let middle = (bits >> 62) & 0xfff;
    let low = bits & ((1 << 62) - 1);
    Uuid::from_u128((high << 80) | (8 << 76) | (middle << 64) | (2 << 62) | low)
}

fn to_base36(mut bits: u128) -> String {
    let mut digits = [b'0'; BASE36_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(bits % 36) as usize];
        bits /= 36;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn from_base36(text: &str) -> Option<u128> {
    if text.len() != BASE36_DIGITS {
        return None;
    }
    let bits = text.chars().try_fold(0u128, |bits, digit| Some(bits * 36 + u128::from(digit.to_digit(36)?)))?;
    (bits >> 122 == 0).then_some(bits)
}

fn hash(key: MessageKey) -> u64 {
    let bits = key.0.as_u128();
    mix(mix(bits as u64) ^ (bits >> 64) as u64) >> 1
}

#[cfg(test)]
mod tests {
    use super::super::{ChannelId, KeyCodec, KeyLayout, MessageRef, RunId};
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn codec(run: u64) -> KeyCodec {
        KeyCodec::new(RunId(run), KeyLayout { channel_bits: 20 })
    }

    fn is_shaped(format: KeyFormat, written: &str) -> bool {
        let hyphenated = |version| {
            let uuid = Uuid::try_parse(written);
            written.len() == 36
                && uuid
                    .is_ok_and(|uuid| uuid.get_version_num() == version && uuid.get_variant() == uuid::Variant::RFC4122)
        };
        let digits = |length, radix| written.len() == length && written.chars().all(|digit| digit.is_digit(radix));
        match format {
            KeyFormat::Uuid8 => hyphenated(8),
            KeyFormat::Uuid4Shaped => hyphenated(4),
            KeyFormat::Hex => digits(32, 16),
            KeyFormat::Base36 => digits(24, 36),
            KeyFormat::Hash => written.parse::<i64>().is_ok_and(|number| number >= 0),
        }
    }

    proptest! {
        #[test]
        fn a_key_comes_back_from_every_format_but_a_hash(
            run: u64,
            channel in 0u32..1 << 20,
            index in 0u32..1 << 26,
            time: u64,
        ) {
            let message = MessageRef { channel: ChannelId(channel), index };
            let key = codec(run).encode(message, time);
            for format in KeyFormat::ALL {
                let written = format.write(key);
                prop_assert!(is_shaped(format, &written), "{format:?}: {written}");
                prop_assert!(format.names(&written, key), "{format:?}: {written}");
                if format == KeyFormat::Hash {
                    prop_assert_eq!(format.read(&written), None);
                } else {
                    prop_assert_eq!(format.read(&written), Some(key), "{:?}: {}", format, written);
                    prop_assert_eq!(format.read(&written.to_uppercase()), Some(key), "{:?}", format);
                    let decoded = format.read(&written).map(|key| codec(run).decode(key));
                    prop_assert_eq!(decoded, Some(Ok((message, time % (1 << 36)))));
                }
            }
        }

        /// What another client or run sends, and a digit that a target got
        /// wrong: nobody takes it for a message of the run.
        #[test]
        fn foreign_keys_are_told_apart_in_every_format(run: u64, index in 0u32..1 << 26, at in 0usize..36, to in 0u32..36) {
            let key = codec(run).encode(MessageRef { channel: ChannelId(3), index }, 9);
            let other = codec(!run).encode(MessageRef { channel: ChannelId(3), index }, 9);
            for format in KeyFormat::ALL {
                prop_assert!(!format.names(&format.write(other), key), "{format:?}");
                let ours = |written: &str| format.read(written).is_some_and(|key| codec(run).decode(key).is_ok());
                prop_assert!(!ours(&format.write(other)), "{format:?}");
                let mut changed: Vec<char> = format.write(key).chars().collect();
                let at = at % changed.len();
                changed[at] = char::from_digit(to, 36).unwrap();
                let changed: String = changed.into_iter().collect();
                if changed != format.write(key) {
                    prop_assert!(!ours(&changed) && !format.names(&changed, key), "{format:?}: {changed}");
                }
            }
        }
    }

    #[test]
    fn what_has_another_shape_is_no_key() {
        let key = codec(7).encode(MessageRef { channel: ChannelId(3), index: 1 }, 9);
        for format in KeyFormat::ALL {
            for wrong in
                ["", "0", "x", "zzzzzzzzzzzzzzzzzzzzzzzz", "-00000000000000000000001", "é00000000000000000000000"]
            {
                assert_eq!(format.read(wrong), None, "{format:?}: {wrong:?}");
            }
            assert!(!format.names("", key), "{format:?}");
        }
        let written = KeyFormat::Base36.write(key);
        assert_eq!(KeyFormat::Base36.read(&format!("{written}0")), None, "too long");
        assert_eq!(KeyFormat::Uuid4Shaped.read(&key.to_string()), None, "another version");
        let read = |format: KeyFormat, written: &str| format.read(written).map(|key| codec(7).decode(key).is_ok());
        assert_eq!(read(KeyFormat::Uuid8, &KeyFormat::Uuid4Shaped.write(key)), Some(false), "of a random UUID's shape");
    }

    #[test]
    fn the_least_and_the_greatest_key_have_24_digits() {
        assert_eq!(to_base36(0), "0".repeat(24));
        let greatest = to_base36((1 << 122) - 1);
        assert_eq!((greatest.len(), from_base36(&greatest)), (24, Some((1 << 122) - 1)));
        assert_eq!(from_base36(&to_base36(1 << 122)), None, "more bits than a key has");
        assert_eq!(free_bits(around((1 << 122) - 1)), (1 << 122) - 1);
    }

    #[test]
    fn hashes_of_neighbours_are_distinct_and_scattered() {
        let hashes: HashSet<u64> =
            (0..10_000).map(|index| hash(codec(1).encode(MessageRef { channel: ChannelId(0), index }, 0))).collect();
        assert_eq!(hashes.len(), 10_000);
        let upper = hashes.iter().filter(|hash| **hash >= 1 << 62).count();
        assert!((4_700..5_300).contains(&upper), "{upper}");
        assert!(hashes.iter().all(|hash| *hash < 1 << 63));
    }
}
