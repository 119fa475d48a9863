//! History, read page by page.

use super::super::harness::field;
use super::{MESSAGES, aftermath};
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn cursor_skip_notes_each_row_that_a_read_passed_over() {
    let after = aftermath(&["cursor-skip"], None).await;
    assert_eq!(after.stored, after.sent(), "one page has no edge");
    let client = &after.server.client;
    let read = client.history("bob", &after.channel, &[("limit", "7")]).await;
    let noted = after.noted_keys("cursor-skip");
    let mut seen = field(&read, "client_msg_id");
    seen.reverse();
    assert_eq!(noted.len(), 7, "60 rows by 7, and one lost at each edge");
    assert_eq!(seen, after.without(&noted));
    let bob = client.user_id("bob").await;
    assert!(after.server.noted("cursor-skip").iter().all(|instance| instance["user"] == bob.as_str()));
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inclusive_cursor_repeats_the_row_at_each_edge() {
    let after = aftermath(&["cursor-inclusive"], None).await;
    let client = &after.server.client;
    let fifth = after.ts("key-4").to_owned();
    for (bounds, rows) in [(vec![("limit", "7")], MESSAGES), (vec![("limit", "7"), ("oldest", fifth.as_str())], 55)] {
        let known = after.server.noted("cursor-inclusive").len();
        let read = field(&client.history("bob", &after.channel, &bounds).await, "client_msg_id");
        let mut seen = BTreeSet::new();
        let again: Vec<_> = read.iter().filter(|key| !seen.insert((*key).clone())).cloned().collect();
        assert_eq!(seen.len(), rows, "nothing is missing");
        let noted = &after.noted_keys("cursor-inclusive")[known..];
        // Inside a page rows stand newest first, whichever way the pages walk.
        assert_eq!(noted.iter().collect::<BTreeSet<_>>(), again.iter().collect::<BTreeSet<_>>());
        assert_eq!((noted.len(), again.len()), ((rows - 7).div_ceil(6), noted.len()), "{bounds:?}");
    }
    let one_by_one = client.history("bob", &after.channel, &[("limit", "1")]).await;
    assert_eq!(one_by_one.len(), MESSAGES, "pages of one row come to an end");
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_share_the_cursors_time_are_lost() {
    let after = aftermath(&["tied-timestamps"], None).await;
    assert_eq!(after.stored, after.sent(), "one page has no edge");
    let client = &after.server.client;
    let first = after.ts("key-0").to_owned();
    for bounds in [vec![("limit", "7")], vec![("limit", "7"), ("oldest", first.as_str())]] {
        let known = after.server.noted("tied-timestamps").len();
        let read = field(&client.history("bob", &after.channel, &bounds).await, "ts");
        let noted = after.server.noted("tied-timestamps")[known..].to_vec();
        assert!(!noted.is_empty());
        let mut all = [read.clone(), field(&noted, "ts")].concat();
        all.sort();
        let from = bounds.len() - 1;
        assert_eq!(all, after.sent()[from..].iter().map(|key| after.ts(key)).collect::<Vec<_>>(), "{bounds:?}");
        let tick = |ts: &str| ts[..ts.len() - 5].to_owned();
        let edges: BTreeSet<String> = read.iter().map(|ts| tick(ts)).collect();
        assert!(
            field(&noted, "ts").iter().all(|ts| edges.contains(&tick(ts))),
            "each shares its time with a row shown"
        );
    }
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capped_read_begins_at_the_newest_ten() {
    let after = aftermath(&["history-cap"], None).await;
    assert_eq!(after.stored, after.sent(), "without a place to begin at it is whole");
    let client = &after.server.client;
    let behind = async |key: &str, limit: &str| {
        let bounds = [("oldest", after.ts(key)), ("limit", limit)];
        let mut seen = field(&client.history("bob", &after.channel, &bounds).await, "ts");
        seen.sort();
        seen
    };
    let stamps: Vec<String> = after.sent().iter().map(|key| after.ts(key).to_owned()).collect();
    assert_eq!(behind("key-49", "100").await, stamps[50..], "ten are not too many");
    assert!(after.server.noted("history-cap").is_empty());
    for limit in ["100", "3"] {
        let known = after.server.noted("history-cap").len();
        assert_eq!(behind("key-4", limit).await, stamps[50..], "by {limit}");
        assert_eq!(field(&after.server.noted("history-cap")[known..], "ts"), stamps[5..50]);
    }
    let bounds = [("oldest", stamps[4].as_str()), ("latest", stamps[40].as_str())];
    assert_eq!(client.history("bob", &after.channel, &bounds).await.len(), 35, "a range that is closed is whole");
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_copy_lacks_what_is_new_and_gets_it() {
    let after = aftermath(&["stale-history"], None).await;
    let hidden = after.noted_keys("stale-history");
    assert!(!hidden.is_empty());
    assert_eq!(after.stored, after.without(&hidden));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let whole = after.server.client.history("bob", &after.channel, &[("limit", "7")]).await;
    assert_eq!(whole.len(), MESSAGES);
    assert_eq!(after.noted_keys("stale-history"), hidden);
    after.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_cursor_names_the_same_page_again() {
    let after = aftermath(&["endless-cursor"], None).await;
    assert_eq!(after.stored, after.sent(), "without a place to begin at it ends");
    let client = &after.server.client;
    let oldest = after.ts("key-54").to_owned();
    let page = async |cursor: &str| {
        let params = [("channel", &*after.channel), ("oldest", &oldest), ("limit", "3"), ("cursor", cursor)];
        let page = client.ok("bob", "conversations.history", &params).await;
        let next = page["response_metadata"]["next_cursor"].as_str().unwrap().to_owned();
        (field(page["messages"].as_array().unwrap(), "client_msg_id"), next)
    };
    let (first, next) = page("").await;
    assert_eq!(first, ["key-57", "key-56", "key-55"]);
    assert!(after.server.noted("endless-cursor").is_empty(), "so far a page followed");
    let last = page(&next).await;
    assert_eq!(last.0, ["key-59", "key-58"]);
    for _ in 0..3 {
        assert_eq!(page(&last.1).await, last);
    }
    assert_eq!(after.noted_keys("endless-cursor"), ["key-59"; 4]);
    after.server.stop().await;
}
