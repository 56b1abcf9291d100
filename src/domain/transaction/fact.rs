//! Facts about a transaction after it was opened: captures, declines, cancels, refunds, chargebacks, extensions, attempts.

use crate::domain::{
    transaction::{opening::PaymentContent, status::Flags},
    vocabulary::{time::Millis, words::words},
};
words! {
    /// The money that a cancel releases.
    CancelOf {
        /// The reserved, not captured money.
        Reservation = "reservation",
        /// The approved money.
        Approved = "approved",
    }
}

/// Something that happened to a transaction after it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Money moved: one capture.
    Approved {
        /// The id of the capture; `None`: the one without an id.
        capture_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller sent no amount, which means the remainder of the reservation.
        all: bool,
        /// Whether no capture follows. `None`: the record is of a version that did not distinguish; then nothing is held
        /// for further captures, and a further capture is not a conflict.
        is_final: Option<bool>,
        /// The gate that paid.
        gate: Option<Box<str>>,
        /// The gateway's token.
        instrument: Option<Box<str>>,
        /// Flags that follow from the facts before it: late, conflict; and whether the gate is unknown.
        flags: Flags,
    },
    /// The processor refused.
    Declined {
        /// Whether it came after an approval, so that it changed nothing.
        conflict: bool,
    },
    /// Cancelled.
    Cancelled {
        /// `None`: the one without an id.
        cancel_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller requested the remainder instead of an amount.
        all: bool,
        /// The money that it releases. `None`: the record is of a version that did not distinguish; see
        /// [`Transaction::add_fact`](crate::domain::transaction::state::Transaction::add_fact).
        of: Option<CancelOf>,
        /// Whether the caller named which money.
        names_of: bool,
    },
    /// Refunded by the merchant.
    Refunded {
        /// `None`: the one without an id.
        refund_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller requested the remainder.
        all: bool,
        /// Whether it reduces usage: the merchant's option at that time.
        gives_back: bool,
    },
    /// Charged back by the bank.
    ChargedBack {
        /// `None`: the one without an id.
        chargeback_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller requested the remainder.
        all: bool,
        /// Whether it exceeds the remainder.
        conflict: bool,
    },
    /// The hold lasts until then.
    Extended {
        /// The new end.
        until: Millis,
    },
    /// One gate was tried.
    Attempted {
        /// Its number.
        attempt: u32,
        /// Which gate.
        gate: Box<str>,
        /// The result.
        outcome: Box<str>,
        /// Whether the merchant has no gate of that name.
        unknown_gate: bool,
    },
    /// A reserve that came after the approval that opened the transaction.
    ReservedLate {
        /// Minor units: the amount of `content`, where that is there.
        amount: u64,
        /// When the hold ends that begins with it; `None`: never, or the record is of a version without such holds.
        hold_until: Option<Millis>,
        /// The content that a repetition of the reserve must repeat; `None`: the record is of a version that did not keep it.
        content: Option<Box<LateReserveContent>>,
    },
}

/// The content of a reserve that came after its approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReserveContent {
    /// All but the instrument.
    pub content: PaymentContent,
    /// The gateway's token.
    pub instrument: Option<Box<str>>,
}

/// A fact with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFact {
    /// When it was recorded.
    pub at: Millis,
    /// What.
    pub fact: Fact,
}

impl RecordedFact {
    /// Whether two are the same fact of one transaction. A cancel whose record does not name its money is the same as
    /// the one that was resolved when it was added.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.fact, &other.fact) {
            (Fact::Cancelled { cancel_id: one, .. }, Fact::Cancelled { cancel_id: other_id, .. }) => {
                self.at == other.at && one == other_id
            }
            _ => self == other,
        }
    }
}
