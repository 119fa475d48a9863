//! What one subscriber saw, connection by connection.

use super::*;
use crate::ledger::CatchUpKind;

fn message(index: u32) -> MessageRef {
    MessageRef { channel: ChannelId(1), index }
}

#[test]
fn copies_are_told_apart_by_connection() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
    log.connected(0);
    for (index, first) in [(0, true), (1, true), (1, false)] {
        assert_eq!(log.pushed(message(index), None, 5).map(|arrival| arrival.first), Some(first));
    }
    log.disconnected(6, ConnectionEnd::Lost);
    log.connected(7);
    // A copy of an earlier connection, and then a copy of that copy.
    for (index, first) in [(1, false), (1, false), (2, true)] {
        assert_eq!(log.pushed(message(index), None, 8).map(|arrival| arrival.first), Some(first));
    }
    let window = log.window(ChannelId(1)).unwrap();
    assert_eq!((window.duplicates_same_connection(), window.duplicates_across_reconnect()), (2, 1));
    assert_eq!(window.live().len(), 3);
    assert_eq!(log.message_frames, 6);
    assert_eq!(log.pushed(MessageRef { channel: ChannelId(2), index: 0 }, None, 9), None, "not a member");
}

#[test]
fn a_member_of_a_channel_is_one_before_it_sees_anything_of_it() {
    let mut log = SubscriberLog::new(UserId(0), [1, 5, 9].map(ChannelId));
    log.pushed(message(0), None, 1);
    let members: Vec<u32> = (0..11).filter(|channel| log.is_member(ChannelId(*channel))).collect();
    assert_eq!(members, [1, 5, 9]);
    let seen: Vec<u32> = (0..11).filter(|channel| log.window(ChannelId(*channel)).is_some()).collect();
    assert_eq!(seen, [1]);
}

#[test]
fn every_earlier_connection_is_remembered() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
    // The third connection replays some of the first.
    for (armed_us, indices) in [(0, vec![0, 1, 2, 5]), (10, vec![6, 8]), (20, vec![2, 5, 7, 9]), (30, vec![0, 10])] {
        log.connected(armed_us);
        for index in indices {
            log.pushed(message(index), None, armed_us + 1);
        }
        log.disconnected(armed_us + 5, ConnectionEnd::Lost);
    }
    let window = log.window(ChannelId(1)).unwrap();
    assert!(window.live().iter().eq([0, 1, 2, 5, 6, 7, 8, 9, 10]), "{window:?}");
    assert!((0..11).all(|index| window.is_live(index) != [3, 4].contains(&index)));
    assert_eq!((window.duplicates_same_connection(), window.duplicates_across_reconnect()), (0, 3));
    assert_eq!(window.duplicate_examples(), [(2, 21), (5, 21), (0, 31)]);
}

#[test]
fn a_million_channels_cost_eight_bytes_each_until_they_are_seen() {
    let mut log = SubscriberLog::new(UserId(0), (0..1_100_000).map(ChannelId));
    assert_eq!(log.heap_bytes(), 8 * 1_100_000);
    for channel in (0..1_000).map(|rank| ChannelId(rank * 1_100)) {
        log.pushed(MessageRef { channel, index: 0 }, None, 1);
    }
    let windows = log.heap_bytes() - 8 * 1_100_000;
    assert!(windows <= 1_000 * 88 * 5 / 4, "{windows}");
}

#[test]
fn windows_grow_by_a_quarter_and_not_past_the_channels() {
    for (channels, seen, room) in [(50, 1, 1), (50, 2, 2), (5, 5, 5), (6, 6, 6), (50, 6, 6), (50, 7, 8)] {
        let mut log = SubscriberLog::new(UserId(0), (0..channels).map(ChannelId));
        (0..seen).for_each(|channel| _ = log.window_mut(ChannelId(channel)));
        assert_eq!(log.windows.capacity(), room, "{seen} of {channels}");
    }
    let mut log = SubscriberLog::new(UserId(0), (0..1_000).map(ChannelId));
    let mut capacities: Vec<usize> = (0..1_000)
        .map(|channel| {
            log.window_mut(ChannelId(channel));
            log.windows.capacity()
        })
        .collect();
    capacities.dedup();
    assert!(capacities.len() < 40, "{} times", capacities.len());
}

#[test]
fn order_is_judged_within_one_connection_and_by_first_copies() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
    log.connected(0);
    let push = |log: &mut SubscriberLog, index, position| {
        log.pushed(message(index), Some(Position(position)), 1).unwrap().behind
    };
    assert_eq!(push(&mut log, 0, 10), None);
    assert_eq!(push(&mut log, 2, 30), None);
    assert_eq!(push(&mut log, 1, 20), Some(2), "behind message 2");
    assert_eq!(push(&mut log, 0, 10), None, "a duplicate is not a reordering");
    log.disconnected(2, ConnectionEnd::Lost);
    log.connected(3);
    assert_eq!(push(&mut log, 3, 15), None, "another connection starts anew");
    assert_eq!(push(&mut log, 4, 15), None, "at the same position there is no order");
}

