//! What the pages of one read of a channel say together: which way they walk,
//! what they repeat, and how far the reader is complete.
//!
//! Some targets answer "everything past X" with the oldest page first, others
//! with the newest, and some with one or the other by the bounds. The pages
//! themselves show which.

use crate::model::{MessageRef, Position};
use crate::target::Row;
use std::collections::HashSet;

/// One read of a channel, page by page.
#[derive(Debug)]
pub struct Traversal {
    /// The asked bound: rows past this position; `None` is from the start.
    pub after: Option<Position>,
    /// How many pages came.
    pub pages: u32,
    /// Where the record of the first page with rows is kept.
    pub first_record: Option<usize>,
    walks: Walks,
    first_written_us: u64,
    seen: HashSet<(Box<str>, Option<MessageRef>)>,
    cursors: HashSet<Box<str>>,
    empty_pages: u32,
    lowest: Option<Position>,
    highest: Option<Position>,
}

/// So many pages in a row without a new row are no traversal.
const EMPTY_PAGES: u32 = 1_000;

/// Which way the pages walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walks {
    /// One page does not tell.
    Unknown,
    ToNewest,
    ToOldest,
}

/// What one page adds.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    /// Rows that no earlier page of the traversal had.
    pub fresh_rows: u32,
    /// Rows that this traversal had already returned.
    pub repeated_rows: u32,
    /// Whether the page should show everything past its greatest row (past the
    /// asked bound, if it is empty).
    pub open_end: bool,
    /// Whether it turns out that the first page should have.
    pub first_has_open_end: bool,
    /// Everything that the target shows between the asked bound and this
    /// position has been read.
    pub complete_to: Option<Position>,
}

impl Traversal {
    /// A read of everything past a position.
    pub fn new(after: Option<Position>) -> Self {
        Self {
            after,
            pages: 0,
            first_record: None,
            walks: Walks::Unknown,
            first_written_us: 0,
            seen: HashSet::new(),
            cursors: HashSet::new(),
            empty_pages: 0,
            lowest: None,
            highest: None,
        }
    }

    /// Takes the next page: its rows by ascending position, whether the target
    /// said that nothing follows, and when its request was written.
    pub fn turn(&mut self, rows: &[Row], last: bool, written_us: u64) -> Turn {
        self.pages += 1;
        let continues = self.pages > 1;
        if !continues {
            self.first_written_us = written_us;
        }
        let (lowest, highest) = (rows.first().map(|row| row.position), rows.last().map(|row| row.position));
        // An empty page says nothing of the way.
        let tells = self.highest.is_some() && self.walks == Walks::Unknown && highest.is_some();
        if tells && highest > self.highest {
            self.walks = Walks::ToNewest;
        } else if tells && lowest < self.lowest {
            self.walks = Walks::ToOldest;
        }
        let before = self.seen.len();
        rows.iter().for_each(|row| _ = self.seen.insert((row.server_id.clone(), row.message)));
        let fresh_rows = (self.seen.len() - before) as u32;
        self.highest = self.highest.max(highest);
        self.lowest = match (self.lowest, lowest) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
        // A page that continues and is empty shows no position of its own: the
        // rows that it should show are those of a cursor that cannot be read.
        let has_extent = !continues || highest.is_some();
        Turn {
            fresh_rows,
            repeated_rows: rows.len() as u32 - fresh_rows,
            // After empty pages, a lone page with rows does not tell the way: it
            // may be the oldest.
            open_end: last && has_extent && (!continues || self.walks == Walks::ToNewest),
            first_has_open_end: tells && self.walks == Walks::ToOldest,
            complete_to: self.highest.filter(|_| last || self.walks == Walks::ToNewest),
        }
    }

    /// Whether the traversal goes nowhere: the target names a page that it has
    /// named before. Pages without a row are no sign of it; some targets filter
    /// what they have paged.
    pub fn is_stuck(&mut self, fresh_rows: u32, next_cursor: Option<&str>) -> bool {
        let Some(cursor) = next_cursor else { return false };
        self.empty_pages = if fresh_rows == 0 { self.empty_pages + 1 } else { 0 };
        !self.cursors.insert(cursor.into())
    }

    /// Whether so many pages in a row were without a new row that it is given
    /// up: nothing is proven by it.
    pub fn is_lost(&self) -> bool {
        self.empty_pages >= EMPTY_PAGES
    }

