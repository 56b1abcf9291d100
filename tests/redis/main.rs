//! The Redis client and shipping against real servers: every answer of every script, refusals, faults of the network,
//! failovers, and daemons whose answers and counters are compared with what a client recorded.
//!
//! The clients and their naive model are those of the kill suite. `LEVELGATE_ROUNDS` sets how many times a daemon is killed
//! under load (4), `LEVELGATE_SEED` the first seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test prints the seeds that it played and what it counted")]

#[path = "../kill/answer_fields.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod answer_fields;
#[path = "../kill/bulk_updates.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod bulk_updates;
mod case;
#[path = "../kill/client.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod client;
mod copied_state;
#[path = "../kill/daemon.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod daemon;
mod daemons;
#[path = "../kill/erasure.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod erasure;
#[path = "../kill/expected_answer.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod expected_answer;
mod failovers;
mod fences;
mod fixtures;
#[path = "../kill/folders.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod folders;
mod kills_with_redis;
#[path = "../kill/limit_calls.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod limit_calls;
#[path = "../kill/model/mod.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod model;
mod network_faults;
#[path = "../kill/operation.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod operation;
mod outages;
mod refusals;
#[path = "../kill/reload.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod reload;
mod replicas;
mod restore;
mod restored_answers;
mod servers_lost;
mod shipping;
mod snapshots;
#[path = "../kill/staff_calls.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod staff_calls;
mod standby;
mod stream;
mod two_daemons;
#[path = "../kill/verify.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod verify;
#[path = "../kill/worker.rs"]
#[allow(dead_code, reason = "the kill suite uses the rest")]
mod worker;
