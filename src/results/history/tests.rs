//! Histories by hand: what is read, and what is refused.

use super::{History, read_history};
use crate::judge::{Input, RunSummary, Verdict, judge};
use crate::ledger::Latencies;

const RUN: &str = r#"{"event":"run","format":1,"id":"test"}"#;

fn judged(text: &str) -> RunSummary {
    let History { plan, record, ledger, .. } = read_history(text.as_bytes()).unwrap();
    judge(&Input {
        plan: &plan,
        record: &record,
        ledger: &ledger,
        latencies: &Latencies::default(),
        timed: &Default::default(),
    })
}

fn found(summary: &RunSummary) -> Vec<(&str, u64)> {
    let findings = summary.findings.iter().filter(|(_, finding)| finding.count > 0);
    findings.map(|(name, finding)| (name.as_str(), finding.count)).collect()
}

#[test]
fn the_history_of_the_format_page_is_what_the_page_says() {
    let page = include_str!("../../../results/history-format.md");
    let example = page.split("```ndjson\n").nth(1).unwrap().split("```").next().unwrap();
    let summary = judged(example);
    assert_eq!(found(&summary), [("acked_lost", 1), ("healed", 1)], "{:?}", summary.correctness);
    assert_eq!(summary.correctness.verdict, Verdict::Fail);
    assert_eq!((summary.ledger.acknowledged, summary.ledger.entitled_deliveries, summary.ledger.retries), (3, 4, 1));
    let lost = &summary.findings["acked_lost"];
    assert_eq!((lost.of, lost.examples[0].acknowledged_us), (3, Some(12_010_000)));
    for missing in ["key", "t"] {
        assert!(page.contains(&format!("`{missing}`")));
    }
}

