//! A partition of the recovered state: the customers of some shards, which one thread owns.

use crate::{
    domain::{
        customer::aggregate::Customer,
        events::{
            customer_event::{CustomerEvent, RecordPosition},
            global_event::GlobalEvent,
        },
        transaction::log_offset::LogOffset,
        vocabulary::{
            money::Currency,
            names::{Name, Set},
            time::Millis,
        },
    },
    ledger::{
        customers::sealing::unseal,
        index::{
            customer_numbers::FIRST_CUSTOMER,
            digest::DigestKey,
            sharding::{SHARDS, shard_of},
            transaction_index::TransactionSlot,
        },
        state::shards::Shard,
    },
    storage::{
        encoding,
        journal::{Keys, Lsn, Record},
        snapshot::{Frame, Piece, SnapshotError},
    },
};
use std::collections::BTreeSet;

/// The customers of one recovery thread.
pub(super) struct Partition {
    digest_key: DigestKey,
    /// The number of partitions. This one has every n-th shard.
    partitions: usize,
    shards: Vec<Shard>,
    pub(super) next_customer: u64,
    pub(super) currencies: BTreeSet<Currency>,
    /// The merchants of replayed transactions without a customer.
    pub(super) merchants: Set<Name>,
    /// Global events, with the LSN and the offset of their records.
    pub(super) global_events: Vec<(Lsn, LogOffset, GlobalEvent)>,
    /// The last records about evicted transactions.
    pub(super) archived_facts: Vec<(u64, TransactionSlot, LogOffset)>,
    /// The number of transactions, or slightly more.
    pub(super) transactions: usize,
    /// The newest recorded time.
    pub(super) newest_time: Option<Millis>,
    /// The customer whose summaries the snapshot contains next, and the slot after the last of them.
    expected: Option<(u64, u32)>,
}

impl Partition {
    pub(super) fn new(secret: (u64, u64), partitions: usize) -> Self {
        Self {
            digest_key: DigestKey::new(secret),
            partitions,
            shards: (0..SHARDS.div_ceil(partitions)).map(|_| Shard::default()).collect(),
            next_customer: FIRST_CUSTOMER,
            currencies: BTreeSet::new(),
            merchants: Set::default(),
            global_events: Vec::new(),
            archived_facts: Vec::new(),
            transactions: 0,
            newest_time: None,
            expected: None,
        }
    }

    /// The partition of a customer.
    pub(super) fn of(number: u64, partitions: usize) -> usize {
        shard_of(number) % partitions
    }

    /// The shards of this partition, which is the n-th one, with their indexes among all shards.
    pub(super) fn into_shards(self, n: usize) -> impl Iterator<Item = (usize, Shard)> {
        let partitions = self.partitions;
        let indexed = self.shards.into_iter().enumerate().map(move |(nth, shard)| (nth * partitions + n, shard));
        indexed.filter(|(index, _)| *index < SHARDS)
    }

    fn shard(&mut self, number: u64) -> &mut Shard {
        &mut self.shards[shard_of(number) / self.partitions]
    }

    /// Loads a customer into the cache while other records are applied.
    pub(super) fn prefetch(&self, number: u64) {
        self.shards[shard_of(number) / self.partitions].get(number).into_iter().for_each(Customer::prefetch);
    }

    /// Restores a piece of a customer.
    ///
    /// # Errors
    /// The piece is invalid.
    pub(super) fn restore(&mut self, keys: &Keys, frame: &Frame<'_>) -> Result<(), SnapshotError> {
        if let Some(summaries) = frame.summaries()? {
            let number = summaries.customer;
            let missing = || SnapshotError::Content(format!("summaries of customer {number} without a head"));
            let customer = self.shard(number).get_mut(number).ok_or_else(missing)?;
            let before = customer.summaries().len();
            customer.reserve_summaries(summaries.len());
            for summary in summaries {
                let (slot, summary) = summary?;
                summary.resume_in(customer, slot)?;
            }
            self.transactions += customer.summaries().len() - before;
            return Ok(());
        }
        match frame.decode()? {
            Piece::Customer(head) => {
                self.check_complete()?;
                let number = head.number;
                self.expected = Some((number, head.next_slot));
                self.newest_time = self.newest_time.max(Some(Millis(head.settled_at)));
                let customer = head.customer(&mut |sealed| unseal(keys, number, sealed))?;
                self.shard(number).insert(number, customer);
            }
            Piece::TransactionSummaries { .. } | Piece::Global(_) | Piece::End { .. } => {}
        }
        Ok(())
    }

