//! The Universal Scalability Law (Gunther, "A General Theory of Computational
//! Scalability Based on Rational Functions", 2008), fitted to what was achieved
//! at each load.

use super::least_squares::{non_negative, squared_error};
use super::summary::Usl;

/// Levels that a fit needs.
const LEVELS: usize = 6;
/// The curve ends at so many times the highest load.
const BEYOND: f64 = 1.5;
/// Points of the drawn curve.
const POINTS: usize = 60;

/// Fits (load, messages a second) points; `past_knee` is the least load that
/// failed.
///
/// n / X = 1/λ + α/λ (n − 1) + β/λ n (n − 1) is linear in its coefficients, all
/// of which must not be negative. Each equation is divided by its left side, so
/// that errors are relative.
pub(super) fn fit(points: &[(f64, f64)], past_knee: Option<f64>) -> Usl {
    let levels = levels(points);
    let not = |why: String| Usl { not_identifiable: Some(format!("not identifiable: {why}")), ..Usl::default() };
    if levels.len() < LEVELS {
        return not(format!("{} of {LEVELS} levels", levels.len()));
    }
    let highest = levels.last().map_or(0.0, |(load, _)| *load);
    if past_knee.is_none_or(|failed| highest < failed) {
        return not("no level past the knee".to_owned());
    }
    let unit = levels[0].0;
    let rows: Vec<([f64; 3], f64)> = levels
        .iter()
        .map(|(load, achieved)| {
            let n = load / unit;
            let weight = achieved / n;
            ([weight, weight * (n - 1.0), weight * n * (n - 1.0)], 1.0)
        })
        .collect();
    let Some([a, b, c]) = non_negative(&rows).filter(|[a, ..]| *a > 0.0) else {
        return not("the levels do not tell its parts apart".to_owned());
    };
    let (lambda, alpha, beta) = (1.0 / a, b / a, c / a);
    let at = |n: f64| lambda * n / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0));
    let end = highest / unit * BEYOND;
    let peak = (beta > 0.0 && alpha < 1.0).then(|| ((1.0 - alpha) / beta).sqrt()).filter(|n| *n <= end);
    let point = |rank: usize| 1.0 + (end - 1.0) * rank as f64 / (POINTS - 1) as f64;
    Usl {
        not_identifiable: None,
        unit,
        lambda,
        alpha,
        beta,
        error: (squared_error(&rows, &[a, b, c]) / rows.len() as f64).sqrt(),
        peak: peak.map(|n| n * unit),
        curve: (0..POINTS).map(|rank| (point(rank) * unit, at(point(rank)))).collect(),
    }
}

/// One point for each load: the mean of what was achieved at it.
fn levels(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> =
        points.iter().copied().filter(|(load, achieved)| *load > 0.0 && *achieved > 0.0).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let same = |a: &(f64, f64), b: &(f64, f64)| a.0 == b.0;
    let mean = |level: &[(f64, f64)]| {
        (level[0].0, level.iter().map(|(_, achieved)| achieved).sum::<f64>() / level.len() as f64)
    };
    points.chunk_by(same).map(mean).collect()
}
