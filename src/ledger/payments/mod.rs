//! Operations on payments: reserve, dry run, repetition, transitions, link.

pub(in crate::ledger) mod answer;
pub(in crate::ledger) mod dry_run;
pub(in crate::ledger) mod facts;
pub(in crate::ledger) mod link;
pub(in crate::ledger) mod load;
pub(in crate::ledger) mod new_transaction;
pub(in crate::ledger) mod past;
pub(in crate::ledger) mod prefetch;
pub(in crate::ledger) mod record;
pub(in crate::ledger) mod repeat;
pub(in crate::ledger) mod reserve;
pub(in crate::ledger) mod reserve_for_customer;
pub(in crate::ledger) mod transaction_rules;
pub(in crate::ledger) mod transition;
