//! Reads a history: names become numbers, lines become a ledger.

use super::lines::{FaultLine, Line, OwnRun, RunLine, VERSION, to_us};
use super::sends::{Sends, time};
use super::sightings::Sightings;
use crate::ledger::{FaultRecord, Ledger, RunRecord};
use crate::model::{ChannelId, KeyLayout, MessageRef, SizeRange, UserId};
use crate::plan::{
    Arrival, ArrivalProcess, Backoff, CatchUp, CatchUpCursor, Churn, Connect, Drain, Fault, FaultSettings, Heartbeat,
    HttpUse, Measurement, Population, Range, RunPlan, Send, SendDesign, Taps, UserChoice,
};
use std::collections::HashMap;
use std::io::BufRead;

/// A history, ready to be judged.
#[derive(Debug)]
pub struct History {
    /// What the judge needs of a plan: the promises and the time-out.
    pub plan: RunPlan,
    /// How the run went as a whole.
    pub record: RunRecord,
    /// What happened to every message.
    pub ledger: Ledger,
    /// What the numbers are called in the file.
    pub names: Names,
}

/// The names of a file.
#[derive(Debug, Default)]
pub struct Names {
    pub(super) channels: Numbered,
    pub(super) users: Numbered,
    /// The key of each intended message.
    pub(super) keys: HashMap<MessageRef, String>,
    pub(super) messages: HashMap<String, MessageRef>,
    /// The least index of each channel that nobody has taken.
    next_index: HashMap<ChannelId, u32>,
}

/// Names in the order of their first appearance.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// The letter before the number, where the names are posthaste's own.
    own: Option<char>,
}

/// A line that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct HistoryError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Numbered {
    pub(super) fn number(&mut self, name: &str) -> Result<u32, String> {
        if let Some(letter) = self.own {
            let number = name.strip_prefix(letter).and_then(|digits| digits.parse().ok());
            return number
                .ok_or_else(|| format!("{name:?} is not {letter} and a number, as in posthaste's own histories"));
        }
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        Ok(number)
    }

    fn name(&self, number: u32) -> String {
        match self.own {
            Some(letter) => format!("{letter}{number}"),
            None => self.names.get(number as usize).cloned().unwrap_or_else(|| format!("#{number}")),
        }
    }
}

impl Names {
    /// The key of a message, as the file has it.
    pub fn key(&self, channel: u32, index: u32) -> Option<&str> {
        self.keys.get(&MessageRef { channel: ChannelId(channel), index }).map(String::as_str)
    }

    /// A channel as the file calls it.
    pub fn channel(&self, channel: u32) -> String {
        self.channels.name(channel)
    }

    /// A user as the file calls it.
    pub fn user(&self, user: u32) -> String {
        self.users.name(user)
    }

    pub(super) fn channel_id(&mut self, name: &str) -> Result<ChannelId, String> {
        self.channels.number(name).map(ChannelId)
    }

    pub(super) fn user_id(&mut self, name: &str) -> Result<UserId, String> {
        self.users.number(name).map(UserId)
    }

    /// A new message with this key.
    pub(super) fn intend(&mut self, key: &str, channel: ChannelId, index: Option<u32>) -> Result<MessageRef, String> {
        let next = self.next_index.entry(channel).or_default();
        let index = index.unwrap_or(*next);
        *next = (*next).max(index.saturating_add(1));
        let message = MessageRef { channel, index };
        if self.messages.insert(key.to_owned(), message).is_some() {
            return Err(format!("the key {key:?} is intended twice"));
        }
        if self.keys.insert(message, key.to_owned()).is_some() {
            return Err(format!("index {index} is intended twice in this channel"));
        }
        Ok(message)
    }

