//! The Universal Scalability Law against curves that are known.

use crate::judge::capacity::{Purpose, usl};

const UNIT: f64 = 50.0;

/// X(n) with λ = 100, α = 0.05 and β = 0.002.
fn achieved(n: f64) -> f64 {
    100.0 * n / (1.0 + 0.05 * (n - 1.0) + 0.002 * n * (n - 1.0))
}

fn points() -> Vec<(f64, f64)> {
    [1.0, 2.0, 4.0, 8.0, 12.0, 20.0].map(|n| (n * UNIT, achieved(n))).into()
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6 * other.abs().max(1.0)
}

#[test]
fn the_curve_goes_on_past_its_peak() {
    let fit = usl::fit(&points(), Some(1_000.0));
    assert!(near(fit.lambda, 100.0) && near(fit.alpha, 0.05) && near(fit.beta, 0.002) && fit.unit == UNIT, "{fit:?}");
    assert!(fit.peak.is_some_and(|peak| near(peak, UNIT * (0.95f64 / 0.002).sqrt())), "{:?}", fit.peak);
    assert_eq!(fit.curve.len(), 60);
    for (rank, (load, value)) in fit.curve.iter().enumerate() {
        // From the lowest level to one and a half times the highest.
        let n = 1.0 + 29.0 * rank as f64 / 59.0;
        assert!(near(*load, n * UNIT) && near(*value, achieved(n)), "{rank}: {load} {value}");
    }
    let near_levels: Vec<(f64, f64)> = points().into_iter().map(|(load, value)| (load / 4.0, value)).collect();
    assert!(usl::fit(&near_levels, Some(250.0)).peak.is_some(), "a unit is only a unit");
    let low: Vec<(f64, f64)> = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|n| (n * UNIT, achieved(n))).into();
    assert_eq!(usl::fit(&low, Some(300.0)).peak, None, "it lies far behind the curve");
}

#[test]
fn the_error_is_the_mean_of_how_far_the_levels_stray() {
    let mut strayed = points();
    strayed[1].1 *= 1.1;
    strayed[4].1 *= 0.9;
    let fit = usl::fit(&strayed, Some(1_000.0));
    let at = |n: f64| fit.lambda * n / (1.0 + fit.alpha * (n - 1.0) + fit.beta * n * (n - 1.0));
    let squares = strayed.iter().map(|(load, value)| (value / at(load / UNIT) - 1.0).powi(2));
    let expected = (squares.sum::<f64>() / 6.0).sqrt();
    assert!(expected > 0.03 && near(fit.error, expected), "{} {expected}", fit.error);
}

#[test]
fn a_level_is_the_mean_of_its_probes_and_nothing_is_none() {
    let whole = usl::fit(&points(), Some(1_000.0));
    let mut many = points();
    let (load, value) = many[2];
    many[2].1 = value - 9.0;
    many.extend([(load, value + 9.0), (0.0, 50.0), (25.0, 0.0)]);
    let fit = usl::fit(&many, Some(1_000.0));
    assert!(near(fit.lambda, whole.lambda) && near(fit.beta, whole.beta) && fit.unit == UNIT, "{fit:?}");
}

#[test]
fn purposes_have_names() {
    let names = [Purpose::Coarse, Purpose::Bisect, Purpose::Hold, Purpose::Overload].map(Purpose::name);
    assert_eq!(names, ["coarse", "bisect", "hold", "overload"]);
}
