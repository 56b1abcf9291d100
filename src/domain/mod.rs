//! The language of levelgate: what the words mean, and every rule of the decision.
//!
//! This room knows no clock, no IO, no task, no log and no randomness. Time is an argument; the same state, rules,
//! request and time give the same answer. [`decision::decide`] reads, [`crate::domain::customer::aggregate::Customer::apply`] writes and cannot fail.

pub mod customer;
pub mod decision;
pub mod events;
pub mod routing;
pub mod rules;
pub mod transaction;
pub mod usage;
pub mod vocabulary;
