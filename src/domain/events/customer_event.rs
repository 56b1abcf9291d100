//! What happens to one customer, in the past tense.

use crate::domain::{
    customer::{
        aggregate::Customer,
        attributes::Attributes,
        profile::{AuditEntry, Change},
        status::Signal,
        stored_identifier::StoredIdentifier,
    },
    decision::refusal::Refusal,
    rules::configuration::Direction,
    transaction::{
        record::{LogOffset, Opening, RecordedFact},
        summary::{Left, TransactionOutcome},
    },
    vocabulary::{names::Name, time::Millis},
};

/// Something that happened to one customer. Each names all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerEvent {
    /// The customer was made. Of one who exists already: what it says once more, with the identifier as it is kept from
    /// then on.
    Created {
        /// Whose.
        merchant: Name,
        /// Unique in the merchant where set.
        identifier: Option<StoredIdentifier>,
        /// When.
        at: Millis,
    },
    /// Attributes that were missing came with a payment.
    AttributesFilled {
        /// Those that were missing.
        attributes: Attributes,
        /// When.
        at: Millis,
    },
    /// The stored level name of a direction changed.
    LevelSet {
        /// Of this direction.
        direction: Direction,
        /// `None`: empty from now on.
        level: Option<Name>,
        /// Whether the individual settings of the direction are dropped with it.
        drops_settings: bool,
        /// When.
        at: Millis,
    },
    /// Something became known about the customer or an instrument of the customer's.
    Signalled {
        /// What.
        signal: Signal,
        /// Whether the signal names an instrument: fraud is that instrument's then, and not the customer's as a whole.
        names_instrument: bool,
        /// When.
        at: Millis,
    },
    /// The customer paid by an instrument for the first time.
    InstrumentHeld {
        /// The gateway's token.
        id: Box<str>,
        /// When.
        at: Millis,
    },
    /// A payment by a stored instrument succeeded.
    InstrumentUsed {
        /// The gateway's token.
        id: Box<str>,
        /// When.
        at: Millis,
        /// How many have, this one with them.
        successes: u64,
    },
    /// The customer changed in this step, by somebody, at a time.
    AuditEntry(AuditEntry),
    /// What changed.
    Changed(Change),
    /// A transaction was opened.
    Opened {
        /// Its slot in [`Customer::summaries`](crate::domain::customer::aggregate::Customer::summaries).
        slot: u32,
        /// All that opened it.
        opening: Opening,
    },
    /// Something happened to a transaction.
    FactRecorded {
        /// Its slot.
        slot: u32,
        /// Where the record about it before this one lies.
        previous: LogOffset,
        /// What.
        recorded_fact: RecordedFact,
        /// What the transaction has come to by it.
        outcome: TransactionOutcome,
        /// Where it had left memory: what it counted for until then.
        left: Option<Left>,
    },
    /// A transaction was written once more, whole, so that the records about it before this one are needed no more.
    Compacted {
        /// Its slot.
        slot: u32,
        /// What opened it.
        opening: Opening,
        /// What followed, in the order in which it came.
        facts: Vec<RecordedFact>,
        /// What it has come to.
        outcome: TransactionOutcome,
        /// Whether it had left memory.
        left: bool,
        /// When it was written.
        at: Millis,
    },
    /// A transaction that had no customer became this one's, whole.
    Assigned {
        /// Its slot here.
        slot: u32,
        /// What opened it, with the level that it counts under from now on.
        opening: Opening,
        /// What followed, in the order in which it came.
        facts: Vec<RecordedFact>,
        /// What it has come to.
        outcome: TransactionOutcome,
        /// When.
        at: Millis,
    },
    /// A transaction that had no customer became somebody's: it is nobody's any more.
    Unlinked {
        /// Its slot here.
        slot: u32,
        /// Where it had left memory: the digest of its id.
        left: Option<u64>,
        /// When.
        at: Millis,
    },
}

impl CustomerEvent {
    /// When it was recorded, where it says so itself.
    #[must_use]
    pub fn recorded_at(&self) -> Option<Millis> {
        match self {
            Self::Created { at, .. }
            | Self::AttributesFilled { at, .. }
            | Self::LevelSet { at, .. }
            | Self::Signalled { at, .. }
            | Self::InstrumentHeld { at, .. }
            | Self::InstrumentUsed { at, .. }
            | Self::AuditEntry(AuditEntry { at, .. })
            | Self::Compacted { at, .. }
            | Self::Assigned { at, .. }
            | Self::Unlinked { at, .. } => Some(*at),
            Self::Opened { opening, .. } => Some(opening.recorded_at),
            Self::FactRecorded { recorded_fact, .. } => Some(recorded_fact.at),
            // Its step says it.
            Self::Changed(_) => None,
        }
    }

    /// Whether it says something of the customer and not of a transaction: then the step stands in the history.
    #[must_use]
    pub fn is_of_history(&self) -> bool {
        match self {
            Self::Created { .. }
            | Self::AttributesFilled { .. }
            | Self::LevelSet { .. }
            | Self::Signalled { .. }
            | Self::InstrumentHeld { .. }
            | Self::AuditEntry(_)
            | Self::Changed(_)
            | Self::Assigned { .. } => true,
            Self::Opened { .. }
            | Self::FactRecorded { .. }
            | Self::Compacted { .. }
            | Self::Unlinked { .. }
            | Self::InstrumentUsed { .. } => false,
        }
    }
}

/// What must happen to a customer as it stands at a time.
pub type Make<'m> = dyn FnMut(&Customer, Millis) -> Result<Vec<CustomerEvent>, Refusal> + 'm;

/// How an event was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The number of the record.
    pub number: u64,
    /// Where it lies.
    pub place: LogOffset,
    /// The digest of the transaction's id, where one is opened.
    pub key: u64,
}
