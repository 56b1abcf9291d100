//! The whole ledger over a disk that loses what was not synced: at every call the power is cut, the process killed or
//! the call fails, and what comes back must be what the operations up to some point had made of it, every acknowledged
//! one among them, in the eyes of the naive model.
//!
//! `LEVELGATE_SEEDS` sets how many workloads each test plays, `LEVELGATE_SEED` the first of their seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test prints what it has tried")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers of a test are small")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "the model is shared with another program of tests")]

mod configurations;
mod disk_images;
mod expected_state;
mod harness;
mod instrument_model;
mod run;
mod staff_calls;
mod workload;

mod bit_flips;
mod clock_jumps;
mod concurrent_snapshots;
mod event_feed;
mod failing_calls;
mod level_overrides;
mod parallel_recovery;
mod power_cuts;
mod regressions;
mod replication;
mod restored_folders;
mod sealed_identifiers;
mod secondary_files;
mod segment_deletion;
mod shipping;
mod snapshot_interleaving;
mod stalled_disk;
mod stalled_disk_over_http;
