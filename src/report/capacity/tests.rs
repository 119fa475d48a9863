use super::*;
use crate::judge::ThresholdOutcome;
use crate::judge::capacity::{
    BaseLoad, CapacityAbout, Egress, Ending, Find, Purpose, Recovery, SearchSettings, SlowestOf, TargetUse, concluded,
};

fn settings() -> SearchSettings {
    SearchSettings {
        find: Find::Rate,
        objective: vec!["errors.share < 1%".to_owned(), "delivery.p99 < 250ms".to_owned()],
        goodput: 0.97,
        start: 1_000.0,
        budget_s: 3_600.0,
        warm_up_s: 15.0,
        probe_s: 30.0,
        hold_s: 300.0,
        overload_s: 30.0,
        base: BaseLoad {
            rate_per_s: 4_000.0,
            users: 500,
            channels: 50,
            senders: 500,
            subscribers: 500,
            ..BaseLoad::default()
        },
        observed: true,
        ..SearchSettings::default()
    }
}

fn probe(number: u32, purpose: Purpose, load: f64, p99_ms: u64, outcome: Outcome) -> CapacityProbe {
    let achieved = load.min(3_200.0);
    let sockets = if purpose == Purpose::CostOfPosts { 0 } else { 500 };
    let posts = (load * 45.0) as u64;
    let deliveries = posts * 20 * u64::from(sockets > 0);
    CapacityProbe {
        number,
        purpose,
        load,
        rate_per_s: load,
        users: 500,
        subscribers: 500,
        outcome,
        because: if outcome == Outcome::Failed {
            format!("goodput {:.1} % < 97 %", achieved / load * 100.0)
        } else {
            String::new()
        },
        run: Some(format!("probes/{number:02}/20261124-031502-k7q2")),
        took_s: 60.0,
        offered_per_s: load,
        achieved_per_s: achieved,
        goodput: Some(achieved / load),
        delivered_per_s: achieved * 20.0,
        thresholds: vec![ThresholdOutcome {
            expr: "delivery.p99 < 250ms".to_owned(),
            value: Some(p99_ms as f64 * 1e3),
            shown: format!("{p99_ms} ms"),
            passed: Some(p99_ms < 250),
        }],
        ack_us: SlowestOf { p50: Some(1_000 * p99_ms / 9), p99: Some(1_000 * p99_ms / 2) },
        delivery_us: SlowestOf { p50: Some(1_000 * p99_ms / 5), p99: Some(1_000 * p99_ms) },
        worker_cpu: load / 10_000.0,
        worker_cpu_limit: 0.85,
        lag_p99_us: Some(400),
        target: Some(TargetUse {
            cpu_s: posts as f64 * 1e-4 + deliveries as f64 * 5e-6 + sockets as f64 * 45.0 * 1e-6,
            seconds: 45.0,
            posts,
            deliveries,
            sockets,
            rss_max_bytes: Some(64_000_000),
            rss_of_sockets_bytes: Some(sockets * 8_000),
        }),
        egress: Some(Egress { posts, answer_bytes: posts * 310, deliveries, frame_bytes: deliveries * 512 }),
    }
}

/// A search that found 3,150 of a server whose ceiling is 3,200.
pub(crate) fn search() -> CapacitySummary {
    use Outcome::{Failed, Held};
    use Purpose::{Bisect, Coarse, CostOfPosts, CostOfSockets, Hold, Overload};
    let all = [
        (Coarse, 1_000.0, 9, Held),
        (Coarse, 1_500.0, 12, Held),
        (Coarse, 2_250.0, 31, Held),
        (Coarse, 3_375.0, 1_900, Failed),
        (Coarse, 3_375.0, 1_800, Failed),
        (Bisect, 2_756.0, 80, Held),
        (Bisect, 3_050.0, 150, Held),
        (Bisect, 3_310.0, 900, Failed),
        (Bisect, 3_310.0, 850, Failed),
        (Bisect, 3_150.0, 220, Held),
        (Hold, 3_150.0, 212, Held),
        (Hold, 3_150.0, 238, Held),
        (Hold, 3_150.0, 230, Held),
        (Overload, 3_150.0, 4_000, Held),
        (CostOfPosts, 1_575.0, 3, Held),
        (CostOfSockets, 3_150.0, 3, Held),
    ];
    let probes = all
        .iter()
        .zip(1..)
        .map(|((purpose, load, p99_ms, outcome), number)| probe(number, *purpose, *load, *p99_ms, *outcome));
    let about = CapacityAbout {
        capacity_id: "capacity-20261124-031502-k7q2".to_owned(),
        started_at: "2026-11-24T03:15:02Z".to_owned(),
        workload: "capacity".to_owned(),
        target: "reference".to_owned(),
        url: None,
        seed: 42,
        run_args: Vec::new(),
        cores: 2,
    };
    let recovery = Recovery {
        probe: 14,
        overload: 3_780.0,
        overload_s: 30.0,
        return_to: 2_520.0,
        achieved_per_s: 3_203.0,
        recovered_after_s: Some(24.0),
        watched_s: 75.0,
    };
    concluded(about, settings(), probes.collect(), Some(recovery), Ending::Finished)
}

