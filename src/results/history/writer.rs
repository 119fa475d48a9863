//! Writes the history of a run.

use super::changes::{ChangeLine, ReactionLine, ThreadLine};
use super::lines::{
    AbsentLine, FaultLine, FinalReadLine, IntendedLine, Line, NoticedLine, OutcomeLine, OwnRun, PageLine,
    PointReadLine, ReceivedLine, Reference, RowLine, RunLine, SeenLine, SummedPage, VERSION, from_us,
};
use super::promises::Promises;
use super::ranges;
use crate::ledger::{
    ConnectionEnd, FinalRead, HistoryRow, Ledger, PageRecord, RowText, RunRecord, SendRow, SubscriberLog,
};
use crate::model::{KeyCodec, MessageRef, RunId};
use crate::plan::RunPlan;
use std::collections::HashMap;
use std::io::{self, Write};

/// Writes a merged ledger as lines.
///
/// # Errors
/// What the writer answers.
pub fn write_history(out: &mut impl Write, plan: &RunPlan, record: &RunRecord, ledger: &Ledger) -> io::Result<()> {
    let keys = KeyCodec::new(RunId(record.run_number), plan.key_layout);
    let key = |send: &SendRow| keys.encode(send.message, send.intended_us.saturating_sub(record.load_start_us));
    let keys: HashMap<MessageRef, String> =
        ledger.sends.iter().map(|send| (send.message, key(send).to_string())).collect();
    let mut lines = Lines { out, keys };
    lines.write(&run_line(plan, record))?;
    for send in &ledger.sends {
        lines.send(send)?;
    }
    for log in &ledger.subscribers {
        lines.subscriber(log)?;
    }
    for page in &ledger.pages {
        lines.page(&page)?;
    }
    for read in &ledger.final_reads {
        lines.final_read(read)?;
    }
    for read in &ledger.point_reads {
        let row = read.row.as_ref().map(|row| lines.row(row));
        // Only acknowledged messages are read by their id.
        let key = lines.keys.get(&read.message).cloned().unwrap_or_default();
        lines.write(&Line::PointRead(PointReadLine { t: from_us(read.written_us), key, row }))?;
    }
    for row in &ledger.changes {
        if let Some(line) = ChangeLine::of(row, lines.reference(row.message)) {
            lines.write(&Line::Change(line))?;
        }
    }
    for read in &ledger.threads {
        if let Some(line) = ThreadLine::of(read, lines.reference(read.parent)) {
            lines.write(&Line::Thread(line))?;
        }
    }
    for (fault, seen) in plan.faults.iter().zip(&record.faults) {
        lines.write(&Line::Fault(FaultLine {
            kind: fault.kind,
            t: from_us(record.load_start_us + fault.at_us),
            fired: seen.fired_us.map(from_us),
            healed: seen.healed_us.map(from_us),
            touched: seen.touched,
        }))?;
    }
    lines.facts(ledger)
}

fn run_line(plan: &RunPlan, record: &RunRecord) -> Line {
    Line::Run(RunLine {
        format: VERSION,
        id: record.run_id.clone(),
        origin: 0.0,
        promises: Promises::of(&plan.capabilities),
        timeout: from_us(plan.send.timeout_us),
        ended: Some(from_us(record.ended_us)),
        interrupted: record.interrupted,
        killed: record.killed,
        stopped: record.stopped.clone(),
        failures: record.drain.failures.clone(),
        posthaste: Some(OwnRun {
            number: record.run_number,
            channel_bits: plan.key_layout.channel_bits,
            load_start: from_us(record.load_start_us),
            text_bytes: (plan.message_size_bytes.min, plan.message_size_bytes.max),
        }),
    })
}

struct Lines<'w, W> {
    out: &'w mut W,
    keys: HashMap<MessageRef, String>,
}

