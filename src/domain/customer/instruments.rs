//! Stored payment instruments of a customer.

use crate::domain::vocabulary::{time::Millis, words::words};
/// The maximum number of stored instruments of one customer; the least recently used one is removed.
pub const INSTRUMENTS_MAX: usize = 100;

words! {
    /// Whether a stored payment instrument is usable. Blocks are not part of it, because they are not per customer.
    InstrumentState {
        /// It can be used.
        Active = "active",
        /// It has expired.
        Expired = "expired",
        /// The processor reports that it no longer exists.
        Invalid = "invalid",
    }
}

words! {
    /// The type of a stored payment instrument.
    InstrumentType {
        /// A card: of its number, the first six and the last four digits are known.
        Card = "card",
        /// A bank account: of its number, the last four digits are known.
        BankAccount = "bank_account",
        /// Another type, or unknown.
        Other = "other",
    }
}

/// A stored payment instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// The gateway's token.
    pub id: Box<str>,
    /// Its type.
    pub kind: InstrumentType,
    /// The digits that may be stored, such as `411111******1111`.
    pub masked: Option<Box<str>>,
    /// Its last valid month, counted from January of the year 0.
    pub expires: Option<u32>,
    /// When it was first recorded.
    pub saved_at: Millis,
    /// When a payment by it last succeeded.
    pub last_success_at: Option<Millis>,
    /// The number of successful payments by it.
    pub successes: u64,
    /// Whether it is usable.
    pub state: InstrumentState,
    /// Whether it is offered first.
    pub is_default: bool,
    /// Whether the customer agreed to storing it.
    pub on_file: bool,
}

impl Instrument {
    /// An instrument of which only the id is known.
    #[must_use]
    pub fn bare(id: &str, saved_at: Millis) -> Self {
        Self {
            id: id.into(),
            kind: InstrumentType::Other,
            masked: None,
            expires: None,
            saved_at,
            last_success_at: None,
            successes: 0,
            state: InstrumentState::Active,
            is_default: false,
            on_file: false,
        }
    }
}
