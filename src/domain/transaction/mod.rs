//! Transactions: facts, summaries, outcomes, transitions and holds.

pub mod fact;
pub mod holds;
pub mod outcome;
pub mod record;
pub mod summary;
pub mod transition;
