//! Wilcoxon's signed-rank test and the interval and estimate that belong to it,
//! exact for as many pairs as a comparison has (Hollander, Wolfe and Chicken,
//! "Nonparametric Statistical Methods", sections 3.1 to 3.3).

/// The means of every two differences, each with itself too, in order: Walsh
/// averages.
fn walsh_averages(differences: &[f64]) -> Vec<f64> {
    let pairs = (0..differences.len()).flat_map(|first| (first..differences.len()).map(move |second| (first, second)));
    let mut averages: Vec<f64> = pairs.map(|(one, two)| (differences[one] + differences[two]) / 2.0).collect();
    averages.sort_by(f64::total_cmp);
    averages
}

/// The Hodges–Lehmann estimate of the middle of symmetric differences: the
/// median of the Walsh averages. 0 without differences.
pub fn middle(differences: &[f64]) -> f64 {
    let averages = walsh_averages(differences);
    match averages.len() {
        0 => 0.0,
        count if count % 2 == 1 => averages[count / 2],
        count => (averages[count / 2 - 1] + averages[count / 2]) / 2.0,
    }
}

/// P(T⁺ ≥ t) for each t from 0 to n(n + 1)/2 + 1, if the middle is 0.
fn upper_tail(pairs: usize) -> Vec<f64> {
    let most = pairs * (pairs + 1) / 2;
    // Of the 2ⁿ choices of signs, the share whose positive ranks sum up to t.
    let mut shares = vec![0.0; most + 1];
    shares[0] = 1.0;
    for rank in 1..=pairs {
        for sum in (0..=most).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = (shares[sum] + with) / 2.0;
        }
    }
    let mut tail = vec![0.0; most + 2];
    for sum in (0..=most).rev() {
        tail[sum] = tail[sum + 1] + shares[sum];
    }
    tail
}

/// The probability of differences at least so far above `bound`, if their
/// middle were `bound` or less. Differences that equal the bound speak against
/// the test. 1 without differences.
pub fn p_above(differences: &[f64], bound: f64) -> f64 {
    let above = walsh_averages(differences).into_iter().filter(|average| *average > bound).count();
    upper_tail(differences.len())[above]
}

/// The same for differences below `bound`.
pub fn p_below(differences: &[f64], bound: f64) -> f64 {
    let mirrored: Vec<f64> = differences.iter().map(|difference| -difference).collect();
    p_above(&mirrored, -bound)
}

/// The interval that holds the middle with at least `confidence`, from the
/// Walsh averages; infinite ends where there are too few differences.
pub fn interval(differences: &[f64], confidence: f64) -> (f64, f64) {
    let averages = walsh_averages(differences);
    let tail = upper_tail(differences.len());
    let most = averages.len();
    // As many averages are cut off at each end as leave no more than half of
    // what may be missed.
    let cut = (0..=most).take_while(|cut| tail[most - cut] <= (1.0 - confidence) / 2.0).last();
    match cut {
        Some(cut) if 2 * cut < most => (averages[cut], averages[most - 1 - cut]),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Normal};

    #[test]
    fn the_distribution_is_that_of_the_tables() {
        // P(T⁺ ≥ t) from the tables of the book named above.
        for (pairs, sum, probability) in
            [(3, 6, 0.125), (5, 15, 0.031), (8, 30, 0.055), (8, 33, 0.020), (10, 44, 0.053), (12, 61, 0.046)]
        {
            assert!((upper_tail(pairs)[sum] - probability).abs() < 0.0006, "{pairs} {sum}: {}", upper_tail(pairs)[sum]);
        }
        // The smallest that eight pairs can show decides that four metrics may gate.
        assert_eq!(upper_tail(8)[36], 1.0 / 256.0);
    }

    #[test]
    fn many_pairs_come_near_the_normal_distribution() {
        for pairs in [20usize, 40] {
            let n = pairs as f64;
            let mean = n * (n + 1.0) / 4.0;
            let spread = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
            let normal = Normal::new(mean, spread).unwrap();
            for sum in (0..=pairs * (pairs + 1) / 2).step_by(7) {
                let near = 1.0 - normal.cdf(sum as f64 - 0.5);
                assert!((upper_tail(pairs)[sum] - near).abs() < 0.006, "{pairs} {sum}");
            }
        }
    }

    #[test]
    fn estimate_and_interval_of_an_example() {
        let differences = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(middle(&differences), 3.5);
        // With six pairs 95 % takes all 21 averages but none: P(T⁺ ≥ 21) = 1/64.
        assert_eq!(interval(&differences, 0.95), (1.0, 6.0));
        assert_eq!(interval(&differences, 0.90), (2.0, 5.0));
        assert_eq!(interval(&differences[..3], 0.95), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!((p_above(&differences, 0.0), p_below(&differences, 0.0)), (1.0 / 64.0, 1.0));
        assert_eq!(p_above(&[], 0.0), 1.0);
        assert_eq!(p_above(&[0.2; 3], 0.2), 1.0, "what equals the bound is not above it");
        // Six averages: 1, 1.5, 2, 2.5, 3, 4.
        assert_eq!((middle(&[1.0, 2.0, 4.0]), middle(&[])), (2.25, 0.0));
    }

    #[test]
    fn test_and_interval_agree() {
        let differences = [0.3, -0.1, 0.22, 0.41, 0.05, 0.17, 0.6, 0.33, 0.09, 0.28, -0.02, 0.12];
        let (low, high) = interval(&differences, 0.95);
        assert!(p_above(&differences, low - 1e-9) <= 0.025 && p_above(&differences, low + 1e-9) > 0.02);
        assert!(p_below(&differences, high + 1e-9) <= 0.025 && p_below(&differences, high - 1e-9) > 0.02);
        assert!(low < middle(&differences) && middle(&differences) < high);
    }
}
