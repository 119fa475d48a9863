//! The pages of history that subscribers read: encoded, some forty bytes each,
//! and on disk past a bound.
//!
//! The ledger knows no files: where bytes go is a [`Spill`] that it is given.

use super::reads::PageRecord;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

/// A place outside the memory to which parts of a ledger are written, and from
/// which they are read again.
pub trait Spill: Debug + Send + Sync {
    /// Writes bytes, and returns where they stand.
    fn write(&self, bytes: &[u8]) -> Result<u64, String>;

    /// Reads so many bytes from where they stand.
    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, String>;
}

/// No disk: for what cannot outgrow the memory.
#[derive(Clone, Copy, Debug)]
pub struct NoSpill;

impl Spill for NoSpill {
    fn write(&self, _: &[u8]) -> Result<u64, String> {
        Err("nothing is kept on disk".to_owned())
    }

    fn read(&self, _: u64, _: usize) -> Result<Vec<u8>, String> {
        Err("nothing is kept on disk".to_owned())
    }
}

/// Records of pages in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct PageLog {
    segments: Vec<Segment>,
    len: usize,
    /// Ranks of the pages of which it turned out later that their end is open.
    opened: BTreeSet<usize>,
    bound: Option<Bound>,
    /// Segments before this one were tried: they are spilled, or could not be.
    tried: usize,
    failure: Option<String>,
}

/// Where segments go, and how many bytes are held at most before they do.
#[derive(Clone, Debug)]
struct Bound {
    store: Arc<dyn Spill>,
    held_bytes: usize,
}

/// Records behind each other.
#[derive(Clone, Debug)]
enum Segment {
    Held(Vec<u8>),
    Spilled { store: Arc<dyn Spill>, at: u64, length: usize },
}

impl PageLog {
    /// A segment is full from so many bytes on.
    const SEGMENT: usize = 1 << 16;

    /// An empty log that holds about so many bytes and spills the rest.
    pub fn spilling(store: Arc<dyn Spill>, held_bytes: usize) -> Self {
        Self { bound: Some(Bound { store, held_bytes }), ..Self::default() }
    }

    /// From now on holds about so many bytes and spills the rest, where there
    /// is a place for it.
    pub fn hold_at_most(&mut self, held_bytes: usize) {
        if let Some(bound) = &mut self.bound {
            bound.held_bytes = held_bytes;
        }
    }

    /// How many pages there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a page.
    pub fn push(&mut self, page: PageRecord) {
        let is_full = |segment: &Segment| !matches!(segment, Segment::Held(bytes) if bytes.len() < Self::SEGMENT);
        if self.segments.last().is_none_or(is_full) {
            if let Some(Segment::Held(bytes)) = self.segments.last_mut() {
                bytes.shrink_to_fit();
            }
            self.spill_what_is_over();
            self.segments.push(Segment::Held(Vec::with_capacity(1 << 10)));
        }
        if let Some(Segment::Held(bytes)) = self.segments.last_mut() {
            let taken = std::mem::take(bytes);
            *bytes = postcard::to_extend(&page, taken).expect("a vector takes all, and every length is known");
        }
        self.len += 1;
    }

    /// The page of this rank should show everything past its greatest row: it
    /// turned out to be the first of a traversal towards the oldest.
    pub fn mark_open_end(&mut self, rank: usize) {
        if rank < self.len {
            self.opened.insert(rank);
        }
    }

    /// Adds the pages of another log behind these.
    pub fn append(&mut self, other: PageLog) {
        self.opened.extend(other.opened.iter().map(|rank| self.len + rank));
        self.segments.extend(other.segments);
        self.len += other.len;
        self.bound = self.bound.take().or(other.bound);
        self.failure = self.failure.take().or(other.failure);
    }

