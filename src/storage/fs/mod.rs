//! Files in folders, addressed by short paths such as `journal/00000000000000000001.log`.
//!
//! This module knows bytes, not events, records or customers. The interface is as small as its users need, so that
//! [`memory::Memory`] can act as a disk that loses, tears and refuses on demand: a crash is one call.

pub mod disk;
pub mod headroom;
pub mod memory;
pub mod ram;
pub(crate) mod store;
pub(crate) mod unfinished;

pub use crate::storage::fs::{
    headroom::{GrowthCheck, Headroom, NoRoom, is_full},
    store::{File, FileId, Space, Store, folder_of, read_full},
    unfinished::Unfinished,
};