    /// Checks that all summaries of the last head were restored.
    ///
    /// # Errors
    /// Some are missing.
    pub(super) fn check_complete(&mut self) -> Result<(), SnapshotError> {
        let Some((number, next_slot)) = self.expected.take() else { return Ok(()) };
        let found = self.shard(number).get(number).map_or(0, |customer| customer.summaries().next_slot());
        if found == next_slot {
            return Ok(());
        }
        Err(SnapshotError::Content(format!("customer {number} has summaries up to slot {found}, expected {next_slot}")))
    }

    /// Applies a record.
    ///
    /// # Errors
    /// The record is invalid, or is about a customer that no record created.
    pub(super) fn apply_record(&mut self, keys: &Keys, record: &Record<'_>) -> Result<(), String> {
        let owner = record.owner;
        let mut unseal = |sealed: &[u8]| unseal(keys, owner, sealed);
        let mut events = encoding::Events::of(record.events);
        let mut is_empty = true;
        while let Some(event) = events.next(&mut unseal).map_err(|error| error.to_string())? {
            is_empty = false;
            match event {
                encoding::RecordedEvent::Global(event) => {
                    self.apply_to_all(record, &event);
                    self.global_events.push((record.lsn, record.offset, event));
                }
                encoding::RecordedEvent::Customer(event) => self.apply_event(record, &event)?,
            }
        }
        if is_empty {
            return Err(encoding::DecodeError::Empty.to_string());
        }
        if let Some(customer) = self.shard(owner).get_mut(owner) {
            customer.applied = customer.applied.max(record.lsn.0);
        }
        Ok(())
    }

    /// Applies those global events of a record that change all customers. Another partition applies the whole record.
    ///
    /// # Errors
    /// The record is invalid.
    pub(super) fn apply_broadcast(&mut self, record: &Record<'_>) -> Result<(), String> {
        let mut events = encoding::Events::of(record.events);
        while let Some(event) = events.next(&mut |_| Ok(None)).map_err(|error| error.to_string())? {
            if let encoding::RecordedEvent::Global(event) = event {
                self.apply_to_all(record, &event);
            }
        }
        Ok(())
    }

