use super::*;
use crate::judge::{MatrixAbout, MatrixFailure};

fn cell(design: &str, failure: &str, counts: &[(&str, u64)]) -> MatrixCell {
    MatrixCell {
        design: design.to_owned(),
        failure: failure.to_owned(),
        run: Some(format!("cells/{design}--{failure}/run")),
        intended: 1_450,
        counts: counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        latency_us: Some(3_120),
        latency_of: "ack p99".to_owned(),
        ..MatrixCell::default()
    }
}

fn matrix() -> MatrixSummary {
    let failure = |name: &str| MatrixFailure { name: name.to_owned(), faults: format!("[\"{name}\"]") };
    let mut lost = cell("ws", "crash", &[("lost silently", 19), ("never settled", 2)]);
    lost.latency_at_least = true;
    let mut broken = cell("http", "crash", &[("lost after ack", 1)]);
    broken.broken = vec!["acked_lost 1".to_owned()];
    let mut dull = cell("ws", "half-open", &[]);
    dull.expected_and_absent = Some("lost silently".to_owned());
    let cells = vec![
        cell("http", "clean", &[]),
        broken,
        MatrixCell::impossible("http", "half-open", "<script>alert(1)</script>\u{1b}[31m"),
        cell("ws", "clean", &[]),
        lost,
        dull,
    ];
    let table = MatrixTable {
        name: "send".to_owned(),
        designs: vec!["http".to_owned(), "ws".to_owned()],
        failures: ["clean", "crash", "half-open"].map(failure).into(),
        cells,
    };
    let about = MatrixAbout {
        matrix_id: "matrix-1".to_owned(),
        started_at: "2026-11-24T03:15:02Z".to_owned(),
        workload: "matrix".to_owned(),
        target: "reference".to_owned(),
        seed: 42,
        ..MatrixAbout::default()
    };
    MatrixSummary::new(about, vec![table])
}

#[test]
fn a_matrix_on_a_terminal() {
    let text = matrix_terminal(&matrix(), "results/matrix-1", Style { colour: false, width: 72 });
    let expected = "\
posthaste matrix matrix-1 · built-in server · workload matrix, seed 42

────────────────────────────────────────────────────────
 send design   clean         crash          half-open
════════════════════════════════════════════════════════
 http          0             1 lost acked   –
               p99 3.12 ms   p99 3.12 ms
────────────────────────────────────────────────────────
 ws            0             19 lost        0
               p99 3.12 ms   2 open         p99 3.12 ms
                             p99 ≥3.12 ms
────────────────────────────────────────────────────────
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("http × crash: a broken promise: acked_lost 1"), "{text}");
    assert!(text.contains("ws × half-open: the design is known for messages lost silently here"), "{text}");
    assert!(text.ends_with("A design broke a promise that it made.\n\nresults/matrix-1/matrix.html\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn colours_only_where_asked_for() {
    let coloured = matrix_terminal(&matrix(), "r", Style { colour: true, width: 100 });
    assert!(coloured.contains("\u{1b}["), "{coloured}");
}

#[test]
fn a_matrix_as_markdown() {
    let text = matrix_markdown(&matrix());
    assert!(text.contains("| send design | clean | crash | half-open |\n| --- | --- | --- | --- |\n"), "{text}");
    assert!(text.contains("| `ws` | 0<br>p99 3.12 ms | **19 lost<br>2 open**<br>p99 ≥3.12 ms | 0<br>p99 3.12 ms |\n"));
    assert!(!text.contains("<script>"), "{text}");
}

#[test]
fn a_page_links_each_run_and_loads_nothing() {
    let page = matrix_html(&matrix());
    assert!(page.contains(r#"<td class="known"><a href="cells&#x2f;ws--crash&#x2f;run/summary.txt">"#), "{page}");
    assert!(page.contains("<b>19 lost</b>") && page.contains(r#"<td class="broken">"#));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
}

#[test]
fn columns_that_do_not_fit_go_below() {
    let text = matrix_terminal(&matrix(), "r", Style { colour: false, width: 60 });
    assert_eq!(text.matches("\n send design").count(), 1, "{text}");
    let text = matrix_terminal(&matrix(), "r", Style { colour: false, width: 45 });
    assert_eq!(text.matches("\n send design").count(), 2, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 45), "{text}");
}
