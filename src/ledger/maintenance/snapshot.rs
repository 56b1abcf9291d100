//! Snapshots: the state is written shard by shard, without a pause. Each customer contains the records up to an LSN of its
//! own. Recovery applies the records after the snapshot's begin to those customers that do not contain them yet.

use crate::ledger::{
    index::{sharding::SHARDS, transaction_index::TransactionSlot},
    state::{ledger::Ledger, level_renames::LevelRename},
};
use crate::{
    domain::{customer::aggregate::Customer, vocabulary::money::Currency},
    scheduling::give_way,
    storage::{
        journal::Lsn,
        snapshot::{
            ArchivedFactDto, ClockDto, CountedDto, CustomerDto, GlobalDto, LevelDto, Piece, RenameDto,
            TransactionSummaryDto,
        },
    },
};
use std::{io, sync::atomic::Ordering};

/// The most transactions that are copied while a customer is locked.
const PIECE_MAX: usize = 256;

impl Ledger {
    /// Writes the state in pieces. Returns the last LSN that the newest piece may contain. Recovery replays the records
    /// after the LSN that the caller read from the journal before this call.
    ///
    /// No lock is held while a piece is written, or for more than 256 transactions.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn snapshot(&self, take: &mut dyn FnMut(Piece) -> io::Result<()>) -> io::Result<Lsn> {
        let _no_rename = self.snapshot_lock.lock();
        let done = (0..SHARDS).try_for_each(|shard| {
            self.snapshot_shard.store(shard + 1, Ordering::SeqCst);
            let numbers: Vec<u64> = self.customers.shard(shard).numbers();
            numbers.into_iter().try_for_each(|number| self.snapshot_customer(number, take))
        });
        self.snapshot_shard.store(0, Ordering::SeqCst);
        done?;
        // After the customers: a record changes the global state (a block, a currency, a level, the offset of an archived
        // fact) under the lock of its customer, and this thread has held each of these locks since the begin.
        take(Piece::Global(self.global_state()))?;
        let mut events = self.overrides().events();
        events.extend(self.blocked_instruments.events(self.forgotten_before()));
        let pieces = GlobalDto::pieces_of(&events);
        pieces.into_iter().try_for_each(|world| take(Piece::Global(world)))?;
        Ok(self.journal.last())
    }

    fn snapshot_customer(&self, number: u64, take: &mut dyn FnMut(Piece) -> io::Result<()>) -> io::Result<()> {
        give_way();
        let mut shard = self.customers.lock(number);
        let Some(customer) = shard.get_mut(number) else { return Ok(()) };
        self.seal_stored_identifiers(customer);
        let next_slot = customer.summaries().next_slot();
        let head = CustomerDto::of(customer, &mut |plain, out| self.seal(number, plain, out));
        let mut summaries = copy(customer, 0);
        drop(shard);
        take(Piece::Customer(head))?;
        // Transactions that are opened from here on are in the journal.
        while let Some((last, _)) = summaries.last() {
            let next = last.saturating_add(1);
            take(Piece::TransactionSummaries { customer: number, summaries })?;
            if next >= next_slot {
                break;
            }
            give_way();
            summaries = self.customers.lock(number).get(number).map(|c| copy(c, next)).unwrap_or_default();
            summaries.retain(|(slot, _)| *slot < next_slot);
        }
        Ok(())
    }

    fn global_state(&self) -> GlobalDto {
        let levels = self.made_levels.all().into_iter();
        let archived_facts = self.archived_facts.all().into_iter();
        GlobalDto {
            next_customer: self.next_customer.load(Ordering::Relaxed),
            currencies: self.recorded_currencies().into_iter().map(Currency::code).collect(),
            levels: levels
                .map(|(merchant, made)| LevelDto::of(merchant, made.name, made.direction, made.currency, made.created))
                .collect(),
            blocked: Vec::new(),
            late: archived_facts
                .map(|(key, TransactionSlot { customer, slot }, offset)| ArchivedFactDto {
                    key,
                    customer,
                    slot,
                    offset: offset.0,
                })
                .collect(),
            configured: None,
            overlay: Vec::new(),
            renames: self.level_renames.all().iter().map(rename_dto).collect(),
            counted: self
                .generated_id_counts()
                .into_iter()
                .map(|(merchant, made)| CountedDto::of(merchant, made))
                .collect(),
            archive: Vec::new(),
            clocks: self.clocks.all().iter().map(|(offset, step)| ClockDto::of(step, *offset)).collect(),
        }
    }
}

fn rename_dto(LevelRename { merchant, direction, from, to, offset }: &LevelRename) -> RenameDto {
    RenameDto::of(*merchant, *direction, (*from, *to), *offset)
}

fn copy(customer: &Customer, from: u32) -> Vec<(u32, TransactionSummaryDto)> {
    customer
        .summaries()
        .starting_at(from)
        .take(PIECE_MAX)
        .map(|(slot, summary)| (slot, TransactionSummaryDto::of(&summary)))
        .collect()
}
