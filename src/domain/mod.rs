//! The language of levelgate: its terms, and every rule of the decision.
//!
//! This room has no clock, IO, task, log or randomness. Time is an argument; the same state, rules, request and time
//! give the same answer. [`decision::decide`] reads, [`customer::aggregate::Customer::apply`] writes and cannot fail.
//!
//! Files import downwards in this list. `customer` and `events` are one step: an event names the parts of a customer
//! that it changes, and the aggregate applies events.
//!
//! 1. `decision`: payments, the level, gauges, the decision, the opening of the transaction
//! 2. `customer`, `events`: the aggregate and its parts, updates, merges; customer events, global events, overrides
//! 3. `routing`: gates of a payment in their order
//! 4. `transaction`: openings, facts, state, outcome, summaries, transitions, holds
//! 5. `usage`: contributions, usage series, conversion
//! 6. `request`: fields of a request, refusals
//! 7. `rules`: the configuration
//! 8. `vocabulary`: money, time, names, attributes, denial codes; `packed_rows`: lists of numbers in little memory

pub mod customer;
pub mod decision;
pub mod events;
pub mod packed_rows;
pub mod request;
pub mod routing;
pub mod rules;
pub mod transaction;
pub mod usage;
pub mod vocabulary;
