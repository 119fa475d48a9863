use super::super::*;
use super::stage::profile;

#[test]
fn the_built_in_profiles_are_valid() {
    for (name, text) in built_in_targets() {
        let profile = TargetProfile::parse(text, name).unwrap();
        assert_eq!(profile.name, *name);
        assert!(!profile.description.is_empty());
    }
}

#[test]
fn the_published_schema_is_that_of_what_is_read() {
    let generated = serde_json::to_string_pretty(&schemars::schema_for!(Written).to_value()).unwrap() + "\n";
    if std::env::var_os("POSTHASTE_WRITE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/target.schema.json");
        std::fs::write(path, &generated).unwrap();
    }
    assert!(SCHEMA == generated, "target.schema.json is old: test twice with POSTHASTE_WRITE_SCHEMA=1");
}

#[test]
fn the_profile_of_the_documentation_is_valid() {
    let page = include_str!("../../../../profiles/targets/README.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let profile = TargetProfile::parse(example, "README.md").unwrap();
    assert_eq!(profile.name, "parley");
}

#[test]
fn a_target_may_want_its_keys_in_another_format() {
    let (_, good) = built_in_targets()[0];
    for (written, format) in [
        ("uuid8", KeyFormat::Uuid8),
        ("uuid4-shaped", KeyFormat::Uuid4Shaped),
        ("hex", KeyFormat::Hex),
        ("base36", KeyFormat::Base36),
        ("hash", KeyFormat::Hash),
    ] {
        let text = good.replace("\"uuid8\"", &format!("\"{written}\""));
        assert_eq!(TargetProfile::parse(&text, "t").unwrap().key_format, format);
    }
    let without = good.split("[key]").next().unwrap();
    assert_eq!(TargetProfile::parse(without, "t").unwrap().key_format, KeyFormat::Uuid8);
}

#[test]
fn errors_name_the_place() {
    let (_, good) = built_in_targets()[0];
    for (bad, expected) in [
        (good.replace("dedup", "dedupe"), "t.toml:32:1: unknown key `dedupe`; did you mean `dedup`?"),
        (good.replace("\"slack\"", "\"irc\""), "t.toml:6:8: unknown variant `irc`"),
        (good.replace("\"uuid8\"", "\"uuid4\""), "t.toml:49:10: unknown value `uuid4`; did you mean"),
        (good.replace("\"1s\"", "\"soon\""), "t.toml: capabilities.lag: \"soon\" is no duration"),
    ] {
        let error = TargetProfile::parse(&bad, "t.toml").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// A profile of these sections cannot be: where, and why.
fn error(sections: &str) -> String {
    let text = profile(sections);
    TargetProfile::parse(&text, "t").err().unwrap_or_else(|| panic!("it is valid:\n{text}")).to_string()
}

/// What stands in a section, or in the rest of a profile, and the error.
const SEND: &[(&str, &str)] = &[
    ("aswer = []", "t:4:1: unknown key `aswer`; did you mean `answer`?"),
    ("[[send.answer]]\neffect = 'dupliate'", "t:5:10: unknown value `dupliate`; did you mean `duplicate`?"),
    ("[[send.answer]]\neffect = 'none'", "t:2:1: send: no [[send.answer]] has effect = \"ok\""),
    (
        "body = '{{mesage.text}}'\n[[send.answer]]\neffect = 'ok'\n",
        "t:4:11: send: there is no variable mesage.text; did you mean message.text?",
    ),
    (
        "body = '{{user.token}}'\n[[send.answer]]\neffect = 'ok'\n",
        "t:4:11: send: there is no variable user.token; a step, a rule or [variables] must give it a value",
    ),
    (
        "body = '{{message.text'\n[[send.answer]]\neffect = 'ok'\n",
        "t:4:9: send: \"{{message.text\": \"{{\" without \"}}\"",
    ),
    (
        "body = '{{message.text|jsn}}'\n[[send.answer]]\neffect = 'ok'\n",
        "t:4:24: send: \"jsn\" is no filter; there are json,",
    ),
    (
        "body = '{{message.text|add(x)}}'\n[[send.answer]]\neffect = 'ok'\n",
        "t:4:24: send: \"add(x)\": \"x\" is no whole number",
    ),
    ("body = ''\njson = {}\n[[send.answer]]\neffect = 'ok'\n", "t:2:1: send: a request has one body"),
    ("id = 'ts'\n[[send.answer]]\neffect = 'ok'\n", "t:4:7: send: \"ts\" is no source"),
    (
        "id = '/messages/*/id'\n[[send.answer]]\neffect = 'ok'\n",
        "t:4:7: send: \"/messages/*/id\" has a star: only each and rows may have one",
    ),
    ("id = '*1'\n[[send.answer]]\neffect = 'ok'\n", "t:4:7: send: \"*1\": the path of the items has no star number 1"),
    ("id = 'regex:('\n[[send.answer]]\neffect = 'ok'\n", "t:4:7: send: \"regex:(\" is no pattern"),
    ("[[send.answer]]\nstatus = '6xx'\neffect = 'ok'", "t:5:11: send: status = \"6xx\" must be a number or a class"),
    (
        "[[send.answer]]\neffect = 'ok'\n[[send.answer]]\neffect = 'none'\nretry = 'after'",
        "t:8:10: send: retry = \"after\" needs after",
    ),
    ("[[send.answer]]\neffect = 'ok'\n[send.verify]\nrequest = 'GET /v'", "t:6:2: send: send.verify needs found"),
    (
        "signature = { in = 'body', of = '', key = 'message.key' }\n[[send.answer]]\neffect = 'ok'\n",
        "t:4:21: send: signature.in = \"body\" must be query.NAME or header.NAME",
    ),
];

const RULE: &[(&str, &str)] = &[
    ("do = 'deliver'", "t:6:7: receive.rule 1: do = \"deliver\" needs text"),
    ("do = 'reply'", "t:6:7: receive.rule 1: do = \"reply\" needs ref"),
    ("do = 'ready'", "t:2:1: receive: no [[receive.rule]] has do = \"deliver\""),
    ("prefix = '42'", "t:6:11: receive.rule 1: prefix = \"42\" is for codec = \"prefixed\""),
    ("each = '/events'", "t:6:9: receive.rule 1: each = \"/events\" must be a path with a star"),
    (
        "each = '/a/*'\nwhen = { '*2' = 1 }",
        "t:7:11: receive.rule 1: \"*2\": the path of the items has no star number 2",
    ),
    ("capture = { 'user.x' = '/x' }", "t:5:1: receive.rule 1: a rule captures into conn.NAME"),
    ("send_share = 2.0", "t:5:1: receive.rule 1: send_share = 2 must be from 0 to 1"),
    ("do = 'reconnect'\ndelay = 'soon'", "t:7:10: receive.rule 1: \"soon\" is no duration"),
];

const HISTORY: &[(&str, &str)] = &[
    (
        "by = 'next-cursor'\norder = 'oldest-first'\nid = '/i'",
        "t:5:7: history: history.by = \"next-cursor\" needs next",
    ),
    ("by = 'after-id'\norder = 'oldest-first'", "t:2:1: history: history.by pages by the rows: it needs their id"),
    ("by = 'page'\norder = 'newest-first'", "t:2:1: history: history needs id (or position)"),
    (
        "by = 'page'\norder = 'by-position'\nid = '/i'",
        "t:6:10: history: history.order = \"by-position\" needs position",
    ),
    ("by = 'once'\norder = 'oldest-first'\nrows = 'all'", "t:7:9: history: rows = \"all\" must be a path"),
];

const LOGIN: &[(&str, &str)] = &[
    ("capture = { 'user.name' = '/n' }", "t:4:14: capture: user.name has a value of its own"),
    ("capture = { 'user.Token' = '/n' }", "t:4:14: capture: user.Token: a name is made of lower-case letters"),
    ("capture = { 'token' = '/n' }", "t:4:14: capture: \"token\": captures go into run.NAME"),
    ("capture = { 'run.token' = '/n' }", "t:4:14: login: capture run.token: this step cannot keep it"),
    ("per = 'user'", "t:2:1: login: per is for [[setup]] and [[cleanup]]"),
];

const WHOLE: &[(&str, &str)] = &[
    ("tokens = 1", "t:2:1: unknown field `tokens`"),
    (
        "[send]\nrequest = 'POST'\n[[send.answer]]\neffect = 'ok'\n",
        "t:3:12: send: request = \"POST\" must be a method and a path",
    ),
    (
        "[send]\nrequest = 'POST http://other/'\n[[send.answer]]\neffect = 'ok'\n",
        "t:3:12: send: request = \"POST http://other/\": the path must begin with /",
    ),
    ("[send]\n[[send.answer]]\neffect = 'ok'\n", "t:2:1: send: send needs request"),
    ("[receive]\ntransport = 'ws'", "t:2:1: receive: url is missing"),
    ("[[setup]]\nrequest = 'POST /s'", "t:2:1: setup: per is missing"),
];

#[test]
fn what_cannot_be_is_an_error_with_its_place() {
    let mut wrong = Vec::new();
    for (head, rows) in [
        ("[send]\nrequest = 'POST /s'\n", SEND),
        ("[receive]\ntransport = 'ws'\nurl = '/ws'\n[[receive.rule]]\n", RULE),
        ("[history]\nrequest = 'GET /h'\ntext = '/t'\n", HISTORY),
        ("[[login]]\nrequest = 'POST /l'\n", LOGIN),
        ("", WHOLE),
    ] {
        for (rest, expected) in rows {
            let error = error(&format!("{head}{rest}\n"));
            if !error.starts_with(expected) {
                wrong.push(format!("{head}{rest}\n{error}\nexpected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
