//! One transaction: what was asked, and what happened.

use super::Way;

/// A transaction with its facts. No hold of these tests ends while they run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transaction {
    pub(crate) id: String,
    pub(crate) way: Way,
    /// Whose filters count it; empty: those of no level.
    pub(crate) level: &'static str,
    /// A; 0 where it was approved without a reservation.
    pub(crate) asked: u64,
    /// B.
    pub(crate) approved: u64,
    /// One of its captures was the last that was announced.
    pub(crate) is_closed: bool,
    /// V: released from the reservation.
    pub(crate) released: u64,
    /// C: of what was approved.
    pub(crate) cancelled: u64,
    /// R.
    pub(crate) refunded: u64,
    /// K.
    pub(crate) charged_back: u64,
    pub(crate) declined: bool,
    pub(crate) denied: bool,
    /// A label of the customer's said that it is to be flagged.
    pub(crate) outlier: bool,
    /// Unassigned: it counts nowhere.
    pub(crate) passes_by: bool,
    /// What it was to be paid by.
    pub(crate) instrument: Option<String>,
    pub(crate) until: Option<String>,
    /// Facts after the opening.
    pub(crate) facts: usize,
}

impl Transaction {
    pub(crate) fn status(&self) -> &'static str {
        if self.approved > 0 {
            if self.cancelled >= self.approved && self.held_amount() == 0 { "cancelled" } else { "approved" }
        } else if self.denied {
            "denied"
        } else if self.declined {
            "declined"
        } else if self.released >= self.asked {
            "cancelled"
        } else {
            "reserved"
        }
    }

    /// Whether captures are still to follow those that came.
    pub(crate) fn is_open(&self) -> bool {
        self.approved > 0 && !self.is_closed && !self.denied
    }

    /// What was asked and neither released nor approved.
    pub(crate) fn unpaid(&self) -> u64 {
        self.asked.saturating_sub(self.released + self.approved)
    }

    /// What is held and not paid: all that is unpaid of a reservation, H of an open transaction.
    pub(crate) fn held_amount(&self) -> u64 {
        let is_reserved = self.approved == 0 && !self.denied && !self.declined;
        if is_reserved || self.is_open() { self.unpaid() } else { 0 }
    }

    /// What it puts into a filter: an amount, and itself or nothing.
    pub(crate) fn counts(&self, subtract: bool) -> (u64, u64) {
        let paid = if subtract { self.approved.saturating_sub(self.cancelled) } else { self.approved };
        let left = paid + self.held_amount();
        (left, u64::from(left > 0))
    }

    /// What may still be cancelled or paid back of what was approved.
    pub(crate) fn left(&self) -> u64 {
        self.approved.saturating_sub(self.cancelled + self.refunded + self.charged_back)
    }
}
