//! Thresholds of a workload: `METRIC OP VALUE[UNIT] [during FAULT]`.

use super::{Fault, FaultKind};
use crate::model::{FindingKind, LatencyKind};
use std::fmt;

/// One condition that a run must meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written.
    pub expr: String,
    /// What is compared.
    pub metric: Metric,
    /// How.
    pub op: Comparison,
    /// With what: µs for latencies, 0 to 1 for shares, otherwise a number.
    pub value: f64,
    /// The faults that the metric is confined to; without, it is of the whole
    /// run.
    pub during: Option<During>,
}

/// Faults while which a latency is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum During {
    /// Any of the workload.
    Any,
    /// Those of a kind.
    Kind(FaultKind),
}

impl During {
    /// Whether a fault is one of them.
    pub fn takes(self, fault: &Fault) -> bool {
        match self {
            During::Any => true,
            During::Kind(kind) => fault.kind == kind,
        }
    }

    /// `fault`, or the name of a kind.
    fn parse(name: &str) -> Result<Self, String> {
        if name == "fault" {
            return Ok(During::Any);
        }
        let kind = FaultKind::ALL.into_iter().find(|kind| kind.name() == name).map(During::Kind);
        kind.ok_or_else(|| {
            let names = FaultKind::ALL.into_iter().map(FaultKind::name);
            match super::near::nearest(name, names, 1).first() {
                Some(near) => format!("during {name}: did you mean {near:?}?"),
                None => format!("during {name}: write during fault, or during the kind of one, such as during crash"),
            }
        })
    }
}

/// What a threshold may compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A figure of a latency: `ack.p99`.
    Latency {
        /// Which latency.
        kind: LatencyKind,
        /// Which figure of it.
        quantile: Quantile,
    },
    /// How many of a finding: `findings.acked_lost`.
    FindingCount(FindingKind),
    /// Of a finding, the count over what it is counted of, 0 to 1:
    /// `findings.live_missed.share`.
    FindingShare(FindingKind),
    /// A count of the ledger under its name in [`LEDGER_FIELDS`]:
    /// `ledger.retries`.
    Ledger(String),
    /// A rate of the load: `rates.achieved_per_s`.
    Rate(RateMetric),
    /// (rejected + unknown) / (intended − unattempted), 0 to 1: `errors.share`.
    /// What never left is the generator's fault, not an error of the target.
    ErrorShare,
    /// CPU time of the target's process over the messages that were
    /// acknowledged or written, in µs: `target.cpu_per_message`.
    TargetCpu,
    /// The most resident memory of the target's process, in bytes:
    /// `target.rss_max`.
    TargetMemory,
}

/// A figure of a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// Median.
    P50,
    /// 90 %.
    P90,
    /// 95 %.
    P95,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// 99.99 %.
    P9999,
    /// The greatest.
    Max,
    /// The number of samples, which is no time.
    Count,
}

/// A rate of the load, in messages or deliveries a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateMetric {
    /// Intended.
    Offered,
    /// Acknowledged.
    Achieved,
    /// Pushed and parsed.
    Delivered,
}

/// How a threshold compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
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
    /// `!=`
    NotEqual,
}

/// The counts that `ledger.FIELD` may name: the fields of the summary's
/// `ledger`.
pub const LEDGER_FIELDS: &[&str] = &[
    "intended",
    "acknowledged",
    "rejected",
    "unknown",
    "written",
    "unattempted",
    "stored",
    "entitled_deliveries",
    "live_deliveries",
    "healed",
    "unhealed",
    "unresolved",
    "attempts",
    "retries",
    "subscribers",
    "connections",
    "message_frames",
    "catch_up_pages",
];

