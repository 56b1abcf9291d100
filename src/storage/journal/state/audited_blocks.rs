//! Which blocks of record numbers contain records that an audit may show.
//!
//! Most records are written by payments, and an audit looks for the others. They are marked when they are appended, so that
//! an audit reads no block without one. Payments mark nothing. What was appended before the start is not known; an audit
//! that reads it adds what it finds.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{model::ids::Lsn, state::positions::RecordPosition},
};
use std::collections::VecDeque;

/// The number of record numbers in a block.
const BLOCK_RECORDS: u64 = 256;
/// The most blocks that are kept: 24 MiB. Records before them are not known any more.
const BLOCKS_MAX: usize = 1 << 20;

/// A block with a marked record.
#[derive(Debug, Clone, Copy)]
struct AuditedBlock {
    number: u64,
    /// The first marked record of the block, or the begin of the group that contains it.
    first: RecordPosition,
}

/// A record that no payment wrote, as an audit has found it.
#[derive(Debug, Clone, Copy)]
pub struct AuditedRecord {
    /// Its number.
    pub lsn: Lsn,
    /// The number of the first record of its step.
    pub step_lsn: Lsn,
    /// The place of the first record of its step.
    pub step_offset: LogOffset,
}

/// Consecutive records that an audit reads next on its way backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSpan {
    /// The first of them; `None`: it is not known which records are marked.
    pub low: Option<Lsn>,
    /// The last of them.
    pub high: Lsn,
}

/// The blocks with marked records. Invariant: numbers ascend; every marked record from `known_from` on is in one of the
/// blocks.
#[derive(Debug)]
pub(in crate::storage) struct AuditedBlocks {
    known_from: Lsn,
    blocks: VecDeque<AuditedBlock>,
}

fn block_of(lsn: Lsn) -> u64 {
    lsn.0 / BLOCK_RECORDS
}

impl AuditedBlocks {
    /// Nothing is known about the records up to one.
    pub(in crate::storage) fn after(last: Lsn) -> Self {
        Self { known_from: Lsn(last.0.saturating_add(1)), blocks: VecDeque::new() }
    }

    /// Marks the records of a step, which begins at a position, up to one. They come after all others.
    pub(in crate::storage) fn mark(&mut self, first: RecordPosition, last: Lsn) {
        let next = self.blocks.back().map_or(0, |block| block.number + 1);
        for number in block_of(first.lsn).max(next)..=block_of(last) {
            self.blocks.push_back(AuditedBlock { number, first });
        }
        while self.blocks.len() > BLOCKS_MAX {
            self.blocks.pop_front();
            self.known_from = self.blocks.front().map_or(self.known_from, |block| block.first.lsn.max(self.known_from));
        }
    }

    /// Adds the marked records of a part of the journal, in order. It must end directly before the known records, or among
    /// them.
    pub(in crate::storage) fn add_earlier(&mut self, low: Lsn, high: Lsn, found: &[AuditedRecord]) {
        if low >= self.known_from || high.0.saturating_add(1) < self.known_from.0 || self.blocks.len() >= BLOCKS_MAX {
            return;
        }
        for record in found.iter().rev().filter(|record| record.lsn < self.known_from) {
            let number = block_of(record.lsn);
            let first = RecordPosition { lsn: record.step_lsn, offset: record.step_offset };
            match self.blocks.front_mut().filter(|block| block.number == number) {
                Some(block) => block.first = first,
                None => self.blocks.push_front(AuditedBlock { number, first }),
            }
        }
        self.known_from = low;
    }

