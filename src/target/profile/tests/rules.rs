use super::super::Deed;
use super::stage::{MESSAGE, Stage};
use crate::target::Frame;

/// The deeds of frames in words, and what was captured.
fn take(receive: &str, rules: &str, frames: &[&str]) -> Vec<String> {
    let mut stage = Stage::of(&format!("[receive]\n{receive}\n{rules}"), &[]);
    let (text, key) = (stage.text.clone(), stage.told.clone());
    let take = |frame: &&str| {
        let frame = frame.replace("@TEXT@", &text).replace("@KEY@", &key);
        let deeds = stage.take(&frame);
        let mut words: Vec<String> = deeds.into_iter().map(word).collect();
        words.extend(stage.captured().into_iter().map(|(name, value)| format!("{name}={value}")));
        words.join(" ")
    };
    frames.iter().map(take).collect()
}

fn word(deed: Deed) -> String {
    let id = |id: Option<String>| id.map_or_else(String::new, |id| format!("({id})"));
    match deed {
        Deed::Deliver(Frame::Push(push)) => {
            assert_eq!(push.message, MESSAGE);
            let at = push.position.map_or_else(String::new, |at| format!("@{}", at.0));
            let channel = push.channel.map(|channel| channel.into_owned());
            format!("{}{}{at}", if push.intact { "push" } else { "altered" }, id(channel))
        }
        Deed::Deliver(Frame::Foreign(_)) => "foreign".to_owned(),
        Deed::Deliver(_) => "other".to_owned(),
        Deed::Connected => "connected".to_owned(),
        Deed::Subscribed(channel) => format!("subscribed{}", id(channel)),
        Deed::Ready => "ready".to_owned(),
        Deed::Resumed => "resumed".to_owned(),
        Deed::Reply(number, text) => format!("reply({number}:{text})"),
        Deed::Pong => "pong".to_owned(),
        Deed::Gap(channel) => format!("gap{}", id(channel)),
        Deed::Reconnect { resume, delay_us } => format!("reconnect({resume},{delay_us})"),
        Deed::Fatal(said) => format!("fatal({said})"),
        Deed::Send { frame, after_us, share } => format!("send({frame},{after_us},{share})"),
        Deed::Garbage => "garbage".to_owned(),
        Deed::Broken(reason) => format!("broken({reason})"),
    }
}

const WS: &str = "transport = 'ws'\nurl = '/ws'";
const DELIVER: &str = "
    [[receive.rule]]
    when = { '/type' = 'message' }
    do = 'deliver'
    text = '/text'
    channel = '/channel'
    position = '/at'
    key = '/key'
";

#[test]
fn what_each_rule_does() {
    for (rule, frame, expected) in [
        ("do = 'connected'", "{\"a\":1}", "connected"),
        ("do = 'subscribed'", "{\"a\":1}", "subscribed"),
        ("do = 'subscribed'\nchannel = '/a'", "{\"a\":1}", "subscribed(1)"),
        ("do = 'ready'", "{\"a\":1}", "ready"),
        ("do = 'resumed'", "{\"a\":1}", "resumed"),
        ("do = 'pong'", "{\"a\":1}", "pong"),
        ("do = 'gap'", "{\"a\":1}", "gap"),
        ("do = 'gap'\nchannel = '/a'", "{\"a\":1}", "gap(1)"),
        ("do = 'reconnect'", "{\"a\":1}", "reconnect(false,0)"),
        ("do = 'reconnect'\nresume = true\ndelay = '2s'", "{\"a\":1}", "reconnect(true,2000000)"),
        ("do = 'fatal'", "{\"a\":\n1}", "fatal({\"a\": 1})"),
        ("do = 'reply'\nref = '/a'", "{\"a\":1}", "reply(1:{\"a\":1})"),
        ("do = 'reply'\nref = '/a'", "{\"a\":\"x\"}", "reply(x:{\"a\":\"x\"})"),
        ("do = 'ignore'", "{\"a\":1}", ""),
        ("capture = { 'conn.a' = '/a' }", "{\"a\":1}", "conn.a=1"),
        ("capture = { 'conn.a' = '/b' }", "{\"a\":1}", ""),
        ("send = '{{message.text}}'", "{\"a\":1}", "broken(message.text has no value here)"),
        (
            "capture = { 'conn.a' = '/a' }\nsend = '{\"b\":{{conn.a}}}'\nsend_after = '100ms'\nsend_share = 0.9\ndo = 'ready'",
            "{\"a\":1}",
            "send({\"b\":1},100000,0.9) ready conn.a=1",
        ),
    ] {
        assert_eq!(take(WS, &format!("[[receive.rule]]\n{rule}\n{DELIVER}"), &[frame]), [expected], "{rule}: {frame}");
    }
}

