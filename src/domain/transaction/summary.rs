//! A transaction in brief: what a decision needs of it, in a few words of memory. Its facts stand in the journal.

pub use crate::domain::transaction::outcome::{Flags, TransactionOutcome, shown};
use crate::domain::{
    transaction::record::{LogOffset, Status},
    usage::series::{Contribution, UsageSeriesKey},
    vocabulary::time::Millis,
};
use prefetch_index::prefetch_index;
use std::collections::VecDeque;

/// The most briefs of one piece of memory.
pub const PIECE: usize = 64;
const NEVER: i64 = i64::MAX;

/// A transaction in brief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionSummary {
    /// Its own time.
    pub at: Millis,
    /// When the hold ends; [`i64::MAX`]: never.
    hold_until: i64,
    gross: u64,
    net: u64,
    held: u64,
    /// Where the last record about it lies.
    pub place: LogOffset,
    /// A digest of its id, by which indexes know it.
    pub key: u64,
    /// Which of the customer's books it belongs to; [`NO_BOOK`]: the rules were bypassed.
    series: u16,
    status: Status,
    flags: Flags,
    gross_counts: bool,
    net_counts: bool,
    counts_after_hold: bool,
}

const NO_BOOK: u16 = u16::MAX;

impl TransactionSummary {
    /// In brief.
    #[must_use]
    pub fn new(at: Millis, series: Option<u16>, key: u64, place: LogOffset, outcome: &TransactionOutcome) -> Self {
        let mut summary = Self {
            at,
            hold_until: NEVER,
            gross: 0,
            net: 0,
            held: 0,
            place,
            key,
            series: series.unwrap_or(NO_BOOK),
            status: outcome.status,
            flags: outcome.flags,
            gross_counts: false,
            net_counts: false,
            counts_after_hold: false,
        };
        summary.become_of(place, outcome);
        summary
    }

    /// A fact has changed it.
    pub fn become_of(&mut self, place: LogOffset, outcome: &TransactionOutcome) {
        let Contribution { gross, net, gross_counts, net_counts } = outcome.counts;
        (self.gross, self.net, self.held) = (gross, net, outcome.held);
        (self.gross_counts, self.net_counts) = (gross_counts, net_counts);
        self.counts_after_hold = outcome.counts_after_hold;
        self.hold_until = outcome.hold_until.map_or(NEVER, |until| until.0);
        self.status = outcome.status;
        self.flags = outcome.flags;
        self.place = place;
    }

    /// Which of the customer's books it belongs to; `None`: the rules were bypassed.
    #[must_use]
    pub fn series(&self) -> Option<u16> {
        (self.series != NO_BOOK).then_some(self.series)
    }

    /// Moves it to an earlier time; its hold keeps its length.
    pub(in crate::domain) fn move_to(&mut self, at: Millis) {
        if self.hold_until != NEVER {
            self.hold_until = self.hold_until.saturating_sub(self.at.since(at));
        }
        self.at = at;
    }

    /// Another of the customer's books counts it from now on.
    pub(in crate::domain) fn move_to_book(&mut self, series: u16) {
        self.series = series;
    }

    /// What it has come to.
    #[must_use]
    #[inline]
    pub fn outcome(&self) -> TransactionOutcome {
        TransactionOutcome {
            status: self.status,
            counts: Contribution {
                gross: self.gross,
                net: self.net,
                gross_counts: self.gross_counts,
                net_counts: self.net_counts,
            },
            held: self.held,
            counts_after_hold: self.counts_after_hold,
            hold_until: self.hold_until(),
            flags: self.flags,
        }
    }

    /// When the hold ends; `None`: never.
    #[must_use]
    pub fn hold_until(&self) -> Option<Millis> {
        (self.hold_until != NEVER).then_some(Millis(self.hold_until))
    }

    /// What a reader should notice.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The status at an instant.
    #[must_use]
    pub fn status(&self, now: Millis) -> Status {
        self.outcome().status(now)
    }

    /// What it contributes at an instant.
    #[must_use]
    #[inline]
    pub fn contribution(&self, now: Millis) -> Contribution {
        self.outcome().contribution(now)
    }

    /// The end of the hold, where it is open and will end.
    #[must_use]
    #[inline]
    pub fn held_until(&self, now: Millis) -> Option<Millis> {
        self.outcome().expires_at(now)
    }

    /// Whether something of it waits for the end of the hold or for facts at an instant.
    #[must_use]
    pub fn is_held(&self, now: Millis) -> bool {
        self.outcome().is_held(now)
    }
}

/// The briefs of one customer, by slot: numbered from 0 in the order in which they were opened. Old ones leave.
///
/// Invariant: every older piece is full; slots in `older` and `newest` are consecutive from `first` on; `pinned` holds
/// slots before `first`, ascending: those that may not leave though all around them have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionSummaries {
    first: u32,
    /// How many of the first piece have left.
    gone: u32,
    newest: Vec<TransactionSummary>,
    /// `None`: there is nothing but the newest piece, as in most customers.
    past: Option<Box<Past>>,
}

