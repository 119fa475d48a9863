//! What a reader sees, letter by letter.

use super::*;
use crate::judge::{FaultLatency, FaultRecovery, FaultSummary, LatencySummary, SocketRecovery};
use crate::report::example_summary::{aborted, failed, inconclusive, killed, passed, slowest};

const PLAIN: Style = Style { colour: false, width: 80 };
const FOLDER: Option<&str> = Some("results/20261124-031502-k7q2");

#[track_caller]
fn check(summary: &RunSummary, expected: &str) {
    check_at(80, summary, expected);
}

#[track_caller]
fn check_at(width: usize, summary: &RunSummary, expected: &str) {
    let text = terminal(summary, FOLDER, Style { colour: false, width });
    assert!(text == expected, "{text}");
}

#[test]
fn a_run_that_passed() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065
20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 ·
1 min warm-up + 5 min

VERDICT  PASS    correctness pass · 0 of 2 thresholds broken · measurement valid

THRESHOLDS
 ✓ findings.acked_lost == 0  0 of 6,001 acknowledged
 ✓ delivery.p99 < 250ms      212 ms

CORRECTNESS
 · live_missed      12 of 299,640 live deliveries due did not come live
 · healed           416 of 300,050 entitled deliveries were obtained from
                    history only (away 404, missed 12)
 · unknown_stored   7 of 24 unknown messages are in history
 · unknown_absent   17 of 24 unknown messages are not in history
 ✓ 25 of 25 findings checked; all 18 of class zero are 0

LATENCY from intended time
                   p50      p90      p99    p99.9      max           n
 ack           11.2 ms  24.0 ms  88.1 ms   301 ms   1.42 s       6,001
 delivery      19.7 ms  61.3 ms   212 ms   890 ms   2.31 s       30.0M
 service       10.9 ms  22.8 ms  71.0 ms   212 ms   1.10 s       6,001
 heal          96.0 ms   310 ms      n/a      n/a   1.40 s         120
 lag             61 µs    92 µs   400 µs   900 µs  1.10 ms       6,001

LEDGER   intended 6,025 = acknowledged 6,001 + rejected 0 +
         unknown 24 (7 stored) + written 0 + unattempted 0
         entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) +
         unhealed 0 + unresolved 0
SENDS    design http · 6,001 shown as sent, 0 of them not in history ·
         24 shown as failed, 7 of them in history
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s ·
         6,080 attempts · 55 retries
SOCKETS  5,000 subscribers · 5,012 connections · 12 reconnects ·
         31 catch-up pages
GENERATOR ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late ·
         5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste compare results/20261124-031502-k7q2 ANOTHER-RUN
";
    check(&passed(), expected);
}

#[test]
fn a_run_that_lost_messages() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065
20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 ·
1 min warm-up + 5 min

VERDICT  FAIL    correctness fail · 2 of 3 thresholds broken · measurement valid

THRESHOLDS
 ✗ findings.acked_lost == 0  5 of 5,236 acknowledged
 ✗ delivery.p99 < 250ms      312 ms, 25 % over
 ✓ ack.p99 < 250ms           88.1 ms

