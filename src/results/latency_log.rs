//! `latency.hlog`: an HdrHistogram interval log, format 1.3, that the tools of
//! HdrHistogram read. Tags are the names of the latencies; values, and the
//! maximum that stands readable in each line, are µs.

use super::files::{GrowingFile, read_whole, whole_lines};
use super::{ResultsError, RunFolder};
use crate::ledger::Latencies;
use crate::model::LatencyKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, Serializer, V2SerializeError, V2Serializer};
use hdrhistogram::{Counter, Histogram};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Between two histograms.
const BREATH: Duration = Duration::from_micros(100);

/// Writes the histograms of each interval as it ends.
pub struct LatencyLog {
    file: GrowingFile,
    serializer: Deflating,
    lines: Vec<u8>,
}

impl LatencyLog {
    /// Creates `latency.hlog`. `start` is the wall clock at the start of the
    /// run, which every time in the file counts from.
    pub fn create(folder: &RunFolder, start: SystemTime) -> Result<Self, ResultsError> {
        let mut head = Vec::new();
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment("[Values are microseconds, the Interval_Max too]")
            .with_start_time(start)
            .with_base_time(start)
            .begin_log_with(&mut head, &mut Deflating::new())
            .expect("a vector takes all");
        let legend = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
        head.extend_from_slice(legend.as_bytes());
        let mut file = GrowingFile::create(folder.file("latency.hlog"))?;
        file.append(&head)?;
        Ok(Self { file, serializer: Deflating::new(), lines: Vec::new() })
    }

    /// Appends what was measured in an interval: its start in µs since the
    /// start of the run, and its length. It is in the file when this returns.
    ///
    /// A later `report` judges by the sum of what was appended: what the judge
    /// must not see, the warm-up, must not be appended either.
    pub fn append(&mut self, start_us: u64, length_us: u64, latencies: &Latencies) -> Result<(), ResultsError> {
        let Self { file, serializer, lines } = self;
        lines.clear();
        let mut writer = IntervalLogWriterBuilder::new().begin_log_with(lines, serializer).expect("a vector takes all");
        let (start, length) = (Duration::from_micros(start_us), Duration::from_micros(length_us));
        for kind in LatencyKind::ALL {
            let histogram = latencies.histogram(kind);
            if !histogram.is_empty() {
                writer
                    .write_histogram(histogram, start, length, Tag::new(kind.name()))
                    .expect("a vector takes all, and the bounds of the histogram are those of the format");
                // A worker that shares the core has sends that are due; to yield would
                // leave the scheduler free to go on with this thread.
                std::thread::sleep(BREATH);
            }
        }
        file.append(lines)
    }
}

/// The second encoding of a histogram, compressed by zlib.
///
/// The serializer of hdrhistogram makes a compressor for each histogram; its memory was
/// given back and taken again, and cleared by the kernel, each second: a third of the
/// orchestrator's time.
struct Deflating {
    inner: V2Serializer,
    plain: Vec<u8>,
    compress: Compress,
    compressed: Vec<u8>,
}

/// The cookie of a compressed histogram of the second encoding.
const COOKIE: [u8; 4] = [0x1c, 0x84, 0x93, 0x14];

impl Deflating {
    fn new() -> Self {
        let compress = Compress::new(Compression::default(), true);
        Self { inner: V2Serializer::new(), plain: Vec::new(), compress, compressed: Vec::new() }
    }
}

impl Serializer for Deflating {
    type SerializeError = V2SerializeError;

    fn serialize<T: Counter, W: Write>(
        &mut self,
        histogram: &Histogram<T>,
        writer: &mut W,
    ) -> Result<usize, V2SerializeError> {
        let Self { inner, plain, compress, compressed } = self;
        plain.clear();
        inner.serialize(histogram, plain)?;
        compress.reset();
        compressed.clear();
        let mut ended = false;
        while !ended {
            // Room for the whole at first, as a rule; an incompressible one needs more.
            compressed.reserve(plain.len() + 64);
            let rest = &plain[compress.total_in() as usize..];
            let status = compress.compress_vec(rest, compressed, FlushCompress::Finish);
            ended = status.map_err(io::Error::other)? == Status::StreamEnd;
        }
        let length = u32::try_from(compressed.len()).map_err(|_| V2SerializeError::UsizeTypeTooSmall)?;
        writer.write_all(&COOKIE)?;
        writer.write_all(&length.to_be_bytes())?;
        writer.write_all(compressed)?;
        Ok(COOKIE.len() + size_of_val(&length) + compressed.len())
    }
}

/// The sum of all intervals of a `latency.hlog`. A last line that a killed run
/// did not finish is left out; any other line that cannot be read is an error
/// that names it.
pub fn read_latencies(path: &Path) -> Result<Latencies, ResultsError> {
    read_latencies_of(path, |_, _, _| true)
}

