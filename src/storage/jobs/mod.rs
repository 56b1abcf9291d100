//! Jobs: work of many steps that must be done completely or not at all. This module stores the content of a job until it is
//! done; it does not know the steps.
//!
//! The content of a job is first written to a draft, sealed. Until the job has [begun](Draft::begin), a crash leaves nothing
//! of it. After that the next start finishes it. The steps are ordinary records of the journal; doing a step twice must
//! change nothing.
//!
//! **Progress** is a mark after each step, which names the number of the journal's last record at that time. A mark counts
//! only if the journal still has that record. So steps that a kill or a power cut has removed from the journal are done
//! again, and no others, except for a step whose mark was being written.
//!
//! **Personal data.** Everything except marks is sealed with a key of the job in the file of
//! [`Keys`](crate::storage::keys::Keys), under a number that no customer has. When the job ends, its file is removed and its
//! key erased, so that copies of the file are unreadable. A small readable file remains with the result, which contains only
//! numbers and the names of merchants and tokens.

mod check;
mod draft;
mod error;
mod frames;
mod job;
mod job_store;
mod open;
mod paths;
mod reader;
#[cfg(test)]
mod tests;

pub use crate::storage::{
    fs::headroom::is_full,
    jobs::{
        draft::Draft,
        error::JobError,
        job::{Job, JobProgress},
        job_store::JobStore,
        open::JobsOnDisk,
        paths::{BEGUN, ENDED, FOLDER},
        reader::Reader,
    },
};
