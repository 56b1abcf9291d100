//! Coming back: the state is built from a snapshot and the records behind it, and the indexes from the state.
//!
//! Nothing is decided again. Records are applied in their order, each to its customer, unless the snapshot holds it
//! already.

use super::{
    Bounds, FIRST_CUSTOMER, Ground, Ledger, MadeLevel,
    index::Seat,
    late::Late,
    levels::MadeLevels,
    shards::{DigestKey, SHARDS, Shard, slot},
};
use crate::{
    domain::{
        common::Common,
        customer::{Customer, Event, Recorded},
        money::Currency,
        name::Name,
        time::Millis,
        transaction::Place,
    },
    journal::{
        Keys, Lsn, Record, event,
        keys::Unsealed,
        snapshot::{Piece, SnapshotError},
    },
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
};

/// A state on its way back.
pub struct Recovering {
    key: DigestKey,
    keys: Arc<Keys>,
    shards: Vec<Shard>,
    next_customer: u64,
    currencies: BTreeSet<Currency>,
    blocked: BTreeSet<Box<str>>,
    made_levels: MadeLevels,
    counted: HashMap<Name, u64>,
    late: Late,
    /// The newest time that is recorded.
    newest: Option<Millis>,
    /// The customer whose briefs a snapshot hands over, and the slot behind the last of them.
    expected: Option<(u64, u32)>,
}