#[test]
fn the_line_of_a_result() {
    assert_eq!(
        words::headline(&search()),
        "3,150 msg/s (3 of 3 five-minute holds, delivery p99 212–238 ms < 250 ms); 3,310 failed; generator at 37 % of \
         its ceiling"
    );
    let mut near = search();
    near.generator.as_mut().unwrap().share = 0.8;
    near.result.as_mut().unwrap().at_least = true;
    assert!(words::headline(&near).starts_with("≥ 3,150 msg/s"), "{}", words::headline(&near));
}

#[test]
fn a_search_on_a_terminal() {
    let text = capacity_terminal(&search(), "results/c", Style { colour: false, width: 80 });
    let expected = "\
posthaste capacity capacity → built-in server
the most msg/s with errors.share < 1%, delivery.p99 < 250ms, goodput ≥ 97 %

capacity 3,150 msg/s (3 of 3 five-minute holds, delivery p99 212–238 ms <
         250 ms); 3,310 failed; generator at 37 % of its ceiling

    probe               msg/s   goodput   ack p99  delivery p99  result
  1 coarse              1,000     100 %   4.50 ms       9.00 ms  held
";
    assert!(text.starts_with(expected), "{text}");
    for part in [
        "  4 coarse              3,375      95 %    950 ms        1.90 s  failed\n     goodput 94.8 % < 97 %\n",
        "OVERLOAD 3,780 msg/s for 30 s: 3,203 msg/s were acknowledged; back at\n         2,520 msg/s, the objective",
        "COST     0.10 s CPU per 1,000 posts · 50.0 ms CPU per 10,000 deliveries",
        "EGRESS   310 kB per 1,000 posts · 5.12 MB per 10,000 deliveries",
        "SCALING  Universal Scalability Law: contention α ",
        "GENERATOR at the capacity its busiest worker used 31 % of a core",
        "\nresults/c/capacity.html\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    for width in [40, 60, 80, 120] {
        let text = capacity_terminal(&search(), "r", Style { colour: false, width });
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
    }
    assert!(capacity_terminal(&search(), "r", Style { colour: true, width: 80 }).contains("\u{1b}[32mcapacity 3,150"));
}

#[test]
fn what_is_not_a_capacity_says_so() {
    let (found, settings) = (search(), settings());
    let of =
        |probes: Vec<CapacityProbe>, ending| concluded(found.about.clone(), settings.clone(), probes, None, ending);
    let none = of(vec![probe(1, Purpose::Coarse, 100.0, 900, Outcome::Failed)], Ending::Finished);
    let text = capacity_terminal(&none, "r", Style { colour: false, width: 80 });
    assert!(text.contains("capacity no load keeps the objective\n · No load keeps the objective.\n"), "{text}");
    let cut = of(found.probes[..11].to_vec(), Ending::Interrupted);
    let text = capacity_terminal(&cut, "r", Style { colour: false, width: 80 });
    assert!(text.contains("Interrupted") && text.contains("next: posthaste capacity --resume r"), "{text}");
    assert!(text.contains("1 of 3 five-minute holds"), "{text}");
    let mut lost = found.probes[..2].to_vec();
    lost[1].outcome = Outcome::Incorrect;
    lost[1].because = "5 of 5,236 acknowledged messages are not in history (acked_lost)".to_owned();
    let lost = of(lost, Ending::Finished);
    assert_eq!(lost.exit_code, 97);
    let text = capacity_terminal(&lost, "r", Style { colour: false, width: 80 });
    assert!(text.contains("lost, doubled or invented") && text.contains("(acked_lost)"), "{text}");
    assert!(text.contains("next: posthaste report r/probes/02/20261124-031502-k7q2"), "{text}");
}

#[test]
fn a_search_as_markdown_and_csv() {
    let text = capacity_markdown(&search());
    assert!(text.contains("**capacity 3,150 msg/s (3 of 3 five-minute holds"), "{text}");
    assert!(text.contains("| 4 | coarse | 3,375 | 95 % | 950 ms | 1.90 s | **failed**: goodput 94.8 % "), "{text}");
    let csv = capacity_csv(&search());
    let mut lines = csv.lines();
    let columns = lines.next().unwrap().split(',').count();
    assert_eq!((columns, csv.lines().count()), (23, 17));
    assert!(lines.all(|line| line.split(',').count() == columns), "{csv}");
    assert!(csv.contains("\n11,hold,3150,held,3150,500,500,3150.000,3150.000,1.00000,63000.000,23555,"), "{csv}");
}

#[test]
fn a_page_draws_the_curve_links_each_run_and_loads_nothing() {
    let page = capacity_html(&search());
    assert_eq!(page.matches("<svg ").count(), 2, "one for a wide page, one for a narrow one");
    for part in [
        r#"class="knee""#,
        r#"class="limit""#,
        "delivery.p99 &lt; 250ms",
        r#"class="fitted""#,
        r#"<a href="probes&#x2f;04&#x2f;20261124-031502-k7q2/summary.txt">"#,
        "3,150 msg&#x2f;s",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    assert!(!page.contains("NaN") && !page.contains("inf\""));
    let mut hostile = search();
    hostile.probes[3].because = "<script>alert(1)</script>".to_owned();
    hostile.about.workload = "<b>x</b>".to_owned();
    hostile.settings.objective[1] = "delivery.p99 < 250ms\"><script>".to_owned();
    let page = capacity_html(&hostile);
    assert!(!page.contains("<script>") && !page.contains("<b>x"), "{page}");
    let mut empty = search();
    empty.probes.clear();
    empty.result = None;
    assert!(!capacity_html(&empty).contains("<svg"));
}
