//! The audit of a merchant: who changed what, the newest step first.
//!
//! A page reads the records of the journal and the archive backwards, in windows, until it has its entries or has read
//! [`page::AUDIT_READS_MAX`] records. So a page can be short and not the last. The journal knows the blocks of records
//! that payments alone have written since the start, and a page reads none of them
//! ([`crate::storage::journal::Journal::audit_span`]). The pages that read older records add what they find.
//!
//! A record contains what changed and not what was there before, so the steps of a customer on the page are replayed from
//! the customer's first step, as in a history.
//!
//! The times of records ascend, apart from records of the same minute, unless an accepted clock went back. Only then a page
//! with a span of time reads all records.

pub(in crate::ledger) mod entry;
pub(in crate::ledger) mod page;
#[cfg(test)]
mod tests;
mod window;
