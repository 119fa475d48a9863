//! What is said of what was seen.

use super::Agreement::{Agrees, Broken, NotSeen, Noted};
use super::*;
use crate::ledger::{PostFact, RefusalFact, TextFact};

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

fn answer(meaning: &str, status: Option<u16>, said: &str) -> AnswerFact {
    AnswerFact { meaning: meaning.to_owned(), status, id: None, said: said.to_owned() }
}

/// The row of a question: what is declared, what was seen, whether they agree.
fn told(facts: &ProbeFacts, capabilities: &Capabilities, question: &str) -> (String, String, Agreement) {
    let declared = Declared { capabilities, key_window_us: Some(10_000_000), key_within: Some(Within::Channel) };
    let row = table(facts, declared).into_iter().find(|row| row.question == question);
    let row = row.unwrap_or_else(|| panic!("no row {question}"));
    (row.declared, row.observed, row.agreement)
}

#[test]
fn what_becomes_of_a_text() {
    let taken = || answer("acknowledged", Some(200), "");
    let refused = || answer("refused", Some(413), "too long");
    for (answer, fate, stored, observed, agreement) in [
        (taken(), "as it was", None, "as it was", Agrees),
        (taken(), "trimmed", Some("end"), "trimmed: …end", Noted),
        (taken(), "not stored", None, "not stored", Broken),
        (taken(), "no history to look at", None, "no history to look at", NotSeen),
        (refused(), "not stored", None, "refused (413), not stored", Noted),
        (refused(), "as it was", None, "refused (413), as it was", Agrees),
    ] {
        let text =
            TextFact { what: "long".to_owned(), answer, fate: fate.to_owned(), stored: stored.map(str::to_owned) };
        let facts = ProbeFacts { texts: vec![text], ..ProbeFacts::default() };
        let expected = ("–".to_owned(), observed.to_owned(), agreement);
        assert_eq!(told(&facts, &Capabilities::ALL, "text: long"), expected);
    }
}

#[test]
fn what_is_refused_is_not_stored() {
    for (meaning, stored, observed, agreement) in [
        ("refused", Some(false), "refused (403): no", Agrees),
        ("refused", None, "refused (403): no", Agrees),
        ("refused", Some(true), "refused (403): no (and it is stored)", Broken),
        ("no answer", Some(false), "no answer (403): no", NotSeen),
        ("no answer", Some(true), "no answer (403): no (and it is stored)", NotSeen),
        ("acknowledged", Some(true), "acknowledged (403): no", Noted),
        ("acknowledged", Some(false), "acknowledged (403): no", Noted),
        ("in doubt", Some(false), "in doubt (403): no", Noted),
    ] {
        let refusal = RefusalFact { what: "no token".to_owned(), answer: answer(meaning, Some(403), "no"), stored };
        let facts = ProbeFacts { refusals: vec![refusal], ..ProbeFacts::default() };
        let expected = ("refused".to_owned(), observed.to_owned(), agreement);
        assert_eq!(told(&facts, &Capabilities::ALL, "no token"), expected, "{stored:?}");
    }
}

#[test]
fn subscriptions_stand_or_it_is_said_why_not() {
    for (subscriptions, trouble, observed, agreement) in
        [((3, 3), None, "3 of 3", Agrees), ((2, 3), Some("HTTP 401"), "2 of 3: HTTP 401", Broken)]
    {
        let facts = ProbeFacts { subscriptions, trouble: trouble.map(str::to_owned), ..ProbeFacts::default() };
        let expected = ("3 of 3".to_owned(), observed.to_owned(), agreement);
        assert_eq!(told(&facts, &Capabilities::ALL, "subscriptions that stand"), expected);
    }
}

