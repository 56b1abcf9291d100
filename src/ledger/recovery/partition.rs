//! A partition of the recovered state: the customers of some shards, which one thread owns.

use crate::{
    domain::{
        customer::aggregate::Customer, events::global_event::GlobalEvent, transaction::log_offset::LogOffset,
        vocabulary::time::Millis,
    },
    ledger::{
        customers::sealing::unseal,
        index::{
            digest::DigestKey,
            sharding::{SHARDS, shard_of},
        },
        recovery::record_effects::{RecordEffects, apply_to_customer, changes_customers, mark_applied},
        state::shards::Shard,
    },
    storage::{
        encoding,
        journal::{Keys, Lsn, Record},
        snapshot::{Frame, Piece, SnapshotError},
    },
};

/// The customers of one recovery thread.
pub(super) struct Partition {
    digest_key: DigestKey,
    /// The number of partitions. This one has every n-th shard.
    partitions: usize,
    shards: Vec<Shard>,
    /// What its records change outside of its customers.
    pub(super) effects: RecordEffects,
    /// Global events, with the LSN and the offset of their records.
    pub(super) global_events: Vec<(Lsn, LogOffset, GlobalEvent)>,
    /// The customer whose summaries the snapshot contains next, and the slot after the last of them.
    expected: Option<(u64, u32)>,
}

impl Partition {
    pub(super) fn new(secret: (u64, u64), partitions: usize) -> Self {
        Self {
            digest_key: DigestKey::new(secret),
            partitions,
            shards: (0..SHARDS.div_ceil(partitions)).map(|_| Shard::default()).collect(),
            effects: RecordEffects::default(),
            global_events: Vec::new(),
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
            for summary in summaries {
                let (slot, summary) = summary?;
                summary.resume_in(customer, slot)?;
            }
            let restored = customer.summaries().len() - before;
            self.effects.transactions += restored;
            return Ok(());
        }
        match frame.decode()? {
            Piece::Customer(head) => {
                self.check_complete()?;
                let number = head.number;
                self.expected = Some((number, head.next_slot));
                self.effects.newest_time = self.effects.newest_time.max(Some(Millis(head.settled_at)));
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
        let (mut is_empty, mut is_of_customer) = (true, false);
        while let Some(event) = events.next(&mut unseal).map_err(|error| error.to_string())? {
            is_empty = false;
            match event {
                encoding::RecordedEvent::Global(event) => {
                    self.apply_to_all(record, &event);
                    self.global_events.push((record.lsn, record.offset, event));
                }
                encoding::RecordedEvent::Customer(event) => {
                    is_of_customer = true;
                    let shard = &mut self.shards[shard_of(owner) / self.partitions];
                    self.effects.apply(&self.digest_key, shard, record, &event)?;
                }
            }
        }
        if is_empty {
            return Err(encoding::DecodeError::Empty.to_string());
        }
        if is_of_customer {
            mark_applied(self.shard(owner), record);
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
        self.effects.note_global(event);
        if changes_customers(event) {
            let customers = self.shards.iter_mut().flat_map(Shard::values_mut);
            customers.for_each(|customer| _ = apply_to_customer(customer, record, event, |_| {}));
        }
    }
}