#[test]
fn single_lines_become_findings() {
    let two_reads = |rows: &str| {
        (1..=2)
            .map(|n| {
                format!(
                    r#"{{"event":"final_read","number":{n},"channel":"c","t":{n}00000,"end":{n}00001,"rows":[{rows}]}}"#
                )
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let start = r#"{"event":"member","user":"bob","channel":"c"}
{"event":"connected","t":0,"user":"bob"}
{"event":"intended","t":1000,"key":"a","user":"ann","channel":"c"}
{"event":"attempt","key":"a","t":1000,"end":1010,"result":"ok","id":"1","position":1}"#;
    let push = r#"{"event":"push","t":1020,"user":"bob","channel":"c","key":"a","position":1}"#;
    let row = r#"{"id":"1","position":1,"key":"a"}"#;
    for (lines, rows, expected, reason) in [
        (push.to_owned(), row.to_owned(), vec![], "as it should be"),
        (format!("{push}\n{push}"), row.to_owned(), vec![("live_duplicates", 1)], "pushed twice"),
        (
            push.replace("bob", "eve").replace("push", "connected").split(",\"channel").next().unwrap().to_owned()
                + "}\n"
                + &push.replace("bob", "eve")
                + "\n"
                + push,
            row.to_owned(),
            vec![("leaked", 1)],
            "pushed to a stranger",
        ),
        (
            push.to_owned(),
            format!(r#"{row},{{"id":"2","position":2,"key":"a"}}"#),
            vec![("store_duplicates", 1)],
            "stored twice",
        ),
        (
            push.to_owned(),
            format!(r#"{row},{{"id":"2","position":2,"key":"z"}}"#),
            vec![("foreign", 1)],
            "never intended",
        ),
        (push.to_owned(), format!(r#"{row},{{"id":"2","position":2}}"#), vec![], "somebody else's"),
        (
            push.to_owned(),
            r#"{"id":"1","position":1,"key":"a","text":"altered"}"#.to_owned(),
            vec![("corrupt", 1)],
            "another body",
        ),
        (push.replace('}', ",\"intact\":false}"), row.to_owned(), vec![("corrupt", 1)], "another body in the push"),
        (
            r#"{"event":"page","t":2000,"user":"bob","channel":"c","rows":[],"last":true}"#.to_owned(),
            row.to_owned(),
            vec![("live_missed", 1), ("unhealed", 1)],
            "passed over",
        ),
    ] {
        let summary = judged(&format!("{RUN}\n{start}\n{lines}\n{}", two_reads(&rows)));
        assert_eq!(found(&summary), expected, "{reason}: {:?}", summary.correctness.reasons);
    }
    let alone = judged(&format!("{RUN}\n{start}\n{push}"));
    assert_eq!(alone.correctness.verdict, Verdict::Inconclusive, "without final reads nothing is proven");
}

#[test]
fn changes_and_threads_become_findings() {
    let start = r#"{"event":"intended","t":1000,"key":"a","user":"ann","channel":"c"}
{"event":"attempt","key":"a","t":1000,"end":1010,"result":"ok","id":"1","position":1}"#;
    let reads = |row: &str, reactions: &str| {
        (1..=2)
            .map(|n| {
                format!(
                    r#"{{"event":"final_read","number":{n},"channel":"c","t":{n}00000,"end":{n}00001,"rows":[{row}],"reactions":[{reactions}]}}"#
                )
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let change = |kind: &str, more: &str| {
        format!(
            r#"{{"event":"change","t":2000,"key":"a","ordinal":1,"kind":"{kind}","user":"ann","state":"acknowledged","acknowledged":2010{more}}}"#
        )
    };
    let thread = |replies: &str| format!(r#"{{"event":"thread","t":300000,"key":"a","replies":[{replies}]}}"#);
    let (row, edited) =
        (r#"{"id":"1","position":1,"key":"a"}"#, r#"{"id":"1","position":1,"key":"a","text":{"edited":1}}"#);
    let reaction = r#"{"key":"a","ordinal":1}"#;
    let reply = change("reply", r#","id":"r1""#);
    for (lines, row, reactions, expected, reason) in [
        (change("edit", ""), edited, "", vec![], "edited"),
        (change("edit", ""), row, "", vec![("edit_lost", 1)], "not edited"),
        (change("react", ""), row, reaction, vec![], "reacted to"),
        (change("react", ""), row, "", vec![("edit_lost", 1)], "not reacted to"),
        (change("delete", ""), "", "", vec![], "deleted"),
        (change("delete", ""), row, "", vec![("delete_resurrected", 1)], "not deleted"),
        (format!("{reply}\n{}", thread(r#""r1""#)), row, "", vec![], "replied to"),
        (format!("{reply}\n{}", thread("")), row, "", vec![("orphan_reply", 1)], "not replied to"),
        (reply.clone(), row, "", vec![], "a thread that nobody read"),
    ] {
        let summary = judged(&format!("{RUN}\n{start}\n{lines}\n{}", reads(row, reactions)));
        assert_eq!(found(&summary), expected, "{reason}: {:?}", summary.correctness.reasons);
        assert!(summary.findings["edit_lost"].checked);
    }
    for (line, says) in [
        (change("edit", "").replace("\"a\"", "\"z\""), "no intended line has the key \"z\""),
        (change("edit", "").replace("\"ordinal\":1", "\"ordinal\":0"), "begin with 1"),
        (change("pin", ""), "unknown variant `pin`"),
        (thread("").replace("\"a\"", "\"z\""), "no intended line has the key \"z\""),
    ] {
        let error = read_history(format!("{RUN}\n{start}\n{line}\n").as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 4: ") && error.contains(says), "{error}");
    }
}

#[test]
fn a_line_that_cannot_be_used_is_named_by_its_number() {
    let intended = r#"{"event":"intended","t":1,"key":"a","user":"u","channel":"c"}"#;
    for (lines, line, says) in [
        (vec![intended], 1, "the first line must be the run"),
        (vec![RUN, "nonsense"], 2, "no JSON object"),
        (
            vec![
                RUN,
                r#"{"event":"final_read","number":1,"channel":"c","t":1,"end":1,"rows":[{"id":"1","position":1,"keys":"a"}]}"#,
            ],
            2,
            "unknown field `keys`",
        ),
        (vec![RUN, "", r#"{"event":"pushed"}"#], 3, "unknown variant `pushed`"),
        (vec![RUN, r#"{"event":"connected","t":1}"#], 2, "missing field `user`"),
        (
            vec![RUN, r#"{"event":"intended","t":1,"key":"a","user":"u","channel":"c","keys":1}"#],
            2,
            "unknown field `keys`",
        ),
        (vec![RUN, intended, intended], 3, "intended twice"),
        (vec![RUN, r#"{"event":"attempt","key":"b","end":1,"result":"indeterminate"}"#], 2, "no intended line"),
        (vec![RUN, intended, r#"{"event":"attempt","key":"a","t":5,"end":1,"result":"ok"}"#], 3, "before it begins"),
        (vec![RUN, intended, r#"{"event":"attempt","key":"a","end":1,"result":"ok"}"#], 3, "t is missing"),
        (vec![RUN, r#"{"event":"connected","t":-1,"user":"u"}"#], 2, "no time"),
        (vec![RUN, r#"{"event":"noticed","t":1,"user":"u"}"#], 2, "does not have"),
        (vec![RUN, r#"{"event":"push","t":1,"user":"u","channel":"c","key":"a"}"#], 2, "before its first connected"),
        (vec![r#"{"event":"run","format":2,"id":"x"}"#], 1, "format 2 is not known"),
        (vec![RUN, RUN], 2, "a second run"),
        (vec![RUN, r#"{"event":"final_read","number":1,"channel":"c","t":1,"end":1}"#], 2, "rows are missing"),
        (vec![RUN, r#"{"event":"page","t":1,"user":"u","channel":"c"}"#], 2, "rows are missing"),
    ] {
        let error = read_history(lines.join("\n").as_bytes()).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(read_history("".as_bytes()).unwrap_err().line, 1);
}
