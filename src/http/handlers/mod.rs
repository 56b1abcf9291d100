//! Handlers of the operations, grouped by resource. A handler reads its request and calls the service.

pub(crate) mod api_reference;
pub(crate) mod batch;
pub(crate) mod configuration;
pub(crate) mod customers;
pub(crate) mod daemon;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod import_export;
pub(crate) mod index;
pub(crate) mod instruments;
pub(crate) mod jobs;
pub(crate) mod levels;
pub(crate) mod limits;
pub(crate) mod monitoring;
pub(crate) mod payments;
pub(crate) mod redis_status;
pub(crate) mod signals;
pub(crate) mod standby_status;
pub(crate) mod transactions;
