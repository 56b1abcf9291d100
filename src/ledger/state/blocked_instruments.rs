//! Blocked instruments, and the merchants at which each is blocked. One signal at a time changes the blocks of an
//! instrument.

use crate::domain::{
    customer::instrument_blocks::{BlockPlace, InstrumentBlock, InstrumentBlocks},
    events::global_event::GlobalEvent,
    transaction::log_offset::LogOffset,
    vocabulary::time::Millis,
};
use dashmap::{DashMap, mapref::multiple::RefMulti};

/// The recorded blocks of one instrument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ledger) struct RecordedBlocks {
    /// Empty: payments with it are not blocked.
    pub(in crate::ledger) blocks: InstrumentBlocks,
    /// When they were recorded.
    pub(in crate::ledger) at: Millis,
    /// The record of the last change, from which the earlier ones are found; `None`: it is not known.
    pub(in crate::ledger) last_record: Option<LogOffset>,
}

/// The blocks of one instrument.
#[derive(Default)]
struct InstrumentBlockState {
    recorded: RecordedBlocks,
    /// A block that is effective already and is about to be recorded.
    announced: Option<InstrumentBlock>,
}

/// The blocks of each instrument that is or was blocked, by the gateway's token. An instrument that is blocked no more costs
/// about 150 bytes until a start finds the records of its blocks deleted.
#[derive(Default)]
pub(in crate::ledger) struct BlockedInstruments(DashMap<Box<str>, InstrumentBlockState>);

impl BlockedInstruments {
    /// Whether payments with an instrument are blocked at a place, which is read only if the instrument is or was blocked.
    pub(in crate::ledger) fn is_blocked_at(&self, id: &str, place: impl FnOnce() -> BlockPlace) -> bool {
        self.0.get(id).is_some_and(|entry| {
            let place = place();
            entry.recorded.blocks.act_at(place) || entry.announced.as_ref().is_some_and(|block| block.acts_at(place))
        })
    }

    /// The recorded blocks of an instrument.
    pub(in crate::ledger) fn of(&self, id: &str) -> InstrumentBlocks {
        self.0.get(id).map(|entry| entry.recorded.blocks.clone()).unwrap_or_default()
    }

    /// The record of the last change of the blocks of an instrument, if it is known.
    pub(in crate::ledger) fn last_record(&self, id: &str) -> Option<LogOffset> {
        self.0.get(id)?.recorded.last_record
    }

    /// Makes a block effective before it is recorded.
    pub(in crate::ledger) fn announce(&self, id: &str, block: InstrumentBlock) {
        self.0.entry(id.into()).or_default().announced = Some(block);
    }

    /// Sets the recorded blocks of an instrument, which contain the announced one.
    pub(in crate::ledger) fn set(&self, id: &str, recorded: RecordedBlocks) {
        if recorded.blocks == InstrumentBlocks::default() && recorded.last_record.is_none() {
            self.0.remove(id);
            return;
        }
        match self.0.get_mut(id) {
            // Nothing changes, so nothing is recorded.
            Some(mut known) if known.recorded.blocks == recorded.blocks => {
                known.announced = None;
                return;
            }
            known => drop(known),
        }
        self.0.insert(id.into(), InstrumentBlockState { recorded, announced: None });
    }

    /// Applies a recorded event, of the record at an offset or of a snapshot. Events about other objects change nothing.
    pub(in crate::ledger) fn apply(&self, place: Option<LogOffset>, event: GlobalEvent) {
        match event {
            GlobalEvent::InstrumentBlocks { id, blocks, previous, at, .. } => {
                self.set(&id, RecordedBlocks { blocks, at, last_record: place.or(previous) });
            }
            GlobalEvent::InstrumentBlocked { id, blocked, at } => {
                let blocks = InstrumentBlocks::of_old_record(blocked);
                self.set(&id, RecordedBlocks { blocks, at, last_record: place });
            }
            GlobalEvent::LevelCreated { .. }
            | GlobalEvent::ExternalIdsGenerated { .. }
            | GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::ConfigurationApplied { .. }
            | GlobalEvent::OperationAudited(_)
            | GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelDeleted { .. }
            | GlobalEvent::LevelFileApplied { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::ClockAccepted { .. }
            | GlobalEvent::RatesFileApplied { .. }
            | GlobalEvent::MerchantFileApplied { .. }
            | GlobalEvent::RatesPut { .. } => {}
        }
    }

    /// Events that restore this state, for a snapshot. They are sorted by token: equal states have equal bytes. An
    /// instrument without blocks is left out if the record of its last change is deleted.
    pub(in crate::ledger) fn events(&self, forgotten_before: LogOffset) -> Vec<GlobalEvent> {
        let is_needed = |recorded: &RecordedBlocks| {
            let is_retained = recorded.last_record.is_some_and(|place| place >= forgotten_before);
            recorded.blocks != InstrumentBlocks::default() || is_retained
        };
        let recorded = self.0.iter().filter(|entry| is_needed(&entry.recorded));
        let event = |entry: RefMulti<'_, Box<str>, InstrumentBlockState>| {
            let (id, RecordedBlocks { blocks, at, last_record }) = (entry.key().clone(), entry.recorded.clone());
            (id.clone(), GlobalEvent::InstrumentBlocks { id, blocks, by: None, previous: last_record, at })
        };
        let mut events: Vec<(Box<str>, GlobalEvent)> = recorded.map(event).collect();
        events.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        events.into_iter().map(|(_, event)| event).collect()
    }
}