    /// The message with a key. A key that nobody intended gets a place behind
    /// all intended messages of the channel in which it was seen: it was never
    /// sent, and the judge says so.
    pub(super) fn seen(&mut self, key: &str, channel: ChannelId) -> MessageRef {
        if let Some(message) = self.messages.get(key) {
            return *message;
        }
        let next = self.next_index.entry(channel).or_default();
        let message = MessageRef { channel, index: *next };
        *next += 1;
        self.messages.insert(key.to_owned(), message);
        self.keys.insert(message, key.to_owned());
        message
    }
}

/// Reads a whole history.
///
/// # Errors
/// The first line that is malformed, names what no line introduced, or
/// contradicts an earlier one.
pub fn read_history(input: impl BufRead) -> Result<History, HistoryError> {
    let lines = parse(input)?;
    let mut lines = lines.into_iter();
    let Some((1, Line::Run(run))) = lines.next() else {
        let reason = format!("the first line must be the run: {{\"event\":\"run\",\"format\":{VERSION},\"id\":\"…\"}}");
        return Err(HistoryError { line: 1, reason });
    };
    let at = |line: usize| move |reason: String| HistoryError { line, reason };
    check_run(&run).map_err(at(1))?;
    let mut names = Names::default();
    if run.posthaste.is_some() {
        (names.channels.own, names.users.own) = (Some('c'), Some('u'));
    }
    let (mut sends, mut later, mut faults) = (Sends::new(run.origin), Vec::new(), Vec::new());
    let mut sightings = Sightings::new(run.origin);
    for (number, line) in lines {
        match line {
            Line::Run(_) => return Err(at(number)("a second run".to_owned())),
            Line::Intended(line) => sends.intend(&mut names, &line).map_err(at(number))?,
            Line::Member { user, channel } => sightings.member(&mut names, &user, &channel).map_err(at(number))?,
            Line::Fault(line) => faults.push(fault(&line, run.origin).map_err(at(number))?),
            line => later.push((number, line)),
        }
    }
    sightings.subscribe();
    for (number, line) in later {
        let read = match line {
            Line::Attempt(line) => sends.attempt(&names, &line),
            Line::Outcome(line) => sends.outcome(&names, &line),
            line => sightings.take(&mut names, line),
        };
        read.map_err(at(number))?;
    }
    let latest_us = sends.latest_us.max(sightings.latest_us);
    let mut ledger = sightings.ledger();
    ledger.sends = sends.rows;
    let subscribers = ledger.subscribers.len() as u32;
    let (mut record, mut plan) = (record(&run, &ledger, latest_us), plan(&run, subscribers));
    for (mut fault, seen) in faults {
        fault.at_us = fault.at_us.saturating_sub(record.load_start_us);
        plan.faults.push(fault);
        record.faults.push(seen);
    }
    Ok(History { plan, record, ledger, names })
}

fn parse(input: impl BufRead) -> Result<Vec<(usize, Line)>, HistoryError> {
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(input.lines()) {
        let wrong = |reason: String| HistoryError { line: number, reason };
        let text = text.map_err(|error| wrong(error.to_string()))?;
        if text.trim().is_empty() {
            continue;
        }
        let line = serde_json::from_str(&text).map_err(|error| {
            let (words, column) = (error.to_string(), error.column());
            let words = words.split(" at line ").next().unwrap_or_default().to_owned();
            let words = if error.is_data() { words } else { format!("no JSON object: {words}") };
            wrong(if column > 0 { format!("{words} (column {column})") } else { words })
        })?;
        lines.push((number, line));
    }
    Ok(lines)
}

fn check_run(run: &RunLine) -> Result<(), String> {
    if run.format != VERSION {
        return Err(format!("format {} is not known; this program reads format {VERSION}", run.format));
    }
    if !(run.origin.is_finite() && run.origin >= 0.0) || to_us(run.timeout).is_none() {
        return Err("origin and timeout are milliseconds, 0 or more".to_owned());
    }
    match &run.posthaste {
        Some(own) if own.channel_bits > 32 => Err("channel_bits is at most 32".to_owned()),
        _ => to_us(run.promises.lag).map(|_| ()).ok_or_else(|| "lag is milliseconds, 0 or more".to_owned()),
    }
}

