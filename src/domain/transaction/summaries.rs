//! The summaries of one customer's transactions, by slot.

use crate::domain::transaction::summary::TransactionSummary;
use prefetch_index::prefetch_index;
use std::collections::VecDeque;

/// The number of summaries in one chunk.
pub const CHUNK_LEN: usize = 64;

/// The summaries of one customer, by slot: numbered from 0 in the order in which they were opened. Old ones are evicted.
///
/// Invariant: every older chunk is full; slots in `older` and `newest` are consecutive from `first` on; `pinned` contains
/// slots before `first`, ascending: those that may not be evicted yet although their neighbours are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionSummaries {
    first: u32,
    /// The number of evicted summaries in the first chunk.
    gone: u32,
    newest: Vec<TransactionSummary>,
    /// `None`: there is only the newest chunk, as for most customers.
    past: Option<Box<EarlierSummaries>>,
}

/// Everything before the newest chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct EarlierSummaries {
    older: VecDeque<Box<[TransactionSummary]>>,
    pinned: Vec<(u32, TransactionSummary)>,
}

impl TransactionSummaries {
    /// No summaries.
    pub(in crate::domain) const NONE: Self = Self { first: 0, gone: 0, newest: Vec::new(), past: None };

    /// Summaries whose first slots are evicted.
    #[must_use]
    pub fn resumed(first: u32) -> Self {
        Self { first, ..Self::default() }
    }

    /// The first slot that is not evicted; pinned slots are before it.
    #[must_use]
    pub fn first_slot(&self) -> u32 {
        self.first
    }

    fn older(&self) -> usize {
        self.past.as_ref().map_or(0, |past| past.older.len())
    }

    fn pinned(&self) -> &[(u32, TransactionSummary)] {
        self.past.as_ref().map_or(&[], |past| &past.pinned)
    }

    /// The slot of the next summary.
    #[must_use]
    #[inline]
    pub fn next_slot(&self) -> u32 {
        let len = self.older() * CHUNK_LEN + self.newest.len() - self.gone as usize;
        self.first.saturating_add(u32::try_from(len).unwrap_or(u32::MAX))
    }

    /// See [`crate::domain::customer::aggregate::Customer::prefetch`].
    #[inline]
    pub(in crate::domain) fn prefetch(&self) -> u64 {
        // A summary may begin in one cache line and end in the next.
        prefetch_index(&self.newest, self.newest.len());
        prefetch_index(&self.newest, self.newest.len() + 1);
        self.newest.len() as u64 ^ u64::from(self.past.is_some())
    }

    /// The number of summaries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pinned().len() + (self.next_slot() - self.first) as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reserves memory for exactly this many further summaries.
    pub(in crate::domain) fn reserve(&mut self, count: usize) {
        self.newest.reserve_exact(count.min(CHUNK_LEN.saturating_sub(self.newest.len())));
    }

    /// Adds one; returns its slot.
    #[inline]
    pub fn push(&mut self, summary: TransactionSummary) -> u32 {
        let slot = self.next_slot();
        if self.newest.len() == CHUNK_LEN {
            self.begin_chunk();
        }
        self.newest.push(summary);
        slot
    }

    #[cold]
    fn begin_chunk(&mut self) {
        let full = std::mem::replace(&mut self.newest, Vec::with_capacity(CHUNK_LEN));
        self.past.get_or_insert_default().older.push_back(full.into_boxed_slice());
    }

    fn position(&self, slot: u32) -> Option<(usize, usize)> {
        let place = slot.checked_sub(self.first)? as usize + self.gone as usize;
        Some((place / CHUNK_LEN, place % CHUNK_LEN))
    }

    /// The summary in a slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&TransactionSummary> {
        match (self.position(slot), &self.past) {
            (Some((piece, spot)), _) if piece == self.older() => self.newest.get(spot),
            (Some((piece, spot)), Some(past)) => past.older.get(piece)?.get(spot),
            (None, Some(past)) => {
                let place = past.pinned.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
                Some(&past.pinned[place].1)
            }
            (_, None) => None,
        }
    }

    /// The summary in a slot, to change it.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut TransactionSummary> {
        let older = self.older();
        match (self.position(slot), &mut self.past) {
            (Some((piece, spot)), _) if piece == older => self.newest.get_mut(spot),
            (Some((piece, spot)), Some(past)) => past.older.get_mut(piece)?.get_mut(spot),
            (None, Some(past)) => {
                let place = past.pinned.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
                Some(&mut past.pinned[place].1)
            }
            (_, None) => None,
        }
    }

    /// All summaries with their slots, ascending, from a slot on. Finding the first takes a logarithm of the number of
    /// pinned ones.
    pub fn starting_at(&self, slot: u32) -> impl Iterator<Item = (u32, &TransactionSummary)> {
        let first = self.pinned().partition_point(|(pinned, _)| *pinned < slot);
        let pinned = self.pinned().iter().skip(first).map(|(slot, summary)| (*slot, summary));
        let rest = (self.first.max(slot)..self.next_slot()).filter_map(|slot| Some((slot, self.get(slot)?)));
        pinned.chain(rest)
    }

    /// Adds a summary before the first slot, as restored from a snapshot.
    pub fn pin(&mut self, slot: u32, summary: TransactionSummary) {
        let pinned = &mut self.past.get_or_insert_default().pinned;
        match pinned.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(place) => pinned[place].1 = summary,
            Err(place) => pinned.insert(place, (slot, summary)),
        }
    }

    /// Evicts or pins the first summary in order. `may` decides: `Some(true)` evicts it, `Some(false)` pins it, `None`
    /// keeps it and all after it. Returns the evicted slot and summary, `Some(None)` for a pinned one.
    pub fn take_oldest(
        &mut self,
        may: impl Fn(&TransactionSummary) -> Option<bool>,
    ) -> Option<Option<(u32, TransactionSummary)>> {
        let slot = self.first;
        let summary = *self.get(slot)?;
        let leaves = may(&summary)?;
        self.first += 1;
        self.gone += 1;
        let first = self.past.as_mut().map(|past| &mut past.older).filter(|older| !older.is_empty());
        match first {
            None if self.gone as usize == self.newest.len() => {
                self.newest = Vec::new();
                self.gone = 0;
            }
            Some(older) if self.gone as usize == CHUNK_LEN => {
                older.pop_front();
                self.gone = 0;
            }
            _ => {}
        }
        if leaves {
            return Some(Some((slot, summary)));
        }
        self.pin(slot, summary);
        Some(None)
    }

    /// Evicts a pinned summary that may be evicted.
    pub fn take_pinned(&mut self, may: impl Fn(&TransactionSummary) -> bool) -> Option<(u32, TransactionSummary)> {
        let pinned = &mut self.past.as_mut()?.pinned;
        let place = pinned.iter().position(|(_, summary)| may(summary))?;
        Some(pinned.remove(place))
    }
}
