//! The findings by their definitions, counted by looking at everything again
//! for each.

mod changes;
mod reads;

use super::world::{Act, ENDED, Fate, READS, Row, SUBSCRIBERS, Text, What, World};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Counts by name.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// The findings that the oracle counts.
pub(super) const FINDINGS: &[&str] = &[
    "vanished",
    "acked_lost",
    "silent_loss",
    "phantom",
    "rejected_stored",
    "store_duplicates",
    "ack_identity",
    "foreign",
    "corrupt",
    "unhealed",
    "page_anomaly",
    "sender_order",
    "stale_read",
    "edit_lost",
    "delete_resurrected",
    "orphan_reply",
    "live_missed",
    "healed",
    "unresolved",
    "live_duplicates",
    "live_reordered",
    "unknown_stored",
    "unknown_absent",
    "unverifiable",
];

/// Parts of findings: name here, finding, name there.
pub(super) const PARTS: &[(&str, &str, &str)] = &[
    ("healed.missed", "healed", "missed"),
    ("healed.by_policy", "healed", "by_policy"),
    ("duplicates.retried", "store_duplicates", "retried"),
    ("edit_lost.texts", "edit_lost", "texts"),
    ("edit_lost.reactions", "edit_lost", "reactions"),
    ("live_duplicates.same", "live_duplicates", "same_connection"),
    ("live_duplicates.across", "live_duplicates", "across_reconnect"),
    ("page_anomaly.repeated", "page_anomaly", "repeated_rows"),
    ("page_anomaly.stuck", "page_anomaly", "stuck_pages"),
    ("page_anomaly.differing", "page_anomaly", "differing_rows"),
];

/// A history, looked at.
struct Naive<'w> {
    world: &'w World,
    /// By subscriber: from confirmed to noticed, or to the end of the run.
    connections: Vec<Vec<(u64, u64)>>,
    /// By subscriber and message: the connection of each copy, in order.
    copies: HashMap<(usize, usize), Vec<usize>>,
    reordered: u64,
    /// By subscriber and message: whether by policy, whether by drain.
    read: HashMap<(usize, usize), (bool, bool)>,
    /// By subscriber and channel.
    cursor: HashMap<(usize, u32), u64>,
    reached_end: HashMap<(usize, u32), u64>,
    pages: Vec<Page<'w>>,
}

struct Page<'w> {
    subscriber: usize,
    act: &'w Act,
    channel: u32,
    /// What it shows, by position, and the message as far as it is recognised.
    shows: BTreeMap<u64, Option<usize>>,
}

/// Counts everything.
pub(super) fn count(world: &World) -> Counts {
    let mut naive = Naive {
        world,
        connections: vec![Vec::new(); SUBSCRIBERS.len()],
        copies: HashMap::new(),
        reordered: 0,
        read: HashMap::new(),
        cursor: HashMap::new(),
        reached_end: HashMap::new(),
        pages: Vec::new(),
    };
    naive.watch();
    let mut counts: Counts =
        FINDINGS.iter().chain(PARTS.iter().map(|(name, ..)| name)).map(|name| (*name, 0)).collect();
    naive.sends(&mut counts);
    naive.store(&mut counts);
    naive.bodies(&mut counts);
    naive.deliveries(&mut counts);
    naive.order(&mut counts);
    naive.reads(&mut counts);
    naive.changes(&mut counts);
    counts
}

