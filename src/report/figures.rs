//! Numbers as people read them.

/// "1,234,567".
pub(super) use crate::judge::grouped as count;

/// "1 channel", "1,000 channels".
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A count for a narrow column: exact below ten million, "30.0M" from there.
pub(super) fn short_count(number: u64) -> String {
    match number {
        0..10_000_000 => count(number),
        10_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.2}G", number as f64 / 1e9),
    }
}

/// A duration with three digits: "812 µs", "11.2 ms", "1.42 s", "5 min 12 s".
/// The bounds are where rounding would show a fourth digit.
pub(super) fn duration(us: u64) -> String {
    let (milliseconds, seconds) = (us as f64 / 1e3, us as f64 / 1e6);
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..9_995 => format!("{milliseconds:.2} ms"),
        9_995..99_950 => format!("{milliseconds:.1} ms"),
        99_950..999_500 => format!("{milliseconds:.0} ms"),
        999_500..9_995_000 => format!("{seconds:.2} s"),
        9_995_000..99_950_000 => format!("{seconds:.1} s"),
        99_950_000..120_000_000 => format!("{seconds:.0} s"),
        _ => long_duration(us),
    }
}

/// Whole seconds, minutes and hours: "45 s", "5 min", "5 min 12 s",
/// "2 h 5 min".
pub fn long_duration(us: u64) -> String {
    let seconds = (us + 500_000) / 1_000_000;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, _) => format!("{rest} s"),
        (0, _, 0) => format!("{minutes} min"),
        (0, _, _) => format!("{minutes} min {rest} s"),
        (_, 0, _) => format!("{hours} h"),
        _ => format!("{hours} h {minutes} min"),
    }
}

/// An instant since the start of the run: "12.300 s".
pub(super) fn instant(us: u64) -> String {
    let milliseconds = us / 1_000;
    format!("{}.{:03} s", count(milliseconds / 1_000), milliseconds % 1_000)
}

/// Minutes and seconds as a clock shows them: "2:31", "1:02:31".
pub(super) fn clock(us: u64) -> String {
    let seconds = us / 1_000_000;
    match seconds / 3_600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// A rate: "20.04/s" below 100, "2,000.4/s" below 10,000, whole above.
pub(super) fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.0 {
        return "n/a".to_owned();
    }
    let digits = match per_second {
        rate if rate < 99.995 => 2,
        rate if rate < 9_999.95 => 1,
        _ => 0,
    };
    let text = format!("{per_second:.digits$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = count(whole.parse().unwrap_or(u64::MAX));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{whole}{point}{fraction}/s")
}

/// A rate for a line that changes four times a second: "20/s", "2,000/s".
pub(super) fn whole_rate(per_second: f64) -> String {
    format!("{}/s", count(per_second.max(0.0).round() as u64))
}

/// A share: "38 %", below one per cent "0.38 %".
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        percent if !percent.is_finite() => "n/a".to_owned(),
        percent if percent == 0.0 || percent >= 0.995 => format!("{percent:.0} %"),
        _ => format!("{percent:.2} %"),
    }
}

/// Memory in powers of ten: "212 MB", "1.42 GB".
pub(super) fn memory(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Copy + std::fmt::Debug>(show: impl Fn(T) -> String, rows: &[(T, &str)]) {
        for (value, text) in rows {
            assert_eq!(show(*value), *text, "{value:?}");
        }
    }

    #[test]
    fn counts() {
        check(count, &[(0, "0"), (999, "999"), (1_000, "1,000"), (30_005_700, "30,005,700")]);
        check(|number| counted(number, "channel"), &[(0, "0 channels"), (1, "1 channel"), (1_000, "1,000 channels")]);
        check(short_count, &[(9_999_999, "9,999,999"), (30_005_700, "30.0M"), (2_500_000_000, "2.50G")]);
    }

    #[test]
    fn durations_keep_three_digits() {
        check(
            duration,
            &[
                (0, "0 µs"),
                (999, "999 µs"),
                (1_000, "1.00 ms"),
                (9_994, "9.99 ms"),
                (9_995, "10.0 ms"),
                (11_210, "11.2 ms"),
                (99_949, "99.9 ms"),
                (99_950, "100 ms"),
                (999_499, "999 ms"),
                (999_500, "1.00 s"),
                (1_420_000, "1.42 s"),
                (9_995_000, "10.0 s"),
                (119_999_999, "120 s"),
                (120_000_000, "2 min"),
                (312_000_000, "5 min 12 s"),
                (3_600_000_000, "1 h"),
                (7_500_000_000, "2 h 5 min"),
            ],
        );
        check(instant, &[(12_300_999, "12.300 s"), (4_000_000_000, "4,000.000 s")]);
        check(clock, &[(0, "0:00"), (151_900_000, "2:31"), (3_751_000_000, "1:02:31")]);
    }

    #[test]
    fn rates_shares_and_memory() {
        check(
            rate,
            &[
                (20.04, "20.04/s"),
                (99.999, "100.0/s"),
                (2_000.44, "2,000.4/s"),
                (9_999.99, "10,000/s"),
                (100_018.4, "100,018/s"),
                (f64::NAN, "n/a"),
            ],
        );
        check(whole_rate, &[(1_999.6, "2,000/s"), (f64::NAN, "0/s")]);
        check(percent, &[(0.38, "38 %"), (0.0, "0 %"), (0.0038, "0.38 %"), (0.00996, "1 %"), (2.4, "240 %")]);
        check(memory, &[(999, "0 kB"), (212_000_000, "212 MB"), (1_420_000_000, "1.42 GB")]);
    }
}