/// The sum of those that are wanted: asked by latency, start and end in µs since
/// the start of the run.
pub fn read_latencies_of(
    path: &Path,
    is_wanted: impl Fn(LatencyKind, u64, u64) -> bool,
) -> Result<Latencies, ResultsError> {
    let bytes = read_whole(path)?;
    let mut sum = Latencies::default();
    for (rank, line) in whole_lines(&bytes).split_inclusive(|byte| *byte == b'\n').enumerate() {
        let malformed = |reason: &str| ResultsError::malformed(path, format!("line {}: {reason}", rank + 1));
        for entry in IntervalLogIterator::new(line) {
            match entry {
                Ok(LogEntry::Interval(interval)) => add_interval(&mut sum, &interval, &is_wanted).map_err(malformed)?,
                Ok(_) => {}
                Err(_) => return Err(malformed("not a line of a histogram log")),
            }
        }
    }
    Ok(sum)
}

fn add_interval(
    sum: &mut Latencies,
    interval: &IntervalLogHistogram<'_>,
    is_wanted: &impl Fn(LatencyKind, u64, u64) -> bool,
) -> Result<(), &'static str> {
    let kind = interval.tag().and_then(|tag| LatencyKind::from_name(tag.as_str())).ok_or("an unknown tag")?;
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let start_us = us(interval.start_timestamp());
    if !is_wanted(kind, start_us, start_us.saturating_add(us(interval.duration()))) {
        return Ok(());
    }
    let compressed = STANDARD.decode(interval.encoded_histogram()).map_err(|_| "not base64")?;
    let histogram = decode_histogram(&compressed).ok_or("a damaged histogram")?;
    sum.histogram_mut(kind).add(histogram).map_err(|_| "a histogram that holds more than an hour")
}

/// Inflates and checks before the histogram is built: the format names its own
/// payload's length, and hdrhistogram allocates what it names.
fn decode_histogram(compressed: &[u8]) -> Option<Histogram<u64>> {
    /// Cookie, payload length, normalising offset, digits, lowest, highest,
    /// ratio.
    const INNER_HEAD: usize = 40;
    /// Far above a histogram of an hour in three digits, all counts different.
    const INFLATED_MAX: u64 = 1 << 20;
    let mut inflated = Vec::new();
    let (length, body) = compressed.strip_prefix(&COOKIE)?.split_first_chunk()?;
    if u32::from_be_bytes(*length) as usize != body.len() {
        return None;
    }
    // Read to its end, so that the checksum of zlib is compared.
    let read = ZlibDecoder::new(body).take(INFLATED_MAX).read_to_end(&mut inflated).ok()?;
    let payload = u32::from_be_bytes(inflated.get(4..8)?.try_into().ok()?) as usize;
    if read as u64 == INFLATED_MAX || payload + INNER_HEAD != inflated.len() {
        return None;
    }
    Deserializer::new().deserialize(&mut inflated.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::ZlibEncoder;
    use hdrhistogram::serialization::V2DeflateSerializer;
    use proptest::prelude::*;

    /// The compressed form of an encoding, both lengths of the outer frame
    /// right.
    fn compressed(encoding: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(encoding).unwrap();
        let body = encoder.finish().unwrap();
        [&[0x1c, 0x84, 0x93, 0x14], (body.len() as u32).to_be_bytes().as_slice(), &body].concat()
    }

    #[test]
    fn a_length_that_the_file_names_is_not_believed() {
        let mut histogram = crate::ledger::new_histogram();
        histogram.record_n(500, 70_000).unwrap();
        let mut encoding = Vec::new();
        V2Serializer::new().serialize(&histogram, &mut encoding).unwrap();
        assert_eq!(decode_histogram(&compressed(&encoding)), Some(histogram));
        let payload = u32::from_be_bytes(encoding[4..8].try_into().unwrap());
        for (named, reason) in [(payload - 3, "less than there is"), (u32::MAX, "more than any memory")] {
            encoding[4..8].copy_from_slice(&named.to_be_bytes());
            assert_eq!(decode_histogram(&compressed(&encoding)), None, "{reason}");
        }
        assert_eq!(decode_histogram(&compressed(&vec![0; 2 << 20])), None, "much out of little");
    }

    proptest! {
        #[test]
        fn a_histogram_is_written_as_by_hdrhistogram(
            all in prop::collection::vec(prop::collection::vec((1u64..3_600_000_000, 1u64..1 << 40), 0..300), 1..4),
        ) {
            let mut own = Deflating::new();
            for samples in all {
                let mut histogram = crate::ledger::new_histogram();
                samples.iter().for_each(|(value, count)| histogram.record_n(*value, *count).unwrap());
                let (mut written, mut expected) = (Vec::new(), Vec::new());
                let length = own.serialize(&histogram, &mut written).unwrap();
                V2DeflateSerializer::new().serialize(&histogram, &mut expected).unwrap();
                prop_assert_eq!((length, &written), (expected.len(), &expected));
                prop_assert_eq!(decode_histogram(&written), Some(histogram));
            }
        }
    }
}
