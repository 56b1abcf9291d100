//! Payments and their transitions: the hot path of calls, batches and replay.

mod admitted;
pub(crate) mod block_origins;
pub(crate) mod call;
pub mod lines;
pub mod lines_ahead;
pub(crate) mod operation;
pub(crate) mod payment_form;
pub(crate) mod payment_service;
pub(crate) mod precedence;
pub(crate) mod reserve;
pub(crate) mod rule_metrics;
pub(crate) mod transactions;
pub(crate) mod transitions;

pub use crate::service::payments::operation::PaymentOperation;
pub use crate::service::payments::payment_service::PaymentService;
