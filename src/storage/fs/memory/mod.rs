//! The store for tests: a disk in memory that keeps live and durable bytes apart, counts its calls, fails on demand, and
//! makes images of what a power cut would have left.

pub(crate) mod faults;
pub(crate) mod file;
pub(crate) mod memory_store;
pub(crate) mod stall;
pub(crate) mod state;
#[cfg(test)]
pub(crate) mod tests;

pub use crate::storage::fs::memory::{
    faults::{EIO, ENOSPC, Fault, Keep, Unsynced},
    memory_store::Memory,
    stall::{StallGuard, StalledCalls},
};
