//! Durations and shares as people write them.

const UNITS: [(&str, u64); 6] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1), ("µs", 1)];

/// A duration in µs: numbers with units behind each other, such as `1m30s`,
/// `250ms` or `1.5s`. Exact: a part finer than 1 µs is refused.
pub fn parse_duration(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let mut rest = text;
    let mut total_us = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, unit_us) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit.trim())
            .ok_or_else(|| format!("{text:?} has {}; units are h, m, s, ms and us", unit_fault(unit)))?;
        let part_us = exact(number, unit_us).ok_or_else(|| format!("{text:?} is not a whole number of µs"))?;
        total_us = total_us.checked_add(part_us).ok_or_else(|| format!("{text:?} is too long"))?;
        rest = after.trim_start();
    }
    if text.is_empty() { Err("\"\" is no duration".to_owned()) } else { Ok(total_us) }
}

fn unit_fault(unit: &str) -> String {
    match unit.trim() {
        "" => "no unit".to_owned(),
        unit => format!("the unknown unit {unit:?}"),
    }
}

/// A decimal number times a unit, where that is whole.
fn exact(number: &str, unit_us: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole_us = if whole.is_empty() && !fraction.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let scale = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()?.checked_mul(unit_us)? };
    if parts % scale != 0 {
        return None;
    }
    whole_us.checked_mul(unit_us)?.checked_add(parts / scale)
}

/// A duration in the form that [`parse_duration`] reads back exactly.
pub(super) fn format_duration(duration_us: u64) -> String {
    let mut text = String::new();
    let mut left_us = duration_us;
    for (unit, unit_us) in UNITS.into_iter().take(5) {
        if left_us >= unit_us {
            text.push_str(&format!("{}{unit}", left_us / unit_us));
            left_us %= unit_us;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A share from `10%`, as the number 0.1.
pub(super) fn parse_percent(text: &str) -> Option<f64> {
    text.trim().strip_suffix('%')?.trim_end().parse::<f64>().ok().map(|percent| percent / 100.0)
}

/// A number as TOML: without a fraction where it is whole.
pub(super) fn format_number(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{number:.0}") } else { format!("{number:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("10s", Ok(10_000_000)),
            ("250ms", Ok(250_000)),
            ("1m30s", Ok(90_000_000)),
            ("1h 1us", Ok(3_600_000_001)),
            ("1.5s", Ok(1_500_000)),
            (".5s", Ok(500_000)),
            ("0.000001s", Ok(1)),
            ("0s", Ok(0)),
            ("7 µs", Ok(7)),
            ("", Err("\"\" is no duration")),
            ("10", Err("\"10\" has no unit; units are h, m, s, ms and us")),
            ("10 sec", Err("\"10 sec\" has the unknown unit \"sec\"; units are h, m, s, ms and us")),
            ("-1s", Err("\"-1s\" has the unknown unit \"-\"; units are h, m, s, ms and us")),
            ("s", Err("\"s\" is not a whole number of µs")),
            (".s", Err("\".s\" is not a whole number of µs")),
            ("1.2.3s", Err("\"1.2.3s\" is not a whole number of µs")),
            ("0.0000001s", Err("\"0.0000001s\" is not a whole number of µs")),
            ("9999999999999h", Err("\"9999999999999h\" is not a whole number of µs")),
        ] {
            assert_eq!(parse_duration(text), expected.map_err(str::to_owned), "{text}");
        }
        for (duration_us, text) in [(90_000_000, "1m30s"), (1_500_000, "1s500ms"), (0, "0s"), (1, "1us")] {
            assert_eq!(format_duration(duration_us), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(duration_us: u64, number in 0.0f64..1e18) {
            prop_assert_eq!(parse_duration(&format_duration(duration_us)), Ok(duration_us));
            let value: toml_edit::Value = format_number(number).parse().unwrap();
            let read = value.as_float().or(value.as_integer().map(|whole| whole as f64));
            prop_assert_eq!(read, Some(number));
        }
    }

    #[test]
    fn percents() {
        for (text, expected) in [("10%", Some(0.1)), (" 0.5 % ", Some(0.005)), ("10", None), ("%", None)] {
            assert_eq!(parse_percent(text), expected, "{text}");
        }
    }
}
