//! Line charts. The lines are SVG that stretches with the page; ticks and words
//! stay HTML, so that they keep their size on a narrow screen.

use serde::Serialize;

/// What an axis shows, from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Equal steps.
    Linear {
        /// At the start.
        min: f64,
        /// At the end.
        max: f64,
    },
    /// Equal factors; both ends are above 0.
    Log {
        /// At the start.
        min: f64,
        /// At the end.
        max: f64,
    },
}

/// An axis: a scale, and the marks on it.
pub(super) struct Axis {
    pub(super) scale: Scale,
    /// Values and how they read.
    pub(super) ticks: Vec<(f64, String)>,
}

/// One line: a value for each x; a gap where there is none.
pub(super) struct Line {
    pub(super) name: String,
    /// One of the classes of the page: "a", "b", "c", "d", "faint".
    pub(super) ink: &'static str,
    pub(super) values: Vec<Option<f64>>,
}

/// A stretch of x that stands out, with a word on it.
pub(super) struct Band {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) label: String,
    /// "phase" or "fault".
    pub(super) kind: &'static str,
}

/// A chart that answers a question.
pub(super) struct Chart {
    pub(super) question: &'static str,
    pub(super) answer: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// The x of each value.
    pub(super) at: Vec<f64>,
    /// How an x reads.
    pub(super) at_words: Vec<String>,
    pub(super) lines: Vec<Line>,
    pub(super) bands: Vec<Band>,
    /// How a value reads.
    pub(super) value_words: fn(f64) -> String,
}

/// A chart as its template takes it: places are per cent of the width from the
/// left and of the height from the top.
#[derive(Serialize)]
pub(super) struct Drawn {
    question: &'static str,
    answer: String,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    lines: Vec<DrawnLine>,
    bands: Vec<DrawnBand>,
    hover: Hover,
}

#[derive(Serialize)]
struct Tick {
    at: f64,
    label: String,
}

#[derive(Serialize)]
struct DrawnLine {
    name: String,
    ink: &'static str,
    path: String,
}

#[derive(Serialize)]
struct DrawnBand {
    left: f64,
    width: f64,
    label: String,
    kind: &'static str,
}

/// What the pointer shows: words for each x, by line.
#[derive(Serialize)]
struct Hover {
    at: Vec<f64>,
    words: Vec<String>,
    values: Vec<Vec<String>>,
}

impl Scale {
    /// Where a value lies, 0 to 1; nothing for what a logarithm has no place
    /// for. What lies outside is put at the edge.
    fn place(self, value: f64) -> Option<f64> {
        let share = match self {
            Scale::Linear { min, max } => (value - min) / (max - min),
            Scale::Log { .. } if value <= 0.0 => return None,
            Scale::Log { min, max } => (value / min).ln() / (max / min).ln(),
        };
        share.is_finite().then(|| share.clamp(0.0, 1.0))
    }
}

impl Axis {
    /// From 0 to a round value above `max`, with four or five steps.
    pub(super) fn from_zero(max: f64, words: impl Fn(f64) -> String) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = round_step(max / 4.0);
        let steps = (max / step).ceil().max(1.0) as u32;
        let ticks = (0..=steps).map(|rank| step * f64::from(rank)).map(|value| (value, words(value)));
        Self { scale: Scale::Linear { min: 0.0, max: step * f64::from(steps) }, ticks: ticks.collect() }
    }

    /// Whole powers of ten around what there is.
    pub(super) fn decades(min: f64, max: f64, words: impl Fn(f64) -> String) -> Self {
        let low = min.max(1e-9).log10().floor() as i32;
        let high = (max.max(1e-9).log10().ceil() as i32).max(low + 1);
        let ticks = (low..=high).map(|power| 10f64.powi(power)).map(|value| (value, words(value)));
        Self { scale: Scale::Log { min: 10f64.powi(low), max: 10f64.powi(high) }, ticks: ticks.collect() }
    }
}

/// 1, 2 or 5 times a power of ten, at least so much.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= least * 0.999).unwrap_or(power)
}

