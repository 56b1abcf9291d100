//! A share of the state on its way back: the customers of some shards, whom nobody else touches meanwhile.

use crate::{
    domain::{
        customer::aggregate::{Customer, CustomerEvent, Recorded},
        events::global_event::GlobalEvent,
        transaction::record::LogOffset,
        vocabulary::{money::Currency, names::Name, time::Millis},
    },
    ledger::{
        FIRST_CUSTOMER,
        state::{
            index::TransactionSlot,
            shards::{DigestKey, SHARDS, Shard, slot},
        },
    },
    storage::{
        encoding,
        journal::{Keys, Lsn, Record},
        keys::Unsealed,
        snapshot::{Frame, Piece, SnapshotError},
    },
};
use std::collections::BTreeSet;

/// What one thread brings back.
pub(super) struct Partition {
    key: DigestKey,
    /// How many lanes there are: of so many shards one is here.
    lanes: usize,
    shards: Vec<Shard>,
    pub(super) next_customer: u64,
    pub(super) currencies: BTreeSet<Currency>,
    /// What belongs to no customer, with the number and the place of its record.
    pub(super) commons: Vec<(Lsn, LogOffset, GlobalEvent)>,
    /// The last records about transactions that had left memory.
    pub(super) late: Vec<(u64, TransactionSlot, LogOffset)>,
    /// How many transactions came, or somewhat more.
    pub(super) opened: usize,
    /// The newest time that is recorded.
    pub(super) newest: Option<Millis>,
    /// The customer whose briefs a snapshot hands over, and the slot behind the last of them.
    expected: Option<(u64, u32)>,
}