#[test]
fn a_message_is_delivered_as_what_it_is() {
    for (frame, expected, reason) in [
        (r#"{"type":"message","text":"@TEXT@","channel":"C","at":7,"key":"@KEY@"}"#, "push(C)@7", "all of it"),
        (r#"{"type":"message","text":"@TEXT@"}"#, "push", "the text alone"),
        (r#"{"type":"message","text":"@TEXT@ and more"}"#, "altered", "another text"),
        (r#"{"type":"message","text":"gone","key":"@KEY@"}"#, "altered", "known by its key alone"),
        (r#"{"type":"message","text":"hello"}"#, "other", "somebody else's"),
        (r#"{"type":"message"}"#, "other", "no text"),
        (
            r#"{"type":"message","text":"posthaste:00112233445566aa:0190c1a2-0000-8000-8000-000000000001 x"}"#,
            "foreign",
            "a key that the run cannot have made",
        ),
        (r#"{"type":"note","text":"@TEXT@"}"#, "", "no rule matches"),
        ("hello", "garbage", "no JSON"),
        ("{} {}", "garbage", "more than one"),
    ] {
        assert_eq!(take(WS, DELIVER, &[frame]), [expected], "{reason}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = "
        [[receive.rule]]
        exists = ['/n']
        capture = { 'conn.n' = '/n' }
        continue = true
        [[receive.rule]]
        when = { '/a' = 1 }
        do = 'ready'
        continue = true
        [[receive.rule]]
        when = { '/a' = [1, 2] }
        do = 'connected'
        [[receive.rule]]
        exists = ['/a']
        do = 'pong'
    ";
    let frames = [r#"{"a":1}"#, r#"{"a":2,"n":5}"#, r#"{"a":3,"n":6}"#, r#"{"b":3}"#];
    let expected = ["ready connected", "connected conn.n=5", "pong conn.n=6", "conn.n=6"];
    assert_eq!(take(WS, &format!("{rules}{DELIVER}"), &frames), expected);
}

#[test]
fn every_element_is_looked_at() {
    let rules = "
        [[receive.rule]]
        when = { status = 500 }
        do = 'fatal'
        [[receive.rule]]
        exists = ['/next']
        capture = { 'conn.since' = '/next' }
        continue = true
        [[receive.rule]]
        each = '/rooms/*'
        when = { '/limited' = true }
        do = 'gap'
        channel = '*1'
        [[receive.rule]]
        each = '/rooms/*/events/*'
        when = { '/type' = 'leave', '$/next' = 'n2' }
        do = 'pong'
        [[receive.rule]]
        each = '/rooms/*/events/*'
        when = { '/type' = 'message' }
        do = 'deliver'
        text = '/text'
        channel = '*1'
        position = '*2'
        [[receive.rule]]
        exists = ['/done']
        do = 'ready'
    ";
    let events = r#"[{"type":"message","text":"@TEXT@"},{"type":"leave"},{"type":"message","text":"x"}]"#;
    let first =
        format!(r#"{{"next":"n1","rooms":{{"!a":{{"limited":true,"events":{events}}},"!b":{{"events":{events}}}}}}}"#);
    let second = format!(r#"{{"next":"n2","rooms":{{"!a":{{"limited":false,"events":{events}}}}},"done":1}}"#);
    let expected =
        ["gap(!a) push(!a)@0 other push(!b)@0 other conn.since=n1", "push(!a)@0 pong other ready conn.since=n2"];
    assert_eq!(take(WS, rules, &[&first, &second]), expected, "elements in their order, whichever rule takes them");
    let polled = "transport = 'longpoll'\nurl = '/poll'";
    let frames = ["status: 500\nx: y\n\n{}", "status: 200\r\n\r\n{\"next\":\"n3\"}", "status: 200\n\n<html>"];
    let expected = ["fatal({})", "conn.since=n3", "conn.since=n3"];
    assert_eq!(take(polled, rules, &frames), expected, "an answer without JSON is no garbage: rules have its status");
}

#[test]
fn every_codec() {
    let prefixed = "
        [[receive.rule]]
        prefix = '40'
        do = 'connected'
        [[receive.rule]]
        prefix = '43'
        exists = ['/0']
        do = 'reply'
        ref = 'digits'
        [[receive.rule]]
        prefix = '4'
        when = { '/0' = 'message' }
        do = 'deliver'
        text = '/1'
        position = 'digits'
        [[receive.rule]]
        prefix = '2'
        send = '3'
        [[receive.rule]]
        exists = ['digits']
        capture = { 'conn.all' = 'digits' }
    ";
    let empty = "[[receive.rule]]\nempty = true\nsend = '{}'\n";
    let headed = "
        [[receive.rule]]
        exists = ['header:id']
        capture = { 'conn.last' = 'header:id' }
        do = 'deliver'
        text = 'body'
    ";
    let codec = |codec: &str| format!("{WS}\ncodec = '{codec}'");
    for (receive, rules, frame, expected, reason) in [
        (&*codec("prefixed"), prefixed, "40{\"sid\":\"s\"}", "connected", "digits, and an object"),
        (&*codec("prefixed"), prefixed, "4312[{\"id\":1}]", "reply(12:[{\"id\":1}])", "the digits behind a prefix"),
        (&*codec("prefixed"), prefixed, "42[\"message\",\"@TEXT@\"]", "push@2", "a shorter prefix"),
        (&*codec("prefixed"), prefixed, "2", "send(3,0,1)", "digits alone"),
        (&*codec("prefixed"), prefixed, "439", "conn.all=439", "a prefix whose rule does not match is forgotten"),
        (&*codec("prefixed"), prefixed, "hello", "", "no digits"),
        (
            &*codec("json-lines"),
            &*format!("{empty}{DELIVER}"),
            "{}\n\n{\"type\":\"message\",\"text\":\"@TEXT@\"}\n",
            "send({},0,1) push",
            "a line, a frame",
        ),
        (
            &*codec("json-lines"),
            &*format!("{empty}{DELIVER}"),
            "{}\nx\n{}",
            "send({},0,1) garbage send({},0,1)",
            "one of them is none",
        ),
        (&*codec("json"), &*format!("{empty}{DELIVER}"), "{ }", "send({},0,1)", "an empty object"),
        (&*codec("json"), &*format!("{empty}{DELIVER}"), "", "send({},0,1)", "nothing"),
        (&*codec("json"), &*format!("{empty}{DELIVER}"), "[]", "", "an empty list is not meant"),
        (&*codec("header-body"), headed, "id: 7:1\nx: y\n\n@TEXT@", "push conn.last=7:1", "headers and a body"),
        (&*codec("header-body"), headed, "id: 7:1\r\n\r\n@TEXT@", "push conn.last=7:1", "with the other newlines"),
        (&*codec("header-body"), headed, "id: \n\n@TEXT@", "", "an empty header"),
        (&*codec("header-body"), headed, "@TEXT@", "", "no headers"),
        (&*codec("text"), "[[receive.rule]]\ndo = 'deliver'\ntext = 'body'", "@TEXT@", "push", "text as it is"),
        ("transport = 'sse'\nurl = '/sse'", headed, "id: 8\nevent: \n\n@TEXT@", "push conn.last=8", "an event"),
    ] {
        assert_eq!(take(receive, rules, &[frame]), [expected], "{reason}");
    }
}

#[test]
fn what_stands_beside_a_list_belongs_to_each_of_its_elements() {
    let rules = "
        [[receive.rule]]
        each = '/*/events/*'
        do = 'deliver'
        text = '/text'
        channel = '*1/room/id'
        position = '*1/first'
        key = '/key'
    ";
    let event = r#"{"text":"@TEXT@","key":"@KEY@"}"#;
    for (frame, expected, reason) in [
        (format!(r#"[{{"room":{{"id":"a"}},"first":3,"events":[{event}]}}]"#), "push(a)@3", "before the list"),
        (format!(r#"[{{"events":[{event}],"first":3,"room":{{"id":"a"}}}}]"#), "push(a)@3", "behind it"),
        (
            format!(r#"[{{"events":[{event}],"room":{{"id":"a"}}}},{{"events":[{event}],"room":{{"id":"b"}}}}]"#),
            "push(a) push(b)",
            "each its own",
        ),
        (format!(r#"[{{"events":[{event}]}}]"#), "push", "nothing beside it"),
    ] {
        assert_eq!(take(WS, rules, &[&frame]), [expected], "{reason}");
    }
    for wrong in ["*2/room", "*3", "*1/a/*", "*x/a"] {
        let rules = format!("[[receive.rule]]\neach = '/*/e'\ncapture = {{ 'conn.a' = '{wrong}' }}\n");
        let text = super::stage::profile(&format!("[receive]\n{WS}\n{rules}{DELIVER}"));
        assert!(crate::target::TargetProfile::parse(&text, "t").is_err(), "{wrong}");
    }
}
