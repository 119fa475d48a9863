//! Planted defects: real bugs of real servers, switched on by name, so that a
//! checker can be checked. Each instance that is committed is noted, so that
//! counts can be compared exactly.
//!
//! This module names, counts and notes; the defect itself stands where the
//! bug would live.

use super::directory::lock;
use super::ids;
use serde::Serialize;
use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! defects {
    ($($(#[$doc:meta])* $defect:ident = $name:literal every $every:literal,)*) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Defect { $($(#[$doc])* $defect,)* }

        impl Defect {
            /// All of them.
            pub const ALL: &[Defect] = &[$(Defect::$defect,)*];

            /// The name on the command line and in the log.
            pub fn name(self) -> &'static str {
                match self { $(Defect::$defect => $name,)* }
            }

            fn default_every(self) -> u64 {
                match self { $(Defect::$defect => $every,)* }
            }
        }
    };
}

defects! {
    /// Every n-th push (a message to a socket) is not delivered.
    DropLive = "drop-live" every 100,
    /// Every n-th new message is acknowledged, and its write is lost: it is
    /// neither stored nor pushed. Retries of it are acknowledged too.
    AckBeforePersist = "ack-before-persist" every 100,
    /// A repeated key makes a second row. Shows where an answer is lost.
    NoDedup = "no-dedup" every 1,
    /// The first row behind every n-th page edge of a history read is passed
    /// over.
    CursorSkip = "cursor-skip" every 1,
    /// New messages are pushed before they are stored, and every n-th store
    /// write fails, as do the retries of it.
    FanoutBeforePersist = "fanout-before-persist" every 100,
}

/// A defect and how often it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefectSpec {
    /// Which bug.
    pub defect: Defect,
    /// It shows at every n-th opportunity.
    pub every: NonZeroU64,
}

/// A `NAME[=every]` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefectError {
    /// No defect has this name.
    #[error("no defect is called {name:?}{hint}; there are {}", names())]
    Unknown {
        /// The name as given.
        name: String,
        /// A guess at what was meant, with its own punctuation.
        hint: String,
    },
    /// The count is no whole number above zero.
    #[error("{0:?} is no whole number above 0 (NAME=every)")]
    Every(String),
}

impl FromStr for DefectSpec {
    type Err = DefectError;

    fn from_str(text: &str) -> Result<Self, DefectError> {
        let (name, every) = text.split_once('=').map_or((text, None), |(name, every)| (name, Some(every)));
        let Some(defect) = Defect::ALL.iter().copied().find(|defect| defect.name() == name) else {
            return Err(DefectError::Unknown { name: name.to_owned(), hint: hint(name) });
        };
        let every = match every {
            Some(count) => count.parse().map_err(|_| DefectError::Every(count.to_owned()))?,
            None => NonZeroU64::new(defect.default_every()).unwrap_or(NonZeroU64::MIN),
        };
        Ok(Self { defect, every })
    }
}

fn names() -> String {
    Defect::ALL.iter().map(|defect| defect.name()).collect::<Vec<_>>().join(", ")
}

fn hint(name: &str) -> String {
    let likeness = |known: &str| strsim::jaro_winkler(known, name);
    let closest = Defect::ALL.iter().map(|defect| defect.name()).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    closest.filter(|known| likeness(known) > 0.7).map_or(String::new(), |known| format!("; did you mean {known:?}?"))
}

/// Counts opportunities.
#[derive(Debug)]
struct Turn {
    every: u64,
    seen: AtomicU64,
}

impl Turn {
    fn new(every: NonZeroU64) -> Self {
        Self { every: every.get(), seen: AtomicU64::new(0) }
    }

    fn comes(&self) -> bool {
        (self.seen.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.every)
    }
}

/// One committed instance of a defect.
#[derive(Debug, Serialize)]
pub(super) struct Instance<'a> {
    /// [`Defect::name`], or `lose-ack`.
    pub(super) defect: &'static str,
    /// The key of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_msg_id: Option<&'a str>,
    /// `C…`
    pub(super) channel: &'a str,
    /// `U…`: who was not told, or told wrongly, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
    /// Position of the row that the instance is about.
    #[serde(serialize_with = "as_ts")]
    pub(super) ts: u64,
}

fn as_ts<S: serde::Serializer>(ts_us: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&ids::ts_text(*ts_us))
}

/// The planted defects of one server.
#[derive(Debug, Default)]
pub(super) struct Defects {
    turns: Vec<(Defect, Turn)>,
    lose_ack: Option<Turn>,
    log: Option<Mutex<File>>,
}

impl Defects {
    pub(super) fn new(specs: &[DefectSpec], lose_ack: Option<NonZeroU64>, log: Option<File>) -> Self {
        let turns = specs.iter().map(|spec| (spec.defect, Turn::new(spec.every))).collect();
        Self { turns, lose_ack: lose_ack.map(Turn::new), log: log.map(Mutex::new) }
    }

    /// Whether a defect is planted.
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.turns.iter().any(|(planted, _)| *planted == defect)
    }

    /// Whether anything at all differs from a correct server.
    pub(super) fn any(&self) -> bool {
        !self.turns.is_empty() || self.lose_ack.is_some()
    }

    /// Counts an opportunity, and says whether the defect shows at it.
    pub(super) fn due(&self, defect: Defect) -> bool {
        self.turns.iter().any(|(planted, turn)| *planted == defect && turn.comes())
    }

    /// The same for the answer to a stored message.
    pub(super) fn lose_ack_due(&self) -> bool {
        self.lose_ack.as_ref().is_some_and(Turn::comes)
    }

    /// Notes an instance. It is in the file when this returns.
    pub(super) fn note(&self, instance: &Instance<'_>) {
        let Some(log) = &self.log else { return };
        let Ok(mut line) = serde_json::to_vec(instance) else { return };
        line.push(b'\n');
        if let Err(error) = lock(log).write_all(&line) {
            tracing::error!("cannot write the log of defects (--defect-log): {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_a_count() {
        for (text, every) in [("drop-live", 100), ("drop-live=7", 7), ("cursor-skip", 1)] {
            let spec: DefectSpec = text.parse().unwrap();
            assert_eq!((spec.every.get(), text.starts_with(spec.defect.name())), (every, true), "{text}");
        }
        for (text, says) in [
            ("drop-life", "did you mean \"drop-live\"?"),
            ("zzz", "there are drop-live, "),
            ("drop-live=0", "no whole number"),
            ("drop-live=", "no whole number"),
        ] {
            let error = text.parse::<DefectSpec>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(!"zzz".parse::<DefectSpec>().unwrap_err().to_string().contains("did you mean"));
    }

    #[test]
    fn a_turn_comes_at_every_nth_opportunity_of_its_own_defect() {
        let spec = |text: &str| text.parse().unwrap();
        let defects = Defects::new(&[spec("drop-live=3"), spec("cursor-skip=2")], NonZeroU64::new(1), None);
        let shows: Vec<bool> = (0..6).map(|_| defects.due(Defect::DropLive)).collect();
        assert_eq!(shows, [false, false, true, false, false, true]);
        assert!(!defects.due(Defect::CursorSkip) && defects.due(Defect::CursorSkip));
        assert!(!defects.due(Defect::NoDedup) && defects.lose_ack_due());
    }
}
