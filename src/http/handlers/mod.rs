//! Handlers of the operations, grouped by resource.

pub(crate) mod admin_request;
pub(crate) mod archive_health;
pub(crate) mod batch;
pub(crate) mod bulk;
pub(crate) mod clock;
pub(crate) mod customers;
pub mod events;
pub(crate) mod form;
pub(crate) mod handlers;
pub(crate) mod history;
pub(crate) mod import_export;
pub(crate) mod instruments;
pub mod levels;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod lists;
pub(crate) mod merge;
pub(crate) mod overview;
pub(crate) mod usage;
