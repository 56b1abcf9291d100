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
    pub(super) external_ids: HashMap<Name, u64>,
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
            external_ids: HashMap::new(),
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
            self.apply(LogOffset::SAME_STEP, level.made()?);
        }
        for fact in &world.late {
            let slot = TransactionSlot { customer: fact.customer, slot: fact.slot };
            self.archived_facts.insert(fact.key, slot, LogOffset(fact.offset));
        }
        for counted in &world.counted {
            self.apply(LogOffset::SAME_STEP, counted.counted()?);
        }
        for id in world.blocked {
            let (id, at) = (trimmed_token(id), Millis(0));
            self.blocked_instruments.apply(None, GlobalEvent::InstrumentBlocked { id, blocked: true, at });
        }
        Ok(())
    }

    /// Applies a global event of the record at an offset.
    pub(super) fn apply(&mut self, offset: LogOffset, event: GlobalEvent) {
        self.known_merchants.add_event(&event);
        match event {
            GlobalEvent::InstrumentBlocked { id, blocked, at } => {
                let event = GlobalEvent::InstrumentBlocked { id: trimmed_token(id), blocked, at };
                self.blocked_instruments.apply(Some(place), event);
            }
            event @ GlobalEvent::InstrumentBlocks { .. } => self.blocked_instruments.apply(Some(place), event),
            GlobalEvent::LevelCreated { merchant, name, direction, currency, at } => {
                self.made_levels.restore(merchant, MadeLevel { name, direction, currency, created: at });
            }
            GlobalEvent::ExternalIdsGenerated { merchant, made } => {
                let known = self.external_ids.entry(merchant).or_default();
                *known = made.max(*known);
            }
            GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelDeleted { .. }
            | GlobalEvent::LevelFileApplied { .. }
            | GlobalEvent::RatesPut { .. } => self.made_levels.restore_override(&event),
            // Each partition has renamed the level of its customers in the order of records.
            GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } => {
                self.level_renames.add(LevelRename { merchant, direction, from, to, offset });
            }
            // Each partition has changed its customers in the order of records.
            GlobalEvent::ClockAccepted { step, .. } => {
                self.clocks.add(offset, step);
                self.accepted_time = Some(step.after);
            }
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
