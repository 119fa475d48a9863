//! Ratios as a picture: a lane for each metric over one logarithmic axis, on which
//! twice and half lie equally far from 1. Places are per cent from the left, so that
//! the page may be as wide as it likes.

use serde::Serialize;

/// The picture.
#[derive(Serialize)]
pub(super) struct Lanes {
    ticks: Vec<Tick>,
    lanes: Vec<Drawn>,
}

/// A metric. Ratios are B / A.
pub(super) struct Lane {
    pub(super) name: String,
    /// "known", "clean", "open" or "plain".
    pub(super) tone: &'static str,
    /// What is said of it, beside its name.
    pub(super) words: String,
    /// The middle.
    pub(super) ratio: Option<f64>,
    /// Where it may lie.
    pub(super) interval: Option<(f64, f64)>,
    /// From which ratio on B is too bad; below 1 where more is better.
    pub(super) margin: Option<f64>,
    pub(super) dots: Vec<Dot>,
}

/// A pair of runs.
pub(super) struct Dot {
    pub(super) ratio: f64,
    /// Whether it may show that nothing is worse.
    pub(super) is_valid: bool,
    pub(super) words: String,
}

#[derive(Serialize)]
struct Tick {
    at: f64,
    label: String,
    is_one: bool,
}

#[derive(Serialize)]
struct Span {
    left: f64,
    width: f64,
}

#[derive(Serialize)]
struct Drawn {
    name: String,
    tone: &'static str,
    words: String,
    middle: Option<f64>,
    interval: Option<Span>,
    beyond: Option<Span>,
    margin: Option<f64>,
    dots: Vec<Placed>,
}

#[derive(Serialize)]
struct Placed {
    left: f64,
    top: f64,
    is_valid: bool,
    words: String,
}

/// Ticks on one side of 1, by how far the axis reaches.
const TICKS: [(f64, &[f64]); 5] = [
    (1.13, &[1.05, 1.1]),
    (1.35, &[1.1, 1.2]),
    (2.3, &[1.25, 1.5, 2.0]),
    (6.0, &[1.5, 2.0, 4.0]),
    (30.0, &[2.0, 5.0, 20.0]),
];

/// How far the ends of the axis lie from 1, as ln.
struct Axis(f64);

impl Axis {
    fn around(lanes: &[Lane]) -> Self {
        let of = |lane: &Lane| {
            let ends = lane.interval.map(|(low, high)| [low, high]).into_iter().flatten();
            let dots = lane.dots.iter().map(|dot| dot.ratio);
            // A margin is to be seen as one, with room behind it.
            let margin = lane.margin.map(|margin| margin.powf(1.6));
            let all = lane.ratio.into_iter().chain(ends).chain(dots).chain(margin);
            all.map(|ratio| ratio.max(f64::MIN_POSITIVE).ln().abs()).fold(0.0, f64::max)
        };
        let far = lanes.iter().map(of).fold(1.1f64.ln(), f64::max);
        Self((far * 1.08).min(30f64.ln()))
    }

    fn at(&self, ratio: f64) -> f64 {
        let share = (ratio.max(f64::MIN_POSITIVE).ln() / self.0 + 1.0) / 2.0;
        (share.clamp(0.0, 1.0) * 10_000.0).round() / 100.0
    }

    fn span(&self, from: f64, to: f64) -> Span {
        let (left, right) = (self.at(from), self.at(to));
        Span { left, width: ((right - left) * 100.0).round() / 100.0 }
    }

    fn ticks(&self) -> Vec<Tick> {
        let side = TICKS.iter().find(|(far, _)| self.0 <= far.ln()).map_or(TICKS[TICKS.len() - 1].1, |(_, side)| side);
        let side = side.iter().filter(|ratio| ratio.ln() < self.0);
        let below = side.clone().rev().map(|ratio| 1.0 / ratio);
        let all = below.chain([1.0]).chain(side.copied());
        all.map(|ratio| Tick { at: self.at(ratio), label: format!("{ratio:.2}×"), is_one: ratio == 1.0 }).collect()
    }
}

/// Draws lanes over one axis.
pub(super) fn lanes(lanes: Vec<Lane>) -> Lanes {
    let axis = Axis::around(&lanes);
    let drawn = |lane: Lane| {
        // From the first pair at the top to the last at the bottom.
        let is_alone = lane.dots.len() == 1;
        let step = 56.0 / (lane.dots.len().max(2) - 1) as f64;
        let place = |(rank, dot): (usize, Dot)| Placed {
            left: axis.at(dot.ratio),
            top: if is_alone { 50.0 } else { ((22.0 + step * rank as f64) * 10.0).round() / 10.0 },
            is_valid: dot.is_valid,
            words: dot.words,
        };
        let beyond = lane.margin.map(|margin| match margin < 1.0 {
            true => Span { left: 0.0, width: axis.at(margin) },
            false => axis.span(margin, f64::MAX),
        });
        Drawn {
            name: lane.name.clone(),
            tone: lane.tone,
            words: lane.words.clone(),
            middle: lane.ratio.map(|ratio| axis.at(ratio)),
            interval: lane.interval.map(|(low, high)| axis.span(low, high)),
            beyond,
            margin: lane.margin.map(|margin| axis.at(margin)),
            dots: lane.dots.into_iter().enumerate().map(place).collect(),
        }
    };
    let ticks = axis.ticks();
    Lanes { ticks, lanes: lanes.into_iter().map(drawn).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(ratio: f64, margin: f64) -> Lane {
        let dot = |ratio| Dot { ratio, is_valid: true, words: String::new() };
        Lane {
            name: "ack.p99".to_owned(),
            tone: "open",
            words: String::new(),
            ratio: Some(ratio),
            interval: Some((ratio / 1.1, ratio * 1.1)),
            margin: Some(margin),
            dots: [0.9, 1.0, 1.2].map(|by| dot(ratio * by)).into(),
        }
    }

    #[test]
    fn twice_and_half_are_equally_far_and_what_is_beyond_the_margin_is_marked() {
        let picture = lanes(vec![lane(1.0, 2.0), lane(1.0, 0.5)]);
        let [slower, slower_rate] = &picture.lanes[..] else { panic!() };
        assert_eq!(slower.middle, Some(50.0));
        let (margin, below) = (slower.margin.unwrap(), slower_rate.margin.unwrap());
        assert!((margin - 50.0 - (50.0 - below)).abs() < 0.02, "{margin} {below}");
        let (beyond, under) = (slower.beyond.as_ref().unwrap(), slower_rate.beyond.as_ref().unwrap());
        assert!((beyond.left - margin).abs() < 0.01 && (beyond.left + beyond.width - 100.0).abs() < 0.01);
        assert_eq!((under.left, under.width), (0.0, below));
        let ticks: Vec<&str> = picture.ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(ticks, ["0.50×", "0.67×", "1.00×", "1.50×", "2.00×"]);
        assert!(slower.dots[0].left < slower.dots[1].left && slower.dots[0].top < slower.dots[1].top);
    }

    #[test]
    fn an_axis_never_ends_at_one_and_never_runs_away() {
        for (ratio, margin) in [(1.0, 1.01), (1e9, 1.1), (1e-9, 0.9)] {
            let picture = lanes(vec![lane(ratio, margin)]);
            assert!(picture.ticks.len() >= 3, "{ratio}");
            let places = picture.lanes[0].dots.iter().map(|dot| dot.left).chain(picture.lanes[0].middle);
            assert!(places.into_iter().all(|at| (0.0..=100.0).contains(&at)), "{ratio}");
        }
        assert!(lanes(Vec::new()).ticks.len() >= 3);
    }
}