    /// All pages in their order. Spilled ones are read a segment at a time;
    /// panics where they cannot be, which [`PageLog::check`] tells before.
    pub fn iter(&self) -> Pages<'_> {
        Pages { log: self, segment: 0, bytes: Vec::new(), at: 0, rank: 0 }
    }

    /// Whether everything that was spilled can be read again.
    pub fn check(&self) -> Result<(), String> {
        self.segments.iter().try_for_each(|segment| segment.load().map(drop))
    }

    /// How many bytes were spilled.
    pub fn spilled_bytes(&self) -> usize {
        let spilled = |segment: &Segment| if let Segment::Spilled { length, .. } = segment { *length } else { 0 };
        self.segments.iter().map(spilled).sum()
    }

    /// Why something was held that should have been spilled, if it was.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Bytes on the heap, as they were asked for.
    pub fn heap_bytes(&self) -> usize {
        let held = |segment: &Segment| if let Segment::Held(bytes) = segment { bytes.capacity() } else { 0 };
        self.segments.capacity() * size_of::<Segment>()
            + self.segments.iter().map(held).sum::<usize>()
            + self.opened.len() * 2 * size_of::<usize>()
    }

    /// The oldest segments go first. What cannot be written stays, and is
    /// tried no more.
    fn spill_what_is_over(&mut self) {
        let Some(Bound { store, held_bytes }) = self.bound.clone() else { return };
        let mut held = self.heap_bytes();
        while held > held_bytes && self.tried < self.segments.len() {
            let segment = &mut self.segments[self.tried];
            self.tried += 1;
            let Segment::Held(bytes) = segment else { continue };
            match store.write(bytes) {
                Ok(at) => {
                    held -= bytes.capacity();
                    *segment = Segment::Spilled { store: store.clone(), at, length: bytes.len() };
                }
                Err(reason) => self.failure = Some(reason),
            }
        }
    }
}

impl Segment {
    fn load(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Held(bytes) => Ok(bytes.clone()),
            Self::Spilled { store, at, length } => store.read(*at, *length),
        }
    }
}

/// The pages of a log.
#[derive(Debug)]
pub struct Pages<'l> {
    log: &'l PageLog,
    segment: usize,
    bytes: Vec<u8>,
    at: usize,
    rank: usize,
}

impl Iterator for Pages<'_> {
    type Item = PageRecord;

    fn next(&mut self) -> Option<PageRecord> {
        while self.at == self.bytes.len() {
            let segment = self.log.segments.get(self.segment)?;
            self.bytes = segment.load().expect("what was spilled is readable: it was checked");
            (self.segment, self.at) = (self.segment + 1, 0);
        }
        let (mut page, rest): (PageRecord, _) =
            postcard::take_from_bytes(&self.bytes[self.at..]).expect("it was encoded here");
        self.at = self.bytes.len() - rest.len();
        page.open_end |= self.log.opened.contains(&self.rank);
        self.rank += 1;
        Some(page)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.log.len - self.rank;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pages<'_> {}

impl<'l> IntoIterator for &'l PageLog {
    type Item = PageRecord;
    type IntoIter = Pages<'l>;

    fn into_iter(self) -> Pages<'l> {
        self.iter()
    }
}

impl Extend<PageRecord> for PageLog {
    fn extend<I: IntoIterator<Item = PageRecord>>(&mut self, pages: I) {
        for page in pages {
            self.push(page);
        }
    }
}

impl FromIterator<PageRecord> for PageLog {
    fn from_iter<I: IntoIterator<Item = PageRecord>>(pages: I) -> Self {
        let mut log = Self::default();
        log.extend(pages);
        log
    }
}

impl PartialEq for PageLog {
    /// The same pages, however and wherever they are held.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::super::CatchUpKind;
    use super::*;
    use crate::model::{ChannelId, Position, UserId};
    use std::sync::Mutex;

    /// A disk that holds so many writes and no more.
    #[derive(Debug, Default)]
    struct Disk {
        bytes: Mutex<Vec<u8>>,
        room: usize,
    }

    impl Spill for Disk {
        fn write(&self, bytes: &[u8]) -> Result<u64, String> {
            let mut disk = self.bytes.lock().unwrap();
            let at = disk.len();
            if at + bytes.len() > self.room {
                return Err("no space left".to_owned());
            }
            disk.extend_from_slice(bytes);
            Ok(at as u64)
        }

        fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, String> {
            let disk = self.bytes.lock().unwrap();
            disk.get(at as usize..at as usize + length).map(<[u8]>::to_vec).ok_or_else(|| "cut off".to_owned())
        }
    }

    fn page(number: u32) -> PageRecord {
        PageRecord {
            reader: UserId(number % 900),
            channel: ChannelId(number % 7),
            kind: CatchUpKind::Policy,
            written_us: 60_000_000 + u64::from(number),
            after: Some(Position(1_700_000_000_000_000)),
            lowest: Some(Position(1_700_000_000_000_100)),
            highest: Some(Position(1_700_000_000_900_100 + u64::from(number))),
            messages: (number..number + 100).collect(),
            unrecognised: if number.is_multiple_of(50) { vec!["mangled".into()] } else { Vec::new() },
            open_end: number.is_multiple_of(10),
            repeated_rows: 0,
            stuck: false,
        }
    }