CORRECTNESS
 ✗ acked_lost       5 of 5,236 acknowledged messages are not in history
     key 01890a5d-ac96-874b-8b5e-000000000000 · channel 3 · index 17 ·
       sender u4 · id 1700000000.000100 · intended 12.300 s ·
       acknowledged 12.400 s · in the middle of its sender's sequence
     key 01890a5d-ac96-874b-8b5e-000000000001 · channel 3 · index 18 ·
       sender u4 · id =1+1[2J<script>| · intended 12.300 s ·
       acknowledged 12.400 s · in the middle of its sender's sequence
     key 01890a5d-ac96-874b-8b5e-000000000002 · channel 3 · index 19 ·
       sender u4 · id 1700000000.000100 · intended 12.300 s ·
       acknowledged 12.400 s · in the middle of its sender's sequence
     2 more · from 12.300 s to 45.100 s
 · live_missed      12 of 299,640 live deliveries due did not come live
 · healed           416 of 300,050 entitled deliveries were obtained from
                    history only (away 404, missed 12)
 · unknown_stored   7 of 24 unknown messages are in history
 · unknown_absent   17 of 24 unknown messages are not in history
 ? not checked, the target does not promise an order: sender_order
 ✗ 24 of 25 findings checked; 16 of 17 of class zero are 0

LATENCY from intended time
                   p50      p90      p99    p99.9      max           n
 ack           11.2 ms  24.0 ms  88.1 ms   301 ms   1.42 s       6,001
 delivery      19.7 ms  61.3 ms   312 ms   890 ms   2.31 s       30.0M
 service       10.9 ms  22.8 ms  71.0 ms   212 ms   1.10 s       6,001
 heal          96.0 ms   310 ms      n/a      n/a   1.40 s         120
 lag             61 µs    92 µs   400 µs   900 µs  1.10 ms       6,001

LEDGER   intended 5,260 = acknowledged 5,236 + rejected 0 +
         unknown 24 (7 stored) + written 0 + unattempted 0
         entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) +
         unhealed 0 + unresolved 0
SENDS    design http · 5,236 shown as sent, 5 of them not in history ·
         24 shown as failed, 7 of them in history
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s ·
         6,080 attempts · 55 retries
SOCKETS  5,000 subscribers · 5,012 connections · 12 reconnects ·
         31 catch-up pages
GENERATOR ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late ·
         5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste report results/20261124-031502-k7q2 --format json
";
    check(&failed(), expected);
}

#[test]
fn a_run_whose_latencies_are_withheld() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065
20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 ·
1 min warm-up + 5 min

VERDICT  INCONCLUSIVE    correctness pass · 0 of 2 thresholds broken ·
                         1 undecided · measurement not valid
 · lag p99 4.2 ms is above 1.1 ms: use fewer users or more cores

THRESHOLDS
 ✓ findings.acked_lost == 0  0 of 6,001 acknowledged
 ? delivery.p99 < 250ms      withheld

CORRECTNESS
 · live_missed      12 of 299,640 live deliveries due did not come live
 · healed           416 of 300,050 entitled deliveries were obtained from
                    history only (away 404, missed 12)
 · unknown_stored   7 of 24 unknown messages are in history
 · unknown_absent   17 of 24 unknown messages are not in history
 ✓ 25 of 25 findings checked; all 18 of class zero are 0

LATENCY from intended time
 ? withheld: the figures stand for the record, the measurement is not valid
                   p50      p90      p99    p99.9      max           n
?ack           11.2 ms  24.0 ms  88.1 ms  ≥301 ms  ≥1.42 s       6,001
?delivery      19.7 ms  61.3 ms   212 ms   890 ms   2.31 s       30.0M
?service       10.9 ms  22.8 ms  71.0 ms   212 ms   1.10 s       6,001
?heal          96.0 ms   310 ms      n/a      n/a   1.40 s         120
?lag             61 µs    92 µs   400 µs   900 µs  1.10 ms       6,001

LEDGER   intended 6,025 = acknowledged 6,001 + rejected 0 +
         unknown 24 (7 stored) + written 0 + unattempted 0
         entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) +
         unhealed 0 + unresolved 0
SENDS    design http · 6,001 shown as sent, 0 of them not in history ·
         24 shown as failed, 7 of them in history
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s ·
         6,080 attempts · 55 retries
SOCKETS  5,000 subscribers · 5,012 connections · 12 reconnects ·
         31 catch-up pages
GENERATOR not ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late ·
         5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste run steady --target slack
";
    check(&inconclusive(), expected);
}

#[test]
fn a_run_that_was_killed() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065
20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 ·
1 min warm-up + 5 min

