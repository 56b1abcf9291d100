//! When a raise of a customer's own limits takes effect.

/// A merchant's policy for raises: requests by which a customer's own limit becomes higher or wider, or goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaisePolicy {
    /// How long a raise waits, in milliseconds.
    pub delay_ms: i64,
    /// How long after its wait a raise can be confirmed, in milliseconds. `None`: it takes effect by itself.
    pub confirm_within_ms: Option<i64>,
    /// Whether a raise also waits for the end of the current period of every limit that it raises.
    pub waits_for_period_end: bool,
}