impl Naive<'_> {
    fn watch(&mut self) {
        let mut open: Vec<bool> = vec![false; SUBSCRIBERS.len()];
        // The greatest position of the open connection, by channel.
        let mut newest: HashMap<(usize, u32), u64> = HashMap::new();
        let world = self.world;
        for act in &world.acts {
            let who = act.subscriber;
            match &act.what {
                What::Connect if !open[who] => {
                    open[who] = true;
                    self.connections[who].push((act.at, ENDED));
                    newest.retain(|(subscriber, _), _| *subscriber != who);
                }
                What::Disconnect if open[who] => {
                    open[who] = false;
                    self.connections[who].last_mut().expect("it is open").1 = act.at;
                }
                What::Push { message, positioned } if open[who] => {
                    let channel = world.messages[*message].channel;
                    if !SUBSCRIBERS[who].1.contains(&channel) {
                        continue;
                    }
                    let copies = self.copies.entry((who, *message)).or_default();
                    copies.push(self.connections[who].len());
                    let position = world.shown_at(*message, channel).map(|(at, _)| at).filter(|_| *positioned);
                    if let (1, Some(position)) = (copies.len(), position) {
                        let newest = newest.entry((who, channel)).or_insert(position);
                        self.reordered += u64::from(position < *newest);
                        *newest = position.max(*newest);
                    }
                }
                What::Connect | What::Disconnect | What::Push { .. } => {}
                What::Page { channel, rows, .. } if SUBSCRIBERS[who].1.contains(channel) => {
                    self.page(act, *channel, rows);
                }
                What::Page { .. } => {}
            }
        }
    }
}

impl<'w> Naive<'w> {
    fn page(&mut self, act: &'w Act, channel: u32, rows: &[usize]) {
        let What::Page { drain, last, .. } = act.what else { return };
        let who = act.subscriber;
        let mut shows = BTreeMap::new();
        for &message in rows {
            let Some((position, text)) = self.world.shown_at(message, channel) else { continue };
            let named = text != Text::Mangled && self.world.messages[message].channel == channel;
            shows.insert(position, named.then_some(message));
        }
        for (position, named) in &shows {
            let Some(message) = named.or_else(|| self.acknowledged_as(channel, *position)) else { continue };
            let read = self.read.entry((who, message)).or_default();
            *(if drain { &mut read.1 } else { &mut read.0 }) = true;
        }
        if let Some(highest) = shows.keys().max() {
            let cursor = self.cursor.entry((who, channel)).or_default();
            *cursor = (*cursor).max(*highest);
        }
        if last {
            self.reached_end.insert((who, channel), act.at);
        }
        self.pages.push(Page { subscriber: who, act, channel, shows });
    }

    fn known(&self, channel: u32) -> bool {
        !(self.world.failed && channel == 1)
    }

    fn tried(&self, message: usize) -> bool {
        self.world.messages[message].fate != Fate::Unattempted
    }

    /// The first message of a channel that was acknowledged with an id.
    fn acknowledged_as(&self, channel: u32, id: u64) -> Option<usize> {
        let all = self.world.messages.iter().enumerate();
        let these = all.filter(|(_, m)| m.channel == channel && m.fate == Fate::Acked && m.acked_as == id);
        these.min_by_key(|(rank, m)| (m.end, *rank)).map(|(rank, _)| rank)
    }

    /// The message of the channel that a row of its history belongs to.
    fn owner(&self, channel: u32, message: usize, row: &Row) -> Option<usize> {
        if row.text == Text::Mangled {
            return self.acknowledged_as(channel, row.position);
        }
        (self.world.messages[message].channel == channel && self.tried(message)).then_some(message)
    }

    /// Every row of a channel's history, with its message.
    fn rows(&self, channel: u32) -> Vec<(&'w Row, usize)> {
        let all =
            self.world.messages.iter().enumerate().flat_map(|(rank, m)| m.rows.iter().map(move |row| (rank, m, row)));
        let here = all.filter(|(_, m, row)| (m.channel == channel) != row.elsewhere);
        here.map(|(rank, _, row)| (row, rank)).collect()
    }

    /// H(m): the positions under which a message is stored.
    fn stored(&self, message: usize) -> BTreeSet<u64> {
        let channel = self.world.messages[message].channel;
        let rows = self.rows(channel).into_iter();
        rows.filter(|(row, of)| self.owner(channel, *of, row) == Some(message)).map(|(row, _)| row.position).collect()
    }

    fn truncated(&self, message: usize) -> bool {
        let sent = &self.world.messages[message];
        let acked = (sent.fate == Fate::Acked).then_some(sent.acked_as);
        let position = self.stored(message).first().copied().or(acked);
        let bound = self.world.truncated[sent.channel as usize];
        bound.is_some_and(|bound| position.is_none_or(|position| position < bound))
    }

