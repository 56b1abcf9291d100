//! Recovery of the state from a snapshot and the journal.

pub(crate) mod recover;