impl Chart {
    pub(super) fn draw(self) -> Drawn {
        let across = |value: f64| self.x.scale.place(value).unwrap_or_default() * 100.0;
        let ticks = |axis: &Axis, from_top: bool| {
            let place =
                |value| axis.scale.place(value).map(|share| (if from_top { 1.0 - share } else { share }) * 100.0);
            let ticks = axis.ticks.iter().filter_map(|(value, label)| Some((place(*value)?, label.clone())));
            ticks.map(|(at, label)| Tick { at: rounded(at), label }).collect()
        };
        let words = |value: &Option<f64>| value.map_or_else(|| "–".to_owned(), self.value_words);
        Drawn {
            question: self.question,
            answer: self.answer.clone(),
            x_ticks: ticks(&self.x, false),
            y_ticks: ticks(&self.y, true),
            hover: Hover {
                at: self.at.iter().map(|at| rounded(across(*at))).collect(),
                words: self.at_words.clone(),
                values: self.lines.iter().map(|line| line.values.iter().map(words).collect()).collect(),
            },
            bands: self
                .bands
                .iter()
                .map(|band| {
                    let (left, right) = (across(band.from), across(band.to));
                    // A fault of no length is still to be seen.
                    let width = (right - left).max(0.4);
                    DrawnBand { left: rounded(left), width: rounded(width), label: band.label.clone(), kind: band.kind }
                })
                .collect(),
            lines: self
                .lines
                .iter()
                .map(|line| DrawnLine { name: line.name.clone(), ink: line.ink, path: self.path(line) })
                .collect(),
        }
    }

    /// The path in a square of 1,000 by 1,000. A value alone between gaps is a
    /// short stroke.
    fn path(&self, line: &Line) -> String {
        let place =
            |(at, value): (&f64, &Option<f64>)| Some((self.x.scale.place(*at)?, self.y.scale.place((*value)?)?));
        let places: Vec<Option<(f64, f64)>> = self.at.iter().zip(&line.values).map(place).collect();
        let mut path = String::new();
        for stretch in places.split(Option::is_none) {
            for (rank, (x, y)) in stretch.iter().flatten().enumerate() {
                let letter = if rank == 0 { 'M' } else { 'L' };
                path.push_str(&format!("{letter}{:.1} {:.1}", x * 1_000.0, (1.0 - y) * 1_000.0));
            }
            if stretch.len() == 1 {
                path.push_str("h.5");
            }
        }
        path
    }
}

fn rounded(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_values() {
        for (max, ticks) in [
            (0.0, vec![0.0, 0.5, 1.0]),
            (1.0, vec![0.0, 0.5, 1.0]),
            (208.5, vec![0.0, 100.0, 200.0, 300.0]),
            (1_000.0, vec![0.0, 500.0, 1_000.0]),
            (70.0, vec![0.0, 20.0, 40.0, 60.0, 80.0]),
        ] {
            let axis = Axis::from_zero(max, |value| value.to_string());
            let values: Vec<f64> = axis.ticks.iter().map(|(value, _)| *value).collect();
            assert_eq!(values, ticks, "{max}");
            assert_eq!(axis.scale, Scale::Linear { min: 0.0, max: ticks[ticks.len() - 1] }, "{max}");
        }
        let axis = Axis::decades(750.0, 45_500.0, |value| value.to_string());
        assert_eq!(axis.scale, Scale::Log { min: 100.0, max: 100_000.0 });
        assert_eq!(axis.ticks.len(), 4);
        let flat = Axis::decades(1_000.0, 1_000.0, |value| value.to_string());
        assert_eq!(flat.scale, Scale::Log { min: 1_000.0, max: 10_000.0 });
    }

    #[test]
    fn lines_have_gaps_and_bands_are_seen() {
        let chart = Chart {
            question: "?",
            answer: String::new(),
            x: Axis { scale: Scale::Linear { min: 0.0, max: 4.0 }, ticks: vec![(2.0, "middle".to_owned())] },
            y: Axis { scale: Scale::Log { min: 1.0, max: 100.0 }, ticks: vec![(100.0, "top".to_owned())] },
            at: vec![0.0, 1.0, 2.0, 3.0, 4.0],
            at_words: (0..5).map(|second| format!("0:0{second}")).collect(),
            lines: vec![Line {
                name: "ack".to_owned(),
                ink: "a",
                values: vec![Some(1.0), Some(10.0), None, Some(1_000.0), Some(0.0)],
            }],
            bands: vec![Band { from: 1.0, to: 1.0, label: "crash".to_owned(), kind: "fault" }],
            value_words: |value| format!("{value} ms"),
        };
        let drawn = chart.draw();
        assert_eq!(drawn.lines[0].path, "M0.0 1000.0L250.0 500.0M750.0 0.0h.5");
        assert_eq!((drawn.bands[0].left, drawn.bands[0].width), (25.0, 0.4));
        assert_eq!((drawn.x_ticks[0].at, drawn.y_ticks[0].at), (50.0, 0.0));
        assert_eq!(drawn.hover.values[0], ["1 ms", "10 ms", "–", "1000 ms", "0 ms"]);
    }
}
