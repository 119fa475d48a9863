//! The ledger as bytes, record by record, so that a worker can encode a slice
//! between two pieces of its work. In memory only: files are `results`'.
//!
//! ```text
//! "PHLEDGER"  version u32
//! record: kind u8, length u64, CRC-32 of the payload u32, payload (postcard)
//! …
//! end record: its payload is the number of records before it, u64
//! ```
//!
//! Numbers outside the payloads are little-endian. The checksum tells damage
//! from data; the end record tells a whole file from its beginning.

use super::{ChangeRow, Facts, FinalRead, Ledger, PageRecord, PointRead, SendRow, SubscriberLog, ThreadRead};
use flate2::Crc;
use serde::Serialize;
use serde::de::DeserializeOwned;

const MAGIC: &[u8; 8] = b"PHLEDGER";
/// Grows when a type of the ledger changes.
const VERSION: u32 = 3;
/// Kind, length and checksum.
const RECORD_HEAD: usize = 1 + 8 + 4;

const SENDS: u8 = 1;
const SUBSCRIBER: u8 = 2;
const PAGES: u8 = 3;
const FINAL_READ: u8 = 4;
const POINT_READS: u8 = 5;
const FACTS: u8 = 6;
const CHANGES: u8 = 7;
const THREADS: u8 = 8;
const END: u8 = 0xff;

/// Why bytes are not a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first bytes are something else's.
    #[error("not a ledger file")]
    NotALedger,
    /// Another version of the format.
    #[error("ledger format {0}, and this posthaste reads {VERSION}")]
    Version(u32),
    /// The bytes end within a record or before the end record.
    #[error("truncated after {0} records")]
    Truncated(u64),
    /// A record is not what was written.
    #[error("record {0} is damaged: its checksum differs")]
    Checksum(u64),
    /// A record with a right checksum is not of its kind, or of no known kind.
    #[error("record {0} is not readable")]
    Malformed(u64),
}

/// Encodes the ledger of a shard in slices of any size and in any order.
#[derive(Debug)]
pub struct LedgerEncoder {
    bytes: Vec<u8>,
    records: u64,
    /// Nothing was taken yet.
    begins: bool,
}

/// Bytes of a ledger that is written piece by piece, so that it is never in
/// memory as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPiece {
    /// What follows the pieces before it.
    pub bytes: Vec<u8>,
    /// Whether it is the first.
    pub begins: bool,
    /// Whether it is the last.
    pub ends: bool,
}

impl Default for LedgerEncoder {
    fn default() -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        Self { bytes, records: 0, begins: true }
    }
}

impl LedgerEncoder {
    /// An encoder of an empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// A whole ledger at once.
    pub fn encode(ledger: &Ledger) -> Vec<u8> {
        /// Rows of one record: some hundred kilobytes.
        const SLICE: usize = 8_192;
        let mut encoder = Self::new();
        for rows in ledger.sends.chunks(SLICE) {
            encoder.encode_sends(rows);
        }
        for log in &ledger.subscribers {
            encoder.encode_subscriber(log);
        }
        let mut pages = ledger.pages.iter();
        while pages.len() > 0 {
            encoder.encode_pages(pages.by_ref().take(SLICE));
        }
        for read in &ledger.final_reads {
            encoder.encode_final_read(read);
        }
        encoder.encode_point_reads(&ledger.point_reads);
        encoder.encode_facts(&ledger.facts);
        for rows in ledger.changes.chunks(SLICE) {
            encoder.encode_changes(rows);
        }
        encoder.encode_threads(&ledger.threads);
        encoder.finish()
    }

    /// Adds rows of the sender log.
    pub fn encode_sends(&mut self, rows: &[SendRow]) {
        self.record(SENDS, rows);
    }

    /// Adds the log of one subscriber.
    pub fn encode_subscriber(&mut self, log: &SubscriberLog) {
        self.record(SUBSCRIBER, log);
    }

    /// Adds pages that subscribers read.
    pub fn encode_pages(&mut self, pages: impl IntoIterator<Item = PageRecord>) {
        self.record(PAGES, &pages.into_iter().collect::<Vec<PageRecord>>());
    }

    /// Adds the final read of one channel.
    pub fn encode_final_read(&mut self, read: &FinalRead) {
        self.record(FINAL_READ, read);
    }

    /// Adds reads of single messages.
    pub fn encode_point_reads(&mut self, reads: &[PointRead]) {
        self.record(POINT_READS, reads);
    }

    /// Adds facts; those of several records are merged when read.
    pub fn encode_facts(&mut self, facts: &Facts) {
        self.record(FACTS, facts);
    }

    /// Adds changes of messages.
    pub fn encode_changes(&mut self, rows: &[ChangeRow]) {
        self.record(CHANGES, rows);
    }

