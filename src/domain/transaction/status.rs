//! The status and the flags of a transaction.

use crate::domain::vocabulary::words::{Word, words};
use smallvec::SmallVec;

words! {
    /// The status of a transaction.
    Status {
        /// Waiting for its outcome.
        Reserved = "reserved",
        /// Money moved.
        Approved = "approved",
        /// The processor declined.
        Declined = "declined",
        /// Completely cancelled.
        Cancelled = "cancelled",
        /// Its hold expired.
        Expired = "expired",
        /// The rules denied it.
        Denied = "denied",
    }
}

words! {
    /// A notable property of a transaction.
    Flag {
        /// More was approved than reserved.
        OverLimit = "over_limit",
        /// Approved after its hold had ended.
        Late = "late",
        /// The facts contradict each other: approved after a decline or a cancel, captured after the final capture,
        /// declined after an approval, charged back beyond the remainder.
        Conflict = "conflict",
        /// Approved without a reservation.
        Unreserved = "unreserved",
        /// Anti-fraud flagged the customer.
        Suspicious = "suspicious",
        /// A label of the customer requires the flag.
        Outlier = "outlier",
        /// The named gate is not one of the merchant's.
        UnknownGate = "unknown_gate",
    }
}

/// Flags, a bit each, in the order of [`Flag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// With another flag, if it holds.
    #[must_use]
    pub const fn with(self, flag: Flag, holds: bool) -> Self {
        Self(self.0 | (holds as u8) << flag as u8)
    }

    /// With the flags of another set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// A set of flags.
    #[must_use]
    pub fn of(flags: &[Flag]) -> Self {
        Self(flags.iter().fold(0, |bits, flag| bits | 1 << *flag as u8))
    }

    /// Whether the set contains a flag.
    #[must_use]
    pub fn contains(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }
}

/// The flags as a list.
#[must_use]
pub fn flag_list(flags: Flags) -> SmallVec<[Flag; 2]> {
    // Few transactions have a flag.
    if flags == Flags::NONE {
        return SmallVec::new();
    }
    Flag::WORDS.iter().map(|(_, flag)| *flag).filter(|flag| flags.contains(*flag)).collect()
}
