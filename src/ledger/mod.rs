//! The state: customers and the summaries of their transactions in memory. Every change is appended to the journal in
//! the same step.
//!
//! Each operation locks in one order, which [`Ledger`] describes. It decides, appends a record, applies the record, and
//! releases its locks. Time and rules are arguments: this room reads no clock, and one operation sees one configuration.
//!
//! An answer carries the LSN that it depends on. The caller waits until the journal has committed that record before it
//! sends the answer.

mod backtest;
mod customers;
mod index;
mod maintenance;
mod payments;
mod queries;
mod recovery;
mod replication;
mod state;

pub use crate::ledger::backtest::replayed::{
    DeniedPayment, RefusedApproval, Replayed, ReplayedDecision, VisitReplayed,
};
pub use crate::ledger::backtest::shadow_ledger::ShadowLedger;
pub use crate::ledger::customers::erase::EraseError;
pub use crate::ledger::customers::registration::{RegisteredCustomer, Registration, RegistrationOutcome};
pub use crate::ledger::customers::signals::{SentSignal, SignalledCustomer};
pub use crate::ledger::customers::update::{Amendment, CustomerRef};
pub(crate) use crate::ledger::index::customer_numbers::number_of;
pub use crate::ledger::index::customer_numbers::{FIRST_CUSTOMER, LAST_CUSTOMER};
pub use crate::ledger::index::default_countries::DefaultCountries;
pub use crate::ledger::index::digest::Digester;
pub use crate::ledger::index::search_index::SearchKey;
pub use crate::ledger::maintenance::clock::ClockAcceptance;
pub use crate::ledger::maintenance::compact::CompactionOutcome;
pub use crate::ledger::maintenance::evict::{BYTES_PER_HOLD, BYTES_PER_TRANSACTION, Retention};
pub use crate::ledger::payments::answer::{
    CustomerId, CustomerView, DryRun, PaymentAnswer, TransactionView, TransitionAnswer,
};
pub use crate::ledger::payments::dry_run::DryRunTime;
pub use crate::ledger::payments::link::LinkTarget;
pub use crate::ledger::payments::past::{PastCustomer, PastTransaction};
pub use crate::ledger::payments::prefetch::PaymentKeys;
pub use crate::ledger::payments::record::Actor;
pub use crate::ledger::payments::transition::{ExpectedContent, TransitionRequest, UnreservedPayment};
pub use crate::ledger::queries::audit::{
    entry::{AuditEntry, AuditHead, AuditKind, AuditPage, AuditQuery, CustomerStepView},
    page::AUDIT_READS_MAX,
};
pub use crate::ledger::queries::customer::CustomerWithUsage;
pub use crate::ledger::queries::customer_query::{
    AnyOf, CustomerCriterion, CustomerPosition, CustomerQuery, CustomerSort,
};
pub use crate::ledger::queries::customers::CustomerPage;
pub use crate::ledger::queries::feed::{FEED_READS_MAX, FeedEntry, FeedEvent, FeedEventKind, FeedQuery};
pub use crate::ledger::queries::history::{HistoryStep, UnreadableStep};
pub use crate::ledger::queries::instrument_blocks::BlockChange;
pub use crate::ledger::queries::level_counts::LevelCounts;
pub use crate::ledger::queries::limits_exceeded::{
    AboveBounds, AbovePage, AbovePosition, CustomerAbove, LimitQuestion,
};
pub use crate::ledger::queries::memory_use::MemoryUse;
pub use crate::ledger::queries::transactions::{
    PAGE_MAX, TransactionCursor, TransactionOrder, TransactionPage, TransactionPosition, TransactionQuery,
    TransactionTime, UnreadableTransaction,
};
pub use crate::ledger::recovery::state::StateRecovery;
pub use crate::ledger::replication::apply::{Replicated, ReplicatedError};
pub use crate::ledger::state::ledger::{Ledger, LedgerLimits, LedgerStorage};
pub use crate::ledger::state::made_levels::MadeLevel;
pub use crate::ledger::state::rename_lock::RenameGuard;
pub use crate::ledger::state::sealed_merchants::SealedMerchants;
pub use crate::ledger::state::test_merchants::TestMerchants;
