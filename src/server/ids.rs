//! Identities as they stand on the wire: `U…`, `C…` and `ts`.

use std::fmt::Write;

/// The team of every user.
pub(super) const TEAM_ID: &str = "T0POSTHASTE";

const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const WIDTH: u32 = 9;
/// Odd and no multiple of three, so multiplication modulo 36⁹ is a bijection.
const SCATTER: u128 = 48_271_906_163_657;
const MICROS: u64 = 1_000_000;
/// The first `ts` that has eleven digits before the point.
const TOO_LATE: u64 = 10_000_000_000 * MICROS;

/// The id of the user in row `number`.
pub(super) fn user_id(number: i64) -> String {
    scattered('U', number)
}

/// The id of the channel in row `number`.
pub(super) fn channel_id(number: i64) -> String {
    scattered('C', number)
}

/// The id of the app whose bot is in row `number`.
pub(super) fn app_id(number: i64) -> String {
    scattered('A', number)
}

/// Neighbouring rows get ids without a common beginning, as on a real server.
fn scattered(kind: char, number: i64) -> String {
    let mut rest = u128::from(number.unsigned_abs()) * SCATTER % 36u128.pow(WIDTH);
    let mut digits = [0u8; WIDTH as usize];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    let mut id = String::with_capacity(1 + WIDTH as usize);
    id.push(kind);
    id.extend(digits.iter().map(|digit| char::from(*digit)));
    id
}

/// A position in µs as `1712345678.000200`.
pub(super) fn ts_text(ts_us: u64) -> String {
    let mut text = String::with_capacity(17);
    // Writing to a String cannot fail.
    let _ = write!(text, "{:010}.{:06}", ts_us / MICROS, ts_us % MICROS);
    text
}

/// Reads a `ts`, or a bound of a history read: digits with at most six
/// decimals.
pub(super) fn parse_ts(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 10 || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
    let ts = whole.parse::<u64>().ok()?.checked_mul(MICROS)?.checked_add(micros)?;
    (ts < TOO_LATE).then_some(ts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_distinct_and_shaped() {
        let ids: HashSet<String> = (1..50_000).map(user_id).collect();
        assert_eq!(ids.len(), 49_999);
        assert!(ids.iter().all(|id| id.len() == 10 && id.starts_with('U')));
        assert_ne!(user_id(1)[1..4], user_id(2)[1..4]);
    }

    #[test]
    fn a_ts_reads_back_and_sorts_as_text() {
        for (text, ts) in [
            ("1712345678.000200", Some(1_712_345_678_000_200)),
            ("0000000000.000001", Some(1)),
            ("5", Some(5_000_000)),
            ("5.5", Some(5_500_000)),
            ("", None),
            ("now", None),
            ("-1.0", None),
            ("1.0000001", None),
            ("12345678901.0", None),
        ] {
            assert_eq!(parse_ts(text), ts, "{text}");
        }
        assert_eq!(ts_text(1_712_345_678_000_200), "1712345678.000200");
        assert!(ts_text(999_999) < ts_text(1_000_000));
    }
}
