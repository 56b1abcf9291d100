//! The key `raise_not_before` of a merchant.

use crate::domain::vocabulary::words::Word;

/// The period that a raise of a customer's own limit waits for, in addition to its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum RaiseNotBefore {
    PeriodEnd,
}

impl Word for RaiseNotBefore {
    const WORDS: &'static [(&'static str, Self)] = &[("period_end", Self::PeriodEnd)];
}
