//! Who changed a customer, and when.

use crate::domain::{
    transaction::log_offset::LogOffset,
    vocabulary::{names::Name, time::Millis, words::words},
};
words! {
    /// The source of a change.
    ChangeSource {
        /// A payment.
        Payment = "payment",
        /// A call of the API.
        Api = "api",
        /// A row of an upload.
        Upload = "upload",
        /// The daemon, by a rule.
        System = "system",
    }
}

/// Who changes a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// The source of the change.
    pub source: ChangeSource,
    /// The name of the token, where tokens are configured.
    pub by: Option<Name>,
    /// The number of the upload or the bulk change that the change is part of.
    pub job: Option<u64>,
}

impl Author {
    /// A payment.
    pub const PAYMENT: Self = Self { source: ChangeSource::Payment, by: None, job: None };
    /// The daemon.
    pub const SYSTEM: Self = Self { source: ChangeSource::System, by: None, job: None };
}

/// The author and the time of the changes of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Millis,
    /// The source.
    pub source: ChangeSource,
    /// The name of the token; `None`: no tokens are configured, or the change was not made by a call.
    pub by: Option<Name>,
    /// The offset of the customer's previous audit entry; `None`: this is the first.
    pub previous: Option<LogOffset>,
    /// The number of the upload or the bulk change that the step is part of; `None`: of none, or an earlier version
    /// recorded the step.
    pub job: Option<u64>,
}
