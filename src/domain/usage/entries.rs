//! The entries of one chunk of a usage series, packed.

use crate::domain::{
    packed_rows::{PackedRows, from_ordered, from_zigzag, ordered, zigzag},
    usage::contribution::Contribution,
    vocabulary::time::Millis,
};
use prefetch_index::prefetch_index;

/// The contribution of a transaction at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsageEntry {
    pub(super) at: i64,
    pub(super) slot: u32,
    pub(super) is: Contribution,
}

impl UsageEntry {
    #[inline]
    pub(super) fn new(at: Millis, slot: u32, is: Contribution) -> Self {
        Self { at: at.0, slot, is }
    }

    pub(super) fn key(&self) -> (i64, u32) {
        (self.at, self.slot)
    }

    /// Time and slot are stored as distances. Most transactions contribute one amount and count if it is not zero, so that
    /// the last two numbers are zeros, which take no bits.
    #[inline]
    fn to_row(self) -> [u64; COLUMNS] {
        let Contribution { gross, net, gross_counts, net_counts } = self.is;
        let unusual = u64::from(gross_counts != (gross > 0)) | u64::from(net_counts != (net > 0)) << 1;
        let difference = zigzag(gross.wrapping_sub(net).cast_signed());
        [ordered(self.at), u64::from(self.slot), gross, difference, unusual]
    }

    #[inline]
    fn from_row([at, slot, gross, difference, unusual]: [u64; COLUMNS]) -> Self {
        let net = gross.wrapping_sub(from_zigzag(difference).cast_unsigned());
        let (gross_counts, net_counts) = ((unusual & 1 != 0) != (gross > 0), (unusual & 2 != 0) != (net > 0));
        let is = Contribution { gross, net, gross_counts, net_counts };
        Self { at: from_ordered(at), slot: u32::try_from(slot).unwrap_or(u32::MAX), is }
    }
}

const COLUMNS: usize = 5;
const BASED: usize = 2;
const AT: usize = 0;
const SLOT: usize = 1;

/// Entries, packed. The caller keeps them sorted by (at, slot).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UsageEntries(PackedRows<COLUMNS, BASED>);

impl UsageEntries {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    #[inline]
    pub(super) fn prefetch(&self) {
        let (words, end) = self.0.end();
        prefetch_index(words, end);
    }

    pub(super) fn get(&self, index: usize) -> Option<UsageEntry> {
        self.0.get(index).map(UsageEntry::from_row)
    }

    fn at(&self, index: usize) -> i64 {
        from_ordered(self.0.number(index, AT))
    }

    fn key(&self, index: usize) -> (i64, u64) {
        (self.at(index), self.0.number(index, SLOT))
    }

    pub(super) fn first(&self) -> Option<UsageEntry> {
        self.get(0)
    }

    pub(super) fn last(&self) -> Option<UsageEntry> {
        self.len().checked_sub(1).and_then(|last| self.get(last))
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = UsageEntry> + '_ {
        self.0.iter().map(UsageEntry::from_row)
    }

    /// The entries from an index on.
    pub(super) fn starting_at(&self, index: usize) -> impl Iterator<Item = UsageEntry> + '_ {
        (index..self.len()).filter_map(|index| self.get(index))
    }

    /// The number of entries earlier than `at`.
    pub(super) fn earlier_than(&self, at: i64) -> usize {
        self.0.partition_point(|index| self.at(index) < at)
    }

    /// The number of entries before the place of a transaction.
    pub(super) fn before(&self, at: i64, slot: u32) -> usize {
        self.0.partition_point(|index| self.key(index) < (at, u64::from(slot)))
    }

    #[inline]
    pub(super) fn push(&mut self, entry: UsageEntry) {
        self.0.push(&entry.to_row());
    }

    pub(super) fn insert(&mut self, index: usize, entry: UsageEntry) {
        self.0.insert(index, &entry.to_row());
    }

    pub(super) fn set(&mut self, index: usize, entry: UsageEntry) {
        self.0.set(index, &entry.to_row());
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.0.remove(index);
    }

    /// Splits off the entries from an index on. Both parts are in as little memory as possible.
    pub(super) fn split_off(&mut self, index: usize) -> Self {
        let after = self.0.tightened(index);
        self.0.truncate(index);
        self.0 = self.0.tightened(0);
        Self(after)
    }
}
