//! Jobs: work of many steps that is done completely or not at all, with an id by which a caller finds and repeats it.
//!
//! The steps are tried first. Then one file that is synced before the first step commits to the job, and the steps are
//! done. A daemon that stops between two steps finishes them at its next start. The same content sent again with the same id
//! gets the same answer, or waits for it.

mod audited_job;
pub(crate) mod limits;
pub(crate) mod registry;
pub mod resume;
pub(crate) mod resume_context;
pub mod tracked_job;

pub use crate::service::jobs::registry::Jobs;
