//! A history replayed under other rules: a second ledger, whose decisions are made again and whose other records are applied
//! as they are.

pub(in crate::ledger) mod decide_again;
pub(in crate::ledger) mod imported_starts;
pub(in crate::ledger) mod normalise;
pub(in crate::ledger) mod replayed;
pub(in crate::ledger) mod shadow_ledger;
