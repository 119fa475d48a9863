//! What the virtual users of one worker share: the plan, the clock, and the
//! worker's own ledger. Everything lives on one thread; nothing is locked.

use super::api::{Api, Way};
use super::cast::Cast;
use super::ceiling::Ceiling;
use super::clock::{PreciseTimer, RunClock};
use super::closed_loop::{NextIndices, Turns};
use super::counters::Counters;
use super::dial::Sources;
use super::directory::Directory;
use super::endpoint::Endpoint;
use super::hints::Hints;
use super::outbox::Outbox;
use super::path::Path;
use super::recent::RecentPushes;
use super::tls::{Tls, Trust};
use crate::ledger::{
    AppFigures, ChangeRow, Facts, FaultRecord, Latencies, Ledger, LedgerEncoder, LedgerPiece, PageLog, SendLog,
    SendRow, Spill, SubscriberLog,
};
use crate::model::{ChannelId, LatencyKind, RunId, SendState, TextCodec, UserId};
use crate::plan::estimate::{PAGES_HELD_BYTES, ledger_cap_bytes};
use crate::plan::{Roster, RunPlan};
use crate::target::{Address, ReplyKeys, TargetProfile};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What all workers know; immutable.
pub struct Shared {
    /// The plan.
    pub plan: Arc<RunPlan>,
    /// Who is in which channel.
    pub roster: Arc<Roster>,
    /// What the target promises and which answers are refusals.
    pub target: TargetProfile,
    /// Where the target is.
    pub address: Address,
    /// The way there.
    pub path: Path,
    /// Hosts that the user allowed by name.
    pub allowed_hosts: Vec<String>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The most attempts a second, where there is one.
    pub ceiling: Option<Ceiling>,
    /// Addresses that connections leave from in turn.
    pub sources: Sources,
    /// The run's 64 bits.
    pub run: RunId,
    /// The clock.
    pub clock: RunClock,
    /// Renders and recognises texts.
    pub texts: TextCodec,
    /// The keys and texts of replies.
    pub replies: ReplyKeys,
    /// The channels at the target.
    pub directory: Directory,
    /// Who is who at a described target; `None` on the native wire.
    pub cast: Option<Arc<Cast>>,
    /// Whether users and channels are removed at the end.
    pub clean: bool,
    /// The messages that a closed loop has intended so far.
    pub next_indices: NextIndices,
    /// How many workers there are.
    pub workers: usize,
    /// The key of the signatures of what the target posts to apps.
    pub signing_secret: String,
    /// Where parts of the ledger go that are too much for the memory.
    pub spill: Arc<dyn Spill>,
}

/// One worker's state.
pub struct Shard {
    /// What all workers know.
    pub shared: Arc<Shared>,
    /// The worker's client for reads.
    pub api: Api,
    /// The worker's TLS clients.
    pub tls: Tls,
    /// Rows of the messages that its users intend, in the order of the
    /// schedule.
    pub sends: RefCell<SendLog>,
    /// Logs of its subscribers.
    pub logs: RefCell<Vec<Rc<RefCell<SubscriberLog>>>>,
    /// Where its users hand over what they send over their sockets, if the
    /// plan's design does.
    pub outboxes: RefCell<HashMap<UserId, Rc<Outbox>>>,
    /// Pages that its subscribers read.
    pub pages: RefCell<PageLog>,
    /// What was seen beside deliveries.
    pub facts: RefCell<Facts>,
    /// Frames that its subscribers read a moment ago.
    pub recent: RefCell<RecentPushes>,
    /// Latencies since they were last taken.
    pub latencies: RefCell<Latencies>,
    /// Counts for the live display.
    pub counters: RefCell<Counters>,
    /// Start of the schedule; set before the first send.
    pub load_start_us: Cell<u64>,
    /// Whose turn is when, in a closed loop.
    pub turns: Turns,
    /// What was seen of each fault of the plan, by its rank.
    pub faults: RefCell<Vec<FaultRecord>>,
    /// What a reader of the results must know about this ledger.
    pub notes: RefCell<Vec<String>>,
    /// Where its subscribers are posted to as apps, if the design has them be.
    pub endpoint: RefCell<Option<Rc<Endpoint>>>,
    /// What its subscribers did as apps.
    pub app_figures: RefCell<AppFigures>,
    /// The latest trouble of a subscriber, in words, since it was last taken.
    pub trouble: RefCell<Option<String>>,
    /// Changes of its users' messages, in the order in which they were intended.
    pub changes: RefCell<Vec<ChangeRow>>,
    /// What its users hint at.
    pub hints: Hints,
    /// The target's ids of the newest rows that its subscribers have read, where
    /// history is asked for by ids.
    pub bookmarks: RefCell<HashMap<(UserId, ChannelId), Box<str>>>,
}

