//! What became of each delivery: `live_missed`, `healed`, `unhealed`,
//! `unresolved`. For each subscriber and over all,
//!
//! entitled = live + healed + unhealed + unresolved
//!
//! A message that the target declares truncated is not entitled (nobody can be
//! told to have missed it), nor is one that was refused, nor a sender's own
//! where the target does not push to the sender.

use super::Input;
use super::absence;
use super::entitled::{Entitled, LiveInterval};
use super::summary::FindingClass::{Info, Rate, Zero};
use super::tally::{Instance, Tally};
use super::truth::{Channel, Message, Truth};
use crate::ledger::{CatchUpKind, RunSet, StreamWindow, SubscriberLog};
use crate::model::{ChannelId, FindingKind, MessageRef, SendState, UserId};
use std::collections::{HashMap, HashSet};

/// All deliveries, counted.
pub(super) struct Deliveries {
    /// (message, subscriber) pairs that should have been obtained.
    pub(super) entitled: u64,
    /// Of these, obtained live.
    pub(super) live: u64,
    /// Not live, obtained from history.
    pub(super) healed: Tally,
    /// Passed over by a catch-up that reached past them.
    pub(super) unhealed: Tally,
    /// Not obtained, and the catch-up did not reach them.
    pub(super) unresolved: Tally,
    /// Should have come live, and did not.
    pub(super) live_missed: Tally,
    /// The pairs of `unhealed`: they raise no other finding.
    pub(super) passed_over: HashSet<(UserId, MessageRef)>,
    /// For each push that never came of a message intended after the warm-up,
    /// when it was intended and how long it was waited for, both in µs.
    pub(super) waited_us: Vec<(u64, u64)>,
}

/// One window while its missing messages are judged.
struct Reader<'w> {
    user: UserId,
    window: &'w StreamWindow,
    intervals: &'w [LiveInterval],
    /// What it need not have, because it was away from the channel.
    optional: &'w RunSet,
    /// What it read as rows that only their acknowledged ids give to messages.
    by_id: Option<&'w ReadById>,
}

/// Indices, and whether the client's own policy read them.
type ReadById = HashMap<u32, bool>;

/// Counts every delivery of every channel of which P is known.
pub(super) fn count(input: &Input, truth: &Truth) -> Deliveries {
    let of_entitled = |kind, class| Tally::new(kind, class, "entitled deliveries").unless(truth.unread_because());
    let mut found = Deliveries {
        entitled: 0,
        live: 0,
        healed: of_entitled(FindingKind::Healed, Info).parts(&["away", "missed", "by_policy", "by_drain_only"]),
        unhealed: of_entitled(FindingKind::Unhealed, Zero),
        unresolved: of_entitled(FindingKind::Unresolved, Info),
        live_missed: Tally::new(FindingKind::LiveMissed, Rate, "deliveries that should have come live")
            .unless(truth.unknown_because()),
        passed_over: HashSet::new(),
        waited_us: Vec::new(),
    };
    let tables: Vec<Option<Entitled>> = (truth.channels.iter())
        .map(|channel| channel.is_known().then(|| Entitled::new(channel, input.plan.capabilities.own_push)))
        .collect();
    let by_id = read_by_id(input, truth);
    for log in &input.ledger.subscribers {
        let intervals = LiveInterval::of(log, input.record.ended_us, input.plan.live_margin_us());
        for id in log.channels() {
            let rank = id.0 as usize;
            if let (Some(channel), Some(Some(table))) = (truth.channels.get(rank), tables.get(rank)) {
                let unseen = StreamWindow::new(id);
                let window = log.window(id).unwrap_or(&unseen);
                let absences = absence::from(log, id);
                let optional = absence::optional(channel, &absences);
                let cut =
                    (!absences.is_empty()).then(|| absence::cut(&intervals, &absences, input.plan.live_margin_us()));
                let intervals = cut.as_deref().unwrap_or(&intervals);
                let by_id = by_id.get(&(log.user, id));
                let reader = Reader { user: log.user, window, intervals, optional: &optional, by_id };
                found.add(input, channel, table, &reader);
            }
        }
    }
    for tally in [&mut found.healed, &mut found.unhealed, &mut found.unresolved] {
        tally.could_have(found.entitled);
    }
    found
}

/// What subscribers read without a key that can be read: a mangled row is a row
/// all the same, and its message was obtained.
fn read_by_id(input: &Input, truth: &Truth) -> HashMap<(UserId, ChannelId), ReadById> {
    let mut read: HashMap<_, ReadById> = HashMap::new();
    for page in &input.ledger.pages {
        let Some(channel) = truth.channels.get(page.channel.0 as usize) else { continue };
        for index in page.unrecognised.iter().filter_map(|id| channel.by_acknowledged_id(id)) {
            let by_policy = read.entry((page.reader, page.channel)).or_default().entry(index).or_default();
            *by_policy |= page.kind == CatchUpKind::Policy;
        }
    }
    read
}

