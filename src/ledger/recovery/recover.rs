//! Coming back: the state is built from a snapshot and the records behind it, and the indexes from the state.
//!
//! Nothing is decided again. Records are applied in their order, each to its customer, unless the snapshot holds it
//! already. Customers know nothing of each other, so several threads share them by their shards: one reads, and hands
//! each what belongs to its customers. The state is the same however many they are, and so is what is refused.

pub(crate) mod partition;
pub(crate) mod workers;

use crate::ledger::recovery::recover::partition::Partition;
use crate::ledger::recovery::recover::workers::{Failure, RecoveryWorkers};
use crate::ledger::{
    Bounds, FIRST_CUSTOMER, Ground, Ledger,
    customers::{
        instrument_blocks::BlockedInstruments,
        levels::{MadeLevel, MadeLevels},
        rename_level::Renamed,
    },
    maintenance::clock::AcceptedClocks,
    payments::archived_facts::Late,
    state::{
        countries::Countries,
        index::{IndexedSlot, TransactionSlot},
        normal_forms::Renormalised,
        search_index::{Entry, Marks},
        shards::{SHARDS, Shard, slot},
    },
};
use crate::{
    domain::{
        events::global_event::GlobalEvent,
        transaction::record::LogOffset,
        vocabulary::{money::Currency, names::Name, time::Millis},
    },
    storage::{
        archive_list::Demanded,
        journal::{Keys, Lsn, Record, Refused, Replay},
        snapshot::{Frame, Piece, SnapshotError, WorldDto},
    },
};
use std::{
    collections::{BTreeSet, HashMap},
    io,
    panic::resume_unwind,
    sync::{Arc, atomic::Ordering},
};

/// A state on its way back.
pub struct Recovering {
    hands: RecoveryWorkers,
    world: World,
    countries: Countries,
}

/// What belongs to no customer.
struct World {
    next_customer: u64,
    currencies: BTreeSet<Currency>,
    blocked: BlockedInstruments,
    made_levels: MadeLevels,
    clocks: AcceptedClocks,
    /// The time of the last step of the clock that the snapshot contains.
    accepted: Option<Millis>,
    counted: HashMap<Name, u64>,
    late: Late,
    archive: Demanded,
}

