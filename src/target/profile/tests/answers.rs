use super::super::HttpAnswer;
use super::stage::Stage;
use crate::model::Position;
use crate::target::{Classified, Effect, Retry};

const SEND: &str = "
    [send]
    request = 'POST /send'
    id = '/id'
    position = '/at'
    key = '/key'
    [[send.answer]]
    status = 200
    when = { '/again' = true }
    effect = 'duplicate'
    [[send.answer]]
    status = [200, 201]
    effect = 'ok'
    [[send.answer]]
    status = 429
    exists = ['/ms']
    effect = 'none'
    after = '/ms'
    unit = 'ms'
    [[send.answer]]
    status = 429
    exists = ['/until']
    effect = 'none'
    retry = 'after'
    after = '/until'
    unit = 'epoch'
    [[send.answer]]
    status = 429
    effect = 'none'
    after = ['header:Retry-After', '/wait']
    [[send.answer]]
    status = 403
    absent = ['/error']
    effect = 'indeterminate'
    retry = 'no'
    [[send.answer]]
    status = '4xx'
    effect = 'none'
    [[send.answer]]
    status = 503
    effect = 'none'
    retry = 'backoff'
";

#[test]
fn a_pending_answer_says_what_the_frame_calls_it() {
    let rows = "
        [[send.answer]]
        status = 202
        effect = 'pending'
        [[send.answer]]
        when = { '/ok' = true }
        effect = 'ok'
        [[send.answer]]
        when = { '/ok' = false }
        effect = 'none'
    ";
    let answer = |status| HttpAnswer { status, headers: "", body: br#"{"job":"j7"}"# };
    for (keys, status, told, expected, reason) in [
        ("ref = '/job'", 202, Some("k"), Some("j7"), "as the answer says"),
        ("", 202, Some("k"), Some("k"), "by its key"),
        ("", 202, None, None, "it has none"),
        ("ref = '/gone'", 202, Some("k"), None, "it does not say"),
        ("ref = '/job'", 200, Some("k"), None, "another answer"),
    ] {
        let stage = Stage::of(&format!("[send]\nrequest = 'POST /a'\nid = '/no'\n{keys}\n{rows}"), &[]);
        assert_eq!(stage.described.send.awaited(answer(status), told).as_deref(), expected, "{reason}");
        let said = stage.described.send.classify_reply(r#"{"ok":true,"no":9}"#);
        assert_eq!(said.effect, stored("9", None), "{reason}");
        assert_eq!(stage.described.send.classify_reply(r#"{"ok":false}"#).effect, Effect::None);
    }
}

fn stored(id: &str, position: Option<u64>) -> Effect {
    Effect::Acknowledged { server_id: id.into(), position: position.map(Position) }
}

#[test]
fn the_first_row_that_matches_says_what_an_answer_means() {
    let stage = Stage::of(SEND, &[]);
    let unknown = (Effect::Indeterminate, Retry::Backoff);
    let none = |retry| (Effect::None, retry);
    let key = &stage.told;
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(257));
    let echoed = format!(r#"{{"id":"7","key":"{}"}}"#, key.to_uppercase());
    for (status, headers, body, (effect, retry), reason) in [
        (200, "", r#"{"id":"7","at":7}"#, (stored("7", Some(7)), Retry::No), "stored"),
        (201, "", r#"{"id":7}"#, (stored("7", None), Retry::No), "without a position"),
        (200, "", r#"{"id":"7","again":true}"#, (stored("7", None), Retry::No), "the row before it"),
        (201, "", r#"{"id":"7","again":true}"#, (stored("7", None), Retry::No), "not of that row's status"),
        (200, "", r#"{"again":true}"#, (stored("", None), Retry::No), "a duplicate needs no id"),
        (200, "", "{}", unknown.clone(), "ok without the id that belongs to it"),
        (200, "", r#"{"id":""}"#, unknown.clone(), "an empty id"),
        (200, "", &long, unknown.clone(), "an id that is too long"),
        (200, "", &echoed, (stored("7", None), Retry::No), "the key, in capitals"),
        (200, "", r#"{"id":"7","key":"another"}"#, unknown.clone(), "another key"),
        (200, "", r#"{"again":true,"key":"another"}"#, unknown.clone(), "another key of a duplicate"),
        (200, "", "<html>", unknown.clone(), "no JSON"),
        (202, "", r#"{"id":"7"}"#, unknown.clone(), "a status that no row has"),
        (500, "", "", unknown.clone(), "an error that no row has"),
        (429, "", r#"{"ms":1500}"#, none(Retry::After(1_500_000)), "a wait in ms"),
        (429, "retry-after: 2.5\n", "", none(Retry::After(2_500_000)), "in seconds, from a header"),
        (429, "", r#"{"wait":"3"}"#, none(Retry::After(3_000_000)), "from the second source"),
        (429, "", r#"{"until":1}"#, none(Retry::After(0)), "until an instant that has passed"),
        (429, "", r#"{"wait":-1}"#, none(Retry::After(0)), "below zero"),
        (429, "", r#"{"wait":1e9}"#, none(Retry::After(86_400_000_000)), "no more than a day"),
        (429, "retry-after: Tue, 14 Nov 2023 22:13:20 GMT\n", "", none(Retry::Backoff), "a date is no wait"),
        (429, "", "", none(Retry::Backoff), "no wait in it"),
        (403, "", "", (Effect::Indeterminate, Retry::No), "retry as it is written"),
        (403, "", r#"{"error":1}"#, none(Retry::No), "absent does not hold"),
        (499, "", "", none(Retry::No), "a class"),
        (401, "", "", none(Retry::No), "no login steps, no token to renew"),
        (503, "", "", none(Retry::Backoff), "nothing happened, and it may be tried"),
    ] {
        let answer = HttpAnswer { status, headers, body: body.as_bytes() };
        let classified = stage.described.send.classify(answer, stage.key, stage.profile.key_format);
        assert_eq!(classified, Classified { effect, retry }, "{reason}");
    }
    let soon = jiff::Timestamp::now().as_second() + 100;
    let body = format!(r#"{{"until":{soon}}}"#);
    let answer = HttpAnswer { status: 429, headers: "", body: body.as_bytes() };
    let Retry::After(us) = stage.described.send.classify(answer, stage.key, stage.profile.key_format).retry else {
        panic!("an instant to come is a wait");
    };
    assert!((90_000_000..=100_000_000).contains(&us), "{us}");
}

#[test]
fn a_token_is_renewed_where_there_are_login_steps() {
    let login = "[[login]]\nrequest = 'POST /login'\n";
    let listed = "[[send.answer]]\nstatus = 401\neffect = 'none'\n";
    let asked = "[[send.answer]]\nstatus = 200\nwhen = { '/error' = 'expired' }\neffect = 'none'\nrefresh = true\n";
    let ok = "[[send.answer]]\nstatus = 200\neffect = 'ok'\n";
    for (sections, status, body, expected, reason) in [
        (format!("[send]\nrequest = 'POST /s'\n{ok}{login}"), 401, "", Retry::Renewed, "a 401 that no row has"),
        (format!("[send]\nrequest = 'POST /s'\n{ok}"), 401, "", Retry::Backoff, "nobody logs in"),
        (format!("[send]\nrequest = 'POST /s'\n{ok}{listed}{login}"), 401, "", Retry::No, "a row says otherwise"),
        (
            format!("[send]\nrequest = 'POST /s'\n{asked}{ok}{login}"),
            200,
            r#"{"error":"expired"}"#,
            Retry::Renewed,
            "a row asks for it",
        ),
        (format!("[send]\nrequest = 'POST /s'\n{asked}{ok}{login}"), 200, "{}", Retry::No, "and is not meant"),
    ] {
        let stage = Stage::of(&sections, &[]);
        let answer = HttpAnswer { status, headers: "", body: body.as_bytes() };
        let classified = stage.described.send.classify(answer, stage.key, stage.profile.key_format);
        assert_eq!(classified.retry, expected, "{reason}");
    }
}

#[test]
fn an_answer_over_the_socket_has_no_status() {
    let sections = "
        [send]
        id = '/id'
        [send.socket]
        frame = '{{message.ref}}'
        [[send.answer]]
        status = 200
        effect = 'none'
        [[send.answer]]
        exists = ['/id']
        effect = 'ok'
    ";
    let stage = Stage::of(sections, &[]);
    for (reply, effect) in [(r#"{"id":3}"#, stored("3", None)), ("{}", Effect::Indeterminate)] {
        assert_eq!(stage.described.send.classify_reply(reply).effect, effect, "{reply}");
    }
}

#[test]
fn a_message_in_doubt_is_found_or_stays_in_doubt() {
    let sections = "
        [send]
        request = 'POST /send'
        [send.verify]
        request = 'GET /messages/{{message.key}}'
        found = { when = { '/found' = true }, exists = ['/id'] }
        id = '/id'
        position = { at = '/at', format = 'decimal' }
        [[send.answer]]
        effect = 'ok'
    ";
    let stage = Stage::of(sections, &[]);
    let verify = stage.described.send.verify.as_ref().unwrap();
    for (status, body, expected, reason) in [
        (200, r#"{"found":true,"id":"7","at":"1.5"}"#, Some(stored("7", Some(1_500_000))), "there"),
        (200, r#"{"found":true,"id":"7"}"#, Some(stored("7", None)), "there, somewhere"),
        (200, r#"{"found":true}"#, None, "one condition does not hold"),
        (404, r#"{"found":true,"id":"7"}"#, None, "whatever an error says"),
        (200, "", None, "nothing"),
    ] {
        let answer = HttpAnswer { status, headers: "", body: body.as_bytes() };
        assert_eq!(verify.read(answer), expected, "{reason}");
    }
}
