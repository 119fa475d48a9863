//! What was seen when a target was asked, held against what its profile
//! declares.

use crate::ledger::{Again, AnswerFact, PagingFact, ProbeFacts, RepeatFact, ResumeFact, ShownFact};
use crate::plan::{Capabilities, Positions};
use serde::Serialize;

/// What a profile declares.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    /// Its promises.
    pub capabilities: &'a Capabilities,
    /// How long it remembers a key, in µs.
    pub key_window_us: Option<u64>,
    /// Within what a key is one message.
    pub key_within: Option<Within>,
}

/// Within what a key is one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// A channel.
    Channel,
    /// What one user sends.
    User,
    /// The whole target.
    Server,
}

/// Whether what was seen is what is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// It is.
    Agrees,
    /// A promise was broken.
    Broken,
    /// More than is promised was seen, or something of which nothing is said
    /// and that a reader wants to know.
    Noted,
    /// It could not be seen.
    NotSeen,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeRow {
    /// What was asked.
    pub question: String,
    /// What the profile declares; "–" where it says nothing.
    pub declared: String,
    /// What was seen.
    pub observed: String,
    /// Whether they agree.
    pub agreement: Agreement,
}

const NOTHING: &str = "–";

/// The rows, in the order of the questions.
pub fn table(facts: &ProbeFacts, declared: Declared<'_>) -> Vec<ProbeRow> {
    let mut rows = Vec::new();
    connections(&mut rows, facts);
    once(&mut rows, facts, declared);
    facts.repeats.iter().for_each(|repeat| rows.extend(again(repeat, declared)));
    history(&mut rows, facts, declared);
    if let Some(resumed) = facts.resumed {
        rows.push(missed(resumed));
    }
    for text in &facts.texts {
        let refused = text.answer.meaning != "acknowledged";
        let observed = match &text.stored {
            Some(stored) => format!("{}: …{stored}", text.fate),
            None if refused => format!("{}, {}", spoken(&text.answer), text.fate),
            None => text.fate.clone(),
        };
        rows.push(row(
            &format!("text: {}", text.what),
            NOTHING,
            observed,
            match &*text.fate {
                "as it was" => Agreement::Agrees,
                "no history to look at" => Agreement::NotSeen,
                // Acknowledged and not there is a loss, whatever the text.
                "not stored" if !refused => Agreement::Broken,
                _ => Agreement::Noted,
            },
        ));
    }
    for refusal in &facts.refusals {
        let stored = refusal.stored == Some(true);
        let accepted = refusal.answer.meaning == "acknowledged";
        let agreement = match (&*refusal.answer.meaning, stored) {
            ("refused", false) => Agreement::Agrees,
            ("refused", true) => Agreement::Broken,
            ("no answer", _) => Agreement::NotSeen,
            _ => Agreement::Noted,
        };
        let mut observed = format!("{}: {}", spoken(&refusal.answer), refusal.answer.said);
        if stored && !accepted {
            observed.push_str(" (and it is stored)");
        }
        rows.push(row(&refusal.what, "refused", observed, agreement));
    }
    rows
}

fn row(question: &str, declared: &str, observed: String, agreement: Agreement) -> ProbeRow {
    ProbeRow { question: question.to_owned(), declared: declared.to_owned(), observed, agreement }
}

/// What a resumed connection missed comes, or the target says that it does not: a
/// buffer that begins after a gap and says nothing loses messages.
fn missed(ResumeFact { pushed, read, of }: ResumeFact) -> ProbeRow {
    let mut observed = format!("{pushed} of {of} came");
    if read > 0 {
        observed.push_str(&format!(", {read} were read from history, as the target said that some are missing"));
    }
    let lost = of.saturating_sub(pushed + read);
    if lost > 0 {
        observed.push_str(&format!("; {lost} are missing, and nothing says so"));
    }
    let agreement = match (of, lost, read) {
        (0, ..) => Agreement::NotSeen,
        (_, 0, 0) => Agreement::Agrees,
        (_, 0, _) => Agreement::Noted,
        _ => Agreement::Broken,
    };
    row("missed while away, after a resume", "all come, or a gap is told", observed, agreement)
}

