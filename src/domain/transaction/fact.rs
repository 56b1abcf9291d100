//! Facts about a transaction after it was opened: captures, declines, cancels, refunds, chargebacks, extensions, attempts.

use crate::domain::{
    rules::configuration::words,
    transaction::{record::Content, summary::Flags},
    vocabulary::time::Millis,
};

words! {
    /// Which money a cancel gives back.
    CancelOf {
        /// What was reserved and not paid.
        Reservation = "reservation",
        /// What was approved.
        Approved = "approved",
    }
}

/// Something that happened to a transaction after it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Money moved: one capture.
    Approved {
        /// Names the capture; `None`: the one without a name.
        capture_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller sent no amount and meant all that was left of the reservation.
        all: bool,
        /// Whether no capture follows. `None`: the record is of a version that did not distinguish; then nothing is held
        /// for captures to follow, and one that does is no conflict.
        is_final: Option<bool>,
        /// The gate that paid.
        gate: Option<Box<str>>,
        /// The gateway's token.
        instrument: Option<Box<str>>,
        /// What the facts before it make of it: late, a conflict; and whether the gate is unknown.
        flags: Flags,
    },
    /// The processor refused.
    Declined {
        /// It came after an approval and changed nothing.
        conflict: bool,
    },
    /// Given back.
    Cancelled {
        /// `None`: the one without an id.
        cancel_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller requested all that was left, instead of an amount.
        all: bool,
        /// Which money it gives back. `None`: the record is of a version that did not distinguish; see
        /// [`Transaction::note`](crate::domain::transaction::record::Transaction::note).
        of: Option<CancelOf>,
        /// Whether the caller named which money.
        names_of: bool,
    },
    /// Paid back by the merchant.
    Refunded {
        /// `None`: the one without an id.
        refund_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller requested all that was left.
        all: bool,
        /// Whether it gives usage back: the merchant's option at the time.
        gives_back: bool,
    },
    /// Paid back by force.
    ChargedBack {
        /// `None`: the one without an id.
        chargeback_id: Option<Box<str>>,
        /// Minor units.
        amount: u64,
        /// Whether the caller requested all that was left.
        all: bool,
        /// Whether more went back by it than was left.
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
        /// What came of it.
        outcome: Box<str>,
        /// Whether the merchant has no gate of that name.
        unknown_gate: bool,
    },
    /// A reserve came after the approval that opened the transaction: what it asked for.
    Asked {
        /// Minor units: the amount of `content`, where that is there.
        amount: u64,
        /// When the hold ends that begins with it; `None`: never, or the record is of a version without such holds.
        hold_until: Option<Millis>,
        /// The content that a repetition of the reserve must repeat; `None`: the record is of a version that did not keep it.
        content: Option<Box<LateContent>>,
    },
}

/// What a reserve said that came after its approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateContent {
    /// All but the instrument.
    pub content: Content,
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
