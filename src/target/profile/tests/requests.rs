use super::super::template::{Algorithm, Encoding};
use super::stage::Stage;
use crate::target::Call;

/// The request of a `[send]` that has these keys.
fn call(send: &str, prefix: &str) -> Result<Call, String> {
    let sections = format!(
        "
        [variables]
        key = {{}}
        secret = {{}}
        gone = {{}}
        odd = {{}}
        [send]
        {send}
        [[send.answer]]
        effect = 'ok'
        "
    );
    let values = [("var.key", "K 1"), ("var.secret", "7ad3773142a6692b25b8"), ("var.odd", "a\nb")];
    let stage = Stage::of(&sections, &values);
    let request = stage.described.send.request.as_ref().unwrap();
    request.render(&stage.message_scope(), prefix).map_err(|error| error.to_string())
}

fn header<'c>(call: &'c Call, name: &str) -> Vec<&'c str> {
    call.headers.iter().filter(|(found, _)| found.as_str() == name).map(|(_, value)| value.to_str().unwrap()).collect()
}

#[test]
fn a_request_is_put_together() {
    for (send, prefix, path, body, content_type, reason) in [
        ("request = 'DELETE /a'", "", "/a", "", None, "nothing else"),
        ("request = 'POST /a/{{var.key}}'", "/base", "/base/a/K%201", "", None, "the path of --url before it"),
        (
            "request = 'GET /a'\nquery = { z = '1', a = 'x={{var.key}}&', gone = '{{var.gone}}' }",
            "",
            "/a?a=x%3DK%201%26&z=1",
            "",
            None,
            "a query: sorted, encoded, without what has no value",
        ),
        ("request = 'GET /a?b=c'\nquery = { d = 'e' }", "", "/a?b=c&d=e", "", None, "two parts of a query"),
        (
            "request = 'POST /a'\nform = { t = '{{var.key}}+', gone = '{{var.gone}}' }",
            "",
            "/a",
            "t=K%201%2B",
            Some("application/x-www-form-urlencoded"),
            "a form",
        ),
        (
            "request = 'POST /a'\njson = { t = '{{var.odd}}' }",
            "",
            "/a",
            "{\"t\":\"a\\nb\"}",
            Some("application/json"),
            "JSON",
        ),
        ("request = 'POST /a'\nbody = '{{var.odd}}'", "", "/a", "a\nb", Some("text/plain; charset=utf-8"), "as it is"),
        (
            "request = 'POST /a'\nbody = '<a/>'\nheaders = { Content-Type = 'text/xml' }",
            "",
            "/a",
            "<a/>",
            Some("text/xml"),
            "a type of its own",
        ),
    ] {
        let call = call(send, prefix).unwrap();
        assert_eq!((&*call.path, std::str::from_utf8(&call.body).unwrap()), (path, body), "{reason}");
        assert_eq!(header(&call, "content-type"), content_type.into_iter().collect::<Vec<_>>(), "{reason}");
        assert!(!call.bearer, "{reason}");
    }
}

#[test]
fn what_a_request_cannot_be_without() {
    for (send, expected) in [
        ("request = 'GET /a/{{var.gone}}'", "var.gone has no value here"),
        ("request = 'POST /a'\nbody = '{{var.gone}}'", "var.gone has no value here"),
        ("request = 'GET /a'\nquery = { q = 'x{{var.gone}}' }", "var.gone has no value here"),
        ("request = 'GET /a'\nheaders = { X-A = '{{var.odd}}' }", "the header x-a has characters that none may have"),
        (
            "request = 'GET /a'\nsignature = { in = 'query.s', of = 'x', key = 'var.gone' }",
            "var.gone has no value here",
        ),
    ] {
        assert_eq!(call(send, "").unwrap_err(), expected, "{send}");
    }
    let call = call("request = 'GET /a'\nheaders = { X-A = '{{var.gone}}', X-B = '{{var.key}}' }", "").unwrap();
    assert_eq!((header(&call, "x-a"), header(&call, "x-b")), (vec![], vec!["K 1"]), "a header is left out");
}

#[test]
fn a_request_has_one_moment_and_may_show_its_signature() {
    let send = "
        request = 'POST /a/{{random.uuid}}'
        body = '{{now.ms}}'
        headers = { X-Nonce = '{{random.uuid}}', X-Time = '{{now.ms}}', X-Signed = 'v1={{request.signature}}' }
        signature = { of = '{{random.uuid}} {{request.body}}', key = 'var.secret', algorithm = 'hmac-sha512', encoding = 'base64url' }
    ";
    let made = call(send, "").unwrap();
    let (nonce, time) = (header(&made, "x-nonce").concat(), header(&made, "x-time").concat());
    assert_eq!((made.path.as_str(), &made.body[..]), (&*format!("/a/{nonce}"), time.as_bytes()));
    let signed = Algorithm::HmacSha512.sign("7ad3773142a6692b25b8", &format!("{nonce} {time}"), Encoding::Base64url);
    assert_eq!(header(&made, "x-signed"), [format!("v1={signed}")]);
    assert_ne!(call(send, "").unwrap().path, made.path, "another request, another nonce");
    for (send, part) in [
        ("request = 'POST /a'\nsignature = { of = 'x', key = 'var.secret' }", "where does it go?"),
        ("request = 'POST /a'\nheaders = { X-A = '{{request.signature}}' }", "has no value without signature"),
    ] {
        let text = super::stage::profile(&format!(
            "[variables]\nsecret = {{}}\n[send]\n{send}\n[[send.answer]]\neffect = 'ok'\n"
        ));
        let error = crate::target::TargetProfile::parse(&text, "t").unwrap_err().to_string();
        assert!(error.contains(part), "{send}: {error}");
    }
}

/// The example of pusher.com/docs/channels/library_auth_reference/rest-api.
#[test]
fn a_signed_request_is_that_of_pushers_documentation() {
    let send = r#"
        request = "POST /apps/3/events"
        body = '{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}'
        query = { body_md5 = "{{request.body|md5}}", auth_version = "1.0", auth_key = "278d425bdf160c739803", auth_timestamp = "1353088179" }
        headers = { X-Signed = "{{request.query}}" }
        signature = { in = "query.auth_signature", of = "{{request.method}}\n{{request.path}}\n{{request.query}}", key = "var.secret" }
    "#;
    let call = call(send, "").unwrap();
    let query = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f";
    let signature = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
    assert_eq!(call.path, format!("/apps/3/events?{query}&auth_signature={signature}"));
    assert_eq!(header(&call, "x-signed"), [query], "the query without the signature");
}

#[test]
fn a_signature_may_stand_in_a_header() {
    let send = "
        request = 'POST /a'
        body = 'abc'
        signature = { in = 'header.X-Signature', of = '{{request.body}}', key = 'var.secret' }
    ";
    let call = call(send, "").unwrap();
    assert_eq!(call.path, "/a");
    let expected = Algorithm::HmacSha256.sign("7ad3773142a6692b25b8", "abc", Encoding::Hex);
    assert_eq!(header(&call, "x-signature"), [expected]);
}