impl Threshold {
    /// Parses `METRIC OP VALUE[UNIT] [during FAULT]`, other blanks optional. The
    /// error is a fragment that says what is wrong and what would be right.
    ///
    /// ```
    /// use posthaste::plan::Threshold;
    /// assert_eq!(Threshold::parse("ack.p99 < 250ms").unwrap().value, 250_000.0);
    /// assert!(Threshold::parse("ack.p98 < 250ms").unwrap_err().contains("ack.p99"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let expr = text.trim();
        let at = expr.find(['<', '>', '=', '!']).ok_or_else(|| {
            format!("threshold {expr:?} has no comparison; write METRIC OP VALUE, such as \"ack.p99 < 250ms\"")
        })?;
        let (op, length) = Comparison::leading(&expr[at..])
            .ok_or_else(|| format!("threshold {expr:?}: the comparison is one of < <= > >= == !="))?;
        let metric = Metric::parse(expr[..at].trim())?;
        let wrong = |why: String| format!("threshold {expr:?}: {why}");
        let right = expr[at + length..].trim();
        let (value, during) = match right.split_once(" during ") {
            Some((value, faults)) => (value.trim(), Some(During::parse(faults.trim()).map_err(wrong)?)),
            None => (right, None),
        };
        let is_told_apart = match &metric {
            // What became of each change is not kept by its time.
            Metric::Latency { kind: LatencyKind::Change, .. } => false,
            metric => metric.needs_latencies(),
        };
        if during.is_some() && !is_told_apart {
            return Err(wrong(format!("{metric} is of the whole run; only latencies are told apart by faults")));
        }
        let value = metric.parse_value(value).map_err(wrong)?;
        Ok(Self { expr: expr.to_owned(), metric, op, value, during })
    }

    /// Whether the faults that it is confined to are among these; what is wrong,
    /// where they are not.
    pub fn check_faults(&self, faults: &[Fault]) -> Result<(), String> {
        match self.during {
            Some(during) if !faults.iter().any(|fault| during.takes(fault)) => {
                Err(format!("threshold {:?}: the workload has no such fault", self.expr))
            }
            _ => Ok(()),
        }
    }

    /// Whether a measured value meets the threshold.
    pub fn holds(&self, measured: f64) -> bool {
        match self.op {
            Comparison::Less => measured < self.value,
            Comparison::LessOrEqual => measured <= self.value,
            Comparison::Greater => measured > self.value,
            Comparison::GreaterOrEqual => measured >= self.value,
            Comparison::Equal => measured == self.value,
            Comparison::NotEqual => measured != self.value,
        }
    }
}

impl Comparison {
    /// The operator at the start of a text, and its length.
    fn leading(text: &str) -> Option<(Self, usize)> {
        const ALL: [(&str, Comparison); 6] = [
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        ALL.into_iter().find(|(sign, _)| text.starts_with(sign)).map(|(sign, op)| (op, sign.len()))
    }
}

impl Quantile {
    /// All figures of a latency.
    pub const ALL: [Quantile; 8] = [
        Quantile::P50,
        Quantile::P90,
        Quantile::P95,
        Quantile::P99,
        Quantile::P999,
        Quantile::P9999,
        Quantile::Max,
        Quantile::Count,
    ];

    /// The name in thresholds.
    pub fn name(self) -> &'static str {
        match self {
            Quantile::P50 => "p50",
            Quantile::P90 => "p90",
            Quantile::P95 => "p95",
            Quantile::P99 => "p99",
            Quantile::P999 => "p99.9",
            Quantile::P9999 => "p99.99",
            Quantile::Max => "max",
            Quantile::Count => "count",
        }
    }
}

impl RateMetric {
    /// All rates.
    pub const ALL: [RateMetric; 3] = [RateMetric::Offered, RateMetric::Achieved, RateMetric::Delivered];

    /// The name in results and thresholds.
    pub fn name(self) -> &'static str {
        match self {
            RateMetric::Offered => "offered_per_s",
            RateMetric::Achieved => "achieved_per_s",
            RateMetric::Delivered => "delivered_per_s",
        }
    }
}

impl Metric {
    /// Every metric that a threshold may name.
    pub fn all() -> Vec<Metric> {
        let latencies = LatencyKind::ALL
            .into_iter()
            .flat_map(|kind| Quantile::ALL.into_iter().map(move |quantile| Metric::Latency { kind, quantile }));
        let findings =
            FindingKind::ALL.iter().flat_map(|kind| [Metric::FindingCount(*kind), Metric::FindingShare(*kind)]);
        latencies
            .chain(findings)
            .chain(LEDGER_FIELDS.iter().map(|field| Metric::Ledger((*field).to_owned())))
            .chain(RateMetric::ALL.into_iter().map(Metric::Rate))
            .chain([Metric::ErrorShare, Metric::TargetCpu, Metric::TargetMemory])
            .collect()
    }

