//! Every row comes back, and most of them take little.

use super::*;
use proptest::prelude::*;

fn time(intended_us: u64) -> impl Strategy<Value = Option<u64>> {
    let hours = 5 * 3_600_000_000_u64;
    prop_oneof![
        Just(None),
        (0u64..60_000_000).prop_map(move |later| Some(intended_us + later)),
        (u64::from(u32::MAX) - 1..hours).prop_map(move |later| Some(intended_us + later)),
        Just(Some(intended_us.saturating_sub(1))),
    ]
}

fn row() -> impl Strategy<Value = SendRow> {
    let intended = prop_oneof![0u64..3, 0u64..1 << 32, 1u64 << 33..1 << 40];
    let times = intended.prop_flat_map(|at| (Just(at), time(at), time(at)));
    let counts = prop_oneof![0u32..4, 14u32..18, 30u32..34];
    let position = prop_oneof![Just(None), any::<u64>().prop_map(Some), (0u64..20_000_000).prop_map(Some)];
    let spelling = 0u8..6;
    (any::<[u32; 3]>(), times, any::<bool>(), counts, 0usize..5, position, spelling).prop_map(
        |([channel, index, user], (intended_us, first, last), acked, attempts, state, position, spelling)| {
            let message = MessageRef { channel: ChannelId(channel), index };
            let number = position.unwrap_or(7);
            let server_id: Option<Box<str>> = match spelling {
                0 => None,
                1 => Some(number.to_string().into()),
                2 => Some(micros(number).into()),
                3 => Some(format!("0{number}").into()),
                4 => Some(format!("$opaque-{number}:chat.example").into()),
                _ => Some("x".repeat(number as usize % 70_000).into()),
            };
            SendRow {
                first_byte_us: first,
                acknowledged_us: if acked { last } else { first },
                last_attempt_us: last,
                attempts,
                indeterminate: attempts / 2,
                state: STATES[state],
                server_id,
                position: position.map(Position),
                ..SendRow::intended(message, UserId(user), intended_us)
            }
        },
    )
}

proptest! {
    #[test]
    fn every_row_comes_back(rows in prop::collection::vec(row(), 1..40), changes in prop::collection::vec(row(), 1..40)) {
        let mut log: SendLog = rows.iter().cloned().collect();
        prop_assert_eq!(log.iter().collect::<Vec<_>>(), rows.clone());
        let mut expected = rows;
        for (step, change) in changes.into_iter().enumerate() {
            let rank = step * 7 % expected.len();
            let SendRow { message, user, intended_us, .. } = expected[rank];
            // As a sender does: an attempt changes the rest.
            expected[rank] = SendRow { message, user, intended_us, ..change };
            log.set_under_way(rank, step % 2 == 0);
            log.update(rank, |row| *row = expected[rank].clone());
            prop_assert_eq!(log.is_under_way(rank), step % 2 == 0);
            prop_assert_eq!(log.get(rank), Some(expected[rank].clone()));
            prop_assert_eq!(log.head(rank), Some(SendHead { message, user, intended_us }));
            prop_assert_eq!(log.state(rank), Some(expected[rank].state));
        }
        prop_assert_eq!(log.iter().collect::<Vec<_>>(), expected);
    }
}

/// Acknowledged messages whose ids their positions spell in one way.
fn acknowledged(count: u32, id_of: fn(u64) -> String) -> SendLog {
    let mut log = SendLog::default();
    for index in 0..count {
        let message = MessageRef { channel: ChannelId(3), index };
        let rank = log.push(SendRow::intended(message, UserId(5), u64::from(index) * 1_000));
        log.update(rank, |row| {
            row.first_byte_us = Some(row.intended_us + 50);
            row.last_attempt_us = Some(row.intended_us + 900);
            row.acknowledged_us = row.last_attempt_us;
            (row.attempts, row.state) = (1, SendState::Acknowledged);
            row.position = Some(Position(1_700_000_000_000_000 + u64::from(index)));
            row.server_id = row.position.map(|position| id_of(position.0).into());
        });
    }
    log
}

#[test]
fn a_message_takes_twenty_bytes() {
    for (id_of, last) in
        [(micros as fn(u64) -> String, "1700000000.099999"), (|position| position.to_string(), "1700000000099999")]
    {
        let log = acknowledged(100 * PAGE as u32, id_of);
        assert_eq!((log.len(), log.odd.len()), (100 * PAGE, 0));
        assert_eq!(log.get(99_999).and_then(|row| row.server_id).as_deref(), Some(last));
        assert_eq!((log.get(100 * PAGE), log.head(100 * PAGE), log.state(100 * PAGE)), (None, None, None));
        let bytes = log.heap_bytes() / log.len();
        assert!(bytes <= 20, "{bytes}");
    }
}

proptest! {
    #[test]
    fn an_id_is_spelled_by_what_would_be_written(
        number in prop_oneof![any::<u64>(), 0u64..20_000_000, Just(1_700_000_000_000_100)],
        other in any::<u64>(),
        wrong in "[0-9]{0,3}[.]?[0-9]{0,7}",
    ) {
        for id in [number.to_string(), micros(number), other.to_string(), micros(other), format!("0{number}"), wrong] {
            prop_assert_eq!(is_number(&id, number), id == number.to_string(), "{} {}", id, number);
            prop_assert_eq!(is_micros(&id, number), id == micros(number), "{} {}", id, number);
        }
    }
}

#[test]
fn ids_that_nothing_spells_stand_in_the_arena() {
    let log = acknowledged(10_000, |position| format!("id-{position}"));
    assert_eq!((log.len(), log.odd.len()), (10_000, 0));
    let bytes = log.heap_bytes() / log.len();
    // Three pages of rows, and two bytes of length, 19 of id, eight of position.
    assert!((45..60).contains(&bytes), "{bytes}");
    // The longest that a segment holds, one a segment.
    for (position, longest) in [(None, Arena::SEGMENT - 2), (Some(Position(7)), Arena::SEGMENT - 10)] {
        let mut log = SendLog::default();
        let message = MessageRef { channel: ChannelId(3), index: 0 };
        let row = |length| SendRow {
            server_id: Some("x".repeat(length).into()),
            position,
            ..SendRow::intended(message, UserId(5), 0)
        };
        let rows = [row(3), row(longest), row(longest + 1), row(longest), row(3)];
        rows.iter().for_each(|row| _ = log.push(row.clone()));
        assert!(log.iter().eq(rows));
        assert_eq!(log.odd.keys().copied().collect::<Vec<_>>(), [2], "too long by one");
        assert_eq!(log.ids.segments.len(), 4);
        // Together as long as a segment.
        let short = Arena::SEGMENT - longest + 3;
        let filling: SendLog = [row(3), row(longest - short)].into_iter().collect();
        assert_eq!((filling.odd.len(), filling.ids.segments.len()), (0, 1));
    }
}

#[test]
fn a_log_knows_whether_it_has_rows() {
    let mut log = SendLog::default();
    assert!(log.is_empty() && log.get(0).is_none());
    log.push(SendRow::intended(MessageRef { channel: ChannelId(3), index: 0 }, UserId(5), 0));
    assert!(!log.is_empty() && log.len() == 1);
}
