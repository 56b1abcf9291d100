//! A naive model of the daemon's domain, and the generator of its input. The model keeps every transaction with its facts
//! in a list and sums all of them for every decision. It shares no code with the daemon.
#![allow(missing_docs, unreachable_pub, reason = "the fields are those of the contract")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers of a test are small")]

pub mod calendar;
pub mod compare;
pub mod decide;
pub mod fields;
pub mod generate;
mod generated_transitions;
mod invalid_input;
pub mod ledger;
pub mod money;
pub mod oracle;
pub mod random_configuration;
mod repeated_lines;
pub mod request;
mod resolve;
pub mod rules;
mod transition;
