use super::super::json::Json;
use super::super::template::{Escape, Template};
use super::stage::Stage;

fn stage() -> Stage {
    let sections = "
        [variables]
        abc = {}
        secret = {}
        login = {}
        number = {}
        odd = {}
        gone = {}
        question = {}
        [[login]]
        request = 'POST /login'
        capture = { 'user.token' = '/token', 'user.later' = '/later' }
    ";
    let values = [
        ("var.abc", "abc"),
        ("var.secret", "Jefe"),
        ("var.question", "what do ya want for nothing?"),
        ("var.login", "Aladdin"),
        ("var.number", " 17 "),
        ("var.odd", "a b/\"é\\\n\u{1}"),
        ("user.token", "open sesame"),
    ];
    Stage::of(sections, &values)
}

const SHA512_OF_ABC: &str = "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A\
                             2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F";

#[test]
fn every_filter() {
    let stage = stage();
    for (text, expected, reason) in [
        ("plain", "plain", "no variable"),
        ("<{{ var.abc }}>", "<abc>", "blanks do not matter"),
        ("{{var.abc}}{{var.abc}}", "abcabc", "side by side"),
        (r#"{"a":{"b":{{var.abc|json}}}}"#, r#"{"a":{"b":"abc"}}"#, "braces around it"),
        ("{{var.odd|json}}", "\"a b/\\\"é\\\\\\n\\u0001\"", "json"),
        ("{{var.odd|urlencode}}", "a%20b%2F%22%C3%A9%5C%0A%01", "urlencode"),
        ("{{var.abc|base64}}", "YWJj", "base64"),
        ("{{var.abc|md5}}", "900150983cd24fb0d6963f7d28e17f72", "RFC 1321"),
        ("{{var.odd|base64url}}", "YSBiLyLDqVwKAQ", "base64 for URLs, without padding"),
        ("{{var.abc|md5(base64)}}", "kAFQmDzST7DWlj99KOF/cg==", "a digest in base64"),
        ("{{var.abc|sha256(base64url)}}", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", "and in that of URLs"),
        ("{{var.abc|sha512|upper}}", SHA512_OF_ABC, "FIPS 180, its first example"),
        (
            "{{var.question|hmac_sha256(var.secret, base64)}}",
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
            "RFC 4231, its second case",
        ),
        (
            "{{var.abc|sha256}}",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "FIPS 180, its first example",
        ),
        ("{{user.token|basic(var.login)}}", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "RFC 7617"),
        ("{{var.number|int}}", "17", "int"),
        ("{{var.number|add(-20)}}", "-3", "add, below zero"),
        ("{{var.abc|upper}}{{var.login|lower}}", "ABCaladdin", "upper and lower"),
        ("{{user.later|or(0)}}", "0", "or, without a value"),
        ("{{var.abc|or(0)}}", "abc", "or, with one"),
        ("{{user.later|or('a b')|upper}}", "A B", "filters behind or"),
        ("{{var.abc|base64|lower}}", "ywjj", "from left to right"),
        ("{{channel.id}} {{channel.name}}", "phc-00112233445566aa-0 phc-00112233445566aa-0", "an id from the start"),
        ("{{user.name}} {{owner.name}}", "ph-00112233445566aa-0 ph-00112233445566aa-1", "who is who"),
        ("{{target.url}} {{target.host}}", "http://127.0.0.1:8080 127.0.0.1:8080", "the target"),
        ("{{conn.number}} {{conn.number}}", "1 2", "each use is one more"),
        ("{{message.ref}}", "5", "the frame's number"),
    ] {
        let template = Template::compile(text, &stage.described.names, Escape::No).unwrap();
        assert_eq!(template.render(&stage.message_scope()).as_deref(), Ok(expected), "{reason}");
    }
}

#[test]
fn a_signature_is_that_of_rfc_4231() {
    let stage = Stage::of(
        "[variables]\ntext = {}\nsecret = {}\n",
        &[("var.text", "what do ya want for nothing?"), ("var.secret", "Jefe")],
    );
    let signed = Template::compile("{{var.text|hmac_sha256(var.secret)}}", &stage.described.names, Escape::No).unwrap();
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(signed.render(&stage.scope()).as_deref(), Ok(expected));
}

#[test]
fn errors_name_what_has_no_value() {
    let stage = stage();
    for (text, expected) in [
        ("a{{user.later}}", "user.later has no value here"),
        ("{{user.later|json}}", "user.later has no value here"),
        ("{{var.abc|hmac_sha256(var.gone)}}", "var.gone has no value here"),
        ("{{var.abc|basic(user.later)}}", "user.later has no value here"),
        ("{{page.cursor}}", "page.cursor has no value here"),
        ("{{row.id}}", "row.id has no value here"),
        ("{{request.body}}", "request.body has no value here"),
        ("{{var.abc|int}}", "\"abc\" is no whole number"),
        ("{{user.later|or(x)|add(1)}}", "\"x\" is no whole number"),
    ] {
        let template = Template::compile(text, &stage.described.names, Escape::No).unwrap();
        assert_eq!(template.render(&stage.scope()).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn a_value_is_escaped_by_where_it_stands() {
    let stage = stage();
    for (escape, text, expected, reason) in [
        (Escape::No, "é/{{var.odd}}", "é/a b/\"é\\\n\u{1}", "a frame, a header: as it is"),
        (Escape::Url, "/é%20/{{var.odd}}", "/é%20/a%20b%2F%22%C3%A9%5C%0A%01", "a path: its own text is one already"),
        (Escape::Json, "\"{{var.odd}}\"", "\\\"a b/\\\"é\\\\\\n\\u0001\\\"", "JSON: all of it"),
    ] {
        let template = Template::compile(text, &stage.described.names, escape).unwrap();
        assert_eq!(template.render(&stage.scope()).as_deref(), Ok(expected), "{reason}");
    }
}

#[test]
fn json_leaves_out_what_has_no_value() {
    let stage = stage();
    for (table, expected, reason) in [
        ("a = 1\nb = 1.5\nc = true\nd = 'x\"'", r#"{"a":1,"b":1.5,"c":true,"d":"x\""}"#, "what does not change"),
        ("a = '{{var.abc}}'", r#"{"a":"abc"}"#, "a text"),
        ("a = '{{var.number|int}}'", r#"{"a":17}"#, "a number"),
        ("a = '{{var.number|int}} '", r#"{"a":"17 "}"#, "a text with a number in it"),
        ("a = '{{user.later}}'\nb = 1", r#"{"b":1}"#, "one variable and nothing else"),
        ("a = '{{user.later|int}}'", "{}", "also with a filter"),
        ("a = '{{user.later|or(0)|int}}'", r#"{"a":0}"#, "there is a value"),
        ("a = ['x', { b = '{{user.later}}' }]", r#"{"a":["x",{}]}"#, "inside"),
        (r#"a = '{"t":{{var.odd|json}}}'"#, r#"{"a":"{\"t\":\"a b/\\\"é\\\\\\n\\u0001\"}"}"#, "JSON in a string"),
        ("a = '{{conn.number}}'\nb = '{{conn.number}}'", r#"{"a":"1","b":"2"}"#, "asking numbers no frame"),
    ] {
        let table: toml::Table = toml::from_str(table).unwrap();
        let json = Json::object(&table, &stage.described.names).unwrap();
        let mut out = String::new();
        json.render_into(&mut out, &stage.scope()).unwrap();
        assert_eq!(out, expected, "{reason}");
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{reason}");
    }
    let table: toml::Table = toml::from_str("a = 'x{{user.later}}'").unwrap();
    let json = Json::object(&table, &stage.described.names).unwrap();
    assert!(json.render_into(&mut String::new(), &stage.scope()).is_err(), "a part of a text is not left out");
}
