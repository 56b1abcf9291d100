//! The part of a snapshot that belongs to no single customer, as plain numbers and texts, and its conversion from and
//! to the domain.
//!
//! The order of fields is the format; see [`super`].

use crate::domain::{
    events::global_event::{ClockStep, GlobalEvent},
    rules::configuration::Direction,
    transaction::record::LogOffset,
    vocabulary::{money::Currency, names::Name, time::Millis},
};
use crate::storage::{
    encoding::{self, Events, numbers::Numbered},
    snapshot::{
        SnapshotError,
        profile::{word, wrong},
        shapes::{Text, currency_of, name, text},
    },
};
use serde::{Deserialize, Serialize};

/// A world with at least so many bytes of events takes no more: the next event begins another world.
const OVERLAY_BYTES: usize = 1 << 20;

/// What belongs to no customer. Of several, lists add up, the highest `next_customer` and the last `configured` count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorldDto {
    /// The number that the next customer gets.
    pub next_customer: u64,
    /// Currencies in which anything is held.
    pub currencies: Vec<[u8; 3]>,
    /// Levels that requests made.
    pub levels: Vec<LevelDto>,
    /// Instruments with which no payment passes anywhere. Written no more: `overlay` says where each is blocked.
    pub blocked: Vec<Box<str>>,
    /// Where the last record lies about transactions that have left memory and of which the archive does not know it.
    pub late: Vec<LateDto>,
    /// The version of the configuration that last came into force.
    pub configured: Option<Box<str>>,
    /// External ids made, by merchant.
    pub counted: Vec<CountedDto>,
    /// Levels and rates set through the API, blocked instruments, and accepted losses of the archive: events, as in the
    /// journal.
    pub overlay: Vec<u8>,
    /// Names of levels that have changed.
    pub renames: Vec<RenameDto>,
    /// Segments that no restart from this snapshot replays, by which their loss is noticed; lost ones whose loss was
    /// accepted stay in it.
    pub archive: Vec<SegmentDto>,
    /// Times that operators accepted.
    pub clocks: Vec<ClockDto>,
}

/// A segment of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentDto {
    /// The number of its first record.
    pub first_lsn: u64,
    /// The number of its last record.
    pub last_lsn: u64,
    /// Of the file.
    pub bytes: u64,
    /// CRC-32C of the file; 0: not computed yet.
    pub crc: u32,
}

/// A time that an operator accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDto {
    /// The time before.
    pub before: i64,
    /// The time from then on.
    pub after: i64,
    /// Whether entries from the future were moved to it.
    pub moves_entries: bool,
    /// The place of the record.
    pub place: u64,
}

/// A level's name that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenameDto {
    /// Whose.
    pub merchant: Text,
    /// Number of the word.
    pub direction: u8,
    /// The old name.
    pub from: Text,
    /// The new one.
    pub to: Text,
    /// Where the record lies.
    pub place: u64,
}

/// How many external ids were made for a merchant's customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedDto {
    /// Whose.
    pub merchant: Text,
    /// How many.
    pub made: u64,
}

/// A level that a request made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelDto {
    /// Whose.
    pub merchant: Text,
    /// As sent.
    pub name: Text,
    /// Number of the word.
    pub direction: u8,
    /// Three letters.
    pub currency: [u8; 3],
    /// When.
    pub created: i64,
}

/// A fact that came late to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateDto {
    /// The digest of the transaction's id.
    pub key: u64,
    /// Whose.
    pub customer: u64,
    /// The transaction's slot.
    pub slot: u32,
    /// Where the last record about it lies.
    pub place: u64,
}

impl WorldDto {
    /// The currencies.
    ///
    /// # Errors
    /// Letters that name none.
    pub fn currencies(&self) -> Result<Vec<Currency>, SnapshotError> {
        self.currencies.iter().copied().map(currency_of).collect()
    }

    /// Worlds that hold only what the API set in addition to the files: enough worlds to keep each far below the largest
    /// piece.
    #[must_use]
    pub fn beside(events: &[GlobalEvent]) -> Vec<Self> {
        let mut worlds: Vec<Self> = Vec::new();
        for event in events {
            if worlds.last().is_none_or(|world| world.overlay.len() >= OVERLAY_BYTES) {
                worlds.push(Self::default());
            }
            worlds.last_mut().into_iter().for_each(|world| encoding::encode_common(event, &mut world.overlay));
        }
        worlds
    }

    /// The events that say what stands beside the files.
    ///
    /// # Errors
    /// Bytes that say none.
    pub fn said(&self) -> Result<Vec<GlobalEvent>, SnapshotError> {
        let (mut events, mut said) = (Events::of(&self.overlay), Vec::new());
        while let Some(event) = events.next(&mut |_| Ok(None)).map_err(|error| wrong(format_args!("{error}")))? {
            match event {
                encoding::Recorded::GlobalEvent(event) => said.push(event),
                encoding::Recorded::Customer(_) => {
                    return Err(wrong(format_args!("an event of a customer stands in a world")));
                }
            }
        }
        Ok(said)
    }
}

impl CountedDto {
    /// Of a merchant.
    #[must_use]
    pub fn of(merchant: Name, made: u64) -> Self {
        Self { merchant: text(merchant), made }
    }

    /// The event that says it.
    ///
    /// # Errors
    /// A name that is none.
    pub fn counted(&self) -> Result<GlobalEvent, SnapshotError> {
        Ok(GlobalEvent::Counted { merchant: name(&self.merchant)?, made: self.made })
    }
}

impl ClockDto {
    /// Of a step of the clock, and the place of its record.
    #[must_use]
    pub fn of(step: &ClockStep, place: LogOffset) -> Self {
        let ClockStep { before, after, moves_entries } = *step;
        Self { before: before.0, after: after.0, moves_entries, place: place.0 }
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> ClockStep {
        ClockStep { before: Millis(self.before), after: Millis(self.after), moves_entries: self.moves_entries }
    }
}

impl RenameDto {
    /// Of a level's names, and where the record lies that says so.
    #[must_use]
    pub fn of(merchant: Name, direction: Direction, (from, to): (Name, Name), place: LogOffset) -> Self {
        let direction = direction.number();
        Self { merchant: text(merchant), direction, from: text(from), to: text(to), place: place.0 }
    }

    /// Whose, in which direction, and the names.
    ///
    /// # Errors
    /// Words and names that are none.
    pub fn names(&self) -> Result<(Name, Direction, Name, Name), SnapshotError> {
        Ok((name(&self.merchant)?, word(self.direction)?, name(&self.from)?, name(&self.to)?))
    }
}

impl LevelDto {
    /// Of a level that a request made.
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

    /// The event that made it.
    ///
    /// # Errors
    /// Words, names and currencies that are none.
    pub fn made(&self) -> Result<GlobalEvent, SnapshotError> {
        Ok(GlobalEvent::LevelMade {
            merchant: name(&self.merchant)?,
            name: name(&self.name)?,
            direction: word(self.direction)?,
            currency: currency_of(self.currency)?,
            at: Millis(self.created),
        })
    }
}
