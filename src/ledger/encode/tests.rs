//! A ledger comes back as it was, and damaged bytes are an error, never a
//! panic.

use super::super::{
    CatchUpKind, ConnectionEnd, FirstSeen, HistoryRow, Leak, Reaction, Reordered, RowText, SubscriberLog as Log,
};
use super::*;
use crate::model::{ChannelId, MessageRef, Position, SendState, UserId};
use crate::plan::ChangeKind;
use proptest::prelude::*;

fn message(channel: u32, index: u32) -> MessageRef {
    MessageRef { channel: ChannelId(channel), index }
}

/// Something in every field.
fn example() -> Ledger {
    let mut sent = SendRow::intended(message(1, 0), UserId(4), 1_000);
    sent.first_byte_us = Some(1_010);
    sent.acknowledged_us = Some(9_000);
    sent.attempts = 2;
    sent.state = SendState::Acknowledged;
    sent.server_id = Some("1700000000.000100".into());
    sent.position = Some(Position(1_700_000_000_000_100));
    let mut log = Log::new(UserId(9), [ChannelId(1), ChannelId(2)]);
    log.connected(5);
    for index in [0, 1, 3, 3] {
        log.pushed(message(1, index), Some(Position(u64::from(index))), 10_000);
    }
    log.disconnected(20_000, ConnectionEnd::Lost);
    log.leaving(ChannelId(2), 25_000);
    log.window_mut(ChannelId(1)).unwrap().read(2, CatchUpKind::Policy);
    let page = PageRecord {
        reader: UserId(9),
        channel: ChannelId(1),
        kind: CatchUpKind::Drain,
        written_us: 30_000,
        after: Some(Position(2)),
        lowest: None,
        highest: Some(Position(7)),
        messages: [2, 3, 9].into_iter().collect(),
        unrecognised: vec!["x".into()],
        open_end: true,
        repeated_rows: 1,
        stuck: false,
    };
    let row = HistoryRow {
        server_id: "a".into(),
        position: Position(3),
        message: Some(message(1, 0)),
        text: RowText::Altered,
    };
    let read = FinalRead {
        number: 1,
        channel: ChannelId(1),
        written_us: 40_000,
        ended_us: 41_000,
        failure: Some("time-out".to_owned()),
        rows: vec![row.clone()],
        repeated: vec!["b".into()],
        stuck_pages: 3,
        foreign: vec![("7".into(), "f".to_owned())],
        truncated_before: Some(Position(1)),
        reactions: vec![Reaction { message: message(1, 0), ordinal: 2 }],
    };
    let mut facts = Facts::default();
    facts.altered(message(1, 0), FirstSeen { at_us: 1, subscriber: None });
    facts.foreign("posthaste…", FirstSeen { at_us: 2, subscriber: Some(UserId(9)) });
    facts.leaked(UserId(9), message(2, 1), Leak { at_us: 3, under: None });
    facts.elsewhere(message(2, 1), ChannelId(1), FirstSeen { at_us: 4, subscriber: Some(UserId(9)) });
    facts.reordered.push(Reordered { subscriber: UserId(9), message: message(1, 1), ahead: 3, at_us: 8 });
    let point = PointRead { message: message(1, 0), written_us: 50_000, row: Some(row) };
    Ledger {
        sends: vec![sent, SendRow::intended(message(2, 1), UserId(0), 2_000)],
        subscribers: vec![log],
        pages: [page].into_iter().collect(),
        final_reads: vec![read],
        point_reads: vec![point],
        facts,
        changes: vec![ChangeRow {
            message: message(1, 0),
            ordinal: 3,
            kind: ChangeKind::Reply,
            user: UserId(4),
            intended_us: 10_000,
            first_byte_us: Some(10_100),
            acknowledged_us: Some(10_900),
            last_attempt_us: Some(10_900),
            attempts: 2,
            indeterminate: 1,
            state: SendState::Acknowledged,
            server_id: Some("1700000000.000200".into()),
        }],
        threads: vec![ThreadRead {
            parent: message(1, 0),
            written_us: 60_000,
            replies: vec!["1700000000.000200".into()],
            failure: Some("time-out".to_owned()),
        }],
    }
}

#[test]
fn a_ledger_comes_back_as_it_was() {
    let ledger = example();
    assert_eq!(decode_ledger(&LedgerEncoder::encode(&ledger)), Ok(ledger));
    assert_eq!(decode_ledger(&LedgerEncoder::new().finish()), Ok(Ledger::default()));
}

