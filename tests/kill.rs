//! What survives: real processes on real files, ended by real signals, and judged by what their clients were told.
//!
//! Nothing here links the library. A client keeps its own list of every operation and of the answer to it; a naive model
//! sums that list. Whatever was answered before a `kill -9` must be there behind it, once, with the same answer; whatever
//! got no answer is sent again with the same id, which tells.
//!
//! `LEVELGATE_ROUNDS` sets how many times the daemon is killed under load (50), `LEVELGATE_SEED` the first seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test says which seeds it played and what it counted")]

#[path = "kill/bulk.rs"]
mod bulk;
#[path = "kill/chance.rs"]
mod chance;
#[path = "kill/feed.rs"]
mod feed;
#[path = "kill/forget.rs"]
mod forget;
#[path = "kill/judge.rs"]
mod judge;
#[path = "kill/limits.rs"]
mod limits;
#[path = "kill/model/mod.rs"]
mod model;
#[path = "kill/operation.rs"]
mod operation;
#[path = "kill/process.rs"]
mod process;
#[path = "kill/reloads.rs"]
mod reloads;
#[path = "kill/said.rs"]
mod said;
#[path = "kill/setup.rs"]
mod setup;
#[path = "kill/staff.rs"]
mod staff;
#[path = "kill/verdicts.rs"]
mod verdicts;
#[path = "kill/verify.rs"]
mod verify;
#[path = "kill/wire.rs"]
mod wire;
#[path = "kill/worker.rs"]
mod worker;

#[path = "kill/bounds.rs"]
mod bounds;
#[path = "kill/copies.rs"]
mod copies;
#[path = "kill/damage.rs"]
mod damage;
#[path = "kill/ends.rs"]
mod ends;
#[path = "kill/jobs.rs"]
mod jobs;
#[path = "kill/rounds.rs"]
mod rounds;
#[path = "kill/space.rs"]
mod space;
#[path = "kill/stops.rs"]
mod stops;
