//! Blocked instruments, and the merchants at which each is blocked. One signal at a time changes the blocks of an
//! instrument.

use crate::domain::{
    customer::instrument_blocks::{InstrumentBlock, InstrumentBlocks},
    events::global_event::GlobalEvent,
    vocabulary::{names::Name, time::Millis},
};
use dashmap::{DashMap, mapref::multiple::RefMulti};

/// The blocks of one instrument.
#[derive(Default)]
struct InstrumentBlockState {
    /// The recorded blocks.
    recorded: InstrumentBlocks,
    /// When they were recorded.
    at: Millis,
    /// A block that is effective already and is about to be recorded.
    announced: Option<InstrumentBlock>,
}

/// The blocks of each blocked instrument, by the gateway's token.
#[derive(Default)]
pub(in crate::ledger) struct BlockedInstruments(DashMap<Box<str>, InstrumentBlockState>);

impl BlockedInstruments {
    /// Whether payments with an instrument are blocked at a merchant.
    pub(in crate::ledger) fn is_blocked_at(&self, id: &str, merchant: Name) -> bool {
        self.0.get(id).is_some_and(|entry| {
            entry.recorded.act_at(merchant) || entry.announced.as_ref().is_some_and(|block| block.acts_at(merchant))
        })
    }

    /// The recorded blocks of an instrument.
    pub(in crate::ledger) fn of(&self, id: &str) -> InstrumentBlocks {
        self.0.get(id).map(|entry| entry.recorded.clone()).unwrap_or_default()
    }

    /// Makes a block effective before it is recorded.
    pub(in crate::ledger) fn announce(&self, id: &str, block: InstrumentBlock) {
        self.0.entry(id.into()).or_default().announced = Some(block);
    }

    /// Sets the recorded blocks of an instrument, which contain the announced one.
    pub(in crate::ledger) fn set(&self, id: &str, blocks: InstrumentBlocks, at: Millis) {
        if blocks == InstrumentBlocks::default() {
            self.0.remove(id);
        } else if self.of(id) == blocks {
            self.0.entry(id.into()).or_default().announced = None;
        } else {
            self.0.insert(id.into(), InstrumentBlockState { recorded: blocks, at, announced: None });
        }
    }

    /// Applies a recorded event. Events about other objects change nothing.
    pub(in crate::ledger) fn apply(&self, event: GlobalEvent) {
        match event {
            GlobalEvent::InstrumentBlocks { id, blocks, at } => self.set(&id, blocks, at),
            GlobalEvent::InstrumentBlocked { id, blocked, at } => {
                let blocks = if blocked { vec![InstrumentBlock::UNPLACED] } else { Vec::new() };
                self.set(&id, InstrumentBlocks(blocks), at);
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
            | GlobalEvent::RatesPut { .. } => {}
        }
    }

    /// Events that restore this state, for a snapshot. They are sorted by token: equal states have equal bytes.
    pub(in crate::ledger) fn events(&self) -> Vec<GlobalEvent> {
        let recorded = self.0.iter().filter(|entry| entry.recorded != InstrumentBlocks::default());
        let event = |entry: RefMulti<'_, Box<str>, InstrumentBlockState>| {
            let (id, blocks, at) = (entry.key().clone(), entry.recorded.clone(), entry.at);
            (id.clone(), GlobalEvent::InstrumentBlocks { id, blocks, at })
        };
        let mut events: Vec<(Box<str>, GlobalEvent)> = recorded.map(event).collect();
        events.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        events.into_iter().map(|(_, event)| event).collect()
    }
}
