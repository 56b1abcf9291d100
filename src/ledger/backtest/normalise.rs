//! Brings recorded events into the form in which a shadow ledger applies them: a level that was
//! renamed has the name by which the files know it, and every transaction is in memory.

use crate::{
    domain::{
        customer::change::CustomerChange,
        events::{customer_event::CustomerEvent, global_event::GlobalEvent},
        transaction::{log_offset::LogOffset, opening::Opening, opening::SentLevel},
        vocabulary::{direction::Direction, names::Name},
    },
    ledger::state::level_renames::LevelRenames,
    storage::encoding::RecordedEvent,
};

/// The names of levels, for the events of one record.
#[derive(Clone, Copy)]
pub(super) struct LevelNames<'r> {
    pub(super) renames: &'r LevelRenames,
    pub(super) offset: LogOffset,
}

impl LevelNames<'_> {
    fn update(self, merchant: Name, direction: Direction, name: &mut Name) {
        *name = self.renames.current_name(merchant, direction, self.offset, *name);
    }

    fn update_opening(self, opening: &mut Opening) {
        let (merchant, direction) = (opening.merchant, opening.content.direction);
        opening.level.iter_mut().for_each(|name| self.update(merchant, direction, name));
        if let SentLevel::Named(name) = &mut opening.content.level {
            self.update(merchant, direction, name);
        }
    }
}

/// Changes an event into the form in which it is applied. `merchant`: that of the customer. Returns whether the event is
/// applied at all.
pub(super) fn normalise(event: &mut RecordedEvent, merchant: Option<Name>, names: LevelNames<'_>) -> bool {
    match event {
        RecordedEvent::Customer(event) => normalise_customer_event(event, merchant, names),
        RecordedEvent::Global(event) => normalise_global_event(event, names),
    }
}

fn normalise_customer_event(event: &mut CustomerEvent, merchant: Option<Name>, names: LevelNames<'_>) -> bool {
    match event {
        CustomerEvent::TransactionOpened { opening, .. } | CustomerEvent::Assigned { opening, .. } => {
            names.update_opening(opening);
        }
        CustomerEvent::LevelSet { direction, level: Some(name), .. } => {
            merchant.into_iter().for_each(|merchant| names.update(merchant, *direction, name));
        }
        CustomerEvent::CustomerChanged(CustomerChange::Settings(settings)) => {
            let direction = settings.direction;
            merchant.into_iter().for_each(|merchant| names.update(merchant, direction, &mut settings.level));
        }
        // Nothing is evicted from a shadow ledger.
        CustomerEvent::FactRecorded { left, .. } => *left = None,
        CustomerEvent::AssignedElsewhere { left, .. } => *left = None,
        // It repeats what earlier records contain.
        CustomerEvent::Compacted { .. } => return false,
        CustomerEvent::LevelSet { level: None, .. }
        | CustomerEvent::Created { .. }
        | CustomerEvent::AttributesFilled { .. }
        | CustomerEvent::SignalReceived { .. }
        | CustomerEvent::InstrumentAdded { .. }
        | CustomerEvent::InstrumentUsed { .. }
        | CustomerEvent::AuditEntry(_)
        | CustomerEvent::CustomerChanged(_) => {}
    }
    true
}

fn normalise_global_event(event: &mut GlobalEvent, names: LevelNames<'_>) -> bool {
    match event {
        GlobalEvent::LevelCreated { merchant, name, direction, .. } => names.update(*merchant, *direction, name),
        GlobalEvent::LevelPut { key, .. }
        | GlobalEvent::LevelDeleted { key, .. }
        | GlobalEvent::LevelFileApplied { key, .. } => {
            let (merchant, direction) = (key.merchant, key.direction);
            names.update(merchant, direction, &mut key.name);
        }
        // A level that the files have under its new name has that name from the beginning.
        GlobalEvent::LevelRenamed { .. } => {
            return !names.renames.all().iter().any(|known| known.offset == names.offset);
        }
        // A shadow ledger has no files.
        GlobalEvent::SegmentsReleased { .. } | GlobalEvent::ArchiveLossAccepted { .. } => return false,
        GlobalEvent::InstrumentBlocks { .. }
        | GlobalEvent::InstrumentBlocked { .. }
        | GlobalEvent::ExternalIdsGenerated { .. }
        | GlobalEvent::ConfigurationApplied { .. }
        | GlobalEvent::RatesPut { .. }
        | GlobalEvent::RatesFileApplied { .. }
        | GlobalEvent::MerchantFileApplied { .. }
        | GlobalEvent::ClockAccepted { .. }
        | GlobalEvent::OperationAudited(_) => {}
    }
    true
}
