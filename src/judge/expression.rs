//! A threshold as written: a metric, a comparison and a bound.
//!
//! ```text
//! delivery.p99 < 250ms          ack.max <= 2s
//! findings.acked_lost == 0      findings.live_missed.share < 0.1%
//! ledger.unknown < 10           rates.achieved_per_s >= 990
//! error_share < 1%
//! ```

use crate::model::{FindingKind, LatencyKind};

/// One threshold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Threshold {
    /// What is compared.
    pub(super) metric: Metric,
    /// How.
    pub(super) op: Comparison,
    /// With what: µs for latencies, a number from 0 to 1 for shares.
    pub(super) value: f64,
}

/// What a threshold can name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Metric {
    /// A quantile of a latency; 1 is the maximum.
    Latency {
        /// Which latency.
        kind: LatencyKind,
        /// The quantile.
        quantile: f64,
    },
    /// How many instances a finding has.
    FindingCount(FindingKind),
    /// Of how many that could have been.
    FindingShare(FindingKind),
    /// A count of the ledger by its name in the summary.
    Ledger(String),
    /// A rate by its name in the summary.
    Rate(String),
    /// Messages that were rejected or stayed unknown, of those that left.
    ErrorShare,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

impl Comparison {
    /// The longer signs first: `<=` begins with `<`.
    const SIGNS: [(&'static str, Comparison); 5] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("==", Comparison::Equal),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];

    /// Whether a value holds against a bound.
    pub(super) fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Comparison::Less => value < bound,
            Comparison::LessOrEqual => value <= bound,
            Comparison::Greater => value > bound,
            Comparison::GreaterOrEqual => value >= bound,
            Comparison::Equal => value == bound,
        }
    }
}

impl Threshold {
    /// Reads a threshold; `None` where it is not one.
    pub(super) fn parse(expr: &str) -> Option<Self> {
        let at = expr.find(['<', '>', '='])?;
        let (metric, rest) = expr.split_at(at);
        let (sign, op) = Comparison::SIGNS.into_iter().find(|(sign, _)| rest.starts_with(sign))?;
        let metric = Metric::parse(metric.trim())?;
        let value = metric.bound(rest[sign.len()..].trim())?;
        Some(Self { metric, op, value })
    }
}

impl Metric {
    fn parse(name: &str) -> Option<Self> {
        let parts: Vec<&str> = name.splitn(2, '.').collect();
        match parts[..] {
            ["error_share"] => Some(Metric::ErrorShare),
            ["ledger", count] => Some(Metric::Ledger(count.to_owned())),
            ["rates", rate] => Some(Metric::Rate(rate.to_owned())),
            ["findings", finding] => match finding.strip_suffix(".share") {
                Some(finding) => FindingKind::from_name(finding).map(Metric::FindingShare),
                None => FindingKind::from_name(finding).map(Metric::FindingCount),
            },
            [latency, figure] => {
                let kind = LatencyKind::from_name(latency)?;
                Some(Metric::Latency { kind, quantile: quantile(figure)? })
            }
            _ => None,
        }
    }

    fn bound(&self, text: &str) -> Option<f64> {
        let unit_at = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let number: f64 = text[..unit_at].parse().ok()?;
        let factor = match (self, text[unit_at..].trim()) {
            (Metric::Latency { .. }, "us" | "µs") => 1.0,
            (Metric::Latency { .. }, "ms") => 1e3,
            (Metric::Latency { .. }, "s") => 1e6,
            (Metric::FindingShare(_) | Metric::ErrorShare, "%") => 0.01,
            (Metric::Latency { .. }, _) => return None,
            (_, "") => 1.0,
            _ => return None,
        };
        Some(number * factor)
    }
}

/// `p50`, `p99`, `p99.9` or, as in the summary, `p999`; `max` is 1.
fn quantile(figure: &str) -> Option<f64> {
    if figure == "max" {
        return Some(1.0);
    }
    let digits: String = figure.strip_prefix('p')?.chars().filter(|letter| *letter != '.').collect();
    let all_digits = digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| format!("0.{digits}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_or_refused() {
        let p = |kind, quantile| Metric::Latency { kind, quantile };
        for (expr, metric, op, value) in [
            ("delivery.p99 < 250ms", p(LatencyKind::Delivery, 0.99), Comparison::Less, 250_000.0),
            ("ack.p99.9<=2s", p(LatencyKind::Ack, 0.999), Comparison::LessOrEqual, 2_000_000.0),
            ("heal.p999 < 900us", p(LatencyKind::Heal, 0.999), Comparison::Less, 900.0),
            ("service.max < 1.5s", p(LatencyKind::Service, 1.0), Comparison::Less, 1_500_000.0),
            ("findings.acked_lost == 0", Metric::FindingCount(FindingKind::AckedLost), Comparison::Equal, 0.0),
            ("findings.healed.share > 5%", Metric::FindingShare(FindingKind::Healed), Comparison::Greater, 0.05),
            ("ledger.unknown < 10", Metric::Ledger("unknown".to_owned()), Comparison::Less, 10.0),
            (
                "rates.achieved_per_s >= 990",
                Metric::Rate("achieved_per_s".to_owned()),
                Comparison::GreaterOrEqual,
                990.0,
            ),
            ("error_share < 1%", Metric::ErrorShare, Comparison::Less, 0.01),
        ] {
            assert_eq!(Threshold::parse(expr), Some(Threshold { metric, op, value }), "{expr}");
        }
        for expr in
            ["", "delivery.p99", "delivery.p99 = 5ms", "delivery.p99 < 5", "delivery.p9 < 5ms", "nobody.p99 < 5ms"]
                .into_iter()
                .chain(["findings.nothing == 0", "ledger.unknown < 10ms", "error_share < x", "delivery.px9 < 5ms"])
        {
            assert_eq!(Threshold::parse(expr), None, "{expr}");
        }
    }
}