impl Recovering {
    /// Nothing yet, and as many threads as the machine has.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn new(secret: (u64, u64), keys: &Arc<Keys>) -> io::Result<Self> {
        Self::with_threads(secret, keys, std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The same with so many threads beside the one that reads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn with_threads(secret: (u64, u64), keys: &Arc<Keys>, threads: usize) -> io::Result<Self> {
        let world = World {
            next_customer: FIRST_CUSTOMER,
            currencies: BTreeSet::new(),
            blocked: BlockedInstruments::default(),
            made_levels: MadeLevels::default(),
            clocks: AcceptedClocks::default(),
            accepted: None,
            counted: HashMap::new(),
            late: Late::default(),
            archive: Demanded::default(),
        };
        let hands = RecoveryWorkers::new(secret, keys, threads.clamp(1, SHARDS))?;
        Ok(Self { hands, world, countries: Countries::default() })
    }

    /// The countries with which the customers' phone numbers are read; none where this is not called.
    pub fn reads_phones_with(&mut self, countries: Countries) {
        self.countries = countries;
    }

    /// Lets the start go on where segments of the archive are missing; they are accepted as lost.
    pub fn accept_lost_archive(&mut self) {
        self.world.archive.accept_lost = true;
    }

    /// Takes a piece of a snapshot. Returns the end's number where it is the last; then every piece was understood.
    ///
    /// # Errors
    /// It, or one before it, says what cannot be.
    pub fn take(&mut self, frame: &Frame<'_>) -> Result<Option<Lsn>, SnapshotError> {
        if let Some(customer) = frame.customer() {
            self.hands.piece(customer, frame);
            return if self.hands.has_failed() { self.settle_pieces().map(|()| None) } else { Ok(None) };
        }
        match frame.decode()? {
            Piece::World(world) => self.world.take(world).map(|()| None),
            Piece::End { end_lsn, .. } => self.settle_pieces().map(|()| Some(Lsn(end_lsn))),
            Piece::Head(_) | Piece::TransactionSummaries { .. } => Err(SnapshotError::Damaged { offset: frame.offset }),
        }
    }

    fn settle_pieces(&mut self) -> Result<(), SnapshotError> {
        match self.hands.settle() {
            Some(Failure::Piece(_, error)) => Err(error),
            Some(Failure::Record(Refused { what, .. })) => Err(SnapshotError::Content(what)),
            None => Ok(()),
        }
    }

    /// Builds the indexes, and the ledger of it all. Also says the newest time that is recorded, if any is.
    #[must_use]
    pub fn finish(self, bounds: Bounds, ground: Ground) -> (Ledger, Option<Millis>) {
        let Self { hands, mut world, countries } = self;
        let mut lanes = hands.lanes();
        let mut commons = Vec::new();
        for partition in &mut lanes {
            world.next_customer = world.next_customer.max(partition.next_customer);
            world.currencies.append(&mut partition.currencies);
            partition
                .late
                .drain(..)
                .for_each(|(key, transaction_slot, place)| world.late.insert(key, transaction_slot, place));
            commons.append(&mut partition.commons);
        }
        commons.sort_by_key(|(lsn, ..)| *lsn);
        commons.into_iter().for_each(|(_, place, common)| world.common(place, common));
        // A clock that was accepted sets the newest time of each lane to its own, also back.
        let newest = lanes.iter().filter_map(|partition| partition.newest).chain(world.accepted).max();
        let begins_at = ground.journal.first_place();
        let World { made_levels, clocks, late, counted, blocked: blocked_instruments, .. } = world;
        let ledger =
            Ledger { made_levels, clocks, late, begins_at, blocked_instruments, ..Ledger::new(bounds, ground) };
        ledger.identities.countries.store(Arc::new(countries));
        ledger.forget_before(begins_at);
        *ledger.external_ids.lock() = counted;
        ledger.next_customer.store(world.next_customer, Ordering::Relaxed);
        world.currencies.into_iter().for_each(|currency| ledger.currencies.hold(currency));
        // The indexes are sharded, so that several threads fill them side by side.
        let count = lanes.len();
        let taken: Vec<Taken> = std::thread::scope(|scope| {
            let take = |(n, partition): (usize, Partition)| {
                let ledger = &ledger;
                scope.spawn(move || ledger.take(partition.opened, partition.into_shards(n)))
            };
            let taking: Vec<_> = lanes.into_iter().enumerate().map(take).collect();
            let taken = taking.into_iter().map(|taking| taking.join().unwrap_or_else(|panic| resume_unwind(panic)));
            taken.collect()
        });
        let (mut ids, mut found_by, mut renormalised) = (Vec::new(), Vec::new(), Vec::new());
        for taken in taken {
            ids.push(taken.ids);
            found_by.push(taken.found_by);
            renormalised.extend(taken.renormalised);
        }
        ledger.newly_equal.store(ledger.identities.newly_equal(renormalised), Ordering::Relaxed);
        std::thread::scope(|scope| {
            let (ledger, ids) = (&ledger, &ids);
            (0..count).for_each(|n| drop(scope.spawn(move || ledger.index_ids(ids, n, count))));
        });
        ledger.search.fill(found_by.into_iter().flatten().collect());
        (ledger, newest)
    }
}

impl Replay for Recovering {
    fn archive(&self) -> Demanded {
        self.world.archive.clone()
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Refused> {
        self.hands.record(record);
        if self.hands.has_failed() { self.all_are_in() } else { Ok(()) }
    }

    fn all_are_in(&mut self) -> Result<(), Refused> {
        match self.hands.settle() {
            Some(Failure::Record(refused)) => Err(refused),
            Some(Failure::Piece(_, error)) => Err(Refused { lsn: Lsn::NONE, what: error.to_string() }),
            None => Ok(()),
        }
    }
}

impl World {
    fn take(&mut self, world: WorldDto) -> Result<(), SnapshotError> {
        let said = world.said()?;
        self.made_levels.resume_overlay(&said);
        said.iter().for_each(|event| self.archive.list.take(event));
        world.archive.iter().for_each(|segment| self.archive.list.put(*segment));
        said.into_iter().for_each(|event| self.blocked.take(event));
        for dto in &world.renames {
            let (merchant, direction, from, to) = dto.names()?;
            self.made_levels.renames.add(Renamed { merchant, direction, from, to, place: LogOffset(dto.place) });
        }
        for dto in &world.clocks {
            self.clocks.add(LogOffset(dto.place), dto.step());
            self.accepted = self.clocks.last().map(|step| step.after);
        }
        self.next_customer = self.next_customer.max(world.next_customer);
        self.currencies.extend(world.currencies()?);
        for level in &world.levels {
            self.common(LogOffset::HERE, level.made()?);
        }
        for late in &world.late {
            let transaction_slot = TransactionSlot { customer: late.customer, slot: late.slot };
            self.late.insert(late.key, transaction_slot, LogOffset(late.place));
        }
        for counted in &world.counted {
            self.common(LogOffset::HERE, counted.counted()?);
        }
        for id in world.blocked {
            self.blocked.take(GlobalEvent::InstrumentBlocked { id: token(id), blocked: true, at: Millis(0) });
        }
        Ok(())
    }

