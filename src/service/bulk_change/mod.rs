//! A change of many customers, chosen by filters or by ids, each changed as one call would change it.
//!
//! A bulk change is a job: the ids of the chosen customers are stored with the change before the first customer is changed,
//! and a daemon that stops between two customers changes the rest at its next start. Payments continue during a bulk change.

pub mod bulk_job;
pub(crate) mod bulk_request;
