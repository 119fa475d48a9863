use super::super::HttpAnswer;
use super::stage::Stage;

#[test]
fn a_step_is_done_or_says_what_was_wrong() {
    let plain = "capture = { 'user.token' = '/token' }\nexpires = '/in'";
    let also = "also = [{ status = ['4xx', 500], when = { '/error' = 'exists' } }, { status = 410 }]";
    let both = format!("{plain}\n{also}");
    let says = format!("{plain}\nwhen = {{ '/ok' = true }}\nexists = ['/token']");
    let expect = format!("{plain}\nexpect = [202]");
    let token = r#"{"token":"T","in":3600.5,"ok":true}"#;
    let done = Ok((Some("T"), Some(3_600)));
    for (step, status, body, known, expected, reason) in [
        (plain, 200, token, false, done, "any 2xx"),
        (plain, 204, token, false, done, "another one"),
        (plain, 200, r#"{"token":"T","in":"60"}"#, false, Ok((Some("T"), Some(60))), "a lifetime as text"),
        (plain, 200, r#"{"token":"T"}"#, false, Ok((Some("T"), None)), "no lifetime"),
        (plain, 302, token, false, Err("HTTP 302"), "a redirect is not followed"),
        (plain, 200, r#"{"ok":false}"#, false, Err("the answer lacks what is to be captured"), "nothing to capture"),
        (plain, 200, r#"{"ok":false}"#, true, Err("the answer lacks what is to be captured"), "whatever was known"),
        (plain, 200, r#"{"token":null}"#, false, Err("lacks"), "null is nothing"),
        (&expect, 202, token, false, done, "the status that is expected"),
        (&expect, 200, token, false, Err("HTTP 200"), "and no other"),
        (&says, 200, token, false, done, "it says so"),
        (&says, 200, r#"{"token":"T","ok":false}"#, false, Err("HTTP 200"), "a failure with status 200"),
        (&both, 409, r#"{"error":"exists"}"#, true, Ok((None, None)), "there already, and known"),
        (&both, 409, r#"{"error":"exists"}"#, false, Err("lacks"), "there already, and not known"),
        (&both, 409, r#"{"error":"other"}"#, true, Err("HTTP 409"), "another failure"),
        (&both, 500, r#"{"error":"exists"}"#, true, Ok((None, None)), "a status of the list"),
        (&both, 410, "gone", true, Ok((None, None)), "the second row, without JSON"),
        (&both, 200, token, false, done, "done in the usual way"),
    ] {
        let stage = Stage::of(&format!("[[login]]\nname = 'login'\nrequest = 'POST /login'\n{step}"), &[]);
        let answer = HttpAnswer { status, headers: "", body: body.as_bytes() };
        let read = stage.described.login[0].read(answer, |_| known);
        match (read, expected) {
            (Ok(captured), Ok((token, expires_s))) => {
                let values: Vec<&str> = captured.values.iter().map(|(_, value)| &**value).collect();
                assert_eq!((values, captured.expires_s), (token.into_iter().collect(), expires_s), "{reason}");
            }
            (Err(error), Err(part)) => {
                assert!(error.starts_with("login: ") && error.contains(part), "{reason}: {error}")
            }
            (read, _) => panic!("{reason}: {read:?}"),
        }
    }
}

#[test]
fn a_step_makes_something_of_what_is_known() {
    let sections = "
        [variables]
        secret = {}
        [[login]]
        set = { 'user.a' = '<{{user.c}}>', 'user.b' = '{{user.name|lower}}', 'user.c' = '{{user.b|upper}}' }
    ";
    let stage = Stage::of(sections, &[("var.secret", "s")]);
    let mut captured = super::super::Captured::default();
    stage.described.login[0].compute(&stage.scope(), &mut captured).unwrap();
    let mut values: Vec<&str> = captured.values.iter().map(|(_, value)| &**value).collect();
    values.sort_unstable();
    assert_eq!(values, ["<PH-00112233445566AA-0>", "PH-00112233445566AA-0", "ph-00112233445566aa-0"]);
    for (step, part) in [
        ("set = { 'user.a' = '{{user.b}}', 'user.b' = '{{user.a}}' }", "is made of itself"),
        ("set = { 'user.a' = 'x' }\ncapture = { 'user.b' = '/b' }", "has no answer to capture from"),
        ("name = 'nothing'", "must be a method and a path"),
        ("set = { 'run.a' = 'x' }", "this step cannot keep it"),
    ] {
        let text = super::stage::profile(&format!("[[login]]\n{step}\n"));
        let error = crate::target::TargetProfile::parse(&text, "t").unwrap_err().to_string();
        assert!(error.contains(part), "{step}: {error}");
    }
}

#[test]
fn an_error_shows_the_beginning_of_an_answer() {
    let stage = Stage::of("[[login]]\nrequest = 'POST /login'\n", &[]);
    let read = |body: &str| {
        let answer = HttpAnswer { status: 500, headers: "", body: body.as_bytes() };
        stage.described.login[0].read(answer, |_| true).unwrap_err()
    };
    assert_eq!(read("a\n\tb\u{1b}[1m"), "POST /login: HTTP 500: a  b [1m", "on one line, without control characters");
    assert_eq!(read(" \n"), "POST /login: HTTP 500: no text");
    assert_eq!(read(&"é".repeat(300)), format!("POST /login: HTTP 500: {}…", "é".repeat(200)));
}
