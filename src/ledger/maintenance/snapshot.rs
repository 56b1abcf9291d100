//! Saving the state: shard by shard, without a pause. Each customer is true up to a number of its own; whoever reads a
//! snapshot applies the records behind its begin, each to those customers who do not hold it yet.

use crate::ledger::{
    Ledger,
    customers::rename_level::Renamed,
    state::{index::TransactionSlot, shards::SHARDS},
};
use crate::{
    domain::{customer::aggregate::Customer, vocabulary::money::Currency},
    storage::{
        journal::Lsn,
        snapshot::{
            ClockDto, CountedDto, HeadDto, LateDto, LevelDto, Piece, RenameDto, TransactionSummaryDto, WorldDto,
        },
    },
};
use std::{io, sync::atomic::Ordering};

/// The most transactions that are copied under one lock.
const PIECE_MAX: usize = 256;

impl Ledger {
    /// RecoveryWorkers over the state in pieces, and says up to which record the newest of them may be true. Records behind
    /// `begin`, which is to be read from the journal before, are to be replayed.
    ///
    /// No lock is held for more than 256 transactions, and none while a piece is taken.
    ///
    /// # Errors
    /// Those of whoever takes the pieces.
    pub fn keep(&self, take: &mut dyn FnMut(Piece) -> io::Result<()>) -> io::Result<Lsn> {
        let _nothing_is_renamed = self.made_levels.keeping.lock();
        let done = (0..SHARDS).try_for_each(|shard| {
            self.being_kept.store(shard + 1, Ordering::SeqCst);
            let numbers: Vec<u64> = self.customers.shard(shard).numbers();
            numbers.into_iter().try_for_each(|number| self.keep_customer(number, take))
        });
        self.being_kept.store(0, Ordering::SeqCst);
        done?;
        // Behind the customers: what a record up to the begin has left outside of its customer (a block, a currency, a
        // level, a late fact's place) was left there under the customer's lock, and every such lock has been held since.
        take(Piece::World(self.world()))?;
        let mut events = self.overlay().events();
        events.extend(self.blocked_instruments.events());
        let beside = WorldDto::beside(&events);
        beside.into_iter().try_for_each(|world| take(Piece::World(world)))?;
        Ok(self.journal.last())
    }

    fn keep_customer(&self, number: u64, take: &mut dyn FnMut(Piece) -> io::Result<()>) -> io::Result<()> {
        let mut shard = self.customers.lock(number);
        let Some(customer) = shard.get_mut(&number) else { return Ok(()) };
        self.seal_stored_identifiers(customer);
        let next_slot = customer.summaries().next_slot();
        let head = HeadDto::of(customer, &mut |plain, out| self.seal(number, plain, out));
        let mut summaries = copy(customer, 0);
        drop(shard);
        take(Piece::Head(head))?;
        // What is opened from here on comes from the journal.
        while let Some((last, _)) = summaries.last() {
            let next = last.saturating_add(1);
            take(Piece::TransactionSummaries { customer: number, summaries })?;
            if next >= next_slot {
                break;
            }
            summaries = self.customers.lock(number).get(&number).map(|c| copy(c, next)).unwrap_or_default();
            summaries.retain(|(slot, _)| *slot < next_slot);
        }
        Ok(())
    }

    fn world(&self) -> WorldDto {
        let levels = self.made_levels.all().into_iter();
        let late = self.late.all().into_iter();
        WorldDto {
            next_customer: self.next_customer.load(Ordering::Relaxed),
            currencies: self.currencies_held().into_iter().map(Currency::code).collect(),
            levels: levels
                .map(|(merchant, made)| LevelDto::of(merchant, made.name, made.direction, made.currency, made.created))
                .collect(),
            blocked: Vec::new(),
            late: late
                .map(|(key, TransactionSlot { customer, slot }, place)| LateDto { key, customer, slot, place: place.0 })
                .collect(),
            configured: None,
            overlay: Vec::new(),
            renames: self.made_levels.renames.all().iter().map(rename_dto).collect(),
            counted: self.counted().into_iter().map(|(merchant, made)| CountedDto::of(merchant, made)).collect(),
            archive: Vec::new(),
            clocks: self.clocks.all().iter().map(|(place, step)| ClockDto::of(step, *place)).collect(),
        }
    }
}

fn rename_dto(Renamed { merchant, direction, from, to, place }: &Renamed) -> RenameDto {
    RenameDto::of(*merchant, *direction, (*from, *to), *place)
}

fn copy(customer: &Customer, from: u32) -> Vec<(u32, TransactionSummaryDto)> {
    customer
        .summaries()
        .starting_at(from)
        .take(PIECE_MAX)
        .map(|(slot, summary)| (slot, TransactionSummaryDto::of(summary)))
        .collect()
}