    /// Applies a global event to the customers of this partition, where it changes customers.
    fn apply_to_all(&mut self, record: &Record<'_>, event: &GlobalEvent) {
        match event {
            GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } => {
                self.for_each_before(record, |customer| {
                    let is_of_merchant = customer.number() >= FIRST_CUSTOMER && customer.merchant == *merchant;
                    let is_renamed = is_of_merchant && customer.uses_level(*direction, *from);
                    if is_renamed {
                        customer.rename_level(*direction, *from, *to);
                    }
                    is_renamed
                });
            }
            GlobalEvent::ClockAccepted { step, .. } => {
                self.newest_time = Some(step.after);
                if step.changes_customers() {
                    self.for_each_before(record, |customer| {
                        customer.apply_clock_step(step);
                        true
                    });
                }
            }
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::LevelCreated { .. }
            | GlobalEvent::ExternalIdsGenerated { .. }
            | GlobalEvent::ConfigurationApplied { .. }
            | GlobalEvent::OperationAudited(_)
            | GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelDeleted { .. }
            | GlobalEvent::LevelFileApplied { .. }
            | GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::RatesPut { .. } => {}
        }
    }

    /// Calls `change` with each customer that does not contain a record yet. Where it returns `true`, the customer contains
    /// the record from then on.
    fn for_each_before(&mut self, record: &Record<'_>, mut change: impl FnMut(&mut Customer) -> bool) {
        for customer in self.shards.iter_mut().flat_map(Shard::values_mut) {
            if customer.applied < record.lsn.0 && change(customer) {
                customer.applied = record.lsn.0;
            }
        }
    }

    fn apply_event(&mut self, record: &Record<'_>, event: &CustomerEvent) -> Result<(), String> {
        let number = record.owner;
        self.newest_time = self.newest_time.max(event.recorded_at().filter(|_| counts_as_time(event)));
        let mut key = 0;
        // The offset of a record about an evicted transaction belongs to no customer: it is kept also where the snapshot
        // contains the record.
        let mut evicted = None;
        match event {
            CustomerEvent::Created { merchant, at, .. } => {
                self.next_customer = self.next_customer.max(number.saturating_add(1));
                let create = || Customer::new(number, *merchant, None, *at);
                self.shard(number).insert_absent(number, create);
            }
            CustomerEvent::TransactionOpened { opening, .. } => {
                self.transactions += 1;
                key = self.digest_key.transaction(opening.merchant.as_str(), &opening.id);
                self.currencies.insert(opening.content.currency);
                if number < FIRST_CUSTOMER {
                    // No record creates a placeholder.
                    let (merchant, at): (Name, _) = (opening.merchant, opening.recorded_at);
                    self.merchants.insert(merchant);
                    let create = || Customer::new(number, merchant, None, at);
                    self.shard(number).insert_absent(number, create);
                }
            }
            CustomerEvent::Assigned { opening, .. } => {
                self.transactions += 1;
                key = self.digest_key.transaction(opening.merchant.as_str(), &opening.id);
                self.currencies.insert(opening.content.currency);
            }
            CustomerEvent::Compacted { slot, opening, left, .. } => {
                key = self.digest_key.transaction(opening.merchant.as_str(), &opening.id);
                evicted = left.then_some((key, *slot));
            }
            CustomerEvent::FactRecorded { slot, left, .. } => evicted = left.as_ref().map(|left| (left.key, *slot)),
            CustomerEvent::AssignedElsewhere { slot, left, .. } => evicted = left.map(|key| (key, *slot)),
            CustomerEvent::AttributesFilled { .. }
            | CustomerEvent::LevelSet { .. }
            | CustomerEvent::SignalReceived { .. }
            | CustomerEvent::InstrumentAdded { .. }
            | CustomerEvent::InstrumentUsed { .. }
            | CustomerEvent::AuditEntry(_)
            | CustomerEvent::CustomerChanged(_) => {}
        }
        let customer = self.shards[shard_of(number) / self.partitions].get_mut(number);
        let customer = customer.ok_or_else(|| format!("no record created customer {number}"))?;
        if let Some((key, slot)) = evicted {
            self.archived_facts.push((key, TransactionSlot { customer: number, slot }, record.offset));
        }
        // The snapshot was taken after this record and contains it.
        if record.lsn.0 <= customer.applied {
            return Ok(());
        }
        // As when the event was recorded. The time of the customer must be the record's before a snapshot is taken.
        event.recorded_at().into_iter().for_each(|at| _ = customer.expire_holds(at));
        // `applied` is set once the whole record is applied: its events are one step.
        let applied = customer.applied;
        customer.apply(RecordPosition { number: applied, offset: record.offset, key }, event);
        Ok(())
    }
}

/// Whether the time of an event counts for the newest recorded time. Every record about a customer alone ends with an audit
/// entry, whose time counts for all its events; its other events may contain earlier or later times.
fn counts_as_time(event: &CustomerEvent) -> bool {
    match event {
        CustomerEvent::TransactionOpened { .. }
        | CustomerEvent::FactRecorded { .. }
        | CustomerEvent::AuditEntry(_)
        | CustomerEvent::Assigned { .. }
        | CustomerEvent::AssignedElsewhere { .. }
        | CustomerEvent::Compacted { .. } => true,
        CustomerEvent::Created { .. }
        | CustomerEvent::AttributesFilled { .. }
        | CustomerEvent::LevelSet { .. }
        | CustomerEvent::SignalReceived { .. }
        | CustomerEvent::InstrumentAdded { .. }
        | CustomerEvent::InstrumentUsed { .. }
        | CustomerEvent::CustomerChanged(_) => false,
    }
}
