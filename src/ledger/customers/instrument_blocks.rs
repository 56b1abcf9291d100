//! Which instruments are blocked, and where. The list of blocks of an instrument is changed by one signal at a time.

use crate::domain::{
    customer::instrument_blocks::{Block, Blocks},
    events::global_event::GlobalEvent,
    vocabulary::{names::Name, time::Millis},
};
use crate::ledger::Ledger;
use dashmap::{DashMap, mapref::multiple::RefMulti};

/// The blocks of one instrument.
#[derive(Default)]
struct Entry {
    /// As they are recorded.
    recorded: Blocks,
    /// When they were.
    at: Millis,
    /// A block that acts already and is about to be recorded.
    announced: Option<Block>,
}

/// By the gateway's token.
#[derive(Default)]
pub(in crate::ledger) struct BlockedInstruments(DashMap<Box<str>, Entry>);

impl BlockedInstruments {
    /// Whether payments by an instrument are blocked at a merchant.
    pub(in crate::ledger) fn act_at(&self, id: &str, merchant: Name) -> bool {
        self.0.get(id).is_some_and(|entry| {
            entry.recorded.act_at(merchant) || entry.announced.as_ref().is_some_and(|block| block.acts_at(merchant))
        })
    }

    /// The blocks of an instrument that are recorded.
    pub(in crate::ledger) fn of(&self, id: &str) -> Blocks {
        self.0.get(id).map(|entry| entry.recorded.clone()).unwrap_or_default()
    }

    /// Lets a block act before it is recorded.
    pub(in crate::ledger) fn announce(&self, id: &str, block: Block) {
        self.0.entry(id.into()).or_default().announced = Some(block);
    }

    /// Takes the blocks of an instrument as they are recorded; what was announced is among them.
    pub(in crate::ledger) fn set(&self, id: &str, blocks: Blocks, at: Millis) {
        if blocks == Blocks::default() {
            self.0.remove(id);
        } else if self.of(id) == blocks {
            self.0.entry(id.into()).or_default().announced = None;
        } else {
            self.0.insert(id.into(), Entry { recorded: blocks, at, announced: None });
        }
    }

    /// Takes what is recorded of an instrument; an event about anything else changes nothing.
    pub(in crate::ledger) fn take(&self, common: GlobalEvent) {
        match common {
            GlobalEvent::InstrumentBlocks { id, blocks, at } => self.set(&id, blocks, at),
            GlobalEvent::InstrumentBlocked { id, blocked, at } => {
                let blocks = if blocked { vec![Block::UNPLACED] } else { Vec::new() };
                self.set(&id, Blocks(blocks), at);
            }
            GlobalEvent::LevelMade { .. }
            | GlobalEvent::Counted { .. }
            | GlobalEvent::SegmentsLetGo { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::Configured { .. }
            | GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelDeleted { .. }
            | GlobalEvent::LevelFiled { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::ClockAccepted { .. }
            | GlobalEvent::RatesPut { .. } => {}
        }
    }

    /// What makes the same of none, for a snapshot: by token, so that the same state has the same bytes.
    pub(in crate::ledger) fn events(&self) -> Vec<GlobalEvent> {
        let recorded = self.0.iter().filter(|entry| entry.recorded != Blocks::default());
        let event = |entry: RefMulti<'_, Box<str>, Entry>| {
            let (id, blocks, at) = (entry.key().clone(), entry.recorded.clone(), entry.at);
            (id.clone(), GlobalEvent::InstrumentBlocks { id, blocks, at })
        };
        let mut events: Vec<(Box<str>, GlobalEvent)> = recorded.map(event).collect();
        events.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        events.into_iter().map(|(_, event)| event).collect()
    }
}

impl Ledger {
    /// Whether payments by an instrument are blocked at a merchant.
    #[must_use]
    pub fn blocks(&self, instrument: &str, merchant: Name) -> bool {
        self.blocked_instruments.act_at(instrument, merchant)
    }

    /// The merchants whose customers hold an instrument.
    pub(in crate::ledger) fn merchants_holding(&self, id: &str) -> Vec<Name> {
        let holders = self.holders.get(&self.key.instrument(id)).map(|numbers| numbers.to_vec()).unwrap_or_default();
        let mut merchants = Vec::new();
        for number in holders {
            let shard = self.customers.lock(number);
            // One that has made room for others is held no more.
            let holder = shard.get(&number).filter(|customer| customer.holds_instrument(id));
            merchants.extend(holder.map(|customer| customer.merchant));
        }
        merchants.sort_unstable();
        merchants.dedup();
        merchants
    }
}