VERDICT  INCONCLUSIVE    correctness inconclusive · 0 of 2 thresholds broken ·
                         2 undecided · measurement valid
 · the process ended before the run: the ledger is a checkpoint
 · no final read

THRESHOLDS
 ? findings.acked_lost == 0  no data
 ? delivery.p99 < 250ms      no data

CORRECTNESS
 ? none of 25 findings checked: there is no final read

LATENCY from intended time
                   p50      p90      p99    p99.9      max           n
 ack           11.2 ms  24.0 ms      n/a      n/a  90.0 ms         100

LEDGER   intended 120 = acknowledged 100 + rejected 0 + unknown 0 + written 0 +
         unattempted 20
         entitled 0 = live 0 + healed 0 + unhealed 0 + unresolved 0
SENDS    design http · 100 shown as sent · 20 shown as failed
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s · 0 attempts ·
         0 retries
SOCKETS  0 subscribers · 0 connections · 0 reconnects · 0 catch-up pages
GENERATOR ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late ·
         5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste run steady --target slack
";
    check(&killed(), expected);
}

#[test]
fn a_run_that_was_aborted() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065
20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 ·
1 min warm-up + 5 min

VERDICT  INCONCLUSIVE    correctness inconclusive · 0 of 2 thresholds broken ·
                         1 undecided · measurement valid · interrupted
 · the run was interrupted

THRESHOLDS
 ✓ findings.acked_lost == 0  0 of 6,001 acknowledged
 ? delivery.p99 < 250ms      no data

CORRECTNESS
 · live_missed      12 of 299,640 live deliveries due did not come live
 · healed           416 of 300,050 entitled deliveries were obtained from
                    history only (away 404, missed 12)
 · unknown_stored   7 of 24 unknown messages are in history
 · unknown_absent   17 of 24 unknown messages are not in history
 ? 25 of 25 findings checked; all 18 of class zero are 0

LATENCY from intended time
                   p50      p90      p99    p99.9      max           n
 ack           11.2 ms  24.0 ms  88.1 ms   301 ms   1.42 s       6,001
 lag             61 µs    92 µs   400 µs   900 µs  1.10 ms       6,001

LEDGER   intended 6,025 = acknowledged 6,001 + rejected 0 +
         unknown 24 (7 stored) + written 0 + unattempted 0
         entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) +
         unhealed 0 + unresolved 0
SENDS    design http · 6,001 shown as sent, 0 of them not in history ·
         24 shown as failed, 7 of them in history
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s ·
         6,080 attempts · 55 retries
SOCKETS  5,000 subscribers · 5,012 connections · 12 reconnects ·
         31 catch-up pages
GENERATOR ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late ·
         5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste run steady --target slack
";
    check(&aborted(), expected);
}

#[test]
fn a_run_that_passed_on_a_wide_terminal() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065                                         20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 · 1 min warm-up + 5 min

VERDICT  PASS    correctness pass · 0 of 2 thresholds broken · measurement valid

THRESHOLDS
 ✓ findings.acked_lost == 0  0 of 6,001 acknowledged
 ✓ delivery.p99 < 250ms      212 ms

CORRECTNESS
 · live_missed      12 of 299,640 live deliveries due did not come live
 · healed           416 of 300,050 entitled deliveries were obtained from history only (away 404, missed 12)
 · unknown_stored   7 of 24 unknown messages are in history
 · unknown_absent   17 of 24 unknown messages are not in history
 ✓ 25 of 25 findings checked; all 18 of class zero are 0

LATENCY from intended time
                   p50      p90      p99    p99.9      max           n
 ack           11.2 ms  24.0 ms  88.1 ms   301 ms   1.42 s       6,001
 delivery      19.7 ms  61.3 ms   212 ms   890 ms   2.31 s       30.0M
 service       10.9 ms  22.8 ms  71.0 ms   212 ms   1.10 s       6,001
 heal          96.0 ms   310 ms      n/a      n/a   1.40 s         120
 lag             61 µs    92 µs   400 µs   900 µs  1.10 ms       6,001

