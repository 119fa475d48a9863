//! Whole runs of the receive designs: what each comes to by its own means, and
//! what only the drain's read of history shows.

use crate::run::Run;
use crate::server::harness::ServerProcess;
use serde_json::Value;
use tempfile::TempDir;

/// Half of the subscribers are away for a while in the middle of the load.
const DISCONNECT: &str = r#"faults=[{kind="disconnect",at="700ms",for="600ms"}]"#;

fn with(design: &str, more: &[&str]) -> Run {
    let design = format!("receive.design={design}");
    // Where no push is owed, a threshold on missed ones has no data.
    let usual = ["churn.share_per_minute=0", "arrival.rate=100", "thresholds=['errors.share < 1%']", &design];
    let sets = usual.into_iter().chain(more.iter().copied());
    check(Run::short(&sets.flat_map(|set| ["--set", set]).collect::<Vec<_>>()))
}

fn check(run: Run) -> Run {
    assert_eq!(run.code, 0, "{}\n{:#}", run.stderr, run.summary);
    run.only(&[]);
    run.adds_up();
    assert_eq!((run.ledger("unhealed"), run.ledger("unresolved")), (0, 0), "the drain reaches everything");
    run
}

/// How many deliveries came from history, by the design's own policy and by the
/// drain alone.
fn healed(run: &Run) -> (u64, u64) {
    let split = &run.summary["findings"]["healed"]["split"];
    let part = |name: &str| split[name].as_u64().unwrap_or_else(|| panic!("no {name} in {split}"));
    (part("by_policy"), part("by_drain_only"))
}

/// How often a subscriber lost its connection by the fault.
fn touched(run: &Run) -> u64 {
    run.summary["faults"][0]["touched"].as_u64().unwrap()
}

#[test]
fn a_socket_that_reads_history_after_a_reconnect_misses_nothing() {
    let run = with("ws", &[DISCONNECT]);
    let (by_policy, by_drain) = healed(&run);
    assert!(touched(&run) > 10 && by_policy > 100, "{by_policy}: {:#}", run.summary["faults"]);
    assert_eq!(by_drain, 0, "{:#}", run.summary["ledger"]);
}

#[test]
fn a_socket_that_is_trusted_never_learns_what_it_missed() {
    let clean = with("ws-trusting", &[]);
    assert_eq!(healed(&clean), (0, 0), "{:#}", clean.summary["ledger"]);
    assert_eq!(clean.ledger("catch_up_pages"), 0);

    let run = with("ws-trusting", &[DISCONNECT]);
    let (by_policy, by_drain) = healed(&run);
    assert!(touched(&run) > 10 && by_drain > 100, "{by_drain}: {:#}", run.summary["faults"]);
    assert_eq!(by_policy, 0, "it never reads history");
    assert_eq!(run.summary["latency_us"]["heal"]["count"], 0, "{:#}", run.summary["latency_us"]);
    assert!(run.ledger("connections") >= run.ledger("subscribers") + touched(&run), "it reconnected");
}

#[test]
fn hints_fetch_everything_from_history() {
    for faults in [None, Some(DISCONNECT)] {
        let run = with("ws-hint", faults.as_slice());
        let (by_policy, by_drain) = healed(&run);
        let latency = &run.summary["latency_us"];
        assert_eq!((by_policy, by_drain), (run.ledger("entitled_deliveries"), 0), "{:#}", run.summary["ledger"]);
        assert_eq!((run.ledger("live_deliveries"), run.finding("live_missed")), (0, 0), "no push is owed");
        assert!(latency["delivery"]["count"].as_u64().unwrap() > by_policy / 2, "without the warm-up: {latency:#}");
        let measured = run.summary["measurement"]["reasons"].to_string();
        assert!(!measured.contains("samples"), "each delivery has one: {measured}");
        // Each subscriber fetched for its hints, and not after each one alone.
        assert!(run.ledger("catch_up_pages") > 5 * run.ledger("subscribers"), "{:#}", run.summary["ledger"]);
        let heals = latency["heal"]["count"].as_u64().unwrap();
        assert_eq!(heals > 10, faults.is_some(), "{heals}");
    }
}

