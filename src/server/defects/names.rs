//! The defects by name: what each does, and how one is asked for.

use std::num::NonZeroU64;
use std::str::FromStr;

macro_rules! defects {
    ($($(#[doc = $doc:literal])* $defect:ident = $name:literal every $every:literal,)*) => {
        /// A bug that can be planted.
        ///
        /// The first sentence of each says what the bug does; the rest says
        /// what one instance of the log is, and how a finding is counted from
        /// the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Defect { $($(#[doc = $doc])* $defect,)* }

        impl Defect {
            /// All of them.
            pub const ALL: &[Defect] = &[$(Defect::$defect,)*];

            /// The name on the command line and in the log.
            pub fn name(self) -> &'static str {
                match self { $(Defect::$defect => $name,)* }
            }

            /// At which opportunities it shows where no count is given: every
            /// n-th.
            pub fn default_every(self) -> u64 {
                match self { $(Defect::$defect => $every,)* }
            }

            fn doc(self) -> &'static [&'static str] {
                match self { $(Defect::$defect => &[$($doc),*],)* }
            }
        }
    };
}

defects! {
    /// Every n-th push (a message to a socket) is not delivered.
    ///
    /// An instance is a push that is missing: `live_missed`.
    DropLive = "drop-live" every 100,
    /// Every n-th new message is acknowledged, and its write is lost.
    ///
    /// It is neither stored nor pushed, and retries of it are acknowledged
    /// too. An instance is such a message: `acked_lost`.
    AckBeforePersist = "ack-before-persist" every 100,
    /// A repeated key makes a second row; shows where an answer is lost.
    ///
    /// An instance is a further row: `store_duplicates`.
    NoDedup = "no-dedup" every 1,
    /// Keys are known in memory only, which is lost before every n-th repetition and at a restart.
    ///
    /// An instance is a further row: `store_duplicates`. A large n leaves the
    /// restart alone.
    DedupInMemory = "dedup-in-memory" every 2,
    /// A key is looked up, and stored some milliseconds later without another look.
    ///
    /// Two equal posts at once both find nothing. Every n-th look-up is
    /// followed by the pause. An instance is a further row:
    /// `store_duplicates`.
    DedupRace = "dedup-race" every 1,
    /// A cache of recent keys compares so little of them that one in n is taken for its sender's last.
    ///
    /// The message is acknowledged with the id of the other one and is neither
    /// stored nor pushed. An instance is such an answer; distinct keys of them
    /// are `acked_lost`, and `ack_identity` too. `every` sets how much of a
    /// key is compared, so the instances come by chance.
    DedupTruncatedKey = "dedup-truncated-key" every 20,
    /// Every n-th new message has its key recorded and its insert fails; the retry is acknowledged.
    ///
    /// An instance is such a message, noted when its retry is acknowledged:
    /// `acked_lost`. Without retries it is none (`unknown_absent`).
    KeyBeforeInsert = "key-before-insert" every 100,
    /// Every n-th repetition is acknowledged with a new id, which no row has.
    ///
    /// An instance is such an answer: `ack_identity`, where it is the one that
    /// the sender keeps. Shows where an answer is lost.
    NewIdOnRetry = "new-id-on-retry" every 1,
    /// New messages are pushed before they are stored, and every n-th store write fails.
    ///
    /// The retries of it fail too. An instance is such a message: `phantom`.
    FanoutBeforePersist = "fanout-before-persist" every 100,
    /// Every n-th new message is stored and pushed, and its sender is told that it was refused.
    ///
    /// An instance is such a message: `rejected_stored`.
    StoreRejected = "store-rejected" every 100,
    /// Every n-th new message is stored and pushed, and its sender is told HTTP 500.
    ///
    /// No loss and no duplicate: a retry is recognised. An instance is such a
    /// message; without retries it is `unknown_stored`.
    StoreThen500 = "store-then-500" every 100,
    /// Every n-th stored text is cut at 60 characters.
    ///
    /// Pushes are whole. An instance is a row that is cut: `corrupt`. With every
    /// text cut, that is how the target stores them, and nothing is said of it.
    Mangle = "mangle" every 100,
    /// Every n-th message that a history read returns fresh is gone soon after.
    ///
    /// Fresh is what was stored within a second: the bug loses rows as it
    /// moves them from where fresh ones are kept, so it spares what is read
    /// long after the load. An instance is a row that was returned and is
    /// gone: `vanished`, unless the answer never reached its reader (then
    /// `acked_lost`).
    Vanish = "vanish" every 20,
    /// Every n-th message has its position given before, and committed after, those of others.
    ///
    /// Its commit and its acknowledgement come some 30 to 150 ms after its
    /// position is given. The fan-out follows the positions, so it has passed
    /// the message too and does not push it (`live_missed`, not in the log).
    /// An instance is a reader whose history read passed the position before
    /// the commit: distinct pairs of reader and key are `unhealed`, less those
    /// whose read was cut short before its end.
    LateCommit = "late-commit" every 50,
    /// Every n-th message of a sender gets a position before its previous one in the channel.
    ///
    /// An instance is such a message: `sender_order`. Its push carries the
    /// position, so it is `live_reordered` too for each who has the previous
    /// one live, and `unhealed` for each who misses the push and whose cursor
    /// has passed the position.
    LatePosition = "late-position" every 50,
    /// The first row behind every n-th page edge of a history read is passed over.
    ///
    /// An instance is a reader and a row that it was not shown, with the size
    /// of the page. `unhealed` are the distinct pairs of the catch-ups' page
    /// size, less those that the reader obtained live; `page_anomaly` are the
    /// distinct rows of the final reads' page sizes.
    CursorSkip = "cursor-skip" every 1,
    /// The row at every n-th page edge of a history read is on both pages.
    ///
    /// An instance is a row returned again, with the size of the page:
    /// `page_anomaly` for the final reads and the catch-ups of the drain,
    /// nothing for earlier ones.
    CursorInclusive = "cursor-inclusive" every 1,
    /// Pages go on behind a time in tenths of a second, so rows that share it with a page's last are lost.
    ///
    /// Every n-th edge at which there are such rows. Instances and findings
    /// are those of `cursor-skip`.
    TiedTimestamps = "tied-timestamps" every 1,
    /// History behind a known message (`oldest`) begins at the newest ten, without a word.
    ///
    /// Every n-th read behind which there is more. An instance is a reader and
    /// a row that it was not shown: `unhealed` are the distinct pairs that the
    /// reader did not obtain live.
    HistoryCap = "history-cap" every 1,
    /// Every n-th page comes from a copy that lags by 300 ms.
    ///
    /// Only pages that lack something count. An instance is a reader and a row
    /// that it was not shown: distinct pairs are `stale_read`, less those
    /// whose acknowledgement arrived after the page was asked for, and those
    /// that no later read brought (then `unhealed`).
    StaleHistory = "stale-history" every 1,
    /// The last page behind a known message (`oldest`) names itself as the next one.
    ///
    /// Every n-th such page with a row. An instance is such a page. A client
    /// that sees it twice and stops has two of them for one `page_anomaly`
    /// (`stuck_pages`) and one more for each row (`repeated_rows`), in the
    /// drain.
    EndlessCursor = "endless-cursor" every 1,
    /// Every n-th socket is told hello 100 ms before it listens.
    ///
    /// An instance is a push that the socket missed meanwhile. `live_missed`
    /// are those of messages sent and acknowledged after the hello arrived.
    SubscribeGap = "subscribe-gap" every 1,
    /// Every n-th push is sent twice.
    ///
    /// An instance is a further push: `live_duplicates`.
    DoubleFanout = "double-fanout" every 100,
    /// Every n-th push is overtaken by the next one of its channel.
    ///
    /// Where none comes within 100 ms it is late and nothing more. An
    /// instance is a push that came behind a later message: `live_reordered`.
    RacingFanout = "racing-fanout" every 100,
    /// Every n-th message is also pushed to a socket whose user is no member.
    ///
    /// An instance is such a push: `leaked`.
    WrongChannel = "wrong-channel" every 100,
    /// Every n-th member that leaves a channel goes on listening to it.
    ///
    /// An instance is a push to a socket whose user has left: `leaked` are
    /// those of messages that were sent, answered and late by no more than the
    /// declared lag while the client knew that it was away.
    KeepsListening = "keeps-listening" every 1,
    /// Every n-th read of a private channel's history by who is no member is answered.
    ///
    /// An instance is such a read: `leaked` are the rows of the run that it
    /// shows.
    OpenPrivate = "open-private" every 1,
    /// A push to a full queue waits for its reader, and the channel waits with it.
    ///
    /// At every n-th such push; queues are short. An instance is a push that
    /// waited. Nothing is lost: the peers' pushes are late.
    BlockingFanout = "blocking-fanout" every 1,
    /// Every n-th socket that closes ends the subscriptions of its user's other sockets 300 ms later.
    ///
    /// An instance is a push that an open socket misses for it: `live_missed`,
    /// as far as it had been sent when the client had its hello.
    LostUnsubscribe = "lost-unsubscribe" every 1,
    /// Every n-th message sent over a socket is dropped without an answer.
    ///
    /// An instance is such a message: `silent_loss` where the client does not
    /// wait for answers.
    DropSocketSends = "drop-socket-sends" every 100,
    /// Every n-th event whose POST to an app failed is not posted again.
    ///
    /// An instance is such an event, with the app's bot as its user: the app
    /// has never received it, unless the answer was lost on its way.
    WebhookNoRetry = "webhook-no-retry" every 1,
    /// Every n-th retry of a POST to an app carries a new `event_id`.
    ///
    /// An instance is such a retry, with the app's bot as its user: an app that
    /// had the event takes it for another one.
    WebhookNewEventId = "webhook-new-event-id" every 1,
    /// Every n-th edit of a message is acknowledged and pushed, and not stored.
    ///
    /// An instance is such an edit, with the message's key and position:
    /// history shows the text before it.
    EditLost = "edit-lost" every 10,
    /// Every n-th deleted message is back in history after 300 ms.
    ///
    /// An instance is such a message, noted when it is back.
    DeleteResurrected = "delete-resurrected" every 10,
    /// Every n-th reply is stored with a parent that no row has.
    ///
    /// It is acknowledged and pushed as a reply. An instance is such a reply:
    /// neither its thread nor its channel shows it.
    OrphanReply = "orphan-reply" every 10,
}

impl Defect {
    /// What it does, in a line.
    pub fn summary(self) -> String {
        let first = self.doc().iter().map(|line| line.trim()).take_while(|line| !line.is_empty());
        first.collect::<Vec<_>>().join(" ")
    }
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
    fn each_says_what_it_does_in_one_sentence() {
        for defect in Defect::ALL {
            let summary = defect.summary();
            assert!(summary.ends_with('.') && summary.matches(". ").count() == 0, "{}: {summary}", defect.name());
            assert!((20..=110).contains(&summary.len()), "{}: {summary}", defect.name());
        }
    }
}