LEDGER   intended 6,025 = acknowledged 6,001 + rejected 0 + unknown 24 (7 stored) + written 0 + unattempted 0
         entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) + unhealed 0 + unresolved 0
SENDS    design http · 6,001 shown as sent, 0 of them not in history · 24 shown as failed, 7 of them in history
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s · 6,080 attempts · 55 retries
SOCKETS  5,000 subscribers · 5,012 connections · 12 reconnects · 31 catch-up pages
GENERATOR ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late · 5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste compare results/20261124-031502-k7q2 ANOTHER-RUN
";
    check_at(120, &passed(), expected);
}

#[test]
fn a_run_that_lost_messages_on_a_wide_terminal() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065                                         20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 · 1 min warm-up + 5 min

VERDICT  FAIL    correctness fail · 2 of 3 thresholds broken · measurement valid

THRESHOLDS
 ✗ findings.acked_lost == 0  5 of 5,236 acknowledged
 ✗ delivery.p99 < 250ms      312 ms, 25 % over
 ✓ ack.p99 < 250ms           88.1 ms

CORRECTNESS
 ✗ acked_lost       5 of 5,236 acknowledged messages are not in history
     key 01890a5d-ac96-874b-8b5e-000000000000 · channel 3 · index 17 · sender u4 · id 1700000000.000100 ·
       intended 12.300 s · acknowledged 12.400 s · in the middle of its sender's sequence
     key 01890a5d-ac96-874b-8b5e-000000000001 · channel 3 · index 18 · sender u4 · id =1+1[2J<script>| ·
       intended 12.300 s · acknowledged 12.400 s · in the middle of its sender's sequence
     key 01890a5d-ac96-874b-8b5e-000000000002 · channel 3 · index 19 · sender u4 · id 1700000000.000100 ·
       intended 12.300 s · acknowledged 12.400 s · in the middle of its sender's sequence
     2 more · from 12.300 s to 45.100 s
 · live_missed      12 of 299,640 live deliveries due did not come live
 · healed           416 of 300,050 entitled deliveries were obtained from history only (away 404, missed 12)
 · unknown_stored   7 of 24 unknown messages are in history
 · unknown_absent   17 of 24 unknown messages are not in history
 ? not checked, the target does not promise an order: sender_order
 ✗ 24 of 25 findings checked; 16 of 17 of class zero are 0

LATENCY from intended time
                   p50      p90      p99    p99.9      max           n
 ack           11.2 ms  24.0 ms  88.1 ms   301 ms   1.42 s       6,001
 delivery      19.7 ms  61.3 ms   312 ms   890 ms   2.31 s       30.0M
 service       10.9 ms  22.8 ms  71.0 ms   212 ms   1.10 s       6,001
 heal          96.0 ms   310 ms      n/a      n/a   1.40 s         120
 lag             61 µs    92 µs   400 µs   900 µs  1.10 ms       6,001

LEDGER   intended 5,260 = acknowledged 5,236 + rejected 0 + unknown 24 (7 stored) + written 0 + unattempted 0
         entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) + unhealed 0 + unresolved 0
SENDS    design http · 5,236 shown as sent, 5 of them not in history · 24 shown as failed, 7 of them in history
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s · 6,080 attempts · 55 retries
SOCKETS  5,000 subscribers · 5,012 connections · 12 reconnects · 31 catch-up pages
GENERATOR ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late · 5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste report results/20261124-031502-k7q2 --format json
";
    check_at(120, &failed(), expected);
}

