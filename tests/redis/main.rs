//! Redis, with real servers: every answer of every script, refusals, faults of the network, failovers, shipping, restores and
//! standbys. The kill suite has the rest: daemons under load whose answers and counters are judged by a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod erasure;
mod failovers;
mod fences;
mod fixtures;
mod lost_fences;
mod missing_snapshots;
mod network_faults;
mod refusals;
mod replaced_tasks;
mod restore;
mod restored_answers;
mod shipping;
mod snapshots;
mod standby;
mod stream;
mod trimming;
