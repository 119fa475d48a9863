//! The readers' lines: connections, pushes, pages and final reads.

use super::lines::{
    FinalReadLine, Line, NoticedLine, PageLine, PointReadLine, PushLine, ReceivedLine, Reference, RowLine,
};
use super::ranges;
use super::reader::Names;
use super::sends::time;
use crate::ledger::{
    Absence, CatchUpKind, ConnectionEnd, FinalRead, FirstSeen, HistoryRow, Leak, Ledger, PageRecord, PointRead,
    Reordered, RowText, RunSet, SubscriberLog,
};
use crate::model::{ChannelId, MessageRef, Position, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was seen.
pub(super) struct Sightings {
    /// The latest time that was named.
    pub(super) latest_us: u64,
    ledger: Ledger,
    members: BTreeMap<UserId, BTreeSet<ChannelId>>,
    logs: BTreeMap<UserId, SubscriberLog>,
    origin: f64,
}

impl Sightings {
    pub(super) fn new(origin: f64) -> Self {
        let (members, logs) = (BTreeMap::new(), BTreeMap::new());
        Self { latest_us: 0, ledger: Ledger::default(), members, logs, origin }
    }

    pub(super) fn member(&mut self, names: &mut Names, user: &str, channel: &str) -> Result<(), String> {
        let (user, channel) = (names.user_id(user)?, names.channel_id(channel)?);
        self.members.entry(user).or_default().insert(channel);
        Ok(())
    }

    /// The members are known.
    pub(super) fn subscribe(&mut self) {
        let members = std::mem::take(&mut self.members);
        self.logs = members.into_iter().map(|(user, channels)| (user, SubscriberLog::new(user, channels))).collect();
    }

    pub(super) fn ledger(mut self) -> Ledger {
        self.ledger.subscribers = self.logs.into_values().collect();
        self.ledger
    }

    pub(super) fn take(&mut self, names: &mut Names, line: Line) -> Result<(), String> {
        match line {
            Line::Absent(line) => {
                let times = [line.left, line.joining, line.joined].map(|t| t.map(|t| self.time(t)).transpose());
                let [left_us, joining_us, joined_us] = times;
                let (channel, leaving_us) = (names.channel_id(&line.channel)?, self.time(line.t)?);
                let absence =
                    Absence { channel, leaving_us, left_us: left_us?, joining_us: joining_us?, joined_us: joined_us? };
                self.log(names, &line.user)?.absences.push(absence);
                Ok(())
            }
            Line::Connected { t, user } => self.connected(names, t, &user),
            Line::Noticed(line) => self.noticed(names, &line),
            Line::Push(line) => self.push(names, &line),
            Line::Received(line) => self.received(names, &line),
            Line::Page(line) => self.page(names, line),
            Line::FinalRead(line) => self.final_read(names, line),
            Line::PointRead(line) => self.point_read(names, line),
            Line::Change(line) => {
                let row = line.row(names, self.origin)?;
                self.latest_us = self.latest_us.max(row.intended_us);
                self.ledger.changes.push(row);
                Ok(())
            }
            Line::Thread(line) => {
                let read = line.read(names, self.origin)?;
                self.latest_us = self.latest_us.max(read.written_us);
                self.ledger.threads.push(read);
                Ok(())
            }
            Line::Altered(line) => {
                let (message, seen) = (resolve(names, &line.message)?, self.seen(names, line.t, line.user.as_deref())?);
                self.ledger.facts.altered(message, seen);
                Ok(())
            }
            Line::Foreign { t, text, user } => {
                let seen = self.seen(names, t, user.as_deref())?;
                self.ledger.facts.foreign(&text, seen);
                Ok(())
            }
            Line::Elsewhere { t, message, channel, user } => {
                let (message, channel) = (resolve(names, &message)?, names.channel_id(&channel)?);
                let seen = self.seen(names, t, user.as_deref())?;
                self.ledger.facts.elsewhere(message, channel, seen);
                Ok(())
            }
            Line::Leaked { t, user, message, under } => {
                let under = under.map(|channel| names.channel_id(&channel)).transpose()?;
                let (message, leak) = (resolve(names, &message)?, Leak { at_us: self.time(t)?, under });
                self.ledger.facts.leaked(names.user_id(&user)?, message, leak);
                Ok(())
            }
            Line::Reordered { t, user, message, ahead } => {
                let (subscriber, message, at_us) = (names.user_id(&user)?, resolve(names, &message)?, self.time(t)?);
                self.ledger.facts.reordered.push(Reordered { subscriber, message, ahead, at_us });
                Ok(())
            }
            Line::Run(_)
            | Line::Fault(_)
            | Line::Member { .. }
            | Line::Intended(_)
            | Line::Attempt(_)
            | Line::Outcome(_) => Ok(()),
        }
    }

    fn connected(&mut self, names: &mut Names, t: f64, user: &str) -> Result<(), String> {
        let armed_us = self.time(t)?;
        let log = self.log(names, user)?;
        if log.connections.last().is_some_and(|last| last.end == ConnectionEnd::Open) {
            return Err(format!("{user:?} connects, and is connected already: a noticed line is missing"));
        }
        log.connected(armed_us);
        Ok(())
    }

    fn noticed(&mut self, names: &mut Names, line: &NoticedLine) -> Result<(), String> {
        let noticed_us = self.time(line.t)?;
        let log = self.log(names, &line.user)?;
        if log.connections.last().is_none_or(|last| last.end != ConnectionEnd::Open || last.armed_us > noticed_us) {
            return Err(format!("{:?} notices the end of a connection that it does not have", line.user));
        }
        log.disconnected(noticed_us, line.how);
        Ok(())
    }

    fn push(&mut self, names: &mut Names, line: &PushLine) -> Result<(), String> {
        let at_us = self.time(line.t)?;
        let channel = names.channel_id(&line.channel)?;
        let (user, message) = (names.user_id(&line.user)?, names.seen(&line.key, channel));
        let facts = &mut self.ledger.facts;
        if !line.intact {
            facts.altered(message, FirstSeen { at_us, subscriber: Some(user) });
        }
        let log = self.logs.entry(user).or_insert_with(|| SubscriberLog::new(user, []));
        if log.connections.is_empty() {
            return Err(format!("{:?} receives a push before its first connected line", line.user));
        }
        let position = line.position.map(Position);
        let arrival = (channel == message.channel).then(|| log.pushed(message, position, at_us)).flatten();
        match arrival {
            None => facts.leaked(user, message, Leak { at_us, under: Some(channel) }),
            Some(arrival) => {
                if let Some(ahead) = arrival.behind {
                    facts.reordered.push(Reordered { subscriber: user, message, ahead, at_us });
                }
            }
        }
        Ok(())
    }

    /// A sum takes the place of the lines that it sums up.
    fn received(&mut self, names: &mut Names, line: &ReceivedLine) -> Result<(), String> {
        let reached_end_us = line.reached_end.map(|t| self.time(t)).transpose()?;
        let examples: Result<Vec<_>, String> =
            line.duplicate_examples.iter().map(|&(index, t)| Ok((index, self.time(t)?))).collect();
        let channel = names.channel_id(&line.channel)?;
        let log = self.log(names, &line.user)?;
        if log.window_mut(channel).is_none_or(|window| !window.live().is_empty()) {
            return Err(format!("{:?} is no member of {:?}, or was summed up before", line.user, line.channel));
        }
        for index in ranges::parse(&line.live)?.iter() {
            log.pushed(MessageRef { channel, index }, None, 0);
        }
        let Some(window) = log.window_mut(channel) else { return Ok(()) };
        for (text, kind) in [(&line.caught_up, CatchUpKind::Policy), (&line.drained, CatchUpKind::Drain)] {
            ranges::parse(text)?.iter().for_each(|index| _ = window.read(index, kind));
        }
        let (same, across) = (line.duplicates_same_connection, line.duplicates_across_reconnect);
        window.add_duplicates(same, across, examples?);
        window.cursor = line.cursor.map(Position);
        window.reached_end_us = reached_end_us;
        log.message_frames =
            log.message_frames - log.window(channel).map_or(0, |window| window.live().len()) + line.frames;
        Ok(())
    }

    fn page(&mut self, names: &mut Names, line: PageLine) -> Result<(), String> {
        let written_us = self.time(line.t)?;
        let (reader, channel) = (names.user_id(&line.user)?, names.channel_id(&line.channel)?);
        let mut page = PageRecord {
            reader,
            channel,
            kind: line.why,
            written_us,
            after: line.after.map(Position),
            lowest: None,
            highest: None,
            messages: RunSet::default(),
            unrecognised: Vec::new(),
            open_end: line.last,
            repeated_rows: line.repeated_rows,
            stuck: line.stuck,
        };
        if let Some(summed) = line.summed {
            if line.rows.is_some() {
                return Err("a page has rows or a sum of them, not both".to_owned());
            }
            (page.lowest, page.highest) = (summed.lowest.map(Position), summed.highest.map(Position));
            page.messages = ranges::parse(&summed.messages)?;
            page.unrecognised = summed.unrecognised.into_iter().map(Into::into).collect();
            self.ledger.pages.push(page);
            return Ok(());
        }
        let lines = line.rows.ok_or("rows are missing; a page that is empty has []")?;
        let rows = rows(names, channel, lines)?;
        page.lowest = rows.iter().map(|row| row.position).min();
        page.highest = rows.iter().map(|row| row.position).max();
        for row in rows {
            let seen = FirstSeen { at_us: written_us, subscriber: Some(reader) };
            match (row.message, row.text) {
                (Some(message), RowText::Altered) => self.ledger.facts.altered(message, seen),
                (None, RowText::Foreign) => self.ledger.facts.foreign(&row.server_id, seen),
                _ => {}
            }
            if let Some(message) = row.message.filter(|message| message.channel != channel) {
                self.ledger.facts.elsewhere(message, channel, seen);
            }
            match row.message.filter(|message| message.channel == channel) {
                Some(message) => _ = page.messages.insert(message.index),
                None => page.unrecognised.push(row.server_id),
            }
        }
        let log = self.log(names, &line.user)?;
        let Some(window) = log.window_mut(channel) else {
            return Err(format!("{:?} reads {:?}, and is no member of it", line.user, line.channel));
        };
        page.messages.iter().for_each(|index| _ = window.read(index, page.kind));
        window.cursor = window.cursor.max(page.highest);
        if line.last {
            window.reached_end_us = window.reached_end_us.max(Some(written_us));
        }
        self.ledger.pages.push(page);
        Ok(())
    }

    fn final_read(&mut self, names: &mut Names, line: FinalReadLine) -> Result<(), String> {
        let channel = names.channel_id(&line.channel)?;
        if line.rows.is_none() && line.failure.is_none() {
            return Err("rows are missing; a channel that is empty has []".to_owned());
        }
        let mut rows = rows(names, channel, line.rows.unwrap_or_default())?;
        rows.sort_by_key(|row| row.position);
        let ids: BTreeSet<&str> = rows.iter().map(|row| &*row.server_id).collect();
        if ids.len() < rows.len() {
            return Err("two rows have one id; an id that came again belongs into repeated".to_owned());
        }
        let again = |read: &FinalRead| read.number == line.number && read.channel == channel;
        if self.ledger.final_reads.iter().any(again) {
            return Err(format!("final read {} of {:?} is told twice", line.number, line.channel));
        }
        let read = FinalRead {
            number: line.number,
            channel,
            written_us: self.time(line.t)?,
            ended_us: self.time(line.end)?,
            failure: line.failure,
            rows,
            repeated: line.repeated.into_iter().map(Into::into).collect(),
            stuck_pages: line.stuck_pages,
            foreign: line.foreign.into_iter().map(|(id, text)| (id.into(), text)).collect(),
            truncated_before: line.truncated_before.map(Position),
            reactions: line.reactions.into_iter().map(|one| one.reaction(names)).collect::<Result<_, _>>()?,
        };
        self.ledger.final_reads.push(read);
        Ok(())
    }

    fn point_read(&mut self, names: &mut Names, line: PointReadLine) -> Result<(), String> {
        let message = names.messages.get(&line.key).copied();
        let message = message.ok_or_else(|| format!("no intended line has the key {:?}", line.key))?;
        let row = line.row.map(|row| history_row(names, message.channel, row)).transpose()?;
        let written_us = self.time(line.t)?;
        self.ledger.point_reads.push(PointRead { message, written_us, row });
        Ok(())
    }

    fn log(&mut self, names: &mut Names, user: &str) -> Result<&mut SubscriberLog, String> {
        let id = names.user_id(user)?;
        Ok(self.logs.entry(id).or_insert_with(|| SubscriberLog::new(id, [])))
    }

    fn seen(&mut self, names: &mut Names, t: f64, user: Option<&str>) -> Result<FirstSeen, String> {
        let subscriber = user.map(|user| names.user_id(user)).transpose()?;
        Ok(FirstSeen { at_us: self.time(t)?, subscriber })
    }

    fn time(&mut self, t: f64) -> Result<u64, String> {
        let us = time(t, self.origin)?;
        self.latest_us = self.latest_us.max(us);
        Ok(us)
    }
}

fn rows(names: &mut Names, channel: ChannelId, lines: Vec<RowLine>) -> Result<Vec<HistoryRow>, String> {
    lines.into_iter().map(|line| history_row(names, channel, line)).collect()
}

/// A row. Without a message it is somebody else's, unless it says otherwise.
fn history_row(names: &mut Names, channel: ChannelId, line: RowLine) -> Result<HistoryRow, String> {
    let message = match (&line.key, &line.message) {
        (Some(key), _) => Some(names.seen(key, channel)),
        (None, Some(reference)) => Some(resolve(names, reference)?),
        (None, None) => None,
    };
    let usual = if message.is_some() { RowText::Intact } else { RowText::Unrelated };
    let text = line.text.unwrap_or(usual);
    Ok(HistoryRow { server_id: line.id.into(), position: Position(line.position), message, text })
}

/// The message of a reference.
fn resolve(names: &mut Names, reference: &Reference) -> Result<MessageRef, String> {
    match reference {
        Reference { key: Some(key), .. } => {
            let known = names.messages.get(key).copied();
            known.ok_or_else(|| format!("no intended line has the key {key:?}"))
        }
        Reference { of: Some(channel), index: Some(index), .. } => {
            Ok(MessageRef { channel: names.channel_id(channel)?, index: *index })
        }
        _ => Err("a message is named by its key, or by of (its channel) and index".to_owned()),
    }
}