impl Deliveries {
    fn add(&mut self, input: &Input, channel: &Channel, table: &Entitled, reader: &Reader) {
        let live = reader.window.live();
        let optional = reader.optional;
        self.entitled += table.count(reader.user) - table.count_in(reader.user, optional);
        let beside: RunSet = optional.iter().filter(|index| live.contains(*index)).collect();
        self.live += table.count_in(reader.user, &live) - table.count_in(reader.user, &beside);
        self.live_missed.could_have(table.count_live(reader.user, reader.intervals, channel));
        let first_measured_us = input.first_measured_us();
        for index in table.missing(reader.user, &live).filter(|index| !optional.contains(*index)) {
            let message = &channel.messages[index as usize];
            let should_have_come = LiveInterval::containing(reader.intervals, message);
            if let (Some(interval), Some(send)) = (should_have_come, message.send) {
                self.live_missed.add(reader.instance(message, index));
                if send.intended_us >= first_measured_us {
                    self.waited_us.push((send.intended_us, interval.noticed_us.saturating_sub(send.intended_us)));
                }
            }
            self.judge_missing(input, message, index, reader, should_have_come.is_some());
        }
    }

    fn judge_missing(&mut self, input: &Input, message: &Message, index: u32, reader: &Reader, connected: bool) {
        let window = reader.window;
        let instance = reader.instance(message, index);
        let by_id = reader.by_id.and_then(|read| read.get(&index)).copied();
        if window.is_obtained(index) || by_id.is_some() {
            self.healed.part(if connected { "missed" } else { "away" }, 1);
            let by =
                if window.caught_up().contains(index) || by_id == Some(true) { "by_policy" } else { "by_drain_only" };
            self.healed.add_to(by, instance);
        } else if reader.reached_past(input, message) {
            self.passed_over.insert((reader.user, MessageRef { channel: window.channel, index }));
            self.unhealed.add(instance.note("a catch-up of this subscriber reached past it"));
        } else {
            self.unresolved.add(instance.note("no catch-up of this subscriber reached it"));
        }
    }
}

impl Reader<'_> {
    fn instance(&self, message: &Message, index: u32) -> Instance {
        let reference = MessageRef { channel: self.window.channel, index };
        Instance::at(message.at_us()).message(reference).subscriber(self.user)
    }

    /// Whether the subscriber's catch-up must have shown it the message: the
    /// request of a last page was written when the message was visible, or the
    /// cursor has passed the message's position.
    fn reached_past(&self, input: &Input, message: &Message) -> bool {
        let position = message.position();
        if self.window.cursor.is_some() && self.window.cursor >= position {
            return true;
        }
        let Some(reached_end_us) = self.window.reached_end_us else { return false };
        visible_us(input, message).is_some_and(|visible_us| reached_end_us > visible_us)
    }
}

/// From when on every read must show a stored message: its acknowledgement,
/// and the declared lag where the target does not promise reads of its own
/// acknowledgements; without an acknowledgement, the first final read that
/// showed it.
fn visible_us(input: &Input, message: &Message) -> Option<u64> {
    let capabilities = &input.plan.capabilities;
    let lag_us = if capabilities.read_after_ack { 0 } else { capabilities.lag_us };
    let send = message.send.filter(|send| send.state == SendState::Acknowledged);
    match send.and_then(|send| send.acknowledged_us) {
        Some(acknowledged_us) => Some(acknowledged_us.saturating_add(lag_us)),
        None => message.shown_us,
    }
}

/// First deliveries by the design's usual means, entitled or not: of all
/// messages, and of those intended after the warm-up. They are live but for
/// the designs that fetch everything from history.
pub(super) fn first_deliveries(input: &Input, truth: &Truth) -> (u64, u64) {
    let first_measured_us = input.first_measured_us();
    // Indices ascend with the intended time.
    let first_index = |channel: &Channel| {
        let warm_up = |message: &Message| message.send.is_none_or(|send| send.intended_us < first_measured_us);
        channel.messages.iter().take_while(|message| warm_up(message)).count() as u32
    };
    let first_indices: Vec<u32> = truth.channels.iter().map(first_index).collect();
    let first_of = |id: ChannelId| first_indices.get(id.0 as usize).copied().unwrap_or(0);
    let windows = input.ledger.subscribers.iter().flat_map(|log: &SubscriberLog| &log.windows);
    let fetches = input.plan.receive.design.fetches();
    windows.fold((0, 0), |(all, measured), window| {
        let delivered = if fetches { window.caught_up().clone() } else { window.live() };
        (all + delivered.len(), measured + delivered.count_from(first_of(window.channel)))
    })
}
