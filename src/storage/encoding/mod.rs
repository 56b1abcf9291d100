//! Events as bytes, and back. This module knows no record, no segment and no key: its callers seal and open.
//!
//! The body of a record is one or more events, one after another to its end. An event is a tag (one byte) and the fields in
//! the order of the tables in `tags.rs`, `change.rs`, `opening.rs` and `transaction.rs`; `bytes.rs` describes each type of
//! field. Each record can be read alone.

pub(crate) mod bytes;
mod change;
mod customer_event;
pub(in crate::storage) mod events;
mod global_event;
pub(in crate::storage) mod identifier;
mod instrument;
pub(in crate::storage) mod numbers;
mod opening;
pub(in crate::storage) mod seal;
mod tags;
mod transaction;
mod violation;
mod window;

pub use crate::storage::encoding::{
    bytes::DecodeError,
    customer_event::{encode, encode_opened},
    events::{Events, RecordedEvent, begins_with_transaction, decode, is_for_all, is_of_archive},
    global_event::encode_global,
    seal::{Open, Seal},
};
pub(in crate::storage) use crate::storage::encoding::{
    identifier::{open_identifier, seal_identifier},
    seal::{open_attributes, seal_attributes},
};
