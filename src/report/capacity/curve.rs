//! The curve of a search as SVG: what was achieved over what was offered, and
//! below it the latencies, over the same axis of loads. The colours are classes
//! of the page that holds it.

use super::super::figures::{count, duration};
use super::words::{load_in_words, number, unit};
use crate::judge::capacity::{CapacityProbe, CapacitySummary, Outcome};
use crate::plan::{Metric, Threshold};
use std::fmt::Write;

/// A picture of so many units; text keeps its size, so that a narrow one is
/// drawn narrow and not scaled down.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) panel: f64,
}

const LEFT: f64 = 64.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 34.0;
/// Between the panels.
const GAP: f64 = 48.0;
const BOTTOM: f64 = 48.0;

/// A rectangle with its axes.
struct Panel {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// Load at the right end.
    loads: f64,
}

impl Panel {
    fn x(&self, load: f64) -> f64 {
        self.left + (self.right - self.left) * (load / self.loads).clamp(0.0, 1.0)
    }

    /// From 0 at the bottom to 1 at the top.
    fn y(&self, share: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * share.clamp(0.0, 1.0)
    }
}

/// The picture; nothing where no probe says anything.
pub(super) fn svg(summary: &CapacitySummary, size: Size) -> String {
    let probes: Vec<&CapacityProbe> =
        summary.probes.iter().filter(|probe| probe.purpose.is_search() && probe.offered_per_s > 0.0).collect();
    let Some(highest) = probes.iter().map(|probe| probe.load).max_by(f64::total_cmp) else { return String::new() };
    let height = TOP + 2.0 * size.panel + GAP + BOTTOM;
    let panel = |top: f64| Panel {
        left: LEFT,
        right: size.width - RIGHT,
        top,
        bottom: top + size.panel,
        loads: highest * 1.06,
    };
    let (upper, lower) = (panel(TOP), panel(TOP + size.panel + GAP));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {:.0} {height:.0}\" role=\"img\" aria-label=\"Load against throughput and latency\">",
        size.width
    );
    loads_axis(&mut svg, summary, &[&upper, &lower], height);
    throughput(&mut svg, summary, &probes, &upper);
    latency(&mut svg, summary, &probes, &lower);
    knee(&mut svg, summary, &upper, &lower);
    svg.push_str("</svg>");
    svg
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).expect("a string takes all that is written");
}