    /// The metric of a name; the error lists the names that are near.
    /// `rate(NAME)` is short for `findings.NAME.share`, and `rate(errors)` for
    /// `errors.share`.
    pub fn parse(name: &str) -> Result<Self, String> {
        if let Some(of) = name.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')) {
            return match of.trim() {
                "errors" => Ok(Metric::ErrorShare),
                finding => Metric::parse(&format!("findings.{finding}.share")),
            };
        }
        let all = Metric::all();
        let names: Vec<String> = all.iter().map(Metric::to_string).collect();
        if let Some(found) = all.into_iter().find(|metric| metric.to_string() == name) {
            return Ok(found);
        }
        let hint = match super::near::nearest(name, names.iter().map(String::as_str), 3).as_slice() {
            [] => "metrics are LATENCY.p99, findings.NAME, findings.NAME.share, ledger.FIELD, rates.NAME, errors.share, target.NAME"
                .to_owned(),
            near => format!("did you mean {}?", near.join(", ")),
        };
        Err(format!("unknown metric {name:?}; {hint}"))
    }

    /// Whether the value is a time that a run with an invalid measurement
    /// withholds. The number of samples is exact all the same.
    pub fn needs_latencies(&self) -> bool {
        matches!(self, Metric::Latency { quantile, .. } if *quantile != Quantile::Count)
    }

    fn parse_value(&self, text: &str) -> Result<f64, String> {
        let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..digits], text[digits..].trim());
        let number: f64 = number.parse().map_err(|_| match text {
            "" => "the value is missing".to_owned(),
            _ => format!("{text:?} is not a number of 0 or more"),
        })?;
        let is_share = matches!(self, Metric::FindingShare(_) | Metric::ErrorShare);
        let factor = match unit {
            _ if *self == Metric::TargetMemory => match unit {
                "B" => 1.0,
                "kB" => 1e3,
                "MB" => 1e6,
                "GB" => 1e9,
                "" => return Err(format!("{self} is memory: give its unit, such as {text}MB")),
                _ => return Err(format!("unknown unit {unit:?}; the units of {self} are B, kB, MB and GB")),
            },
            _ if self.needs_latencies() || *self == Metric::TargetCpu => match unit {
                "us" | "µs" | "μs" => 1.0,
                "ms" => 1e3,
                "s" => 1e6,
                "" => return Err(format!("{self} is a time: give its unit, such as {text}ms")),
                _ => return Err(format!("unknown unit {unit:?}; the units of {self} are us, ms and s")),
            },
            "" => 1.0,
            "%" if is_share => 0.01,
            _ if is_share => return Err(format!("unknown unit {unit:?}; {self} is a share, such as 0.01 or 1%")),
            _ => return Err(format!("unknown unit {unit:?}; {self} is a plain number")),
        };
        Ok(number * factor)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Metric::Latency { kind, quantile } => write!(out, "{}.{}", kind.name(), quantile.name()),
            Metric::FindingCount(kind) => write!(out, "findings.{}", kind.name()),
            Metric::FindingShare(kind) => write!(out, "findings.{}.share", kind.name()),
            Metric::Ledger(field) => write!(out, "ledger.{field}"),
            Metric::Rate(rate) => write!(out, "rates.{}", rate.name()),
            Metric::ErrorShare => out.write_str("errors.share"),
            Metric::TargetCpu => out.write_str("target.cpu_per_message"),
            Metric::TargetMemory => out.write_str("target.rss_max"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_ones() {
        use Comparison::*;
        let latency = |kind, quantile| Metric::Latency { kind, quantile };
        for (text, metric, op, value) in [
            ("ack.p50 < 10ms", latency(LatencyKind::Ack, Quantile::P50), Less, 10_000.0),
            ("delivery.p99.9<=1.5s", latency(LatencyKind::Delivery, Quantile::P999), LessOrEqual, 1_500_000.0),
            ("heal_message.p99.99 > 7us", latency(LatencyKind::HealMessage, Quantile::P9999), Greater, 7.0),
            ("lag.max >= 7 µs", latency(LatencyKind::Lag, Quantile::Max), GreaterOrEqual, 7.0),
            ("ack.count >= 1000", latency(LatencyKind::Ack, Quantile::Count), GreaterOrEqual, 1_000.0),
            ("findings.acked_lost == 0", Metric::FindingCount(FindingKind::AckedLost), Equal, 0.0),
            (" findings.live_missed.share < 0.5% ", Metric::FindingShare(FindingKind::LiveMissed), Less, 0.005),
            ("findings.live_missed.share < .25", Metric::FindingShare(FindingKind::LiveMissed), Less, 0.25),
            ("ledger.retries != 3", Metric::Ledger("retries".to_owned()), NotEqual, 3.0),
            ("rates.achieved_per_s > 990", Metric::Rate(RateMetric::Achieved), Greater, 990.0),
            ("errors.share < 1%", Metric::ErrorShare, Less, 0.01),
            ("target.cpu_per_message < 400us", Metric::TargetCpu, Less, 400.0),
            ("target.rss_max<=1.5GB", Metric::TargetMemory, LessOrEqual, 1.5e9),
            ("heal.p95 < 2s", latency(LatencyKind::Heal, Quantile::P95), Less, 2_000_000.0),
            ("rate(live_missed) < 0.1%", Metric::FindingShare(FindingKind::LiveMissed), Less, 0.001),
            ("rate( errors )<=.5", Metric::ErrorShare, LessOrEqual, 0.5),
        ] {
            let expr = text.trim().to_owned();
            assert_eq!(Threshold::parse(text), Ok(Threshold { expr, metric, op, value, during: None }), "{text}");
        }
        for (text, during) in [
            ("heal.p95 < 2s during fault", During::Any),
            ("ack.p99<250ms during  drop-ack ", During::Kind(FaultKind::DropAck)),
        ] {
            assert_eq!(Threshold::parse(text).unwrap().during, Some(during), "{text}");
        }
    }

    #[test]
    fn wrong_ones() {
        for (text, error) in [
            ("ack.p98 < 1ms", "unknown metric \"ack.p98\"; did you mean ack.p90, ack.p95, ack.p99?"),
            (
                "acked_lost == 0",
                "unknown metric \"acked_lost\"; did you mean findings.acked_lost, findings.acked_lost.share?",
            ),
            (
                "findings.acked_losd.share < 1%",
                "unknown metric \"findings.acked_losd.share\"; did you mean findings.acked_lost.share?",
            ),
            (
                "ack.p99 < 1ms during crush",
                "threshold \"ack.p99 < 1ms during crush\": during crush: did you mean \"crash\"?",
            ),
            (
                "errors.share < 1% during crash",
                "threshold \"errors.share < 1% during crash\": errors.share is of the whole run; only latencies are \
                 told apart by faults",
            ),
            (
                "target.rss_max < 200",
                "threshold \"target.rss_max < 200\": target.rss_max is memory: give its unit, such as 200MB",
            ),
            (
                "rate(live_mised) < 1%",
                "unknown metric \"findings.live_mised.share\"; did you mean findings.live_missed.share?",
            ),
            (
                "zzz < 1",
                "unknown metric \"zzz\"; metrics are LATENCY.p99, findings.NAME, findings.NAME.share, ledger.FIELD, \
                 rates.NAME, errors.share, target.NAME",
            ),
            (
                "ack.p99 250ms",
                "threshold \"ack.p99 250ms\" has no comparison; write METRIC OP VALUE, such as \"ack.p99 < 250ms\"",
            ),
            ("ack.p99 = 1ms", "threshold \"ack.p99 = 1ms\": the comparison is one of < <= > >= == !="),
            ("ack.p99 < 250", "threshold \"ack.p99 < 250\": ack.p99 is a time: give its unit, such as 250ms"),
            ("ack.p99 < 2m", "threshold \"ack.p99 < 2m\": unknown unit \"m\"; the units of ack.p99 are us, ms and s"),
            ("ack.p99 <", "threshold \"ack.p99 <\": the value is missing"),
            ("ack.p99 < -1ms", "threshold \"ack.p99 < -1ms\": \"-1ms\" is not a number of 0 or more"),
            ("ack.p99 < inf", "threshold \"ack.p99 < inf\": \"inf\" is not a number of 0 or more"),
            ("ack.p99 < 1.2.3ms", "threshold \"ack.p99 < 1.2.3ms\": \"1.2.3ms\" is not a number of 0 or more"),
            (
                "errors.share < 1ms",
                "threshold \"errors.share < 1ms\": unknown unit \"ms\"; errors.share is a share, such as 0.01 or 1%",
            ),
            (
                "ledger.retries < 1%",
                "threshold \"ledger.retries < 1%\": unknown unit \"%\"; ledger.retries is a plain number",
            ),
        ] {
            assert_eq!(Threshold::parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn every_metric_has_a_name_of_its_own_that_gives_it_back() {
        let all = Metric::all();
        for (rank, metric) in all.iter().enumerate() {
            let name = metric.to_string();
            assert_eq!(Metric::parse(&name).as_ref(), Ok(metric));
            assert!(all[rank + 1..].iter().all(|other| other.to_string() != name));
            let needs = name.contains(".p") && !name.contains("rates") || name.ends_with(".max");
            assert_eq!(metric.needs_latencies(), needs && matches!(metric, Metric::Latency { .. }), "{name}");
        }
    }

    #[test]
    fn comparisons_hold_as_their_signs_say() {
        for (op, below, equal, above) in [
            ("<", true, false, false),
            ("<=", true, true, false),
            (">", false, false, true),
            (">=", false, true, true),
            ("==", false, true, false),
            ("!=", true, false, true),
        ] {
            let threshold = Threshold::parse(&format!("ledger.retries {op} 5")).unwrap();
            assert_eq!(threshold.op.to_string(), op);
            assert_eq!([4.0, 5.0, 6.0].map(|value| threshold.holds(value)), [below, equal, above], "{op}");
        }
    }
}
