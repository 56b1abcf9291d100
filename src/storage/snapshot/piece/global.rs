//! The shapes of the state that belongs to no customer in a snapshot, and their conversion from and to the domain.
//!
//! The order of fields is the format.

use crate::{
    domain::{
        events::global_event::{ClockStep, GlobalEvent},
        transaction::log_offset::LogOffset,
        vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
    },
    storage::{
        encoding::{self, Events, numbers::Numbered},
        snapshot::{
            error::{SnapshotError, invalid},
            piece::values::{Text, currency_of, name, text, word},
        },
    },
};
use serde::{Deserialize, Serialize};

/// A piece with at least this many bytes of events gets no more; the next event begins another piece.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// State that belongs to no customer. Lists of several pieces add up; the highest `next_customer` and the last
/// `configured` count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GlobalDto {
    /// The number that the next customer gets.
    pub next_customer: u64,
    /// Currencies of all usage.
    pub currencies: Vec<[u8; 3]>,
    /// Levels that requests created.
    pub levels: Vec<LevelDto>,
    /// Instruments that are blocked for all merchants. No longer written: `overlay` has the blocks of each instrument.
    pub blocked: Vec<Box<str>>,
    /// The offsets of the last records about transactions that have left memory, if the archive does not have them.
    pub late: Vec<ArchivedFactDto>,
    /// The version of the configuration that last came into force.
    pub configured: Option<Box<str>>,
    /// The numbers of assigned external ids, by merchant.
    pub counted: Vec<CountedDto>,
    /// Events, as in the journal: levels and rates set through the API, instrument blocks, and accepted losses of the
    /// archive.
    pub overlay: Vec<u8>,
    /// Renamed levels.
    pub renames: Vec<RenameDto>,
    /// Segments that no start from this snapshot replays, so that their loss is detected. Segments whose loss was accepted
    /// stay listed.
    pub archive: Vec<SegmentDto>,
    /// Clock steps that operators accepted.
    pub clocks: Vec<ClockDto>,
}

/// A segment of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentDto {
    /// The number of its first record.
    pub first_lsn: u64,
    /// The number of its last record.
    pub last_lsn: u64,
    /// The length of the file.
    pub bytes: u64,
    /// CRC-32C of the file; 0: not computed yet.
    pub crc: u32,
}

/// A clock step that an operator accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDto {
    /// The time before.
    pub before: i64,
    /// The time from then on.
    pub after: i64,
    /// Whether entries of the future were moved to it.
    pub moves_entries: bool,
    /// The offset of the record.
    pub offset: u64,
}

/// A renamed level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenameDto {
    /// The merchant.
    pub merchant: Text,
    /// Number of the word.
    pub direction: u8,
    /// The old name.
    pub from: Text,
    /// The new name.
    pub to: Text,
    /// The offset of the record.
    pub offset: u64,
}

/// How many external ids were assigned to a merchant's customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedDto {
    /// The merchant.
    pub merchant: Text,
    /// The number of ids.
    pub made: u64,
}

/// A level that a request created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelDto {
    /// The merchant.
    pub merchant: Text,
    /// The name as sent.
    pub name: Text,
    /// Number of the word.
    pub direction: u8,
    /// Three letters.
    pub currency: [u8; 3],
    /// When it was created.
    pub created: i64,
}

/// A fact about a transaction that had left memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedFactDto {
    /// The digest of the transaction's id.
    pub key: u64,
    /// The merchant.
    pub customer: u64,
    /// The transaction's slot.
    pub slot: u32,
    /// The offset of the last record about it.
    pub offset: u64,
}

impl GlobalDto {
    /// The currencies.
    ///
    /// # Errors
    /// A currency is invalid.
    pub fn currencies(&self) -> Result<Vec<Currency>, SnapshotError> {
        self.currencies.iter().copied().map(currency_of).collect()
    }

    /// Pieces that contain only these events: enough pieces to keep each far below the largest one.
    #[must_use]
    pub fn pieces_of(events: &[GlobalEvent]) -> Vec<Self> {
        let mut pieces: Vec<Self> = Vec::new();
        for event in events {
            if pieces.last().is_none_or(|piece| piece.overlay.len() >= EVENT_BYTES_MAX) {
                pieces.push(Self::default());
            }
            pieces.last_mut().into_iter().for_each(|piece| encoding::encode_global(event, &mut piece.overlay));
        }
        pieces
    }

    /// The events.
    ///
    /// # Errors
    /// The bytes are not global events.
    pub fn events(&self) -> Result<Vec<GlobalEvent>, SnapshotError> {
        let (mut events, mut found) = (Events::of(&self.overlay), Vec::new());
        while let Some(event) = events.next(&mut |_| Ok(None)).map_err(|error| invalid(format_args!("{error}")))? {
            match event {
                encoding::RecordedEvent::Global(event) => found.push(event),
                encoding::RecordedEvent::Customer(_) => {
                    return Err(invalid(format_args!("the global state contains an event of a customer")));
                }
            }
        }
        Ok(found)
    }
}

impl CountedDto {
    /// The shape for a merchant.
    #[must_use]
    pub fn of(merchant: Name, made: u64) -> Self {
        Self { merchant: text(merchant), made }
    }

    /// The event of the count.
    ///
    /// # Errors
    /// The name is invalid.
    pub fn counted(&self) -> Result<GlobalEvent, SnapshotError> {
        Ok(GlobalEvent::ExternalIdsGenerated { merchant: name(&self.merchant)?, made: self.made })
    }
}

impl ClockDto {
    /// The shape of a clock step, with the offset of its record.
    #[must_use]
    pub fn of(step: &ClockStep, offset: LogOffset) -> Self {
        let ClockStep { before, after, moves_entries } = *step;
        Self { before: before.0, after: after.0, moves_entries, offset: offset.0 }
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> ClockStep {
        ClockStep { before: Millis(self.before), after: Millis(self.after), moves_entries: self.moves_entries }
    }
}

impl RenameDto {
    /// The shape of a renaming, with the offset of its record.
    #[must_use]
    pub fn of(merchant: Name, direction: Direction, (from, to): (Name, Name), offset: LogOffset) -> Self {
        let direction = direction.number();
        Self { merchant: text(merchant), direction, from: text(from), to: text(to), offset: offset.0 }
    }

    /// The merchant, the direction, the old name and the new name.
    ///
    /// # Errors
    /// A word or name is invalid.
    pub fn names(&self) -> Result<(Name, Direction, Name, Name), SnapshotError> {
        Ok((name(&self.merchant)?, word(self.direction)?, name(&self.from)?, name(&self.to)?))
    }
}

impl LevelDto {
    /// The shape of a level that a request created.
    #[must_use]
    pub fn of(merchant: Name, level: Name, direction: Direction, currency: Currency, created: Millis) -> Self {
        Self {
            merchant: text(merchant),
            name: text(level),
            direction: direction.number(),
            currency: currency.code(),
            created: created.0,
        }
    }

    /// The event that created it.
    ///
    /// # Errors
    /// A word, name or currency is invalid.
    pub fn made(&self) -> Result<GlobalEvent, SnapshotError> {
        Ok(GlobalEvent::LevelCreated {
            merchant: name(&self.merchant)?,
            name: name(&self.name)?,
            direction: word(self.direction)?,
            currency: currency_of(self.currency)?,
            at: Millis(self.created),
        })
    }
}
