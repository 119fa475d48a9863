//! The signature of what is posted to an app: `v0=` and the hexadecimal
//! HMAC-SHA256, under the signing secret, of `v0:{timestamp}:{body}`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How old or how new a timestamp may be, in seconds.
const TOLERANCE_S: u64 = 300;

/// Whether a body was signed with the secret within five minutes of `now_s`, in
/// seconds since the epoch. `timestamp` and `signature` are the headers
/// `X-Slack-Request-Timestamp` and `X-Slack-Signature`.
pub fn is_signed(secret: &str, timestamp: &str, signature: &str, body: &[u8], now_s: u64) -> bool {
    let recent = timestamp.parse::<u64>().is_ok_and(|stamp| stamp.abs_diff(now_s) <= TOLERANCE_S);
    let (Some(given), Ok(mut mac)) = (read(signature), Hmac::<Sha256>::new_from_slice(secret.as_bytes())) else {
        return false;
    };
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    // In constant time.
    recent && mac.verify_slice(&given).is_ok()
}

fn read(signature: &str) -> Option<Vec<u8>> {
    let digits = signature.strip_prefix("v0=").filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    (0..64).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_published_example_is_signed() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let (secret, stamp, now_s) = ("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", 1_531_420_618);
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let other = signature.replace("v0=a", "v0=b");
        for (secret, stamp, signature, body, now_s, signed, reason) in [
            (secret, stamp, signature, body, now_s, true, "the example"),
            (secret, stamp, signature, body, now_s + 300, true, "old, but not too old"),
            (secret, stamp, signature, body, now_s + 301, false, "a replay"),
            (secret, stamp, signature, body, now_s - 301, false, "from the future"),
            ("another", stamp, signature, body, now_s, false, "another secret"),
            (secret, "1531420619", signature, body, now_s, false, "another timestamp"),
            (secret, stamp, &other, body, now_s, false, "another signature"),
            (secret, stamp, signature, &body[1..], now_s, false, "another body"),
            (secret, stamp, &signature[3..], body, now_s, false, "no version"),
            (secret, stamp, "v0=", body, now_s, false, "no digits"),
            (secret, "", signature, body, now_s, false, "no timestamp"),
        ] {
            assert_eq!(is_signed(secret, stamp, signature, body.as_bytes(), now_s), signed, "{reason}");
        }
    }
}