/// What was sealed; `None` where the customer's key is erased.
pub(super) fn unseal(keys: &Keys, customer: u64, sealed: &[u8]) -> Result<Option<Vec<u8>>, String> {
    match keys.unseal(customer, sealed) {
        Ok(Unsealed::Plain(plain)) => Ok(Some(plain)),
        Ok(Unsealed::Erased) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

impl Recovering {
    /// Nothing yet.
    #[must_use]
    pub fn new(secret: (u64, u64), keys: Arc<Keys>) -> Self {
        Self {
            key: DigestKey::new(secret),
            keys,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            next_customer: FIRST_CUSTOMER,
            currencies: BTreeSet::new(),
            blocked: BTreeSet::new(),
            made_levels: MadeLevels::default(),
            counted: HashMap::new(),
            late: Late::default(),
            newest: None,
            expected: None,
        }
    }

    /// The customer of a number.
    fn customer(&mut self, number: u64) -> Option<&mut Customer> {
        self.shards[slot(number)].get_mut(&number)
    }

    /// Takes a piece of a snapshot. Returns the end's number where it is the last.
    ///
    /// # Errors
    /// It says what cannot be.
    pub fn take(&mut self, piece: Piece) -> Result<Option<Lsn>, SnapshotError> {
        match piece {
            Piece::Head(head) => {
                self.is_whole()?;
                let (number, keys) = (head.number, Arc::clone(&self.keys));
                self.expected = Some((number, head.next_slot));
                self.newest = self.newest.max(Some(Millis(head.settled_at)));
                let customer = head.customer(&mut |sealed| unseal(&keys, number, sealed))?;
                self.shards[slot(number)].insert(number, customer);
            }
            Piece::Briefs { customer: number, briefs } => {
                let missing = || SnapshotError::Content(format!("briefs of customer {number} without a head"));
                let customer = self.customer(number).ok_or_else(missing)?;
                briefs.into_iter().try_for_each(|(slot, brief)| brief.resume_in(customer, slot))?;
            }
            Piece::World(world) => {
                self.made_levels.resume_overlay(&world.said()?);
                self.next_customer = self.next_customer.max(world.next_customer);
                self.currencies.extend(world.currencies()?);
                for level in &world.levels {
                    self.common(level.made()?);
                }
                for late in &world.late {
                    let seat = Seat { customer: late.customer, slot: late.slot };
                    self.late.insert(late.key, seat, Place(late.place));
                }
                self.blocked.extend(world.blocked);
                for counted in &world.counted {
                    self.common(counted.counted()?);
                }
            }
            Piece::End { end_lsn, .. } => {
                self.is_whole()?;
                return Ok(Some(Lsn(end_lsn)));
            }
        }
        Ok(None)
    }

    /// Whether all briefs came that the last head spoke of.
    fn is_whole(&mut self) -> Result<(), SnapshotError> {
        let Some((number, next_slot)) = self.expected.take() else { return Ok(()) };
        let found = self.customer(number).map_or(0, |customer| customer.briefs.next_slot());
        if found == next_slot {
            return Ok(());
        }
        Err(SnapshotError::Content(format!("customer {number} has briefs up to slot {found}, not {next_slot}")))
    }

    /// Applies a record.
    ///
    /// # Errors
    /// It cannot be understood, or speaks of a customer whom no record made.
    pub fn replay(&mut self, record: &Record<'_>) -> Result<(), String> {
        let owner = record.owner;
        let events = event::decode(record.events, &mut |sealed| unseal(&self.keys, owner, sealed));
        let events = events.map_err(|error| error.to_string())?;
        for event in events {
            match event {
                event::Recorded::Common(common) => self.common(common),
                event::Recorded::Customer(event) => self.event(record, &event)?,
            }
        }
        if let Some(customer) = self.customer(owner) {
            customer.applied = customer.applied.max(record.lsn.0);
        }
        Ok(())
    }

    fn common(&mut self, common: Common) {
        match common {
            Common::InstrumentBlocked { id, blocked, .. } => {
                if blocked {
                    self.blocked.insert(id);
                } else {
                    self.blocked.remove(&id);
                }
            }
            Common::LevelMade { merchant, name, direction, currency, at } => {
                self.made_levels.resume(merchant, MadeLevel { name, direction, currency, created: at });
            }
            Common::Counted { merchant, made } => {
                let known = self.counted.entry(merchant).or_default();
                *known = made.max(*known);
            }
            Common::LevelPut { .. }
            | Common::LevelDeleted { .. }
            | Common::LevelFiled { .. }
            | Common::RatesPut { .. } => self.made_levels.resume_said(&common),
            Common::Configured { .. } => {}
        }
    }

    fn event(&mut self, record: &Record<'_>, event: &Event) -> Result<(), String> {
        let number = record.owner;
        let mut key = 0;
        match event {
            Event::Created { merchant, at, .. } => {
                self.next_customer = self.next_customer.max(number.saturating_add(1));
                let made = || Customer::new(number, *merchant, None, *at);
                self.shards[slot(number)].make(number, made);
            }
            Event::Opened { opening, .. } => {
                self.newest = self.newest.max(Some(opening.recorded_at));
                key = self.key.transaction(opening.merchant.as_str(), &opening.id);
                self.currencies.insert(opening.content.currency);
                if number < FIRST_CUSTOMER {
                    // What belongs to nobody was made by no record.
                    let (merchant, at): (Name, _) = (opening.merchant, opening.recorded_at);
                    let made = || Customer::new(number, merchant, None, at);
                    self.shards[slot(number)].make(number, made);
                }
            }
            Event::Happened { noted, .. } => self.newest = self.newest.max(Some(noted.at)),
            Event::Carried { opening, at, .. } => {
                self.newest = self.newest.max(Some(*at));
                key = self.key.transaction(opening.merchant.as_str(), &opening.id);
            }
            _ => {}
        }
        let late = &self.late;
        let customer = self.shards[slot(number)].get_mut(&number);
        let customer = customer.ok_or_else(|| format!("no record made customer {number}"))?;
        // Before what the snapshot holds already is passed over: the place is of no customer.
        let came_late = match event {
            Event::Happened { slot, left: Some(left), .. } => Some((left.key, *slot)),
            Event::Carried { slot, left: true, .. } => Some((key, *slot)),
            _ => None,
        };
        if let Some((key, slot)) = came_late {
            late.insert(key, Seat { customer: number, slot }, record.place);
        }
        // The snapshot was taken behind this record: it holds what it says.
        if record.lsn.0 <= customer.applied {
            return Ok(());
        }
        // The number is noted when the whole record is applied: its events are one step.
        let applied = customer.applied;
        customer.apply(Recorded { number: applied, place: record.place, key }, event);
        Ok(())
    }

    /// The newest time that is recorded, if any is.
    #[must_use]
    pub fn newest(&self) -> Option<Millis> {
        self.newest
    }

    /// Builds the indexes, and the ledger of it all.
    #[must_use]
    pub fn finish(self, bounds: Bounds, ground: Ground) -> Ledger {
        let begins_at = ground.journal.segments().first().map_or(Place(0), |oldest| oldest.first_place);
        let ledger =
            Ledger { made_levels: self.made_levels, late: self.late, begins_at, ..Ledger::new(bounds, ground) };
        ledger.forget_before(begins_at);
        ledger.next_customer.store(self.next_customer, Ordering::Relaxed);
        self.currencies.into_iter().for_each(|currency| ledger.currencies.hold(currency));
        *ledger.external_ids.lock() = self.counted;
        self.blocked.into_iter().for_each(|id| _ = ledger.blocked_instruments.insert(id));
        // The indexes are sharded, so that several threads fill them side by side.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut pieces: Vec<Vec<(usize, Shard)>> = (0..threads).map(|_| Vec::new()).collect();
        for (place, shard) in self.shards.into_iter().enumerate() {
            pieces[place % threads].push((place, shard));
        }
        std::thread::scope(|scope| {
            for piece in pieces {
                scope.spawn(|| piece.into_iter().for_each(|(place, shard)| ledger.take(place, shard)));
            }
        });
        ledger
    }
}

impl Ledger {
    /// Takes a shard of customers and indexes them.
    fn take(&self, place: usize, shard: Shard) {
        let (mut transactions, mut left) = (0, 0);
        for customer in shard.values() {
            let number = customer.number;
            for (slot, brief) in customer.briefs.starting_at(0) {
                self.id_stripes.lock(brief.key).seats.insert(brief.key, Seat { customer: number, slot });
            }
            transactions += customer.briefs.len() as u64;
            left += u64::from(customer.briefs.next_slot()) - customer.briefs.len() as u64;
            if number >= FIRST_CUSTOMER {
                self.identities.insert_all(self.identities.of_customer(customer), number);
                self.now_found_by(customer, None);
                if customer.is_erased()
                    && let Err(error) = self.keys.erase(number)
                {
                    // It was cut off between the record and the key; the next start tries again.
                    debug_assert!(false, "a key is still there: {error}");
                }
                customer.instruments().iter().for_each(|instrument| self.index_holder(&instrument.id, number));
            }
        }
        self.transactions.fetch_add(transactions, Ordering::Relaxed);
        self.left.fetch_add(left, Ordering::Relaxed);
        *self.customers.shard(place) = shard;
    }
}
