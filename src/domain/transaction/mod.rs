//! Transactions: openings, facts, state, outcome, summaries, transitions and holds.

pub mod fact;
pub mod holds;
pub mod log_offset;
pub mod opening;
pub mod outcome;
pub mod past_payment;
pub mod state;
pub mod status;
pub mod summaries;
pub mod summary;
pub mod transition;
pub mod violation;