/// What lies before the newest piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Past {
    older: VecDeque<Box<[TransactionSummary]>>,
    pinned: Vec<(u32, TransactionSummary)>,
}

impl TransactionSummaries {
    /// Those of somebody who has none.
    pub(in crate::domain) const NONE: Self = Self { first: 0, gone: 0, newest: Vec::new(), past: None };

    /// TransactionSummaries whose first so many slots have left.
    #[must_use]
    pub fn resumed(first: u32) -> Self {
        Self { first, ..Self::default() }
    }

    /// The first slot that has not left, those that were pinned apart.
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

    /// The slot that the next one gets.
    #[must_use]
    #[inline]
    pub fn next_slot(&self) -> u32 {
        let len = self.older() * PIECE + self.newest.len() - self.gone as usize;
        self.first.saturating_add(u32::try_from(len).unwrap_or(u32::MAX))
    }

    /// See [`crate::domain::customer::aggregate::Customer::touch`].
    #[inline]
    pub(in crate::domain) fn touch(&self) -> u64 {
        // A brief may begin in one line of the cache and end in the next.
        prefetch_index(&self.newest, self.newest.len());
        prefetch_index(&self.newest, self.newest.len() + 1);
        self.newest.len() as u64 ^ u64::from(self.past.is_some())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pinned().len() + (self.next_slot() - self.first) as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for so many that are about to be added, and for no more.
    pub(in crate::domain) fn expect(&mut self, count: usize) {
        self.newest.reserve_exact(count.min(PIECE.saturating_sub(self.newest.len())));
    }

    /// Adds one; returns its slot.
    #[inline]
    pub fn push(&mut self, summary: TransactionSummary) -> u32 {
        let slot = self.next_slot();
        if self.newest.len() == PIECE {
            self.begin_piece();
        }
        self.newest.push(summary);
        slot
    }

    #[cold]
    fn begin_piece(&mut self) {
        let full = std::mem::replace(&mut self.newest, Vec::with_capacity(PIECE));
        self.past.get_or_insert_default().older.push_back(full.into_boxed_slice());
    }

    fn spot(&self, slot: u32) -> Option<(usize, usize)> {
        let place = slot.checked_sub(self.first)? as usize + self.gone as usize;
        Some((place / PIECE, place % PIECE))
    }

    /// The one in a slot.
    #[must_use]
    pub fn get(&self, slot: u32) -> Option<&TransactionSummary> {
        match (self.spot(slot), &self.past) {
            (Some((piece, spot)), _) if piece == self.older() => self.newest.get(spot),
            (Some((piece, spot)), Some(past)) => past.older.get(piece)?.get(spot),
            (None, Some(past)) => {
                let place = past.pinned.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
                Some(&past.pinned[place].1)
            }
            (_, None) => None,
        }
    }

    /// The one in a slot, to be changed.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut TransactionSummary> {
        let older = self.older();
        match (self.spot(slot), &mut self.past) {
            (Some((piece, spot)), _) if piece == older => self.newest.get_mut(spot),
            (Some((piece, spot)), Some(past)) => past.older.get_mut(piece)?.get_mut(spot),
            (None, Some(past)) => {
                let place = past.pinned.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
                Some(&mut past.pinned[place].1)
            }
            (_, None) => None,
        }
    }

    /// All of them with their slots, ascending, from a slot on.
    pub fn starting_at(&self, slot: u32) -> impl Iterator<Item = (u32, &TransactionSummary)> {
        let pinned =
            self.pinned().iter().filter(move |(pinned, _)| *pinned >= slot).map(|(slot, summary)| (*slot, summary));
        let rest = (self.first.max(slot)..self.next_slot()).filter_map(|slot| Some((slot, self.get(slot)?)));
        pinned.chain(rest)
    }

    /// Keeps one before the first slot, as a snapshot brings it back.
    pub fn pin(&mut self, slot: u32, summary: TransactionSummary) {
        let pinned = &mut self.past.get_or_insert_default().pinned;
        match pinned.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(place) => pinned[place].1 = summary,
            Err(place) => pinned.insert(place, (slot, summary)),
        }
    }

    /// Takes away the first one in order, if `may` says so: `Some(true)` it leaves, `Some(false)` it is pinned,
    /// `None` it and all behind it stay. Returns the slot and the brief of one that left.
    pub fn leave(
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
            Some(older) if self.gone as usize == PIECE => {
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

    /// Takes away one that was pinned and may leave by now.
    pub fn unpin(&mut self, may: impl Fn(&TransactionSummary) -> bool) -> Option<(u32, TransactionSummary)> {
        let pinned = &mut self.past.as_mut()?.pinned;
        let place = pinned.iter().position(|(_, summary)| may(summary))?;
        Some(pinned.remove(place))
    }
}

/// What has left memory, where a fact still comes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The digest of its id.
    pub key: u64,
    /// The book that it counts in; `None`: the rules were bypassed.
    pub series: Option<UsageSeriesKey>,
    /// Its own time; `None`: the record is of a version that did not keep it.
    pub at: Option<Millis>,
    /// What it contributed before the fact.
    pub was: Contribution,
}