fn connections(rows: &mut Vec<ProbeRow>, facts: &ProbeFacts) {
    let (stand, all) = facts.subscriptions;
    let trouble = facts.trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
    let agreement = if stand == all { Agreement::Agrees } else { Agreement::Broken };
    rows.push(row(
        "subscriptions that stand",
        &format!("{all} of {all}"),
        format!("{stand} of {all}{trouble}"),
        agreement,
    ));
}

fn once(rows: &mut Vec<ProbeRow>, facts: &ProbeFacts, Declared { capabilities, .. }: Declared<'_>) {
    let Some(first) = &facts.first else { return };
    let acknowledged = first.answer.meaning == "acknowledged";
    let observed = format!("{} in {}", spoken(&first.answer), ms(first.answered_us));
    let observed = if acknowledged { observed } else { format!("{observed}: {}", first.answer.said) };
    rows.push(row("a message is acknowledged", "yes", observed, agrees(acknowledged)));
    let ShownFact { shown, of } = first.pushed;
    let in_time = shown == of && first.push_us <= capabilities.lag_us.max(50_000);
    let lag = format!("to others within {}", ms(capabilities.lag_us));
    let observed = format!("to {shown} of {of} others within {} of the answer", ms(first.push_us));
    rows.push(row("it is pushed", &lag, observed, agrees(in_time)));
    rows.push(promise("its sender's own connection gets it", capabilities.own_push, first.own_push));
    match (first.read_after_answer, first.stored) {
        (Some(at_once), Some(stored)) => {
            rows.push(row("it is in the history", "yes", yes_no(stored), agrees(stored)));
            rows.push(promise("a read behind the answer shows it", capabilities.read_after_ack, at_once));
        }
        _ if capabilities.history => {
            rows.push(row(
                "it is in the history",
                "yes",
                "the history could not be read".to_owned(),
                Agreement::Broken,
            ));
        }
        _ => rows.push(row("it is in the history", "no history", NOTHING.to_owned(), Agreement::Agrees)),
    }
}

/// A promise, and whether it was seen to hold: more than is promised is noted.
fn promise(question: &str, promised: bool, seen: bool) -> ProbeRow {
    let agreement = match (promised, seen) {
        (true, false) => Agreement::Broken,
        (false, true) => Agreement::Noted,
        _ => Agreement::Agrees,
    };
    row(question, &yes_no(promised), yes_no(seen), agreement)
}

fn again(repeat: &RepeatFact, declared: Declared<'_>) -> Option<ProbeRow> {
    if repeat.first.meaning != "acknowledged" {
        let observed = format!("the first was not acknowledged: {}", repeat.first.said);
        return Some(row(&question(repeat.again), NOTHING, observed, Agreement::NotSeen));
    }
    Some(match repeat.again {
        Again::Twice | Again::EightAtOnce | Again::Later(_) => same_message(repeat, declared),
        Again::OtherText | Again::OtherUser | Again::OtherChannel => other_message(repeat, declared),
    })
}

fn question(again: Again) -> String {
    match again {
        Again::Twice => "the same key twice".to_owned(),
        Again::EightAtOnce => "the same key eight times at once".to_owned(),
        Again::OtherText => "the same key with another text".to_owned(),
        Again::OtherUser => "another user's message under the same key".to_owned(),
        Again::OtherChannel => "the same key in another channel".to_owned(),
        Again::Later(seconds) => format!("the same key after {seconds} s"),
    }
}