    /// Adds reads of threads.
    pub fn encode_threads(&mut self, reads: &[ThreadRead]) {
        self.record(THREADS, reads);
    }

    /// Bytes since the last piece.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Takes what was encoded since the last piece.
    pub fn take_piece(&mut self) -> LedgerPiece {
        let bytes = std::mem::take(&mut self.bytes);
        LedgerPiece { bytes, begins: std::mem::take(&mut self.begins), ends: false }
    }

    /// Ends the ledger and gives its last piece.
    pub fn last_piece(self) -> LedgerPiece {
        let begins = self.begins;
        LedgerPiece { bytes: self.finish(), begins, ends: true }
    }

    /// Ends the ledger. Without this the bytes read as truncated.
    pub fn finish(mut self) -> Vec<u8> {
        let records = self.records.to_le_bytes();
        self.close_record(END, |bytes| bytes.extend_from_slice(&records));
        self.bytes
    }

    fn record<T: Serialize + ?Sized>(&mut self, kind: u8, value: &T) {
        self.close_record(kind, |bytes| {
            let taken = std::mem::take(bytes);
            *bytes = postcard::to_extend(value, taken).expect("a vector takes all, and every length is known");
        });
        self.records += 1;
    }

    /// Writes the payload in place and fills in its length and checksum after.
    fn close_record(&mut self, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) {
        let head = self.bytes.len();
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&[0; RECORD_HEAD - 1]);
        payload(&mut self.bytes);
        let body = head + RECORD_HEAD;
        let length = (self.bytes.len() - body) as u64;
        let checksum = checksum(kind, &self.bytes[body..]);
        self.bytes[head + 1..head + 9].copy_from_slice(&length.to_le_bytes());
        self.bytes[head + 9..body].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Reads the bytes of [`LedgerEncoder::finish`].
///
/// Never panics and never allocates more than a small multiple of
/// `bytes.len()`, whatever the bytes are.
pub fn decode_ledger(bytes: &[u8]) -> Result<Ledger, DecodeError> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(DecodeError::NotALedger)?;
    let version = u32::from_le_bytes(take(&mut rest).ok_or(DecodeError::Truncated(0))?);
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let mut ledger = Ledger::default();
    for rank in 0u64.. {
        let (kind, payload) = next_record(&mut rest, rank)?;
        if kind == END {
            let whole = payload == rank.to_le_bytes() && rest.is_empty();
            return if whole { Ok(ledger) } else { Err(DecodeError::Malformed(rank)) };
        }
        add_record(&mut ledger, kind, payload).ok_or(DecodeError::Malformed(rank))?;
    }
    Err(DecodeError::Truncated(u64::MAX))
}

/// Cuts the next record off; a length is believed only as far as there are
/// bytes.
fn next_record<'a>(rest: &mut &'a [u8], rank: u64) -> Result<(u8, &'a [u8]), DecodeError> {
    let truncated = DecodeError::Truncated(rank);
    let [kind] = take(rest).ok_or(truncated.clone())?;
    let length = u64::from_le_bytes(take(rest).ok_or(truncated.clone())?);
    let expected = u32::from_le_bytes(take(rest).ok_or(truncated.clone())?);
    let length = usize::try_from(length).ok().filter(|length| *length <= rest.len()).ok_or(truncated)?;
    let (payload, after) = rest.split_at(length);
    *rest = after;
    if checksum(kind, payload) != expected {
        return Err(DecodeError::Checksum(rank));
    }
    Ok((kind, payload))
}

fn add_record(ledger: &mut Ledger, kind: u8, payload: &[u8]) -> Option<()> {
    match kind {
        SENDS => ledger.sends.extend(whole::<Vec<SendRow>>(payload)?),
        SUBSCRIBER => ledger.subscribers.push(whole(payload)?),
        PAGES => ledger.pages.extend(whole::<Vec<PageRecord>>(payload)?),
        FINAL_READ => ledger.final_reads.push(whole(payload)?),
        POINT_READS => ledger.point_reads.extend(whole::<Vec<PointRead>>(payload)?),
        FACTS => ledger.facts.merge(whole(payload)?),
        CHANGES => ledger.changes.extend(whole::<Vec<ChangeRow>>(payload)?),
        THREADS => ledger.threads.extend(whole::<Vec<ThreadRead>>(payload)?),
        _ => return None,
    }
    Some(())
}

/// The value that the payload is, to its last byte.
fn whole<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(payload).ok()?;
    rest.is_empty().then_some(value)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}

/// CRC-32 over the kind and the payload: a flipped kind is damage too.
fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&[kind]);
    crc.update(payload);
    crc.sum()
}

#[cfg(test)]
mod tests;
