//! What it costs to read a frame and an answer by a compiled profile, beside the
//! same by structs that are written for the wire: the issue allows 1.3 times.
//!
//! ```text
//! cargo bench --bench frames           2,000 messages, 41 rounds
//! cargo bench --bench frames -- 200    so many rounds
//! ```
//!
//! Both read the same events of 430 bytes, in turn, round by round; the figures
//! are medians of CPU time of the one thread. Most of either is the message's
//! text, which is generated again and compared: what is left without that stands
//! beside it, measured on events of other people's messages.
#![allow(clippy::print_stdout, missing_docs)]

use nix::time::{ClockId, clock_gettime};
use posthaste::model::{
    ChannelId, KeyCodec, KeyFormat, KeyLayout, MessageKey, MessageRef, RunId, SizeRange, TextCodec,
};
use posthaste::target::{Answer, Connection, Deed, Effect, Frame, Scope, TargetProfile, built_in_targets};
use std::hint::black_box;

const MESSAGES: u32 = 2_000;
const EVENT_BYTES: usize = 430;
const TEXT_BYTES: u32 = 225;
/// What the profile may cost, as a multiple of the native wire.
const ALLOWED: f64 = 1.3;

fn main() {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(41);
    let stage = Stage::new();
    println!("{:<36} {:>10} {:>10} {:>7}", "", "native ns", "profile ns", "ratio");
    let frames = stage.events(true);
    compare("a message's event", rounds, || stage.read_native(&frames), || stage.read_described(&frames));
    let foreign = stage.events(false);
    compare("somebody else's event", rounds, || stage.read_native(&foreign), || stage.read_described(&foreign));
    let answers = stage.answers();
    compare(
        "an acknowledgement",
        rounds,
        || stage.classify(&stage.native, &answers),
        || stage.classify(&stage.described, &answers),
    );
}

/// One run's texts, and both readers.
struct Stage {
    native: TargetProfile,
    described: TargetProfile,
    texts: TextCodec,
}

impl Stage {
    fn new() -> Self {
        let profile = |wanted: &str| {
            let (name, text) = built_in_targets().iter().find(|(name, _)| *name == wanted).expect("it is built in");
            TargetProfile::parse(text, name).expect("it is valid")
        };
        // The same keys on both wires.
        let keys = KeyCodec::new(RunId(7), KeyLayout { channel_bits: 20 }).in_format(KeyFormat::Uuid8);
        let described = TargetProfile { key_format: KeyFormat::Uuid8, ..profile("slack") };
        Self {
            native: profile("reference"),
            described,
            texts: TextCodec::new(keys, SizeRange { min: TEXT_BYTES, max: TEXT_BYTES }),
        }
    }

    fn key(&self, index: u32) -> MessageKey {
        self.texts.keys().encode(MessageRef { channel: ChannelId(2), index }, u64::from(index) * 1_000)
    }

    fn events(&self, ours: bool) -> Vec<String> {
        let event = |index: u32| {
            let key = self.key(index);
            let text = self.texts.render(key);
            let text = if ours { text } else { text.replace("posthaste", "otherwise") };
            let event = format!(
                r#"{{"type":"message","channel":"C0000000012","user":"U0000000034","text":"{text}","ts":"17000000{:02}.000100","client_msg_id":"{}","team":"T0000000001","event_ts":"1700000000.000100"}}"#,
                index % 100,
                if ours { key.to_string() } else { "01234567-89ab-4def-8123-456789abcdef".to_owned() },
            );
            assert_eq!(event.len(), EVENT_BYTES);
            event
        };
        (0..MESSAGES).map(event).collect()
    }

    fn answers(&self) -> Vec<(MessageKey, String)> {
        let answer = |index: u32| {
            let key = self.key(index);
            let body = format!(
                r#"{{"ok":true,"channel":"C0000000012","ts":"17000000{:02}.000100","message":{{"type":"message","user":"U0000000034","text":"{}","ts":"1700000000.000100","client_msg_id":"{key}"}}}}"#,
                index % 100,
                self.texts.render(key),
            );
            (key, body)
        };
        (0..MESSAGES).map(answer).collect()
    }

    fn read_native(&self, frames: &[String]) -> u32 {
        let is_push =
            |frame: &&String| matches!(black_box(Frame::parse(frame, &self.texts)), Frame::Push(push) if push.intact);
        frames.iter().filter(is_push).count() as u32
    }

    fn read_described(&self, frames: &[String]) -> u32 {
        let rules = &self.described.described.as_ref().expect("slack is described").receive.rules;
        let (scope, mut connection) = (Scope::default(), Connection::default());
        let mut pushes = 0;
        for frame in frames {
            for deed in black_box(rules.read(frame, &scope, &mut connection, &self.texts)) {
                pushes += u32::from(matches!(deed, Deed::Deliver(Frame::Push(push)) if push.intact));
            }
        }
        pushes
    }

    fn classify(&self, profile: &TargetProfile, answers: &[(MessageKey, String)]) -> u32 {
        let stored = |(key, body): &&(MessageKey, String)| {
            let answer = Answer { status: 200, retry_after: None, headers: "", body: body.as_bytes() };
            matches!(black_box(profile.classify(answer, *key)).effect, Effect::Acknowledged { .. })
        };
        answers.iter().filter(stored).count() as u32
    }
}

/// Both in turn; they must come to the same.
fn compare(name: &str, rounds: usize, native: impl Fn() -> u32, described: impl Fn() -> u32) {
    assert_eq!(native(), described(), "{name}: the profile reads something else");
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        first.push(timed_ns(&native));
        second.push(timed_ns(&described));
    }
    let (native_ns, described_ns) = (median(first), median(second));
    let ratio = described_ns / native_ns;
    let verdict = if ratio <= ALLOWED { "" } else { "  more than allowed" };
    println!("{name:<36} {native_ns:>10.0} {described_ns:>10.0} {ratio:>7.2}{verdict}");
}

fn timed_ns(read: impl Fn() -> u32) -> f64 {
    let began = cpu_ns();
    black_box(read());
    (cpu_ns() - began) as f64 / f64::from(MESSAGES)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has the clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}
