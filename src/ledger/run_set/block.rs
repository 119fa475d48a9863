//! One block of a sealed chunk: 4,096 indices in at most 512 bytes.
//!
//! A block is *coded* where that is shorter than a bitmap: for each run of
//! present indices, ascending, the hole before it and its length. Most holes
//! are one message long, so such a run is its length alone:
//!
//! ```text
//! run  = varint(length)                              after a hole of one index
//!      | 0  varint(hole)  varint(length)             after any other hole
//! ```
//!
//! The first hole is counted from the place before the block, so that it is
//! one, too, where the block begins with a run. What lies behind the last run
//! is absent. A block of exactly [`BITMAP_BYTES`] bytes is a bitmap, least
//! index first; none that is coded has that length. No bytes: nothing present.

use std::ops::Range;

/// Indices of a block.
pub(super) const SIZE: u32 = 4_096;
/// Bytes of a block that is a bitmap: its length tells it from a coded one.
pub(super) const BITMAP_BYTES: usize = SIZE as usize / 8;

/// A block, one bit an index.
pub(super) type Bits = [u64; SIZE as usize / 64];

/// Appends a run behind the one that ended at `past` − 1; `past` is 0 for the
/// first run of a block. A run may touch the one before it.
pub(super) fn write_run(out: &mut Vec<u8>, past: u32, run: Range<u32>) {
    let hole = run.start + 1 - past;
    if hole != 1 {
        out.push(0);
        write_varint(out, hole);
    }
    write_varint(out, run.end - run.start);
}

/// The runs of a block as offsets into it, ascending; some may touch.
pub(super) fn runs(bytes: &[u8]) -> Runs<'_> {
    if bytes.len() == BITMAP_BYTES { Runs::Bitmap { bytes, from: 0 } } else { Runs::Coded { bytes, past: 0 } }
}

/// Whether an offset is present.
pub(super) fn contains(bytes: &[u8], offset: u32) -> bool {
    if bytes.len() == BITMAP_BYTES {
        return bytes[offset as usize / 8] & (1 << (offset % 8)) != 0;
    }
    runs(bytes).find(|run| offset < run.end).is_some_and(|run| run.start <= offset)
}

/// The bits of a block that is coded, whatever its length.
pub(super) fn decode_coded(bytes: &[u8]) -> Bits {
    let mut bits = [0; SIZE as usize / 64];
    for run in (Runs::Coded { bytes, past: 0 }) {
        set_bits(&mut bits, run);
    }
    bits
}

/// The bits of a block that is a bitmap.
pub(super) fn decode_bitmap(bytes: &[u8]) -> Bits {
    std::array::from_fn(|rank| word(bytes, rank))
}

/// Sets a run of bits.
pub(super) fn set_bits(bits: &mut Bits, run: Range<u32>) {
    for (rank, word) in (0..).zip(bits.iter_mut()).take(run.end.div_ceil(64) as usize).skip(run.start as usize / 64) {
        let from = run.start.saturating_sub(rank * 64);
        let to = (run.end - rank * 64).min(64);
        *word |= (u64::MAX >> (64 - (to - from))) << from;
    }
}

/// The shorter of both forms.
pub(super) fn encode(bits: &Bits) -> Vec<u8> {
    let bitmap = encode_bitmap(bits);
    let mut coded = Vec::with_capacity(64);
    let mut past = 0;
    for run in (Runs::Bitmap { bytes: &bitmap, from: 0 }) {
        let end = run.end;
        write_run(&mut coded, past, run);
        if coded.len() >= BITMAP_BYTES {
            return bitmap.to_vec();
        }
        past = end + 1;
    }
    coded
}

/// The bits as a bitmap.
pub(super) fn encode_bitmap(bits: &Bits) -> [u8; BITMAP_BYTES] {
    let mut bytes = [0; BITMAP_BYTES];
    for (place, word) in bytes.chunks_exact_mut(8).zip(bits) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// The runs of a block.
#[derive(Clone, Debug)]
pub(super) enum Runs<'b> {
    /// The bytes that follow, and one past the end of the run before them.
    Coded { bytes: &'b [u8], past: u32 },
    /// The bitmap, and the offset from which on it is still to be read.
    Bitmap { bytes: &'b [u8], from: u32 },
}

impl Iterator for Runs<'_> {
    type Item = Range<u32>;

    #[inline]
    fn next(&mut self) -> Option<Range<u32>> {
        match self {
            Self::Coded { bytes, past } => {
                let (hole, length) = match read_varint(bytes)? {
                    0 => (read_varint(bytes)?, read_varint(bytes)?),
                    length => (1, length),
                };
                let start = *past + hole - 1;
                *past = start + length + 1;
                Some(start..start + length)
            }
            Self::Bitmap { bytes, from } => {
                let start = next_bit(bytes, *from, 0);
                let end = next_bit(bytes, start, u64::MAX);
                *from = end;
                (start < end).then_some(start..end)
            }
        }
    }
}

/// The first offset at or past `from` whose bit, flipped where `flip` says so,
/// is set; [`SIZE`] where there is none.
fn next_bit(bytes: &[u8], from: u32, flip: u64) -> u32 {
    let mut mask = u64::MAX << (from % 64);
    for rank in from as usize / 64..SIZE as usize / 64 {
        let bits = (word(bytes, rank) ^ flip) & mask;
        if bits != 0 {
            return rank as u32 * 64 + bits.trailing_zeros();
        }
        mask = u64::MAX;
    }
    SIZE
}

fn word(bytes: &[u8], rank: usize) -> u64 {
    u64::from_le_bytes(bytes[rank * 8..rank * 8 + 8].try_into().expect("eight bytes"))
}

/// Little-endian groups of seven bits, the high bit set on all but the last.
fn write_varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn read_varint(bytes: &mut &[u8]) -> Option<u32> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}
