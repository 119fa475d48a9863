//! Tickets: what a socket's address says of who opens it.
//!
//! A ticket is signed with a key of the store, so that every server of the
//! store takes it, whichever has issued it: a balancer leads the socket where it
//! likes. Each server takes it once, within half a minute.

use super::sync::lock;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// How long a ticket is good for.
const LIFE: Duration = Duration::from_secs(30);

/// Who may open a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The user in this row.
    User(i64),
    /// The app whose bot is in this row.
    App(i64),
}

/// The tickets of one server.
#[derive(Debug)]
pub(super) struct Tickets {
    key: Box<str>,
    /// When each was used, as long as it would be good.
    used: Mutex<HashMap<Uuid, Instant>>,
}

impl Tickets {
    pub(super) fn new(key: Box<str>) -> Self {
        Self { key, used: Mutex::default() }
    }

    /// A ticket for one socket.
    pub(super) fn issue(&self, holder: Holder) -> String {
        let (kind, number) = match holder {
            Holder::User(number) => ('u', number),
            Holder::App(number) => ('a', number),
        };
        self.sign(&format!("{kind}.{number}"), LIFE)
    }

    /// Who may open a socket with a ticket, once.
    pub(super) fn redeem(&self, ticket: &str) -> Option<Holder> {
        let (claim, nonce) = self.verify(ticket)?;
        let (kind, number) = claim.split_once('.')?;
        let number = number.parse().ok()?;
        let holder = match kind {
            "u" => Holder::User(number),
            "a" => Holder::App(number),
            _ => return None,
        };
        let mut used = lock(&self.used);
        // A table that is about to grow is rid of what is stale first.
        if used.len() == used.capacity() {
            used.retain(|_, at| at.elapsed() <= LIFE);
        }
        used.insert(nonce, Instant::now()).is_none().then_some(holder)
    }

    /// A claim that every server of the store believes for so long.
    pub(super) fn sign(&self, claim: &str, life: Duration) -> String {
        self.sign_until(claim, now_s() + life.as_secs())
    }

    fn sign_until(&self, claim: &str, until_s: u64) -> String {
        let claim = format!("{claim}.{until_s}.{}", Uuid::new_v4().simple());
        let seal = self.seal(&claim);
        format!("{claim}.{seal:032x}")
    }

    /// What was claimed, and what tells it from every other claim; `None` where
    /// it was not signed with this key, or is stale.
    pub(super) fn verify<'a>(&self, signed: &'a str) -> Option<(&'a str, Uuid)> {
        let (claim, seal) = signed.rsplit_once('.')?;
        if u128::from_str_radix(seal, 16).ok()? != self.seal(claim) {
            return None;
        }
        let (claim, nonce) = claim.rsplit_once('.')?;
        let (claim, until_s) = claim.rsplit_once('.')?;
        let is_good = until_s.parse::<u64>().ok()? >= now_s();
        is_good.then_some((claim, Uuid::parse_str(nonce).ok()?))
    }

    /// The first half of a claim's HMAC.
    fn seal(&self, claim: &str) -> u128 {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()) else { return 0 };
        mac.update(claim.as_bytes());
        let whole = mac.finalize().into_bytes();
        whole[..16].iter().fold(0, |seal, byte| seal << 8 | u128::from(*byte))
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_on_each_server_of_the_store() {
        let server = || Tickets::new("key".into());
        let (one, other) = (server(), server());
        for holder in [Holder::User(7), Holder::App(8)] {
            let ticket = one.issue(holder);
            assert_eq!(other.redeem(&ticket), Some(holder), "issued by another server of the store");
            assert_eq!(other.redeem(&ticket), None, "used");
            assert_eq!(Tickets::new("another".into()).redeem(&ticket), None, "another store");
            assert_eq!(one.redeem(&ticket.replacen(['7', '8'], "9", 1)), None, "somebody else's");
        }
        assert_eq!(one.redeem(&one.sign_until("u.7", now_s() - 1)), None, "stale");
        assert_eq!(one.redeem(&one.sign("r.7", LIFE)), None, "another kind of claim");
        for malformed in ["", "x", "u.7.9", "u.7.9.x.0"] {
            assert_eq!(one.redeem(malformed), None, "{malformed}");
        }
    }
}
