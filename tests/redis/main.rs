//! The Redis client against real servers: every answer of every script, refusals, faults of the network, failovers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod daemons;
mod failovers;
mod fences;
mod fixtures;
mod network_faults;
mod refusals;
mod restore;
mod restored_answers;
mod shipping;
mod snapshots;
mod standby;
mod stream;
