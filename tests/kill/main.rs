//! Durability: real processes on real files, ended by real signals, and compared with the answers that clients got.
//!
//! Nothing here links the library. A client records every operation and its answer; a naive model sums that list. Every
//! operation that was answered before a `kill -9` must exist after it, once, with the same answer. An operation without an
//! answer is sent again with the same id, and its answer shows whether it was recorded.
//!
//! `LEVELGATE_ROUNDS` sets how many times the daemon is killed under load (50; with a copy in Redis 4; take-overs of a
//! standby 5), `LEVELGATE_SEED` the first seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test prints the seeds that it played and what it counted")]

mod answer_fields;
mod bulk_updates;
mod client;
mod daemon;
mod erasure;
mod event_feed;
mod expected_answer;
mod folders;
mod inspect_verdicts;
mod limit_calls;
mod model;
mod operation;
mod reload;
mod staff_calls;
mod verify;
mod worker;

mod backups;
mod damaged_folders;
mod full_disk;
mod interrupted_history;
mod interrupted_jobs;
mod kill_rounds;
mod redis_copy;
mod resource_limits;
mod shutdown;
mod stop_snapshot;
mod take_over;