impl Shared {
    /// A client of connections of its own, for reads and set-up.
    pub fn api(&self) -> reqwest::Result<Api> {
        let resolved = self.path.in_turn();
        let way = Way {
            address: &self.address,
            resolved: &resolved,
            trust: &self.trust,
            source: self.sources.next(resolved[0]),
            allowed_hosts: &self.allowed_hosts,
        };
        let api = Api::new(&way, self.run)?;
        Ok(api.of(self.cast.as_ref()))
    }
}

impl Shard {
    /// An empty shard.
    pub fn new(shared: Arc<Shared>, api: Api) -> Self {
        let faults = shared.plan.faults.len();
        let pages = PageLog::spilling(shared.spill.clone(), PAGES_HELD_BYTES / shared.workers.max(1));
        Self {
            tls: Tls::new(&shared.trust),
            shared,
            api,
            sends: RefCell::default(),
            logs: RefCell::default(),
            outboxes: RefCell::default(),
            pages: RefCell::new(pages),
            notes: RefCell::default(),
            facts: RefCell::default(),
            recent: RefCell::default(),
            latencies: RefCell::default(),
            counters: RefCell::default(),
            load_start_us: Cell::new(0),
            turns: Turns::default(),
            faults: RefCell::new(vec![FaultRecord::default(); faults]),
            endpoint: RefCell::default(),
            app_figures: RefCell::default(),
            trouble: RefCell::default(),
            changes: RefCell::default(),
            hints: Hints::default(),
            bookmarks: RefCell::default(),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &RunPlan {
        &self.shared.plan
    }

    /// µs since the start of the run.
    pub fn now_us(&self) -> u64 {
        self.shared.clock.now_us()
    }

    /// A timer for what the worker's users do by the clock.
    pub fn timer(&self) -> io::Result<PreciseTimer> {
        PreciseTimer::new(self.shared.clock, self.plan().arrival.peak_per_s() / self.shared.workers.max(1) as f64)
    }

    /// Changes the counters.
    pub fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.borrow_mut());
    }

    /// Changes the counts of apps.
    pub fn count_app(&self, change: impl FnOnce(&mut AppFigures)) {
        change(&mut self.app_figures.borrow_mut());
    }

    /// A user's outbox.
    pub fn outbox(&self, user: UserId) -> Option<Rc<Outbox>> {
        self.outboxes.borrow().get(&user).cloned()
    }

    /// A fault of the plan touched somebody from one time to another.
    pub fn touched(&self, fault: usize, from_us: u64, to_us: u64) {
        if let Some(record) = self.faults.borrow_mut().get_mut(fault) {
            record.touch(from_us, to_us);
        }
    }

    /// Records a latency of a message, unless it was intended in the warm-up.
    pub fn record_of_message(&self, kind: LatencyKind, intended_us: u64, latency_us: u64) {
        let warm_up_end_us = self.load_start_us.get() + self.plan().arrival.warm_up_us();
        if intended_us >= warm_up_end_us {
            self.record(kind, latency_us);
        }
    }

    /// Records a latency that belongs to no message.
    pub fn record(&self, kind: LatencyKind, latency_us: u64) {
        self.latencies.borrow_mut().record(kind, latency_us);
    }

