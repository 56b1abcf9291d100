//! Events of one customer.

use crate::domain::{
    customer::{audit::AuditEntry, change::CustomerChange, status::Signal, stored_identifier::StoredIdentifier},
    transaction::{
        fact::RecordedFact, log_offset::LogOffset, opening::Opening, outcome::TransactionOutcome,
        summary::EvictedTransaction,
    },
    vocabulary::{attributes::Attributes, direction::Direction, names::Name, time::Millis},
};
/// An event of one customer. Each contains all data that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerEvent {
    /// The customer was created. For an existing customer it repeats the data, with the new stored form of the identifier.
    Created {
        /// The merchant.
        merchant: Name,
        /// Unique in the merchant, where set.
        identifier: Option<StoredIdentifier>,
        /// When.
        at: Millis,
    },
    /// Absent attributes were filled from a payment.
    AttributesFilled {
        /// The filled attributes.
        attributes: Attributes,
        /// When.
        at: Millis,
    },
    /// The stored level name of a direction changed.
    LevelSet {
        /// Of this direction.
        direction: Direction,
        /// `None`: removed.
        level: Option<Name>,
        /// Whether the individual settings of the direction are dropped with it.
        drops_settings: bool,
        /// When.
        at: Millis,
    },
    /// A signal about the customer or one of its instruments arrived.
    SignalReceived {
        /// What.
        signal: Signal,
        /// Whether the signal names an instrument: fraud then concerns that instrument and not the whole customer.
        names_instrument: bool,
        /// When.
        at: Millis,
    },
    /// The customer paid by an instrument for the first time.
    InstrumentAdded {
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
        /// The number of successful payments, including this one.
        successes: u64,
    },
    /// The author and the time of the changes of this step.
    AuditEntry(AuditEntry),
    /// The customer changed.
    CustomerChanged(CustomerChange),
    /// A transaction was opened.
    TransactionOpened {
        /// Its slot in [`Customer::summaries`](crate::domain::customer::aggregate::Customer::summaries).
        slot: u32,
        /// Its opening.
        opening: Opening,
    },
    /// A fact about a transaction.
    FactRecorded {
        /// Its slot.
        slot: u32,
        /// The offset of the previous record about it.
        previous: LogOffset,
        /// What.
        recorded_fact: RecordedFact,
        /// The outcome of the transaction after it.
        outcome: TransactionOutcome,
        /// The evicted transaction, if it was evicted.
        left: Option<EvictedTransaction>,
    },
    /// Compaction rewrote a transaction completely, so that its earlier records are not needed.
    Compacted {
        /// Its slot.
        slot: u32,
        /// Its opening.
        opening: Opening,
        /// The facts that followed, in their order.
        facts: Vec<RecordedFact>,
        /// Its outcome.
        outcome: TransactionOutcome,
        /// Whether it was evicted.
        left: bool,
        /// When it was rewritten.
        at: Millis,
    },
    /// A transaction without a customer was assigned to this customer, completely.
    Assigned {
        /// Its slot in this customer.
        slot: u32,
        /// Its opening, with the level under which it counts now.
        opening: Opening,
        /// The facts that followed, in their order.
        facts: Vec<RecordedFact>,
        /// Its outcome.
        outcome: TransactionOutcome,
        /// When.
        at: Millis,
    },
    /// A transaction without a customer was assigned to a customer, and leaves this list.
    AssignedElsewhere {
        /// Its slot in this customer.
        slot: u32,
        /// The digest of its id, if it was evicted.
        left: Option<u64>,
        /// When.
        at: Millis,
    },
}

impl CustomerEvent {
    /// When it was recorded, if the event contains the time.
    #[must_use]
    pub fn recorded_at(&self) -> Option<Millis> {
        match self {
            Self::Created { at, .. }
            | Self::AttributesFilled { at, .. }
            | Self::LevelSet { at, .. }
            | Self::SignalReceived { at, .. }
            | Self::InstrumentAdded { at, .. }
            | Self::InstrumentUsed { at, .. }
            | Self::AuditEntry(AuditEntry { at, .. })
            | Self::Compacted { at, .. }
            | Self::Assigned { at, .. }
            | Self::AssignedElsewhere { at, .. } => Some(*at),
            Self::TransactionOpened { opening, .. } => Some(opening.recorded_at),
            Self::FactRecorded { recorded_fact, .. } => Some(recorded_fact.at),
            // The audit entry of its step contains the time.
            Self::CustomerChanged(_) => None,
        }
    }

    /// Whether it changes the customer and not only a transaction: then its step has an audit entry.
    #[must_use]
    pub fn is_audited(&self) -> bool {
        match self {
            Self::Created { .. }
            | Self::AttributesFilled { .. }
            | Self::LevelSet { .. }
            | Self::SignalReceived { .. }
            | Self::InstrumentAdded { .. }
            | Self::AuditEntry(_)
            | Self::CustomerChanged(_)
            | Self::Assigned { .. } => true,
            Self::TransactionOpened { .. }
            | Self::FactRecorded { .. }
            | Self::Compacted { .. }
            | Self::AssignedElsewhere { .. }
            | Self::InstrumentUsed { .. } => false,
        }
    }
}

/// The position of the record of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPosition {
    /// The number of the record.
    pub number: u64,
    /// Its offset.
    pub offset: LogOffset,
    /// The digest of the transaction's id, where one is opened.
    pub key: u64,
}