fn fault(line: &FaultLine, origin: f64) -> Result<(Fault, FaultRecord), String> {
    let at = |t: Option<f64>| t.map(|t| time(t, origin)).transpose();
    let seen = FaultRecord { fired_us: at(line.fired)?, healed_us: at(line.healed)?, touched: line.touched };
    Ok((
        Fault {
            kind: line.kind,
            at_us: time(line.t, origin)?,
            for_us: 0,
            share: 1.0,
            settings: FaultSettings::default(),
        },
        seen,
    ))
}

fn record(run: &RunLine, ledger: &Ledger, latest_us: u64) -> RunRecord {
    let own = run.posthaste;
    let mut record = RunRecord {
        run_id: run.id.clone(),
        run_number: own.map_or(0, |own| own.number),
        load_start_us: own.and_then(|own| to_us(own.load_start)).unwrap_or(0),
        load_end_us: ledger.sends.iter().map(|send| send.intended_us).max().unwrap_or(0),
        ended_us: run.ended.and_then(|ended| to_us(ended - run.origin)).unwrap_or(latest_us),
        scheduled: ledger.sends.len() as u64,
        interrupted: run.interrupted,
        killed: run.killed,
        stopped: run.stopped.clone(),
        ..RunRecord::default()
    };
    record.drain.failures.clone_from(&run.failures);
    record
}

/// A plan of which the judge asks the promises and the time-out only.
fn plan(run: &RunLine, subscribers: u32) -> RunPlan {
    let backoff = Backoff { base_us: 0, max_us: 0 };
    let (channel_bits, (min, max)) = match run.posthaste {
        Some(OwnRun { channel_bits, text_bytes, .. }) => (channel_bits, text_bytes),
        None => (32, (0, 0)),
    };
    RunPlan {
        workload: "history".to_owned(),
        target: "history".to_owned(),
        seed: 0,
        population: Population {
            users: 0,
            channels: 0,
            members: Range { min: 0, max: 0 },
            senders: 0,
            subscribers,
            choice: UserChoice::Uniform,
            private_share: 0.0,
        },
        arrival: Arrival { process: ArrivalProcess::Constant, phases: Vec::new() },
        message_size_bytes: SizeRange { min, max },
        send: Send {
            design: SendDesign::Http,
            http: HttpUse::Kept,
            taps: Taps::NONE,
            attempts: 1,
            timeout_us: to_us(run.timeout).unwrap_or(0),
            backoff,
            idle_timeout_us: 0,
        },
        changes: crate::plan::Changes::NONE,
        hints: crate::plan::Hints::default(),
        actions: crate::plan::Actions::default(),
        receive: crate::plan::Receive::default(),
        connect: Connect { rate_per_s: 1.0, timeout_us: 0, backoff },
        churn: Churn { share_per_minute: 0.0, reset_share: 0.0, away_us: Range { min: 0, max: 0 } },
        members: crate::plan::Members::STEADY,
        faults: Vec::new(),
        heartbeat: Heartbeat { interval_us: 0, timeout_us: 0 },
        catch_up: CatchUp { page_size: 1, max_pages: 1, timeout_us: 0, cursor: CatchUpCursor::Read },
        drain: Drain { quiet_us: 0, deadline_us: 0, first_page_size: 1, second_page_size: 2 },
        measurement: Measurement {
            lag_p99_us: 0,
            canary_late_us: 0,
            canary_late_share: 1.0,
            achieved_share: 0.0,
            worker_cpu_share: 1.0,
            receive_wait_p99_us: 5_000,
            self_check: false,
        },
        stop: crate::plan::StopRule::default(),
        observe: None,
        trace: Default::default(),
        thresholds: Vec::new(),
        capabilities: run.promises.capabilities(),
        key_layout: KeyLayout { channel_bits },
    }
}