    fn check(room: usize, held_bytes: usize) -> PageLog {
        let disk = Arc::new(Disk { room, ..Disk::default() });
        let mut log = PageLog::spilling(disk, held_bytes);
        let mut expected: Vec<PageRecord> = (0..20_000).map(page).collect();
        for (rank, page) in expected.iter().enumerate() {
            log.push(page.clone());
            if rank % 40 == 39 {
                log.mark_open_end(rank - 38);
            }
        }
        (1..20_000).step_by(40).for_each(|rank| expected[rank].open_end = true);
        assert!(log.iter().eq(expected.iter().cloned()));
        assert_eq!((log.check(), log.len(), log.iter().len()), (Ok(()), 20_000, 20_000));
        log
    }

    #[test]
    fn pages_come_back_from_wherever_they_are() {
        let held = check(1 << 30, usize::MAX);
        assert_eq!((held.spilled_bytes(), held.failure()), (0, None));
        assert!(held.heap_bytes() < 20_000 * 56, "{} bytes", held.heap_bytes());
        let spilled = check(1 << 30, 200_000);
        let about = 200_000 - 2 * PageLog::SEGMENT..200_000 + 2 * PageLog::SEGMENT;
        assert!(about.contains(&spilled.heap_bytes()), "{} bytes", spilled.heap_bytes());
        assert!(spilled.spilled_bytes() > 500_000, "{}", spilled.spilled_bytes());
        assert_eq!(held, spilled);
        // A full disk costs memory, and no page.
        let full = check(150_000, 200_000);
        assert_eq!(full.failure(), Some("no space left"));
        assert_eq!(held, full);
    }

    #[test]
    fn two_logs_are_one_behind_the_other() {
        let (mut one, mut other) = (check(1 << 30, 100_000), PageLog::default());
        assert!(other.is_empty() && !one.is_empty());
        other.push(page(2));
        other.push(page(3));
        other.mark_open_end(1);
        one.append(other);
        assert_eq!(one.len(), 20_002);
        let last: Vec<PageRecord> = one.iter().skip(20_000).collect();
        assert_eq!(last, [page(2), PageRecord { open_end: true, ..page(3) }]);
        one.push(page(4));
        assert_eq!(one.iter().last(), Some(page(4)));
    }

    #[test]
    fn logs_of_other_pages_differ() {
        let log = |numbers: &[u32]| numbers.iter().map(|number| page(*number)).collect::<PageLog>();
        assert_eq!(log(&[1, 2]), log(&[1, 2]));
        assert!(log(&[1, 2]) != log(&[1, 3]) && log(&[1, 2]) != log(&[1]) && log(&[1]) != log(&[1, 2]));
    }

    #[test]
    fn a_page_that_is_not_there_is_not_open() {
        let mut log: PageLog = [page(1)].into_iter().collect();
        log.mark_open_end(1);
        log.push(page(2));
        assert_eq!(log.iter().last(), Some(page(2)));
    }

    #[test]
    fn a_log_may_be_told_later_to_hold_less() {
        let mut log = PageLog::spilling(Arc::new(Disk { room: 1 << 30, ..Disk::default() }), usize::MAX);
        log.extend((0..20_000).map(page));
        assert_eq!(log.spilled_bytes(), 0);
        log.hold_at_most(0);
        // As soon as the open segment is full.
        log.extend((20_000..22_000).map(page));
        assert!(log.heap_bytes() < 3 * PageLog::SEGMENT, "{}", log.heap_bytes());
        assert!(log.iter().eq((0..22_000).map(page)));
    }

    #[test]
    fn a_disk_that_forgets_is_told_of() {
        let disk = Arc::new(Disk { room: 1 << 30, ..Disk::default() });
        let mut log = PageLog::spilling(disk.clone(), 0);
        log.extend((0..5_000).map(page));
        disk.bytes.lock().unwrap().truncate(70_000);
        assert_eq!(log.check(), Err("cut off".to_owned()));
    }

    #[test]
    fn without_a_disk_everything_is_held() {
        let mut log = PageLog::spilling(Arc::new(NoSpill), 0);
        log.extend((0..3_000).map(page));
        assert_eq!((log.failure(), log.spilled_bytes()), (Some("nothing is kept on disk"), 0));
        assert!(log.iter().eq((0..3_000).map(page)));
        assert!(NoSpill.read(0, 1).is_err(), "nor can it be read");
    }

    #[test]
    fn pages_know_how_many_of_them_are_left() {
        let log: PageLog = (0..3).map(page).collect();
        let mut pages = log.iter();
        assert_eq!((pages.len(), pages.next().is_some(), pages.len()), (3, true, 2));
        assert_eq!((pages.by_ref().count(), pages.len()), (2, 0));
    }
}