/// The same message again: is it one?
fn same_message(repeat: &RepeatFact, Declared { capabilities, key_window_us, .. }: Declared<'_>) -> ProbeRow {
    let forgotten = match (repeat.again, key_window_us) {
        (Again::Later(seconds), Some(window_us)) => seconds * 1_000_000 > window_us,
        _ => false,
    };
    let promised = capabilities.dedup && !forgotten;
    let declared = match (capabilities.dedup, forgotten) {
        (true, true) => format!("forgotten after {}", ms(key_window_us.unwrap_or(0))),
        (true, false) => "one message".to_owned(),
        (false, _) => "no dedup".to_owned(),
    };
    let pushes = format!("{:.1} pushes to each member", repeat.pushes);
    let Some(copies) = repeat.copies else {
        let one = repeat.pushes < 1.5;
        let agreement = match (promised, one) {
            (true, one) => agrees(one),
            (false, true) => Agreement::Noted,
            (false, false) => Agreement::Agrees,
        };
        return row(&question(repeat.again), &declared, format!("{pushes}; {}", answers(repeat)), agreement);
    };
    let observed = format!("{} stored, {pushes}; {}", copies_in_words(copies), answers(repeat));
    let agreement = match copies {
        0 => Agreement::Broken,
        1 if promised => Agreement::Agrees,
        _ if promised => Agreement::Broken,
        1 => Agreement::Noted,
        _ => Agreement::Agrees,
    };
    row(&question(repeat.again), &declared, observed, agreement)
}

/// Another message under a key that was used: what becomes of it?
fn other_message(repeat: &RepeatFact, Declared { capabilities, key_within, .. }: Declared<'_>) -> ProbeRow {
    let same_id = repeat.first.id.is_some() && repeat.others.iter().any(|other| other.id == repeat.first.id);
    let acknowledged = repeat.others.iter().any(|other| other.meaning == "acknowledged");
    let (within, declared) = match (repeat.again, capabilities.dedup, key_within) {
        (_, false, _) => (Some(false), "no dedup: a message of its own"),
        (Again::OtherText, true, _) => (Some(true), "the first message stands"),
        (_, true, None) => (None, NOTHING),
        (Again::OtherUser, true, Some(Within::User)) => (Some(false), "a message of its own (scope: user)"),
        (Again::OtherUser, true, Some(scope)) => (Some(true), scope_in_words(scope)),
        (_, true, Some(Within::Channel)) => (Some(false), "a message of its own (scope: channel)"),
        (_, true, Some(scope)) => (Some(true), scope_in_words(scope)),
    };
    let stored = repeat.other_copies;
    let mut observed = match (stored, acknowledged) {
        (Some(0), true) => "acknowledged and not stored".to_owned(),
        (Some(0), false) => "not stored".to_owned(),
        (Some(copies), _) => format!("{} stored", copies_in_words(copies)),
        (None, _) => "no history to look at".to_owned(),
    };
    if same_id && repeat.again != Again::OtherText {
        observed.push_str(": answered with the id of somebody else's message");
    } else if same_id {
        observed.push_str(": answered with the id of the first");
    }
    let observed = format!("{observed}; {}", answers(repeat));
    let agreement = match (within, stored) {
        (_, None) => Agreement::NotSeen,
        (Some(false), Some(0)) => Agreement::Broken,
        (Some(false), Some(_)) => Agreement::Agrees,
        (Some(true), Some(0)) if repeat.again == Again::OtherText => Agreement::Agrees,
        // A user whose message is swallowed loses it: it is declared, and worth
        // knowing.
        (Some(true), Some(0)) => Agreement::Noted,
        (Some(true), Some(_)) => Agreement::Broken,
        (None, Some(_)) => Agreement::Noted,
    };
    row(&question(repeat.again), declared, observed, agreement)
}

fn scope_in_words(scope: Within) -> &'static str {
    match scope {
        Within::Channel => "one message in a channel (scope: channel)",
        Within::User => "one message of a user (scope: user)",
        Within::Server => "one message of the server (scope: server)",
    }
}

