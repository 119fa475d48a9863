//! The part of a set that grew long ago, compressed: sorted chunks of 65,536
//! indices, each of 16 blocks, so that a late arrival rewrites one block and
//! moves at most 8 KiB, however many runs the set has.

use super::block;
use std::ops::Range;

const CHUNK: u32 = 1 << 16;
const BLOCKS: usize = (CHUNK / block::SIZE) as usize;
/// At the beginning of a chunk's bytes: where each block ends, as u16 counted
/// from the end of the directory.
const DIRECTORY: usize = 2 * BLOCKS;
/// The block ends with the bytes: the one that grows, and all behind it, so
/// that growth leaves the directory alone.
const OPEN: u16 = u16::MAX;
/// Bytes of the longest coded run: a zero and two numbers of two bytes each.
const LONGEST_RUN: usize = 5;

/// Compressed runs; those that cross the border of a block are held in pieces
/// that touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Sealed {
    chunks: Vec<Chunk>,
    end: u32,
}

/// Chunks in which nothing is present are left out.
#[derive(Clone, Debug)]
struct Chunk {
    /// Number of the chunk: its indices without their low 16 bits.
    first: u16,
    /// The same, but for chunks that are all present: those are one entry.
    last: u16,
    /// Directory and blocks; empty where everything is present.
    bytes: Vec<u8>,
}

impl Sealed {
    /// One past the greatest index.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// Adds a run at or past the end.
    pub(super) fn push(&mut self, run: Range<u32>) {
        let mut start = run.start;
        while start < run.end {
            let whole_end = run.end & !(CHUNK - 1);
            let piece_end = if start.is_multiple_of(CHUNK) && whole_end > start {
                self.push_whole_chunks(start..whole_end);
                whole_end
            } else {
                let piece_end = run.end.min((start | (block::SIZE - 1)).saturating_add(1));
                self.push_within_block(start..piece_end);
                piece_end
            };
            start = piece_end;
            self.end = piece_end;
        }
    }

    /// Whether the index is present.
    pub(super) fn contains(&self, index: u32) -> bool {
        let number = number_of(index);
        let after = self.chunks.partition_point(|chunk| chunk.first <= number);
        after > 0 && self.chunks[after - 1].last >= number && self.chunks[after - 1].contains(index % CHUNK)
    }

    /// Adds an index below the end; whether it was absent.
    pub(super) fn insert(&mut self, index: u32) -> bool {
        let number = number_of(index);
        let after = self.chunks.partition_point(|chunk| chunk.first <= number);
        if after > 0 && self.chunks[after - 1].last >= number {
            return self.chunks[after - 1].insert(index % CHUNK);
        }
        self.chunks.reserve_exact(1);
        self.chunks.insert(after, Chunk::empty(number));
        self.chunks[after].insert(index % CHUNK)
    }

    /// All runs, ascending; some may touch.
    pub(super) fn runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.chunks.iter().flat_map(Chunk::runs)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum::<usize>();
        self.chunks.capacity() * size_of::<Chunk>() + chunks
    }

    fn push_whole_chunks(&mut self, run: Range<u32>) {
        self.push_chunk(Chunk { first: number_of(run.start), last: number_of(run.end - 1), bytes: Vec::new() });
    }

    fn push_within_block(&mut self, run: Range<u32>) {
        let number = number_of(run.start);
        if self.chunks.last().is_none_or(|chunk| chunk.last != number) {
            self.push_chunk(Chunk::empty(number));
        }
        let base = run.start & !(block::SIZE - 1);
        let past = if self.end > base { self.end - base + 1 } else { 0 };
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.append((base % CHUNK / block::SIZE) as usize, past, run.start - base..run.end - base);
        }
    }

    /// The chunk before the new one grows no more: what it had in reserve is
    /// given back.
    fn push_chunk(&mut self, chunk: Chunk) {
        if let Some(last) = self.chunks.last_mut() {
            last.bytes.shrink_to_fit();
        }
        if self.chunks.len() == self.chunks.capacity() {
            self.chunks.reserve_exact(1 + self.chunks.len() / 4);
        }
        self.chunks.push(chunk);
    }
}

impl Chunk {
    fn empty(number: u16) -> Self {
        Self { first: number, last: number, bytes: vec![u8::MAX; DIRECTORY] }
    }

    fn is_full(&self) -> bool {
        self.bytes.is_empty()
    }

    fn contains(&self, offset: u32) -> bool {
        let (rank, within) = place(offset);
        self.is_full() || block::contains(&self.bytes[self.range(rank)], within)
    }

