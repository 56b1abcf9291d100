//! What happens to one customer, in the past tense.

use super::{
    brief::{Left, Upshot},
    customer::Customer,
    identity::Attributes,
    name::Name,
    profile::{Change, Chronicle},
    refusal::Refusal,
    rules::Direction,
    standing::Signal,
    stored_identifier::StoredIdentifier,
    time::Millis,
    transaction::{Noted, Opening, Place},
};

/// Something that happened to one customer. Each names all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
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
    Chronicled(Chronicle),
    /// What changed.
    Changed(Change),
    /// A transaction was opened.
    Opened {
        /// Its slot in [`Customer::briefs`].
        slot: u32,
        /// All that opened it.
        opening: Opening,
    },
    /// Something happened to a transaction.
    Happened {
        /// Its slot.
        slot: u32,
        /// Where the record about it before this one lies.
        previous: Place,
        /// What.
        noted: Noted,
        /// What the transaction has come to by it.
        upshot: Upshot,
        /// Where it had left memory: what it counted for until then.
        left: Option<Left>,
    },
    /// A transaction was written once more, whole, so that the records about it before this one are needed no more.
    Carried {
        /// Its slot.
        slot: u32,
        /// What opened it.
        opening: Opening,
        /// What followed, in the order in which it came.
        facts: Vec<Noted>,
        /// What it has come to.
        upshot: Upshot,
        /// Whether it had left memory.
        left: bool,
        /// When it was written.
        at: Millis,
    },
    /// A transaction that had no customer became this one's, whole.
    Linked {
        /// Its slot here.
        slot: u32,
        /// What opened it, with the level that it counts under from now on.
        opening: Opening,
        /// What followed, in the order in which it came.
        facts: Vec<Noted>,
        /// What it has come to.
        upshot: Upshot,
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

impl Event {
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
            | Self::Chronicled(Chronicle { at, .. })
            | Self::Carried { at, .. }
            | Self::Linked { at, .. }
            | Self::Unlinked { at, .. } => Some(*at),
            Self::Opened { opening, .. } => Some(opening.recorded_at),
            Self::Happened { noted, .. } => Some(noted.at),
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
            | Self::Chronicled(_)
            | Self::Changed(_)
            | Self::Linked { .. } => true,
            Self::Opened { .. }
            | Self::Happened { .. }
            | Self::Carried { .. }
            | Self::Unlinked { .. }
            | Self::InstrumentUsed { .. } => false,
        }
    }
}

/// What must happen to a customer as it stands at a time.
pub type Make<'m> = dyn FnMut(&Customer, Millis) -> Result<Vec<Event>, Refusal> + 'm;

/// How an event was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The number of the record.
    pub number: u64,
    /// Where it lies.
    pub place: Place,
    /// The digest of the transaction's id, where one is opened.
    pub key: u64,
}
