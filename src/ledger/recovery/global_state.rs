//! The recovered state that belongs to no single customer.

use crate::ledger::{
    index::{customer_numbers::FIRST_CUSTOMER, transaction_index::TransactionSlot},
    state::{
        accepted_clocks::AcceptedClocks,
        archived_facts::ArchivedFacts,
        blocked_instruments::BlockedInstruments,
        known_merchants::KnownMerchants,
        level_renames::{LevelRename, LevelRenames},
        made_levels::{MadeLevel, MadeLevels},
    },
};
use crate::{
    domain::{
        events::global_event::GlobalEvent,
        transaction::log_offset::LogOffset,
        vocabulary::{money::Currency, names::Name, time::Millis},
    },
    storage::{
        archive_list::Demanded,
        snapshot::{GlobalDto, SnapshotError},
    },
};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};

/// The state that belongs to no single customer.
pub(super) struct GlobalState {
    pub(super) next_customer: u64,
    pub(super) currencies: BTreeSet<Currency>,
    pub(super) blocked_instruments: BlockedInstruments,
    pub(super) made_levels: MadeLevels,
    pub(super) known_merchants: KnownMerchants,
    pub(super) level_renames: LevelRenames,
    pub(super) clocks: AcceptedClocks,
    /// The time after the last accepted clock.
    pub(super) accepted_time: Option<Millis>,
    /// The number of generated external ids by merchant.
    pub(super) external_ids: Mutex<HashMap<Name, u64>>,
    pub(super) archived_facts: ArchivedFacts,
    pub(super) archive: Demanded,
}

impl Default for GlobalState {
    fn default() -> Self {
        Self {
            next_customer: FIRST_CUSTOMER,
            currencies: BTreeSet::new(),
            blocked_instruments: BlockedInstruments::default(),
            made_levels: MadeLevels::default(),
            known_merchants: KnownMerchants::default(),
            level_renames: LevelRenames::default(),
            clocks: AcceptedClocks::default(),
            accepted_time: None,
            external_ids: Mutex::default(),
            archived_facts: ArchivedFacts::default(),
            archive: Demanded::default(),
        }
    }
}

impl GlobalState {
    /// Applies the global state of a snapshot.
    ///
    /// # Errors
    /// The piece is invalid.
    pub(super) fn restore(&mut self, world: GlobalDto) -> Result<(), SnapshotError> {
        let events = world.events()?;
        self.made_levels.restore_overrides(&events);
        events.iter().for_each(|event| self.known_merchants.add_event(event));
        events.iter().for_each(|event| self.archive.list.take(event));
        world.archive.iter().for_each(|segment| self.archive.list.put(*segment));
        events.into_iter().for_each(|event| self.blocked_instruments.apply(None, event));
        for dto in &world.renames {
            let (merchant, direction, from, to) = dto.names()?;
            self.known_merchants.add([merchant]);
            self.level_renames.add(LevelRename { merchant, direction, from, to, offset: LogOffset(dto.offset) });
        }
        for dto in &world.clocks {
            self.clocks.add(LogOffset(dto.offset), dto.step());
            self.accepted_time = self.clocks.last().map(|step| step.after);
        }
        self.next_customer = self.next_customer.max(world.next_customer);
        self.currencies.extend(world.currencies()?);
        for level in &world.levels {
            self.apply(LogOffset::SAME_STEP, &level.made()?);
        }
        for fact in &world.late {
            let slot = TransactionSlot { customer: fact.customer, slot: fact.slot };
            self.archived_facts.insert(fact.key, slot, LogOffset(fact.offset));
        }
        for counted in &world.counted {
            self.apply(LogOffset::SAME_STEP, &counted.counted()?);
        }
        for id in world.blocked {
            let (id, at) = (trimmed_token(id), Millis(0));
            self.blocked_instruments.apply(None, GlobalEvent::InstrumentBlocked { id, blocked: true, at });
        }
        Ok(())
    }

    /// Applies a global event of the record at an offset.
    pub(super) fn apply(&mut self, offset: LogOffset, event: &GlobalEvent) {
        if let GlobalEvent::ClockAccepted { step, .. } = event {
            self.accepted_time = Some(step.after);
        }
        let Self { blocked_instruments, made_levels, known_merchants, level_renames, clocks, external_ids, .. } = self;
        GlobalTargets { blocked_instruments, made_levels, known_merchants, level_renames, clocks, external_ids }
            .apply(offset, event);
    }
}

/// The parts of a state that global events change: of a state that is recovered, or of a live ledger.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct GlobalTargets<'s> {
    pub(in crate::ledger) blocked_instruments: &'s BlockedInstruments,
    pub(in crate::ledger) made_levels: &'s MadeLevels,
    pub(in crate::ledger) known_merchants: &'s KnownMerchants,
    pub(in crate::ledger) level_renames: &'s LevelRenames,
    pub(in crate::ledger) clocks: &'s AcceptedClocks,
    pub(in crate::ledger) external_ids: &'s Mutex<HashMap<Name, u64>>,
}

impl GlobalTargets<'_> {
    /// Applies a global event of the record at an offset, except for what it changes of customers.
    pub(in crate::ledger) fn apply(self, offset: LogOffset, event: &GlobalEvent) {
        self.known_merchants.add_event(event);
        match event {
            GlobalEvent::InstrumentBlocked { id, blocked, at } => {
                let (id, blocked, at) = (trimmed_token(id.clone()), *blocked, *at);
                self.blocked_instruments.apply(Some(offset), GlobalEvent::InstrumentBlocked { id, blocked, at });
            }
            GlobalEvent::InstrumentBlocks { .. } => {
                self.blocked_instruments.apply(Some(offset), event.clone());
            }
            GlobalEvent::LevelCreated { merchant, name, direction, currency, at } => {
                let (name, direction, currency, created) = (*name, *direction, *currency, *at);
                self.made_levels.restore(*merchant, MadeLevel { name, direction, currency, created });
            }
            GlobalEvent::ExternalIdsGenerated { merchant, made } => {
                let mut external_ids = self.external_ids.lock();
                let known = external_ids.entry(*merchant).or_default();
                *known = (*made).max(*known);
            }
            GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelDeleted { .. }
            | GlobalEvent::LevelFileApplied { .. }
            | GlobalEvent::RatesFileApplied { .. }
            | GlobalEvent::MerchantFileApplied { .. }
            | GlobalEvent::RatesPut { .. } => self.made_levels.restore_override(event),
            // The level of the customers is renamed in the order of records.
            GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } => {
                let (merchant, direction, from, to) = (*merchant, *direction, *from, *to);
                self.level_renames.add(LevelRename { merchant, direction, from, to, offset });
            }
            // The customers are changed in the order of records.
            GlobalEvent::ClockAccepted { step, .. } => self.clocks.add(offset, *step),
            // The journal itself tracks the segments of the archive.
            GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::OperationAudited(_)
            | GlobalEvent::ConfigurationApplied { .. } => {}
        }
    }
}

/// A token of a payment instrument. Earlier versions stored the white space at its ends.
fn trimmed_token(id: Box<str>) -> Box<str> {
    if id.trim().len() == id.len() { id } else { id.trim().into() }
}