/// What was sealed; `None` where the customer's key is erased.
pub(in crate::ledger) fn unseal(keys: &Keys, customer: u64, sealed: &[u8]) -> Result<Option<Vec<u8>>, String> {
    match keys.unseal(customer, sealed) {
        Ok(Unsealed::Plain(plain)) => Ok(Some(plain)),
        Ok(Unsealed::Erased) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

impl Partition {
    pub(super) fn new(secret: (u64, u64), lanes: usize) -> Self {
        Self {
            key: DigestKey::new(secret),
            lanes,
            shards: (0..SHARDS.div_ceil(lanes)).map(|_| Shard::default()).collect(),
            next_customer: FIRST_CUSTOMER,
            currencies: BTreeSet::new(),
            commons: Vec::new(),
            late: Vec::new(),
            opened: 0,
            newest: None,
            expected: None,
        }
    }

    /// The lane of a customer.
    pub(super) fn of(number: u64, lanes: usize) -> usize {
        slot(number) % lanes
    }

    /// Its shards, with their places among all; it is the n-th lane.
    pub(super) fn into_shards(self, n: usize) -> impl Iterator<Item = (usize, Shard)> {
        let lanes = self.lanes;
        let placed = self.shards.into_iter().enumerate().map(move |(shard, customers)| (shard * lanes + n, customers));
        placed.filter(|(place, _)| *place < SHARDS)
    }

    fn shard(&mut self, number: u64) -> &mut Shard {
        &mut self.shards[slot(number) / self.lanes]
    }

    /// Reads a little of a customer, so that it is on its way from memory while another record is applied.
    pub(super) fn touch(&self, number: u64) {
        self.shards[slot(number) / self.lanes].get(&number).into_iter().for_each(Customer::touch);
    }

    /// Takes a piece of a customer.
    ///
    /// # Errors
    /// It says what cannot be.
    pub(super) fn piece(&mut self, keys: &Keys, frame: &Frame<'_>) -> Result<(), SnapshotError> {
        if let Some(summaries) = frame.summaries()? {
            let number = summaries.customer;
            let missing = || SnapshotError::Content(format!("briefs of customer {number} without a head"));
            let customer = self.shard(number).get_mut(&number).ok_or_else(missing)?;
            let before = customer.summaries().len();
            customer.expect(summaries.len());
            for summary in summaries {
                let (slot, summary) = summary?;
                summary.resume_in(customer, slot)?;
            }
            self.opened += customer.summaries().len() - before;
            return Ok(());
        }
        match frame.decode()? {
            Piece::Head(head) => {
                self.is_whole()?;
                let number = head.number;
                self.expected = Some((number, head.next_slot));
                self.newest = self.newest.max(Some(Millis(head.settled_at)));
                let customer = head.customer(&mut |sealed| unseal(keys, number, sealed))?;
                self.shard(number).insert(number, customer);
            }
            Piece::TransactionSummaries { .. } | Piece::World(_) | Piece::End { .. } => {}
        }
        Ok(())
    }

    /// Whether all briefs came that the last head spoke of.
    pub(super) fn is_whole(&mut self) -> Result<(), SnapshotError> {
        let Some((number, next_slot)) = self.expected.take() else { return Ok(()) };
        let found = self.shard(number).get(&number).map_or(0, |customer| customer.summaries().next_slot());
        if found == next_slot {
            return Ok(());
        }
        Err(SnapshotError::Content(format!("customer {number} has briefs up to slot {found}, not {next_slot}")))
    }

    /// Applies a record.
    ///
    /// # Errors
    /// It cannot be understood, or speaks of a customer whom no record made.
    pub(super) fn record(&mut self, keys: &Keys, record: &Record<'_>) -> Result<(), String> {
        let owner = record.owner;
        let mut open = |sealed: &[u8]| unseal(keys, owner, sealed);
        let mut events = encoding::Events::of(record.events);
        let mut any = false;
        while let Some(event) = events.next(&mut open).map_err(|error| error.to_string())? {
            any = true;
            match event {
                encoding::Recorded::GlobalEvent(common) => {
                    self.renamed(record, &common);
                    self.clock_accepted(record, &common);
                    self.commons.push((record.lsn, record.place, common));
                }
                encoding::Recorded::Customer(event) => self.event(record, &event)?,
            }
        }
        if !any {
            return Err(encoding::DecodeError::Empty.to_string());
        }
        if let Some(customer) = self.shard(owner).get_mut(&owner) {
            customer.applied = customer.applied.max(record.lsn.0);
        }
        Ok(())
    }

    /// Takes of a record, which another lane takes whole, that a level was renamed or a clock accepted.
    ///
    /// # Errors
    /// It cannot be understood.
    pub(super) fn echo(&mut self, record: &Record<'_>) -> Result<(), String> {
        let mut events = encoding::Events::of(record.events);
        while let Some(event) = events.next(&mut |_| Ok(None)).map_err(|error| error.to_string())? {
            if let encoding::Recorded::GlobalEvent(common) = event {
                self.renamed(record, &common);
                self.clock_accepted(record, &common);
            }
        }
        Ok(())
    }

    /// Renames a level for every customer who does not know of it yet.
    fn renamed(&mut self, record: &Record<'_>, common: &GlobalEvent) {
        let GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } = *common else { return };
        for customer in self.shards.iter_mut().flat_map(Shard::values_mut) {
            let is_it = customer.number() >= FIRST_CUSTOMER && customer.merchant == merchant;
            if is_it && customer.applied < record.lsn.0 && customer.knows_level(direction, from) {
                customer.rename_level(direction, from, to);
                customer.applied = record.lsn.0;
            }
        }
    }

    /// Goes on from the time of a clock that was accepted: it is the newest time now, and every customer who does not know
    /// of it yet goes on from there.
    fn clock_accepted(&mut self, record: &Record<'_>, common: &GlobalEvent) {
        let GlobalEvent::ClockAccepted { step, .. } = common else { return };
        self.newest = Some(step.after);
        if !step.changes_customers() {
            return;
        }
        for customer in self.shards.iter_mut().flat_map(Shard::values_mut) {
            if customer.applied < record.lsn.0 {
                customer.accept_clock(step);
                customer.applied = record.lsn.0;
            }
        }
    }

    fn event(&mut self, record: &Record<'_>, event: &CustomerEvent) -> Result<(), String> {
        let number = record.owner;
        let mut key = 0;
        match event {
            CustomerEvent::Created { merchant, at, .. } => {
                self.next_customer = self.next_customer.max(number.saturating_add(1));
                let made = || Customer::new(number, *merchant, None, *at);
                self.shard(number).make(number, made);
            }
            CustomerEvent::Opened { opening, .. } => {
                self.opened += 1;
                self.newest = self.newest.max(Some(opening.recorded_at));
                key = self.key.transaction(opening.merchant.as_str(), &opening.id);
                self.currencies.insert(opening.content.currency);
                if number < FIRST_CUSTOMER {
                    // What belongs to nobody was made by no record.
                    let (merchant, at): (Name, _) = (opening.merchant, opening.recorded_at);
                    let made = || Customer::new(number, merchant, None, at);
                    self.shard(number).make(number, made);
                }
            }
            CustomerEvent::FactRecorded { recorded_fact, .. } => self.newest = self.newest.max(Some(recorded_fact.at)),
            // The last of a step about a customer.
            CustomerEvent::AuditEntry(audit_entry) => self.newest = self.newest.max(Some(audit_entry.at)),
            CustomerEvent::Assigned { opening, at, .. } => {
                self.opened += 1;
                self.newest = self.newest.max(Some(*at));
                key = self.key.transaction(opening.merchant.as_str(), &opening.id);
                self.currencies.insert(opening.content.currency);
            }
            CustomerEvent::Unlinked { at, .. } => self.newest = self.newest.max(Some(*at)),
            CustomerEvent::Compacted { opening, at, .. } => {
                self.newest = self.newest.max(Some(*at));
                key = self.key.transaction(opening.merchant.as_str(), &opening.id);
            }
            _ => {}
        }
        let customer = self.shards[slot(number) / self.lanes].get_mut(&number);
        let customer = customer.ok_or_else(|| format!("no record made customer {number}"))?;
        // Before what the snapshot holds already is passed over: the place is of no customer.
        let came_late = match event {
            CustomerEvent::FactRecorded { slot, left: Some(left), .. } => Some((left.key, *slot)),
            CustomerEvent::Compacted { slot, left: true, .. } => Some((key, *slot)),
            CustomerEvent::Unlinked { slot, left: Some(key), .. } => Some((*key, *slot)),
            _ => None,
        };
        if let Some((key, slot)) = came_late {
            self.late.push((key, TransactionSlot { customer: number, slot }, record.place));
        }
        // The snapshot was taken behind this record: it holds what it says.
        if record.lsn.0 <= customer.applied {
            return Ok(());
        }
        // As when it was recorded. A snapshot before anybody looks at the customer knows the time of this record by it.
        event.recorded_at().into_iter().for_each(|at| _ = customer.settle(at));
        // The number is noted when the whole record is applied: its events are one step.
        let applied = customer.applied;
        customer.apply(Recorded { number: applied, place: record.place, key }, event);
        Ok(())
    }
}