    /// The records up to `high` that an audit reads next, and the position of the first of them where it is known. `None`:
    /// no record up to `high` is marked.
    pub(in crate::storage) fn span_up_to(&self, high: Lsn) -> Option<(AuditSpan, Option<RecordPosition>)> {
        if high >= self.known_from {
            let end = self.blocks.partition_point(|block| block.number <= block_of(high));
            for block in self.blocks.iter().take(end).rev() {
                let begin = Lsn(block.number * BLOCK_RECORDS);
                let low = block.first.lsn.max(begin).max(self.known_from);
                let high = high.min(Lsn(begin.0 + BLOCK_RECORDS - 1));
                if low <= high {
                    return Some((AuditSpan { low: Some(low), high }, Some(block.first)));
                }
            }
        }
        let high = high.min(Lsn(self.known_from.0.saturating_sub(1)));
        (high > Lsn::NONE).then_some((AuditSpan { low: None, high }, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn position(lsn: u64) -> RecordPosition {
        RecordPosition { lsn: Lsn(lsn), offset: LogOffset(lsn * 100) }
    }

    fn found(lsn: u64) -> AuditedRecord {
        AuditedRecord { lsn: Lsn(lsn), step_lsn: Lsn(lsn), step_offset: LogOffset(lsn * 100) }
    }

    /// The spans that are read backwards from a record on, up to the unknown ones.
    fn spans(blocks: &AuditedBlocks, mut high: u64) -> (Vec<(u64, u64)>, u64) {
        let mut found = Vec::new();
        while let Some((span, first)) = blocks.span_up_to(Lsn(high)) {
            let Some(low) = span.low else { return (found, span.high.0) };
            assert!(first.is_some_and(|first| first.lsn <= low || first.lsn.0 < blocks.known_from.0));
            found.push((low.0, span.high.0));
            high = low.0 - 1;
        }
        (found, 0)
    }

    #[test]
    fn every_marked_record_is_in_one_span() {
        let (mut blocks, mut marked) = (AuditedBlocks::after(Lsn(10_000)), BTreeSet::new());
        for n in 0..60_u64 {
            let first = 10_001 + n * n * 7;
            let last = first + if n % 9 == 0 { 600 } else { 0 };
            if marked.last().is_none_or(|known| *known < first) {
                blocks.mark(position(first), Lsn(last));
                marked.extend(first..=last);
            }
        }
        let check = |blocks: &AuditedBlocks, known_from: u64, marked: &BTreeSet<u64>| {
            for high in [known_from - 1, known_from, 12_345, 20_000, 40_000, 100_000] {
                let (found, unknown) = spans(blocks, high);
                assert_eq!(unknown, high.min(known_from - 1));
                assert!(found.windows(2).all(|pair| pair[1].1 < pair[0].0), "{found:?}");
                let wanted: Vec<u64> = marked.iter().copied().filter(|lsn| (known_from..=high).contains(lsn)).collect();
                for lsn in &wanted {
                    assert!(found.iter().any(|(low, high)| (low..=high).contains(&lsn)), "{lsn}: {found:?}");
                }
                let read: u64 = found.iter().map(|(low, high)| high - low + 1).sum();
                assert!(read <= wanted.len() as u64 * BLOCK_RECORDS);
            }
        };
        check(&blocks, 10_001, &marked);
        // An audit has read earlier records.
        blocks.add_earlier(Lsn(5_000), Lsn(9_000), &[found(6_000)]);
        check(&blocks, 10_001, &marked);
        let earlier = [9_800, 9_801, 9_999].map(found);
        blocks.add_earlier(Lsn(9_500), Lsn(10_000), &earlier);
        marked.extend([9_800, 9_801, 9_999]);
        check(&blocks, 9_500, &marked);
    }

    #[test]
    fn the_number_of_blocks_is_bounded() {
        let mut blocks = AuditedBlocks::after(Lsn::NONE);
        for n in 0..BLOCKS_MAX as u64 + 5 {
            let lsn = 1 + n * BLOCK_RECORDS;
            blocks.mark(position(lsn), Lsn(lsn));
        }
        assert_eq!(blocks.blocks.len(), BLOCKS_MAX);
        assert_eq!(blocks.span_up_to(Lsn(300)), Some((AuditSpan { low: None, high: Lsn(300) }, None)));
    }
}
