//! The summaries of one customer's transactions, by slot.

use crate::domain::{
    packed_rows::PackedRows,
    transaction::summary::{BASED, COLUMNS, KEY_COLUMN, TransactionSummary},
};
use prefetch_index::prefetch_index;
use smallvec::SmallVec;
use std::collections::VecDeque;

pub mod newest;

/// The number of summaries in one chunk.
pub const CHUNK_LEN: usize = 64;

/// Packed summaries: at most [`CHUNK_LEN`].
type Chunk = PackedRows<COLUMNS, BASED>;

/// The summaries of one customer, by slot: numbered from 0 in the order in which they were opened. Old ones are evicted.
///
/// Invariant: every older chunk is full; slots in `older` and `newest` are consecutive from `first` on; `pinned` contains
/// slots before `first`, ascending: those that may not be evicted yet although their neighbours are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionSummaries {
    first: u32,
    /// The number of evicted summaries in the first chunk.
    gone: u32,
    newest: Chunk,
    /// `None`: there is only the newest chunk, as for most customers.
    past: Option<Box<EarlierSummaries>>,
}

/// Everything before the newest chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct EarlierSummaries {
    older: VecDeque<Chunk>,
    pinned: Vec<(u32, TransactionSummary)>,
}

impl TransactionSummaries {
    /// No summaries.
    pub(in crate::domain) const NONE: Self = Self { first: 0, gone: 0, newest: Chunk::NONE, past: None };

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
        let (words, end) = self.newest.end();
        prefetch_index(words, end);
        prefetch_index(words, end + 2);
        end as u64 ^ u64::from(self.past.is_some())
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

