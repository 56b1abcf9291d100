//! A standby: it restores or continues its folder, follows the stream in Redis, answers reads, and takes over.

mod follower;
mod lease_watch;
mod restore;
mod take_over;
mod thread;

pub(crate) use crate::daemon::standby::{
    restore::restore_if_empty,
    thread::{StandbyParts, StandbyThread},
};