    /// The ledger so far as bytes, made piece by piece so that the users'
    /// tasks run in between: the pieces are of slightly different times. Returns how
    /// long it took in µs, without what ran in between.
    pub async fn checkpoint(&self, mut take: impl FnMut(LedgerPiece)) -> u64 {
        /// Rows between two looks at what is due: some tens of µs.
        const PIECE: usize = 32;
        const PIECE_BYTES: usize = 1 << 15;
        /// Before the next piece: the thread that writes it may share the core.
        const PAUSE: Duration = Duration::from_millis(2);
        let mut encoder = LedgerEncoder::new();
        let (mut spent_us, mut since_us) = (0, self.now_us());
        let mut take_large = async |encoder: &mut LedgerEncoder| {
            spent_us += self.now_us() - since_us;
            if encoder.len() >= PIECE_BYTES {
                take(encoder.take_piece());
                tokio::time::sleep(PAUSE).await;
            }
            tokio::task::yield_now().await;
            since_us = self.now_us();
        };
        encoder.encode_facts(&self.facts.borrow());
        encoder.encode_changes(&self.changes.borrow());
        let (sends, logs) = (self.sends.borrow().len(), self.logs.borrow().len());
        for from in (0..logs).step_by(PIECE / 16) {
            for log in &self.logs.borrow()[from..logs.min(from + PIECE / 16)] {
                encoder.encode_subscriber(&log.borrow());
            }
            take_large(&mut encoder).await;
        }
        for from in (0..sends).step_by(PIECE) {
            encoder.encode_sends(&self.send_rows(from..sends.min(from + PIECE)));
            take_large(&mut encoder).await;
        }
        // Pages are encoded already: to copy them costs little.
        let pages = self.pages.borrow().clone();
        let mut pages = pages.iter();
        while pages.len() > 0 {
            encoder.encode_pages(pages.by_ref().take(PIECE));
            take_large(&mut encoder).await;
        }
        take(encoder.last_piece());
        spent_us + (self.now_us() - since_us)
    }

    /// Rows of the sender log as they are now. Of an attempt that is under way
    /// nobody knows what it will have done, whatever those before it came to.
    fn send_rows(&self, ranks: Range<usize>) -> Vec<SendRow> {
        let sends = self.sends.borrow();
        let mut rows: Vec<_> = sends.rows(ranks.clone()).collect();
        for (rank, row) in ranks.zip(&mut rows) {
            if row.state != SendState::Acknowledged && sends.is_under_way(rank) {
                row.state = SendState::Unknown;
                row.last_attempt_us = None;
            }
        }
        rows
    }

    /// Holds the ledger's bytes against the worker's share of the cap. Past it,
    /// every page goes to disk, and it is said what cannot.
    pub fn keep_within_cap(&self) {
        let mut bytes = self.sends.borrow().heap_bytes() + self.pages.borrow().heap_bytes();
        bytes += self.changes.borrow().capacity() * size_of::<ChangeRow>();
        bytes += self.logs.borrow().iter().map(|log| log.borrow().heap_bytes()).sum::<usize>();
        let cap = (ledger_cap_bytes(self.plan()) / self.shared.workers.max(1) as u64) as usize;
        if bytes <= cap {
            return;
        }
        self.pages.borrow_mut().hold_at_most(0);
        if self.notes.borrow().is_empty() {
            let (bytes, cap) = (bytes >> 20, cap >> 20);
            tracing::warn!(bytes, cap, "the ledger of a worker is past its cap");
            self.notes.borrow_mut().push(format!(
                "the ledger of a worker took {bytes} MiB, past its cap of {cap} MiB: pages of history went to disk, \
                 deliveries and sends stayed in memory, nothing was dropped"
            ));
        }
    }

    /// What a reader of the results must know about this ledger.
    pub fn take_notes(&self) -> Vec<String> {
        let mut notes = self.notes.take();
        let pages = self.pages.borrow();
        if pages.spilled_bytes() > 0 {
            notes.push(format!("{} KiB of history pages were held on disk", pages.spilled_bytes() >> 10));
        }
        notes.extend(pages.failure().map(|reason| format!("history pages could not be held on disk: {reason}")));
        notes
    }

    /// Takes the whole ledger: the users' tasks have ended.
    pub fn take_ledger(&self) -> Ledger {
        let logs = self.logs.take().into_iter();
        let sends = self.sends.borrow().len();
        // A task that still holds its log, a catch-up that was ended, changes
        // it no more.
        let owned = |log: Rc<RefCell<SubscriberLog>>| {
            Rc::try_unwrap(log).map_or_else(|shared| shared.borrow().clone(), RefCell::into_inner)
        };
        Ledger {
            sends: self.send_rows(0..sends),
            subscribers: logs.map(owned).collect(),
            pages: self.pages.take(),
            facts: self.facts.take(),
            changes: self.changes.take(),
            ..Ledger::default()
        }
    }
}