impl<W: Write> Lines<'_, W> {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }

    fn reference(&self, message: MessageRef) -> Reference {
        match self.keys.get(&message) {
            Some(key) => Reference { key: Some(key.clone()), of: None, index: None },
            None => Reference { key: None, of: Some(message.channel.to_string()), index: Some(message.index) },
        }
    }

    fn send(&mut self, send: &SendRow) -> io::Result<()> {
        let key = self.keys.get(&send.message).cloned().unwrap_or_default();
        self.write(&Line::Intended(IntendedLine {
            t: from_us(send.intended_us),
            key: key.clone(),
            user: send.user.to_string(),
            channel: send.message.channel.to_string(),
            index: Some(send.message.index),
        }))?;
        self.write(&Line::Outcome(OutcomeLine {
            key,
            state: send.state,
            attempts: send.attempts,
            indeterminate: send.indeterminate,
            first_byte: send.first_byte_us.map(from_us),
            acknowledged: send.acknowledged_us.map(from_us),
            last_attempt: send.last_attempt_us.map(from_us),
            id: send.server_id.as_deref().map(str::to_owned),
            position: send.position.map(|position| position.0),
        }))
    }

    fn subscriber(&mut self, log: &SubscriberLog) -> io::Result<()> {
        let user = log.user.to_string();
        for channel in log.channels() {
            self.write(&Line::Member { user: user.clone(), channel: channel.to_string() })?;
        }
        for absence in &log.absences {
            self.write(&Line::Absent(AbsentLine {
                user: user.clone(),
                channel: absence.channel.to_string(),
                t: from_us(absence.leaving_us),
                left: absence.left_us.map(from_us),
                joining: absence.joining_us.map(from_us),
                joined: absence.joined_us.map(from_us),
            }))?;
        }
        for connection in &log.connections {
            self.write(&Line::Connected { t: from_us(connection.armed_us), user: user.clone() })?;
            if let Some(noticed_us) = connection.noticed_us.filter(|_| connection.end != ConnectionEnd::Open) {
                let (t, how) = (from_us(noticed_us), connection.end);
                self.write(&Line::Noticed(NoticedLine { t, user: user.clone(), how }))?;
            }
        }
        let mut frames = log.message_frames;
        for window in &log.windows {
            self.write(&Line::Received(ReceivedLine {
                user: user.clone(),
                channel: window.channel.to_string(),
                live: ranges::to_text(&window.live()),
                caught_up: ranges::to_text(window.caught_up()),
                drained: ranges::to_text(window.drained()),
                duplicates_same_connection: window.duplicates_same_connection(),
                duplicates_across_reconnect: window.duplicates_across_reconnect(),
                duplicate_examples: window
                    .duplicate_examples()
                    .iter()
                    .map(|&(index, at)| (index, from_us(at)))
                    .collect(),
                cursor: window.cursor.map(|position| position.0),
                reached_end: window.reached_end_us.map(from_us),
                // A user's frames are counted over all channels.
                frames: std::mem::take(&mut frames),
            }))?;
        }
        Ok(())
    }

    fn page(&mut self, page: &PageRecord) -> io::Result<()> {
        self.write(&Line::Page(PageLine {
            t: from_us(page.written_us),
            user: page.reader.to_string(),
            channel: page.channel.to_string(),
            why: page.kind,
            after: page.after.map(|position| position.0),
            rows: None,
            summed: Some(SummedPage {
                lowest: page.lowest.map(|position| position.0),
                highest: page.highest.map(|position| position.0),
                messages: ranges::to_text(&page.messages),
                unrecognised: page.unrecognised.iter().map(|id| id.to_string()).collect(),
            }),
            last: page.open_end,
            repeated_rows: page.repeated_rows,
            stuck: page.stuck,
        }))
    }

    fn row(&self, row: &HistoryRow) -> RowLine {
        let key = row.message.and_then(|message| self.keys.get(&message).cloned());
        RowLine {
            id: row.server_id.to_string(),
            position: row.position.0,
            message: row.message.filter(|_| key.is_none()).map(|message| self.reference(message)),
            key,
            text: Some(row.text).filter(|text| row.message.is_none() || *text != RowText::Intact),
        }
    }

    fn final_read(&mut self, read: &FinalRead) -> io::Result<()> {
        let rows = read.rows.iter().map(|row| self.row(row)).collect();
        let reaction = |reaction| ReactionLine::of(reaction, self.reference(reaction.message));
        let reactions = read.reactions.iter().filter_map(reaction).collect();
        self.write(&Line::FinalRead(FinalReadLine {
            number: read.number,
            channel: read.channel.to_string(),
            t: from_us(read.written_us),
            end: from_us(read.ended_us),
            rows: Some(rows),
            failure: read.failure.clone(),
            repeated: read.repeated.iter().map(|id| id.to_string()).collect(),
            stuck_pages: read.stuck_pages,
            foreign: read.foreign.iter().map(|(id, text)| (id.to_string(), text.clone())).collect(),
            truncated_before: read.truncated_before.map(|position| position.0),
            reactions,
        }))
    }

    fn facts(&mut self, ledger: &Ledger) -> io::Result<()> {
        let facts = &ledger.facts;
        for (&message, seen) in &facts.altered {
            let (t, message) = (from_us(seen.at_us), self.reference(message));
            self.write(&Line::Altered(SeenLine { t, message, user: seen.subscriber.map(|user| user.to_string()) }))?;
        }
        for (&(message, channel), seen) in &facts.elsewhere {
            let (t, message, channel) = (from_us(seen.at_us), self.reference(message), channel.to_string());
            let user = seen.subscriber.map(|user| user.to_string());
            self.write(&Line::Elsewhere { t, message, channel, user })?;
        }
        for (text, seen) in &facts.foreign {
            let user = seen.subscriber.map(|user| user.to_string());
            self.write(&Line::Foreign { t: from_us(seen.at_us), text: text.clone(), user })?;
        }
        for (&(user, message), leak) in &facts.leaked {
            let (t, under) = (from_us(leak.at_us), leak.under.map(|channel| channel.to_string()));
            let message = self.reference(message);
            self.write(&Line::Leaked { t, user: user.to_string(), message, under })?;
        }
        for reordered in &facts.reordered {
            let (t, user) = (from_us(reordered.at_us), reordered.subscriber.to_string());
            let message = self.reference(reordered.message);
            self.write(&Line::Reordered { t, user, message, ahead: reordered.ahead })?;
        }
        Ok(())
    }
}