#[test]
fn one_message_in_words() {
    let taken = PostFact {
        answer: acknowledged("1"),
        answered_us: 1_000,
        pushed: ShownFact { shown: 3, of: 3 },
        push_us: 50_000,
        own_push: true,
        read_after_answer: Some(true),
        stored: Some(true),
    };
    let refused = PostFact { answer: answer("refused", Some(403), "no"), ..taken.clone() };
    let unread = PostFact { read_after_answer: None, stored: None, ..taken.clone() };
    let late = PostFact { push_us: 50_001, ..taken.clone() };
    let all = Capabilities { lag_us: 20_000, ..Capabilities::ALL };
    let none = Capabilities { history: false, ..all.clone() };
    for (first, capabilities, question, declared, observed, agreement) in [
        (&taken, &all, "a message is acknowledged", "yes", "acknowledged (200) in 1.0 ms", Agrees),
        (&refused, &all, "a message is acknowledged", "yes", "refused (403) in 1.0 ms: no", Broken),
        (&taken, &all, "it is pushed", "to others within 20 ms", "to 3 of 3 others within 50 ms of the answer", Agrees),
        (&late, &all, "it is pushed", "to others within 20 ms", "to 3 of 3 others within 50 ms of the answer", Broken),
        (&taken, &all, "its sender's own connection gets it", "yes", "yes", Agrees),
        (&taken, &all, "it is in the history", "yes", "yes", Agrees),
        (&unread, &all, "it is in the history", "yes", "the history could not be read", Broken),
        (&unread, &none, "it is in the history", "no history", "–", Agrees),
    ] {
        let facts = ProbeFacts { first: Some(first.clone()), ..ProbeFacts::default() };
        let expected = (declared.to_owned(), observed.to_owned(), agreement);
        assert_eq!(told(&facts, capabilities, question), expected, "{question}");
    }
}

#[test]
fn the_same_message_again_in_words() {
    let (all, none) = (Capabilities::ALL, Capabilities { dedup: false, ..Capabilities::ALL });
    let [one, other, unanswered] = [acknowledged("1"), acknowledged("2"), answer("no answer", None, "")];
    for (again, question, capabilities, others, copies, pushes, declared, observed, agreement) in [
        (
            Again::Twice,
            "the same key twice",
            &all,
            vec![one.clone()],
            Some(1),
            1.0,
            "one message",
            "one message stored, 1.0 pushes to each member; acknowledged (200) with the first one's id",
            Agrees,
        ),
        (
            Again::Later(10),
            "the same key after 10 s",
            &all,
            vec![other.clone()],
            Some(2),
            2.0,
            "one message",
            "2 messages stored, 2.0 pushes to each member; acknowledged (200)",
            Broken,
        ),
        (
            Again::Later(11),
            "the same key after 11 s",
            &all,
            vec![unanswered.clone()],
            Some(0),
            0.0,
            "forgotten after 10 s",
            "nothing stored, 0.0 pushes to each member; no answer",
            Broken,
        ),
        (
            Again::EightAtOnce,
            "the same key eight times at once",
            &none,
            vec![one.clone(), other.clone(), unanswered.clone(), one.clone()],
            None,
            1.4,
            "no dedup",
            "1.4 pushes to each member; 3 of the 4 others acknowledged, 2 with the first one's id",
            Noted,
        ),
        (Again::Twice, "the same key twice", &none, vec![other.clone()], None, 1.5, "no dedup", "", Agrees),
        (Again::Twice, "the same key twice", &all, vec![other.clone()], None, 1.5, "one message", "", Broken),
        (Again::Twice, "the same key twice", &all, vec![other.clone()], None, 1.4, "one message", "", Agrees),
    ] {
        let repeat = RepeatFact { again, first: acknowledged("1"), others, copies, other_copies: None, pushes };
        let facts = ProbeFacts { repeats: vec![repeat], ..ProbeFacts::default() };
        let (promised, seen, found) = told(&facts, capabilities, question);
        assert_eq!((&*promised, found), (declared, agreement), "{question}, {pushes} pushes");
        assert!(seen == observed || observed.is_empty(), "{seen}");
    }
    let refused = RepeatFact {
        again: Again::OtherUser,
        first: answer("refused", Some(403), "no"),
        others: vec![one],
        copies: Some(1),
        other_copies: None,
        pushes: 0.0,
    };
    let facts = ProbeFacts { repeats: vec![refused], ..ProbeFacts::default() };
    let expected = ("–".to_owned(), "the first was not acknowledged: no".to_owned(), NotSeen);
    assert_eq!(told(&facts, &all, "another user's message under the same key"), expected);
}

#[test]
fn times_are_told_in_two_digits() {
    for (us, shown) in [
        (0, "0.0 ms"),
        (1_260, "1.3 ms"),
        (9_949, "9.9 ms"),
        (10_000, "10 ms"),
        (999_999, "999 ms"),
        (1_000_000, "1 s"),
        (1_260_000, "1.3 s"),
    ] {
        assert_eq!(ms(us), shown);
    }
}
