//! When a raise of a customer's own limits takes effect, and why one cannot be confirmed.

use crate::domain::vocabulary::time::Millis;
/// A merchant's policy for raises: requests by which a customer's own limit becomes higher or wider, or goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaisePolicy {
    /// The delay of a raise, in milliseconds.
    pub delay_ms: i64,
    /// The time to confirm a raise after its delay, in milliseconds. `None`: it takes effect without confirmation.
    pub confirm_within_ms: Option<i64>,
    /// Whether a raise also waits for the end of the current period of each limit that it raises.
    pub waits_for_period_end: bool,
}

/// Why a raise cannot be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationError {
    /// Its delay is not over.
    #[error("the raise is still delayed: it can be confirmed from {0} on")]
    TooEarly(Millis),
    /// The time for the confirmation is over.
    #[error("the raise lapsed at {0}, because it was not confirmed before: request it again")]
    Lapsed(Millis),
    /// It takes effect without confirmation.
    #[error("the raise needs no confirmation: it takes effect at {0}")]
    NotNeeded(Millis),
    /// There is no pending raise, and the last change of the limits was no confirmation.
    #[error("no raise is pending; one that was not confirmed in time has lapsed: request it again")]
    NothingPending,
}

impl ConfirmationError {
    /// The stable name on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooEarly(_) => "raise_too_early",
            Self::Lapsed(_) => "raise_lapsed",
            Self::NotNeeded(_) => "confirmation_not_needed",
            Self::NothingPending => "nothing_pending",
        }
    }
}
