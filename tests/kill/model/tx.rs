//! One transaction: what was asked, and what happened.

use super::Way;

/// A transaction with its facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tx {
    pub(crate) id: String,
    pub(crate) way: Way,
    pub(crate) level: &'static str,
    pub(crate) asked: u64,
    pub(crate) approved: u64,
    pub(crate) cancelled: u64,
    pub(crate) refunded: u64,
    pub(crate) declined: bool,
    pub(crate) denied: bool,
    /// A label of the customer's said that it is to be flagged.
    pub(crate) outlier: bool,
    /// Nobody's: it counts nowhere.
    pub(crate) passes_by: bool,
    /// What it was to be paid by.
    pub(crate) instrument: Option<String>,
    pub(crate) until: Option<String>,
    /// Facts behind the opening.
    pub(crate) facts: usize,
}

impl Tx {
    pub(crate) fn status(&self) -> &'static str {
        if self.approved > 0 {
            if self.cancelled >= self.approved { "cancelled" } else { "approved" }
        } else if self.denied {
            "denied"
        } else if self.declined {
            "declined"
        } else if self.cancelled >= self.asked {
            "cancelled"
        } else {
            "reserved"
        }
    }

    /// What it puts into a filter: an amount, and itself or nothing.
    pub(crate) fn counts(&self, subtract: bool) -> (u64, u64) {
        let left = if self.approved > 0 {
            if subtract { self.approved.saturating_sub(self.cancelled) } else { return (self.approved, 1) }
        } else if self.denied || self.declined {
            0
        } else {
            self.asked.saturating_sub(self.cancelled)
        };
        (left, u64::from(left > 0))
    }

    /// What may still be cancelled or paid back.
    pub(crate) fn left(&self) -> u64 {
        let whole = if self.approved > 0 { self.approved } else { self.asked };
        whole.saturating_sub(self.cancelled + self.refunded)
    }
}
