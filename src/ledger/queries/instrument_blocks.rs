//! The history of the blocks of an instrument at a merchant. It is read from the journal, one record for each change.

use crate::{
    domain::{
        customer::instrument_blocks::InstrumentBlocks,
        events::global_event::GlobalEvent,
        request::refusal::Refusal,
        transaction::log_offset::LogOffset,
        vocabulary::{names::Name, time::Millis},
    },
    ledger::{payments::load::refusal_of, state::ledger::Ledger},
    storage::encoding::{self, RecordedEvent},
};

/// The most changes of one instrument that are read.
const CHANGES_MAX: usize = 10_000;

/// A payment with an instrument became blocked at a merchant, or the block was lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockChange {
    /// When.
    pub at: Millis,
    /// The name of the caller's token, which may be of another merchant.
    pub by: Option<Name>,
    /// Whether payments are blocked from then on.
    pub is_blocked: bool,
}

/// The blocks of an instrument as one record sets them.
struct RecordedChange {
    blocks: InstrumentBlocks,
    at: Millis,
    by: Option<Name>,
    previous: Option<LogOffset>,
}

impl Ledger {
    /// When an instrument was blocked at a merchant and when the block was lifted, the oldest first, as far as the records
    /// are kept. A change of the blocks that acts only elsewhere is left out. Records are read without a lock.
    ///
    /// # Errors
    /// A record cannot be read.
    pub fn instrument_block_changes(&self, instrument: &str, merchant: Name) -> Result<Vec<BlockChange>, Refusal> {
        let is_retained = |place: LogOffset| place >= self.forgotten_before();
        let (mut recorded, mut next) = (Vec::new(), self.blocked_instruments.last_record(instrument));
        while let Some(place) = next.filter(|place| is_retained(*place) && recorded.len() < CHANGES_MAX) {
            let change = match self.recorded_block_change(instrument, place) {
                Ok(Some(change)) => change,
                Ok(None) | Err(Refusal::RecordLost(_)) => break,
                // Its segment was deleted in between.
                Err(_) if !is_retained(place) => break,
                Err(refusal) => return Err(refusal),
            };
            // The chain only leads back.
            next = change.previous.filter(|previous| *previous < place);
            recorded.push((change.blocks.act_at(self.block_place(merchant)), change.at, change.by));
        }
        let mut was_blocked = false;
        recorded.reverse();
        recorded.retain(|(is_blocked, ..)| std::mem::replace(&mut was_blocked, *is_blocked) != *is_blocked);
        Ok(recorded.into_iter().map(|(is_blocked, at, by)| BlockChange { at, by, is_blocked }).collect())
    }

    /// Whether payments with an instrument were blocked at a merchant after the change that the record at an offset
    /// contains. `None`: the record is deleted or cannot be read.
    #[must_use]
    pub fn was_instrument_blocked(&self, instrument: &str, place: LogOffset, merchant: Name) -> Option<bool> {
        let is_retained = place >= self.forgotten_before();
        let change = is_retained.then(|| self.recorded_block_change(instrument, place).ok().flatten()).flatten();
        change.map(|change| change.blocks.act_at(self.block_place(merchant)))
    }

    /// What the record at an offset states about the blocks of an instrument. `None`: nothing.
    fn recorded_block_change(&self, instrument: &str, place: LogOffset) -> Result<Option<RecordedChange>, Refusal> {
        let mut body = Vec::with_capacity(512);
        self.journal.read(place, &mut body).map_err(|error| refusal_of(&error))?;
        let events = encoding::decode(&body, &mut |_| Ok(None));
        let events = events.map_err(|error| Refusal::Unreadable(error.to_string()))?;
        Ok(events.into_iter().find_map(|event| match event {
            RecordedEvent::Global(GlobalEvent::InstrumentBlocks { id, blocks, by, previous, at }) => {
                (*id == *instrument).then_some(RecordedChange { blocks, at, by, previous })
            }
            // The form of old records, which lead to no other record.
            RecordedEvent::Global(GlobalEvent::InstrumentBlocked { id, blocked, at }) => {
                let blocks = InstrumentBlocks::of_old_record(blocked);
                (id.trim() == instrument).then_some(RecordedChange { blocks, at, by: None, previous: None })
            }
            RecordedEvent::Global(_) | RecordedEvent::Customer(_) => None,
        }))
    }
}
