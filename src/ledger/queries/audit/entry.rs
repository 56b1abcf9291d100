//! Entries of the audit, and the query for them.

use crate::{
    domain::{
        customer::{aggregate::Customer, audit::ChangeSource},
        events::global_event::GlobalEvent,
        vocabulary::{names::Name, time::Millis, words::words},
    },
    ledger::queries::history::HistoryStep,
    storage::journal::{Lsn, UnreadableRecords},
};

words! {
    /// The kind of an entry.
    AuditKind {
        /// A change of a customer.
        Customer = "customer",
        /// A change of a customer by a row of an upload.
        Upload = "upload",
        /// A change of a customer by a payment.
        Payment = "payment",
        /// A signal about a customer or an instrument.
        Signal = "signal",
        /// Customers were merged.
        Merge = "merge",
        /// A transaction was linked to a customer.
        Link = "link",
        /// The erasure of a customer was requested, cancelled or done.
        Erasure = "erasure",
        /// A level was set, deleted, made by a payment, or read from its file.
        Level = "level",
        /// A level was renamed.
        Rename = "rename",
        /// The rates were set.
        Rates = "rates",
        /// The configuration files were read again.
        Reload = "reload",
        /// An upload or a bulk change ended.
        Job = "job",
        /// An instrument was blocked, or a block was lifted.
        InstrumentBlock = "instrument_block",
        /// An operator accepted the system clock.
        Clock = "clock",
        /// An operator accepted the loss of archived records.
        Archive = "archive",
        /// Records that cannot be read.
        Unreadable = "unreadable",
    }
}

/// A query for the audit of a merchant.
pub struct AuditQuery<'a> {
    /// The merchant.
    pub merchant: Name,
    /// Steps before this record; `None`: from the newest on.
    pub before: Option<Lsn>,
    /// Not earlier.
    pub from: Option<Millis>,
    /// Earlier.
    pub to: Option<Millis>,
    /// Only steps of these customers; `None`: all steps.
    pub customers: Option<&'a [u64]>,
    /// Whether changes by payments are wanted.
    pub with_payments: bool,
    /// About the most entries of a page.
    pub limit: usize,
    /// Whether a step is wanted.
    pub includes: &'a dyn Fn(&AuditHead) -> bool,
}

/// What is known of a step without the values that it changed.
#[derive(Debug, Clone, Copy)]
pub struct AuditHead {
    /// The number of its record.
    pub lsn: Lsn,
    /// When.
    pub at: Millis,
    /// The kind.
    pub kind: AuditKind,
    /// The source of the change.
    pub source: ChangeSource,
    /// The name of the token, as recorded.
    pub by: Option<Name>,
    /// Whether a signal caused it, which can reach customers of other merchants.
    pub is_signal: bool,
    /// Whether that signal lifts blocks of an instrument.
    pub lifts_block: bool,
    /// The number of the upload or the bulk change that a customer's step is part of.
    pub job: Option<u64>,
}

/// A step of one customer, with the customer before and after it, without transactions.
pub struct CustomerStepView<'a> {
    /// The number of the customer.
    pub number: u64,
    /// The step.
    pub step: &'a HistoryStep,
    /// Before it.
    pub before: &'a Customer,
    /// After it.
    pub after: &'a Customer,
    /// Whether earlier steps are missing, so that old values may be missing too.
    pub is_partial: bool,
    /// The instrument of a signal.
    pub instrument: Option<&'a str>,
}

/// An entry of the audit.
pub enum AuditEntry<'a> {
    /// A step of one customer.
    Customer(AuditHead, CustomerStepView<'a>),
    /// A step that concerns no single customer: its events about the merchant or about all merchants.
    Global(AuditHead, &'a [GlobalEvent]),
    /// Records that cannot be read: they may concern the merchant.
    Unreadable(&'a UnreadableRecords),
}

/// The end of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPage {
    /// The next page contains the steps before this record; `None`: this is the last page.
    pub next: Option<Lsn>,
    /// The first record that is kept.
    pub begins_at: Lsn,
    /// The number of records that were read, without earlier steps of customers.
    pub records_read: usize,
}