    /// Adds a run to a block behind which all blocks are empty.
    fn append(&mut self, rank: usize, past: u32, run: Range<u32>) {
        self.close_before(rank);
        let range = self.range(rank);
        if range.len() == block::BITMAP_BYTES {
            let mut bits = block::decode_bitmap(&self.bytes[range.clone()]);
            block::set_bits(&mut bits, run);
            self.bytes[range].copy_from_slice(&block::encode_bitmap(&bits));
            return;
        }
        self.make_room(LONGEST_RUN);
        block::write_run(&mut self.bytes, past, run);
        if self.bytes.len() - range.start >= block::BITMAP_BYTES {
            let bits = block::decode_coded(&self.bytes[range.start..]);
            self.bytes.truncate(range.start);
            self.make_room(block::BITMAP_BYTES);
            self.bytes.extend_from_slice(&block::encode_bitmap(&bits));
        }
    }

    fn insert(&mut self, offset: u32) -> bool {
        if self.contains(offset) {
            return false;
        }
        let (rank, within) = place(offset);
        let range = self.range(rank);
        if range.len() == block::BITMAP_BYTES {
            let byte = range.start + within as usize / 8;
            self.bytes[byte] |= 1 << (within % 8);
            // As it fills, a bitmap may become the longer form. To look for
            // that now and then is enough, and costs little.
            if self.bytes[byte] == u8::MAX {
                let bits = block::decode_bitmap(&self.bytes[range]);
                self.replace(rank, &block::encode(&bits));
            }
            return true;
        }
        let mut bits = block::decode_coded(&self.bytes[range]);
        block::set_bits(&mut bits, within..within + 1);
        self.replace(rank, &block::encode(&bits));
        true
    }

    fn runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let base = u32::from(self.first) * CHUNK;
        let whole = self.is_full().then(|| base..(u32::from(self.last) + 1) * CHUNK);
        let blocks = if self.is_full() { 0 } else { BLOCKS };
        let of_block = move |rank: usize| {
            let base = base + rank as u32 * block::SIZE;
            block::runs(&self.bytes[self.range(rank)]).map(move |run| base + run.start..base + run.end)
        };
        whole.into_iter().chain((0..blocks).flat_map(of_block))
    }

    /// Where the bytes of a block stand.
    fn range(&self, rank: usize) -> Range<usize> {
        let end = |rank: usize| match self.end_of(rank) {
            OPEN => self.bytes.len(),
            end => DIRECTORY + usize::from(end),
        };
        (if rank == 0 { DIRECTORY } else { end(rank - 1) })..end(rank)
    }

    fn end_of(&self, rank: usize) -> u16 {
        u16::from_le_bytes([self.bytes[2 * rank], self.bytes[2 * rank + 1]])
    }

    fn replace(&mut self, rank: usize, bytes: &[u8]) {
        self.close_before(rank);
        let range = self.range(rank);
        self.make_room(bytes.len().saturating_sub(range.len()));
        let old = range.len() as u16;
        self.bytes.splice(range, bytes.iter().copied());
        for rank in rank..BLOCKS {
            let end = self.end_of(rank);
            if end != OPEN {
                self.set_end(rank, end + bytes.len() as u16 - old);
            }
        }
        let length = self.bytes.len();
        if self.bytes.capacity() > length + length / 4 + block::BITMAP_BYTES {
            self.bytes.shrink_to(length + 32);
        }
    }

    /// Grows by a quarter: what a doubling reserves would be held by each of
    /// ten thousand sets.
    fn make_room(&mut self, more: usize) {
        if self.bytes.len() + more > self.bytes.capacity() {
            self.bytes.reserve_exact(more + 32 + self.bytes.len() / 4);
        }
    }

    /// What comes next into a block is not of those before it.
    fn close_before(&mut self, rank: usize) {
        let end = (self.bytes.len() - DIRECTORY) as u16;
        for before in (0..rank).rev() {
            if self.end_of(before) != OPEN {
                break;
            }
            self.set_end(before, end);
        }
    }

    fn set_end(&mut self, rank: usize, end: u16) {
        self.bytes[2 * rank..2 * rank + 2].copy_from_slice(&end.to_le_bytes());
    }
}

fn number_of(index: u32) -> u16 {
    (index / CHUNK) as u16
}

/// The block of an offset into a chunk, and the offset into that block.
fn place(offset: u32) -> (usize, u32) {
    ((offset / block::SIZE) as usize, offset % block::SIZE)
}
