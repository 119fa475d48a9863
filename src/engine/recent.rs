//! Frames that were read a moment ago.
//!
//! A push goes to every subscriber of its channel in the same bytes, and what a
//! frame says is a pure function of them: a frame that is equal to one of the
//! last ones says the same. To compare 430 bytes costs some 15 ns; to parse them,
//! and to make the text again and compare it, more than 1 µs.

use crate::model::{ChannelId, MessageRef, Position};

/// What a pushed frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPush {
    /// Which message.
    pub message: MessageRef,
    /// Its intended time in µs after the start of the load, modulo 2³⁶.
    pub intended_wrapped_us: u64,
    /// Where it stands in its channel.
    pub position: Option<Position>,
    /// Whether its text is what the message's generator produces.
    pub intact: bool,
    /// The channel that it came under; `None` for one that is not the run's.
    pub under: Option<ChannelId>,
}

/// Frames that are under way to the subscribers of a worker at once: a burst of
/// some ten channels. Each takes the room of one slot.
const SLOTS: usize = 64;
/// Longer frames are not kept: a slot keeps its memory.
const MAX_FRAME_BYTES: usize = 4_096;

/// The last frames, each in the slot that its bytes choose.
pub struct RecentPushes {
    slots: [Option<Kept>; SLOTS],
}

/// A frame, and what it says.
struct Kept {
    frame: Box<str>,
    push: ReadPush,
}

impl Default for RecentPushes {
    fn default() -> Self {
        Self { slots: [const { None }; SLOTS] }
    }
}

impl RecentPushes {
    /// What a frame says, if it was read a moment ago.
    #[inline]
    pub fn get(&self, frame: &str) -> Option<ReadPush> {
        let kept = self.slots[slot(frame)].as_ref()?;
        (*kept.frame == *frame).then_some(kept.push)
    }

    /// Keeps what a frame says, in place of an older one.
    pub fn keep(&mut self, frame: &str, push: ReadPush) {
        if frame.len() <= MAX_FRAME_BYTES {
            self.slots[slot(frame)] = Some(Kept { frame: frame.into(), push });
        }
    }
}

/// The slot of a frame, by a quarter of its bytes and its last ones: a key is longer
/// than what is passed over.
fn slot(frame: &str) -> usize {
    let (words, rest) = frame.as_bytes().as_chunks::<8>();
    let (tail, sampled) = (words.len().saturating_sub(2), words.iter().step_by(4));
    let mixed = sampled.chain(&words[tail..]).fold(frame.len() as u64, |mixed, word| {
        (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    let mixed = rest.iter().fold(mixed, |mixed, byte| (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    (mixed ^ (mixed >> 32)) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(index: u32) -> ReadPush {
        let message = MessageRef { channel: ChannelId(3), index };
        ReadPush { message, intended_wrapped_us: 5, position: None, intact: true, under: Some(ChannelId(3)) }
    }

    #[test]
    fn only_the_same_bytes_say_the_same() {
        let mut recent = RecentPushes::default();
        let frame = |index: u32| format!(r#"{{"type":"message","text":"{}","ts":"1.{index:06}"}}"#, "x".repeat(300));
        assert_eq!(recent.get(&frame(1)), None);
        recent.keep(&frame(1), push(1));
        assert_eq!(recent.get(&frame(1)), Some(push(1)));
        // One that differs in a byte that chooses no slot.
        let (ahead, behind) = (frame(1)[..30].to_owned(), frame(1)[31..].to_owned());
        let twin = format!("{ahead}y{behind}");
        assert_eq!(slot(&twin), slot(&frame(1)));
        assert_eq!(recent.get(&twin), None, "the slot is the same, the frame is not");
        recent.keep(&twin, push(2));
        assert_eq!((recent.get(&twin), recent.get(&frame(1))), (Some(push(2)), None));
        (0..2_000).for_each(|index| recent.keep(&frame(index), push(index)));
        let kept = (0..2_000).filter(|index| recent.get(&frame(*index)) == Some(push(*index))).count();
        assert!((32..=SLOTS).contains(&kept), "{kept} of the last ones");
    }

    #[test]
    fn a_frame_that_is_too_long_is_not_kept() {
        let mut recent = RecentPushes::default();
        let long = "x".repeat(MAX_FRAME_BYTES + 1);
        recent.keep(&long, push(1));
        recent.keep("", push(1));
        assert_eq!((recent.get(&long), recent.get("")), (None, Some(push(1))));
    }
}
