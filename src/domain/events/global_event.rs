//! Events that concern no single customer.

use crate::domain::{
    customer::instrument_blocks::InstrumentBlocks,
    events::audited_operation::AuditedOperation,
    rules::level::LevelKey,
    transaction::log_offset::LogOffset,
    vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
};
/// The clock continues from another instant, because an operator accepted the system clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStep {
    /// The time before.
    pub before: Millis,
    /// The time after the step.
    pub after: Millis,
    /// Whether usage entries later than `after` are moved to it.
    pub moves_entries: bool,
}

impl ClockStep {
    /// Whether it changes customers. A step forward alone does not: holds expire when a customer is read next.
    #[must_use]
    pub fn changes_customers(&self) -> bool {
        self.after < self.before || self.moves_entries
    }
}

/// An event of a merchant, of an instrument or of the daemon. Each sets its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalEvent {
    /// All blocks of an instrument.
    InstrumentBlocks {
        /// The gateway's token.
        id: Box<str>,
        /// Empty: payments with it are not blocked.
        blocks: InstrumentBlocks,
        /// The name of the caller's token, if known.
        by: Option<Name>,
        /// The record of the change before; `None`: there is none, or an earlier version recorded this event. In a
        /// snapshot: the last change.
        previous: Option<LogOffset>,
        /// When.
        at: Millis,
    },
    /// The form of old records: payments with an instrument are blocked everywhere, or not.
    InstrumentBlocked {
        /// The gateway's token.
        id: Box<str>,
        /// Whether they are blocked.
        blocked: bool,
        /// When.
        at: Millis,
    },
    /// A request created a level.
    LevelCreated {
        /// The merchant.
        merchant: Name,
        /// As sent.
        name: Name,
        /// Of the payment that created it.
        direction: Direction,
        /// Of the payment that created it.
        currency: Currency,
        /// When.
        at: Millis,
    },
    /// External ids were generated for customers of a merchant.
    ExternalIdsGenerated {
        /// The merchant.
        merchant: Name,
        /// The number so far, including this one.
        made: u64,
    },
    /// A configuration took effect.
    ConfigurationApplied {
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
        /// When the level was created.
        created: Millis,
        /// When.
        at: Millis,
        /// Who did it, where known.
        by: Option<Name>,
    },
    /// An operator deleted a level.
    LevelDeleted {
        /// Which.
        key: LevelKey,
        /// When.
        at: Millis,
        /// Who did it, where known.
        by: Option<Name>,
    },
    /// A configuration took effect whose file entry of a level differs from the one before.
    LevelFileApplied {
        /// Which.
        key: LevelKey,
        /// Digest of the entry; `None`: the file no longer has one.
        digest: Option<u128>,
        /// When the level was created.
        created: Millis,
        /// When.
        at: Millis,
    },
    /// A configuration took effect whose `rates.toml` differs from the one before.
    RatesFileApplied {
        /// The table: JSON with the keys of the file; `None`: the files have no table.
        body: Option<Box<str>>,
        /// When.
        at: Millis,
    },
    /// A configuration took effect with a merchant that no configuration before had, or had otherwise.
    MerchantFileApplied {
        /// The merchant.
        merchant: Name,
        /// Whether it is a test merchant.
        is_sandbox: bool,
        /// When.
        at: Millis,
    },
    /// An operator renamed a level in all currencies of a direction, with everything stored under the old name.
    LevelRenamed {
        /// The merchant.
        merchant: Name,
        /// Which way the money goes.
        direction: Direction,
        /// The old name.
        from: Name,
        /// The new one.
        to: Name,
        /// When.
        at: Millis,
        /// Who did it, where known.
        by: Option<Name>,
    },
    /// Segments of the archive exceeded their retention and are deleted.
    SegmentsReleased {
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
        /// Who did it, where known.
        by: Option<Name>,
    },
    /// An operator set the rates.
    RatesPut {
        /// As sent: JSON with the keys of the file.
        body: Box<str>,
        /// When.
        at: Millis,
        /// Who did it, where known.
        by: Option<Name>,
    },
    /// An operator accepted the system clock. It applies to all customers.
    ClockAccepted {
        /// The step.
        step: ClockStep,
        /// Who did it, where known.
        by: Option<Name>,
    },
    /// An operation, for the audit. It changes no state.
    OperationAudited(AuditedOperation),
}

impl GlobalEvent {
    /// When it was recorded, if the event contains the time.
    #[must_use]
    pub fn recorded_at(&self) -> Option<Millis> {
        match self {
            Self::InstrumentBlocks { at, .. }
            | Self::InstrumentBlocked { at, .. }
            | Self::LevelCreated { at, .. }
            | Self::LevelPut { at, .. }
            | Self::LevelDeleted { at, .. }
            | Self::LevelFileApplied { at, .. }
            | Self::RatesFileApplied { at, .. }
            | Self::MerchantFileApplied { at, .. }
            | Self::RatesPut { at, .. }
            | Self::LevelRenamed { at, .. }
            | Self::SegmentsReleased { at, .. }
            | Self::ArchiveLossAccepted { at, .. }
            | Self::ConfigurationApplied { at, .. } => Some(*at),
            Self::ClockAccepted { step, .. } => Some(step.after),
            Self::OperationAudited(operation) => Some(operation.at),
            Self::ExternalIdsGenerated { .. } => None,
        }
    }
}
