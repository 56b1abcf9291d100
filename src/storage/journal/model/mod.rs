//! The vocabulary of the journal: ids, options, records, segments, errors, and the interfaces that it calls.

pub(in crate::storage) mod companion;
pub(in crate::storage) mod error;
pub(in crate::storage) mod ids;
pub(in crate::storage) mod instance;
pub(in crate::storage) mod options;
pub(in crate::storage) mod paths;
pub(in crate::storage) mod record;
pub(in crate::storage) mod replay;
pub(in crate::storage) mod segment_info;