    /// Takes what a record at a place says of no customer.
    fn common(&mut self, place: LogOffset, common: GlobalEvent) {
        match common {
            GlobalEvent::InstrumentBlocked { id, blocked, at } => {
                self.blocked.take(GlobalEvent::InstrumentBlocked { id: token(id), blocked, at });
            }
            common @ GlobalEvent::InstrumentBlocks { .. } => self.blocked.take(common),
            GlobalEvent::LevelMade { merchant, name, direction, currency, at } => {
                self.made_levels.resume(merchant, MadeLevel { name, direction, currency, created: at });
            }
            GlobalEvent::Counted { merchant, made } => {
                let known = self.counted.entry(merchant).or_default();
                *known = made.max(*known);
            }
            GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelDeleted { .. }
            | GlobalEvent::LevelFiled { .. }
            | GlobalEvent::RatesPut { .. } => self.made_levels.resume_said(&common),
            // Customers have taken it each in its turn.
            GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } => {
                self.made_levels.renames.add(Renamed { merchant, direction, from, to, place });
            }
            // Customers have gone back each in its turn.
            GlobalEvent::ClockAccepted { step, .. } => {
                self.clocks.add(place, step);
                self.accepted = Some(step.after);
            }
            // The journal keeps account of the archive itself.
            GlobalEvent::SegmentsLetGo { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::Configured { .. } => {}
        }
    }
}

/// A token of a payment instrument. Earlier versions kept the white space at its ends.
fn token(id: Box<str>) -> Box<str> {
    if id.trim().len() == id.len() { id } else { id.trim().into() }
}

/// What the indexes are to hold of the customers of one lane.
struct Taken {
    /// Where transactions lie, by the stripe of their ids.
    ids: Vec<Vec<IndexedSlot>>,
    /// By what customers are found.
    found_by: Vec<Entry>,
    /// What earlier versions compared otherwise.
    renormalised: Vec<Renormalised>,
}

impl Ledger {
    /// Takes shards of customers, with about so many transactions, and says what the indexes over all are to hold of
    /// them.
    fn take(&self, transactions: usize, shards: impl Iterator<Item = (usize, Shard)>) -> Taken {
        let room = transactions / SHARDS + transactions / SHARDS / 8;
        let mut ids: Vec<Vec<IndexedSlot>> = (0..SHARDS).map(|_| Vec::with_capacity(room)).collect();
        let (mut found_by, mut renormalised) = (Vec::new(), Vec::new());
        for (place, shard) in shards {
            let (mut customers, mut transactions, mut left) = (0, 0, 0);
            for customer in shard.values() {
                let number = customer.number();
                for (nth, summary) in customer.summaries().starting_at(0) {
                    ids[slot(summary.key)]
                        .push(IndexedSlot::new(summary.key, TransactionSlot { customer: number, slot: nth }));
                }
                transactions += customer.summaries().len() as u64;
                left += u64::from(customer.summaries().next_slot()) - customer.summaries().len() as u64;
                if number >= FIRST_CUSTOMER {
                    customers += 1;
                    self.identities.insert_all(self.identities.of_stored(customer, &mut renormalised), number);
                    customer.instruments().iter().for_each(|instrument| self.index_holder(&instrument.id, number));
                    match customer.merged_into() {
                        Some(into) => self.identities.leads.set(number, into),
                        None => found_by.push((customer.merchant, number, Marks::of(customer))),
                    }
                    // It was cut off between the record and the key.
                    if customer.is_erased() && !self.keys.is_erased(number) {
                        self.search.owes_key(number);
                    }
                }
            }
            self.customers_made.fetch_add(customers, Ordering::Relaxed);
            self.transactions.fetch_add(transactions, Ordering::Relaxed);
            self.left.fetch_add(left, Ordering::Relaxed);
            *self.customers.shard(place) = shard;
        }
        Taken { ids, found_by, renormalised }
    }

    /// Fills every n-th stripe, each with all of its ids at once: as long as one is filled, its memory is near.
    fn index_ids(&self, ids: &[Vec<Vec<IndexedSlot>>], n: usize, of: usize) {
        for stripe in (n..SHARDS).step_by(of) {
            let transaction_slots = &mut self.id_stripes.lock(stripe as u64).transaction_slots;
            transaction_slots.reserve(ids.iter().map(|of_lane| of_lane[stripe].len()).sum());
            ids.iter().flat_map(|of_lane| &of_lane[stripe]).for_each(|seated| transaction_slots.put(*seated));
        }
    }
}