#[test]
fn polls_come_to_everything_at_the_cost_of_requests_and_time() {
    let run = with("poll", &["receive.interval=500ms"]);
    let latency = &run.summary["latency_us"]["delivery"];
    assert_eq!(healed(&run), (run.ledger("entitled_deliveries"), 0), "{:#}", run.summary["ledger"]);
    assert_eq!((run.ledger("connections"), run.ledger("live_deliveries")), (0, 0), "there is no socket");
    assert!(latency["p50"].as_u64().unwrap() > 100_000, "about half an interval: {latency:#}");
    // Over the load and the quiet after it, whether there is news or not.
    let (pages, subscribers) = (run.ledger("catch_up_pages"), run.ledger("subscribers"));
    assert!(pages > 10 * subscribers, "{pages} pages of {subscribers} subscribers");
    let seldom = with("poll", &["receive.interval=2s"]);
    assert_eq!(healed(&seldom), (seldom.ledger("entitled_deliveries"), 0), "{:#}", seldom.summary["ledger"]);
    assert!(2 * seldom.ledger("catch_up_pages") < pages, "{:#}", seldom.summary["ledger"]);
    assert!(seldom.summary["latency_us"]["delivery"]["p50"].as_u64() > latency["p50"].as_u64());
}

#[test]
fn rtm_loses_what_lies_past_the_replay_window_and_nothing_else() {
    let lost = |window: u32| {
        let run = with("rtm", &[DISCONNECT, &format!("receive.replay_window={window}")]);
        let (by_policy, by_drain) = healed(&run);
        assert!(touched(&run) > 10, "{:#}", run.summary["faults"]);
        assert_eq!((by_policy, run.ledger("catch_up_pages") > 0), (0, by_drain > 0), "it never reads history");
        assert_eq!(run.finding("live_duplicates"), 0, "it names the last event that it saw");
        by_drain
    };
    assert_eq!(lost(1_000), 0);
    let (without, with_two) = (lost(0), lost(2));
    assert!(0 < with_two && with_two + 20 < without, "{with_two} of {without}");
}

/// What the subscribers did as apps, summed over the workers.
fn apps(run: &Run, name: &str) -> u64 {
    let text = std::fs::read(run.folder().join("ledger/record.json")).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    let workers = record["generator"]["workers"].as_array().unwrap();
    workers.iter().map(|worker| worker["apps"][name].as_u64().unwrap()).sum()
}

/// Everything came by the design's own means, and nothing twice.
fn told_all_once(run: &Run) {
    assert_eq!(healed(run), (0, 0), "{:#}", run.summary["ledger"]);
    assert_eq!((run.ledger("catch_up_pages"), run.finding("live_duplicates")), (0, 0));
}

#[test]
fn envelopes_come_once_and_again_over_the_next_connection() {
    let clean = with("socket-mode", &[]);
    told_all_once(&clean);
    assert_eq!((apps(&clean, "recognised"), clean.ledger("connections")), (0, clean.ledger("subscribers")));

    let run = with("socket-mode", &[DISCONNECT]);
    told_all_once(&run);
    assert!(touched(&run) > 10 && run.ledger("connections") > run.ledger("subscribers"));
}

#[test]
fn what_an_app_fails_to_take_or_dies_over_comes_again_unless_it_was_acknowledged() {
    let bad = ["receive.fail_share=0.05", "receive.delay_share=0.1", "receive.crash_share=0.005"];
    let after = with("socket-mode", &bad);
    told_all_once(&after);
    assert!(["failed", "crashes"].iter().all(|name| apps(&after, name) > 5), "{:#}", after.summary["ledger"]);
    assert_eq!(apps(&after, "lost"), 0);

    let before = with("socket-mode", &["receive.ack=before", bad[2]]);
    let (crashes, lost) = (apps(&before, "crashes"), apps(&before, "lost"));
    // An acknowledgement may die with the app, and then the event comes again.
    assert!(lost > 5 && lost <= crashes, "{lost} of {crashes}");
    assert_eq!(healed(&before), (0, lost), "only the drain shows them");
}

#[test]
fn an_app_opens_its_next_connection_before_it_leaves_the_old_one() {
    let folder = TempDir::new().unwrap();
    let server = ServerProcess::start(&folder.path().join("db"), &["--socket-refresh", "700ms"]);
    let sets = ["churn.share_per_minute=0", "thresholds=['errors.share < 1%']", "receive.design=socket-mode"];
    let sets = sets.into_iter().flat_map(|set| ["--set", set]);
    let run =
        check(Run::short(&["--url", &server.client.base, "--rate", "100"].into_iter().chain(sets).collect::<Vec<_>>()));
    told_all_once(&run);
    let (connections, subscribers) = (run.ledger("connections"), run.ledger("subscribers"));
    assert!(connections > 3 * subscribers, "{connections} connections of {subscribers} subscribers");
}

