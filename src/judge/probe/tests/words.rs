//! The rows in words.

use super::acknowledged;
use crate::judge::probe::Agreement::{Agrees, Broken, NotSeen, Noted};
use crate::judge::probe::*;
use crate::ledger::{PostFact, RefusalFact, TextFact};

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

#[test]
fn another_message_under_the_same_key_in_words() {
    let (all, none) = (Capabilities::ALL, Capabilities { dedup: false, ..Capabilities::ALL });
    let swallowed = (acknowledged("1"), Some(0));
    let kept = (acknowledged("2"), Some(1));
    let refused = (answer("refused", Some(409), ""), Some(0));
    for (again, capabilities, within, (other, copies), declared, observed, agreement) in [
        (
            Again::OtherText,
            &all,
            Some(Within::User),
            &swallowed,
            "the first message stands",
            "acknowledged and not stored: answered with the id of the first; acknowledged (200) with the first one's id",
            Agrees,
        ),
        (
            Again::OtherUser,
            &all,
            Some(Within::Server),
            &swallowed,
            "one message of the server (scope: server)",
            "acknowledged and not stored: answered with the id of somebody else's message; acknowledged (200) with the \
             first one's id",
            Noted,
        ),
        (
            Again::OtherUser,
            &all,
            Some(Within::User),
            &kept,
            "a message of its own (scope: user)",
            "one message stored; acknowledged (200)",
            Agrees,
        ),
        (
            Again::OtherUser,
            &all,
            Some(Within::Channel),
            &refused,
            "one message in a channel (scope: channel)",
            "not stored; refused (409)",
            Noted,
        ),
        (
            Again::OtherChannel,
            &all,
            Some(Within::User),
            &kept,
            "one message of a user (scope: user)",
            "one message stored; acknowledged (200)",
            Broken,
        ),
        (Again::OtherChannel, &all, None, &kept, "–", "one message stored; acknowledged (200)", Noted),
        (
            Again::OtherUser,
            &none,
            None,
            &kept,
            "no dedup: a message of its own",
            "one message stored; acknowledged (200)",
            Agrees,
        ),
    ] {
        let row = under_the_same_key(again, acknowledged("1"), other, *copies, capabilities, within);
        assert_eq!((&*row.declared, &*row.observed, row.agreement), (declared, observed, agreement), "{again:?}");
    }
}

/// The row of another message, sent under the key of a first.
fn under_the_same_key(
    again: Again,
    first: AnswerFact,
    other: &AnswerFact,
    other_copies: Option<u32>,
    capabilities: &Capabilities,
    key_within: Option<Within>,
) -> ProbeRow {
    let others = vec![other.clone()];
    let repeat = RepeatFact { again, first, others, copies: Some(1), other_copies, pushes: 1.0 };
    other_message(&repeat, Declared { capabilities, key_window_us: None, key_within })
}

#[test]
fn without_an_id_none_is_the_first_ones() {
    let nameless = answer("acknowledged", None, "");
    let row = under_the_same_key(Again::OtherText, nameless.clone(), &nameless, Some(0), &Capabilities::ALL, None);
    assert_eq!(row.observed, "acknowledged and not stored; acknowledged");
}

#[test]
fn a_read_in_pages_in_words() {
    let whole =
        || PagingFact { page_size: 7, pages: 6, shown: ShownFact { shown: 40, of: 40 }, ..PagingFact::default() };
    let (start, middle) = ("history from the start, small pages, others write", "history past a row in the middle");
    let (coarse, none) = (
        Capabilities { positions: Positions::Coarse, ..Capabilities::ALL },
        Capabilities { positions: Positions::None, ..Capabilities::ALL },
    );
    let (bare, tied) = (
        PagingFact { without_position: 3, ..whole() },
        PagingFact { repeated: 1, before_point: 2, tied_positions: 4, ..whole() },
    );
    let moving = PagingFact { repeated: 1, moves: true, ..whole() };
    let broken = PagingFact { failure: Some("HTTP 500".to_owned()), ..whole() };
    for (paging, capabilities, question, declared, observed, agreement) in [
        (&whole(), &Capabilities::ALL, start, "complete, no row twice", "40 of 40 in 6 page(s) of 7", Agrees),
        (
            &tied,
            &Capabilities::ALL,
            start,
            "complete, no row twice",
            "40 of 40 in 6 page(s) of 7, 1 rows twice, 2 rows from before the point",
            Broken,
        ),
        (
            &moving,
            &Capabilities::ALL,
            middle,
            "complete",
            "40 of 40 in 6 page(s) of 7, 1 rows twice: pages that are counted from the newest row move while others \
             write",
            Noted,
        ),
        (&broken, &Capabilities::ALL, middle, "complete", "after 6 pages: HTTP 500", Broken),
        (&whole(), &Capabilities::ALL, "positions", "each its own", "each its own", Agrees),
        (&tied, &coarse, "positions", "two may be equal", "4 equal to another", Agrees),
        (&bare, &none, "positions", "none", "3 rows without one", Agrees),
    ] {
        let facts =
            ProbeFacts { from_start: Some(paging.clone()), from_middle: Some(paging.clone()), ..ProbeFacts::default() };
        let expected = (declared.to_owned(), observed.to_owned(), agreement);
        assert_eq!(told(&facts, capabilities, question), expected, "{paging:?}");
    }
}

#[test]
fn how_deep_a_history_is() {
    for (depth, shown, declared, observed, agreement) in [
        (None, 100, "everything is kept", "all 100 are shown", Agrees),
        (None, 99, "everything is kept", "99 of 100 are shown, and nothing says that some are missing", Broken),
        (Some(50), 50, "50 messages are kept", "50 of 100 are shown, and nothing says that some are missing", Agrees),
        (Some(50), 49, "50 messages are kept", "49 of 100 are shown, and nothing says that some are missing", Broken),
        (Some(500), 100, "500 messages are kept", "all 100 are shown", Agrees),
    ] {
        let facts = ProbeFacts { kept: Some(ShownFact { shown, of: 100 }), ..ProbeFacts::default() };
        let capabilities = Capabilities { depth, ..Capabilities::ALL };
        let expected = (declared.to_owned(), observed.to_owned(), agreement);
        assert_eq!(told(&facts, &capabilities, "how deep history is"), expected);
    }
}