fn text(svg: &mut String, class: &str, (x, y): (f64, f64), anchor: &str, words: &str) {
    put(svg, format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"));
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    put(svg, format_args!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"));
}

fn path(svg: &mut String, class: &str, points: &[(f64, f64)]) {
    let steps: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    if steps.len() > 1 {
        put(svg, format_args!("<path class=\"{class}\" d=\"M{}\"/>", steps.join("L")));
    }
}

/// Steps of 1, 2 or 5 times a power of ten, at most so many.
fn steps(to: f64, most: f64) -> Vec<f64> {
    let power = 10f64.powf((to / most).max(1e-9).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| to / step <= most);
    let step = step.unwrap_or(to);
    (0..).map(|rank| f64::from(rank) * step).take_while(|value| *value <= to).collect()
}

fn loads_axis(svg: &mut String, summary: &CapacitySummary, panels: &[&Panel], height: f64) {
    let Some(last) = panels.last() else { return };
    let most = ((last.right - last.left) / 70.0).max(3.0);
    for load in steps(last.loads, most) {
        for panel in panels {
            line(svg, "grid", (panel.x(load), panel.top), (panel.x(load), panel.bottom));
        }
        text(svg, "tick", (last.x(load), last.bottom + 18.0), "middle", &number(load));
    }
    let words = format!("offered load, {}", unit(summary.settings.find));
    text(svg, "axis", ((last.left + last.right) / 2.0, height - 8.0), "middle", &words);
}

fn throughput(svg: &mut String, summary: &CapacitySummary, probes: &[&CapacityProbe], panel: &Panel) {
    let highest = probes.iter().map(|probe| probe.offered_per_s.max(probe.achieved_per_s)).fold(1.0, f64::max) * 1.08;
    text(svg, "head", (panel.left, panel.top - 14.0), "start", "acknowledged, msg/s");
    for value in steps(highest, 5.0) {
        let y = panel.y(value / highest);
        line(svg, "grid", (panel.left, y), (panel.right, y));
        text(svg, "tick", (panel.left - 8.0, y + 4.0), "end", &count(value as u64));
    }
    let offered = by_load(probes, |probe| Some(probe.offered_per_s));
    let ends = [(0.0, 0.0)].into_iter().chain(offered).map(|(load, value)| (panel.x(load), panel.y(value / highest)));
    path(svg, "offered", &ends.collect::<Vec<_>>());
    let fitted = summary.usl.curve.iter().filter(|(load, _)| *load <= panel.loads);
    let fitted: Vec<(f64, f64)> = fitted.map(|(load, value)| (panel.x(*load), panel.y(value / highest))).collect();
    path(svg, "fitted", &fitted);
    let achieved = by_load(probes, |probe| Some(probe.achieved_per_s));
    path(
        svg,
        "achieved",
        &achieved.iter().map(|(load, value)| (panel.x(*load), panel.y(value / highest))).collect::<Vec<_>>(),
    );
    for probe in probes {
        dot(svg, summary, probe, "achieved", (panel.x(probe.load), panel.y(probe.achieved_per_s / highest)));
    }
}

/// The latency of the objective; of deliveries, where it names none.
fn latency(svg: &mut String, summary: &CapacitySummary, probes: &[&CapacityProbe], panel: &Panel) {
    let limits = summary.settings.objective.iter().filter_map(|expr| Threshold::parse(expr).ok());
    let limits: Vec<Threshold> = limits
        .filter(|threshold| matches!(threshold.metric, Metric::Latency { .. }) && threshold.metric.needs_latencies())
        .collect();
    let wanted = summary.result.as_ref().and_then(|result| result.limit.clone());
    let limit = limits.iter().find(|limit| Some(&limit.expr) == wanted.as_ref()).or(limits.first());
    let is_ack = limit.is_some_and(|limit| limit.expr.starts_with("ack"));
    let name = if is_ack { "ack" } else { "delivery" };
    let of = |probe: &CapacityProbe| if is_ack { probe.ack_us } else { probe.delivery_us };
    let values: Vec<f64> =
        probes.iter().flat_map(|probe| [of(probe).p50, of(probe).p99]).flatten().map(|us| us.max(1) as f64).collect();
    let bound = limit.map(|limit| limit.value);
    let greatest = values.iter().copied().chain(bound).fold(10.0, f64::max) * 1.3;
    let least = values.iter().copied().fold(greatest, f64::min) / 1.3;
    let (low, high) = (least.log10(), greatest.log10());
    let y = |us: f64| panel.y((us.max(1.0).log10() - low) / (high - low));
    text(svg, "head", (panel.left, panel.top - 14.0), "start", &format!("{name} latency, p99 and p50"));
    for decade in low.floor() as i32..=high.floor() as i32 {
        for factor in [1.0, 3.0] {
            let us = 10f64.powi(decade) * factor;
            if us >= least && us <= greatest {
                line(svg, "grid", (panel.left, y(us)), (panel.right, y(us)));
                text(svg, "tick", (panel.left - 8.0, y(us) + 4.0), "end", &short(us as u64));
            }
        }
    }
    if let Some(limit) = limit {
        line(svg, "limit", (panel.left, y(limit.value)), (panel.right, y(limit.value)));
        let words = limit.expr.replace('<', "&lt;").replace('>', "&gt;");
        text(svg, "limit-text", (panel.left + 8.0, y(limit.value) - 6.0), "start", &words);
    }
    for (class, rank) in [("p50", 0), ("p99", 1)] {
        let value = |probe: &CapacityProbe| [of(probe).p50, of(probe).p99][rank].map(|us| us as f64);
        let points: Vec<(f64, f64)> =
            by_load(probes, value).iter().map(|(load, us)| (panel.x(*load), y(*us))).collect();
        path(svg, class, &points);
        for probe in probes {
            if let Some(us) = value(probe) {
                dot(svg, summary, probe, class, (panel.x(probe.load), y(us)));
            }
        }
    }
}

/// "300 ms", "1 s": a tick has no more digits than it needs.
fn short(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

fn dot(svg: &mut String, summary: &CapacitySummary, probe: &CapacityProbe, class: &str, (x, y): (f64, f64)) {
    let held = if probe.outcome == Outcome::Held { "" } else { " not-held" };
    let words = format!(
        "{} at {}: {} acknowledged a second, ack p99 {}, delivery p99 {}",
        probe.purpose.name(),
        load_in_words(summary.settings.find, probe.load),
        number(probe.achieved_per_s),
        probe.ack_us.p99.map_or_else(|| "n/a".to_owned(), duration),
        probe.delivery_us.p99.map_or_else(|| "n/a".to_owned(), duration),
    );
    put(
        svg,
        format_args!(
            "<circle class=\"{class}{held}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{words}</title></circle>"
        ),
    );
}

/// The capacity through both panels, and a shade over what failed.
fn knee(svg: &mut String, summary: &CapacitySummary, upper: &Panel, lower: &Panel) {
    let Some(result) = &summary.result else { return };
    let x = upper.x(result.load);
    if let Some(failed) = result.failed {
        for panel in [upper, lower] {
            let from = panel.x(failed);
            put(
                svg,
                format_args!(
                    "<rect class=\"beyond\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                    panel.top,
                    panel.right - from,
                    panel.bottom - panel.top
                ),
            );
        }
    }
    line(svg, "knee", (x, upper.top), (x, lower.bottom));
    let at_least = if result.at_least { "≥ " } else { "" };
    let words = format!("{at_least}{}", load_in_words(summary.settings.find, result.load));
    let past_middle = x > (upper.left + upper.right) / 2.0;
    let (anchor, beside) = if past_middle { ("end", x - 7.0) } else { ("start", x + 7.0) };
    // Below the curve, where the panel is empty.
    text(svg, "knee-text", (beside, upper.bottom - 10.0), anchor, &words);
}

/// The median of a figure at each load, by load.
fn by_load(probes: &[&CapacityProbe], of: impl Fn(&CapacityProbe) -> Option<f64>) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = probes.iter().filter_map(|probe| Some((probe.load, of(probe)?))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.chunk_by(|a, b| a.0 == b.0).map(|level| level[level.len() / 2]).collect()
}