    /// From when on a message could be stored and the traversal, at its end,
    /// not show it: when the page that looked at the newest rows was asked for.
    pub fn end_us(&self, last_written_us: u64) -> u64 {
        if self.pages == 1 || self.walks == Walks::ToNewest { last_written_us } else { self.first_written_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(positions: &[u64]) -> Vec<Row> {
        let row = |&position: &u64| Row {
            server_id: position.to_string().into(),
            position: Position(position),
            message: None,
            intended_wrapped_us: 0,
            intact: None,
            version: 0,
            reactions: Vec::new(),
            foreign: None,
            altered: None,
        };
        positions.iter().map(row).collect()
    }

    fn turn(fresh_rows: u32, repeated_rows: u32, open_end: bool, complete_to: Option<u64>) -> Turn {
        Turn { fresh_rows, repeated_rows, open_end, first_has_open_end: false, complete_to: complete_to.map(Position) }
    }

    #[test]
    fn one_page_is_complete() {
        assert_eq!(Traversal::new(None).turn(&rows(&[1, 2]), true, 5), turn(2, 0, true, Some(2)));
        assert_eq!(Traversal::new(Some(Position(9))).turn(&[], true, 5), turn(0, 0, true, None));
    }

    #[test]
    fn towards_the_newest_each_page_completes() {
        let mut traversal = Traversal::new(Some(Position(0)));
        assert_eq!(traversal.turn(&rows(&[1, 2]), false, 5), turn(2, 0, false, None), "which way is not known yet");
        assert_eq!(traversal.turn(&rows(&[3, 4]), false, 6), turn(2, 0, false, Some(4)));
        assert_eq!(traversal.turn(&rows(&[4, 5]), true, 7), turn(1, 1, true, Some(5)));
        assert_eq!(traversal.end_us(7), 7);
    }

    #[test]
    fn towards_the_oldest_only_the_end_completes() {
        let mut traversal = Traversal::new(None);
        assert_eq!(traversal.turn(&rows(&[5, 6]), false, 5), turn(2, 0, false, None));
        let told = Turn { first_has_open_end: true, ..turn(2, 0, false, None) };
        assert_eq!(traversal.turn(&rows(&[3, 4]), false, 6), told);
        assert_eq!(traversal.turn(&rows(&[1, 2]), true, 7), turn(2, 0, false, Some(6)));
        assert_eq!(traversal.end_us(7), 5, "what was stored after the first page was asked for is not on it");
    }

    #[test]
    fn an_empty_first_page_does_not_tell_the_way() {
        let mut traversal = Traversal::new(None);
        assert_eq!(traversal.turn(&[], false, 5), turn(0, 0, false, None));
        assert_eq!(traversal.turn(&rows(&[5, 6]), false, 6), turn(2, 0, false, None));
        let told = Turn { first_has_open_end: true, ..turn(2, 0, false, None) };
        assert_eq!(traversal.turn(&rows(&[3, 4]), false, 7), told);
        assert_eq!(traversal.turn(&rows(&[1, 2]), true, 8), turn(2, 0, false, Some(6)));
    }

    #[test]
    fn a_lone_page_with_rows_after_empty_ones_may_be_the_oldest() {
        let mut traversal = Traversal::new(None);
        traversal.turn(&[], false, 5);
        assert_eq!(traversal.turn(&rows(&[1, 2]), true, 9), turn(2, 0, false, Some(2)));
        assert_eq!(traversal.end_us(9), 5);
    }

    #[test]
    fn an_empty_page_that_continues_covers_nothing() {
        let mut traversal = Traversal::new(Some(Position(0)));
        traversal.turn(&rows(&[1, 2]), false, 5);
        assert_eq!(traversal.turn(&[], true, 6), turn(0, 0, false, Some(2)));
    }

    #[test]
    fn a_cursor_again_goes_nowhere_and_an_empty_page_does_not() {
        let mut traversal = Traversal::new(None);
        assert!(!traversal.is_stuck(2, Some("a")) && !traversal.is_stuck(0, Some("b")) && !traversal.is_stuck(0, None));
        assert!(traversal.is_stuck(1, Some("a")), "named before, though it brought a row");
        let mut traversal = Traversal::new(None);
        assert!((0..1_000).all(|page| !traversal.is_lost() && !traversal.is_stuck(0, Some(&page.to_string()))));
        assert!(traversal.is_lost(), "new cursors for ever");
    }

    #[test]
    fn a_page_again_brings_nothing() {
        let mut traversal = Traversal::new(None);
        traversal.turn(&rows(&[1, 2]), false, 5);
        assert_eq!(traversal.turn(&rows(&[1, 2]), false, 6), turn(0, 2, false, None));
    }
}
