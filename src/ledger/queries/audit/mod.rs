//! The audit of a merchant: who changed what, the newest step first.
//!
//! A page reads the records of the journal and the archive backwards, in windows, until it has its entries or has read
//! [`page::AUDIT_READS_MAX`] records. So a page can be short and not the last. Records that payments wrote are skipped by
//! the tag of their first event. A record contains what changed and not what was there before, so the steps of a customer
//! on the page are replayed from the customer's first step, as in a history.
//!
//! The times of records ascend, apart from records of the same minute, unless an accepted clock went back. Only then a page
//! with a span of time reads all records.

pub(in crate::ledger) mod entry;
pub(in crate::ledger) mod page;
#[cfg(test)]
mod tests;
mod window;