#[test]
fn a_run_that_was_aborted_on_a_wide_terminal() {
    let expected = "\
posthaste run steady --target slack → http://127.0.0.1:8065                                         20261124-031502-k7q2
open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 · 1 min warm-up + 5 min

VERDICT  INCONCLUSIVE    correctness inconclusive · 0 of 2 thresholds broken · 1 undecided · measurement valid ·
                         interrupted
 · the run was interrupted

THRESHOLDS
 ✓ findings.acked_lost == 0  0 of 6,001 acknowledged
 ? delivery.p99 < 250ms      no data

CORRECTNESS
 · live_missed      12 of 299,640 live deliveries due did not come live
 · healed           416 of 300,050 entitled deliveries were obtained from history only (away 404, missed 12)
 · unknown_stored   7 of 24 unknown messages are in history
 · unknown_absent   17 of 24 unknown messages are not in history
 ? 25 of 25 findings checked; all 18 of class zero are 0

LATENCY from intended time
                   p50      p90      p99    p99.9      max           n
 ack           11.2 ms  24.0 ms  88.1 ms   301 ms   1.42 s       6,001
 lag             61 µs    92 µs   400 µs   900 µs  1.10 ms       6,001

LEDGER   intended 6,025 = acknowledged 6,001 + rejected 0 + unknown 24 (7 stored) + written 0 + unattempted 0
         entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) + unhealed 0 + unresolved 0
SENDS    design http · 6,001 shown as sent, 0 of them not in history · 24 shown as failed, 7 of them in history
LOAD     offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s · 6,080 attempts · 55 retries
SOCKETS  5,000 subscribers · 5,012 connections · 12 reconnects · 31 catch-up pages
GENERATOR ok · lag p99 400 µs · CPU 38 % · canary 1.90 ms late · 5,211 descriptors · 212 MB

results/20261124-031502-k7q2/report.html
next: posthaste run steady --target slack
";
    check_at(120, &aborted(), expected);
}

