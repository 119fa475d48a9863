//! Pages are written as `1 2@7 n3 >c +`: rows by their ids and positions (the id,
//! where nothing is said), `n` for one that is no message, the next cursor, and
//! whether there is more.

use super::super::{AskedPage, HttpAnswer, Known, Progress};
use super::stage::Stage;
use crate::model::Position;

fn stage(history: &str) -> Stage {
    let sections = format!(
        "
        [history]
        request = 'GET /history'
        query = {{ cursor = '{{{{page.cursor}}}}' }}
        {history}
        "
    );
    Stage::of(&sections, &[])
}

/// Of rows with all that a row can have.
fn full(history: &str) -> Stage {
    let fields = "rows = '/rows/*'\nid = '/id'\nposition = '/at'\ntext = '/text'\nwhen = { '/kind' = 'message' }";
    stage(&format!("{fields}\nnext = '/next'\nmore = '/more'\n{history}"))
}

fn body(page: &str) -> String {
    let mut rows = Vec::new();
    let mut rest = String::new();
    for word in page.split_whitespace() {
        match word.split_at(1) {
            (">", cursor) => rest.push_str(&format!(r#","next":"{cursor}""#)),
            ("+", _) => rest.push_str(r#","more":true"#),
            ("-", _) => rest.push_str(r#","more":false"#),
            _ => {
                let (kind, row) = word.strip_prefix('n').map_or(("message", word), |row| ("notice", row));
                let (id, at) = row.split_once('@').unwrap_or((row, row));
                rows.push(format!(r#"{{"id":"{id}","at":{at},"kind":"{kind}","text":"t"}}"#));
            }
        }
    }
    format!(r#"{{"rows":[{}]{rest}}}"#, rows.join(","))
}

/// Reads pages, one after the other; each as its ids and the next cursor.
fn walk(stage: &Stage, progress: &mut Progress, pages: &[(&str, &str)]) -> Vec<String> {
    let history = stage.described.history.as_ref().unwrap();
    let asked = AskedPage { channel_id: "c", size: 2 };
    let read = |(headers, body): &(&str, &str)| {
        let answer = HttpAnswer { status: 200, headers, body: body.as_bytes() };
        match history.read(answer, progress, asked, &stage.texts) {
            Ok(page) => {
                let mut words: Vec<String> = page.rows.iter().map(|row| row.server_id.to_string()).collect();
                words.extend(page.next.map(|next| format!(">{next}")));
                words.join(" ")
            }
            Err(error) => error.to_string(),
        }
    };
    pages.iter().map(read).collect()
}

fn known(written: &str) -> Progress {
    let known =
        written.split_once('@').map(|(id, at)| Known { id: id.into(), position: at.parse().ok().map(Position) });
    Progress { after: known, ..Progress::default() }
}

/// The keys of the section, what the reader knows (`ID@POSITION`), the pages and
/// what each comes to, and the reason.
type Walk<'w> = (&'w str, &'w str, &'w [(&'w str, &'w str)], &'w str);

const COARSE: &str = "by = 'page'\norder = 'by-position'\nbackwards = true";

const WALKS: &[Walk<'_>] = &[
    ("by = 'next-cursor'\norder = 'oldest-first'", "", &[("1 2 >c", "1 2 >c"), ("3", "3")], "a cursor, and none"),
    ("by = 'next-cursor'\norder = 'oldest-first'", "", &[("1 >", "1")], "an empty cursor is none"),
    ("by = 'next-cursor'\norder = 'newest-first'", "", &[("2 1 >c", "1 2 >c")], "turned round"),
    ("by = 'next-cursor'\norder = 'oldest-first'", "", &[("1 >c -", "1")], "there is no more"),
    (
        "by = 'next-cursor'\norder = 'oldest-first'\nuntil = 'short'",
        "",
        &[("1 2 >c", "1 2 >c"), ("3 >d", "3")],
        "short",
    ),
    ("by = 'next-cursor'\norder = 'oldest-first'\nuntil = 'empty'", "", &[("1 >c", "1 >c"), (">d", "")], "empty"),
    (
        "by = 'next-cursor'\norder = 'newest-first'\nbackwards = true",
        "3@3",
        &[("5 4 >c", "4 5 >c"), ("3 2 >d", "")],
        "to what is known",
    ),
    (
        "by = 'next-cursor'\norder = 'newest-first'\nbackwards = true",
        "k@3",
        &[("4 n2 >c", "4")],
        "a notice that is older",
    ),
    (
        "by = 'before-id'\norder = 'newest-first'",
        "",
        &[("5 4", "4 5 >4"), ("n3 2", "2 >2"), ("", "")],
        "back, by the oldest row",
    ),
    ("by = 'before-id'\norder = 'newest-first'", "3@3", &[("5 4", "4 5 >4"), ("3 2", "")], "stops at what is known"),
    ("by = 'before-id'\norder = 'newest-first'", "4@4", &[("5 4", "5")], "at once"),
    (
        "by = 'before-id'\norder = 'newest-first'",
        "9@3",
        &[("5 4", "4 5 >4"), ("2 1", "")],
        "what is known is gone: by position",
    ),
    (
        "by = 'before-id'\norder = 'newest-first'",
        "9@",
        &[("5 4", "4 5 >4"), ("2 1", "1 2 >1")],
        "without one: to the end",
    ),
    (
        "by = 'before-id'\norder = 'newest-first'\ninclusive = true",
        "",
        &[("5 4", "4 5 >4"), ("4 3", "3 >3"), ("3", "")],
        "and shown again",
    ),
    (
        "by = 'after-id'\norder = 'oldest-first'",
        "",
        &[("1 2", "1 2 >2"), ("n3", ">3"), ("", "")],
        "on, by the newest row",
    ),
    ("by = 'after-id'\norder = 'newest-first'", "1@1", &[("3 2", "2 3 >3")], "newest first, and on all the same"),
    ("by = 'after-id'\norder = 'oldest-first'\nuntil = 'short'", "", &[("1 n2", "1 >2"), ("3", "3")], "notices count"),
    (
        "by = 'after-id'\norder = 'oldest-first'\ninclusive = true",
        "2@2",
        &[("2 3", "3 >3"), ("3", "")],
        "from what is known",
    ),
    (
        "by = 'since-time'\norder = 'oldest-first'",
        "",
        &[("a@1 b@5", "a b >5"), ("c@6", "c >6"), ("", "")],
        "by its position",
    ),
    (
        "by = 'since-time'\norder = 'oldest-first'\ninclusive = true",
        "",
        &[("a@1 b@2 c@2", "a b c >2"), ("b@2 c@2 d@2 e@3", "d e >3"), ("e@3", "")],
        "all rows of a position again, and one more",
    ),
    ("by = 'offset'\norder = 'oldest-first'", "", &[("1 n2", "1 >2"), ("3", "3 >3"), ("", "")], "rows are counted"),
    (
        "by = 'offset'\norder = 'newest-first'",
        "2@2",
        &[("4 3", "3 4 >2"), ("2 1", "")],
        "from the newest: to what is known",
    ),
    (
        "by = 'page'\norder = 'oldest-first'",
        "1@1",
        &[("1 2", "2 >1"), ("3 4", "3 4 >2"), ("", "")],
        "pages are counted",
    ),
    ("by = 'page'\norder = 'oldest-first'\nuntil = 'no-next'", "", &[("1", "1 >1"), ("", "")], "a page without rows"),
    ("by = 'page'\norder = 'oldest-first'\nuntil = 'no-next'", "", &[("1 -", "1")], "or that says so"),
    ("by = 'page'\norder = 'oldest-first'", "", &[("1 +", "1 >1"), ("+", "")], "nothing is nothing, whatever it says"),
    (COARSE, "", &[("3 1 2", "1 2 3 >1"), ("", "")], "sorted"),
    (COARSE, "b@5", &[("a@5 b@5 c@6 d@4", "a c")], "what shares a position with what is known is read again"),
    ("by = 'once'\norder = 'oldest-first'", "", &[("1 2 >c", "1 2")], "one is all"),
    ("by = 'once'\norder = 'oldest-first'", "2@2", &[("1 2 3", "3")], "and what is known is left out"),
    ("by = 'once'\norder = 'oldest-first'", "9@2", &[("1 2 3", "2 3")], "as far as one can tell"),
    ("by = 'once'\norder = 'oldest-first'", "2@2", &[("4 2 3", "3")], "by its rank, not by positions"),
];

#[test]
fn pages_follow_each_other_by_every_way_there_is() {
    for (history, after, pages, reason) in WALKS {
        let (stage, mut progress) = (full(history), known(after));
        let bodies: Vec<String> = pages.iter().map(|(page, _)| body(page)).collect();
        let answers: Vec<(&str, &str)> = bodies.iter().map(|body| ("", body.as_str())).collect();
        let expected: Vec<&str> = pages.iter().map(|(_, expected)| *expected).collect();
        assert_eq!(walk(&stage, &mut progress, &answers), expected, "{history}: {reason}");
    }
}

#[test]
fn links_lead_to_the_next_page() {
    let stage = full("by = 'link-header'\norder = 'oldest-first'");
    for (headers, expected, reason) in [
        ("link: </a?b=1>; rel=\"next\"\n", "1 >/a?b=1", "a path"),
        ("Link: </f>; rel=\"first\", </a?b=1,2>; rel=\"next\"\n", "1 >/a?b=1,2", "one of several, with a comma"),
        ("link: <http://other.example:80/a?b=1>; rel=next\n", "1 >/a?b=1", "the path of a URL"),
        ("link: </f>; rel=\"prev\"\n", "1", "another one"),
        ("", "1", "none"),
    ] {
        assert_eq!(walk(&stage, &mut Progress::default(), &[(headers, &body("1"))]), [expected], "{reason}");
    }
}

#[test]
fn rows_without_an_id_are_known_by_their_position_or_rank() {
    let lines = "format = 'ndjson'\ntext = '/text'";
    let ranked = stage(&format!("by = 'offset'\norder = 'oldest-first'\n{lines}"));
    let mut progress = known("#2@");
    let pages = [("", "{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n{\"x\":1}\n"), ("", "{\"text\":\"d\"}"), ("", "")];
    assert_eq!(walk(&ranked, &mut progress, &pages), [">3", "#4 >4", ""], "the second is known, the third no message");
    let placed = stage(&format!("by = 'since-time'\norder = 'oldest-first'\nposition = '/at'\n{lines}"));
    let pages = [("", "{\"text\":\"a\",\"at\":7}"), ("", "")];
    assert_eq!(walk(&placed, &mut Progress::default(), &pages), ["7 >7", ""]);
}

#[test]
fn what_is_no_page() {
    let stage = full("by = 'once'\norder = 'oldest-first'\nmissing = [404]\nchannel = '/channel'");
    let lines = self::stage("by = 'once'\norder = 'oldest-first'\nformat = 'ndjson'\ntext = '/text'");
    for (stage, status, body, expected, reason) in [
        (&stage, 404, "no such channel", Ok(0), "a channel without messages"),
        (&stage, 500, "a\nb", Err("HTTP 500: a b"), "an error"),
        (&stage, 301, "", Err("HTTP 301: no text"), "a redirect is not followed"),
        (&stage, 200, "<p>", Err("an answer that is no JSON: <p>"), "no JSON"),
        (&stage, 200, "{}", Ok(0), "JSON without rows"),
        (&stage, 200, r#"{"rows":[{"id":"1","kind":"message"}]}"#, Ok(0), "a row without a text"),
        (
            &stage,
            200,
            r#"{"rows":[{"id":"1","kind":"message","text":"t","channel":"c"},{"id":"2","kind":"message","text":"t","channel":"d"}]}"#,
            Ok(1),
            "a row of another channel",
        ),
        (&lines, 200, "{\"text\":\"a\"}\n{", Err("a line that is no JSON: {"), "half a line"),
        (&lines, 200, "", Ok(0), "no line"),
    ] {
        let answer = HttpAnswer { status, headers: "", body: body.as_bytes() };
        let asked = AskedPage { channel_id: "c", size: 2 };
        let history = stage.described.history.as_ref().unwrap();
        let read = history.read(answer, &mut Progress::default(), asked, &stage.texts);
        let read = read.map(|page| page.rows.len()).map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned), "{reason}");
    }
}

#[test]
fn the_request_of_a_page_asks_from_the_right_place() {
    let queries = "query = { c = '{{page.cursor}}', s = '{{page.size}}', n = '{{page.number}}', o = '{{page.offset}}', i = '{{after.id}}', p = '{{after.position}}' }";
    let of = |by: &str| {
        let fields = "rows = '/rows/*'\nid = '/id'\nposition = { at = '/at', format = 'decimal' }\ntext = '/text'\nnext = '/next'";
        Stage::of(
            &format!("[history]\nrequest = 'GET /h'\n{queries}\norder = 'oldest-first'\n{fields}\nby = '{by}'"),
            &[],
        )
    };
    for (by, after, first, second) in [
        ("after-id", "", "/h?n=0&o=0&s=2", "/h?c=2&i=2&n=1&o=2&p=3.500000&s=2"),
        ("after-id", "1@1000000", "/h?c=1&i=1&n=0&o=0&p=1.000000&s=2", "/h?c=2&i=2&n=1&o=2&p=3.500000&s=2"),
        (
            "since-time",
            "1@1000000",
            "/h?c=1.000000&i=1&n=0&o=0&p=1.000000&s=2",
            "/h?c=3.500000&i=2&n=1&o=2&p=3.500000&s=2",
        ),
        ("next-cursor", "1@1000000", "/h?i=1&n=0&o=0&p=1.000000&s=2", "/h?c=x&i=1&n=1&o=2&p=1.000000&s=2"),
        ("page", "", "/h?n=0&o=0&s=2", "/h?c=1&n=1&o=2&s=2"),
    ] {
        let (stage, mut progress) = (of(by), known(after));
        let history = stage.described.history.as_ref().unwrap();
        let path = |progress: &Progress| {
            let position = history.after_position(progress);
            let page = history.page_scope(progress, position.as_deref(), 2);
            history.request.render(&crate::target::Scope { page: Some(page), ..stage.scope() }, "").unwrap().path
        };
        assert_eq!(path(&progress), first, "{by}, after {after:?}");
        walk(&stage, &mut progress, &[("", r#"{"rows":[{"id":"7","at":"2.5"},{"id":"2","at":"3.5"}],"next":"x"}"#)]);
        assert_eq!(path(&progress), second, "{by}, after {after:?}: the second page");
    }
}

#[test]
fn one_message_is_asked_for_by_its_id() {
    let row = "[history.row]\nrequest = 'GET /m/{{row.id}}'\nmissing = [404]";
    let whole = full(&format!("by = 'once'\norder = 'oldest-first'\n{row}"));
    let inside = full(&format!("by = 'once'\norder = 'oldest-first'\n{row}\nrows = '/m'"));
    let list = full(&format!("by = 'once'\norder = 'oldest-first'\n{row}\nrows = '/rows/*'"));
    let message = r#"{"id":"7","at":7,"kind":"message","text":"t"}"#;
    let wrapped = format!(r#"{{"m":{message}}}"#);
    let several = body("6 7 8");
    for (stage, status, body, expected, reason) in [
        (&whole, 200, message, Ok(true), "the whole answer"),
        (&inside, 200, &*wrapped, Ok(true), "a member of it"),
        (&list, 200, &*several, Ok(true), "one of several"),
        (&whole, 404, "", Ok(false), "there is none"),
        (&whole, 200, r#"{"id":"8","at":8,"kind":"message","text":"t"}"#, Ok(false), "another one"),
        (&whole, 200, r#"{"id":"7","at":7,"kind":"notice","text":"t"}"#, Ok(false), "no message"),
        (&inside, 200, message, Ok(false), "not where it should be"),
        (&whole, 500, "", Err("HTTP 500"), "an error says nothing"),
    ] {
        let point = stage.described.history.as_ref().unwrap().row.as_ref().unwrap();
        let answer = HttpAnswer { status, headers: "", body: body.as_bytes() };
        let read = point.read(answer, "7", &stage.texts).map(|row| row.is_some()).map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned), "{reason}");
    }
}