#[test]
fn events_are_posted_until_they_are_answered() {
    let clean = with("webhook", &[]);
    told_all_once(&clean);
    let beside = |run: &Run| ["recognised", "failed", "unverified"].map(|name| apps(run, name));
    assert_eq!(beside(&clean), [0, 0, 0]);

    let bad = ["receive.fail_share=0.1", "receive.delay_share=0.1", "receive.crash_share=0.05"];
    let after = with("webhook", &bad);
    told_all_once(&after);
    assert!(["failed", "crashes"].iter().all(|name| apps(&after, name) > 50), "{:#}", after.summary["ledger"]);
    assert_eq!(apps(&after, "lost"), 0);

    let before = with("webhook", &["receive.ack=before", bad[2]]);
    let (crashes, lost) = (apps(&before, "crashes"), apps(&before, "lost"));
    assert!(crashes > 50 && lost == crashes, "{lost} of {crashes}: an answer is sent, and the app dies");
    assert_eq!(healed(&before), (0, lost), "only the drain shows them");
}

#[test]
fn an_event_that_nobody_posts_again_or_that_has_a_new_id_shows() {
    let bad = |defect: &str| {
        let sets = ["churn.share_per_minute=0", "thresholds=['errors.share < 1%']", "receive.design=webhook"];
        let sets =
            sets.into_iter().chain(["receive.fail_share=0.05", "receive.delay_share=0.02", "receive.delay=3500ms"]);
        let sets = sets.flat_map(|set| ["--set", set]);
        check(Run::short(&["--rate", "100", "--defect", defect].into_iter().chain(sets).collect::<Vec<_>>()))
    };
    let never = bad("webhook-no-retry");
    assert!(healed(&never).1 > 50 && healed(&never).0 == 0, "{:#}", never.summary["ledger"]);
    let twice = bad("webhook-new-event-id");
    assert!(twice.finding("live_duplicates") > 20, "{:#}", twice.summary["findings"]["live_duplicates"]);
    assert_eq!((healed(&twice), apps(&twice, "recognised")), ((0, 0), 0));
}

#[test]
fn what_another_signed_is_dropped() {
    let folder = TempDir::new().unwrap();
    let server = ServerProcess::start(&folder.path().join("db"), &["--signing-secret", "another"]);
    let sets = ["churn.share_per_minute=0", "receive.design=webhook", "connect.timeout=1s"];
    let sets = sets.into_iter().flat_map(|set| ["--set", set]);
    let run = Run::short(&["--url", &server.client.base].into_iter().chain(sets).collect::<Vec<_>>());
    assert_eq!(run.code, 5, "{}", run.stderr);
    assert!(run.stderr.contains("url_verification_failed"), "{}", run.stderr);
}

#[test]
fn a_half_open_socket_without_heartbeats_is_noticed_when_it_is_reset() {
    let silent = |fault: &str| {
        let run = with("ws", &["heartbeat.interval=0s", fault]);
        run.summary["latency_us"]["notice"].clone()
    };
    let notice = silent(r#"faults=[{kind="blackhole",connections="sockets",at="700ms",for="800ms",share=0.5}]"#);
    assert!(notice["count"].as_u64().unwrap() > 10, "{notice:#}");
    assert!(notice["p50"].as_u64().unwrap() > 600_000, "{notice:#}");
    let at_once = silent(r#"faults=[{kind="herd",at="900ms"}]"#);
    assert_eq!(at_once["count"], 0, "{at_once:#}");
}

/// What a target that dies makes of each design: the sockets end, and what waits
/// in its memory for apps is gone.
#[test]
fn each_design_comes_back_after_a_crash() {
    let crash = r#"faults=[{kind="crash",at="900ms",for="300ms"}]"#;
    for (design, by_own_means) in [("ws", true), ("ws-hint", true), ("poll", true), ("socket-mode", false)] {
        let run = with(design, &[crash, "send.attempts=8", "thresholds=['errors.share < 50%']"]);
        let (by_policy, by_drain) = healed(&run);
        assert!(!by_own_means || by_drain == 0, "{design}: {by_drain} by the drain alone, {by_policy} by policy");
        let live = run.ledger("live_deliveries");
        assert!(design != "socket-mode" || live > run.ledger("entitled_deliveries") / 2, "{design}: {live}");
    }
}