    fn pushed(&self, message: usize) -> bool {
        self.copies.keys().any(|(_, pushed)| *pushed == message)
    }

    fn in_pages(&self, message: usize) -> bool {
        self.pages.iter().any(|page| {
            page.shows.iter().any(|(position, named)| match named {
                Some(named) => *named == message,
                None => self.acknowledged_as(page.channel, *position) == Some(message),
            })
        })
    }

    fn vanished(&self, message: usize) -> bool {
        let absent = self.stored(message).is_empty() && !self.truncated(message) && !self.erased(message);
        self.tried(message) && self.in_pages(message) && absent
    }

    /// Neither stored, nor truncated, nor vanished, nor deleted.
    fn gone(&self, message: usize) -> bool {
        let absent = self.stored(message).is_empty() && !self.truncated(message);
        absent && !self.vanished(message) && !self.erased(message)
    }

    fn sends(&self, counts: &mut Counts) {
        for (rank, message) in self.world.messages.iter().enumerate() {
            *counts.entry("intended").or_default() += 1;
            let state = match message.fate {
                Fate::Acked => "acknowledged",
                Fate::Rejected => "rejected",
                Fate::Unknown | Fate::UnderWay => "unknown",
                Fate::Written => "written",
                Fate::Unattempted => "unattempted",
            };
            *counts.entry(state).or_default() += 1;
            *counts.entry("stored").or_default() += u64::from(!self.stored(rank).is_empty());
        }
        for state in ["acknowledged", "rejected", "unknown", "written", "unattempted", "entitled", "live"] {
            counts.entry(state).or_default();
        }
    }

    fn store(&self, counts: &mut Counts) {
        let mut add = |name, count: u64| *counts.entry(name).or_default() += count;
        for (rank, message) in self.world.messages.iter().enumerate().filter(|(_, m)| self.known(m.channel)) {
            let (copies, gone) = (self.stored(rank), self.gone(rank));
            let stored = !copies.is_empty();
            add("vanished", u64::from(self.vanished(rank)));
            match message.fate {
                Fate::Acked => {
                    add("acked_lost", u64::from(gone));
                    add("unverifiable", u64::from(!stored && self.truncated(rank) && !self.erased(rank)));
                    let others = (0..self.world.messages.len()).any(|other| {
                        self.world.messages[other].channel == message.channel
                            && self.stored(other).contains(&message.acked_as)
                    });
                    let none = stored && !self.truncated(rank) && !self.erased(rank);
                    add("ack_identity", u64::from(!copies.contains(&message.acked_as) && (others || none)));
                }
                Fate::Rejected => add("rejected_stored", u64::from(stored)),
                Fate::Written => add("silent_loss", u64::from(gone)),
                Fate::Unknown | Fate::UnderWay => {
                    add("unknown_stored", u64::from(stored));
                    add("unknown_absent", u64::from(!stored && !self.vanished(rank) && !self.pushed(rank)));
                }
                Fate::Unattempted => {}
            }
            let phantom = matches!(message.fate, Fate::Unknown | Fate::Rejected | Fate::Written);
            add("phantom", u64::from(phantom && gone && self.pushed(rank)));
            let surplus = (copies.len() as u64).saturating_sub(1);
            add("store_duplicates", surplus);
            let retried = message.attempts > 1 && !matches!(message.fate, Fate::UnderWay);
            add("duplicates.retried", if retried { surplus } else { 0 });
        }
    }