#[test]
fn a_connection_ends_once_and_reading_it_again_is_no_new_one() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
    log.disconnected(1, ConnectionEnd::Lost);
    log.connected(2);
    log.pushed(message(0), None, 3);
    log.disconnected(4, ConnectionEnd::StoppedReading);
    log.disconnected(5, ConnectionEnd::Lost);
    log.reads_again(6);
    log.pushed(message(0), None, 7);
    let connection = |armed_us, noticed_us, end| Connection { armed_us, noticed_us, end };
    let expected = [connection(2, Some(4), ConnectionEnd::StoppedReading), connection(6, None, ConnectionEnd::Open)];
    assert_eq!(log.connections, expected);
    let window = log.window(ChannelId(1)).unwrap();
    assert_eq!((window.duplicates_same_connection(), window.duplicates_across_reconnect()), (1, 0));
}

#[test]
fn absences_are_kept_in_the_order_of_their_begin() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1), ChannelId(2)]);
    assert_eq!((log.leaving(ChannelId(2), 5), log.leaving(ChannelId(1), 6)), (0, 1));
    let absence = |channel, leaving_us| Absence {
        channel: ChannelId(channel),
        leaving_us,
        left_us: None,
        joining_us: None,
        joined_us: None,
    };
    assert_eq!(log.absences, [absence(2, 5), absence(1, 6)]);
}

#[test]
fn the_first_four_duplicates_of_a_window_are_examples() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
    log.connected(0);
    (0..6).for_each(|at_us| _ = log.pushed(message(9), None, at_us));
    let window = log.window_mut(ChannelId(1)).unwrap();
    assert_eq!(window.duplicate_examples(), [(9, 1), (9, 2), (9, 3), (9, 4)]);
    assert_eq!(window.duplicates_same_connection(), 5);
    let mut told = StreamWindow::new(ChannelId(1));
    told.add_duplicates(0, 0, Vec::new());
    assert_eq!(told, StreamWindow::new(ChannelId(1)), "nothing to note");
    told.add_duplicates(2, 0, vec![(7, 1)]);
    told.add_duplicates(1, 4, vec![(8, 2)]);
    assert_eq!((told.duplicates_same_connection(), told.duplicates_across_reconnect()), (3, 4));
    assert_eq!(told.duplicate_examples(), [(7, 1), (8, 2)]);
}

#[test]
fn history_is_kept_apart_from_pushes() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
    log.connected(0);
    log.pushed(message(0), None, 1);
    let window = log.window_mut(ChannelId(1)).unwrap();
    assert!(!window.read(0, CatchUpKind::Policy), "it had come live");
    assert!(window.read(1, CatchUpKind::Policy));
    assert!(!window.read(1, CatchUpKind::Drain));
    assert!(window.read(2, CatchUpKind::Drain));
    assert!(window.caught_up().iter().eq([0, 1]) && window.drained().iter().eq([1, 2]));
    assert!((0..4).all(|index| window.is_obtained(index) == (index < 3)));
    assert!(log.pushed(message(1), None, 2).unwrap().first, "a push after a catch-up is no duplicate push");
}

#[test]
fn a_channel_of_which_nothing_was_seen_has_no_window() {
    let mut log = SubscriberLog::new(UserId(0), (0..50).map(ChannelId));
    log.connected(0);
    assert!(log.window(ChannelId(7)).is_none());
    assert!(log.window_mut(ChannelId(50)).is_none(), "not a member");
    for index in 0..2 {
        assert!(log.pushed(MessageRef { channel: ChannelId(30), index }, None, 1).unwrap().first);
        assert!(log.pushed(MessageRef { channel: ChannelId(7), index }, None, 1).unwrap().first);
    }
    let windows: Vec<_> = log.windows.iter().map(|window| (window.channel.0, window.live().len())).collect();
    assert_eq!(windows, [(30, 2), (7, 2)], "in the order of the first sight");
    assert_eq!(log.channels().len(), 50);
    assert!(size_of::<StreamWindow>() <= 88, "half a million of them are 42 MiB");
}

#[test]
fn a_stored_log_comes_back_and_what_is_none_is_refused() {
    let mut log = SubscriberLog::new(UserId(0), [ChannelId(1), ChannelId(4)]);
    log.pushed(MessageRef { channel: ChannelId(4), index: 2 }, None, 1);
    log.connected(2);
    log.leaving(ChannelId(1), 3);
    let value = serde_json::to_value(&log).unwrap();
    let read = |value: &serde_json::Value| serde_json::from_value::<SubscriberLog>(value.clone());
    let mut back = read(&value).unwrap();
    assert_eq!(back, log);
    assert!(!back.pushed(MessageRef { channel: ChannelId(4), index: 2 }, None, 1).unwrap().first);
    for (channels, windows, reason) in [
        (vec![4, 1], 1, "not ascending"),
        (vec![1, 1, 4], 1, "twice a member"),
        (vec![1, 5], 1, "a window of another channel"),
        (vec![1, 4], 2, "two windows of one channel"),
    ] {
        let mut value = value.clone();
        value["channels"] = channels.into();
        value["windows"] = vec![value["windows"][0].clone(); windows].into();
        assert!(read(&value).is_err(), "{reason}");
    }
}
