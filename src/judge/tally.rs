//! Counting one finding: every instance is counted, the first are kept as
//! examples, and nothing depends on the order in which instances come.

use super::slowest::link;
use super::summary::{Example, FindingClass, FindingSummary, TimeSpan};
use super::truth::Truth;
use crate::model::{FindingKind, MessageRef, UserId};
use crate::plan::Trace;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One instance of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instance {
    at_us: u64,
    message: Option<MessageRef>,
    subscriber: Option<UserId>,
    seen_us: Option<u64>,
    note: Cow<'static, str>,
}

impl Instance {
    /// An instance at an instant: it orders the examples and makes the span.
    pub(super) fn at(at_us: u64) -> Self {
        Self { at_us, message: None, subscriber: None, seen_us: None, note: Cow::Borrowed("") }
    }

    /// An instance that somebody saw at that instant.
    pub(super) fn seen(at_us: u64) -> Self {
        Self { seen_us: Some(at_us), ..Self::at(at_us) }
    }

    /// Which message it is about.
    pub(super) fn message(self, message: MessageRef) -> Self {
        Self { message: Some(message), ..self }
    }

    /// Which subscriber saw it, or did not.
    pub(super) fn subscriber(self, subscriber: impl Into<Option<UserId>>) -> Self {
        Self { subscriber: subscriber.into(), ..self }
    }

    /// What is particular about it.
    pub(super) fn note(self, note: impl Into<Cow<'static, str>>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// The count of one finding.
#[derive(Debug)]
pub(super) struct Tally {
    kind: FindingKind,
    class: FindingClass,
    count: u64,
    of: u64,
    of_what: &'static str,
    unchecked: Option<String>,
    split: BTreeMap<&'static str, u64>,
    span: Option<TimeSpan>,
    instances: Vec<Instance>,
}

impl Tally {
    /// How many instances of a finding are kept as examples.
    pub(super) const EXAMPLES: usize = 20;

    /// Nothing counted yet, of nothing that could have been.
    pub(super) fn new(kind: FindingKind, class: FindingClass, of_what: &'static str) -> Self {
        Self {
            kind,
            class,
            count: 0,
            of: 0,
            of_what,
            unchecked: None,
            split: BTreeMap::new(),
            span: None,
            instances: Vec::new(),
        }
    }

    /// Names the parts of the count: they stand in the summary also when zero.
    pub(super) fn parts(mut self, names: &[&'static str]) -> Self {
        self.split.extend(names.iter().map(|name| (*name, 0)));
        self
    }

    /// A reason for which the finding cannot be checked; `None` changes
    /// nothing.
    pub(super) fn unless(mut self, reason: Option<impl Into<String>>) -> Self {
        self.unchecked = self.unchecked.or(reason.map(Into::into));
        self
    }

    /// So many more could have been instances.
    pub(super) fn could_have(&mut self, more: u64) {
        self.of += more;
    }

    /// Counts an instance.
    pub(super) fn add(&mut self, instance: Instance) {
        self.count += 1;
        self.cite(instance);
    }

    /// Counts an instance as one of a part.
    pub(super) fn add_to(&mut self, part: &'static str, instance: Instance) {
        self.part(part, 1);
        self.add(instance);
    }

    /// Counts instances that were not noted one by one.
    pub(super) fn add_many(&mut self, count: u64) {
        self.count += count;
    }

    /// Adds to a part of the count, and not to the count.
    pub(super) fn part(&mut self, part: &'static str, count: u64) {
        *self.split.entry(part).or_default() += count;
    }

    /// Sets a figure that stands beside the parts to the greater of both.
    pub(super) fn at_most(&mut self, part: &'static str, value: u64) {
        let greatest = self.split.entry(part).or_default();
        *greatest = value.max(*greatest);
    }

    /// Offers an example of instances that are counted already.
    pub(super) fn cite(&mut self, instance: Instance) {
        let at = instance.at_us;
        let span = self.span.get_or_insert(TimeSpan { first: at, last: at });
        *span = TimeSpan { first: span.first.min(at), last: span.last.max(at) };
        self.instances.push(instance);
        // Twice the number is kept between two sorts, so that a sort is rare.
        if self.instances.len() >= 2 * Self::EXAMPLES {
            self.keep_first();
        }
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The summary, with examples in the order of time, message, subscriber.
    pub(super) fn finish(mut self, truth: &Truth, trace: &Trace) -> (FindingKind, FindingSummary) {
        self.keep_first();
        let checked = self.unchecked.is_none();
        let summary = FindingSummary {
            count: if checked { self.count } else { 0 },
            of: if checked { self.of } else { 0 },
            of_what: self.of_what.to_owned(),
            class: self.class,
            checked,
            unchecked_because: self.unchecked,
            split: if checked {
                self.split.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
            } else {
                BTreeMap::new()
            },
            span_us: self.span.filter(|_| checked),
            examples: if checked {
                self.instances.iter().map(|one| example(one, truth, trace)).collect()
            } else {
                Vec::new()
            },
        };
        (self.kind, summary)
    }

    fn keep_first(&mut self) {
        self.instances.sort_unstable();
        self.instances.truncate(Self::EXAMPLES);
    }
}

fn example(instance: &Instance, truth: &Truth, trace: &Trace) -> Example {
    let mut example = Example {
        channel: instance.message.map(|message| message.channel.0),
        index: instance.message.map(|message| message.index),
        subscriber: instance.subscriber.map(|user| user.0),
        seen_us: instance.seen_us,
        note: instance.note.clone().into_owned(),
        ..Example::default()
    };
    let Some(message) = instance.message.and_then(|message| truth.message(message)) else {
        return example;
    };
    example.server_ids = message.copies.iter().map(|copy| copy.server_id.to_owned()).collect();
    if let Some(send) = message.send {
        let key = truth.key(send);
        example.key = Some(key.to_string());
        example.trace = link(trace, key);
        example.sender = Some(send.user.0);
        example.intended_us = Some(send.intended_us);
        example.acknowledged_us = send.acknowledged_us;
        // An acknowledged id is worth showing most of all where nothing stands
        // under it.
        let acknowledged = send.server_id.iter().map(|id| id.to_string());
        let missing: Vec<String> = acknowledged.filter(|id| !example.server_ids.contains(id)).collect();
        example.server_ids.extend(missing);
    }
    example
}
