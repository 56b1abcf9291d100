//! The merchants that are or were configured.

use crate::domain::{
    events::global_event::GlobalEvent,
    rules::configuration::Rules,
    vocabulary::names::{Name, Set},
};
use parking_lot::RwLock;

/// The merchants of every configuration since the start, and those that records name. A merchant that has customers is
/// also known by the search index.
#[derive(Default)]
pub(in crate::ledger) struct KnownMerchants(RwLock<Set<Name>>);

impl KnownMerchants {
    pub(in crate::ledger) fn add_rules(&self, rules: &Rules) {
        self.0.write().extend(rules.merchants.values().map(|merchant| merchant.id));
    }

    pub(in crate::ledger) fn add(&self, merchants: impl IntoIterator<Item = Name>) {
        self.0.write().extend(merchants);
    }

    /// Adds the merchant that a recorded event names.
    pub(in crate::ledger) fn add_event(&self, event: &GlobalEvent) {
        let merchant = match event {
            GlobalEvent::LevelPut { key, .. }
            | GlobalEvent::LevelDeleted { key, .. }
            | GlobalEvent::LevelFileApplied { key, .. } => key.merchant,
            GlobalEvent::LevelCreated { merchant, .. }
            | GlobalEvent::MerchantFileApplied { merchant, .. }
            | GlobalEvent::LevelRenamed { merchant, .. }
            | GlobalEvent::ExternalIdsGenerated { merchant, .. } => *merchant,
            GlobalEvent::OperationAudited(operation) => {
                self.add(operation.details.iter().filter_map(|detail| detail.merchant));
                return;
            }
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::RatesPut { .. }
            | GlobalEvent::RatesFileApplied { .. }
            | GlobalEvent::ClockAccepted { .. }
            | GlobalEvent::ConfigurationApplied { .. } => return,
        };
        self.0.write().insert(merchant);
    }

    pub(in crate::ledger) fn contains(&self, merchant: Name) -> bool {
        self.0.read().contains(&merchant)
    }
}