#[test]
fn where_messages_were_traced_the_slowest_lead_there() {
    let mut summary = passed();
    summary.slowest = slowest();
    let text = terminal(&summary, None, PLAIN);
    let expected = "
SLOWEST from intended time to the acknowledgement
 · ≥1.42 s · intended 12.300 s · sender u4 · 1 attempt
     https://traces.example/01890a5dac96874b8b5e000000000000
 · 1.41 s · intended 12.300 s · sender u4 · 2 attempts
     trace 01890a5dac96874b8b5e000000000001, not sampled
 · 1.40 s · intended 12.300 s · sender u4 · 1 attempt
     https://traces.example/01890a5dac96874b8b5e000000000002
 · 1.39 s · intended 12.300 s · sender u4 · 2 attempts
     https://traces.example/01890a5dac96874b8b5e000000000003
 · 1.38 s · intended 12.300 s · sender u4 · 1 attempt
     https://traces.example/01890a5dac96874b8b5e000000000004
   15 more are in report.html and summary.json
";
    assert!(text.contains(expected), "{text}");
    let id = &slowest()[7].trace.clone().unwrap().id;
    assert!(!text.contains(id.as_str()), "{text}");
    // What is no web address is not printed as one.
    summary.slowest[0].trace.as_mut().unwrap().url = Some("javascript:alert(1)".to_owned());
    assert!(!terminal(&summary, None, PLAIN).contains("javascript"));
    summary.slowest.iter_mut().for_each(|slow| slow.trace = None);
    assert!(!terminal(&summary, None, PLAIN).contains("SLOWEST"), "nothing to follow");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for summary in [passed(), failed(), inconclusive(), aborted(), killed()] {
        for width in 30..140 {
            for line in terminal(&summary, None, Style { colour: false, width }).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn a_narrow_terminal_keeps_what_matters_most() {
    let text = terminal(&failed(), None, Style { colour: false, width: 40 });
    for lines in [
        "VERDICT  FAIL    correctness fail ·\n   2 of 3 thresholds broken ·\n   measurement valid\n",
        " ✗ acked_lost 5 of 5,236 acknowledged\n     messages are not in history\n",
        "\n                   p50      p99      max\n ack           11.2 ms  88.1 ms   1.42 s\n",
    ] {
        assert!(text.contains(lines), "{text}");
    }
}

#[test]
fn colours_change_no_letter_and_are_left_out_on_request() {
    for summary in [passed(), failed(), inconclusive(), aborted(), killed()] {
        let plain = terminal(&summary, FOLDER, PLAIN);
        assert!(plain.chars().all(|letter| letter == '\n' || !letter.is_control()), "{plain:?}");
        let coloured = terminal(&summary, FOLDER, Style { colour: true, ..PLAIN });
        assert_ne!(coloured, plain);
        let mut without = coloured.clone();
        for code in ["0", "1", "2", "31", "32", "33"] {
            without = without.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(without, plain);
    }
}

#[test]
fn a_sum_that_is_wrong_shows() {
    let mut summary = passed();
    summary.ledger.intended += 1;
    assert!(terminal(&summary, None, PLAIN).contains("intended 6,026 ≠ acknowledged 6,001"));
}

#[test]
fn what_a_summary_does_not_have_is_left_out() {
    let mut summary = passed();
    summary.plan = serde_json::Value::Null;
    summary.thresholds.clear();
    summary.latency_us.clear();
    let fault = FaultSummary { kind: "disconnect\u{1b}[31m".to_owned(), at_us: 3_000_000, ..FaultSummary::default() };
    let hit = FaultSummary { fired_us: Some(3_100_000), touched: 2, what: "subscribers".to_owned(), ..fault.clone() };
    let over = FaultSummary { healed_us: Some(4_000_000), ..hit.clone() };
    let slowest = |max, open: &str| LatencySummary {
        max: Some(max),
        lower_bounds: vec![open.to_owned()],
        ..LatencySummary::default()
    };
    let ack = FaultLatency { before: slowest(5_100, ""), during: slowest(1_040_000, "max"), ..FaultLatency::default() };
    summary.faults =
        vec![fault, hit, over.clone(), FaultSummary { ack_us: Some(ack.clone()), delivery_us: Some(ack), ..over }];
    let text = terminal(&summary, None, Style { colour: false, width: 100 });
    assert!(!text.contains("open loop") && !text.contains("THRESHOLDS") && !text.contains("next:"), "{text}");
    assert!(
        text.contains("nothing was measured\n")
            && text.contains("FAULT    3.000 s disconnect[31m: never hit anything\n")
    );
    assert!(text.contains("3.100 s disconnect[31m: 2 subscribers\n"), "{text}");
    assert!(text.contains("3.100 s disconnect[31m: 2 subscribers, over after 900 ms\n"), "{text}");
    let unwrapped = text.replace("\n         ", " ");
    let slowest = "5.10 ms before, ≥1.04 s during, n/a after";
    let both = format!("over after 900 ms · slowest ack {slowest} · slowest delivery {slowest}");
    assert!(unwrapped.contains(&both), "{text}");
    let sockets = SocketRecovery {
        moved: 1_060,
        reconnected_us: Some(1_020_000),
        caught_up_us: Some(1_050_000),
        pages: 1_240,
        pages_in_worst_second: 1_085,
    };
    let recovery = FaultRecovery { retries: 12, sends: 340, failed_sends: 0, sockets: Some(sockets) };
    let whole = FaultSummary {
        kind: "deploy".to_owned(),
        touched: 1,
        what: "processes".to_owned(),
        recovery: Some(recovery),
        ..summary.faults.pop().unwrap()
    };
    summary.faults = vec![whole];
    let narrow = terminal(&summary, None, Style { colour: false, width: 80 }).replace("\n         ", " ");
    let said = "deploy: 1 process, over after 900 ms · 12 retries and 0 failed of 340 sends · 1,060 sockets moved";
    assert!(narrow.contains(said), "{narrow}");
    assert!(narrow.contains(&format!("slowest delivery {slowest}\n")), "nothing is cut off: {narrow}");
    let first = text.lines().next().unwrap();
    assert!(
        first.ends_with("8065                     20261124-031502-k7q2"),
        "at the right where there is room: {first}"
    );
}
