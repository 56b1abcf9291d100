//! The language of levelgate: what the words mean, and every rule of the decision.
//!
//! This room knows no clock, no IO, no task, no log and no randomness. Time is an argument; the same state, rules,
//! request and time give the same answer. [`decide`] reads, [`customer::Customer::apply`] writes and cannot fail.

pub mod blocks;
pub mod brief;
pub mod calendar;
pub(crate) mod card;
pub mod codes;
pub mod common;
pub mod convert;
pub mod customer;
pub mod decide;
pub mod email;
pub mod event;
pub mod external_id;
pub mod fact;
pub mod holds;
pub(crate) mod identifier_text;
pub mod identity;
pub mod labels;
pub mod level;
pub mod limits;
pub mod merge;
pub mod money;
pub mod name;
pub mod overlay;
pub mod own;
pub mod payment;
pub mod phone;
pub mod profile;
pub mod raise_policy;
pub mod refusal;
pub mod registration;
pub mod routing;
pub mod rules;
pub mod said;
pub mod settings;
pub mod standing;
pub mod stored_identifier;
pub(crate) mod suggest;
pub mod terminal;
pub mod time;
pub mod transaction;
pub mod transition;
pub mod upshot;
pub mod usage;
mod zone;
