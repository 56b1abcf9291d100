//! What happens and belongs to no single customer.

use crate::domain::{
    customer::instrument_blocks::Blocks,
    rules::{configuration::Direction, overrides::LevelKey},
    vocabulary::{money::Currency, names::Name, time::Millis},
};

/// The time goes on from another instant, because an operator accepted the system clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStep {
    /// The time before.
    pub before: Millis,
    /// The time from then on.
    pub after: Millis,
    /// Whether usage entries later than `after` are moved to it.
    pub moves_entries: bool,
}

impl ClockStep {
    /// Whether it changes customers. A step forward alone does not: holds end when a customer is next looked at.
    #[must_use]
    pub fn changes_customers(&self) -> bool {
        self.after < self.before || self.moves_entries
    }
}

/// Something that happened to the merchant, to an instrument or to the daemon. Each sets what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalEvent {
    /// All blocks of an instrument from now on.
    InstrumentBlocks {
        /// The gateway's token.
        id: Box<str>,
        /// None: payments with it may pass.
        blocks: Blocks,
        /// When.
        at: Millis,
    },
    /// The form of old records: payments with an instrument are blocked everywhere from now on, or no longer.
    InstrumentBlocked {
        /// The gateway's token.
        id: Box<str>,
        /// Whether they are.
        blocked: bool,
        /// When.
        at: Millis,
    },
    /// A request made a level.
    LevelMade {
        /// Whose.
        merchant: Name,
        /// As sent.
        name: Name,
        /// Of the payment that brought it.
        direction: Direction,
        /// Of the payment that brought it.
        currency: Currency,
        /// When.
        at: Millis,
    },
    /// External ids were made for customers of a merchant.
    Counted {
        /// Whose.
        merchant: Name,
        /// How many so far, this one with them.
        made: u64,
    },
    /// A configuration came into force.
    Configured {
        /// Its version.
        version: Box<str>,
        /// When.
        at: Millis,
    },
    /// An operator set a level.
    LevelPut {
        /// Which.
        key: LevelKey,
        /// As sent: JSON with the keys of a file's entry.
        body: Box<str>,
        /// When the level was first there.
        created: Millis,
        /// When.
        at: Millis,
        /// Who, where that is known.
        by: Option<Name>,
    },
    /// An operator deleted a level.
    LevelDeleted {
        /// Which.
        key: LevelKey,
        /// When.
        at: Millis,
        /// Who, where that is known.
        by: Option<Name>,
    },
    /// A configuration came into force in whose files a level's entry is another than in the one before.
    LevelFiled {
        /// Which.
        key: LevelKey,
        /// Of what the entry says; `None`: the file has none any more.
        digest: Option<u128>,
        /// When the level was first there.
        created: Millis,
        /// When.
        at: Millis,
    },
    /// An operator gave a level another name, in all currencies of a direction, and with it all that is known under the
    /// old one.
    LevelRenamed {
        /// Whose.
        merchant: Name,
        /// Which way the money goes.
        direction: Direction,
        /// The old name.
        from: Name,
        /// The new one.
        to: Name,
        /// When.
        at: Millis,
        /// Who, where that is known.
        by: Option<Name>,
    },
    /// Segments of the archive are older than they must be kept, and are deleted.
    SegmentsLetGo {
        /// The number of the last record in them.
        last: u64,
        /// When.
        at: Millis,
    },
    /// An operator accepted that records of the archive are lost.
    ArchiveLossAccepted {
        /// The number of the first of them.
        first: u64,
        /// The number of the last of them.
        last: u64,
        /// When.
        at: Millis,
        /// Who, where that is known.
        by: Option<Name>,
    },
    /// An operator set the rates.
    RatesPut {
        /// As sent: JSON with the keys of the file.
        body: Box<str>,
        /// When.
        at: Millis,
        /// Who, where that is known.
        by: Option<Name>,
    },
    /// An operator accepted the system clock as it was. It reaches all customers.
    ClockAccepted {
        /// From which time to which.
        step: ClockStep,
        /// Who, where that is known.
        by: Option<Name>,
    },
}

impl GlobalEvent {
    /// When it was recorded, where it says so itself.
    #[must_use]
    pub fn recorded_at(&self) -> Option<Millis> {
        match self {
            Self::InstrumentBlocks { at, .. }
            | Self::InstrumentBlocked { at, .. }
            | Self::LevelMade { at, .. }
            | Self::LevelPut { at, .. }
            | Self::LevelDeleted { at, .. }
            | Self::LevelFiled { at, .. }
            | Self::RatesPut { at, .. }
            | Self::LevelRenamed { at, .. }
            | Self::SegmentsLetGo { at, .. }
            | Self::ArchiveLossAccepted { at, .. }
            | Self::Configured { at, .. } => Some(*at),
            Self::ClockAccepted { step, .. } => Some(step.after),
            Self::Counted { .. } => None,
        }
    }
}