#[test]
fn two_shards_are_one_ledger() {
    let (one, other) = (example(), Ledger { sends: example().sends[..1].to_vec(), ..example() });
    let merged = one.merge(other);
    let counts = (merged.sends.len(), merged.subscribers.len(), merged.pages.len());
    assert_eq!(counts, (3, 2, 2));
    assert_eq!((merged.final_reads.len(), merged.point_reads.len(), merged.facts.reordered.len()), (2, 2, 2));
    assert_eq!((merged.changes.len(), merged.threads.len()), (2, 2));
    let seen = Facts { reordered: Vec::new(), ..example().facts };
    assert_eq!(Facts { reordered: Vec::new(), ..merged.facts }, seen, "what both saw is one fact");
    assert_eq!(Ledger::default().merge(example()), example());
    assert_eq!(example().merge(Ledger::default()), example());
}

#[test]
fn an_encoder_tells_how_much_it_has() {
    let mut encoder = LedgerEncoder::new();
    assert!(encoder.is_empty());
    let before = encoder.len();
    encoder.encode_facts(&Facts::default());
    let length = encoder.len();
    assert!(!encoder.is_empty() && length > before + RECORD_HEAD);
    assert_eq!(encoder.finish().len(), length + RECORD_HEAD + 8, "the end record");
}

#[test]
fn slices_in_any_order_are_one_ledger() {
    let ledger = example();
    let mut encoder = LedgerEncoder::new();
    encoder.encode_facts(&Facts::default());
    encoder.encode_pages(&ledger.pages);
    encoder.encode_sends(&ledger.sends[..1]);
    encoder.encode_point_reads(&ledger.point_reads);
    encoder.encode_threads(&ledger.threads);
    encoder.encode_changes(&ledger.changes);
    encoder.encode_subscriber(&ledger.subscribers[0]);
    encoder.encode_sends(&ledger.sends[1..]);
    encoder.encode_facts(&ledger.facts);
    encoder.encode_final_read(&ledger.final_reads[0]);
    assert_eq!(decode_ledger(&encoder.finish()), Ok(ledger));
}

#[test]
fn errors_say_what_is_wrong() {
    let bytes = LedgerEncoder::encode(&example());
    let mut other_version = bytes.clone();
    other_version[8] = 9;
    let mut huge = LedgerEncoder::new().finish();
    huge[13..21].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut damaged = bytes.clone();
    damaged[12 + RECORD_HEAD + 2] ^= 1;
    let mut longer = bytes.clone();
    longer.push(0);
    for (bytes, expected, reason) in [
        (b"hello".to_vec(), "not a ledger file", "another file"),
        (Vec::new(), "not a ledger file", "empty"),
        (other_version, "ledger format 9, and this posthaste reads 3", "a later format"),
        (bytes[..bytes.len() - 1].to_vec(), "truncated after 8 records", "its last byte is gone"),
        (huge, "truncated after 0 records", "a length that no memory holds"),
        (damaged, "record 0 is damaged: its checksum differs", "a flipped bit"),
        (longer, "record 8 is not readable", "something behind the end"),
    ] {
        assert_eq!(decode_ledger(&bytes).unwrap_err().to_string(), expected, "{reason}");
    }
}

/// Makes every checksum right again, so that mutations reach the payloads.
fn with_right_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + RECORD_HEAD) {
        let length = u64::from_le_bytes(head[1..9].try_into().unwrap()) as usize;
        let body = at + RECORD_HEAD;
        let Some(end) = body.checked_add(length).filter(|end| *end <= bytes.len()) else { break };
        let sum = checksum(bytes[at], &bytes[body..end]);
        bytes[at + 9..body].copy_from_slice(&sum.to_le_bytes());
        at = end;
    }
    bytes
}

proptest! {
    #[test]
    fn damage_is_an_error(flip in 0usize..10_000, bit in 0u8..8, cut in 0usize..10_000) {
        let bytes = LedgerEncoder::encode(&example());
        let mut flipped = bytes.clone();
        let place = flip % bytes.len();
        flipped[place] ^= 1 << bit;
        prop_assert!(decode_ledger(&flipped).is_err());
        prop_assert!(decode_ledger(&bytes[..cut % bytes.len()]).is_err());
    }

    #[test]
    fn nothing_panics_past_the_checksum(changes in prop::collection::vec((0usize..10_000, any::<u8>()), 1..6)) {
        let mut bytes = LedgerEncoder::encode(&example());
        for (place, value) in changes {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        if let Ok(ledger) = decode_ledger(&with_right_checksums(bytes)) {
            // What is accepted is usable: sets are sets.
            for log in &ledger.subscribers {
                for window in &log.windows {
                    prop_assert_eq!(window.live().iter().take(100).count() as u64, window.live().len().min(100));
                }
            }
        }
    }
}