    /// Who was never sent, or stands elsewhere; whose body is another.
    fn bodies(&self, counts: &mut Counts) {
        let (mut foreign, mut corrupt) = (BTreeSet::new(), BTreeSet::new());
        for channel in 0..2 {
            for (row, message) in self.rows(channel) {
                let owner = self.owner(channel, message, row);
                if owner.is_none() && row.text != Text::Mangled {
                    foreign.insert(message);
                }
                corrupt.extend(owner.filter(|_| [Text::Altered, Text::Mangled].contains(&row.text)));
            }
        }
        for page in &self.pages {
            for (position, named) in &page.shows {
                match named {
                    Some(message) if !self.tried(*message) => _ = foreign.insert(*message),
                    Some(_) => {}
                    None => corrupt.extend(self.acknowledged_as(page.channel, *position)),
                }
            }
        }
        // What another channel has instead of its own is lost, and not also foreign.
        let lost = |message: &usize| {
            let sent = &self.world.messages[*message];
            self.known(sent.channel) && sent.fate == Fate::Acked && self.gone(*message)
        };
        foreign.retain(|message| !lost(message));
        foreign.extend(self.copies.keys().map(|(_, message)| *message).filter(|message| !self.tried(*message)));
        counts.insert("foreign", foreign.len() as u64);
        counts.insert("corrupt", corrupt.len() as u64);
    }

    /// Whether a stored message is one that the members of its channel must
    /// have.
    fn due(&self, message: usize) -> bool {
        let sent = &self.world.messages[message];
        let counts = self.known(sent.channel) && sent.fate != Fate::Rejected;
        counts && !self.stored(message).is_empty() && !self.truncated(message) && !self.erased(message)
    }

    fn entitled(&self, who: usize, message: usize) -> bool {
        let sent = &self.world.messages[message];
        let (user, channels) = SUBSCRIBERS[who];
        channels.contains(&sent.channel) && self.due(message) && (self.world.own_push || user != sent.sender)
    }

    fn should_come_live(&self, who: usize, message: usize) -> bool {
        let sent = &self.world.messages[message];
        let margin = self.world.lag_ms.max(1_000);
        sent.fate == Fate::Acked
            && self.connections[who].iter().any(|(armed, noticed)| {
                *armed <= sent.first_byte && noticed.checked_sub(margin).is_some_and(|until| sent.end <= until)
            })
    }

    /// From when on every read must show it.
    fn visible(&self, message: usize) -> u64 {
        let sent = &self.world.messages[message];
        if sent.fate == Fate::Acked {
            return sent.end + if self.world.read_after_ack { 0 } else { self.world.lag_ms };
        }
        let shown = |number: usize| {
            let rows = self.rows(sent.channel).into_iter();
            let mut rows = rows.filter(|(row, of)| self.owner(sent.channel, *of, row) == Some(message));
            rows.any(|(row, _)| row.reads[number])
        };
        if shown(0) { READS[0].1 } else { READS[1].1 }
    }

    fn passed_over(&self, who: usize, message: usize) -> bool {
        let place = (who, self.world.messages[message].channel);
        let position = self.stored(message).first().copied();
        self.cursor.get(&place).is_some_and(|cursor| position.is_none_or(|position| *cursor >= position))
            || self.reached_end.get(&place).is_some_and(|end| *end > self.visible(message))
    }

    fn deliveries(&self, counts: &mut Counts) {
        let mut add = |name, count: u64| *counts.entry(name).or_default() += count;
        for who in 0..SUBSCRIBERS.len() {
            for message in 0..self.world.messages.len() {
                let copies = self.copies.get(&(who, message)).map_or(&[][..], Vec::as_slice);
                for (rank, connection) in copies.iter().enumerate().skip(1) {
                    let same = copies[..rank].contains(connection);
                    add("live_duplicates", 1);
                    add(if same { "live_duplicates.same" } else { "live_duplicates.across" }, 1);
                }
                if !self.entitled(who, message) {
                    continue;
                }
                add("entitled", 1);
                let (read, live) = (self.read.get(&(who, message)), !copies.is_empty());
                let missed = self.should_come_live(who, message) && !live;
                add("live_missed", u64::from(missed));
                match read {
                    _ if live => add("live", 1),
                    Some((policy, _)) => {
                        add("healed", 1);
                        add("healed.missed", u64::from(missed));
                        add("healed.by_policy", u64::from(*policy));
                    }
                    None if self.passed_over(who, message) => add("unhealed", 1),
                    None => add("unresolved", 1),
                }
            }
        }
        add("live_reordered", self.reordered);
    }
}