fn history(rows: &mut Vec<ProbeRow>, facts: &ProbeFacts, Declared { capabilities, .. }: Declared<'_>) {
    if let Some(paging) = &facts.from_start {
        rows.push(paged("history from the start, small pages, others write", paging));
        let tied = paging.tied_positions > 0;
        let (declared, observed) = match capabilities.positions {
            Positions::Unique => ("each its own", tied),
            Positions::Coarse => ("two may be equal", false),
            Positions::None => ("none", false),
        };
        let seen = match (paging.without_position, paging.tied_positions) {
            (0, 0) => "each its own".to_owned(),
            (0, tied) => format!("{tied} equal to another"),
            (without, _) => format!("{without} rows without one"),
        };
        let missing = paging.without_position > 0 && capabilities.positions != Positions::None;
        rows.push(row("positions", declared, seen, agrees(!observed && !missing)));
        let ordered = paging.out_of_order == 0;
        rows.push(promise("one sender's messages in the order of the answers", capabilities.sender_order, ordered));
    }
    if let Some(paging) = &facts.from_middle {
        rows.push(paged("history past a row in the middle", paging));
    }
    if let Some(kept) = facts.kept {
        let declared = match capabilities.depth {
            Some(depth) => format!("{depth} messages are kept"),
            None => "everything is kept".to_owned(),
        };
        let promised = capabilities.depth.map_or(u64::from(kept.of), |depth| depth.min(kept.of.into()));
        let observed = match kept.shown == kept.of {
            true => format!("all {} are shown", kept.of),
            false => format!("{} of {} are shown, and nothing says that some are missing", kept.shown, kept.of),
        };
        rows.push(row("how deep history is", &declared, observed, agrees(u64::from(kept.shown) >= promised)));
    }
}

fn paged(question: &str, paging: &PagingFact) -> ProbeRow {
    if let Some(failure) = &paging.failure {
        return row(question, "complete", format!("after {} pages: {failure}", paging.pages), Agreement::Broken);
    }
    let ShownFact { shown, of } = paging.shown;
    let mut observed = format!("{shown} of {of} in {} page(s) of {}", paging.pages, paging.page_size);
    for (count, what) in [(paging.repeated, "rows twice"), (paging.before_point, "rows from before the point")] {
        if count > 0 {
            observed.push_str(&format!(", {count} {what}"));
        }
    }
    let broken = shown < of || paging.before_point > 0 || paging.repeated > 0 && !paging.moves;
    if !broken && paging.repeated > 0 {
        observed.push_str(": pages that are counted from the newest row move while others write");
        return row(question, "complete", observed, Agreement::Noted);
    }
    row(question, "complete, no row twice", observed, agrees(!broken))
}

fn agrees(agrees: bool) -> Agreement {
    if agrees { Agreement::Agrees } else { Agreement::Broken }
}

fn answers(repeat: &RepeatFact) -> String {
    let same = |other: &AnswerFact| other.id.is_some() && other.id == repeat.first.id;
    let (count, same) = (repeat.others.len(), repeat.others.iter().filter(|other| same(other)).count());
    match (count, same) {
        (1, 1) => format!("{} with the first one's id", spoken(&repeat.others[0])),
        (1, _) => spoken(&repeat.others[0]),
        (count, same) => {
            let acknowledged = repeat.others.iter().filter(|other| other.meaning == "acknowledged").count();
            format!("{acknowledged} of the {count} others acknowledged, {same} with the first one's id")
        }
    }
}

fn spoken(answer: &AnswerFact) -> String {
    match answer.status {
        Some(status) => format!("{} ({status})", answer.meaning),
        None => answer.meaning.clone(),
    }
}

fn copies_in_words(copies: u32) -> String {
    match copies {
        0 => "nothing".to_owned(),
        1 => "one message".to_owned(),
        copies => format!("{copies} messages"),
    }
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn ms(us: u64) -> String {
    match us {
        0..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", (us as f64 / 1e5).round() / 10.0),
    }
}

#[cfg(test)]
mod tests;
