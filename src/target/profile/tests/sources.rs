use super::super::HttpAnswer;
use super::super::source::{Conditions, SourcesWritten, WantedWritten};
use super::super::step::Reader;
use std::collections::BTreeMap;

const ANSWER: HttpAnswer<'_> = HttpAnswer {
    status: 201,
    headers: "content-type: application/json\ntoken:  T1 \nempty: \nset-cookie: lang=en; Path=/\nSet-Cookie: sid=a=b; HttpOnly\nlocation: /rooms/7/messages/19\n",
    body: r#"{"a":{"b":[{"c":"x"},{"c":7}]},"t":true,"n":null,"e":"","o":{},"l":[],"f":1.5,"m":-3,"s":"{\"d\":{\"id\":9}}","q/r~":"odd","p":"eyJkIjp7ImlkIjo5fX0","w":"kö=","b":"w6TDvA==","big":18446744073709551615}"#
        .as_bytes(),
};

#[test]
fn every_kind_of_source() {
    for (sources, expected, reason) in [
        (&["/a/b/0/c"][..], Some("x"), "a path"),
        (&["/a/b/1/c"], Some("7"), "a number, as text"),
        (&["/t"], Some("true"), "a truth value"),
        (&["/f"], Some("1.5"), "a fraction"),
        (&["/m"], Some("-3"), "below zero"),
        (&["/big"], Some("18446744073709551615"), "all of 64 bits"),
        (&["/e"], Some(""), "an empty text is one"),
        (&["/n"], None, "null is not there"),
        (&["/o"], None, "an object is no text"),
        (&["/a/b/2/c"], None, "behind the end"),
        (&["/q~1r~0"], Some("odd"), "a name with signs of its own"),
        (&["/s|json/d/id"], Some("9"), "JSON in a string"),
        (&["/e|json/d"], None, "no JSON in the string"),
        (&["$/t"], Some("true"), "the root, said so"),
        (&["header:Token"], Some("T1"), "a header, in any case and without blanks"),
        (&["header:X-Gone"], None, "no such header"),
        (&["cookie:sid"], Some("a=b"), "a cookie that is set, without its attributes"),
        (&["cookie:Path"], None, "an attribute is no cookie"),
        (&[r"header:Location|regex:/messages/(\d+)$"], Some("19"), "a part of a header"),
        (&["header:Location|regex:gone"], None, "a part that is not there"),
        (&["/b|base64"], Some("äü"), "what base64 encodes"),
        (&["/w|base64"], None, "no base64"),
        (&["/p|base64|json/d/id"], Some("9"), "JSON in it, in the alphabet of URLs and without padding"),
        (&["/p|base64|json/d/gone", "/t"], Some("true"), "a hop that leads nowhere"),
        (&[r#"/s|regex:"id":(\d)"#], Some("9"), "a part of a text"),
        (&["/a/b/1/c|regex:7|8"], Some("7"), "a pattern with a bar, of a number"),
        (&["header:empty"], None, "an empty header"),
        (&["status"], Some("201"), "the status"),
        (&[r#"regex:"c":"(.)""#], Some("x"), "the group of a pattern"),
        (&["regex:tr.e"], Some("true"), "a pattern without a group"),
        (&["regex:gone"], None, "not found"),
        (&["/n", "/gone", "/t", "/f"], Some("true"), "the first that is there"),
        (&["/o", "/t"], None, "what is there is no text: it counts all the same"),
        (&["digits"], None, "of a frame alone"),
    ] {
        let mut reader = Reader::default();
        let written = SourcesWritten::Several(sources.iter().map(|source| (*source).to_owned()).collect());
        let compiled = reader.compiler().sources(&written).unwrap();
        let document = reader.read(ANSWER);
        assert_eq!(compiled.text(&document, None).as_deref(), expected, "{reason}");
    }
    let mut reader = Reader::default();
    let body = reader.compiler().one("body").unwrap();
    let document = reader.read(HttpAnswer { body: b"urn:1", ..ANSWER });
    assert_eq!((body.text(&document, None).as_deref(), document.is_json), (Some("urn:1"), false), "no JSON at all");
}

#[test]
fn a_hop_that_is_none_is_named() {
    for (source, part) in
        [("/a|base46", "|base46"), ("header:A|regex:(", "is no pattern"), ("/a|base64|json/*", "is no path")]
    {
        let error = Reader::default().compiler().one(source).unwrap_err();
        assert!(error.contains(part), "{source}: {error}");
    }
}

#[test]
fn all_conditions_must_hold() {
    for (when, exists, absent, holds, reason) in [
        ("", &[][..], &[][..], true, "nothing is asked"),
        ("'/t' = true", &[], &[], true, "a truth value"),
        ("'/t' = false", &[], &[], false, "the other one"),
        ("'/a/b/1/c' = 7", &[], &[], true, "a number"),
        ("'/a/b/1/c' = '7'", &[], &[], true, "a number written as text"),
        ("'/m' = -3", &[], &[], true, "below zero"),
        ("'/e' = ''", &[], &[], true, "an empty text"),
        ("'/gone' = ''", &[], &[], false, "what is missing is not empty"),
        ("'/n' = ''", &[], &[], false, "nor is null"),
        ("'/o' = ''", &[], &[], false, "nor an object"),
        ("'/a/b/0/c' = ['y', 'x']", &[], &[], true, "one of several"),
        ("'/a/b/0/c' = ['y', 'z']", &[], &[], false, "none of several"),
        ("'/t' = true\nstatus = 201", &[], &[], true, "both"),
        ("'/t' = true\nstatus = 200", &[], &[], false, "one of both"),
        ("", &["/o", "/l", "/e", "header:token"], &[], true, "whatever it is, it is there"),
        ("", &["/n"], &[], false, "null is not"),
        ("", &["/o", "/gone"], &[], false, "one is not"),
        ("", &[], &["/n", "/gone", "/a/b/7"], true, "none is there"),
        ("", &[], &["/gone", "/l"], false, "one is"),
        ("'/t' = true", &["/o"], &["/e"], false, "the last of three"),
    ] {
        let when: BTreeMap<String, WantedWritten> = toml::from_str(when).unwrap();
        let own = |list: &[&str]| -> Vec<String> { list.iter().map(|source| (*source).to_owned()).collect() };
        let mut reader = Reader::default();
        let conditions = Conditions::compile(&mut reader.compiler(), &when, &own(exists), &own(absent)).unwrap();
        assert_eq!(conditions.hold(&reader.read(ANSWER), None), holds, "{reason}");
    }
}
