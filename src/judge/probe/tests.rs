//! What is said of what was seen.

mod words;

use super::Agreement::{Agrees, Broken, NotSeen, Noted};
use super::*;
use crate::ledger::PostFact;

fn acknowledged(id: &str) -> AnswerFact {
    AnswerFact { meaning: "acknowledged".to_owned(), status: Some(200), id: Some(id.to_owned()), said: String::new() }
}

fn one(facts: &ProbeFacts, capabilities: &Capabilities, question: &str) -> Agreement {
    let declared = Declared { capabilities, key_window_us: Some(10_000_000), key_within: Some(Within::Channel) };
    let rows = table(facts, declared);
    rows.iter().find(|row| row.question == question).unwrap_or_else(|| panic!("{question}: {rows:#?}")).agreement
}

#[test]
fn a_key_again_is_held_against_dedup_window_and_scope() {
    let all = Capabilities::ALL;
    let none = Capabilities { dedup: false, ..Capabilities::ALL };
    let other = |id: &str, copies| (vec![acknowledged(id)], Some(1), copies);
    let same = |copies| (vec![acknowledged("1")], Some(copies), None);
    for (again, capabilities, (others, copies, other_copies), expected, reason) in [
        (Again::Twice, &all, same(1), Agrees, "one message"),
        (Again::Twice, &all, same(2), Broken, "two messages"),
        (Again::Twice, &all, same(0), Broken, "acknowledged and gone"),
        (Again::Twice, &none, same(2), Agrees, "nothing else was promised"),
        (Again::Twice, &none, same(1), Noted, "more than was promised"),
        (Again::EightAtOnce, &all, same(8), Broken, "a look-up and a store that do not exclude each other"),
        (Again::Later(9), &all, same(2), Broken, "within its window"),
        (Again::Later(11), &all, same(2), Agrees, "after its window"),
        (Again::OtherText, &all, other("1", Some(0)), Agrees, "the first stands"),
        (Again::OtherText, &all, other("2", Some(1)), Broken, "both stand"),
        (Again::OtherUser, &all, other("1", Some(0)), Noted, "swallowed, within the scope"),
        (Again::OtherUser, &all, other("2", Some(1)), Broken, "the scope is the channel"),
        (Again::OtherChannel, &all, other("2", Some(1)), Agrees, "another channel is another scope"),
        (Again::OtherChannel, &all, other("1", Some(0)), Broken, "swallowed outside of the scope"),
        (Again::OtherUser, &none, other("1", Some(0)), Broken, "swallowed, and no dedup was declared"),
        (Again::OtherUser, &all, other("1", None), NotSeen, "no history"),
    ] {
        let repeat = RepeatFact { again, first: acknowledged("1"), others, copies, other_copies, pushes: 1.0 };
        let facts = ProbeFacts { repeats: vec![repeat], ..ProbeFacts::default() };
        assert_eq!(one(&facts, capabilities, &question(again)), expected, "{again:?}: {reason}");
    }
}

#[test]
fn a_message_is_held_against_the_promises() {
    let good = || PostFact {
        answer: acknowledged("1"),
        answered_us: 1_000,
        pushed: ShownFact { shown: 3, of: 3 },
        push_us: 5_000,
        own_push: true,
        read_after_answer: Some(true),
        stored: Some(true),
    };
    let lagging = Capabilities { lag_us: 100_000, own_push: false, ..Capabilities::ALL };
    for (first, capabilities, question, expected) in [
        (good(), &Capabilities::ALL, "it is pushed", Agrees),
        (PostFact { push_us: 200_000, ..good() }, &lagging, "it is pushed", Broken),
        (PostFact { pushed: ShownFact { shown: 2, of: 3 }, ..good() }, &lagging, "it is pushed", Broken),
        (PostFact { own_push: false, ..good() }, &Capabilities::ALL, "its sender's own connection gets it", Broken),
        (good(), &lagging, "its sender's own connection gets it", Noted),
        (
            PostFact { read_after_answer: Some(false), ..good() },
            &Capabilities::ALL,
            "a read behind the answer shows it",
            Broken,
        ),
        (PostFact { stored: Some(false), ..good() }, &Capabilities::ALL, "it is in the history", Broken),
        (PostFact { stored: None, ..good() }, &Capabilities::ALL, "it is in the history", Broken),
    ] {
        let facts = ProbeFacts { first: Some(first.clone()), ..ProbeFacts::default() };
        assert_eq!(one(&facts, capabilities, question), expected, "{question}: {first:?}");
    }
}

#[test]
fn what_a_resumed_connection_missed_comes_or_is_told() {
    for ((pushed, read, of), expected, part) in [
        ((60, 0, 60), Agrees, "60 of 60 came"),
        ((0, 60, 60), Noted, "0 of 60 came, 60 were read from history, as the target said that some are missing"),
        ((10, 0, 60), Broken, "10 of 60 came; 50 are missing, and nothing says so"),
        (
            (10, 40, 60),
            Broken,
            "10 of 60 came, 40 were read from history, as the target said that some are missing; 10 are missing, and \
             nothing says so",
        ),
        ((0, 0, 0), NotSeen, "0 of 0 came"),
    ] {
        let facts = ProbeFacts { resumed: Some(ResumeFact { pushed, read, of }), ..ProbeFacts::default() };
        assert_eq!(one(&facts, &Capabilities::ALL, "missed while away, after a resume"), expected, "{part}");
        let row = missed(ResumeFact { pushed, read, of });
        assert_eq!(row.observed, part);
    }
}

#[test]
fn a_read_in_pages_is_held_against_what_was_there() {
    let whole =
        || PagingFact { page_size: 7, pages: 6, shown: ShownFact { shown: 40, of: 40 }, ..PagingFact::default() };
    let coarse = Capabilities { positions: Positions::Coarse, sender_order: false, ..Capabilities::ALL };
    let (start, order) =
        ("history from the start, small pages, others write", "one sender's messages in the order of the answers");
    for (paging, capabilities, question, expected) in [
        (whole(), &Capabilities::ALL, start, Agrees),
        (PagingFact { shown: ShownFact { shown: 39, of: 40 }, ..whole() }, &Capabilities::ALL, start, Broken),
        (PagingFact { repeated: 1, ..whole() }, &Capabilities::ALL, start, Broken),
        (PagingFact { repeated: 1, moves: true, ..whole() }, &Capabilities::ALL, start, Noted),
        (PagingFact { before_point: 1, moves: true, ..whole() }, &Capabilities::ALL, start, Broken),
        (PagingFact { failure: Some("HTTP 500".to_owned()), ..whole() }, &Capabilities::ALL, start, Broken),
        (PagingFact { out_of_order: 1, ..whole() }, &Capabilities::ALL, order, Broken),
        (PagingFact { out_of_order: 1, ..whole() }, &coarse, order, Agrees),
        (PagingFact { tied_positions: 2, ..whole() }, &Capabilities::ALL, "positions", Broken),
        (PagingFact { tied_positions: 2, ..whole() }, &coarse, "positions", Agrees),
        (PagingFact { without_position: 2, ..whole() }, &coarse, "positions", Broken),
    ] {
        let facts = ProbeFacts { from_start: Some(paging.clone()), ..ProbeFacts::default() };
        assert_eq!(one(&facts, capabilities, question), expected, "{question}: {paging:?}");
    }
}