    /// The bytes of its allocations.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let past = self.past.as_ref().map_or(0, |past| {
            let chunks: usize = past.older.iter().map(Chunk::heap_bytes).sum();
            let pinned = past.pinned.capacity() * size_of::<(u32, TransactionSummary)>();
            size_of::<EarlierSummaries>() + past.older.capacity() * size_of::<Chunk>() + chunks + pinned
        });
        self.newest.heap_bytes() + past
    }

    /// Adds one; returns its slot.
    #[inline]
    pub fn push(&mut self, summary: TransactionSummary) -> u32 {
        let slot = self.next_slot();
        if self.newest.len() == CHUNK_LEN {
            self.begin_chunk();
        }
        self.newest.push(&summary.to_row());
        slot
    }

    #[cold]
    fn begin_chunk(&mut self) {
        let full = std::mem::take(&mut self.newest);
        self.past.get_or_insert_default().older.push_back(full.tightened(0));
    }

    fn position(&self, slot: u32) -> Option<(usize, usize)> {
        let place = slot.checked_sub(self.first)? as usize + self.gone as usize;
        Some((place / CHUNK_LEN, place % CHUNK_LEN))
    }

    /// The chunk and the place in it of a slot that is not pinned.
    #[inline]
    fn chunk(&self, slot: u32) -> Option<(&Chunk, usize)> {
        let (piece, spot) = self.position(slot)?;
        let chunk = match &self.past {
            Some(past) if piece < past.older.len() => past.older.get(piece)?,
            _ if piece == self.older() => &self.newest,
            _ => return None,
        };
        (spot < chunk.len()).then_some((chunk, spot))
    }

    /// The place of a slot among the pinned ones.
    fn pinned_place(&self, slot: u32) -> Result<usize, usize> {
        self.pinned().binary_search_by_key(&slot, |(slot, _)| *slot)
    }

    /// The summary in a slot.
    #[must_use]
    #[inline]
    pub fn get(&self, slot: u32) -> Option<TransactionSummary> {
        if slot >= self.first {
            let (chunk, spot) = self.chunk(slot)?;
            return chunk.get(spot).map(TransactionSummary::from_row);
        }
        self.pinned_place(slot).ok().and_then(|place| self.pinned().get(place)).map(|(_, summary)| *summary)
    }

    /// Whether the summary of a slot is in memory.
    #[must_use]
    pub fn contains(&self, slot: u32) -> bool {
        if slot >= self.first { slot < self.next_slot() } else { self.pinned_place(slot).is_ok() }
    }

    /// Replaces the summary in a slot. Returns whether it is in memory.
    #[inline]
    pub fn replace(&mut self, slot: u32, summary: TransactionSummary) -> bool {
        let Some((piece, spot)) = self.position(slot) else {
            let Ok(place) = self.pinned_place(slot) else { return false };
            if let Some((_, pinned)) = self.past.as_mut().and_then(|past| past.pinned.get_mut(place)) {
                *pinned = summary;
            }
            return true;
        };
        let older = self.older();
        let chunk = match &mut self.past {
            Some(past) if piece < older => past.older.get_mut(piece),
            _ => (piece == older).then_some(&mut self.newest),
        };
        let Some(chunk) = chunk.filter(|chunk| spot < chunk.len()) else { return false };
        chunk.set(spot, &summary.to_row());
        true
    }

    /// Changes the summary in a slot. Returns the changed summary; `None`: it is not in memory.
    #[inline]
    pub fn update(&mut self, slot: u32, change: impl FnOnce(&mut TransactionSummary)) -> Option<TransactionSummary> {
        let mut summary = self.get(slot)?;
        change(&mut summary);
        self.replace(slot, summary);
        Some(summary)
    }

    /// The slots in memory whose lowest eight bits are `low_bits` and whose transaction ids have this key, the last first.
    /// It takes a step for each 256 transactions, and for each pinned one.
    #[must_use]
    pub fn slots_of_key(&self, key: u64, low_bits: u8) -> SmallVec<[u32; 1]> {
        let mut found = SmallVec::new();
        let end = self.next_slot();
        // The last slot before the end that has the bits.
        let last =
            end.wrapping_sub(1).wrapping_sub(u32::from(end.wrapping_sub(1).to_le_bytes()[0].wrapping_sub(low_bits)));
        let mut next = (end > self.first && last < end).then_some(last);
        while let Some(slot) = next.filter(|slot| *slot >= self.first) {
            if self.chunk(slot).is_some_and(|(chunk, spot)| chunk.number(spot, KEY_COLUMN) == key) {
                found.push(slot);
            }
            next = slot.checked_sub(256);
        }
        let pinned = self.pinned().iter().rev();
        found.extend(
            pinned
                .filter(|(slot, pinned)| slot.to_le_bytes()[0] == low_bits && pinned.key == key)
                .map(|(slot, _)| *slot),
        );
        found
    }

    /// All summaries with their slots, ascending, from a slot on. Finding the first takes a logarithm of the number of
    /// pinned ones.
    pub fn starting_at(&self, slot: u32) -> impl Iterator<Item = (u32, TransactionSummary)> {
        let first = self.pinned().partition_point(|(pinned, _)| *pinned < slot);
        let pinned = self.pinned().iter().skip(first).copied();
        let rest = (self.first.max(slot)..self.next_slot()).filter_map(|slot| Some((slot, self.get(slot)?)));
        pinned.chain(rest)
    }

    /// The slots in memory with the digests of their ids, ascending.
    pub fn keys(&self) -> impl Iterator<Item = (u32, u64)> {
        let pinned = self.pinned().iter().map(|(slot, pinned)| (*slot, pinned.key));
        let key = |slot| self.chunk(slot).map(|(chunk, spot)| (slot, chunk.number(spot, KEY_COLUMN)));
        pinned.chain((self.first..self.next_slot()).filter_map(key))
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
        let summary = self.get(slot)?;
        let leaves = may(&summary)?;
        self.first += 1;
        self.gone += 1;
        let first = self.past.as_mut().map(|past| &mut past.older).filter(|older| !older.is_empty());
        match first {
            None if self.gone as usize == self.newest.len() => {
                self.newest = Chunk::NONE;
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

#[cfg(test)]
mod tests;
