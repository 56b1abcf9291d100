//! Customers: registration, profiles, settings, limits, instruments, signals, usage and histories.

pub(crate) mod audit;
pub(crate) mod customer_service;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod instruments;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod merge;
pub(crate) mod profile;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod usage;

pub use crate::service::customers::customer_service::CustomerService;
